/* smallest: the smallest sound message of each kind, made from the rules that the codec checks by.
 */
#ifndef ZOE_TESTS_WIRE_SMALLEST_H
#define ZOE_TESTS_WIRE_SMALLEST_H

#include "wire/farm_peer.h"

#include "proto/validate.h"

static inline void smallest_number(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                                   int64_t value)
{
    uint8_t *at = (uint8_t *)m + f->offset;
    if (f->type == PROTOBUF_C_TYPE_UINT64 || f->type == PROTOBUF_C_TYPE_INT64 ||
        f->type == PROTOBUF_C_TYPE_SINT64)
        memcpy(at, &value, sizeof(value));
    else
        memcpy(at, &(int32_t){(int32_t)value}, sizeof(int32_t));
}

static inline void smallest_text(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                                 const char *text)
{
    char *copy = xstrdup(text);
    memcpy((uint8_t *)m + f->offset, &copy, sizeof(copy));
}

static inline void smallest_letters(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                                    size_t count)
{
    char text[256];
    assert_true(count < sizeof(text));
    memset(text, 'x', count);
    text[count] = '\0';
    smallest_text(m, f, text);
}

static inline void smallest_bytes(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                                  size_t size)
{
    ProtobufCBinaryData data = {size, xcalloc(1, size)};
    memcpy((uint8_t *)m + f->offset, &data, sizeof(data));
}

static inline void smallest_fill(ProtobufCMessage *m);

static inline ProtobufCMessage *smallest_make(const ProtobufCMessageDescriptor *d)
{
    ProtobufCMessage *m = xcalloc(1, d->sizeof_message);
    d->message_init(m);
    smallest_fill(m);
    return m;
}

/* Of one. */
static inline void smallest_list(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const size_t one = 1;
    ProtobufCMessage **list = xcalloc(1, sizeof(*list));
    list[0] = smallest_make(f->descriptor);
    memcpy((uint8_t *)m + f->offset, &list, sizeof(list));
    memcpy((uint8_t *)m + f->quantifier_offset, &one, sizeof(one));
}

static inline void smallest_field(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                                  const struct validate_rule *rule)
{
    ProtobufCMessage *sub = NULL;
    if (rule->kind == VALIDATE_RANGE || rule->kind == VALIDATE_ENUM) {
        smallest_number(m, f, rule->min > 0 ? rule->min : 0);
        return;
    }
    if (rule->kind == VALIDATE_ANY || rule->min <= 0) return;
    switch (rule->kind) {
    case VALIDATE_TEXT:
    case VALIDATE_NAME:
        smallest_letters(m, f, (size_t)rule->min);
        break;
    case VALIDATE_BATCH_ID:
    case VALIDATE_BATCH_REF:
    case VALIDATE_PATH:
        smallest_text(m, f, "0123456789");
        break;
    case VALIDATE_DIGEST:
        smallest_bytes(m, f, 32);
        break;
    case VALIDATE_BYTES:
        smallest_bytes(m, f, (size_t)rule->max);
        break;
    case VALIDATE_SUB:
        sub = smallest_make(f->descriptor);
        memcpy((uint8_t *)m + f->offset, &sub, sizeof(sub));
        break;
    case VALIDATE_MANY:
        smallest_list(m, f);
        break;
    default:
        fail_msg("%s: not known here", f->name);
    }
}

static inline void smallest_fill(ProtobufCMessage *m)
{
    const struct validate_table *table = validate_find(m->descriptor);
    assert_non_null(table);
    for (unsigned i = 0; i < m->descriptor->n_fields; i++)
        smallest_field(m, &m->descriptor->fields[i], &table->rules[i]);
}

/* What the rules of single fields do not say. */
static inline void smallest_extra(Farm__Envelope *e, bool client)
{
    if (e->body_case == FARM__ENVELOPE__BODY_CHUNK && client) {
        e->chunk->key = xstrdup("x");
    } else if (e->body_case == FARM__ENVELOPE__BODY_CHUNK) {
        e->chunk->attempt = (Farm__Attempt *)smallest_make(&farm__attempt__descriptor);
    } else if (e->body_case == FARM__ENVELOPE__BODY_FILE_WANTED && client) {
        e->file_wanted->batch = xstrdup("0123456789");
    } else if (e->body_case == FARM__ENVELOPE__BODY_FILE_WANTED) {
        e->file_wanted->model_digest = (ProtobufCBinaryData){32, xcalloc(1, 32)};
    } else if (e->body_case == FARM__ENVELOPE__BODY_HELLO) {
        e->hello->connection = FARM__CONNECTION__CONNECTION_BULK;
        e->hello->session = 1;
    }
}

/* Sends one of `kind`; sound for the codec when its sender may say it. */
static inline void smallest_send(struct peer *p, const struct message_kind *kind)
{
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field(&farm__envelope__descriptor, (unsigned)kind->body);
    assert_non_null(f);
    ProtobufCMessage *body = smallest_make(f->descriptor);
    e.request = ++p->request;
    e.body_case = kind->body;
    memcpy((uint8_t *)&e + f->offset, &body, sizeof(body));
    smallest_extra(&e, p->hears == MESSAGE_TO_CLIENT);
    static const uint8_t byte[1] = {0};
    peer_send(p, &e, kind->payload ? (struct bytes){byte, 1} : (struct bytes){NULL, 0});
    protobuf_c_message_free_unpacked(body, NULL);
}

#endif

/* Packing and unpacking within limits. protobuf-c allocates from the message's arena only. */
#include "proto/codec.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "proto/limits.h"
#include "proto/validate.h"

static void *budget_alloc(void *context, size_t size)
{
    return arena_alloc(context, size);
}

/* The arena goes as a whole; protobuf-c frees only when unpacking fails. */
static void budget_free(void *context, void *memory)
{
    (void)context;
    (void)memory;
}

static const ProtobufCMessage *body_of(const Farm__Envelope *envelope)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
        &farm__envelope__descriptor, (unsigned)envelope->body_case);
    if (field == NULL) return NULL;
    const char *at = (const char *)envelope + field->offset;
    return *(const ProtobufCMessage *const *)(const void *)at;
}

static bool check_envelope(const Farm__Envelope *envelope, bool in_arena, struct error *err)
{
    if (envelope->version < 1 || envelope->version > PROTOCOL_LAST) {
        return error_set(err, ERROR_INVALID, "envelope.version %u is outside 1 to %d",
                         (unsigned)envelope->version, PROTOCOL_LAST);
    }
    const ProtobufCMessage *body = body_of(envelope);
    if (body == NULL) return error_set(err, ERROR_INVALID, "the envelope is empty");
    return validate_message(body, in_arena, err);
}

static bool check_kind(const struct message_kind *kind, enum message_from from, size_t size_bytes,
                       struct error *err)
{
    if (kind == NULL) return error_set(err, ERROR_INVALID, "the envelope holds no known message");
    if (!message_may_send(kind, from)) {
        return error_set(err, ERROR_AUTH, "%s may not be sent here with this key", kind->name);
    }
    if (size_bytes <= kind->limit_bytes) return true;
    return error_set(err, ERROR_INVALID,
                     "%s is too large: it has %zu bytes, at most %zu are allowed", kind->name,
                     size_bytes, kind->limit_bytes);
}

static bool check_payload(const struct message_kind *kind, struct bytes payload, struct error *err)
{
    if (kind->payload != (payload.data != NULL)) {
        return error_set(err, ERROR_INVALID, "%s %s a payload", kind->name,
                         kind->payload ? "comes without" : "may not carry");
    }
    if (payload.size <= LIMIT_CHUNK_BYTES) return true;
    return error_set(err, ERROR_INVALID, "a payload of %zu bytes, at most %d are allowed",
                     payload.size, LIMIT_CHUNK_BYTES);
}

static bool fill(struct message *m, struct bytes envelope, struct bytes payload,
                 enum message_from from, struct error *err)
{
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &m->arena};
    Farm__Envelope *unpacked = farm__envelope__unpack(&allocator, envelope.size, envelope.data);
    if (unpacked == NULL) {
        return error_set(err, ERROR_INVALID,
                         "not a message, or one that unpacks to more than %d bytes",
                         LIMIT_DECODE_BUDGET_BYTES);
    }
    m->envelope = unpacked;
    m->kind = message_kind_find(unpacked->body_case);
    m->payload = payload;
    return check_kind(m->kind, from, envelope.size, err) && check_payload(m->kind, payload, err) &&
           check_envelope(unpacked, true, err);
}

struct message *codec_decode(struct bytes envelope, struct bytes payload, enum message_from from,
                             struct error *err)
{
    size_t limit = message_limit_bytes(from);
    if (envelope.size > limit) {
        error_set(err, ERROR_INVALID, "an envelope of %zu bytes, at most %zu are allowed",
                  envelope.size, limit);
        return NULL;
    }
    struct message *m = xcalloc(1, sizeof(*m));
    arena_init(&m->arena, LIMIT_DECODE_BUDGET_BYTES);
    if (fill(m, envelope, payload, from, err)) return m;
    message_free(m);
    return NULL;
}

static bool read_varint(struct bytes *in, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && in->size > 0; shift += 7) {
        uint8_t byte = *in->data;
        in->data++;
        in->size--;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *out = value;
            return true;
        }
    }
    return false;
}

/* Top level only; a field of another wire type than varint or bytes ends the search. */
uint64_t codec_request_of(struct bytes envelope)
{
    uint64_t tag = 0;
    uint64_t value = 0;
    while (read_varint(&envelope, &tag) && read_varint(&envelope, &value)) {
        if (tag == 2 << 3) return value;
        if ((tag & 7) == 2 && value <= envelope.size) {
            envelope.data += value;
            envelope.size -= (size_t)value;
        } else if ((tag & 7) != 0) {
            return 0;
        }
    }
    return 0;
}

static bool our_fault(struct error *err)
{
    if (err != NULL) err->code = ERROR_INTERNAL;
    return error_wrap(err, "cannot be sent");
}

bool codec_encode(const Farm__Envelope *envelope, enum message_from from, struct buf *out,
                  struct error *err)
{
    const struct message_kind *kind = message_kind_find(envelope->body_case);
    if (kind == NULL || body_of(envelope) == NULL) {
        return error_set(err, ERROR_INTERNAL, "the envelope is empty");
    }
    if (!check_envelope(envelope, false, err)) return our_fault(err);
    size_t size = farm__envelope__get_packed_size(envelope);
    if (!check_kind(kind, from, size, err)) return our_fault(err);
    buf_reserve(out, size);
    size_t packed = farm__envelope__pack(envelope, out->data + out->size);
    ZOE_ASSERT(packed == size);
    out->size += size;
    out->data[out->size] = '\0';
    return true;
}

ProtobufCBinaryData codec_digest(const struct digest *d)
{
    /* protobuf-c has no read-only bytes; packing only reads them. */
    union {
        const uint8_t *in;
        uint8_t *out;
    } bytes = {.in = d->bytes};
    return (ProtobufCBinaryData){.len = DIGEST_BYTES, .data = bytes.out};
}

bool codec_digest_get(const ProtobufCBinaryData *field, struct digest *out)
{
    memset(out, 0, sizeof(*out));
    if (field->len != DIGEST_BYTES || field->data == NULL) return false;
    memcpy(out->bytes, field->data, DIGEST_BYTES);
    return true;
}

static size_t utf8_length(const char *text, size_t left)
{
    for (size_t n = 1; n <= 4 && n <= left; n++) {
        if (text_is_utf8(text, n)) return n;
    }
    return 0;
}

/* Clean text is never longer than what it came from: each bad byte becomes one '?'. */
static size_t clean_into(const char *text, size_t size_bytes, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < size_bytes;) {
        unsigned char byte = (unsigned char)text[i];
        bool c1 = byte == 0xc2 && i + 1 < size_bytes && (unsigned char)text[i + 1] < 0xa0;
        bool control = (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f || c1;
        size_t length = control ? 0 : utf8_length(text + i, size_bytes - i);
        if (length == 0) {
            out[used++] = '?';
            i++;
            continue;
        }
        memcpy(out + used, text + i, length);
        used += length;
        i += length;
    }
    return used;
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

char *codec_clean_text(const char *text, size_t size_bytes, size_t limit_bytes, bool keep_end)
{
    char *clean = xmalloc(size_bytes + 1);
    size_t used = clean_into(text, size_bytes, clean);
    size_t from = 0;
    if (used > limit_bytes && keep_end) {
        from = used - limit_bytes;
        while (from < used && is_continuation(clean[from]))
            from++;
    } else if (used > limit_bytes) {
        used = limit_bytes;
        while (used > 0 && is_continuation(clean[used]))
            used--;
    }
    memmove(clean, clean + from, used - from);
    clean[used - from] = '\0';
    return clean;
}

bool codec_problem_error(const Farm__Problem *problem, struct error *err)
{
    return error_set(err, error_code_from_name(problem->code), "%s", problem->message);
}

/* The version is the first field: a tag and a varint, whose last byte is the first below 128. */
static size_t version_end(const struct buf *packed)
{
    size_t end = 1;
    ZOE_ASSERT(packed->size > 1 && packed->data[0] == 1 << 3);
    while (end < packed->size && packed->data[end] >= 128)
        end++;
    ZOE_ASSERT(end < packed->size);
    return end + 1;
}

void codec_restamp(struct buf *packed, unsigned version)
{
    Farm__Envelope stamp = FARM__ENVELOPE__INIT; /* packs to that field alone */
    uint8_t bytes[16];
    stamp.version = version;
    const size_t size = farm__envelope__get_packed_size(&stamp), end = version_end(packed);
    ZOE_ASSERT(size <= sizeof bytes && farm__envelope__pack(&stamp, bytes) == size);
    struct buf fresh = BUF_INIT;
    buf_append(&fresh, bytes, size);
    buf_append(&fresh, packed->data + end, packed->size - end);
    buf_finish(packed);
    *packed = fresh;
}

unsigned codec_version_choose(unsigned version_min, unsigned version_max)
{
    unsigned highest = version_max < PROTOCOL_MAX ? version_max : PROTOCOL_MAX;
    unsigned lowest = version_min > PROTOCOL_MIN ? version_min : PROTOCOL_MIN;
    return highest >= lowest ? highest : 0;
}

bool codec_version_refuse(const char *who, unsigned version_min, unsigned version_max,
                          struct error *err)
{
    const bool is_older = version_max < PROTOCOL_MIN;
    return error_set(err, ERROR_VERSION,
                     "this %s speaks protocol %u to %u, the coordinator %d to %d: upgrade the %s",
                     who, version_min, version_max, PROTOCOL_MIN, PROTOCOL_MAX,
                     is_older ? who : "coordinator");
}

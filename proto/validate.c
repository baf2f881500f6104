/* Walks a message by its descriptor, one rule a field. Types do not nest in themselves (a unit test
 * says so), hence the recursion is bounded by the schema. */
#include "proto/validate.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/id.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "proto/arena.h"
#include "proto/limits.h"

/* Where we are, for errors: a chain on the stack. */
struct place {
    const struct place *parent;
    const char *name;
    int64_t index; /* -1: not repeated */
};

struct walk {
    bool in_arena;
    struct error *err;
};

const struct validate_table *validate_find(const ProtobufCMessageDescriptor *descriptor)
{
    static const struct validate_table *(*const sources[])(size_t *) = {
        validate_common_tables, validate_worker_tables, validate_client_tables,
        validate_access_tables};
    for (size_t s = 0; s < sizeof(sources) / sizeof(sources[0]); s++) {
        size_t count = 0;
        const struct validate_table *tables = sources[s](&count);
        for (size_t i = 0; i < count; i++) {
            if (tables[i].descriptor == descriptor) return &tables[i];
        }
    }
    return NULL;
}

static void place_text(const struct place *p, char *out, size_t size)
{
    if (size == 0) return;
    out[0] = '\0';
    if (p->parent != NULL) place_text(p->parent, out, size);
    size_t used = strlen(out);
    const char *dot = p->parent != NULL ? "." : "";
    if (p->index < 0) {
        (void)snprintf(out + used, size - used, "%s%s", dot, p->name);
    } else {
        (void)snprintf(out + used, size - used, "%s%s[%" PRId64 "]", dot, p->name, p->index);
    }
}

__attribute__((format(printf, 3, 4))) static bool bad(const struct walk *w, const struct place *p,
                                                      const char *format, ...)
{
    char where[128];
    char what[128];
    place_text(p, where, sizeof(where));
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return error_set(w->err, ERROR_INVALID, "%s %s", where, what);
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) return true;
    }
    return false;
}

/* An empty string may be protobuf-c's shared constant, which has no size in front of it. */
static bool holds_nul(const struct walk *w, const char *text, const char *unset)
{
    if (!w->in_arena || text == unset || text == protobuf_c_empty_string) return false;
    return arena_size_of(text) != strlen(text) + 1;
}

static bool check_text_kind(const struct walk *w, const struct place *p,
                            const struct validate_rule *rule, const char *text)
{
    switch (rule->kind) {
    case VALIDATE_NAME:
        if (has_control(text)) return bad(w, p, "holds control characters");
        return true;
    case VALIDATE_BATCH_ID:
        if (text[0] != '\0' && !id_is_batch(text)) return bad(w, p, "is not a batch id");
        return true;
    case VALIDATE_BATCH_REF:
        if (text[0] != '\0' && !id_is_batch_ref(text))
            return bad(w, p, "is not the name of a batch");
        return true;
    case VALIDATE_PATH:
        if (text[0] != '\0' && !path_is_safe_relative(text)) return bad(w, p, "is not a safe path");
        return true;
    default:
        return true;
    }
}

static int64_t text_limit(const struct validate_rule *rule)
{
    switch (rule->kind) {
    case VALIDATE_BATCH_ID:
    case VALIDATE_BATCH_REF:
        return ID_BATCH_LENGTH;
    case VALIDATE_PATH:
        return LIMIT_PATH_BYTES;
    case VALIDATE_MANY_TEXT:
        return LIMIT_TEXT_BYTES;
    default:
        return rule->max;
    }
}

static bool check_text(const struct walk *w, const struct place *p,
                       const struct validate_rule *rule, const char *text, const char *unset)
{
    if (text == NULL) return bad(w, p, "is missing");
    if (holds_nul(w, text, unset)) return bad(w, p, "holds a NUL");
    size_t size = strlen(text);
    if (size < (size_t)rule->min) return bad(w, p, size == 0 ? "is missing" : "is too short");
    if (size > (size_t)text_limit(rule)) {
        return bad(w, p, "has %zu bytes, at most %" PRId64 " are allowed", size, text_limit(rule));
    }
    if (!text_is_utf8(text, size)) return bad(w, p, "is not UTF-8");
    return check_text_kind(w, p, rule, text);
}

static bool check_bytes(const struct walk *w, const struct place *p, const ProtobufCBinaryData *b,
                        size_t want, bool required)
{
    if (b->len == 0 && !required) return true;
    if (b->len == want && b->data != NULL) return true;
    return bad(w, p, "has %zu bytes instead of %zu", b->len, want);
}

static bool check_some_bytes(const struct walk *w, const struct place *p,
                             const struct validate_rule *rule, const ProtobufCBinaryData *b)
{
    if (b->len >= (size_t)rule->min && b->len <= (size_t)rule->max) return true;
    return bad(w, p, "has %zu bytes, outside %" PRId64 " to %" PRId64, b->len, rule->min,
               rule->max);
}

static bool number_value(const ProtobufCFieldDescriptor *field, const void *at, bool *negative,
                         uint64_t *magnitude)
{
    int64_t value = 0;
    *negative = false;
    switch (field->type) {
    case PROTOBUF_C_TYPE_UINT32:
        *magnitude = *(const uint32_t *)at;
        return true;
    case PROTOBUF_C_TYPE_UINT64:
        *magnitude = *(const uint64_t *)at;
        return true;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
        value = *(const int32_t *)at;
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
        value = *(const int64_t *)at;
        break;
    default:
        return false;
    }
    *negative = value < 0;
    *magnitude = value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value;
    return true;
}

static bool check_range(const struct walk *w, const struct place *p,
                        const struct validate_rule *rule, const ProtobufCFieldDescriptor *field,
                        const void *at)
{
    bool negative = false;
    uint64_t magnitude = 0;
    ZOE_ASSERT(number_value(field, at, &negative, &magnitude));
    bool low = negative ? rule->min >= 0 || magnitude > (uint64_t)0 - (uint64_t)rule->min
                        : rule->min > 0 && magnitude < (uint64_t)rule->min;
    bool high = !negative && magnitude > (uint64_t)rule->max;
    if (!low && !high) return true;
    return bad(w, p, "is %s%" PRIu64 ", outside %" PRId64 " to %" PRId64, negative ? "-" : "",
               magnitude, rule->min, rule->max);
}

static bool check_enum(const struct walk *w, const struct place *p,
                       const struct validate_rule *rule, const ProtobufCFieldDescriptor *field,
                       const void *at)
{
    int value = *(const int *)at;
    if (protobuf_c_enum_descriptor_get_value(field->descriptor, value) != NULL &&
        value >= rule->min) {
        return true;
    }
    return bad(w, p, value == 0 ? "is missing" : "is the unknown value %d", value);
}

static bool walk_message(const struct walk *w, const struct place *p, const ProtobufCMessage *m);

static bool check_sub(const struct walk *w, const struct place *p, const ProtobufCMessage *sub,
                      bool required)
{
    if (sub != NULL) return walk_message(w, p, sub);
    return required ? bad(w, p, "is missing") : true;
}

static bool check_one(const struct walk *w, const struct place *p, const struct validate_rule *rule,
                      const ProtobufCFieldDescriptor *field, const void *at)
{
    switch (rule->kind) {
    case VALIDATE_ANY:
        return true;
    case VALIDATE_DIGEST:
        return check_bytes(w, p, at, DIGEST_BYTES, rule->min > 0);
    case VALIDATE_BYTES:
        return check_bytes(w, p, at, (size_t)rule->max, rule->min > 0);
    case VALIDATE_SOME_BYTES:
        return check_some_bytes(w, p, rule, at);
    case VALIDATE_MANY_DIGEST:
        return check_bytes(w, p, at, DIGEST_BYTES, true);
    case VALIDATE_RANGE:
        return check_range(w, p, rule, field, at);
    case VALIDATE_ENUM:
        return check_enum(w, p, rule, field, at);
    case VALIDATE_SUB:
        return check_sub(w, p, *(const ProtobufCMessage *const *)at, rule->min > 0);
    case VALIDATE_MANY:
        return check_sub(w, p, *(const ProtobufCMessage *const *)at, true);
    default:
        return check_text(w, p, rule, *(const char *const *)at, field->default_value);
    }
}

static size_t element_size(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData) : sizeof(void *);
}

static bool check_many(const struct walk *w, const struct place *parent,
                       const struct validate_rule *rule, const ProtobufCFieldDescriptor *field,
                       const ProtobufCMessage *m)
{
    const char *base = (const char *)m;
    size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
    const char *elements = *(const char *const *)(const void *)(base + field->offset);
    struct place p = {parent, field->name, -1};
    int64_t least = rule->kind == VALIDATE_MANY ? rule->min : 0;
    if (count < (size_t)least || count > (size_t)rule->max) {
        return bad(w, &p, "has %zu entries, outside %" PRId64 " to %" PRId64, count, least,
                   rule->max);
    }
    for (size_t i = 0; i < count; i++) {
        p.index = (int64_t)i;
        if (!check_one(w, &p, rule, field, elements + i * element_size(field))) return false;
    }
    return true;
}

static bool walk_message(const struct walk *w, const struct place *p, const ProtobufCMessage *m)
{
    const struct validate_table *table = validate_find(m->descriptor);
    ZOE_ASSERT(table != NULL && table->count == m->descriptor->n_fields);
    for (size_t i = 0; i < table->count; i++) {
        const ProtobufCFieldDescriptor *field = &m->descriptor->fields[i];
        const struct validate_rule *rule = &table->rules[i];
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            if (!check_many(w, p, rule, field, m)) return false;
            continue;
        }
        struct place here = {p, field->name, -1};
        const void *at = (const char *)m + field->offset;
        if (!check_one(w, &here, rule, field, at)) return false;
    }
    if (table->extra == NULL || table->extra(m, w->err)) return true;
    char where[128];
    place_text(p, where, sizeof(where));
    return error_wrap(w->err, "%s", where);
}

bool validate_message(const ProtobufCMessage *message, bool in_arena, struct error *err)
{
    struct walk w = {in_arena, err};
    struct place root = {NULL, message->descriptor->short_name, -1};
    return walk_message(&w, &root, message);
}

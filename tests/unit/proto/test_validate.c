#include "unit/base/scratch.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "farm.pb-c.h"
#include "proto/codec.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/validate.h"

#define DEPTH_MAX 6

typedef void (*visit)(const ProtobufCMessageDescriptor *descriptor);

/* Every message type reachable from the envelope; fails on a type inside itself. */
static void walk(const ProtobufCMessageDescriptor *d, const ProtobufCMessageDescriptor **path,
                 int depth, visit each)
{
    for (int i = 0; i < depth; i++) {
        if (path[i] == d)
            fail_msg("%s contains itself: decoding could overflow the stack", d->name);
    }
    if (depth >= DEPTH_MAX) fail_msg("%s is nested too deep", d->name);
    path[depth] = d;
    if (each != NULL) each(d);
    for (unsigned i = 0; i < d->n_fields; i++) {
        if (d->fields[i].type != PROTOBUF_C_TYPE_MESSAGE) continue;
        walk(d->fields[i].descriptor, path, depth + 1, each);
    }
}

static void no_type_contains_itself(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *path[DEPTH_MAX];
    walk(&farm__envelope__descriptor, path, 0, NULL);
}

static bool kind_fits(const struct validate_rule *rule, const ProtobufCFieldDescriptor *f)
{
    bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        if (repeated) return rule->kind == VALIDATE_MANY_TEXT;
        return rule->kind == VALIDATE_TEXT || rule->kind == VALIDATE_NAME ||
               rule->kind == VALIDATE_PATH || rule->kind == VALIDATE_BATCH_ID ||
               rule->kind == VALIDATE_BATCH_REF;
    case PROTOBUF_C_TYPE_BYTES:
        if (repeated) return rule->kind == VALIDATE_MANY_DIGEST;
        return rule->kind == VALIDATE_DIGEST || rule->kind == VALIDATE_BYTES ||
               rule->kind == VALIDATE_SOME_BYTES;
    case PROTOBUF_C_TYPE_MESSAGE:
        return rule->kind == (repeated ? VALIDATE_MANY : VALIDATE_SUB);
    case PROTOBUF_C_TYPE_ENUM:
        return !repeated && rule->kind == VALIDATE_ENUM;
    case PROTOBUF_C_TYPE_BOOL:
        return !repeated && rule->kind == VALIDATE_ANY;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
        return !repeated && (rule->kind == VALIDATE_ANY || rule->kind == VALIDATE_RANGE);
    default:
        return false;
    }
}

static void check_rules(const ProtobufCMessageDescriptor *d)
{
    if (d == &farm__envelope__descriptor) return;
    const struct validate_table *table = validate_find(d);
    if (table == NULL) fail_msg("%s has no rules", d->name);
    if (table->count != d->n_fields) fail_msg("%s: one rule a field", d->name);
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        if (strcmp(f->name, table->rules[i].field) != 0) {
            fail_msg("%s: rule %u is for %s, not %s", d->name, i, table->rules[i].field, f->name);
        }
        if (!kind_fits(&table->rules[i], f))
            fail_msg("%s.%s: wrong kind of rule", d->name, f->name);
    }
}

static void every_field_has_a_rule_that_fits(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *path[DEPTH_MAX];
    walk(&farm__envelope__descriptor, path, 0, check_rules);
}

static const char *verdict(const ProtobufCMessage *m)
{
    static struct error err;
    error_clear(&err);
    if (validate_message(m, false, &err)) return NULL;
    assert_int_equal(err.code, ERROR_INVALID);
    return err.message;
}

#define accepts(m) assert_null(verdict(&(m).base))
#define refuses(m, word)                                                                           \
    do {                                                                                           \
        const char *why = verdict(&(m).base);                                                      \
        assert_non_null(why);                                                                      \
        if (strstr(why, word) == NULL) fail_msg("'%s' does not name '%s'", why, word);             \
    } while (0)

static char batch_id[] = "0123456789";
static Farm__Attempt attempt(void)
{
    Farm__Attempt a = FARM__ATTEMPT__INIT;
    a.batch = batch_id;
    a.fence = 1;
    return a;
}

static void texts_have_limits(void **state)
{
    (void)state;
    char text[LIMIT_TEXT_BYTES + 2];
    Farm__Bye m = FARM__BYE__INIT;
    memset(text, 'x', sizeof(text));
    text[LIMIT_TEXT_BYTES] = '\0';
    m.message = text;
    refuses(m, "Bye.code is missing");
    char code[] = "auth";
    m.code = code;
    accepts(m);
    text[LIMIT_TEXT_BYTES] = 'x';
    text[LIMIT_TEXT_BYTES + 1] = '\0';
    refuses(m, "Bye.message");
    char broken[] = "a\xc3(";
    m.message = broken;
    refuses(m, "UTF-8");
    char newline[] = "a\nb";
    m.message = newline;
    accepts(m); /* a text may have lines, a name may not */
    m.code = newline;
    refuses(m, "Bye.code");
    m.code = NULL;
    refuses(m, "Bye.code");
}

static void small_results_are_bounded(void **state)
{
    (void)state;
    static uint8_t data[LIMIT_INLINE_BYTES + 1];
    struct error err = {0};
    char kind[] = "report";
    const struct digest digest = digest_of("x", 1);
    Farm__Output output = FARM__OUTPUT__INIT;
    output.kind = kind;
    output.sha256 = codec_digest(&digest);
    output.size_bytes = LIMIT_INLINE_BYTES;
    output.data = (ProtobufCBinaryData){LIMIT_INLINE_BYTES, data};
    assert_true(validate_message(&output.base, false, &err));
    output.data.len++;
    assert_false(validate_message(&output.base, false, &err));
    assert_non_null(strstr(err.message, "Output.data"));
}

static void ids_and_paths(void **state)
{
    (void)state;
    Farm__FileWanted m = FARM__FILE_WANTED__INIT;
    char path[LIMIT_PATH_BYTES + 2];
    memset(path, 'a', sizeof(path));
    for (size_t i = 100; i < sizeof(path); i += 100)
        path[i] = '/';
    path[LIMIT_PATH_BYTES] = '\0';
    m.batch = batch_id;
    m.path = path;
    m.size_bytes = LIMIT_CHUNK_BYTES;
    accepts(m);
    path[LIMIT_PATH_BYTES] = 'a';
    path[LIMIT_PATH_BYTES + 1] = '\0';
    refuses(m, "path");
    static const char *const bad[] = {"../x", "/etc/passwd", "a/../b", "", "a//b", "./a", "a/"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s", bad[i]);
        refuses(m, "path");
    }
    (void)snprintf(path, sizeof(path), "a.mp4");
    accepts(m);
    m.size_bytes = LIMIT_CHUNK_BYTES + 1;
    refuses(m, "size_bytes");
    m.size_bytes = 0;
    refuses(m, "size_bytes");
    m.size_bytes = 1;
    char wrong_id[] = "012345678u";
    m.batch = wrong_id;
    refuses(m, "batch");
    m.batch = NULL;
    refuses(m, "batch");
}

static void exactly_one_of_two(void **state)
{
    (void)state;
    uint8_t digest[32] = {1};
    char path[] = "unet/config.json";
    char none[] = "";
    Farm__FileWanted m = FARM__FILE_WANTED__INIT;
    m.path = path;
    m.size_bytes = 1;
    m.batch = none;
    refuses(m, "model_digest, batch and input");
    m.model_digest = (ProtobufCBinaryData){32, digest};
    accepts(m);
    m.batch = batch_id;
    refuses(m, "model_digest, batch and input");
    m.batch = none;
    m.model_digest.len = 31;
    refuses(m, "31 bytes instead of 32");

    Farm__Attempt a = attempt();
    Farm__Chunk c = FARM__CHUNK__INIT;
    refuses(c, "attempt, key and input");
    c.attempt = &a;
    accepts(c);
    char key[] = "k";
    c.key = key;
    refuses(c, "attempt, key and input");
    c.attempt = NULL;
    accepts(c);
}

static void numbers_have_ranges(void **state)
{
    (void)state;
    Farm__Attempt a = attempt();
    accepts(a);
    a.clip = LIMIT_SUBMIT_CLIPS - 1;
    accepts(a);
    a.clip = LIMIT_SUBMIT_CLIPS;
    refuses(a, "Attempt.clip");
    a.clip = 0;
    a.fence = 0;
    refuses(a, "Attempt.fence");
    a.fence = INT64_MAX;
    accepts(a);
    a.fence = (uint64_t)INT64_MAX + 1;
    refuses(a, "Attempt.fence");

    uint8_t digest[32] = {0};
    char format[] = "text";
    Farm__SubmitOpen s = FARM__SUBMIT_OPEN__INIT;
    s.sha256 = (ProtobufCBinaryData){32, digest};
    s.format = format;
    s.size_bytes = LIMIT_SUBMIT_BYTES;
    s.priority = -LIMIT_PRIORITY;
    accepts(s);
    s.priority = -LIMIT_PRIORITY - 1;
    refuses(s, "SubmitOpen.priority is -1001");
    s.priority = INT32_MIN;
    refuses(s, "priority");
    s.priority = LIMIT_PRIORITY + 1;
    refuses(s, "priority");
    s.priority = LIMIT_PRIORITY;
    s.size_bytes++;
    refuses(s, "size_bytes");
}

static void enums_are_known_values(void **state)
{
    (void)state;
    Farm__Attempt a = attempt();
    Farm__Ended m = FARM__ENDED__INIT;
    m.attempt = &a;
    refuses(m, "Ended.kind is missing");
    m.kind = FARM__END_KIND__END_CANCELED;
    accepts(m);
    m.kind = (Farm__EndKind)77;
    refuses(m, "unknown value 77");
    m.kind = (Farm__EndKind)-1;
    refuses(m, "unknown value -1");
    m.kind = FARM__END_KIND__END_FAILED;
    m.attempt = NULL;
    refuses(m, "Ended.attempt is missing");
}

static void lists_are_counted_and_looked_into(void **state)
{
    (void)state;
    uint8_t digest[32] = {0};
    char word[] = "segment";
    Farm__Attempt a = attempt();
    Farm__Output o = FARM__OUTPUT__INIT;
    Farm__Output *outputs[LIMIT_OUTPUTS + 1];
    o.kind = word;
    o.sha256 = (ProtobufCBinaryData){32, digest};
    o.size_bytes = LIMIT_SEGMENT_BYTES;
    for (size_t i = 0; i <= LIMIT_OUTPUTS; i++)
        outputs[i] = &o;
    Farm__Offer m = FARM__OFFER__INIT;
    m.attempt = &a;
    m.recipe_digest = m.model_digest = o.sha256;
    m.fingerprint = word;
    m.outputs = outputs;
    refuses(m, "Offer.outputs has 0");
    m.n_outputs = LIMIT_OUTPUTS;
    accepts(m);
    m.n_outputs = LIMIT_OUTPUTS + 1;
    refuses(m, "Offer.outputs has 5");
    m.n_outputs = 3;
    Farm__Output large = o;
    large.size_bytes = LIMIT_SEGMENT_BYTES + 1;
    outputs[2] = &large;
    refuses(m, "Offer.outputs[2].size_bytes");
    outputs[2] = NULL;
    refuses(m, "Offer.outputs[2] is missing");
}

static Farm__Hello hello(Farm__Slot **slots, size_t count)
{
    static uint8_t boot[16] = {3};
    static char machine[] = "m1";
    Farm__Hello m = FARM__HELLO__INIT;
    m.version_min = m.version_max = 1;
    m.connection = FARM__CONNECTION__CONNECTION_CONTROL;
    m.boot_id = (ProtobufCBinaryData){16, boot};
    m.machine_id = machine;
    m.slots = slots;
    m.n_slots = count;
    return m;
}

static void a_hello_is_complete(void **state)
{
    (void)state;
    static char cpu[] = "cpu";
    Farm__Slot slots[LIMIT_SLOTS + 1];
    Farm__Slot *list[LIMIT_SLOTS + 1];
    for (unsigned i = 0; i <= LIMIT_SLOTS; i++) {
        slots[i] = (Farm__Slot)FARM__SLOT__INIT;
        slots[i].index = i;
        slots[i].backend = cpu;
        list[i] = &slots[i];
    }
    Farm__Hello m = hello(list, LIMIT_SLOTS);
    accepts(m);
    m.n_slots = LIMIT_SLOTS + 1;
    refuses(m, "Hello.slots");
    m.n_slots = 0;
    refuses(m, "no slots");
    m.connection = FARM__CONNECTION__CONNECTION_BULK;
    refuses(m, "session");
    m.session = 5;
    accepts(m);
    m = hello(list, 2);
    slots[1].index = 0;
    refuses(m, "slots[1]");
    slots[1].index = 1;
    m.boot_id.len = 15;
    refuses(m, "Hello.boot_id has 15 bytes");
    m.boot_id.len = 16;
    m.version_min = 2;
    refuses(m, "version_min is above");
    m.version_min = 0;
    refuses(m, "Hello.version_min");
    m.version_min = 1;
    uint8_t digest[32] = {0};
    ProtobufCBinaryData models[LIMIT_MODELS + 1];
    for (size_t i = 0; i <= LIMIT_MODELS; i++)
        models[i] = (ProtobufCBinaryData){32, digest};
    m.models = models;
    m.n_models = LIMIT_MODELS;
    accepts(m);
    m.n_models++;
    refuses(m, "Hello.models");
    m.n_models = 2;
    models[1].len = 0;
    refuses(m, "Hello.models[1]");
}

static void a_batch_may_be_named_by_prefix(void **state)
{
    (void)state;
    static const char *const good[] = {"0", "last", "0123456789", "abc"};
    static const char *const bad[] = {"", "01234567890", "ABC", "a-b", "lasts", "u"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%s", good[i]);
        Farm__BatchWanted m = FARM__BATCH_WANTED__INIT;
        m.batch = text;
        accepts(m);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%s", bad[i]);
        Farm__BatchWanted m = FARM__BATCH_WANTED__INIT;
        m.batch = text;
        refuses(m, "BatchWanted.batch");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_type_contains_itself),
        cmocka_unit_test(every_field_has_a_rule_that_fits),
        cmocka_unit_test(texts_have_limits),
        cmocka_unit_test(small_results_are_bounded),
        cmocka_unit_test(ids_and_paths),
        cmocka_unit_test(exactly_one_of_two),
        cmocka_unit_test(numbers_have_ranges),
        cmocka_unit_test(enums_are_known_values),
        cmocka_unit_test(lists_are_counted_and_looked_into),
        cmocka_unit_test(a_hello_is_complete),
        cmocka_unit_test(a_batch_may_be_named_by_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

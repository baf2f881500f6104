#include "unit/base/scratch.h"

#include <string.h>

#include "proto/codec.h"
#include "proto/limits.h"

static struct bytes view(const struct buf *b)
{
    return (struct bytes){b->data, b->size};
}

static void status_wanted(Farm__Envelope *e, Farm__StatusWanted *body)
{
    *e = (Farm__Envelope)FARM__ENVELOPE__INIT;
    *body = (Farm__StatusWanted)FARM__STATUS_WANTED__INIT;
    e->version = 1;
    e->request = 77;
    e->body_case = FARM__ENVELOPE__BODY_STATUS_WANTED;
    e->status_wanted = body;
}

static const struct bytes none = {NULL, 0};

/* Decodes what must be refused and gives the reason. */
static const char *refusal(struct bytes envelope, struct bytes payload, enum message_from from,
                           enum error_code code)
{
    static struct error err;
    error_clear(&err);
    struct message *m = codec_decode(envelope, payload, from, &err);
    assert_null(m);
    assert_int_equal(err.code, code);
    return err.message;
}

static void what_goes_in_comes_out(void **state)
{
    (void)state;
    char name[] = "k1";
    uint8_t key[32] = {1, 2, 3};
    char role[] = "worker";
    Farm__KeyAllow body = FARM__KEY_ALLOW__INIT;
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    struct buf packed = BUF_INIT;
    struct error err = {0};
    body.key = (ProtobufCBinaryData){32, key};
    body.role = role;
    body.name = name;
    e.version = 1;
    e.request = UINT64_MAX;
    e.body_case = FARM__ENVELOPE__BODY_KEY_ALLOW;
    e.key_allow = &body;
    assert_true(codec_encode(&e, MESSAGE_FROM_ADMIN, &packed, &err));
    struct message *m = codec_decode(view(&packed), none, MESSAGE_FROM_ADMIN, &err);
    assert_non_null(m);
    assert_string_equal(m->kind->name, "key_allow");
    assert_true(m->envelope->request == UINT64_MAX);
    assert_string_equal(m->envelope->key_allow->name, "k1");
    assert_memory_equal(m->envelope->key_allow->key.data, key, 32);
    message_free(m);
    (void)refusal(view(&packed), none, MESSAGE_FROM_SUBMIT, ERROR_AUTH);
    (void)refusal(view(&packed), none, MESSAGE_FROM_WORKER, ERROR_AUTH);
    assert_false(codec_encode(&e, MESSAGE_FROM_SUBMIT, &packed, &err));
    assert_int_equal(err.code, ERROR_INTERNAL);
    role[0] = '\n';
    size_t before = packed.size;
    assert_false(codec_encode(&e, MESSAGE_FROM_ADMIN, &packed, &err));
    assert_non_null(strstr(err.message, "role"));
    assert_int_equal(packed.size, before);
    buf_finish(&packed);
}

static void empty_and_unknown_envelopes_are_refused(void **state)
{
    (void)state;
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    struct error err = {0};
    struct buf packed = BUF_INIT;
    assert_false(codec_encode(&e, MESSAGE_FROM_ADMIN, &packed, &err));
    static const uint8_t version_only[] = {0x08, 0x01};
    static const uint8_t unknown_body[] = {0x08, 0x01, 0xba, 0x3e, 0x00}; /* field 999 */
    static const uint8_t no_version[] = {0xa2, 0x03, 0x00};               /* status_wanted alone */
    static const uint8_t cut[] = {0x08, 0x01, 0xa2, 0x03, 0x05};
    (void)refusal(none, none, MESSAGE_FROM_ADMIN, ERROR_INVALID);
    (void)refusal((struct bytes){version_only, sizeof(version_only)}, none, MESSAGE_FROM_ADMIN,
                  ERROR_INVALID);
    (void)refusal((struct bytes){unknown_body, sizeof(unknown_body)}, none, MESSAGE_FROM_ADMIN,
                  ERROR_INVALID);
    const char *why = refusal((struct bytes){no_version, sizeof(no_version)}, none,
                              MESSAGE_FROM_ADMIN, ERROR_INVALID);
    assert_non_null(strstr(why, "version"));
    (void)refusal((struct bytes){cut, sizeof(cut)}, none, MESSAGE_FROM_ADMIN, ERROR_INVALID);
    buf_finish(&packed);
}

static void a_payload_belongs_to_some_messages_only(void **state)
{
    (void)state;
    Farm__Envelope e;
    Farm__StatusWanted body;
    struct buf packed = BUF_INIT;
    uint8_t *big = xcalloc(1, LIMIT_CHUNK_BYTES + 1);
    status_wanted(&e, &body);
    assert_true(codec_encode(&e, MESSAGE_FROM_SUBMIT, &packed, NULL));
    struct bytes payload = {big, 1};
    const char *why = refusal(view(&packed), payload, MESSAGE_FROM_SUBMIT, ERROR_INVALID);
    assert_non_null(strstr(why, "payload"));

    char key[] = "k";
    Farm__Chunk chunk = FARM__CHUNK__INIT;
    chunk.key = key;
    e.body_case = FARM__ENVELOPE__BODY_CHUNK;
    e.chunk = &chunk;
    buf_clear(&packed);
    assert_true(codec_encode(&e, MESSAGE_FROM_SUBMIT, &packed, NULL));
    (void)refusal(view(&packed), none, MESSAGE_FROM_SUBMIT, ERROR_INVALID);
    payload.size = LIMIT_CHUNK_BYTES + 1;
    (void)refusal(view(&packed), payload, MESSAGE_FROM_SUBMIT, ERROR_INVALID);
    payload.size = LIMIT_CHUNK_BYTES;
    big[LIMIT_CHUNK_BYTES - 1] = 9;
    struct message *m = codec_decode(view(&packed), payload, MESSAGE_FROM_SUBMIT, NULL);
    assert_non_null(m);
    assert_ptr_equal(m->payload.data, big);
    message_keep_payload(m);
    free(big);
    assert_int_equal(m->payload.data[LIMIT_CHUNK_BYTES - 1], 9);
    message_free(m);
    buf_finish(&packed);
}

/* The version, then `submit_open` with an `options` of `size` bytes and an empty sha256. */
static void options_of(struct buf *packed, size_t size)
{
    char *options = xmalloc(size + 1);
    memset(options, 'x', size);
    options[size] = '\0';
    char format[] = "text";
    uint8_t digest[32] = {0};
    Farm__SubmitOpen open = FARM__SUBMIT_OPEN__INIT;
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    open.options = options;
    open.format = format;
    open.sha256 = (ProtobufCBinaryData){32, digest};
    e.version = 1;
    e.body_case = FARM__ENVELOPE__BODY_SUBMIT_OPEN;
    e.submit_open = &open;
    buf_clear(packed);
    buf_reserve(packed, farm__envelope__get_packed_size(&e));
    packed->size = farm__envelope__pack(&e, packed->data);
    free(options);
}

static void sizes_at_and_past_the_limit(void **state)
{
    (void)state;
    struct buf packed = BUF_INIT;
    struct error err = {0};
    options_of(&packed, LIMIT_OPTIONS_BYTES);
    struct message *m = codec_decode(view(&packed), none, MESSAGE_FROM_SUBMIT, &err);
    assert_non_null(m);
    message_free(m);
    options_of(&packed, LIMIT_OPTIONS_BYTES + 1);
    assert_non_null(strstr(refusal(view(&packed), none, MESSAGE_FROM_SUBMIT, ERROR_INVALID),
                           "SubmitOpen.options"));
    size_t overhead = packed.size - (LIMIT_OPTIONS_BYTES + 1);
    options_of(&packed, LIMIT_ENVELOPE_BYTES - overhead);
    assert_int_equal(packed.size, LIMIT_ENVELOPE_BYTES);
    assert_non_null(strstr(refusal(view(&packed), none, MESSAGE_FROM_SUBMIT, ERROR_INVALID),
                           "SubmitOpen.options")); /* parsed, then refused */
    options_of(&packed, LIMIT_ENVELOPE_BYTES - overhead + 1);
    assert_non_null(strstr(refusal(view(&packed), none, MESSAGE_FROM_SUBMIT, ERROR_INVALID),
                           "an envelope of")); /* not even parsed */
    buf_finish(&packed);
}

/* A canary's answer with a frame that says it is so wide and high, of `size` bytes. */
static void frame_of(struct buf *packed, uint32_t width, uint32_t height, size_t size)
{
    uint8_t *rgb = xcalloc(size + 1, 1);
    Farm__CanaryDone done = FARM__CANARY_DONE__INIT;
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    done.number = 1;
    done.width = width;
    done.height = height;
    done.frames = (ProtobufCBinaryData){size, rgb};
    e.version = 1;
    e.body_case = FARM__ENVELOPE__BODY_CANARY_DONE;
    e.canary_done = &done;
    buf_clear(packed);
    buf_reserve(packed, farm__envelope__get_packed_size(&e));
    packed->size = farm__envelope__pack(&e, packed->data);
    free(rgb);
}

static void a_frame_is_as_large_as_it_says(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height;
        size_t size;
        const char *field; /* NULL: it is right */
    } rows[] = {
        {CANARY_SIDE, CANARY_SIDE, LIMIT_CANARY_BYTES, NULL},
        {0, 0, 0, NULL},
        {16, 8, 384, NULL},
        {CANARY_SIDE, CANARY_SIDE, LIMIT_CANARY_BYTES + 1, "CanaryDone.frames"},
        {CANARY_SIDE + 1, 1, (CANARY_SIDE + 1) * 3, "CanaryDone.width"},
        {1, CANARY_SIDE + 1, (CANARY_SIDE + 1) * 3, "CanaryDone.height"},
        {CANARY_SIDE, CANARY_SIDE, LIMIT_CANARY_BYTES - 1, "frames are not"},
        {CANARY_SIDE, CANARY_SIDE, 0, "frames are not"},
        {0, 0, 3, "frames are not"},
    };
    struct buf packed = BUF_INIT;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = {0};
        frame_of(&packed, rows[i].width, rows[i].height, rows[i].size);
        if (rows[i].field != NULL) {
            assert_non_null(strstr(refusal(view(&packed), none, MESSAGE_FROM_WORKER, ERROR_INVALID),
                                   rows[i].field));
            continue;
        }
        struct message *m = codec_decode(view(&packed), none, MESSAGE_FROM_WORKER, &err);
        if (m == NULL) fail_msg("%s", err.message);
        message_free(m);
    }
    buf_finish(&packed);
}

static void a_small_kind_has_a_small_limit(void **state)
{
    (void)state;
    char name[LIMIT_NAME_BYTES + 1];
    Farm__WorkersWanted body = FARM__WORKERS_WANTED__INIT;
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    struct buf packed = BUF_INIT;
    memset(name, 'n', sizeof(name));
    name[LIMIT_NAME_BYTES] = '\0';
    body.name = name;
    e.version = 1;
    e.body_case = FARM__ENVELOPE__BODY_WORKERS_WANTED;
    e.workers_wanted = &body;
    assert_true(codec_encode(&e, MESSAGE_FROM_SUBMIT, &packed, NULL));
    /* Unknown fields are kept by protobuf-c and count. */
    uint8_t *blob = xcalloc(1, 5000);
    static const uint8_t tag[] = {0xfa, 0x7f, 0x88, 0x27}; /* field 2047, 5000 bytes */
    buf_append(&packed, tag, sizeof(tag));
    buf_append(&packed, blob, 5000);
    assert_non_null(strstr(refusal(view(&packed), none, MESSAGE_FROM_SUBMIT, ERROR_INVALID),
                           "workers_wanted is too large: it has"));
    free(blob);
    buf_finish(&packed);
}

/* Measured: a megabyte of empty sub-messages unpacks to 68 MiB without a budget. */
static void amplification_stops_at_the_budget(void **state)
{
    (void)state;
    struct buf inner = BUF_INIT;
    struct buf packed = BUF_INIT;
    static const uint8_t empty_slot[] = {0x4a, 0x00}; /* Hello.slots, field 9 */
    while (inner.size < LIMIT_ENVELOPE_BYTES - 16) {
        buf_append(&inner, empty_slot, sizeof(empty_slot));
    }
    uint8_t head[] = {0x08, 0x01, 0x52, 0, 0, 0}; /* version, hello = field 10 */
    head[3] = (uint8_t)(inner.size & 0x7f) | 0x80;
    head[4] = (uint8_t)(inner.size >> 7 & 0x7f) | 0x80;
    head[5] = (uint8_t)(inner.size >> 14);
    buf_append(&packed, head, sizeof(head));
    buf_append(&packed, inner.data, inner.size);
    const char *why = refusal(view(&packed), none, MESSAGE_FROM_WORKER, ERROR_INVALID);
    assert_true(strstr(why, "unpacks") != NULL || strstr(why, "slots") != NULL);
    buf_finish(&inner);
    buf_finish(&packed);
}

static void a_nul_inside_text_is_seen(void **state)
{
    (void)state;
    /* workers_wanted (57) { name (1): "a\0b" } */
    static const uint8_t packed[] = {0x08, 0x01, 0xca, 0x03, 0x05, 0x0a, 0x03, 'a', 0, 'b'};
    const char *why =
        refusal((struct bytes){packed, sizeof(packed)}, none, MESSAGE_FROM_SUBMIT, ERROR_INVALID);
    assert_non_null(strstr(why, "WorkersWanted.name holds a NUL"));
    static const uint8_t tail[] = {0x08, 0x01, 0xca, 0x03, 0x04, 0x0a, 0x02, 'a', 0};
    why = refusal((struct bytes){tail, sizeof(tail)}, none, MESSAGE_FROM_SUBMIT, ERROR_INVALID);
    assert_non_null(strstr(why, "NUL"));
    static const uint8_t empty[] = {0x08, 0x01, 0xca, 0x03, 0x02, 0x0a, 0x00};
    struct message *m =
        codec_decode((struct bytes){empty, sizeof(empty)}, none, MESSAGE_FROM_SUBMIT, NULL);
    assert_non_null(m); /* written out, but empty: fine */
    message_free(m);
}

static void doubled_bodies_do_no_harm(void **state)
{
    (void)state;
    /* workers_wanted twice, then status_wanted: the last one counts. */
    static const uint8_t packed[] = {0x08, 0x01, 0xca, 0x03, 0x03, 0x0a, 0x01, 'a', 0xca,
                                     0x03, 0x03, 0x12, 0x01, 'b',  0xa2, 0x03, 0x00};
    struct message *m =
        codec_decode((struct bytes){packed, sizeof(packed)}, none, MESSAGE_FROM_SUBMIT, NULL);
    assert_non_null(m);
    assert_string_equal(m->kind->name, "status_wanted");
    message_free(m);
    m = codec_decode((struct bytes){packed, sizeof(packed) - 3}, none, MESSAGE_FROM_SUBMIT, NULL);
    assert_non_null(m);
    assert_string_equal(m->envelope->workers_wanted->after, "b");
    message_free(m);
}

static void digests(void **state)
{
    (void)state;
    struct digest d = digest_of("x", 1);
    struct digest back;
    ProtobufCBinaryData field = codec_digest(&d);
    assert_true(codec_digest_get(&field, &back));
    assert_true(digest_equal(&d, &back));
    field = (ProtobufCBinaryData){0, NULL};
    assert_false(codec_digest_get(&field, &back));
    assert_true(digest_is_zero(&back));
}

static void clean(const char *in, size_t limit, bool keep_end, const char *want)
{
    char *out = codec_clean_text(in, strlen(in), limit, keep_end);
    assert_string_equal(out, want);
    free(out);
}

static void clean_text_passes_for_a_field(void **state)
{
    (void)state;
    clean("plain\n\ttext", 100, false, "plain\n\ttext");
    clean("a\x01\xff\xc3(b\x7f", 100, false,
          "a???"
          "(b?");
    clean("z\xc3\xa4\xc3\xa4", 4, false, "z\xc3\xa4"); /* never half a character */
    clean("\xc3\xa4\xc3\xa4z", 4, true, "\xc3\xa4z");
    clean("abcdef", 3, true, "def");
    clean("abcdef", 3, false, "abc");
    clean("", 3, true, "");
    clean("\x1b[2J \xc2\x9b"
          "31m \xc2\xa0",
          100, false, "?[2J ??31m \xc2\xa0"); /* terminals */
}

static void versions_overlap_or_not(void **state)
{
    (void)state;
    assert_int_equal(codec_version_choose(PROTOCOL_MIN, PROTOCOL_MAX), PROTOCOL_MAX);
    assert_int_equal(codec_version_choose(1, PROTOCOL_MAX + 9), PROTOCOL_MAX);
    assert_int_equal(codec_version_choose(PROTOCOL_MAX + 1, PROTOCOL_MAX + 2), 0);
    assert_int_equal(codec_version_choose(0, PROTOCOL_MIN - 1), 0);
}

static void what_is_packed_may_get_another_version(void **state)
{
    (void)state;
    struct buf packed = BUF_INIT;
    struct error err = {0};
    Farm__StatusWanted body = FARM__STATUS_WANTED__INIT;
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    e.version = PROTOCOL_MAX;
    e.request = 300;
    e.body_case = FARM__ENVELOPE__BODY_STATUS_WANTED;
    e.status_wanted = &body;
    assert_true(codec_encode(&e, MESSAGE_FROM_ADMIN, &packed, &err));
    static const unsigned versions[] = {127, 128, PROTOCOL_LAST, PROTOCOL_MAX};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        codec_restamp(&packed, versions[i]); /* a peer may say any of them */
        struct message *m = codec_decode((struct bytes){packed.data, packed.size},
                                         (struct bytes){NULL, 0}, MESSAGE_FROM_ADMIN, &err);
        assert_non_null(m);
        assert_int_equal(m->envelope->version, versions[i]);
        assert_int_equal(m->envelope->request, 300);
        message_free(m);
    }
    buf_finish(&packed);
}

/* Both ranges, and the side to upgrade. */
static void a_refusal_names_the_older(void **state)
{
    struct error err;
    char ranges[64];
    (void)state;
    (void)snprintf(ranges, sizeof ranges, "protocol 1 to 2, the coordinator %d to %d", PROTOCOL_MIN,
                   PROTOCOL_MAX);
    assert_false(codec_version_refuse("worker", 1, 2, &err));
    assert_int_equal(error_exit_code(err.code), 8);
    assert_non_null(strstr(err.message, ranges));
    assert_non_null(strstr(err.message, "upgrade the worker"));
    assert_false(codec_version_refuse("client", PROTOCOL_MAX + 1, PROTOCOL_MAX + 2, &err));
    assert_non_null(strstr(err.message, "upgrade the coordinator"));
}

static void a_refused_request_still_has_its_number(void **state)
{
    (void)state;
    static const uint8_t after[] = {0x08, 0x01, 0xca, 0x03, 0x02, 'x', 'y', 0x10, 0xac, 0x02};
    static const uint8_t cut[] = {0x08, 0x01, 0x10, 0xac};
    static const uint8_t odd[] = {0x0d, 1, 2, 3, 4, 0x10, 0x05};
    static const uint8_t beyond[] = {0x0a, 0x7f, 0x10};
    assert_int_equal(codec_request_of((struct bytes){after, sizeof(after)}), 300);
    assert_int_equal(codec_request_of((struct bytes){cut, sizeof(cut)}), 0);
    assert_int_equal(codec_request_of((struct bytes){odd, sizeof(odd)}), 0);
    assert_int_equal(codec_request_of((struct bytes){beyond, sizeof(beyond)}), 0);
    assert_int_equal(codec_request_of(none), 0);
}

static void problems_carry_their_code(void **state)
{
    (void)state;
    char code[] = "refused";
    char message[] = "disk full";
    struct error err = {0};
    Farm__Problem p = FARM__PROBLEM__INIT;
    p.code = code;
    p.message = message;
    assert_false(codec_problem_error(&p, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_string_equal(err.message, "disk full");
}

/* An answer that does not fit leaves its asker without one. */
static void a_worker_with_all_that_it_may_say_fits(void **state)
{
    (void)state;
    char name[] = "w1", word[] = "idle", backend[] = "cpu", none_at_all[] = "";
    char text[LIMIT_TEXT_BYTES + 1];
    Farm__Slot slots[LIMIT_SLOTS], *list[LIMIT_SLOTS];
    Farm__Worker worker = FARM__WORKER__INIT;
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    struct buf packed = BUF_INIT;
    struct error err = {0};
    memset(text, 'f', LIMIT_TEXT_BYTES);
    text[LIMIT_TEXT_BYTES] = '\0';
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++) {
        slots[i] = (Farm__Slot)FARM__SLOT__INIT;
        slots[i].index = i;
        slots[i].backend = backend;
        slots[i].fingerprint = text;
        slots[i].threads = 1;
        list[i] = &slots[i];
    }
    worker.name = worker.by = name;
    worker.state = word;
    worker.reason = worker.host = text;
    worker.build = name;
    worker.key = none_at_all;
    worker.slots = list;
    worker.n_slots = LIMIT_SLOTS;
    e.version = PROTOCOL_MAX;
    e.body_case = FARM__ENVELOPE__BODY_WORKER;
    e.worker = &worker;
    if (!codec_encode(&e, MESSAGE_TO_CLIENT, &packed, &err)) fail_msg("%s", err.message);
    buf_finish(&packed);
}

/* LIMIT_GROUPS of them with names and digests. */
static void an_answer_has_room_for_all_groups(void **state)
{
    (void)state;
    const struct message_kind *kind = message_kind_find(FARM__ENVELOPE__BODY_ACCEPTED);
    assert_true(kind->limit_bytes >= LIMIT_GROUPS * (LIMIT_NAME_BYTES + 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(empty_and_unknown_envelopes_are_refused),
        cmocka_unit_test(a_payload_belongs_to_some_messages_only),
        cmocka_unit_test(sizes_at_and_past_the_limit),
        cmocka_unit_test(a_frame_is_as_large_as_it_says),
        cmocka_unit_test(a_small_kind_has_a_small_limit),
        cmocka_unit_test(amplification_stops_at_the_budget),
        cmocka_unit_test(a_nul_inside_text_is_seen),
        cmocka_unit_test(doubled_bodies_do_no_harm),
        cmocka_unit_test(digests),
        cmocka_unit_test(clean_text_passes_for_a_field),
        cmocka_unit_test(versions_overlap_or_not),
        cmocka_unit_test(what_is_packed_may_get_another_version),
        cmocka_unit_test(a_refusal_names_the_older),
        cmocka_unit_test(a_refused_request_still_has_its_number),
        cmocka_unit_test(problems_carry_their_code),
        cmocka_unit_test(a_worker_with_all_that_it_may_say_fits),
        cmocka_unit_test(an_answer_has_room_for_all_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

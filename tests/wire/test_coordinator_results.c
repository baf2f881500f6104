/* A real coordinator, and workers that lie about results: whose they are, what they are, where
 * their bytes go. A batch of three clips waits; nobody renders it. */
#include "wire/liar.h"

/* ---- tests ---- */

static void offers_of_what_is_not_theirs(void **state)
{
    (void)state;
    struct labour first, second;
    struct digest sha256, wrong = {{7}};
    char nobody[] = "zzzzzzzzzz";
    (void)noise(&sha256);
    labour_begin(&first, 0);
    labour_begin(&second, 1);
    assert_int_not_equal(first.clip, second.clip);
    offer_as(&second, nobody, 0, 1, &second.recipe, &sha256);
    expect_dropped(&second, FARM__DROP_REASON__DROP_UNKNOWN);
    offer_as(&second, cast.batch, 3, 1, &second.recipe, &sha256);
    expect_dropped(&second, FARM__DROP_REASON__DROP_UNKNOWN);
    /* its own recipe's result as another worker's task; a fence that nobody gave */
    offer_as(&second, cast.batch, first.clip, first.fence, &second.recipe, &sha256);
    expect_dropped(&second, FARM__DROP_REASON__DROP_MISMATCH);
    offer_as(&second, cast.batch, first.clip, INT64_MAX, &first.recipe, &sha256);
    expect_dropped(&second, FARM__DROP_REASON__DROP_FENCED);
    offer_as(&second, cast.batch, second.clip, second.fence, &wrong, &sha256);
    expect_dropped(&second, FARM__DROP_REASON__DROP_MISMATCH);
    labour_end(&first);
    labour_end(&second);
}

static void chunks_outside_the_window(void **state)
{
    (void)state;
    struct labour w;
    struct digest sha256;
    const uint8_t *bytes = noise(&sha256);
    labour_begin(&w, 0);
    send_chunk(&w, 0, 0, bytes, 1000); /* nothing was offered */
    offer_own(&w, &sha256);
    struct message *m = peer_expect(&w.peer, FARM__ENVELOPE__BODY_CREDIT);
    assert_int_equal(m->envelope->credit->offset, 0);
    assert_int_equal(m->envelope->credit->size_bytes, SEGMENT_BYTES);
    message_free(m);
    send_chunk(&w, 0, 1, bytes, 1000);             /* a hole before it */
    send_chunk(&w, 1, 0, bytes, 1000);             /* another output */
    send_chunk(&w, 0, SEGMENT_BYTES, bytes, 1000); /* behind the end */
    send_chunk(&w, 0, LIMIT_SEGMENT_BYTES, bytes, 1000);
    send_chunk(&w, 0, 0, bytes, 0);
    send_chunk(&w, 0, 0, bytes, 60000);
    send_chunk(&w, 0, 0, bytes, 60000);                   /* the same again */
    send_chunk(&w, 0, 50000, bytes + 50000, 50000);       /* overlaps, and completes */
    expect_dropped(&w, FARM__DROP_REASON__DROP_REJECTED); /* the right bytes, but no video */
    offer_own(&w, &sha256); /* that attempt is over: adopted, or dropped; never trusted */
    peer_beat(&w.peer, w.session);
    labour_end(&w);
}

static void bytes_of_another_digest(void **state)
{
    (void)state;
    struct labour w;
    struct digest sha256, wrong = {{1, 2, 3}};
    const uint8_t *bytes = noise(&sha256);
    labour_begin(&w, 1);
    offer_own(&w, &wrong);
    for (int i = 0; i < 2; i++) { /* once more is asked for */
        peer_skip(&w.peer, FARM__ENVELOPE__BODY_CREDIT);
        send_chunk(&w, 0, 0, bytes, SEGMENT_BYTES);
    }
    expect_dropped(&w, FARM__DROP_REASON__DROP_REJECTED);
    labour_end(&w);
}

/* While a thread hashes the first, and the worker is needed for nothing more. */
static void something_else_after_the_last_byte(void **state)
{
    (void)state;
    struct labour w;
    struct digest sha256, other = {{4, 5, 6}};
    const uint8_t *bytes = noise(&sha256);
    labour_begin(&w, 0);
    offer_own(&w, &sha256);
    peer_skip(&w.peer, FARM__ENVELOPE__BODY_CREDIT);
    send_chunk(&w, 0, 0, bytes, SEGMENT_BYTES);
    offer_own(&w, &other);
    offer_own(&w, &sha256);                               /* the same once more is harmless */
    expect_dropped(&w, FARM__DROP_REASON__DROP_REJECTED); /* the first is no video */
    labour_end(&w);
}

static void ask_model_file(struct labour *w, const struct digest *model, char *path,
                           uint64_t offset)
{
    Farm__FileWanted wanted = FARM__FILE_WANTED__INIT;
    if (model != NULL)
        wanted.model_digest = codec_digest(model);
    else
        wanted.batch = cast.batch;
    wanted.path = path;
    wanted.offset = offset;
    wanted.size_bytes = 1000;
    PEER_SAY(&w->peer, FILE_WANTED, file_wanted, &wanted);
}

/* The canary's answer is in the folder, and not for workers (W2). */
static void files_that_workers_may_not_have(void **state)
{
    (void)state;
    static const char *const unsafe[] = {
        "../pattern/zoetrope.json", "/etc/passwd", "a/../../b", "", "a//b", "./zoetrope.json"};
    struct labour w;
    struct digest unknown = {{9}};
    char path[LIMIT_PATH_BYTES];
    labour_begin(&w, 0);
    uint64_t before = peer_bad_messages(&cast.admin);
    for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s", unsafe[i]);
        ask_model_file(&w, &w.model, path, 0);
    }
    ask_model_file(&w, &w.model, (char[]){"canary.json"}, 0);
    peer_expect_problem(&w.peer, "not_found");
    assert_true(peer_bad_messages(&cast.admin) >= before + sizeof(unsafe) / sizeof(unsafe[0]));
    ask_model_file(&w, &w.model, (char[]){"zoetrope.json"}, INT64_MAX);
    peer_expect_problem(&w.peer, "not_found");
    ask_model_file(&w, &unknown, (char[]){"zoetrope.json"}, 0);
    peer_expect_problem(&w.peer, "not_found");
    ask_model_file(&w, NULL, (char[]){"batch.json"}, 0);
    peer_expect_problem(&w.peer, "auth");
    ask_model_file(&w, &w.model, (char[]){"zoetrope.json"}, 0);
    struct message *m = peer_expect(&w.peer, FARM__ENVELOPE__BODY_FILE_DATA);
    assert_true(m->payload.size > 10);
    message_free(m);
    labour_end(&w);
}

static void files_that_clients_may_not_have(void **state)
{
    (void)state;
    static const struct {
        const char *path, *code;
    } cases[] = {{"../../farm.db", "invalid"}, {"/etc/passwd", "invalid"}, {"", "invalid"},
                 {".tmp-0.mp4", "not_found"},  {"gone.mp4", "not_found"},  {"a/.b/c", "not_found"},
                 {"batch.json/x", "not_found"}};
    char path[LIMIT_PATH_BYTES];
    Farm__FileWanted wanted = FARM__FILE_WANTED__INIT;
    wanted.batch = cast.batch;
    wanted.path = path;
    wanted.size_bytes = 1000;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s", cases[i].path);
        PEER_SAY(&cast.admin, FILE_WANTED, file_wanted, &wanted);
        peer_expect_problem(&cast.admin, cases[i].code);
    }
    (void)snprintf(path, sizeof(path), "batch.json");
    PEER_SAY(&cast.admin, FILE_WANTED, file_wanted, &wanted);
    struct message *m = peer_expect(&cast.admin, FARM__ENVELOPE__BODY_FILE_DATA);
    assert_true(m->payload.size > 10);
    message_free(m);
    wanted.offset = INT64_MAX; /* far behind its end */
    PEER_SAY(&cast.admin, FILE_WANTED, file_wanted, &wanted);
    m = peer_receive(&cast.admin, WIRE_PATIENCE_MS);
    assert_non_null(m);
    message_free(m);
    (void)peer_bad_messages(&cast.admin);
}

static void a_submit_that_sends_what_it_may_not(void **state)
{
    (void)state;
    char format[] = "text", key[] = "another", other[] = "nobody";
    struct digest digest = {{1}};
    Farm__SubmitOpen open = FARM__SUBMIT_OPEN__INIT;
    Farm__Chunk chunk = FARM__CHUNK__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    const uint8_t bytes[64] = {'x'};
    envelope.body_case = FARM__ENVELOPE__BODY_CHUNK;
    envelope.chunk = &chunk;
    chunk.key = other;
    peer_send(&cast.admin, &envelope, (struct bytes){bytes, sizeof(bytes)}); /* nothing is open */
    open.key = key;
    open.sha256 = codec_digest(&digest);
    open.size_bytes = sizeof(bytes);
    open.format = format;
    PEER_SAY(&cast.admin, SUBMIT_OPEN, submit_open, &open);
    peer_skip(&cast.admin, FARM__ENVELOPE__BODY_CREDIT);
    chunk.key = key;
    envelope.request = cast.admin.request;
    chunk.offset = 32;
    peer_send(&cast.admin, &envelope, (struct bytes){bytes, sizeof(bytes)});
    peer_expect_problem(&cast.admin, "invalid");
    chunk.offset = 0;
    peer_send(&cast.admin, &envelope, (struct bytes){bytes, sizeof(bytes)});
    struct message *m = peer_expect(&cast.admin, FARM__ENVELOPE__BODY_PROBLEM); /* another digest */
    message_free(m);
    (void)peer_bad_messages(&cast.admin);
}

static int open_cast(void **state)
{
    (void)state;
    cast_open(TEST_BIN);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_of_what_is_not_theirs),
        cmocka_unit_test(chunks_outside_the_window),
        cmocka_unit_test(bytes_of_another_digest),
        cmocka_unit_test(something_else_after_the_last_byte),
        cmocka_unit_test(files_that_workers_may_not_have),
        cmocka_unit_test(files_that_clients_may_not_have),
        cmocka_unit_test(a_submit_that_sends_what_it_may_not),
    };
    return cmocka_run_group_tests(tests, open_cast, cast_close);
}

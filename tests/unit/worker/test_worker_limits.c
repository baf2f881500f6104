/* What a real worker refuses: engines and clips that are too large, a folder or a key that is not
 * its own. */
#include "unit/worker/stage.h"

static void start(struct stage *s, const char *const *extra)
{
    stage_open(s);
    stage_start_worker(s, extra);
    message_free(stage_join(s));
}

static void stop(struct stage *s)
{
    stage_kill_worker(s, SIGTERM);
    assert_int_equal(stage_wait_worker(s), 0);
    stage_close(s);
}

static void expect_handed_back(struct stage *s, uint32_t clip, Farm__HandBackReason reason)
{
    struct message *m = stage_expect(s, FARM__ENVELOPE__BODY_HANDED_BACK);
    const Farm__HandedBack *back = m->envelope->handed_back;
    assert_int_equal(back->attempt->clip, clip);
    if (back->reason != reason) fail_msg("reason %d: %s", (int)back->reason, back->message);
    message_free(m);
}

/* Any engine is larger than a mebibyte. */
static void test_an_engine_that_grows_too_large_is_killed(void **state)
{
    struct stage s;
    (void)state;
    const char *const extra[] = {"--memory", "2m", "--slots", "2", NULL};
    const char slow[] = "{\"step_ms\": 100}";
    stage_open(&s);
    stage_start_worker(&s, extra);
    struct message *m = stage_join(&s);
    assert_int_equal(m->envelope->hello->slots[0]->memory_bytes, 1 << 20);
    message_free(m);
    stage_assign(&s, &(struct stage_task){.clip = 5, .steps = 500, .pattern = slow});
    expect_handed_back(&s, 5, FARM__HAND_BACK_REASON__HAND_BACK_MEMORY);
    stage_assign(&s,
                 &(struct stage_task){.fence = 3, .steps = 500, .pattern = slow, .canary = true});
    m = stage_expect(&s, FARM__ENVELOPE__BODY_CANARY_DONE);
    assert_int_equal(m->envelope->canary_done->number, 3);
    assert_non_null(strstr(m->envelope->canary_done->message, "memory"));
    message_free(m);
    stop(&s);
}

static void test_a_clip_too_large_for_the_disk_spoils_nothing(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    stage_assign(
        &s, &(struct stage_task){
                .clip = 1, .recipe = "{\"width\":16384,\"height\":16384,\"num_frames\":100000}"});
    expect_handed_back(&s, 1, FARM__HAND_BACK_REASON__HAND_BACK_DISK);
    stage_forget(&s);
    struct message *m = stage_expect(&s, FARM__ENVELOPE__BODY_HEARTBEAT);
    assert_false(m->envelope->heartbeat->disk_low);
    message_free(m);
    stage_assign(&s, &(struct stage_task){.clip = 2});
    m = stage_expect(&s, FARM__ENVELOPE__BODY_OFFER);
    assert_int_equal(m->envelope->offer->attempt->clip, 2);
    stage_upload(&s, m->envelope->offer);
    stage_stored(&s, 2, m->envelope->offer->attempt->fence);
    message_free(m);
    stop(&s);
}

static void test_a_state_folder_has_one_worker(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    pid_t first = s.pid;
    stage_start_worker(&s, NULL);
    assert_int_equal(stage_wait_worker(&s), error_exit_code(ERROR_STATE));
    s.pid = first;
    stop(&s);
}

static void test_a_key_that_others_may_read_is_refused(void **state)
{
    struct stage s;
    (void)state;
    stage_open(&s);
    char *key = path_join(s.state, "worker.key");
    assert_int_equal(chmod(key, 0640), 0);
    free(key);
    stage_start_worker(&s, NULL);
    assert_int_equal(stage_wait_worker(&s), error_exit_code(ERROR_AUTH));
    stage_close(&s);
}

static void test_wrong_words(void **state)
{
    static const char *const cases[][3] = {
        {"--memory", "0", NULL},    {"--memory", "1x", NULL},   {"--memory", "9000000t", NULL},
        {"--slots", "65", NULL},    {"--grace", "8d", NULL},    {"--leave-after", "-1", NULL},
        {"--threads", "two", NULL}, {"--log", "verbose", NULL}, {"--nope", NULL, NULL},
    };
    struct stage s;
    (void)state;
    stage_open(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        stage_start_worker(&s, cases[i]);
        int code = stage_wait_worker(&s);
        if (code != error_exit_code(ERROR_USAGE)) fail_msg("%s: exit %d", cases[i][0], code);
    }
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_engine_that_grows_too_large_is_killed),
        cmocka_unit_test(test_a_clip_too_large_for_the_disk_spoils_nothing),
        cmocka_unit_test(test_a_state_folder_has_one_worker),
        cmocka_unit_test(test_a_key_that_others_may_read_is_refused),
        cmocka_unit_test(test_wrong_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

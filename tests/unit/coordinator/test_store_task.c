/* Tasks and attempts in the store: they come back as they went in, and a task that is over is told
 * by its attempts. */
#include "drawer.h"

static struct task_record task_of(uint32_t clip, bool is_open)
{
    struct task_record t = {.key = drawer_task_key(clip),
                            .state = is_open ? TASK_WAITING : TASK_FAILED,
                            .open = is_open,
                            .fence = (UINT64_C(5) << 32) + clip,
                            .attempts = 4,
                            .counted = 2,
                            .losses = 1,
                            .blamed_count = 2,
                            .blamed = {"w1", "w two"},
                            .winner = is_open ? NULL : "w3",
                            .winner_fence = is_open ? 0 : 9,
                            .output_bytes = 12345,
                            .suspect = SUSPECT_STILL,
                            .why = "failed",
                            .message = "out of \"words\""};
    return t;
}

static void same_key(const struct task_key *a, const struct task_key *b)
{
    assert_string_equal(a->batch, b->batch);
    assert_int_equal(a->clip, b->clip);
    assert_int_equal(a->task, b->task);
}

static void same_task(const struct task_record *a, const struct task_record *b)
{
    same_key(&a->key, &b->key);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->open, b->open);
    assert_int_equal(a->fence, b->fence);
    assert_int_equal(a->attempts, b->attempts);
    assert_int_equal(a->counted, b->counted);
    assert_int_equal(a->losses, b->losses);
    assert_int_equal(a->blamed_count, b->blamed_count);
    for (uint32_t i = 0; i < a->blamed_count; i++)
        assert_string_equal(a->blamed[i], b->blamed[i]);
    if (b->winner == NULL)
        assert_null(a->winner);
    else
        assert_string_equal(a->winner, b->winner);
    assert_int_equal(a->winner_fence, b->winner_fence);
    assert_int_equal(a->output_bytes, b->output_bytes);
    assert_int_equal(a->suspect, b->suspect);
    assert_string_equal(a->why, b->why);
    assert_string_equal(a->message, b->message);
}

static void check_task(void *context, const struct task_record *t)
{
    uint32_t *next = context;
    struct task_record wanted = task_of(*next, true);
    same_task(t, &wanted);
    *next += 2;
}

static void tasks_come_back(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    struct task_record t;
    uint32_t next = 0;
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_QUEUED);
    for (uint32_t clip = 0; clip < 10; clip++) {
        struct task_record first = {.key = drawer_task_key(clip), .why = "", .message = ""};
        store_task_save(s, &first);
        t = task_of(clip, clip % 2 == 0);
        store_task_save(s, &t);
    }
    drawer_commit(s);
    assert_ok(store_each_open_task(s, check_task, &next, &err), err);
    assert_int_equal(next, 10);
    struct task_key key = drawer_task_key(3);
    struct task_record wanted = task_of(3, false);
    assert_ok(store_task(s, &key, &t, &err), err);
    same_task(&t, &wanted);
    struct task_record bare = {.key = drawer_task_key(20), .state = TASK_LEASED, .open = true};
    store_task_save(s, &bare);
    assert_ok(store_task(s, &bare.key, &t, &err), err);
    bare.why = bare.message = "";
    same_task(&t, &bare);
    key = drawer_task_key(11);
    assert_false(store_task(s, &key, &t, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    store_close(s);
}

/* A task that is over needs no row: its attempts tell who made it, under which fence. */
static void a_task_that_is_over_is_told_by_its_attempts(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    struct task_record t = task_of(3, true), back;
    const struct task_key key = drawer_task_key(3);
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_QUEUED);
    for (uint64_t fence = 1; fence <= 3; fence++) {
        const struct attempt_record a = {.task = key,
                                         .fence = fence,
                                         .worker_fence = fence == 2 ? 9 : fence,
                                         .worker = fence == 2 ? "winner" : "other"};
        const struct attempt_end_record end = {
            .task = key, .fence = fence, .end = fence == 2 ? END_DONE : END_LOST};
        store_attempt_save(s, &a, 1000);
        store_attempt_end(s, &end, 2000);
    }
    t.state = TASK_DONE;
    t.winner = "winner";
    store_task_save(s, &t);
    t.open = false;
    store_task_save(s, &t);
    drawer_commit(s);
    assert_int_equal(drawer_count_rows(state, "SELECT count(*) FROM task"), 0);
    assert_ok(store_task(s, &key, &back, &err), err);
    assert_int_equal(back.state, TASK_DONE);
    assert_false(back.open);
    assert_string_equal(back.winner, "winner");
    assert_true(back.winner_fence == 9);
    assert_true(back.fence == 3);
    assert_int_equal(back.attempts, 3);
    store_close(s);
}

struct seen_attempts {
    struct attempt_record live[4];
    struct store_attempt history[4];
    char texts[4][3][64];
    int count;
};

static void see_live(void *context, const struct attempt_record *a)
{
    struct seen_attempts *seen = context;
    snprintf(seen->texts[seen->count][0], 64, "%s", a->worker);
    seen->live[seen->count++] = *a;
}

static void see_history(void *context, const struct store_attempt *a)
{
    struct seen_attempts *seen = context;
    snprintf(seen->texts[seen->count][0], 64, "%s", a->worker);
    snprintf(seen->texts[seen->count][1], 64, "%s", a->message);
    snprintf(seen->texts[seen->count][2], 64, "%s", a->log_tail);
    seen->history[seen->count++] = *a;
}

static void attempts_live_and_end(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_QUEUED);
    struct attempt_record a = {
        .task = drawer_task_key(7), .fence = 1, .worker_fence = 1, .worker = "w1"};
    a.slot = 2;
    store_attempt_save(s, &a, 1000);
    a.fence = 2;
    a.worker_fence = 40;
    a.worker = "w2";
    a.slot = 0;
    store_attempt_save(s, &a, 2000);
    struct attempt_end_record end = {.task = drawer_task_key(7),
                                     .fence = 1,
                                     .end = END_FAILED,
                                     .message = "no memory",
                                     .log_tail = "last words",
                                     .steps_computed = 5,
                                     .steps_wasted = 4,
                                     .render_ms = 900};
    store_attempt_end(s, &end, 1500);
    drawer_commit(s);
    store_close(s);
    s = drawer_open(state);
    struct seen_attempts live = {.count = 0}, past = {.count = 0};
    assert_ok(store_each_live_attempt(s, see_live, &live, &err), err);
    assert_int_equal(live.count, 1);
    same_key(&live.live[0].task, &a.task);
    assert_int_equal(live.live[0].fence, 2);
    assert_int_equal(live.live[0].worker_fence, 40);
    assert_string_equal(live.texts[0][0], "w2");
    assert_int_equal(live.live[0].slot, 0);
    struct task_key key = drawer_task_key(7);
    assert_ok(store_each_attempt(s, &key, see_history, &past, &err), err);
    assert_int_equal(past.count, 2);
    assert_int_equal(past.history[0].end, END_FAILED);
    assert_string_equal(past.texts[0][0], "w1");
    assert_string_equal(past.texts[0][1], "no memory");
    assert_string_equal(past.texts[0][2], "last words");
    assert_int_equal(past.history[0].steps_computed, 5);
    assert_int_equal(past.history[0].steps_wasted, 4);
    assert_int_equal(past.history[0].render_ms, 900);
    assert_int_equal(past.history[0].begun_ms, 1000);
    assert_int_equal(past.history[0].ended_ms, 1500);
    assert_int_equal(past.history[1].end, END_LIVE);
    assert_int_equal(past.history[1].ended_ms, 0);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(tasks_come_back),
        ground_test(attempts_live_and_end),
        ground_test(a_task_that_is_over_is_told_by_its_attempts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

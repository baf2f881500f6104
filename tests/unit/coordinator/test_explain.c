/* Why something is as it is, in one line and one code (S6). */
#include "reel.h"

#include "coordinator/farm_explain.h"

#define BATCH "b000000001"

static void expect(const struct explanation *e, const char *state, const char *code,
                   const char *words)
{
    if (strcmp(e->state, state) != 0 || strcmp(e->code, code) != 0 ||
        strstr(e->line, words) == NULL)
        fail_msg("%s %s: %s", e->state, e->code, e->line);
}

static void expect_clip(struct field *s, uint32_t clip, const char *state, const char *code,
                        const char *words)
{
    struct explanation e;
    assert_true(farm_explain_clip(s->f, BATCH, clip, s->now_ns, &e));
    assert_string_equal(e.kind, "clip");
    expect(&e, state, code, words);
}

static void expect_worker(struct field *s, const char *name, const char *state, const char *code,
                          const char *words)
{
    struct explanation e;
    assert_true(farm_explain_worker(s->f, name, "", s->now_ns, &e));
    expect(&e, state, code, words);
}

static void expect_worker_line(struct field *s, const char *line)
{
    struct explanation e;
    assert_true(farm_explain_worker(s->f, "w1", "", s->now_ns, &e));
    assert_string_equal(e.line, line);
}

static void what_waits_says_for_what(void **state)
{
    (void)state;
    struct explanation e;
    struct field *s = field_new();
    field_batch(s, BATCH, 3);
    field_turn(s);
    expect_clip(s, 0, "waiting", "no_worker", "no worker is here");
    assert_true(farm_explain_clip(s->f, BATCH, 0, s->now_ns, &e));
    assert_memory_equal(e.line, "no worker", 9); /* "is waiting: ...", not "waits" once more */
    (void)field_worker(s, "w1", 1);
    field_turn(s);
    expect_clip(s, 0, "leased", "running", "on w1, slot 0");
    expect_clip(s, 1, "leased", "prefetched", "next in line on w1");
    expect_clip(s, 2, "waiting", "busy", "all slots are busy");
    struct error err;
    assert_true(farm_batch_pause(s->f, BATCH, &err));
    expect_clip(s, 2, "waiting", "paused", "zoe batch resume");
    field_end(s);
}

static void what_failed_says_when_it_is_tried_again(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    (void)field_worker(s, "w2", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    struct attempt_key key = field_assigned(s, w);
    field_fails(s, w, &key, END_FAILED);
    struct explanation e;
    assert_true(farm_explain_clip(s->f, BATCH, 0, s->now_ns, &e));
    assert_non_null(strstr(e.line, "w2")); /* at once, elsewhere */
    field_end(s);
}

static void a_clip_of_several_tasks_tells_of_the_one_that_matters(void **state)
{
    (void)state;
    struct explanation e;
    struct field *s = field_new();
    (void)reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    assert_true(farm_explain_clip(s->f, REEL, 0, s->now_ns, &e));
    expect(&e, "leased", "running", "0 of 3 tasks are done; task 0");
    const struct task_key second = {.batch = REEL, .clip = 0, .task = 1};
    assert_true(farm_explain_task(s->f, &second, s->now_ns, &e));
    assert_string_equal(e.kind, "task");
    expect(&e, "waiting", "inputs", "for task 0, which is being rendered");
    assert_null(strstr(e.line, "waits"));
    field_end(s);
}

static void workers_say_what_they_do(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_hand(s, "w1", 1);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    expect_worker(s, "w1", "canary", "canary", "canary");
    field_canary(s, w, true);
    field_turn(s);
    expect_worker(s, "w1", "idle", "no_work", "nothing waits");
    expect_worker_line(s, "nothing waits");
    field_batch(s, BATCH, 2);
    field_turn(s);
    expect_worker(s, "w1", "busy", "busy", "1 of 1 slots run, 1 tasks are next in line");
    field_end(s);
}

static void who_keeps_a_worker_from_work_is_said(void **state)
{
    (void)state;
    struct error err = {0};
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    assert_true(farm_quarantine(s->f, "w1", "its fan is loud", "boss", s->now_ns, &err));
    expect_worker_line(s, "kept from work by boss until `zoe worker readmit w1`: its fan is loud");
    field_silence(s, 60 * NS_PER_S);
    expect_worker(s, "w1", "offline", "quarantined",
                  "in quarantine all the same, kept from work by");
    field_end(s);
    s = field_new();
    w = field_hand(s, "w1", 1);
    field_hello(s, w, NULL, 0);
    field_canary(s, w, false);
    expect_worker(s, "w1", "quarantined", "quarantined", "until a canary comes out right");
    field_end(s);
}

static void a_batch_that_is_over_has_its_state_as_its_code(void **state)
{
    (void)state;
    struct error err = {0};
    struct explanation e;
    struct field *s = field_new();
    (void)field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    assert_true(farm_explain_batch(s->f, BATCH, s->now_ns, &e));
    expect(&e, "running", "running", "0 of 1 clips published, 1 running");
    assert_true(farm_batch_cancel(s->f, BATCH, s->now_ns, &err));
    assert_true(farm_explain_batch(s->f, BATCH, s->now_ns, &e));
    expect(&e, "canceled", "canceled", "0 of 1 clips published");
    expect_clip(s, 0, "canceled", "canceled", "with its batch");
    field_end(s);
}

static void a_batch_counts_what_waits(void **state)
{
    (void)state;
    struct explanation e;
    struct field *s = field_new();
    (void)field_worker(s, "w1", 1);
    field_batch(s, BATCH, 5);
    field_turn(s);
    assert_true(farm_explain_batch(s->f, BATCH, s->now_ns, &e));
    expect(&e, "running", "busy", "0 of 5 clips published, 2 running; 3 wait");
    assert_int_equal(e.reason_count, 1);
    field_end(s);
}

static void what_is_not_there_is_said(void **state)
{
    (void)state;
    struct explanation e;
    struct field *s = field_new();
    const struct task_key none = {.batch = BATCH, .clip = 0, .task = 1};
    assert_false(farm_explain_batch(s->f, BATCH, s->now_ns, &e));
    assert_false(farm_explain_worker(s->f, "w1", "", s->now_ns, &e));
    field_batch(s, BATCH, 1);
    assert_false(farm_explain_clip(s->f, BATCH, 1, s->now_ns, &e));
    assert_false(farm_explain_task(s->f, &none, s->now_ns, &e));
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_says_for_what),
        cmocka_unit_test(what_failed_says_when_it_is_tried_again),
        cmocka_unit_test(a_clip_of_several_tasks_tells_of_the_one_that_matters),
        cmocka_unit_test(workers_say_what_they_do),
        cmocka_unit_test(who_keeps_a_worker_from_work_is_said),
        cmocka_unit_test(a_batch_that_is_over_has_its_state_as_its_code),
        cmocka_unit_test(a_batch_counts_what_waits),
        cmocka_unit_test(what_is_not_there_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which names of machines that are gone another may get, and what it gets with them. */
#include "reel.h"

#include "coordinator/namesake.h"

#define BATCH "b000000001"

static void expect_free(const struct field *s, const char *name, bool expected)
{
    if (namesake_may_come(s->f, name) != expected)
        fail_msg("the name %s is %s", name, expected ? "taken" : "free");
}

/* Its key goes: as when it was forgotten, or revoked. */
static void leave(struct field *s, struct hand *w)
{
    farm_leaving(s->f, w->session, "drained", true, s->now_ns);
    farm_revoke(s->f, w->name, s->now_ns);
    w->session = 0;
    field_check(s);
    field_turn(s);
}

/* Another machine: nothing but the name is the same. */
static void come(struct field *s, struct hand *w)
{
    namesake_comes(s->f, w->name);
    w->boot += 100;
    (void)snprintf(w->machine, sizeof(w->machine), "another machine");
    field_forget(s);
    field_hello(s, w, NULL, 0);
    field_canary(s, w, true);
}

static void a_name_is_free_when_its_worker_is_gone(void **state)
{
    (void)state;
    struct field *s = field_new();
    expect_free(s, "w1", true);
    struct hand *w = field_worker(s, "w1", 1);
    expect_free(s, "w1", false);
    leave(s, w);
    expect_free(s, "w1", true);
    field_restart(s);
    expect_free(s, "w1", true);
    field_end(s);
}

static void a_name_in_quarantine_is_not(void **state)
{
    (void)state;
    struct error err = {0};
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    assert_true(farm_quarantine(s->f, "w1", "nonsense", "ada", s->now_ns, &err));
    leave(s, w);
    expect_free(s, "w1", false);
    field_restart(s);
    expect_free(s, "w1", false);
    assert_true(farm_readmit(s->f, "w1", "ada", &err));
    expect_free(s, "w1", true);
    field_end(s);
}

static void a_name_that_a_task_blames_is_not(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    struct attempt_key key = field_assigned(s, w);
    field_fails(s, w, &key, END_FAILED);
    leave(s, w);
    expect_free(s, "w1", false);
    field_restart(s);
    expect_free(s, "w1", false);
    struct hand *other = field_worker(s, "w2", 1);
    key = field_assigned(s, other);
    field_publish(s, other, &key);
    expect_free(s, "w1", true);
    field_end(s);
}

static void a_name_that_was_lost_with_a_task_is_not(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    struct attempt_key key = field_assigned(s, w);
    field_progress(s, w, &key, 1);
    w->session = 0;
    field_run(s, 60 * NS_PER_S);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    expect_free(s, "w1", false);
    assert_true(farm_batch_cancel(s->f, BATCH, s->now_ns, NULL));
    expect_free(s, "w1", true);
    field_end(s);
}

/* T9: what it made first is not kept, and not forgotten. */
static void a_name_that_waits_for_a_second_opinion_is_not(void **state)
{
    (void)state;
    struct farm_verdict black = {.kind = VERDICT_SOUND, .suspect = SUSPECT_BLACK};
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    struct hand *other = field_worker(s, "w2", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    struct attempt_key key = field_assigned(s, w);
    field_offer(s, w, &key, 1000);
    field_upload(s, w, &key);
    farm_verdict(s->f, "w1", &key, &black, s->now_ns);
    field_turn(s);
    leave(s, w);
    expect_free(s, "w1", false);
    key = field_assigned(s, other);
    field_publish(s, other, &key);
    expect_free(s, "w1", true);
    field_end(s);
}

/* W8 takes it back when its maker turns out to be wrong. */
static void a_name_that_made_part_of_a_clip_is_not(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    struct attempt_key key = reel_assigned(s, w, 0, 0);
    field_store(s, w, &key);
    leave(s, w);
    expect_free(s, "w1", false);
    assert_true(farm_batch_cancel(s->f, REEL, s->now_ns, NULL));
    expect_free(s, "w1", true);
    field_end(s);
}

/* A result is whole here and its verdict is owed. */
static void a_name_whose_attempt_lives_is_not(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    struct attempt_key key = field_assigned(s, w);
    field_offer(s, w, &key, 1000);
    field_upload(s, w, &key);
    farm_leaving(s->f, w->session, "drained", true, s->now_ns);
    field_turn(s);
    expect_free(s, "w1", false);
    field_verdict(s, w, &key, VERDICT_SOUND);
    expect_free(s, "w1", false);
    farm_clip_stitched(s->f, BATCH, 0, &(struct farm_video){.file = "x"}, s->now_ns);
    farm_clip_renamed(s->f, BATCH, 0, &(struct farm_video){.file = "x"}, s->now_ns);
    expect_free(s, "w1", true);
    field_end(s);
}

static void fail_one(struct field *s, const struct hand *w, const char *batch)
{
    field_batch(s, batch, 1);
    field_turn(s);
    struct attempt_key key = field_assigned(s, w);
    assert_string_equal(key.task.batch, batch);
    field_fails(s, w, &key, END_FAILED);
    assert_true(farm_batch_cancel(s->f, batch, s->now_ns, NULL));
    field_turn(s);
}

/* Two tasks in a row ended badly there: the third is the first of the newcomer. */
static void a_newcomer_begins_with_a_clean_slate(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    fail_one(s, w, "b000000001");
    fail_one(s, w, "b000000002");
    leave(s, w);
    expect_free(s, "w1", true);
    come(s, w);
    fail_one(s, w, "b000000003");
    assert_int_equal(field_events(s, "worker.suspected"), 0);
    fail_one(s, w, "b000000004");
    fail_one(s, w, "b000000005");
    assert_int_equal(field_events(s, "worker.suspected"), 1);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_free_when_its_worker_is_gone),
        cmocka_unit_test(a_name_in_quarantine_is_not),
        cmocka_unit_test(a_name_that_a_task_blames_is_not),
        cmocka_unit_test(a_name_that_was_lost_with_a_task_is_not),
        cmocka_unit_test(a_name_that_waits_for_a_second_opinion_is_not),
        cmocka_unit_test(a_name_that_made_part_of_a_clip_is_not),
        cmocka_unit_test(a_name_whose_attempt_lives_is_not),
        cmocka_unit_test(a_newcomer_begins_with_a_clean_slate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A second copy of what takes too long (S4). */
#include "reel.h"

#define ONE "b000000001"

static const struct attempt_key FIRST = {.task = {.batch = ONE}, .fence = 1};

static struct field *with_paces(struct hand **slow, struct hand **quick)
{
    struct field *s = field_new();
    *slow = field_worker(s, "w1", 1);
    *quick = field_worker(s, "w2", 1);
    return s;
}

static void steps(struct field *s, const struct hand *w, const struct attempt_key *key, uint32_t to,
                  int64_t each_ns)
{
    for (uint32_t step = 1; step <= to; step++) {
        field_run(s, each_ns);
        field_progress(s, w, key, step);
    }
}

static struct attempt_key clip_key(uint32_t clip)
{
    return (struct attempt_key){.task = {.batch = ONE, .clip = clip}, .fence = 1};
}

/* w2 renders its clip quickly and has nothing more to do; w1 takes `each_ns` a step. */
static struct field *with_a_straggler(struct hand **slow, struct hand **quick, int64_t each_ns)
{
    struct field *s = with_paces(slow, quick);
    struct attempt_key other = clip_key(1);
    field_batch(s, ONE, 2);
    field_turn(s);
    steps(s, *quick, &other, 10, NS_PER_S / 10);
    field_publish(s, *quick, &other);
    field_forget(s);
    steps(s, *slow, &FIRST, 2, each_ns);
    field_turn(s);
    return s;
}

static void a_straggler_gets_a_copy_elsewhere(void **state)
{
    (void)state;
    struct hand *slow, *quick;
    struct field *s = with_a_straggler(&slow, &quick, 4 * NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 1);
    assert_int_equal(field_events(s, "attempt.copied"), 1);
    struct attempt_key copy = field_assigned(s, quick);
    assert_int_equal(copy.task.clip, 0);
    assert_int_equal(copy.fence, 2);
    field_forget(s);
    field_run(s, 5 * NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0); /* one a task */
    field_publish(s, quick, &copy);
    const struct note *n = field_last(s, EFFECT_CANCEL);
    assert_string_equal(n->worker, slow->name);
    assert_int_equal(n->e.message.attempt.fence, 1);
    struct batch_info info;
    assert_true(farm_batch_info(s->f, ONE, &info));
    assert_int_equal(info.steps_wasted, 2);
    assert_int_equal(info.state, BATCH_DONE);
    field_end(s);
}

static void the_first_may_win_all_the_same(void **state)
{
    (void)state;
    struct hand *slow, *quick;
    struct field *s = with_a_straggler(&slow, &quick, 4 * NS_PER_S);
    struct attempt_key copy = field_assigned(s, quick);
    field_progress(s, quick, &copy, 3);
    field_forget(s);
    field_publish(s, slow, &FIRST);
    assert_string_equal(field_last(s, EFFECT_CANCEL)->worker, quick->name);
    struct batch_info info;
    assert_true(farm_batch_info(s->f, ONE, &info));
    assert_int_equal(info.steps_wasted, 3);
    field_end(s);
}

static void who_is_nearly_as_quick_gets_none(void **state)
{
    (void)state;
    struct hand *slow, *quick;
    struct field *s = with_a_straggler(&slow, &quick, NS_PER_S / 10);
    field_run(s, NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    field_end(s);
}

/* It was quick, and is silent now: nobody knows how long, so as long again. */
static void who_stops_is_a_straggler_after_a_while(void **state)
{
    (void)state;
    struct hand *slow, *quick;
    struct field *s = with_a_straggler(&slow, &quick, NS_PER_S / 10);
    field_run(s, 8 * NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 1);
    field_end(s);
}

/* What its pace says is of yesterday: fifteen steps would have to pass before its median knows. */
static void who_became_slow_is_a_straggler_at_once(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *slow = field_worker(s, "w1", 1);
    struct attempt_key second = clip_key(1);
    field_batch(s, ONE, 2);
    field_turn(s);
    steps(s, slow, &FIRST, 10, NS_PER_S / 10);
    field_publish(s, slow, &FIRST);
    field_turn(s);
    steps(s, slow, &second, 2, 2 * NS_PER_S);
    struct hand *quick = field_worker(s, "w2", 1);
    field_turn(s);
    assert_int_equal(field_events(s, "attempt.copied"), 1);
    assert_int_equal(field_assigned(s, quick).task.clip, 1);
    field_end(s);
}

static void waiting_work_goes_first(void **state)
{
    (void)state;
    struct hand *slow, *quick;
    struct field *s = with_paces(&slow, &quick);
    field_batch(s, ONE, 20);
    field_turn(s);
    steps(s, slow, &FIRST, 3, 10 * NS_PER_S);
    assert_int_equal(field_events(s, "attempt.copied"), 0);
    field_end(s);
}

static void a_copy_that_is_lost_leaves_the_first_alone(void **state)
{
    (void)state;
    struct hand *slow, *quick;
    struct field *s = with_a_straggler(&slow, &quick, 4 * NS_PER_S);
    struct attempt_key copy = field_assigned(s, quick);
    field_fails(s, quick, &copy, END_FAILED);
    field_run(s, NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_CANCEL), 0);
    field_publish(s, slow, &FIRST);
    assert_int_equal(field_state(s, ONE), BATCH_DONE);
    field_end(s);
}

static void a_copy_survives_a_restart(void **state)
{
    (void)state;
    struct hand *slow, *quick;
    struct field *s = with_a_straggler(&slow, &quick, 4 * NS_PER_S);
    struct attempt_key copy = field_assigned(s, quick);
    field_restart(s);
    struct farm_held held = {.attempt = copy, .phase = PHASE_RENDERING, .step = 1, .steps = 10};
    field_hello(s, quick, &held, 1);
    field_publish(s, quick, &copy);
    assert_int_equal(field_state(s, ONE), BATCH_DONE);
    field_end(s);
}

/* The copy would go on from latents that have to be made again. */
static void without_its_input_there_is_no_copy(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *slow = reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    struct attempt_key first = reel_assigned(s, slow, 0, 0);
    steps(s, slow, &first, 8, NS_PER_S / 10);
    reel_store(s, slow, &first);
    field_turn(s);
    struct attempt_key second = reel_assigned(s, slow, 0, 1);
    steps(s, slow, &second, 2, 4 * NS_PER_S);
    struct task_key lost = reel_key(0, 0);
    farm_output_missing(s->f, &lost, false, s->now_ns);
    field_turn(s);
    (void)reel_worker(s, "w2", "f");
    (void)reel_worker(s, "w3", "f");
    field_run(s, 5 * NS_PER_S);
    assert_int_equal(field_events(s, "attempt.copied"), 0);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_straggler_gets_a_copy_elsewhere),
        cmocka_unit_test(the_first_may_win_all_the_same),
        cmocka_unit_test(who_is_nearly_as_quick_gets_none),
        cmocka_unit_test(who_stops_is_a_straggler_after_a_while),
        cmocka_unit_test(who_became_slow_is_a_straggler_at_once),
        cmocka_unit_test(waiting_work_goes_first),
        cmocka_unit_test(a_copy_that_is_lost_leaves_the_first_alone),
        cmocka_unit_test(a_copy_survives_a_restart),
        cmocka_unit_test(without_its_input_there_is_no_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* One clip, one fingerprint (S7); and who has what a task goes on from is waited for (S3). */
#include "reel.h"

#define PATIENCE_NS (600 * NS_PER_S)

/* ---- S7 ---- */

static void another_fingerprint_gets_nothing_of_a_clip_begun(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *f = reel_worker(s, "w1", "f");
    struct hand *g = reel_worker(s, "w2", "g");
    reel_batch(s, 1, reel_plan(PLAN_SEAM)); /* three that could run at once */
    field_turn(s);
    (void)reel_assigned(s, f, 0, 1); /* 0 runs, 1 is prefetched: */
    assert_false(field_has_assign(s, g));
    field_end(s);
}

static void clips_of_one_task_know_no_pin(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *f = reel_worker(s, "w1", "f");
    struct hand *g = reel_worker(s, "w2", "g");
    field_batch(s, REEL, 1);
    field_turn(s);
    struct attempt_key key = field_assigned(s, f);
    field_fails(s, f, &key, END_FAILED);
    assert_true(field_has_assign(s, g));
    field_end(s);
}

static void the_pin_ends_with_the_last_attempt_while_nothing_is_stored(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *f = reel_worker(s, "w1", "f");
    struct hand *g = reel_worker(s, "w2", "g");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    struct attempt_key key = reel_assigned(s, f, 0, 0);
    field_fails(s, f, &key, END_FAILED);
    (void)reel_assigned(s, g, 0, 0);
    field_end(s);
}

/* It is here and begins nothing: what it was given is gone. */
static void stop_taking_work(struct field *s, const struct hand *w)
{
    struct farm_heartbeat beat = {.last_message = 99, .disk_low = true};
    farm_heartbeat(s->f, w->session, &beat, s->now_ns);
    field_check(s);
    field_turn(s);
}

/* Both are looked at in one turn. */
static void each_clip_waits_for_its_own_fingerprint(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *f = reel_worker(s, "w1", "f");
    struct hand *g = reel_worker(s, "w2", "g");
    reel_batch(s, 2, reel_plan(PLAN_CHAIN));
    field_turn(s);
    reel_render(s, f, 0, 0, 0);
    reel_render(s, g, 1, 0, 0);
    stop_taking_work(s, g);
    farm_leaving(s->f, f->session, "bye", true, s->now_ns);
    f->session = 0;
    field_forget(s);
    field_run(s, PATIENCE_NS + 10 * NS_PER_S);
    assert_int_equal(field_events(s, "clip.repinned"), 1);
    assert_int_equal(field_last(s, EFFECT_DROP_OUTPUTS)->e.task_key.clip, 0);
    field_end(s);
}

static struct field *stranded(struct hand **g)
{
    struct field *s = field_new();
    struct hand *f = reel_worker(s, "w1", "f");
    *g = reel_worker(s, "w2", "g");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    reel_render(s, f, 0, 0, 0);
    farm_leaving(s->f, f->session, "bye", true, s->now_ns);
    f->session = 0;
    field_check(s);
    field_forget(s);
    return s;
}

static void a_clip_whose_fingerprint_is_gone_starts_over(void **state)
{
    (void)state;
    struct hand *g;
    struct field *s = stranded(&g);
    struct reason_info reasons[REASONS_MAX];
    field_run(s, 590 * NS_PER_S);
    assert_false(field_has_assign(s, g));
    assert_int_equal(farm_batch_reasons(s->f, REEL, s->now_ns, reasons), 1);
    assert_string_equal(reasons[0].code, "pinned");
    field_run(s, 20 * NS_PER_S);
    assert_int_equal(field_events(s, "clip.repinned"), 1);
    assert_int_equal(field_count(s, EFFECT_DROP_OUTPUTS), 1);
    assert_int_equal(reel_info(s).steps_wasted, 10);
    reel_render(s, g, 0, 0, 2);
    assert_int_equal(reel_state(s, 0), CLIP_STITCHING);
    field_end(s);
}

/* Overnight, say. */
static void nothing_starts_over_while_nobody_is_there(void **state)
{
    (void)state;
    struct hand *g;
    struct field *s = stranded(&g);
    farm_leaving(s->f, g->session, "bye", true, s->now_ns);
    g->session = 0;
    field_silence(s, 10 * PATIENCE_NS);
    assert_int_equal(reel_done(s, 0), 1);
    struct hand *back = reel_worker(s, "w3", "f");
    (void)reel_assigned(s, back, 0, 1);
    field_end(s);
}

static void nothing_starts_over_while_its_batch_is_paused(void **state)
{
    (void)state;
    struct hand *g;
    struct error err = {0};
    struct field *s = stranded(&g);
    assert_true(farm_batch_pause(s->f, REEL, &err));
    field_run(s, 2 * PATIENCE_NS);
    assert_int_equal(reel_done(s, 0), 1);
    assert_true(farm_batch_resume(s->f, REEL, &err));
    field_run(s, PATIENCE_NS + NS_PER_S);
    assert_int_equal(field_events(s, "clip.repinned"), 1);
    field_end(s);
}

static void who_comes_back_in_time_goes_on(void **state)
{
    (void)state;
    struct hand *g;
    struct field *s = stranded(&g);
    field_run(s, 500 * NS_PER_S);
    struct hand *back = reel_worker(s, "w3", "f");
    (void)reel_assigned(s, back, 0, 1);
    field_run(s, 300 * NS_PER_S);
    assert_int_equal(field_events(s, "clip.repinned"), 0);
    field_end(s);
}

/* Whatever of the second model it was given goes back. */
static void takes_nothing_of_the_second(struct field *s, const struct hand *w,
                                        enum hand_back_reason reason)
{
    for (uint32_t task = 3; task <= 5; task++) {
        for (uint64_t fence = 1; fence <= 4; fence++) {
            struct attempt_key key = {.task = reel_key(0, task), .fence = fence};
            field_hand_back(s, w, &key, reason);
        }
    }
}

/* One has no room for the first model, the other none for the second: together they are enough,
 * and what is stored stays. */
static void stages_may_have_their_own_workers(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *second = reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_UPSCALE));
    field_turn(s);
    struct attempt_key key = reel_assigned(s, second, 0, 0);
    field_hand_back(s, second, &key, HAND_BACK_MEMORY);
    struct hand *first = reel_worker(s, "w2", "f");
    reel_render(s, first, 0, 0, 2);
    takes_nothing_of_the_second(s, second, HAND_BACK_DISK); /* for now */
    takes_nothing_of_the_second(s, first, HAND_BACK_MEMORY);
    (void)reel_worker(s, "w3", "g"); /* could do all of it anew */
    field_run(s, 700 * NS_PER_S);
    assert_int_equal(field_events(s, "clip.repinned"), 0);
    assert_int_equal(reel_done(s, 0), 3);
    field_end(s);
}

static void the_pin_survives_a_restart(void **state)
{
    (void)state;
    struct hand *g;
    struct field *s = stranded(&g);
    field_restart(s);
    field_hello(s, g, NULL, 0);
    field_turn(s);
    assert_false(field_has_assign(s, g));
    field_run(s, 620 * NS_PER_S);
    assert_int_equal(field_events(s, "clip.repinned"), 1);
    field_end(s);
}

/* Nobody knows which slot it ran on until its worker says hello. */
static void what_lives_over_a_restart_holds_its_clip(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *f = reel_worker(s, "w1", "f");
    struct hand *g = reel_worker(s, "w2", "g");
    reel_batch(s, 1, reel_plan(PLAN_SEAM));
    field_turn(s);
    field_restart(s);
    field_hello(s, g, NULL, 0);
    field_turn(s);
    assert_false(field_has_assign(s, g));
    field_hello(s, f, NULL, 0);
    field_turn(s);
    assert_false(field_has_assign(s, g));
    assert_true(field_has_assign(s, f)); /* sent again */
    field_end(s);
}

static void a_result_of_another_fingerprint_is_refused(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    struct attempt_key key = reel_assigned(s, w, 0, 0);
    w->fingerprint = "g"; /* it lies */
    reel_offer(s, w, &key);
    assert_int_equal(field_last(s, EFFECT_DROPPED)->e.message.drop, DROP_MISMATCH);
    field_end(s);
}

static void a_checkpoint_pins_nothing(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *f = reel_worker(s, "w1", "f");
    struct hand *g = reel_worker(s, "w2", "g");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    struct attempt_key key = reel_assigned(s, f, 0, 0);
    reel_checkpoint(s, f, &key, 5);
    field_fails(s, f, &key, END_FAILED);
    key = reel_assigned(s, g, 0, 0);
    assert_false(field_find(s, EFFECT_ASSIGN, g->name)->e.message.resume);
    reel_store(s, g, &key);
    assert_int_equal(reel_done(s, 0), 1);
    field_end(s);
}

/* Only a worker that may work counts among the three of T4. */
static void who_cannot_go_on_is_not_waited_for_to_fail(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *f = reel_worker(s, "w1", "f");
    (void)reel_worker(s, "w2", "g");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    reel_render(s, f, 0, 0, 0);
    for (int i = 0; i < 2; i++) {
        struct attempt_key key = reel_assigned(s, f, 0, 1);
        field_fails(s, f, &key, END_FAILED);
        field_run(s, 20 * NS_PER_S);
    }
    field_canary(s, f, true);
    assert_int_equal(reel_state(s, 0), CLIP_FAILED);
    field_end(s);
}

/* ---- S3 ---- */

static struct field *chain_of_two(struct hand **a, struct hand **b)
{
    struct field *s = field_new();
    *a = reel_worker(s, "w1", "f");
    *b = reel_worker(s, "w2", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    struct attempt_key key = reel_assigned(s, *a, 0, 0);
    field_run(s, 10 * NS_PER_S); /* the median */
    reel_offer(s, *a, &key);
    return s;
}

/* One more clip for `a` to be busy with, and its first one's second task is ready. */
static struct field *while_a_is_busy(struct hand **a, struct hand **b, struct attempt_key *key)
{
    struct field *s = field_new();
    *a = reel_worker(s, "w1", "f");
    reel_batch(s, 3, reel_plan(PLAN_CHAIN));
    field_turn(s);
    *key = (struct attempt_key){.task = reel_key(0, 0), .fence = 1};
    field_run(s, 10 * NS_PER_S);
    reel_offer(s, *a, key);
    field_turn(s); /* it runs 1.0 now, and has 2.0 behind it */
    *b = reel_worker(s, "w2", "f");
    field_forget(s);
    return s;
}

static void the_next_task_goes_where_its_latents_are(void **state)
{
    (void)state;
    struct hand *a, *b;
    struct field *s = chain_of_two(&a, &b);
    struct attempt_key key = {.task = reel_key(0, 0), .fence = 1};
    field_verdict(s, a, &key, VERDICT_SOUND);
    (void)reel_assigned(s, a, 0, 1);
    assert_false(field_has_assign(s, b));
    field_end(s);
}

static void it_waits_no_longer_than_a_median_task(void **state)
{
    (void)state;
    struct hand *a, *b;
    struct attempt_key key;
    struct field *s = while_a_is_busy(&a, &b, &key);
    field_verdict(s, a, &key, VERDICT_SOUND);
    assert_false(field_has_assign(s, b)); /* 2.0 is recalled for it meanwhile, not 0.1 given */
    field_run(s, 8 * NS_PER_S);
    assert_false(field_has_assign(s, b));
    field_run(s, 3 * NS_PER_S);
    (void)reel_assigned(s, b, 0, 1);
    field_end(s);
}

static void nobody_waits_for_who_drains(void **state)
{
    (void)state;
    struct hand *a, *b;
    struct attempt_key key;
    struct error err = {0};
    struct field *s = while_a_is_busy(&a, &b, &key);
    field_verdict(s, a, &key, VERDICT_SOUND);
    assert_false(field_has_assign(s, b));
    assert_true(farm_drain(s->f, a->name, 0, "me", s->now_ns, &err));
    field_turn(s);
    (void)reel_assigned(s, b, 0, 1);
    field_end(s);
}

/* Of windows that meet every worker has some. */
static void who_has_a_part_need_not_wait(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *a = reel_worker(s, "w1", "f");
    struct hand *b = reel_worker(s, "w2", "f");
    reel_batch(s, 1, reel_plan(PLAN_WINDOWS)); /* 0, 1, 2; then 3 takes 0 and 1, ... */
    field_turn(s);
    struct attempt_key zero = {.task = reel_key(0, 0), .fence = 1};
    struct attempt_key one = {.task = reel_key(0, 1), .fence = 1};
    struct attempt_key two = {.task = reel_key(0, 2), .fence = 1};
    field_run(s, 10 * NS_PER_S);
    reel_store(s, a, &zero); /* and goes on with 2 */
    reel_store(s, a, &two);
    field_forget(s);
    reel_store(s, b, &one); /* the last input of them all */
    assert_true(field_has_assign(s, a) && field_has_assign(s, b));
    field_end(s);
}

/* The last stored part is lost, whose own task cannot go on yet: another one of the clip can. */
static void who_was_kept_out_may_begin_when_all_parts_are_lost(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *a = reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    reel_render(s, a, 0, 0, 1);
    struct attempt_key third = reel_assigned(s, a, 0, 2);
    assert_true(farm_drain(s->f, a->name, 0, "me", s->now_ns, NULL));
    field_turn(s);
    field_hand_back(s, a, &third, HAND_BACK_DRAINING);
    struct hand *b = reel_worker(s, "w2", "g");
    field_turn(s);
    for (uint32_t task = 0; task < 2; task++) {
        struct task_key lost = reel_key(0, task);
        assert_false(field_has_assign(s, b));
        farm_output_missing(s->f, &lost, false, s->now_ns);
        field_check(s);
        field_turn(s);
    }
    (void)reel_assigned(s, b, 0, 0);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_fingerprint_gets_nothing_of_a_clip_begun),
        cmocka_unit_test(clips_of_one_task_know_no_pin),
        cmocka_unit_test(the_pin_ends_with_the_last_attempt_while_nothing_is_stored),
        cmocka_unit_test(each_clip_waits_for_its_own_fingerprint),
        cmocka_unit_test(a_clip_whose_fingerprint_is_gone_starts_over),
        cmocka_unit_test(nothing_starts_over_while_nobody_is_there),
        cmocka_unit_test(nothing_starts_over_while_its_batch_is_paused),
        cmocka_unit_test(who_comes_back_in_time_goes_on),
        cmocka_unit_test(stages_may_have_their_own_workers),
        cmocka_unit_test(the_pin_survives_a_restart),
        cmocka_unit_test(what_lives_over_a_restart_holds_its_clip),
        cmocka_unit_test(a_result_of_another_fingerprint_is_refused),
        cmocka_unit_test(a_checkpoint_pins_nothing),
        cmocka_unit_test(who_cannot_go_on_is_not_waited_for_to_fail),
        cmocka_unit_test(the_next_task_goes_where_its_latents_are),
        cmocka_unit_test(it_waits_no_longer_than_a_median_task),
        cmocka_unit_test(nobody_waits_for_who_drains),
        cmocka_unit_test(who_has_a_part_need_not_wait),
        cmocka_unit_test(who_was_kept_out_may_begin_when_all_parts_are_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Clips of several tasks: what is pickable when, what a failure keeps, what a missing file costs.
 */
#include "reel.h"

static void a_task_begins_when_its_inputs_are_stored(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    struct attempt_key key = reel_assigned(s, w, 0, 0);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 1); /* nothing to prefetch */
    reel_offer(s, w, &key);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 1);
    field_verdict(s, w, &key, VERDICT_SOUND);
    (void)reel_assigned(s, w, 0, 1);
    assert_int_equal(reel_state(s, 0), CLIP_LEASED);
    assert_int_equal(reel_done(s, 0), 1);
    field_end(s);
}

static void the_last_task_has_its_clip_stitched(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    reel_render(s, w, 0, 0, 1);
    assert_int_equal(field_count(s, EFFECT_STITCH), 0);
    reel_render(s, w, 0, 2, 2);
    assert_int_equal(reel_state(s, 0), CLIP_STITCHING);
    assert_int_equal(field_last(s, EFFECT_STITCH)->e.job.task.task, 0);
    assert_int_equal(field_last(s, EFFECT_STITCH)->e.job.shape.plan.method, PLAN_CHAIN);
    reel_publish(s, 0);
    assert_int_equal(field_count(s, EFFECT_RETIRE_CLIP), 1); /* kept for their time */
    assert_int_equal(field_count(s, EFFECT_DROP_OUTPUTS), 0);
    assert_int_equal(field_state(s, REEL), BATCH_DONE);
    assert_int_equal(reel_done(s, 0), REEL_TASKS);
    field_end(s);
}

static void scenes_run_side_by_side(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *a = reel_worker(s, "w1", "f");
    struct hand *b = reel_worker(s, "w2", "f");
    struct plan plan = reel_plan(PLAN_CHAIN);
    plan.cuts[plan.cut_count++] = 10;
    reel_batch(s, 1, plan);
    field_turn(s);
    (void)reel_assigned(s, a, 0, 0);
    (void)reel_assigned(s, b, 0, 2);
    field_end(s);
}

static void every_method_comes_to_its_end(void **state)
{
    (void)state;
    for (int method = PLAN_CHAIN; method < PLAN_METHOD_COUNT; method++) {
        struct field *s = field_new();
        struct hand *w = reel_worker(s, "w1", "f");
        struct plan plan = reel_plan((enum plan_method)method);
        reel_batch(s, 1, plan);
        field_turn(s);
        for (uint32_t i = 0; i < plan_task_count(&plan); i++) {
            struct running_info running;
            field_run(s, NS_PER_S);
            assert_int_equal(farm_worker_running(s->f, w->name, s->now_ns, &running, 1), 1);
            reel_store(s, w, &running.attempt);
            field_forget(s);
        }
        assert_int_equal(reel_state(s, 0), CLIP_STITCHING);
        field_end(s);
    }
}

static void a_second_stage_asks_for_the_second_model(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_UPSCALE));
    field_turn(s);
    assert_int_equal(field_last(s, EFFECT_ASSIGN)->e.message.model.bytes[0], 1);
    reel_render(s, w, 0, 0, 0);
    (void)reel_assigned(s, w, 0, 3); /* one segment is all its first window needs */
    assert_int_equal(field_last(s, EFFECT_ASSIGN)->e.message.model.bytes[0], 2);
    field_end(s);
}

static void an_attempt_counts_the_steps_of_its_task(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = reel_worker(s, "w1", "f");
    struct running_info running;
    reel_batch(s, 1, reel_plan(PLAN_WINDOWS));
    field_turn(s);
    assert_int_equal(farm_worker_running(s->f, w->name, s->now_ns, &running, 1), 1);
    assert_int_equal(running.steps, 5);
    field_end(s);
}

/* ---- failure ---- */

static struct field *failed_at(uint32_t task, struct hand **w)
{
    struct field *s = field_new();
    *w = reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    if (task > 0) reel_render(s, *w, 0, 0, task - 1);
    struct attempt_key key = reel_assigned(s, *w, 0, task);
    field_fails(s, *w, &key, END_RECIPE);
    return s;
}

static void a_task_that_fails_fails_its_clip(void **state)
{
    (void)state;
    struct hand *w;
    struct field *s = failed_at(1, &w);
    assert_int_equal(reel_state(s, 0), CLIP_FAILED);
    assert_int_equal(field_state(s, REEL), BATCH_FAILED);
    assert_int_equal(field_count(s, EFFECT_DROP_OUTPUTS), 0);
    struct task_key key = reel_key(0, 1);
    assert_string_equal(ledger_task(&s->store, &key)->why, "recipe");
    assert_int_equal(field_last(s, EFFECT_SAVE_CLIP)->e.clip.attempts, 2);
    field_end(s);
}

static void retry_renders_only_what_is_missing(void **state)
{
    (void)state;
    struct hand *w;
    struct error err = {0};
    for (int restart = 0; restart < 2; restart++) {
        struct field *s = failed_at(1, &w);
        if (restart) {
            field_restart(s);
            field_hello(s, w, NULL, 0);
        }
        assert_true(farm_batch_retry(s->f, REEL, &err));
        field_check(s);
        field_turn(s);
        reel_render(s, w, 0, 1, 2);
        assert_int_equal(reel_state(s, 0), CLIP_STITCHING);
        field_end(s);
    }
}

static void retry_of_a_first_task_begins_anew(void **state)
{
    (void)state;
    struct hand *w;
    struct error err = {0};
    struct field *s = failed_at(0, &w);
    assert_true(farm_batch_retry(s->f, REEL, &err));
    assert_int_equal(reel_state(s, 0), CLIP_WAITING);
    field_turn(s);
    reel_render(s, w, 0, 0, 2);
    assert_int_equal(reel_state(s, 0), CLIP_STITCHING);
    field_end(s);
}

static void others_of_a_failed_clip_are_canceled(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *a = reel_worker(s, "w1", "f");
    struct hand *b = reel_worker(s, "w2", "f");
    reel_batch(s, 1, reel_plan(PLAN_SEAM));
    field_turn(s);
    struct attempt_key one = field_assigned(s, a);
    field_forget(s);
    field_fails(s, a, &one, END_RECIPE);
    assert_int_equal(field_count(s, EFFECT_CANCEL), 2); /* b ran one, a had prefetched another */
    assert_non_null(field_find(s, EFFECT_CANCEL, b->name));
    assert_int_equal(reel_state(s, 0), CLIP_FAILED);
    field_end(s);
}

static void cancel_drops_what_is_stored(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = reel_worker(s, "w1", "f");
    struct error err = {0};
    reel_batch(s, 2, reel_plan(PLAN_CHAIN));
    field_turn(s);
    struct attempt_key key = reel_assigned(s, w, 1, 0); /* prefetched, of the other clip */
    key.task.clip = 0;
    reel_store(s, w, &key);
    assert_true(farm_batch_cancel(s->f, REEL, s->now_ns, &err));
    field_check(s);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_DROP_OUTPUTS), 1);
    assert_int_equal(reel_state(s, 0), CLIP_CANCELED);
    assert_true(farm_batch_remove(s->f, REEL, &err));
    field_turn(s);
    field_end(s);
}

/* ---- restarts ---- */

static void a_restart_goes_on_where_the_clip_was(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    reel_render(s, w, 0, 0, 0);
    field_restart(s);
    assert_int_equal(reel_done(s, 0), 1);
    field_hello(s, w, NULL, 0); /* nothing it lists: its attempt is sent again */
    field_turn(s);
    reel_render(s, w, 0, 1, 2);
    assert_int_equal(reel_state(s, 0), CLIP_STITCHING);
    field_end(s);
}

static void tasks_beyond_the_plan_are_refused(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct error err = {0};
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    struct task_record row = {.key = reel_key(0, REEL_TASKS), .attempts = 1};
    assert_false(farm_load_task(s->f, &row, &err));
    assert_int_equal(err.code, ERROR_CORRUPT);
    struct hand *w = reel_worker(s, "w1", "f");
    struct attempt_key key = {.task = reel_key(0, REEL_TASKS), .fence = 1};
    field_offer(s, w, &key, 1000);
    assert_int_equal(field_last(s, EFFECT_DROPPED)->e.message.drop, DROP_UNKNOWN);
    field_end(s);
}

/* ---- missing files (A3) ---- */

static struct field *stitching(struct hand **w)
{
    struct field *s = field_new();
    *w = reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    reel_render(s, *w, 0, 0, 2);
    field_forget(s);
    return s;
}

static void a_missing_segment_costs_its_task_only(void **state)
{
    (void)state;
    static const uint32_t missing[] = {1};
    struct hand *w;
    struct field *s = stitching(&w);
    farm_stitch_failed(s->f, REEL, 0, STITCH_MISSING, missing, 1, "", s->now_ns);
    field_check(s);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_DROP_OUTPUTS), 1);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 1);
    assert_int_equal(reel_done(s, 0), 2);
    assert_int_equal(reel_info(s).steps_wasted, 10);
    reel_render(s, w, 0, 1, 1);
    assert_int_equal(reel_state(s, 0), CLIP_STITCHING);
    field_end(s);
}

static void what_is_missing_is_made_in_order(void **state)
{
    (void)state;
    static const uint32_t missing[] = {2, 1};
    struct hand *w;
    struct field *s = stitching(&w);
    farm_stitch_failed(s->f, REEL, 0, STITCH_MISSING, missing, 2, "", s->now_ns);
    field_check(s);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 1); /* 2 waits for 1 */
    reel_render(s, w, 0, 1, 2);
    assert_int_equal(reel_state(s, 0), CLIP_STITCHING);
    field_end(s);
}

static void who_names_no_task_of_the_clip_is_asked_again(void **state)
{
    (void)state;
    static const uint32_t missing[] = {REEL_TASKS};
    struct hand *w;
    struct field *s = stitching(&w);
    farm_stitch_failed(s->f, REEL, 0, STITCH_MISSING, missing, 1, "", s->now_ns);
    field_check(s);
    field_run(s, 6 * NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_STITCH), 1);
    field_end(s);
}

static void an_input_that_is_missing_comes_first(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    reel_render(s, w, 0, 0, 0);
    struct attempt_key key = reel_assigned(s, w, 0, 1);
    struct task_key input = reel_key(0, 0);
    field_forget(s);
    farm_output_missing(s->f, &input, false, s->now_ns);
    field_check(s);
    field_turn(s);
    assert_int_equal(field_last(s, EFFECT_CANCEL)->e.message.attempt.fence, key.fence);
    reel_render(s, w, 0, 0, 2);
    assert_int_equal(reel_state(s, 0), CLIP_STITCHING);
    field_end(s);
}

static void who_renders_already_is_left_alone(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    reel_render(s, w, 0, 0, 0);
    struct attempt_key key = reel_assigned(s, w, 0, 1);
    struct task_key input = reel_key(0, 0);
    field_progress(s, w, &key, 3);
    farm_output_missing(s->f, &input, false, s->now_ns);
    field_check(s);
    reel_store(s, w, &key);
    assert_int_equal(reel_done(s, 0), 1); /* 1 is, 0 is not any more */
    assert_int_equal(field_count(s, EFFECT_CANCEL), 0);
    field_end(s);
}

/* ---- offers (T2) ---- */

static void the_winner_of_each_task_is_told_again(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    struct attempt_key key = reel_assigned(s, w, 0, 0);
    reel_store(s, w, &key);
    field_forget(s);
    field_offer(s, w, &key, 1000);
    assert_int_equal(field_count(s, EFFECT_STORED), 1);
    field_end(s);
}

static void nothing_is_adopted_without_its_inputs(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = reel_worker(s, "w1", "f");
    struct attempt_key key = {.task = reel_key(0, 1), .fence = 1};
    reel_batch(s, 2, reel_plan(PLAN_CHAIN));
    field_offer(s, w, &key, 1000); /* of a clip of which nothing was begun */
    assert_int_equal(field_last(s, EFFECT_DROPPED)->e.message.drop, DROP_FENCED);
    field_forget(s);
    field_turn(s);
    key.task.clip = 1;
    field_offer(s, w, &key, 1000); /* and of one that is begun */
    assert_int_equal(field_last(s, EFFECT_DROPPED)->e.message.drop, DROP_FENCED);
    field_end(s);
}

/* Its bytes cannot be asked for once more: there are none. */
static void an_empty_result_of_another_digest_is_rejected(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, REEL, 1);
    field_turn(s);
    struct attempt_key key = field_assigned(s, w);
    field_offer(s, w, &key, 0);
    farm_uploaded(s->f, w->name, &key, false, s->now_ns);
    field_check(s);
    field_turn(s);
    assert_int_equal(field_last(s, EFFECT_DROPPED)->e.message.drop, DROP_REJECTED);
    field_end(s);
}

/* ---- the whole ---- */

static void black_is_a_clip_of_black_segments(void **state)
{
    (void)state;
    for (uint32_t black = 2; black <= REEL_TASKS; black++) {
        struct field *s = field_new();
        struct hand *w = reel_worker(s, "w1", "f");
        reel_batch(s, 1, reel_plan(PLAN_CHAIN));
        field_turn(s);
        for (uint32_t i = 0; i < REEL_TASKS; i++) {
            for (int looks = i < black ? 2 : 1; looks > 0; looks--) { /* T9 */
                struct attempt_key key = reel_assigned(s, w, 0, i);
                struct farm_verdict verdict = {.kind = VERDICT_SOUND};
                verdict.suspect = i < black ? SUSPECT_BLACK : SUSPECT_NONE;
                reel_offer(s, w, &key);
                farm_verdict(s->f, w->name, &key, &verdict, s->now_ns);
                field_turn(s);
            }
        }
        reel_publish(s, 0);
        assert_int_equal(reel_info(s).counts.suspect, black == REEL_TASKS);
        field_end(s);
    }
}

static void the_time_left_counts_tasks(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = reel_worker(s, "w1", "f");
    reel_batch(s, 2, reel_plan(PLAN_CHAIN));
    field_turn(s);
    struct attempt_key key = {.task = reel_key(0, 0), .fence = 1};
    field_run(s, 10 * NS_PER_S);
    reel_store(s, w, &key);
    struct batch_info info = reel_info(s); /* 5 are left, 2 of them live */
    assert_true(info.eta_ns >= 39 * NS_PER_S && info.eta_ns <= 41 * NS_PER_S);
    field_end(s);
}

static void a_clip_whose_next_task_waits_says_so(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct reason_info reasons[REASONS_MAX];
    (void)reel_worker(s, "w1", "f");
    (void)reel_worker(s, "w2", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    assert_int_equal(farm_batch_reasons(s->f, REEL, s->now_ns, reasons), 1);
    assert_string_equal(reasons[0].code, "inputs");
    assert_int_equal(reasons[0].count, 1);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_begins_when_its_inputs_are_stored),
        cmocka_unit_test(the_last_task_has_its_clip_stitched),
        cmocka_unit_test(scenes_run_side_by_side),
        cmocka_unit_test(every_method_comes_to_its_end),
        cmocka_unit_test(a_second_stage_asks_for_the_second_model),
        cmocka_unit_test(an_attempt_counts_the_steps_of_its_task),
        cmocka_unit_test(a_task_that_fails_fails_its_clip),
        cmocka_unit_test(retry_renders_only_what_is_missing),
        cmocka_unit_test(retry_of_a_first_task_begins_anew),
        cmocka_unit_test(others_of_a_failed_clip_are_canceled),
        cmocka_unit_test(cancel_drops_what_is_stored),
        cmocka_unit_test(a_restart_goes_on_where_the_clip_was),
        cmocka_unit_test(tasks_beyond_the_plan_are_refused),
        cmocka_unit_test(a_missing_segment_costs_its_task_only),
        cmocka_unit_test(what_is_missing_is_made_in_order),
        cmocka_unit_test(who_names_no_task_of_the_clip_is_asked_again),
        cmocka_unit_test(an_input_that_is_missing_comes_first),
        cmocka_unit_test(who_renders_already_is_left_alone),
        cmocka_unit_test(the_winner_of_each_task_is_told_again),
        cmocka_unit_test(nothing_is_adopted_without_its_inputs),
        cmocka_unit_test(an_empty_result_of_another_digest_is_rejected),
        cmocka_unit_test(black_is_a_clip_of_black_segments),
        cmocka_unit_test(the_time_left_counts_tasks),
        cmocka_unit_test(a_clip_whose_next_task_waits_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What people do to batches, and what a restart makes of them: B3, B4, T7. */
#include "reel.h"

#define ONE "b000000001"
#define TWO "b000000002"

static bool pause_it(struct field *s, struct error *err)
{
    return farm_batch_pause(s->f, ONE, err);
}

static bool resume_it(struct field *s, struct error *err)
{
    return farm_batch_resume(s->f, ONE, err);
}

static bool cancel_it(struct field *s, struct error *err)
{
    return farm_batch_cancel(s->f, ONE, s->now_ns, err);
}

static bool retry_it(struct field *s, struct error *err)
{
    return farm_batch_retry(s->f, ONE, err);
}

static bool remove_it(struct field *s, struct error *err)
{
    return farm_batch_remove(s->f, ONE, err);
}

static void must(struct field *s, bool (*act)(struct field *, struct error *))
{
    struct error err = {0};
    if (!act(s, &err)) fail_msg("%s", err.message);
    field_check(s);
    field_turn(s);
}

static void must_not(struct field *s, bool (*act)(struct field *, struct error *),
                     enum error_code code)
{
    struct error err = {0};
    assert_false(act(s, &err));
    assert_int_equal(err.code, code);
    field_check(s);
}

static uint64_t clips_in(const struct field *s, const char *id, enum clip_state state)
{
    struct batch_info info;
    assert_true(farm_batch_info(s->f, id, &info));
    return info.counts.by_state[state];
}

/* Gives all work of the field to one worker and publishes it. */
static void publish_all(struct field *s, const struct hand *w, const char *id)
{
    struct running_info running[16];
    field_turn(s);
    while (farm_batch_running(s->f, id, s->now_ns, running, 16) > 0) {
        struct attempt_key key = running[0].attempt;
        field_publish(s, w, &key);
    }
}

/* ---- states (B3) ---- */

static void a_batch_is_queued_running_done(void **state)
{
    (void)state;
    struct field *s = field_new();
    field_batch(s, ONE, 3);
    field_turn(s);
    assert_int_equal(field_state(s, ONE), BATCH_QUEUED);
    struct hand *w = field_worker(s, "w1", 1);
    assert_int_equal(field_state(s, ONE), BATCH_RUNNING);
    publish_all(s, w, ONE);
    assert_int_equal(field_state(s, ONE), BATCH_DONE);
    assert_true(farm_is_idle(s->f));
    field_end(s);
}

static void a_batch_with_one_failed_clip_publishes_the_others(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 3);
    field_turn(s);
    struct attempt_key first = {.task = {.batch = ONE}, .fence = 1};
    field_fails(s, w, &first, END_RECIPE);
    assert_int_equal(field_state(s, ONE), BATCH_RUNNING);
    publish_all(s, w, ONE);
    assert_int_equal(field_state(s, ONE), BATCH_FAILED);
    assert_int_equal(clips_in(s, ONE, CLIP_PUBLISHED), 2);
    assert_int_equal(clips_in(s, ONE, CLIP_FAILED), 1);
    field_end(s);
}

/* ---- pause ---- */

static void a_pause_lets_running_work_finish(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 3);
    field_turn(s);
    must(s, pause_it);
    must(s, pause_it);
    assert_int_equal(field_events(s, "batch.paused"), 1);
    assert_int_equal(field_state(s, ONE), BATCH_PAUSED);
    publish_all(s, w, ONE); /* the prefetched one had begun */
    assert_int_equal(clips_in(s, ONE, CLIP_PUBLISHED), 2);
    assert_int_equal(clips_in(s, ONE, CLIP_WAITING), 1);
    field_restart(s);
    assert_int_equal(field_state(s, ONE), BATCH_PAUSED);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    must(s, resume_it);
    must(s, resume_it);
    assert_int_equal(field_events(s, "batch.resumed"), 1);
    assert_int_equal(field_state(s, ONE), BATCH_RUNNING);
    publish_all(s, w, ONE);
    assert_int_equal(field_state(s, ONE), BATCH_DONE);
    field_end(s);
}

static void a_fresh_batch_goes_back_to_queued(void **state)
{
    (void)state;
    struct field *s = field_new();
    field_batch(s, ONE, 1);
    must(s, pause_it);
    must(s, resume_it);
    assert_int_equal(field_state(s, ONE), BATCH_QUEUED);
    field_end(s);
}

static void the_last_clip_of_a_paused_batch_ends_it(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 1);
    field_turn(s);
    must(s, pause_it);
    publish_all(s, w, ONE);
    assert_int_equal(field_state(s, ONE), BATCH_DONE);
    must_not(s, pause_it, ERROR_STATE);
    must_not(s, resume_it, ERROR_STATE);
    field_end(s);
}

/* ---- cancel ---- */

static void a_cancel_ends_all_but_what_is_publishing(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct farm_video video = field_video();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 5);
    field_turn(s);
    struct attempt_key first = {.task = {.batch = ONE}, .fence = 1};
    field_store(s, w, &first);
    must(s, cancel_it);
    must(s, cancel_it);
    assert_int_equal(field_events(s, "batch.canceled"), 1);
    assert_int_equal(field_state(s, ONE), BATCH_CANCELED);
    assert_int_equal(field_count(s, EFFECT_CANCEL), 2);
    assert_int_equal(clips_in(s, ONE, CLIP_CANCELED), 4);
    assert_false(farm_is_idle(s->f));
    must_not(s, remove_it, ERROR_STATE);
    field_restart(s);
    assert_int_equal(field_count(s, EFFECT_STITCH), 1);
    farm_clip_stitched(s->f, ONE, 0, &video, s->now_ns);
    farm_clip_renamed(s->f, ONE, 0, &video, s->now_ns);
    field_turn(s);
    assert_int_equal(clips_in(s, ONE, CLIP_PUBLISHED), 1);
    assert_int_equal(field_state(s, ONE), BATCH_CANCELED);
    assert_true(farm_is_idle(s->f));
    must_not(s, retry_it, ERROR_STATE);
    must_not(s, pause_it, ERROR_STATE);
    must(s, remove_it);
    must_not(s, remove_it, ERROR_NOT_FOUND);
    field_end(s);
}

static void a_canceled_batch_stays_so_after_a_restart(void **state)
{
    (void)state;
    struct field *s = field_new();
    uint32_t clip = 0;
    field_batch(s, ONE, 5000);
    must(s, cancel_it);
    field_restart(s);
    assert_int_equal(field_state(s, ONE), BATCH_CANCELED);
    assert_int_equal(clips_in(s, ONE, CLIP_CANCELED), 5000);
    assert_int_equal(farm_clip_state(s->f, ONE, 4999), CLIP_CANCELED);
    assert_true(farm_clip_find(s->f, ONE, "canceled", 4096, &clip));
    assert_int_equal(clip, 4096);
    assert_false(farm_clip_find(s->f, ONE, "rendering", 0, &clip));
    (void)field_worker(s, "w1", 1);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 0);
    field_end(s);
}

static const uint64_t gib = UINT64_C(1) << 30;

/* A window of a chain is stored, and the next cannot be rendered: one clip has failed, and the
 * batch goes on with its other one. */
static struct field *with_a_failed_reel(struct hand **w)
{
    struct field *s = field_new();
    *w = reel_worker(s, "w1", "f");
    reel_batch(s, 2, reel_plan(PLAN_CHAIN));
    field_turn(s);
    struct attempt_key key = {.task = reel_key(0, 0), .fence = 1};
    field_store(s, *w, &key);
    key.task.task = 1;
    field_fails(s, *w, &key, END_RECIPE);
    assert_int_equal(clips_in(s, ONE, CLIP_FAILED), 1);
    assert_int_equal(field_state(s, ONE), BATCH_RUNNING);
    field_forget(s);
    return s;
}

/* Nothing is reserved for stitching, and nothing is open. */
static void expect_nothing_kept(struct field *s)
{
    struct task_record row;
    farm_disk(s->f, 900 * gib, 1000 * gib);
    farm_disk(s->f, gib, 1000 * gib); /* just enough when nothing is reserved */
    assert_false(farm_disk_is_low(s->f));
    for (uint32_t i = 0; i < REEL_TASKS; i++)
        assert_false(farm_task_record(s->f, &(struct task_key){.batch = ONE, .task = i}, &row));
}

/* `retry` of it is refused from now on: nobody will ask for them. */
static void a_cancel_drops_the_parts_of_failed_clips(void **state)
{
    (void)state;
    struct hand *w;
    struct field *s = with_a_failed_reel(&w);
    farm_disk(s->f, gib, 1000 * gib);
    assert_true(farm_disk_is_low(s->f));
    must(s, cancel_it);
    assert_int_equal(field_count(s, EFFECT_DROP_OUTPUTS), 1);
    assert_int_equal(clips_in(s, ONE, CLIP_FAILED), 1);
    assert_int_equal(clips_in(s, ONE, CLIP_CANCELED), 1);
    expect_nothing_kept(s);
    field_restart(s);
    assert_int_equal(field_count(s, EFFECT_DROP_OUTPUTS), 0);
    assert_int_equal(clips_in(s, ONE, CLIP_FAILED), 1);
    expect_nothing_kept(s);
    must(s, remove_it);
    field_end(s);
}

/* What was being published when its batch was canceled may fail afterwards. */
static void what_fails_in_a_canceled_batch_keeps_nothing(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 1);
    field_turn(s);
    struct attempt_key key = field_assigned(s, w);
    field_store(s, w, &key);
    must(s, cancel_it);
    farm_stitch_failed(s->f, ONE, 0, STITCH_DIED, NULL, 0, "", s->now_ns);
    farm_stitch_failed(s->f, ONE, 0, STITCH_DIED, NULL, 0, "", s->now_ns);
    field_check(s);
    field_turn(s);
    assert_int_equal(clips_in(s, ONE, CLIP_FAILED), 1);
    assert_int_equal(field_count(s, EFFECT_DROP_OUTPUTS), 1);
    expect_nothing_kept(s);
    field_restart(s);
    expect_nothing_kept(s);
    field_end(s);
}

/* Of a build that kept them. */
static void parts_that_a_canceled_batch_kept_go_at_the_start(void **state)
{
    (void)state;
    struct error err = {0};
    struct field *s = field_new();
    struct shape shape = reel_shape(reel_plan(PLAN_CHAIN));
    struct clip_run run = {0};
    struct clip_counts counts = {.by_state = {[CLIP_FAILED] = 1, [CLIP_CANCELED] = 1}};
    struct batch_spec spec = {.id = TWO,
                              .name = "",
                              .owner = "",
                              .sequence = 5,
                              .clips = 2,
                              .shapes = &shape,
                              .groups = 1,
                              .runs = &run,
                              .run_count = 1};
    struct batch_record record = {
        .state = BATCH_CANCELED, .started = true, .group_counts = &counts};
    uint8_t page[CLIPS_PER_PAGE] = {CLIP_FAILED, CLIP_CANCELED};
    struct task_record row = {.key = {.batch = TWO},
                              .state = TASK_DONE,
                              .open = true,
                              .fence = 1,
                              .attempts = 1,
                              .winner = "w1",
                              .winner_fence = 1,
                              .output_bytes = 1000,
                              .fingerprint = "f"};
    struct farm *f = farm_new(&s->config);
    assert_true(farm_load_batch(f, &spec, &record, &err));
    assert_true(farm_load_page(f, TWO, 0, page, &err));
    assert_true(farm_load_task(f, &row, &err));
    farm_loaded(f, s->now_ns);
    if (!farm_check(f, s->now_ns, &err)) fail_msg("%s", err.message);
    assert_false(farm_task_record(f, &row.key, &row));
    const struct effects *list = farm_effects(f);
    size_t dropped = 0;
    for (size_t i = 0; i < list->count; i++)
        dropped += list->items[i].kind == EFFECT_DROP_OUTPUTS;
    assert_int_equal(dropped, 1);
    assert_int_equal(farm_clip_state(f, TWO, 0), CLIP_FAILED);
    farm_free(f);
    field_end(s);
}

static void a_done_batch_cannot_be_canceled(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 1);
    publish_all(s, w, ONE);
    must_not(s, cancel_it, ERROR_STATE);
    must_not(s, retry_it, ERROR_STATE);
    field_end(s);
}

/* ---- retry ---- */

static void a_retry_clears_counts_and_keeps_fences_growing(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 2);
    field_turn(s);
    struct attempt_key key = {.task = {.batch = ONE}, .fence = 1};
    field_fails(s, w, &key, END_RECIPE);
    publish_all(s, w, ONE);
    assert_int_equal(field_state(s, ONE), BATCH_FAILED);
    field_forget(s);
    must(s, retry_it);
    assert_int_equal(field_state(s, ONE), BATCH_RUNNING);
    assert_int_equal(clips_in(s, ONE, CLIP_PUBLISHED), 1);
    assert_true(field_assigned(s, w).fence > key.fence);
    assert_int_equal(field_assigned(s, w).task.clip, 0);
    field_restart(s); /* the round is kept */
    struct farm_held held = {.attempt = {.task = key.task}, .phase = PHASE_UPLOADING};
    field_hello(s, w, NULL, 0);
    field_turn(s);
    held.attempt = field_assigned(s, w);
    field_publish(s, w, &held.attempt);
    assert_int_equal(field_state(s, ONE), BATCH_DONE);
    field_end(s);
}

static void a_retry_of_a_running_batch_takes_what_failed(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 3);
    field_turn(s);
    must(s, retry_it); /* nothing to do */
    assert_int_equal(field_events(s, "batch.retried"), 0);
    struct attempt_key key = {.task = {.batch = ONE}, .fence = 1};
    field_fails(s, w, &key, END_RECIPE);
    must(s, retry_it);
    assert_int_equal(field_events(s, "batch.retried"), 1);
    assert_int_equal(clips_in(s, ONE, CLIP_FAILED), 0);
    publish_all(s, w, ONE);
    assert_int_equal(field_state(s, ONE), BATCH_DONE);
    field_end(s);
}

static void a_result_from_before_the_retry_is_adopted(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 1);
    field_turn(s);
    struct attempt_key old = field_assigned(s, w);
    field_fails(s, w, &old, END_RECIPE);
    must(s, retry_it);
    struct attempt_key now = field_assigned(s, w);
    field_store(s, w, &old);
    assert_int_equal(clips_in(s, ONE, CLIP_STITCHING), 1);
    assert_int_equal(field_last(s, EFFECT_CANCEL)->e.message.attempt.fence, now.fence);
    field_end(s);
}

static void rounds_are_limited(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct shape shape = field_shape(1);
    struct clip_run run = {0};
    struct clip_counts counts = {.by_state = {[CLIP_FAILED] = 1}};
    struct batch_spec spec = {.id = ONE,
                              .name = "",
                              .owner = "",
                              .sequence = 1,
                              .clips = 1,
                              .shapes = &shape,
                              .groups = 1,
                              .runs = &run,
                              .run_count = 1};
    struct batch_record record = {
        .state = BATCH_FAILED, .round = 65534, .started = true, .group_counts = &counts};
    uint8_t page[CLIPS_PER_PAGE] = {CLIP_FAILED};
    struct error err = {0};
    assert_true(farm_load_batch(s->f, &spec, &record, &err));
    assert_true(farm_load_page(s->f, ONE, 0, page, &err));
    farm_loaded(s->f, s->now_ns);
    assert_true(farm_batch_retry(s->f, ONE, &err));
    struct hand *w = field_hand(s, "w1", 1);
    field_hello(s, w, NULL, 0);
    ledger_accept(&s->store, &spec);
    field_canary(s, w, true);
    struct attempt_key key = field_assigned(s, w);
    assert_true(key.fence >> 32 == 65535);
    field_fails(s, w, &key, END_RECIPE);
    assert_false(farm_batch_retry(s->f, ONE, &err));
    assert_int_equal(err.code, ERROR_STATE);
    field_end(s);
}

/* ---- removal ---- */

static void only_a_batch_that_is_over_is_removed(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    struct batch_info info;
    field_batch(s, ONE, 2);
    field_batch(s, TWO, 1);
    must_not(s, remove_it, ERROR_STATE);
    publish_all(s, w, ONE);
    must(s, remove_it);
    assert_int_equal(field_count(s, EFFECT_REMOVE_BATCH), 1);
    assert_false(farm_batch_info(s->f, ONE, &info));
    assert_true(farm_batch_at(s->f, 0, &info));
    assert_string_equal(info.id, TWO);
    assert_false(farm_batch_at(s->f, 1, &info));
    field_restart(s);
    assert_false(farm_batch_info(s->f, ONE, &info));
    assert_int_equal(field_state(s, TWO), BATCH_RUNNING);
    field_end(s);
}

static void a_removed_batch_gives_its_reserve_back(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 1);
    field_turn(s);
    struct attempt_key key = field_assigned(s, w);
    field_store(s, w, &key);
    farm_stitch_failed(s->f, ONE, 0, STITCH_DIED, NULL, 0, "", s->now_ns);
    farm_stitch_failed(s->f, ONE, 0, STITCH_DIED, NULL, 0, "", s->now_ns);
    field_turn(s);
    assert_int_equal(field_state(s, ONE), BATCH_FAILED);
    field_offer(s, w, &key, 1000);
    must(s, remove_it);
    farm_disk(s->f, gib, 1000 * gib); /* just enough when nothing is reserved */
    assert_false(farm_disk_is_low(s->f));
    field_offer(s, w, &key, 1000);
    assert_int_equal(field_last(s, EFFECT_DROPPED)->e.message.drop, DROP_UNKNOWN);
    field_end(s);
}

/* ---- loading ---- */

static void everything_is_there_after_a_restart(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 2);
    struct batch_info before, after;
    field_batch(s, ONE, 6);
    field_batch(s, TWO, 3);
    field_turn(s);
    struct attempt_key keys[3] = {{.task = {.batch = ONE, .clip = 0}, .fence = 1},
                                  {.task = {.batch = ONE, .clip = 1}, .fence = 1},
                                  {.task = {.batch = ONE, .clip = 2}, .fence = 1}};
    field_publish(s, w, &keys[0]);
    field_store(s, w, &keys[1]);
    field_fails(s, w, &keys[2], END_FAILED);
    assert_true(farm_batch_info(s->f, ONE, &before));
    struct clip_counts counts = before.counts;
    uint64_t attempts = before.attempts, computed = before.steps_computed;
    field_restart(s);
    assert_true(farm_batch_info(s->f, ONE, &after));
    assert_memory_equal(&counts, &after.counts, sizeof(counts));
    assert_int_equal(attempts, after.attempts);
    assert_int_equal(computed, after.steps_computed);
    assert_string_equal(after.name, "test");
    assert_int_equal(field_count(s, EFFECT_STITCH), 1);
    field_end(s);
}

static bool loads_page(uint8_t byte)
{
    struct field *s = field_new();
    struct error err = {0};
    uint8_t page[CLIPS_PER_PAGE] = {byte};
    field_batch(s, ONE, 1);
    bool ok = farm_load_page(s->f, ONE, 0, page, &err);
    assert_false(farm_load_page(s->f, ONE, 1, page, &err));
    assert_false(farm_load_page(s->f, TWO, 0, page, &err));
    field_end(s);
    return ok;
}

static void damaged_pages_are_noticed(void **state)
{
    (void)state;
    assert_true(loads_page(CLIP_CANCELED));
    assert_false(loads_page(CLIP_STATE_COUNT));
    assert_true(loads_page(CLIP_PUBLISHED | CLIP_SUSPECT_BIT));
    assert_false(loads_page(CLIP_FAILED | CLIP_SUSPECT_BIT));
    assert_false(loads_page(0x10));
}

static void damaged_rows_are_noticed(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct error err = {0};
    struct task_record row = {.key = {.batch = ONE}, .state = TASK_LEASED, .open = true};
    struct attempt_record attempt = {.task = {.batch = ONE}, .fence = 1, .worker = "w1"};
    struct worker_record worker = {.name = "w1"};
    field_batch(s, ONE, 1);
    assert_true(farm_load_worker(s->f, &worker, &err));
    assert_false(farm_load_worker(s->f, &worker, &err));
    assert_false(farm_load_attempt(s->f, &attempt, &err)); /* of a task that is not leased */
    row.key.clip = 1;
    assert_false(farm_load_task(s->f, &row, &err));
    row.key.clip = 0;
    row.state = TASK_FAILED;
    assert_false(farm_load_task(s->f, &row, &err));
    row.state = TASK_LEASED;
    row.blamed_count = RETRY_DISTINCT_WORKERS + 1;
    assert_false(farm_load_task(s->f, &row, &err));
    assert_int_equal(err.code, ERROR_CORRUPT);
    row.blamed_count = 0;
    assert_true(farm_load_task(s->f, &row, &err));
    assert_false(farm_load_task(s->f, &row, &err));
    assert_true(farm_load_attempt(s->f, &attempt, &err));
    field_end(s);
}

static bool loads_batch(struct farm *f, const char *id, uint64_t sequence, uint64_t clips_counted)
{
    struct shape shape = field_shape(1);
    struct clip_run run = {0};
    struct clip_counts counts = {.by_state = {[CLIP_WAITING] = clips_counted}};
    struct batch_record record = {.state = BATCH_QUEUED, .group_counts = &counts};
    struct batch_spec spec = {.name = "",
                              .owner = "",
                              .sequence = sequence,
                              .clips = 2,
                              .shapes = &shape,
                              .groups = 1,
                              .runs = &run,
                              .run_count = 1};
    (void)snprintf(spec.id, sizeof(spec.id), "%s", id);
    return farm_load_batch(f, &spec, &record, NULL);
}

static void batches_may_be_loaded_in_any_order(void **state)
{
    (void)state;
    struct farm_config config = {.seed = 1};
    struct farm *f = farm_new(&config);
    struct batch_info info;
    assert_true(loads_batch(f, TWO, 20, 2));
    assert_true(loads_batch(f, ONE, 10, 2));
    assert_true(loads_batch(f, "b000000003", 15, 2));
    assert_true(farm_batch_at(f, 0, &info));
    assert_string_equal(info.id, ONE);
    assert_true(farm_batch_at(f, 1, &info));
    assert_string_equal(info.id, "b000000003");
    assert_true(farm_batch_at(f, 2, &info));
    assert_string_equal(info.id, TWO);
    assert_false(loads_batch(f, "b000000004", 30, 3)); /* counters of more clips than it has */
    farm_free(f);
}

/* ---- adding ---- */

static bool adds(const struct batch_spec *spec)
{
    struct farm_config config = {.seed = 1};
    struct farm *f = farm_new(&config);
    bool ok = farm_batch_add(f, spec, NULL);
    farm_free(f);
    return ok;
}

static void specs_have_limits(void **state)
{
    (void)state;
    static struct shape shapes[LIMIT_GROUPS + 1];
    struct clip_run runs[2] = {{0, 0}, {1, 0}};
    for (uint32_t i = 0; i <= LIMIT_GROUPS; i++) {
        shapes[i] = field_shape(1);
        shapes[i].steps = i + 1;
    }
    const struct batch_spec good = {.id = ONE,
                                    .name = "",
                                    .owner = "",
                                    .sequence = 1,
                                    .clips = LIMIT_SUBMIT_CLIPS,
                                    .shapes = shapes,
                                    .groups = LIMIT_GROUPS,
                                    .runs = runs,
                                    .run_count = 2};
    struct batch_spec spec = good;
    assert_true(adds(&spec));
    spec.clips = LIMIT_SUBMIT_CLIPS + 1;
    assert_false(adds(&spec));
    spec.clips = 0;
    assert_false(adds(&spec));
    spec.clips = 1; /* the second run begins past the end */
    assert_false(adds(&spec));
    spec = good;
    spec.groups = LIMIT_GROUPS + 1;
    assert_false(adds(&spec));
    spec.groups = 0;
    assert_false(adds(&spec));
    spec = good;
    spec.sequence = 0;
    assert_false(adds(&spec));
    spec = good;
    spec.run_count = 0;
    assert_false(adds(&spec));
    runs[1].first_clip = 0;
    assert_false(adds(&good));
    runs[1] = (struct clip_run){1, LIMIT_GROUPS};
    assert_false(adds(&good));
    memcpy(spec.id, "short", 6);
    assert_false(adds(&spec));
}

static void an_id_is_used_once(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct shape shape = field_shape(1);
    struct clip_run run = {0};
    struct error err = {0};
    struct batch_spec spec = {.id = ONE,
                              .name = "",
                              .owner = "",
                              .sequence = 9,
                              .clips = 1,
                              .shapes = &shape,
                              .groups = 1,
                              .runs = &run,
                              .run_count = 1};
    field_batch(s, ONE, 1);
    assert_false(farm_batch_add(s->f, &spec, &err));
    assert_int_equal(err.code, ERROR_STATE);
    field_end(s);
}

static void a_batch_is_found_by_prefix_and_as_last(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct batch_info info;
    struct error err = {0};
    uint64_t index = 0;
    assert_false(farm_batch_find(s->f, "last", &info, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    field_batch(s, ONE, 1);
    field_batch(s, TWO, 1);
    assert_true(farm_batch_find(s->f, "last", &info, &err));
    assert_string_equal(info.id, TWO);
    assert_true(farm_batch_find(s->f, ONE, &info, &err));
    assert_false(farm_batch_find(s->f, "b00", &info, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_false(farm_batch_find(s->f, "", &info, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_true(farm_batch_index(s->f, TWO, &index));
    assert_int_equal(index, 1);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_queued_running_done),
        cmocka_unit_test(a_batch_with_one_failed_clip_publishes_the_others),
        cmocka_unit_test(a_pause_lets_running_work_finish),
        cmocka_unit_test(a_fresh_batch_goes_back_to_queued),
        cmocka_unit_test(the_last_clip_of_a_paused_batch_ends_it),
        cmocka_unit_test(a_cancel_ends_all_but_what_is_publishing),
        cmocka_unit_test(a_canceled_batch_stays_so_after_a_restart),
        cmocka_unit_test(a_cancel_drops_the_parts_of_failed_clips),
        cmocka_unit_test(what_fails_in_a_canceled_batch_keeps_nothing),
        cmocka_unit_test(parts_that_a_canceled_batch_kept_go_at_the_start),
        cmocka_unit_test(a_done_batch_cannot_be_canceled),
        cmocka_unit_test(a_retry_clears_counts_and_keeps_fences_growing),
        cmocka_unit_test(a_retry_of_a_running_batch_takes_what_failed),
        cmocka_unit_test(a_result_from_before_the_retry_is_adopted),
        cmocka_unit_test(rounds_are_limited),
        cmocka_unit_test(only_a_batch_that_is_over_is_removed),
        cmocka_unit_test(a_removed_batch_gives_its_reserve_back),
        cmocka_unit_test(everything_is_there_after_a_restart),
        cmocka_unit_test(damaged_pages_are_noticed),
        cmocka_unit_test(damaged_rows_are_noticed),
        cmocka_unit_test(batches_may_be_loaded_in_any_order),
        cmocka_unit_test(specs_have_limits),
        cmocka_unit_test(an_id_is_used_once),
        cmocka_unit_test(a_batch_is_found_by_prefix_and_as_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

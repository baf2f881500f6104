/* A real worker renders tasks of long clips, alone or after another one, through kills and stops.
 * Whatever happens, the files are those that `zoe-engine plan --run` leaves. */
#include "unit/worker/stage_tasks.h"

#include "base/plan.h"

static void start(struct stage *s, const char *const *extra)
{
    stage_open(s);
    stage_start_worker(s, extra);
    message_free(stage_join(s));
}

static void end(struct stage *s, struct stage_store *store)
{
    stage_kill_worker(s, SIGTERM);
    assert_int_equal(stage_wait_worker(s), 0);
    stage_store_finish(store);
    stage_close(s);
}

/* Ten frames in windows of four, each of which begins with the last frame of the one before. */
static char *long_recipe(const char *method, int steps, const char *more)
{
    struct error err = {0};
    const char *field = NULL;
    json_t *recipe =
        json_pack("{ss ss si si si si si si si ss}", "model", "pattern", "prompt", "a test", "seed",
                  7, "num_inference_steps", steps, "width", 64, "height", 64, "num_frames", 10,
                  "segment_frames", 4, "overlap", 1, "method", method);
    if (more) {
        json_t *object = json_parse(more, strlen(more), "more", &err);
        json_object_update(recipe, object);
        json_decref(object);
    }
    if (!recipe_check(recipe, &err) || !recipe_fill(recipe, "pattern", NULL, &err) ||
        !plan_fill(recipe, 16, false, &field, &err))
        fail_msg("%s: %s", field ? field : "recipe", err.message);
    char *text = recipe_canonical(recipe);
    json_decref(recipe);
    return text;
}

/* ---- what is right ---- */

static char *right_folder(const struct stage *s, const char *recipe)
{
    struct error err = {0};
    char *file = path_join(s->folder, "recipe.json"), *out = path_join(s->folder, "right");
    assert_true(path_write_atomic(file, recipe, strlen(recipe), 0600, &err));
    char *line = xasprintf("%s/zoe-engine plan --model %s/models/pattern --upscale-model "
                           "%s/models/pattern --recipe %s --run --out %s >/dev/null",
                           TEST_BIN, TEST_SOURCE, TEST_SOURCE, file, out);
    assert_int_equal(system(line), 0); /* NOLINT(cert-env33-c): our own words */
    free(line);
    free(file);
    return out;
}

/* First what is right, then a worker: while the former takes its time nobody would listen. */
static char *start_right(struct stage *s, const char *recipe)
{
    stage_open(s);
    char *right = right_folder(s, recipe);
    stage_start_worker(s, NULL);
    message_free(stage_join(s));
    return right;
}

static struct digest right_file(const char *folder, const char *kind, uint32_t task,
                                const char *ending)
{
    struct error err = {0};
    struct digest digest;
    char *path = xasprintf("%s/%s.%u.%s", folder, kind, task, ending);
    if (!digest_of_file(path, &digest, NULL, &err)) fail_msg("%s", err.message);
    free(path);
    return digest;
}

static void assert_right(const char *folder, uint32_t task, const struct stage_result *r)
{
    if (!digest_is_zero(&r->segment)) {
        const struct digest digest = right_file(folder, "segment", task, "mkv");
        assert_true(digest_equal(&digest, &r->segment));
    }
    if (!digest_is_zero(&r->latents)) {
        const struct digest digest = right_file(folder, "latents", task, "safetensors");
        assert_true(digest_equal(&digest, &r->latents));
    }
}

/* ---- chains ---- */

/* What it made itself it does not fetch. */
static void test_a_chain_stays_where_it_is(void **state)
{
    struct stage s;
    struct stage_store store = {.count = 0};
    struct stage_result before = {.steps = 0};
    (void)state;
    char *recipe = long_recipe("chain", 3, NULL), *right = start_right(&s, recipe);
    for (uint32_t task = 0; task < 3; task++) {
        struct stage_part part = {.recipe = recipe, .task = task};
        if (task > 0) {
            part.inputs[0].task = task - 1;
            part.inputs[0].kind = "latents";
            part.inputs[0].digest = before.latents;
        }
        stage_assign_part(&s, &part);
        before = stage_take_part(&s, &store);
        assert_int_equal(before.steps, 3);
        assert_false(digest_is_zero(&before.segment));
        assert_false(digest_is_zero(&before.latents));
        assert_right(right, task, &before);
    }
    assert_int_equal(store.served, 0);
    free(recipe);
    free(right);
    end(&s, &store);
}

static void test_a_chain_goes_on_elsewhere(void **state)
{
    struct stage s;
    struct stage_store store = {.count = 0};
    (void)state;
    char *recipe = long_recipe("chain", 3, NULL), *right = start_right(&s, recipe);
    char *latents = path_join(right, "latents.1.safetensors");
    struct stage_part part = {
        .recipe = recipe, .task = 2, .inputs = {{1, "latents", stage_keep_path(&store, latents)}}};
    stage_assign_part(&s, &part);
    const struct stage_result r = stage_take_part(&s, &store);
    assert_right(right, 2, &r);
    assert_int_equal(store.served, 1);
    struct message *m = stage_expect(&s, FARM__ENVELOPE__BODY_PROGRESS);
    assert_int_equal(m->envelope->progress->phase, FARM__PHASE__PHASE_FETCHING);
    message_free(m);
    free(latents);
    free(recipe);
    free(right);
    end(&s, &store);
}

/* Rounds hand over latents and nothing else; the last task decodes. */
static void test_rounds_take_turns(void **state)
{
    struct stage s;
    struct stage_store store = {.count = 0};
    struct stage_result made[9];
    (void)state;
    char *recipe = long_recipe("windows", 2, NULL), *right = start_right(&s, recipe);
    for (uint32_t task = 0; task < 9; task++) {
        struct stage_part part = {.recipe = recipe, .task = task};
        const uint32_t round = task / 3, window = task % 3;
        size_t count = 0;
        for (uint32_t k = 0; round > 0 && k < 3; k++) {
            if (k > window + 1 || k + 1 < window) continue;
            part.inputs[count].task = (round - 1) * 3 + k;
            part.inputs[count].kind = "latents";
            part.inputs[count++].digest = made[(round - 1) * 3 + k].latents;
        }
        stage_assign_part(&s, &part);
        made[task] = stage_take_part(&s, &store);
        assert_int_equal(digest_is_zero(&made[task].segment), round < 2);
        assert_int_equal(made[task].steps, round < 2);
        assert_right(right, task, &made[task]);
    }
    free(recipe);
    free(right);
    end(&s, &store);
}

/* The second stage begins with what the first one made, scaled. */
static void test_a_second_stage(void **state)
{
    struct stage s;
    struct stage_store store = {.count = 0};
    (void)state;
    char *recipe = long_recipe("upscale", 2,
                               "{\"upscale_model\": \"pattern\", \"upscale_width\": 96,"
                               " \"upscale_height\": 96, \"upscale_strength\": 1.0}");
    char *right = start_right(&s, recipe);
    struct stage_part part = {.recipe = recipe, .task = 4};
    for (uint32_t i = 0; i < 2; i++) {
        char *path = xasprintf("%s/segment.%u.mkv", right, i);
        part.inputs[i].task = i;
        part.inputs[i].kind = "segment";
        part.inputs[i].digest = stage_keep_path(&store, path);
        free(path);
    }
    stage_assign_part(&s, &part);
    const struct stage_result r = stage_take_part(&s, &store);
    assert_right(right, 4, &r);
    assert_int_equal(store.served, 2);
    free(recipe);
    free(right);
    end(&s, &store);
}

/* ---- what cannot be ---- */

static void test_impossible_tasks(void **state)
{
    struct stage s;
    struct stage_store store = {.count = 0};
    (void)state;
    start(&s, NULL);
    char *recipe = long_recipe("chain", 3, NULL);
    stage_assign_part(&s, &(struct stage_part){.recipe = recipe, .task = 3});
    struct message *m = stage_expect(&s, FARM__ENVELOPE__BODY_ENDED);
    assert_int_equal(m->envelope->ended->kind, FARM__END_KIND__END_RECIPE);
    assert_int_equal(m->envelope->ended->attempt->task, 3);
    message_free(m);
    stage_assign_part(&s, &(struct stage_part){.recipe = recipe, .task = 2}); /* no latents */
    m = stage_expect(&s, FARM__ENVELOPE__BODY_HANDED_BACK);
    assert_int_equal(m->envelope->handed_back->reason, FARM__HAND_BACK_REASON__HAND_BACK_RECALLED);
    message_free(m);
    const struct digest gone = digest_of("gone", 4);
    stage_assign_part(
        &s, &(struct stage_part){.recipe = recipe, .task = 1, .inputs = {{0, "latents", gone}}});
    stage_deny(&s);
    m = stage_expect(&s, FARM__ENVELOPE__BODY_HANDED_BACK);
    assert_int_equal(m->envelope->handed_back->reason, FARM__HAND_BACK_REASON__HAND_BACK_RECALLED);
    message_free(m);
    free(recipe);
    end(&s, &store);
}

/* Latents of another task are no reason to think ill of the model. */
static void test_wrong_latents_are_a_failure(void **state)
{
    struct stage s;
    struct stage_store store = {.count = 0};
    (void)state;
    char *recipe = long_recipe("chain", 3, NULL), *right = start_right(&s, recipe);
    char *latents = path_join(right, "latents.0.safetensors");
    struct stage_part part = {
        .recipe = recipe, .task = 2, .inputs = {{1, "latents", stage_keep_path(&store, latents)}}};
    stage_assign_part(&s, &part);
    struct message *m = stage_await(&s, &store, FARM__ENVELOPE__BODY_ENDED);
    assert_int_equal(m->envelope->ended->kind, FARM__END_KIND__END_FAILED);
    message_free(m);
    free(latents);
    free(recipe);
    free(right);
    end(&s, &store);
}

/* ---- checkpoints ---- */

#define SLOW "{\"pattern\": {\"step_ms\": 100}}"
#define STEPS 30

static pid_t engine_of(pid_t worker)
{
    char path[64], text[64] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)worker, (int)worker);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    (void)fclose(file);
    return (pid_t)strtol(text, NULL, 10);
}

static struct stage_part resumed(const char *recipe, const struct stage_checkpoint *from)
{
    return (struct stage_part){
        .recipe = recipe, .fence = 2, .inputs = {{0, "checkpoint", from->digest}}};
}

/* The engine dies in the middle; what follows its checkpoint has the very same bytes. */
static void test_a_killed_engine_costs_a_few_steps(void **state)
{
    struct stage s;
    struct stage_store store = {.count = 0};
    (void)state;
    char *recipe = long_recipe("chain", STEPS, SLOW), *right = start_right(&s, recipe);
    stage_assign_part(&s, &(struct stage_part){.recipe = recipe});
    struct stage_checkpoint c = stage_take_checkpoint(&s, &store);
    assert_in_range(c.step, 1, 12);
    assert_false(c.leaving);
    c = stage_take_checkpoint(&s, &store);
    assert_int_equal(kill(engine_of(s.pid), SIGKILL), 0);
    struct message *m = stage_expect(&s, FARM__ENVELOPE__BODY_ENDED);
    assert_int_equal(m->envelope->ended->kind, FARM__END_KIND__END_FAILED);
    assert_true(m->envelope->ended->steps_computed >= c.step);
    message_free(m);
    stage_forget(&s);
    struct stage_part again = resumed(recipe, &c);
    stage_assign_part(&s, &again);
    const struct stage_result r = stage_take_part(&s, &store);
    assert_int_equal(r.steps, STEPS - c.step);
    assert_right(right, 0, &r);
    while ((m = stage_pick(&s, FARM__ENVELOPE__BODY_PROGRESS, NULL)) != NULL) {
        const Farm__Progress *p = m->envelope->progress;
        if (p->phase == FARM__PHASE__PHASE_RENDERING) assert_true(p->step >= c.step);
        message_free(m);
    }
    free(recipe);
    free(right);
    end(&s, &store);
}

/* Nobody has it any more: from the beginning. */
static void test_a_lost_checkpoint_is_done_without(void **state)
{
    struct stage s;
    struct stage_store store = {.count = 0};
    (void)state;
    char *recipe = long_recipe("chain", 3, NULL), *right = start_right(&s, recipe);
    const struct stage_checkpoint gone = {.digest = digest_of("gone", 4)};
    struct stage_part part = resumed(recipe, &gone);
    stage_assign_part(&s, &part);
    stage_deny(&s);
    const struct stage_result r = stage_take_part(&s, &store);
    assert_int_equal(r.steps, 3);
    assert_right(right, 0, &r);
    free(recipe);
    free(right);
    end(&s, &store);
}

/* One of another clip: the attempt fails, and says why. */
static void test_a_wrong_checkpoint_is_a_failure(void **state)
{
    struct stage s;
    struct stage_store store = {.count = 0};
    (void)state;
    start(&s, NULL);
    char *recipe = long_recipe("chain", STEPS, SLOW);
    char *other = long_recipe("chain", STEPS, "{\"seed\": 8}");
    stage_assign_part(&s, &(struct stage_part){.recipe = recipe});
    const struct stage_checkpoint c = stage_take_checkpoint(&s, &store);
    stage_cancel(&s, 0, 1);
    stage_skip(&s, FARM__ENVELOPE__BODY_ENDED);
    struct stage_part part = resumed(other, &c);
    stage_assign_part(&s, &part);
    struct message *m = stage_await(&s, &store, FARM__ENVELOPE__BODY_ENDED);
    assert_int_equal(m->envelope->ended->kind, FARM__END_KIND__END_FAILED);
    if (!strstr(m->envelope->ended->message, "checkpoint"))
        fail_msg("%s", m->envelope->ended->message);
    assert_int_equal(m->envelope->ended->steps_computed, 0);
    message_free(m);
    free(recipe);
    free(other);
    end(&s, &store);
}

/* ---- leaving ---- */

static void await_step(struct stage *s, uint32_t step)
{
    for (bool there = false; !there;) {
        struct message *m = stage_expect(s, FARM__ENVELOPE__BODY_PROGRESS);
        there = m->envelope->progress->step >= step;
        message_free(m);
    }
}

/* SIGTERM: what will not end in time is saved at once, and its worker waits for the last word. */
static void test_who_leaves_sends_a_checkpoint_first(void **state)
{
    struct stage s;
    struct stage_store store = {.count = 0};
    (void)state;
    start(&s, NULL);
    char *recipe = long_recipe("chain", 1000, SLOW);
    stage_assign_part(&s, &(struct stage_part){.recipe = recipe});
    await_step(&s, 3);
    stage_kill_worker(&s, SIGTERM);
    struct stage_checkpoint c = stage_take_checkpoint(&s, &store);
    while (!c.leaving)
        c = stage_take_checkpoint(&s, &store); /* one may be under way already */
    assert_in_range(c.step, 3, 12);
    assert_null(stage_pick(&s, FARM__ENVELOPE__BODY_HANDED_BACK, NULL));
    struct message *m = stage_expect(&s, FARM__ENVELOPE__BODY_HANDED_BACK);
    assert_int_equal(m->envelope->handed_back->reason, FARM__HAND_BACK_REASON__HAND_BACK_PREEMPTED);
    message_free(m);
    assert_int_equal(stage_wait_worker(&s), 0);
    free(recipe);
    stage_store_finish(&store);
    stage_close(&s);
}

/* A second SIGTERM: now. */
static void test_a_second_signal_does_not_wait(void **state)
{
    struct stage s;
    struct stage_store store = {.count = 0};
    (void)state;
    start(&s, NULL);
    char *recipe = long_recipe("chain", 1000, SLOW);
    stage_assign_part(&s, &(struct stage_part){.recipe = recipe});
    await_step(&s, 3);
    stage_kill_worker(&s, SIGTERM);
    struct message *m;
    for (bool leaving = false; !leaving;) { /* nobody answers */
        m = stage_expect(&s, FARM__ENVELOPE__BODY_CHECKPOINT);
        leaving = m->envelope->checkpoint->leaving;
        message_free(m);
    }
    const int64_t begun_ns = clock_now_ns();
    stage_kill_worker(&s, SIGTERM);
    m = stage_expect(&s, FARM__ENVELOPE__BODY_HANDED_BACK);
    assert_int_equal(m->envelope->handed_back->reason, FARM__HAND_BACK_REASON__HAND_BACK_PREEMPTED);
    message_free(m);
    assert_int_equal(stage_wait_worker(&s), 0);
    assert_true(clock_now_ns() - begun_ns < CHECKPOINT_LEAVE_NS / 2);
    free(recipe);
    stage_store_finish(&store);
    stage_close(&s);
}

/* ---- the outbox ---- */

static void test_a_restart_offers_both_files_again(void **state)
{
    struct stage s;
    struct stage_store store = {.count = 0};
    (void)state;
    char *recipe = long_recipe("chain", 3, NULL), *right = start_right(&s, recipe);
    stage_assign_part(&s, &(struct stage_part){.recipe = recipe});
    stage_skip(&s, FARM__ENVELOPE__BODY_OFFER);
    stage_kill_worker(&s, SIGKILL);
    assert_int_equal(stage_wait_worker(&s), -SIGKILL);
    stage_forget(&s);
    assert_int_equal(stage_outbox(&s, ".segment"), 1);
    assert_int_equal(stage_outbox(&s, ".latents"), 1);
    stage_start_worker(&s, NULL);
    message_free(stage_join(&s));
    const struct stage_result r = stage_take_part(&s, &store);
    assert_right(right, 0, &r);
    assert_false(digest_is_zero(&r.latents));
    free(recipe);
    free(right);
    end(&s, &store);
}

/* A result that an older worker left: one segment, its facts among the others. */
static void test_an_older_record_is_read(void **state)
{
    struct stage s;
    struct stage_store store = {.count = 0};
    struct error err = {0};
    char hex[DIGEST_TEXT_SIZE];
    const struct digest digest = digest_of("frames", 6);
    (void)state;
    stage_open(&s);
    digest_text(&digest, hex);
    char *outbox = path_join(s.state, "outbox");
    char *segment = path_join(outbox, STAGE_BATCH ".5.0.3.segment");
    char *record = path_join(outbox, STAGE_BATCH ".5.0.3.json");
    assert_true(path_make_folders(outbox, 0700, &err));
    assert_true(path_write_atomic(segment, "frames", 6, 0600, &err));
    json_t *o = json_pack("{si ss si si si ss ss ss ss ss ss si si si si si si}", "version", 1,
                          "batch", STAGE_BATCH, "clip", 5, "task", 0, "fence", 3, "recipe", "{}",
                          "recipe_digest", hex, "model_digest", hex, "fingerprint", "zoe2/int",
                          "sha256", hex, "frames_sha256", hex, "size_bytes", 6, "frames", 4,
                          "width", 64, "height", 64, "steps", 9, "render_ms", 5);
    char *text = json_pretty(o);
    assert_true(path_write_atomic(record, text, strlen(text), 0600, &err));
    stage_start_worker(&s, NULL);
    message_free(stage_join(&s));
    const struct stage_result r = stage_take_part(&s, &store);
    assert_true(digest_equal(&r.segment, &digest));
    assert_int_equal(r.steps, 9);
    json_decref(o);
    free(text);
    free(outbox);
    free(segment);
    free(record);
    end(&s, &store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chain_stays_where_it_is),
        cmocka_unit_test(test_a_chain_goes_on_elsewhere),
        cmocka_unit_test(test_rounds_take_turns),
        cmocka_unit_test(test_a_second_stage),
        cmocka_unit_test(test_impossible_tasks),
        cmocka_unit_test(test_wrong_latents_are_a_failure),
        cmocka_unit_test(test_a_killed_engine_costs_a_few_steps),
        cmocka_unit_test(test_a_lost_checkpoint_is_done_without),
        cmocka_unit_test(test_a_wrong_checkpoint_is_a_failure),
        cmocka_unit_test(test_who_leaves_sends_a_checkpoint_first),
        cmocka_unit_test(test_a_second_signal_does_not_wait),
        cmocka_unit_test(test_a_restart_offers_both_files_again),
        cmocka_unit_test(test_an_older_record_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

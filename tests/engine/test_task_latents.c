/* Latents from other tasks are refused, with the reason and the file, when they are not what the
 * task takes. */
#include "clip_run.h"

static const char chain[] = "{\"num_frames\": 14, \"segment_frames\": 6, \"overlap\": 2}";

static struct engine_model *model;

static int open_model(void **state)
{
    (void)state;
    model = tiny_open("cpu", 1);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    engine_close(model);
    return 0;
}

static void expect_refused(const struct clip *c, uint32_t task, enum error_code code,
                           const char *why)
{
    struct error err = {0};
    struct plan_task t;
    plan_task(&c->plan, task, &t);
    struct engine_job *job = clip_try(c, &t, &err);
    if (job != NULL) fail_msg("task %u is not refused: %s", task, why);
    if (strstr(err.message, why) == NULL) fail_msg("\"%s\" does not say \"%s\"", err.message, why);
    assert_int_equal(err.code, code);
}

/* A file in the place of what a task hands over. */
static void put(const struct clip *c, uint32_t task, const char *from_folder, const char *name)
{
    char to[32];
    struct error err = {0};
    struct buf bytes = BUF_INIT;
    char *path = scratch_path(from_folder, name);
    snprintf(to, sizeof to, "latents.%u", task);
    expect_ok(path_read(path, 1 << 24, &bytes, &err), &err);
    scratch_write(c->folder, to, bytes.data, bytes.size);
    buf_finish(&bytes);
    free(path);
}

static void latents_of_others_are_refused(void **state)
{
    (void)state;
    struct clip c = clip_begin(model, chain);
    struct clip other = clip_begin(model, "{\"num_frames\": 14, \"segment_frames\": 6, \"overlap\":"
                                          " 2, \"seed\": 43}");
    expect_refused(&c, 1, ERROR_NOT_FOUND, "latents.0");
    free(clip_render(&other, 0));
    put(&c, 0, other.folder, "latents.0");
    expect_refused(&c, 1, ERROR_INVALID, "latents.0: latents of another recipe");
    free(clip_render(&c, 0));
    free(clip_render(&c, 1));
    put(&c, 0, c.folder, "latents.1");
    expect_refused(&c, 1, ERROR_INVALID, "latents.0: latents of task 1, not 0");
    clip_end(&other);
    clip_end(&c);
}

static void latents_of_another_fingerprint_are_refused(void **state)
{
    (void)state;
    struct engine_model *ref = tiny_open("ref", 1);
    struct clip c = clip_begin(model, chain), other = clip_begin(ref, chain);
    free(clip_render(&other, 0));
    put(&c, 0, other.folder, "latents.0");
    expect_refused(&c, 1, ERROR_INVALID, "latents.0: latents of another fingerprint: zoe2/ref");
    clip_end(&other);
    clip_end(&c);
    engine_close(ref);
}

/* What a task hands over with one of its facts, or its tensors, changed. */
static void write_changed(const struct clip *c, const struct latents_facts *facts,
                          const char *tensor, float value)
{
    struct error err = {0};
    const size_t count = (size_t)(facts->channels * facts->frames * facts->height * facts->width);
    float *values = xcalloc(count, sizeof *values);
    struct safetensors_writer *w = safetensors_writer_new();
    json_t *state = latents_facts_json(facts);
    char *path = clip_latents(c, 0);
    values[count - 1] = value;
    latents_add_state(w, state);
    latents_add_floats(w, tensor, facts, values);
    expect_ok(safetensors_writer_save(w, path, &err), &err);
    safetensors_writer_free(w);
    json_decref(state);
    free(path);
    free(values);
}

static struct latents_facts facts_of(const struct clip *c)
{
    struct latents_facts f = {.kind = LATENTS_KIND,
                              .frames = 6,
                              .channels = 4,
                              .height = 8,
                              .width = 8,
                              .step = 4,
                              .steps = 4};
    memcpy(f.recipe, c->digest, sizeof f.recipe);
    engine_fingerprint(c->model, f.fingerprint);
    return f;
}

static void every_fact_counts(void **state)
{
    (void)state;
    struct clip c = clip_begin(model, chain);
    const struct latents_facts right = facts_of(&c);
    struct latents_facts f = right;
    write_changed(&c, &f, "latents", 1);
    engine_job_free(clip_job(&c, 1)); /* taken */
    write_changed(&c, &f, "latents", NAN);
    expect_refused(&c, 1, ERROR_INVALID, "latents.0: latents is not finite");
    write_changed(&c, &f, "latent", 1);
    expect_refused(&c, 1, ERROR_INVALID, "latents.0: no latents [4][6][8][8]");
    f.first = 1;
    write_changed(&c, &f, "latents", 1);
    expect_refused(&c, 1, ERROR_INVALID, "latents.0: latents of frames 1 to 6, not 0 to 5");
    f = right;
    f.step = 3;
    write_changed(&c, &f, "latents", 1);
    expect_refused(&c, 1, ERROR_INVALID, "latents.0: latents after step 3 of 4");
    f = right;
    f.width = 9;
    write_changed(&c, &f, "latents", 1);
    expect_refused(&c, 1, ERROR_INVALID, "latents.0: latents [4][6][8][9]");
    f = right;
    f.kind = CHECKPOINT_KIND;
    write_changed(&c, &f, "latents", 1);
    expect_refused(&c, 1, ERROR_INVALID, "latents.0: a checkpoint, not latents");
    clip_end(&c);
}

/* Each byte flipped in turn, coarsely, and cut short: taken or refused, never worse. */
static void damaged_latents_do_no_harm(void **state)
{
    (void)state;
    struct error err = {0};
    struct clip c = clip_begin(
        model,
        "{\"num_frames\": 10, \"segment_frames\": 6, \"overlap\": 2, \"method\": \"windows\","
        " \"scheduler\": \"dpm++\"}");
    struct plan_task t;
    struct buf bytes = BUF_INIT;
    char *path = clip_latents(&c, 0);
    free(clip_render(&c, 0));
    free(clip_render(&c, 1));
    plan_task(&c.plan, 2, &t);
    expect_ok(path_read(path, 1 << 24, &bytes, &err), &err);
    for (size_t at = 0; at < bytes.size; at += at < 1500 ? 11 : 977) {
        struct error why = {0};
        bytes.data[at] = bytes.data[at] ^ 0x7f;
        expect_ok(path_write_atomic(path, bytes.data, bytes.size, 0644, &err), &err);
        struct engine_job *job = clip_try(&c, &t, &why);
        assert_true(job != NULL || why.code == ERROR_INVALID);
        engine_job_free(job);
        bytes.data[at] = bytes.data[at] ^ 0x7f;
    }
    for (size_t size = 0; size < bytes.size; size += 1 + bytes.size / 8) {
        expect_ok(path_write_atomic(path, bytes.data, size, 0644, &err), &err);
        expect_refused(&c, 2, ERROR_INVALID, "latents.0");
    }
    buf_finish(&bytes);
    free(path);
    clip_end(&c);
}

static void tasks_that_miss_something_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct clip c = clip_begin(model, chain);
    struct plan_task t;
    plan_task(&c.plan, 1, &t);
    struct engine_request request = {.recipe = c.recipe};
    assert_null(engine_job_new(model, &request, 1, &err));
    assert_non_null(strstr(err.message, "rendered task by task"));
    request.window.task = &t;
    assert_null(engine_job_new(model, &request, 1, &err));
    assert_non_null(strstr(err.message, "a task without its plan"));
    request.window.plan = &c.plan;
    assert_null(engine_job_new(model, &request, 1, &err));
    assert_non_null(strstr(err.message, "task 1 takes latents of 1 tasks, not of 0"));
    struct clip more = clip_begin(model, "{\"num_frames\": 10, \"segment_frames\": 6, \"overlap\":"
                                         " 2, \"extend_frames\": 6, \"extend_video\": \"x\"}");
    expect_refused(&more, 0, ERROR_USAGE, "its end is missing");
    static const uint8_t pictures[CLIP_PIXELS];
    more.before = (struct engine_images){.frames = 1, .width = 64, .height = 64, .data = pictures};
    expect_refused(&more, 0, ERROR_USAGE, "holds 2 frames of 64x64, not 1 of 64x64");
    clip_end(&more);
    clip_end(&c);
}

/* A round's latents are noise still; an extension cannot begin with them. */
static void extensions_want_finished_latents(void **state)
{
    (void)state;
    struct clip rounds = clip_begin(
        model,
        "{\"num_frames\": 10, \"segment_frames\": 6, \"overlap\": 2, \"method\": \"windows\"}");
    struct clip more = clip_begin(model, "{\"num_frames\": 10, \"segment_frames\": 6, \"overlap\":"
                                         " 2, \"extend_frames\": 6, \"extend_latents\": \"x\"}");
    free(clip_render(&rounds, 0));
    char *held = clip_latents(&rounds, 0);
    more.held = held;
    expect_refused(&more, 0, ERROR_INVALID, "latents.0: latents of a round");
    free(held);
    struct clip short_one = clip_begin(model, "{\"num_frames\": 5, \"noise\": \"indexed\"}");
    free(clip_render(&short_one, 0));
    held = clip_latents(&short_one, 0);
    more.held = held;
    expect_refused(&more, 0, ERROR_INVALID, "latents of frames 0 to 4, without 5");
    free(held);
    clip_end(&short_one);
    clip_end(&more);
    clip_end(&rounds);
}

static void latents_are_handed_over_at_the_end(void **state)
{
    (void)state;
    struct error err = {0};
    struct clip c = clip_begin(model, chain);
    char *path = clip_latents(&c, 0);
    struct engine_job *job = clip_job(&c, 0);
    run_to(job, 3);
    assert_false(engine_job_hand_over(job, path, &err));
    assert_int_equal(err.code, ERROR_STATE);
    assert_false(path_exists(path));
    engine_job_free(job);
    free(path);
    clip_end(&c);
}

/* Checkpoints belong to their task. */
static void checkpoints_of_other_tasks_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct clip c = clip_begin(model, chain);
    char *path = scratch_path(c.folder, "checkpoint");
    free(clip_render(&c, 0));
    free(clip_render(&c, 1));
    struct engine_job *job = clip_job(&c, 1);
    run_to(job, 2);
    expect_ok(engine_job_save(job, path, &err), &err);
    engine_job_free(job);
    job = clip_job(&c, 2);
    assert_false(engine_job_load(job, path, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    engine_job_free(job);
    free(path);
    clip_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latents_of_others_are_refused),
        cmocka_unit_test(latents_of_another_fingerprint_are_refused),
        cmocka_unit_test(every_fact_counts),
        cmocka_unit_test(damaged_latents_do_no_harm),
        cmocka_unit_test(tasks_that_miss_something_are_refused),
        cmocka_unit_test(extensions_want_finished_latents),
        cmocka_unit_test(latents_are_handed_over_at_the_end),
        cmocka_unit_test(checkpoints_of_other_tasks_are_refused),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}

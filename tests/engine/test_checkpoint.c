/* Checkpoints: a resumed job equals the uninterrupted one bit for bit, and what is not its own
 * checkpoint is refused. */
#include "tiny_copy.h"

#include "engine/noise/noise.h"
#include "engine/sampler/sampler.h"

enum { FRAMES = 4, LATENTS = 4 * FRAMES * 8 * 8, STEPS = 5 };

static struct engine_model *model;

static int open_model(void **state)
{
    (void)state;
    struct error err = {0};
    const struct engine_options options = {.backend = "cpu", .threads = 2};
    model = engine_open(TINY, &options, &err);
    return model != NULL ? 0 : -1;
}

static int close_model(void **state)
{
    (void)state;
    engine_close(model);
    return 0;
}

static struct engine_job *new_job(struct engine_model *of, const char *extra)
{
    struct error err = {0};
    static uint8_t picture[3 * 64 * 64];
    json_t *recipe = fixture_recipe("tiny", extra);
    struct engine_request request = {.recipe = recipe};
    for (size_t i = 0; i < sizeof picture; i++)
        picture[i] = (uint8_t)(i * 7);
    if (json_object_get(recipe, "init_image") != NULL)
        request.init =
            (struct engine_images){.frames = 1, .width = 64, .height = 64, .data = picture};
    struct engine_job *job = engine_job_new(of, &request, 1, &err);
    expect_ok(job != NULL, &err);
    json_decref(recipe);
    return job;
}

static void run_to(struct engine_job *job, int step)
{
    struct error err = {0};
    while (engine_job_step_index(job) < step)
        expect_ok(engine_job_step(job, &err), &err);
}

/* Latents at the end of a job that stopped after `stop` steps and went on as another one. */
static void run_in_two(const char *folder, const char *extra, int stop, float *latents)
{
    struct error err = {0};
    char *path = scratch_path(folder, "checkpoint");
    struct engine_job *job = new_job(model, extra);
    run_to(job, stop);
    expect_ok(engine_job_save(job, path, &err), &err);
    engine_job_free(job);
    job = new_job(model, extra);
    expect_ok(engine_job_load(job, path, &err), &err);
    assert_int_equal(engine_job_step_index(job), stop);
    run_to(job, engine_job_step_count(job));
    engine_job_latents_get(job, 0, latents);
    engine_job_free(job);
    free(path);
}

static void check_recipe(const char *folder, const char *extra)
{
    float whole[LATENTS], parts[LATENTS];
    struct engine_job *job = new_job(model, extra);
    const int count = engine_job_step_count(job);
    run_to(job, count);
    engine_job_latents_get(job, 0, whole);
    engine_job_free(job);
    for (int stop = 0; stop <= count; stop++) {
        run_in_two(folder, extra, stop, parts);
        if (memcmp(whole, parts, sizeof whole) != 0)
            fail_msg("%s: resumed after step %d it differs", extra, stop);
    }
}

static void every_sampler_resumes(void **state)
{
    (void)state;
    char *folder = scratch_folder(), extra[256];
    int count;
    const struct sampler *const *samplers = sampler_all(&count);
    assert_true(count >= 2);
    for (int i = 0; i < count; i++) {
        snprintf(extra, sizeof extra, "{\"scheduler\": \"%s\", \"num_inference_steps\": %d%s}",
                 samplers[i]->name, STEPS,
                 samplers[i]->draws == SAMPLER_DRAWS_WITH_ETA ? ", \"eta\": 0.7" : "");
        check_recipe(folder, extra);
    }
    scratch_remove(folder);
}

static void every_noise_resumes(void **state)
{
    (void)state;
    char *folder = scratch_folder(), extra[256];
    int count;
    const struct noise *const *noises = noise_all(&count);
    for (int i = 0; i < count; i++) {
        snprintf(extra, sizeof extra, "{\"scheduler\": \"ddim\", \"eta\": 1, \"noise\": \"%s\"%s}",
                 noises[i]->name,
                 strcmp(noises[i]->name, "cuda") == 0 ? ", \"cuda_threads\": 1024" : "");
        check_recipe(folder, extra);
    }
    scratch_remove(folder);
}

static void held_frames_resume(void **state)
{
    (void)state;
    char *folder = scratch_folder();
    check_recipe(folder, "{\"init_image\": \"x\", \"hold_frames\": [0, 3]}");
    check_recipe(folder, "{\"init_image\": \"x\", \"strength\": 0.6, \"encode\": \"sample\","
                         " \"num_inference_steps\": 6}");
    check_recipe(folder, "{\"loop\": true}");
    scratch_remove(folder);
}

static void expect_refused(const char *path, struct engine_model *of, const char *extra,
                           const char *named)
{
    struct error err = {0};
    struct engine_job *job = new_job(of, extra);
    assert_false(engine_job_load(job, path, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    if (strstr(err.message, named) == NULL) fail_msg("\"%s\", not %s", err.message, named);
    engine_job_free(job);
}

static void another_recipe_or_fingerprint_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder(), *path = scratch_path(folder, "checkpoint");
    struct engine_job *job = new_job(model, "{}");
    run_to(job, 2);
    expect_ok(engine_job_save(job, path, &err), &err);
    engine_job_free(job);
    expect_refused(path, model, "{\"seed\": 43}", "another recipe");
    expect_refused(path, model, "{\"prompt\": \"snow\"}", "another recipe");
    expect_refused(path, model, "{\"num_inference_steps\": 5}", "another recipe");
    const struct engine_options options = {.backend = "ref", .threads = 1};
    struct engine_model *other = engine_open(TINY, &options, &err);
    expect_ok(other != NULL, &err);
    expect_refused(path, other, "{}", "another fingerprint");
    engine_close(other);
    free(path);
    scratch_remove(folder);
}

static void other_pictures_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder(), *path = scratch_path(folder, "checkpoint");
    struct engine_job *job = new_job(model, "{\"init_image\": \"x\"}");
    expect_ok(engine_job_save(job, path, &err), &err);
    engine_job_free(job);
    json_t *recipe = fixture_recipe("tiny", "{\"init_image\": \"x\"}");
    static const uint8_t black[3 * 64 * 64];
    const struct engine_request request = {
        .recipe = recipe, .init = {.frames = 1, .width = 64, .height = 64, .data = black}};
    job = engine_job_new(model, &request, 1, &err);
    expect_ok(job != NULL, &err);
    assert_false(engine_job_load(job, path, &err));
    assert_non_null(strstr(err.message, "another recipe"));
    engine_job_free(job);
    json_decref(recipe);
    free(path);
    scratch_remove(folder);
}

/* Each byte of a checkpoint flipped in turn, coarsely: it loads or is refused, never worse, and
 * what loads is finite. */
static void damaged_checkpoints_do_no_harm(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder(), *path = scratch_path(folder, "checkpoint");
    struct engine_job *job = new_job(model, "{\"scheduler\": \"dpm++\"}");
    struct buf bytes = BUF_INIT;
    run_to(job, 2);
    expect_ok(engine_job_save(job, path, &err), &err);
    expect_ok(path_read(path, 1 << 22, &bytes, &err), &err);
    for (size_t at = 0; at < bytes.size; at += at < 2048 ? 7 : 509) {
        float latents[LATENTS];
        bytes.data[at] = bytes.data[at] ^ 0x7f;
        expect_ok(path_write_atomic(path, bytes.data, bytes.size, 0644, &err), &err);
        struct engine_job *victim = new_job(model, "{\"scheduler\": \"dpm++\"}");
        struct error why = {0};
        if (engine_job_load(victim, path, &why)) {
            engine_job_latents_get(victim, 0, latents);
            for (int i = 0; i < LATENTS; i++)
                assert_true(isfinite(latents[i]));
        } else {
            assert_int_equal(why.code, ERROR_INVALID);
        }
        engine_job_free(victim);
        bytes.data[at] = bytes.data[at] ^ 0x7f;
    }
    for (size_t size = 0; size < bytes.size; size += 1 + bytes.size / 16) {
        expect_ok(path_write_atomic(path, bytes.data, size, 0644, &err), &err);
        expect_refused(path, model, "{\"scheduler\": \"dpm++\"}", "checkpoint");
    }
    buf_finish(&bytes);
    engine_job_free(job);
    free(path);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sampler_resumes),
        cmocka_unit_test(every_noise_resumes),
        cmocka_unit_test(held_frames_resume),
        cmocka_unit_test(another_recipe_or_fingerprint_is_refused),
        cmocka_unit_test(other_pictures_are_refused),
        cmocka_unit_test(damaged_checkpoints_do_no_harm),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}

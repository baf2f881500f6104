/* Clips that start from pictures: against the reference, and what is held stays. */
#include "fixture.h"

#include "base/recipe_start.h"

enum { FRAMES = 4, SIDE = 64, PIXELS = SIDE * SIDE, LATENTS = 4 * FRAMES * 8 * 8, CELLS = 8 * 8 };

static const char *backend_name = "cpu";
static int thread_count = 1;

struct start { /* one job on the tiny pipeline */
    struct engine_model *model;
    struct engine_job *job;
};

struct pictures { /* NULL: none; the mask has one frame */
    const float *video;
    const uint8_t *mask;
};

static struct start start_open(const char *extra, struct pictures pictures)
{
    struct error err = {0};
    const struct engine_options options = {.backend = backend_name, .threads = thread_count};
    struct start s = {.model = engine_open(TINY, &options, &err)};
    expect_ok(s.model != NULL, &err);
    json_t *recipe = fixture_recipe("tiny", extra);
    const struct engine_request request = {.recipe = recipe,
                                           .init = {FRAMES, SIDE, SIDE, NULL, pictures.video},
                                           .mask = {1, SIDE, SIDE, pictures.mask, NULL}};
    s.job = engine_job_new(s.model, &request, 1, &err);
    expect_ok(s.job != NULL, &err);
    json_decref(recipe);
    return s;
}

static void start_close(struct start *s)
{
    engine_job_free(s->job);
    engine_close(s->model);
}

static void start_step(struct start *s, float *latents)
{
    struct error err = {0};
    expect_ok(engine_job_step(s->job, &err), &err);
    engine_job_latents_get(s->job, 0, latents);
}

static void run_to_end(struct start *s, float *latents)
{
    engine_job_latents_get(s->job, 0, latents);
    while (engine_job_step_index(s->job) < engine_job_step_count(s->job))
        start_step(s, latents);
}

/* The golden's [F][3][H][W] as the engine takes it, [F][H][W][3]. */
static float *golden_video(const struct safetensors *golden)
{
    float *x = golden_floats(golden, "v2v.x", 3 * FRAMES * PIXELS);
    float *video = malloc(3 * FRAMES * PIXELS * sizeof *video);
    for (int f = 0; f < FRAMES; f++)
        for (int p = 0; p < PIXELS; p++)
            for (int c = 0; c < 3; c++)
                video[(f * PIXELS + p) * 3 + c] = x[(f * 3 + c) * PIXELS + p];
    free(x);
    return video;
}

static void check_video_to_video(const char *scheduler, const char *key)
{
    char extra[256];
    float latents[LATENTS];
    struct safetensors *golden = golden_open();
    float *want = golden_floats(golden, key, 4 * LATENTS), *video = golden_video(golden);
    snprintf(extra, sizeof extra,
             "{\"seed\": 7, \"num_inference_steps\": 5, \"strength\": 0.6, \"scheduler\": \"%s\","
             " \"encode\": \"sample\", \"init_video\": \"x\"}",
             scheduler);
    struct start s = start_open(extra, (struct pictures){video, NULL});
    assert_int_equal(engine_job_step_count(s.job), 3);
    engine_job_latents_get(s.job, 0, latents);
    for (int i = 0; i <= 3; i++) {
        expect_close(key, latents, want + i * LATENTS, LATENTS, i == 0 ? 1e-4 : 1e-3);
        if (i < 3) start_step(&s, latents);
    }
    start_close(&s);
    free(want), free(video);
    safetensors_close(golden);
}

static void video_to_video_agrees(void **state)
{
    (void)state;
    static const char *const names[] = {"ref", "cpu"};
    static const int threads[] = {1, 2, 4};
    for (size_t b = 0; b < 2; b++)
        for (size_t t = 0; t < 3; t++) {
            backend_name = names[b];
            thread_count = threads[t];
            check_video_to_video("dpm++", "v2v.dpm");
            check_video_to_video("ddim", "v2v.ddim");
        }
}

/* From black to white, left to right: as golden_start.py has it. */
static void slope(uint8_t *mask)
{
    for (int p = 0; p < PIXELS; p++) {
        const int level = (p % SIDE - 20) * 12;
        mask[p] = (uint8_t)(level < 0 ? 0 : level > 255 ? 255 : level);
    }
}

/* What is kept, in frames and by a soft mask, with samplers of each kind: golden_start.py. */
static void kept_parts_agree(void **state)
{
    (void)state;
    static const char *const samplers[][2] = {
        {"ddim", "ddim"}, {"dpm++", "dpm"}, {"euler", "euler"}, {"unipc", "unipc"}};
    static uint8_t mask[PIXELS];
    struct error err = {0};
    struct safetensors *golden = golden_open();
    struct safetensors *wanted = safetensors_open(TEST_DATA "/start.safetensors", &err);
    expect_ok(wanted != NULL, &err);
    float *video = golden_video(golden), latents[LATENTS];
    slope(mask);
    for (int i = 0; i < 8; i++) {
        const bool held = i % 2 == 0;
        char extra[160], key[32];
        snprintf(extra, sizeof extra, "{\"init_video\": \"x\", \"scheduler\": \"%s\", %s}",
                 samplers[i / 2][0], held ? "\"hold_frames\": [0, 3]" : "\"mask\": \"m\"");
        snprintf(key, sizeof key, "%s.%s", held ? "hold" : "mask", samplers[i / 2][1]);
        float *want = golden_floats(wanted, key, LATENTS);
        struct start s = start_open(extra, (struct pictures){video, held ? NULL : mask});
        run_to_end(&s, latents);
        expect_close(key, latents, want, LATENTS, 1e-3);
        start_close(&s);
        free(want);
    }
    free(video);
    safetensors_close(golden);
    safetensors_close(wanted);
}

/* Latents of a clip of the golden video, not noised at all: held everywhere, after the last step.
 */
static void clean_latents(const float *video, float *out)
{
    struct start s = start_open("{\"init_video\": \"x\", \"hold_frames\": [0, 1, 2, 3]}",
                                (struct pictures){video, NULL});
    run_to_end(&s, out);
    start_close(&s);
}

static float frame_distance(const float *a, const float *b, int frame)
{
    float most = 0;
    for (int c = 0; c < 4; c++)
        for (int p = 0; p < CELLS; p++) {
            const int at = (c * FRAMES + frame) * CELLS + p;
            most = fmaxf(most, fabsf(a[at] - b[at]));
        }
    return most;
}

static void held_frames_end_clean(void **state)
{
    (void)state;
    static const char *const schedulers[] = {"ddim",    "dpm++", "dpm++-sde", "euler",
                                             "euler-a", "unipc", "lcm"};
    float clean[LATENTS], latents[LATENTS];
    struct safetensors *golden = golden_open();
    float *video = golden_video(golden);
    clean_latents(video, clean);
    for (size_t i = 0; i < sizeof schedulers / sizeof schedulers[0]; i++) {
        char extra[160];
        snprintf(extra, sizeof extra,
                 "{\"init_video\": \"x\", \"hold_frames\": [0, 3], \"scheduler\": \"%s\"}",
                 schedulers[i]);
        struct start s = start_open(extra, (struct pictures){video, NULL});
        assert_int_equal(engine_job_step_count(s.job), 4); /* strength 1: nothing is left out */
        run_to_end(&s, latents);
        assert_true(frame_distance(latents, clean, 0) == 0);
        assert_true(frame_distance(latents, clean, 3) == 0);
        assert_true(frame_distance(latents, clean, 1) > 0.1f);
        start_close(&s);
    }
    free(video);
    safetensors_close(golden);
}

/* Before each evaluation a held frame is a_i clean + s_i noise, with the noise it started from. */
static void held_frames_follow_the_schedule(void **state)
{
    (void)state;
    static const int timesteps[] = {751, 501, 251, 1}; /* leading, 4 steps, offset 1 */
    float clean[LATENTS], noise[LATENTS], latents[LATENTS], before[LATENTS];
    struct safetensors *golden = golden_open();
    float *video = golden_video(golden);
    clean_latents(video, clean);
    struct start plain = start_open("{}", (struct pictures){NULL, NULL});
    engine_job_latents_get(plain.job, 0, noise);
    start_close(&plain);
    struct start s =
        start_open("{\"init_video\": \"x\", \"hold_frames\": [1]}", (struct pictures){video, NULL});
    engine_job_latents_get(s.job, 0, latents);
    for (int i = 0; i < 4; i++) {
        double product = 1;
        for (int t = 0; t <= timesteps[i]; t++) {
            const double root = sqrt(0.00085) + (sqrt(0.012) - sqrt(0.00085)) * t / 999;
            product *= 1 - root * root;
        }
        for (int k = 0; k < LATENTS; k++)
            before[k] = (float)(sqrt(product) * clean[k] + sqrt(1 - product) * noise[k]);
        assert_true(fabs(engine_job_timestep(s.job, i) - timesteps[i]) < 0.5);
        assert_true(frame_distance(latents, before, 1) < 1e-4f);
        start_step(&s, latents);
    }
    start_close(&s);
    free(video);
    safetensors_close(golden);
}

/* Black on the left half: there the result is the given video's, on the right it is new. */
static void a_mask_keeps_what_is_black(void **state)
{
    (void)state;
    static uint8_t mask[PIXELS];
    float clean[LATENTS], latents[LATENTS];
    struct safetensors *golden = golden_open();
    float *video = golden_video(golden), most_kept = 0, most_new = 0;
    for (int p = 0; p < PIXELS; p++)
        mask[p] = p % SIDE >= SIDE / 2 ? 255 : 0;
    clean_latents(video, clean);
    struct start s =
        start_open("{\"init_video\": \"x\", \"mask\": \"m\"}", (struct pictures){video, mask});
    run_to_end(&s, latents);
    for (int i = 0; i < LATENTS; i++) {
        float *most = i % 8 >= 4 ? &most_new : &most_kept;
        *most = fmaxf(*most, fabsf(latents[i] - clean[i]));
    }
    assert_true(most_kept == 0);
    assert_true(most_new > 0.1f);
    start_close(&s);
    free(video);
    safetensors_close(golden);
}

/* Turned frames change what is computed, but not what the start is. */
static void a_loop_turns_its_frames(void **state)
{
    (void)state;
    float start[LATENTS], straight[LATENTS], turned[LATENTS];
    struct start a = start_open("{}", (struct pictures){NULL, NULL});
    struct start b = start_open("{\"loop\": true}", (struct pictures){NULL, NULL});
    engine_job_latents_get(a.job, 0, start);
    engine_job_latents_get(b.job, 0, turned);
    assert_memory_equal(start, turned, sizeof start);
    run_to_end(&a, straight);
    run_to_end(&b, turned);
    assert_true(relative_l2(straight, turned, LATENTS) > 1e-3);
    start_close(&a);
    start_close(&b);
}

/* Clips of one job that start, hold, hear and draw differently are what each is alone. */
static void clips_of_one_job_are_what_each_is_alone(void **state)
{
    (void)state;
    enum { CLIPS = 4 };
    static const char *const extras[CLIPS] = {
        "{\"seed\": 1, \"scheduler\": \"dpm++-sde\", \"loop\": true, \"init_video\": \"x\","
        " \"hold_frames\": [0, 3], \"guidance_interval\": [0.4, 1]}",
        "{\"seed\": 2, \"scheduler\": \"dpm++-sde\", \"loop\": true}",
        "{\"seed\": 3, \"scheduler\": \"dpm++-sde\", \"loop\": true, \"init_video\": \"x\","
        " \"mask\": \"m\", \"encode\": \"sample\", \"batch_size\": 2, \"batch_index\": 1}",
        "{\"seed\": 4, \"scheduler\": \"dpm++-sde\", \"loop\": true,"
        " \"prompts_by_frame\": {\"0\": \"a cat\", \"3\": \"a dog\"}}"};
    static uint8_t mask[PIXELS];
    static float alone[CLIPS][LATENTS], together[LATENTS];
    struct safetensors *golden = golden_open();
    float *video = golden_video(golden);
    struct error err = {0};
    struct engine_request requests[CLIPS];
    slope(mask);
    backend_name = "cpu";
    thread_count = 2;
    for (int i = 0; i < CLIPS; i++) {
        const struct pictures pictures = {i % 2 == 0 ? video : NULL, i == 2 ? mask : NULL};
        struct start s = start_open(extras[i], pictures);
        run_to_end(&s, alone[i]);
        start_close(&s);
        requests[i] = (struct engine_request){.recipe = fixture_recipe("tiny", extras[i]),
                                              .init = {FRAMES, SIDE, SIDE, NULL, pictures.video},
                                              .mask = {1, SIDE, SIDE, pictures.mask, NULL}};
    }
    const struct engine_options options = {.backend = backend_name, .threads = thread_count};
    struct start all = {.model = engine_open(TINY, &options, &err)};
    expect_ok(all.model != NULL, &err);
    all.job = engine_job_new(all.model, requests, CLIPS, &err);
    expect_ok(all.job != NULL, &err);
    run_to_end(&all, together);
    for (int i = 0; i < CLIPS; i++) {
        engine_job_latents_get(all.job, i, together);
        if (memcmp(together, alone[i], sizeof together) != 0) fail_msg("clip %d differs", i);
        json_decref((json_t *)(uintptr_t)requests[i].recipe);
    }
    start_close(&all);
    free(video);
    safetensors_close(golden);
}

static void expect_start(const char *text, int frames, double strength, bool mixed, int skipped)
{
    struct recipe_start s;
    json_t *recipe = json_loads(text, 0, NULL);
    recipe_start_read(&s, recipe, frames);
    if (s.strength != strength || s.mixed != mixed || recipe_start_skipped(&s, 50) != skipped)
        fail_msg("%s: strength %g, mixed %d, %d left out", text, s.strength, s.mixed,
                 recipe_start_skipped(&s, 50));
    json_decref(recipe);
}

static void defaults_are_the_reference_s(void **state)
{
    (void)state;
    expect_start("{}", 16, 1, false, 0);
    expect_start("{\"init_video\": \"a\"}", 16, 0.6, true, 20);
    expect_start("{\"init_video\": \"a\", \"strength\": 1}", 16, 1, true, 0);
    expect_start("{\"init_image\": \"a\"}", 1, 0.8, true, 10);
    expect_start("{\"init_image\": \"a\"}", 16, 1, false, 0);
    expect_start("{\"init_image\": \"a\", \"strength\": 0.5}", 16, 0.5, true, 25);
    expect_start("{\"init_video\": \"a\", \"mask\": \"m\"}", 16, 1, false, 0);
    expect_start("{\"init_video\": \"a\", \"mask\": \"m\", \"strength\": 0.9}", 16, 0.9, true, 5);
}

static void missing_pictures_are_named(void **state)
{
    (void)state;
    struct error err = {0};
    const struct engine_options options = {.backend = "cpu", .threads = 1};
    struct engine_model *model = engine_open(TINY, &options, &err);
    expect_ok(model != NULL, &err);
    json_t *recipe = fixture_recipe("tiny", "{\"init_video\": \"x\"}");
    const uint8_t byte = 0;
    const struct engine_request bare = {.recipe = recipe},
                                odd = {.recipe = recipe, .init = {FRAMES, 32, SIDE, &byte, NULL}};
    assert_null(engine_job_new(model, &bare, 1, &err));
    assert_non_null(strstr(err.message, "init_video: the picture is missing"));
    assert_null(engine_job_new(model, &odd, 1, &err));
    assert_non_null(strstr(err.message, "4 frames of 32x64 do not suit 4 of 64x64"));
    json_decref(recipe);
    engine_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(video_to_video_agrees),
        cmocka_unit_test(kept_parts_agree),
        cmocka_unit_test(held_frames_end_clean),
        cmocka_unit_test(held_frames_follow_the_schedule),
        cmocka_unit_test(a_mask_keeps_what_is_black),
        cmocka_unit_test(a_loop_turns_its_frames),
        cmocka_unit_test(clips_of_one_job_are_what_each_is_alone),
        cmocka_unit_test(defaults_are_the_reference_s),
        cmocka_unit_test(missing_pictures_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* `zoe-engine plan --run` with the pattern family: by whatever method and in whatever windows a
 * clip is made, its frames are the closed form; latents that are not those of the task before spoil
 * it.
 */
#include "run_engine.h"

#define PATTERN TEST_SOURCE "/models/pattern"

enum { FRAMES = 40, WIDTH = 32, HEIGHT = 24 };

static const char recipe_head[] = "{\"prompt\": \"a red fox\", \"seed\": 3, \"width\": 32,"
                                  "\"height\": 24, \"num_inference_steps\": 4";

/* The frames of a clip in one window. */
static uint8_t *closed_form(const char *size, int frames, int width, int height)
{
    struct error err = {0};
    const struct engine_options options = {.threads = 1};
    struct engine_model *model = engine_open(PATTERN, &options, &err);
    expect_ok(model != NULL, &err);
    char *text = xasprintf("%s, \"num_frames\": %d, %s}", recipe_head, frames, size);
    json_t *recipe = json_loads(text, 0, NULL);
    expect_ok(recipe != NULL && recipe_fill(recipe, "pattern", NULL, &err), &err);
    const struct engine_request request = {.recipe = recipe};
    struct engine_job *job = engine_job_new(model, &request, 1, &err);
    expect_ok(job != NULL, &err);
    while (engine_job_step_index(job) < engine_job_step_count(job))
        expect_ok(engine_job_step(job, &err), &err);
    uint8_t *rgb = xcalloc((size_t)frames, (size_t)(3 * width * height));
    expect_ok(engine_job_decode(job, 0, 0, frames, rgb, &err), &err);
    engine_job_free(job);
    engine_close(model);
    json_decref(recipe);
    free(text);
    return rgb;
}

/* Runs the plan of a recipe with `extra`; gives frames.raw. */
static struct buf run_plan(const char *folder, const char *extra, const char *option,
                           const char *value)
{
    struct error err = {0};
    struct buf frames = BUF_INIT;
    char *text = xasprintf("%s, %s}", recipe_head, extra);
    char *recipe = scratch_path(folder, "recipe.json"), *out = scratch_path(folder, "made");
    char *raw = scratch_path(out, "frames.raw");
    scratch_write_text(folder, "recipe.json", text);
    const char *args[] = {"plan",  "--model", PATTERN, "--recipe", recipe, "--run",
                          "--out", out,       option,  value,      NULL};
    if (run_engine(folder, args) != 0) fail_msg("%s", text);
    expect_ok(path_read(raw, 1 << 24, &frames, &err), &err);
    free(raw);
    free(out);
    free(recipe);
    free(text);
    return frames;
}

static void every_method_makes_the_same_frames(void **state)
{
    (void)state;
    static const char *const extras[] = {
        "\"segment_frames\": 16",
        "\"segment_frames\": 16, \"overlap\": 11, \"resample_times\": 3, \"resample_jump\": 2",
        "\"segment_frames\": 16, \"cuts\": [7, 30]",
        "\"segment_frames\": 16, \"method\": \"seam\"",
        "\"segment_frames\": 16, \"method\": \"windows\"",
        "\"segment_frames\": 12, \"method\": \"windows\", \"sync_every\": 3, \"cuts\": [20]",
    };
    char *folder = scratch_folder();
    uint8_t *want = closed_form("\"fps\": 8", FRAMES, WIDTH, HEIGHT);
    for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++) {
        char *extra = xasprintf("\"num_frames\": %d, %s", FRAMES, extras[i]);
        struct buf frames = run_plan(folder, extra, NULL, NULL);
        assert_int_equal(frames.size, (size_t)FRAMES * 3 * WIDTH * HEIGHT);
        if (memcmp(frames.data, want, frames.size) != 0) fail_msg("%s", extra);
        buf_finish(&frames);
        free(extra);
    }
    free(want);
    scratch_remove(folder);
}

static void a_second_model_makes_them_larger(void **state)
{
    (void)state;
    char *folder = scratch_folder();
    uint8_t *want = closed_form("\"width\": 64, \"height\": 48", FRAMES, 64, 48);
    struct buf frames = run_plan(folder,
                                 "\"num_frames\": 40, \"segment_frames\": 16, \"method\": "
                                 "\"upscale\", \"upscale_model\": \"pattern\", "
                                 "\"upscale_width\": 64, \"upscale_height\": 48",
                                 "--upscale-model", PATTERN);
    assert_int_equal(frames.size, (size_t)FRAMES * 3 * 64 * 48);
    assert_memory_equal(frames.data, want, frames.size);
    buf_finish(&frames);
    free(want);
    scratch_remove(folder);
}

/* 28 frames of a chain, or 16 and an extension by 12. */
static void an_extension_goes_on_where_the_clip_ended(void **state)
{
    (void)state;
    char *folder = scratch_folder(), *held = scratch_path(folder, "made/latents.1.safetensors");
    uint8_t *want = closed_form("\"fps\": 8", FRAMES, WIDTH, HEIGHT);
    struct buf first = run_plan(folder, "\"num_frames\": 28, \"segment_frames\": 16", NULL, NULL);
    struct buf rest = run_plan(folder,
                               "\"num_frames\": 40, \"segment_frames\": 16, \"extend_frames\": 28,"
                               " \"extend_latents\": \"x\"",
                               "--held", held);
    assert_int_equal(first.size + rest.size, (size_t)FRAMES * 3 * WIDTH * HEIGHT);
    assert_memory_equal(first.data, want, first.size);
    assert_memory_equal(rest.data, want + first.size, rest.size);
    buf_finish(&first);
    buf_finish(&rest);
    free(want);
    free(held);
    scratch_remove(folder);
}

static void a_plan_is_printed(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder(), *recipe = scratch_path(folder, "recipe.json");
    char *out = scratch_path(folder, "out"), *text;
    struct buf said = BUF_INIT;
    text = xasprintf("%s, \"num_frames\": 28, \"segment_frames\": 16}", recipe_head);
    scratch_write_text(folder, "recipe.json", text);
    const char *args[] = {"plan", "--model", PATTERN, "--recipe", recipe, NULL};
    assert_int_equal(run_engine(folder, args), 0);
    expect_ok(path_read(out, 1 << 20, &said, &err), &err);
    const char *second = strchr(buf_text(&said), '\n');
    assert_non_null(second);
    json_t *task = json_loads(second, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(task, "held_first")), 4);
    assert_int_equal(json_integer_value(json_object_get(task, "made_first")), 16);
    json_decref(task);
    buf_finish(&said);
    free(text);
    free(out);
    free(recipe);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_makes_the_same_frames),
        cmocka_unit_test(a_second_model_makes_them_larger),
        cmocka_unit_test(an_extension_goes_on_where_the_clip_ended),
        cmocka_unit_test(a_plan_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

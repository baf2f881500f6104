/* `zoe-engine` as people run it: describe and trace, their output and their refusals. */
#include "run_engine.h"

#include "engine/file/tensor_file.h"

static void expect_said(const char *folder, const char *file, const char *text)
{
    struct error err = {0};
    struct buf said = BUF_INIT;
    char *path = scratch_path(folder, file);
    expect_ok(path_read(path, 1 << 20, &said, &err), &err);
    if (strstr(buf_text(&said), text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", buf_text(&said), text);
    buf_finish(&said);
    free(path);
}

static void expect_shape(const struct safetensors *s, const char *name, enum tensor_dtype dtype,
                         const char *shape)
{
    char text[64];
    const struct safetensors_entry *e = safetensors_find(s, name);
    if (e == NULL) fail_msg("no %s", name);
    tensor_shape_text(e->rank, e->dim, text, sizeof text);
    assert_string_equal(text, shape);
    assert_int_equal(e->dtype, dtype);
}

static struct safetensors *trace(const char *folder, const char *model, const char *recipe,
                                 bool full)
{
    struct error err = {0};
    char *file = scratch_path(folder, "recipe.json"),
         *out = scratch_path(folder, "trace.safetensors");
    scratch_write_text(folder, "recipe.json", recipe);
    const char *args[] = {"trace", "--model", model,       "--recipe", file,
                          "--out", out,       "--threads", "2",        full ? "--full" : NULL,
                          NULL};
    if (run_engine(folder, args) != 0) expect_said(folder, "err", "no error at all");
    struct safetensors *s = safetensors_open(out, &err);
    expect_ok(s != NULL, &err);
    free(file);
    free(out);
    return s;
}

static void a_trace_holds_everything(void **state)
{
    (void)state;
    char *folder = scratch_folder();
    struct safetensors *golden = golden_open();
    struct safetensors *s =
        trace(folder, TINY,
              "{\"prompt\": \"a red fox runs through the snow\", \"seed\": 42, \"steps\": 4,"
              " \"guidance\": 7.5, \"frames\": 4, \"size\": \"64x64\"}",
              true);
    expect_shape(s, "tokens", TENSOR_I64, "[2,77]");
    expect_shape(s, "text", TENSOR_F32, "[2,77,32]");
    expect_shape(s, "timesteps", TENSOR_F32, "[4]");
    expect_shape(s, "latents.0", TENSOR_F32, "[1,4,4,8,8]");
    expect_shape(s, "latents.4", TENSOR_F32, "[1,4,4,8,8]");
    expect_shape(s, "eps.0", TENSOR_F32, "[1,4,4,8,8]");
    expect_shape(s, "eps.3", TENSOR_F32, "[1,4,4,8,8]");
    expect_shape(s, "frames", TENSOR_F32, "[4,3,64,64]");
    assert_int_equal(safetensors_count(s), 4 + 5 + 4);
    /* Row 0 is the negative prompt (the empty text is prompt 2 of the golden file), row 1 the
     * prompt. */
    const struct safetensors_entry *ids = safetensors_find(s, "tokens"),
                                   *want = safetensors_find(golden, "tok.ids");
    assert_memory_equal(ids->data, (const int64_t *)want->data + 2 * 77, 77 * sizeof(int64_t));
    assert_memory_equal((const int64_t *)ids->data + 77, want->data, 77 * sizeof(int64_t));
    float *video = golden_floats(golden, "video.float", 4 * 3 * 64 * 64),
          *frames = golden_floats(s, "frames", 4 * 3 * 64 * 64);
    expect_close("frames", frames, video, 4 * 3 * 64 * 64, 1e-3);
    const float *t = safetensors_find(s, "timesteps")->data;
    assert_true(t[0] == 751 && t[3] == 1);
    free(video), free(frames);
    safetensors_close(s);
    safetensors_close(golden);
    scratch_remove(folder);
}

/* Stopped after step 2 and resumed, the two traces together are the whole one. */
static void a_trace_goes_on_from_a_checkpoint(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder(), *recipe = scratch_path(folder, "recipe.json"),
         *first = scratch_path(folder, "first"), *rest = scratch_path(folder, "rest"),
         *checkpoint = scratch_path(folder, "checkpoint");
    static const char text[] = "{\"prompt\": \"snow\", \"seed\": 3, \"steps\": 4, \"frames\": 2,"
                               " \"size\": \"64x64\", \"scheduler\": \"dpm++\"}";
    struct safetensors *whole = trace(folder, TINY, text, false);
    const char *stop[] = {"trace", "--model",   TINY, "--recipe",     recipe,     "--out",
                          first,   "--stop-at", "2",  "--checkpoint", checkpoint, NULL};
    const char *go_on[] = {"trace", "--model", TINY,       "--recipe", recipe,
                           "--out", rest,      "--resume", checkpoint, NULL};
    if (run_engine(folder, stop) != 0 || run_engine(folder, go_on) != 0)
        expect_said(folder, "err", "no error");
    struct safetensors *a = safetensors_open(first, &err), *b = safetensors_open(rest, &err);
    expect_ok(a != NULL && b != NULL, &err);
    for (int i = 0; i <= 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "latents.%d", i);
        const struct safetensors_entry *want = safetensors_find(whole, name),
                                       *in_a = safetensors_find(a, name),
                                       *in_b = safetensors_find(b, name);
        assert_true((in_a != NULL) == (i <= 2) && (in_b != NULL) == (i > 2));
        assert_memory_equal(want->data, (in_a != NULL ? in_a : in_b)->data, want->size_bytes);
    }
    assert_null(safetensors_find(a, "frames"));
    const struct safetensors_entry *frames = safetensors_find(whole, "frames");
    assert_memory_equal(frames->data, safetensors_find(b, "frames")->data, frames->size_bytes);
    safetensors_close(whole), safetensors_close(a), safetensors_close(b);
    const char *half[] = {"trace", "--model", TINY,        "--recipe", recipe,
                          "--out", first,     "--stop-at", "2",        NULL};
    assert_int_equal(run_engine(folder, half), 2);
    free(recipe), free(first), free(rest), free(checkpoint);
    scratch_remove(folder);
}

/* Raw pictures of the wrong length are refused, of the right one used. */
static void a_trace_starts_from_raw_pictures(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder(), *recipe = scratch_path(folder, "recipe.json"),
         *out = scratch_path(folder, "out.safetensors"), *raw = scratch_path(folder, "raw"),
         *mask = scratch_path(folder, "mask");
    struct buf bytes = BUF_INIT;
    scratch_write_text(folder, "recipe.json",
                       "{\"prompt\": \"snow\", \"seed\": 3, \"steps\": 2, \"frames\": 2,"
                       " \"size\": \"16x16\", \"init_video\": \"v\", \"mask\": \"m\"}");
    for (int i = 0; i < 2 * 16 * 16 * 3; i++)
        buf_append_char(&bytes, (char)(i * 5));
    expect_ok(path_write_atomic(raw, bytes.data, bytes.size, 0644, &err), &err);
    expect_ok(path_write_atomic(mask, bytes.data, 16 * 16, 0644, &err), &err);
    const char *args[] = {"trace", "--model",    TINY, "--recipe",   recipe, "--out",
                          out,     "--init-raw", raw,  "--mask-raw", mask,   NULL};
    if (run_engine(folder, args) != 0) expect_said(folder, "err", "no error");
    expect_ok(path_write_atomic(raw, bytes.data, bytes.size - 1, 0644, &err), &err);
    assert_int_equal(run_engine(folder, args), error_exit_code(ERROR_INVALID));
    expect_said(folder, "err", "neither one frame of the recipe's size (768) nor all (1536)");
    buf_finish(&bytes);
    free(recipe), free(out), free(raw), free(mask);
    scratch_remove(folder);
}

static void a_trace_tells_what_it_leaves_out(void **state)
{
    (void)state;
    char *folder = scratch_folder();
    struct safetensors *s = trace(
        folder, TINY,
        "{\"prompt\": \"a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a"
        " a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a the END\","
        " \"seed\": 1, \"steps\": 1, \"frames\": 1, \"size\": \"16x16\"}",
        false);
    expect_said(folder, "err", "warning: prompt: only 75 tokens fit; dropped: \"the end\"");
    safetensors_close(s);
    scratch_remove(folder);
}

static void a_trace_holds_a_text_a_frame(void **state)
{
    (void)state;
    char *folder = scratch_folder();
    struct safetensors *s = trace(
        folder, TINY,
        "{\"prompt\": \"snow\", \"seed\": 1, \"steps\": 1, \"frames\": 3, \"size\": \"16x16\","
        " \"prompt_syntax\": \"a1111\","
        " \"prompts_by_frame\": {\"0\": \"a (red:1.2) fox\", \"2\": \"sea BREAK night\"}}",
        false);
    expect_shape(s, "tokens", TENSOR_I64, "[2,154]");
    expect_shape(s, "text", TENSOR_F32, "[2,3,154,32]");
    safetensors_close(s);
    scratch_remove(folder);
}

static void low_guidance_leaves_the_prompt_alone(void **state)
{
    (void)state;
    char *folder = scratch_folder();
    struct safetensors *s =
        trace(folder, TINY,
              "{\"prompt\": \"snow\", \"seed\": 1, \"steps\": 1, \"guidance\": 1,"
              " \"frames\": 1, \"size\": \"16x24\"}",
              false);
    expect_shape(s, "tokens", TENSOR_I64, "[1,77]");
    expect_shape(s, "text", TENSOR_F32, "[1,77,32]");
    expect_shape(s, "latents.1", TENSOR_F32, "[1,4,1,3,2]");
    expect_shape(s, "frames", TENSOR_F32, "[1,3,24,16]");
    assert_null(safetensors_find(s, "eps.0"));
    safetensors_close(s);
    scratch_remove(folder);
}

static void a_pattern_has_no_text(void **state)
{
    (void)state;
    char *folder = scratch_folder();
    struct safetensors *s =
        trace(folder, TEST_SOURCE "/models/pattern", "{\"prompt\": \"x\", \"seed\": 1}", true);
    assert_null(safetensors_find(s, "tokens"));
    expect_shape(s, "latents.4", TENSOR_F32, "[1,4,16,8,8]");
    expect_shape(s, "frames", TENSOR_F32, "[16,3,64,64]");
    safetensors_close(s);
    scratch_remove(folder);
}

static void a_model_is_described(void **state)
{
    (void)state;
    char *folder = scratch_folder();
    const char *args[] = {"describe", "--model", TEST_SOURCE "/models/shapes", NULL};
    assert_int_equal(run_engine(folder, args), 0);
    expect_said(folder, "out", "\"family\":\"modelscope\"");
    expect_said(folder, "out", "\"window\":16");
    expect_said(folder, "out", "\"schedulers\":[\"ddim\",\"dpm++\",");
    scratch_remove(folder);
}

static void mistakes_have_exit_codes(void **state)
{
    (void)state;
    static const struct {
        const char *args[8];
        int code;
        const char *said;
    } cases[] = {
        {{NULL}, 2, "usage"},
        {{"paint", NULL}, 2, "paint"},
        {{"describe", NULL}, 2, "usage"},
        {{"describe", "--model", "/nowhere", NULL}, 3, "/nowhere"},
        {{"trace", "--threads", "0", NULL}, 2, "usage"},
        {{"trace", "--model", TINY, "--recipe", "/nowhere", "--out", "/nowhere/else", NULL},
         3,
         "/nowhere"},
    };
    char *folder = scratch_folder();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(run_engine(folder, cases[i].args), cases[i].code);
        expect_said(folder, "err", cases[i].said);
    }
    const char *help[] = {"trace", "--help", NULL};
    assert_int_equal(run_engine(folder, help), 0);
    expect_said(folder, "out", "usage: zoe-engine trace");
    scratch_remove(folder);
}

static void a_profile_tells_memory_and_seconds(void **state)
{
    static const char *const bytes[] = {"stored", "weights", "tensors", "live", "rss_peak"};
    static const char *const seconds[] = {"open", "encode", "steps", "decode"};
    (void)state;
    char *folder = scratch_folder(), *recipe = scratch_path(folder, "recipe.json"),
         *out = scratch_path(folder, "trace.safetensors"), *said = scratch_path(folder, "err");
    scratch_write_text(
        folder, "recipe.json",
        "{\"prompt\": \"x\", \"seed\": 1, \"width\": 64, \"height\": 64, \"num_frames\": 2,"
        " \"num_inference_steps\": 2}");
    const char *args[] = {"trace", "--model", TINY,        "--recipe", recipe,
                          "--out", out,       "--profile", NULL};
    assert_int_equal(run_engine(folder, args), 0);
    struct error err = {0};
    json_t *all = json_parse_file(said, 1 << 20, &err);
    expect_ok(all != NULL, &err);
    const json_t *profile = json_object_get(all, "profile");
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        const json_t *value = json_object_get(json_object_get(profile, "bytes"), bytes[i]);
        if (json_integer_value(value) <= 0) fail_msg("no bytes of %s", bytes[i]);
    }
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        const json_t *value = json_object_get(json_object_get(profile, "seconds"), seconds[i]);
        if (!(json_real_value(value) > 0)) fail_msg("no seconds of %s", seconds[i]);
    }
    json_decref(all);
    free(recipe), free(out), free(said);
    scratch_remove(folder);
}

static void an_estimate_is_printed(void **state)
{
    (void)state;
    char *folder = scratch_folder();
    const char *good[] = {"estimate", "--model", TINY, "--size", "64x96", "--frames", "4", NULL};
    assert_int_equal(run_engine(folder, good), 0);
    expect_said(folder, "out", "\"height\":96");
    expect_said(folder, "out", "\"peak\":");
    const char *odd[] = {"estimate", "--model", TINY, "--size", "63x64", NULL};
    assert_int_equal(run_engine(folder, odd), error_exit_code(ERROR_USAGE));
    expect_said(folder, "err", "width must be within");
    const char *const sizes[] = {"64", "64x", "x64", "64x64x64", "-8x64", "99999999999x8"};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const char *bad[] = {"estimate", "--model", TINY, "--size", sizes[i], NULL};
        assert_int_equal(run_engine(folder, bad), error_exit_code(ERROR_USAGE));
        expect_said(folder, "err", "usage:");
    }
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_tells_memory_and_seconds),
        cmocka_unit_test(an_estimate_is_printed),
        cmocka_unit_test(a_trace_holds_everything),
        cmocka_unit_test(a_trace_goes_on_from_a_checkpoint),
        cmocka_unit_test(a_trace_starts_from_raw_pictures),
        cmocka_unit_test(a_trace_tells_what_it_leaves_out),
        cmocka_unit_test(a_trace_holds_a_text_a_frame),
        cmocka_unit_test(low_guidance_leaves_the_prompt_alone),
        cmocka_unit_test(a_pattern_has_no_text),
        cmocka_unit_test(a_model_is_described),
        cmocka_unit_test(mistakes_have_exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

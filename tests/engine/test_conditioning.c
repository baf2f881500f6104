/* Prompts through a whole model: what its encoder and its denoiser hear, on the tiny model, beside
 * the reference (tests/engine/golden_prompts.py). */
#include "fixture.h"

#include "base/xalloc.h"
#include "engine/engine.h"
#include "engine/folder/model_parts.h"
#include "engine/model/unet.h"

#define GOLDEN TEST_DATA "/prompts/golden.safetensors"
#define PATTERN TEST_SOURCE "/models/pattern"
#define TOKENS 77
#define WIDTH 32
#define LATENTS (4 * 4 * 8 * 8)
#define LIMIT 1e-4
#define REQUESTS_MAX 3

static struct engine_model *model;

static int open_tiny(void **state)
{
    (void)state;
    struct error err = {0};
    const struct engine_options options = {.backend = "cpu", .threads = 1};
    model = engine_open(TINY, &options, &err);
    expect_ok(model != NULL, &err);
    return 0;
}

static int close_tiny(void **state)
{
    (void)state;
    engine_close(model);
    return 0;
}

/* ---- jobs ---- */

static struct engine_job *try_jobs(const char *const *extra, int count, struct error *err)
{
    struct engine_request requests[REQUESTS_MAX] = {0};
    json_t *recipes[REQUESTS_MAX];
    for (int i = 0; i < count; i++)
        requests[i].recipe = recipes[i] = fixture_recipe("tiny", extra[i]);
    struct engine_job *job = engine_job_new(model, requests, count, err);
    for (int i = 0; i < count; i++)
        json_decref(recipes[i]);
    return job;
}

static struct engine_job *begin(const char *extra)
{
    struct error err = {0};
    struct engine_job *job = try_jobs(&extra, 1, &err);
    expect_ok(job != NULL, &err);
    return job;
}

static void steps(struct engine_job *job, int count)
{
    struct error err = {0};
    for (int i = 0; i < count; i++)
        expect_ok(engine_job_step(job, &err), &err);
}

static void render(const char *extra, float *latents)
{
    struct engine_job *job = begin(extra);
    steps(job, engine_job_step_count(job));
    engine_job_latents_get(job, 0, latents);
    engine_job_free(job);
}

static void expect_same_clips(const char *a, const char *b)
{
    float x[LATENTS], y[LATENTS];
    render(a, x);
    render(b, y);
    if (memcmp(x, y, sizeof x) != 0) fail_msg("%s and %s differ", a, b);
}

static void expect_other_clips(const char *a, const char *b)
{
    float x[LATENTS], y[LATENTS];
    render(a, x);
    render(b, y);
    if (relative_l2(x, y, LATENTS) < 1e-4) fail_msg("%s and %s are the same", a, b);
}

static void expect_refused(const char *extra, const char *said)
{
    struct error err = {0};
    struct engine_job *job = try_jobs(&extra, 1, &err);
    if (job != NULL) fail_msg("%s was taken", extra);
    assert_int_equal(err.code, ERROR_USAGE);
    if (strstr(err.message, said) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.message, said);
}

static int64_t encoded(struct engine_job *job)
{
    struct engine_text text;
    assert_true(engine_job_text(job, &text));
    return text.encoded;
}

/* ---- beside the reference ---- */

/* The prompt's row against NAME.emb and, where there are some, NAME.ids. */
static void expect_embedding(const char *extra, const char *name, bool ids, int chunks)
{
    struct engine_text text;
    char tensor[32];
    struct error err = {0};
    struct safetensors *golden = safetensors_open(GOLDEN, &err);
    expect_ok(golden != NULL, &err);
    struct engine_job *job = begin(extra);
    assert_true(engine_job_text(job, &text));
    assert_int_equal(text.tokens, chunks * TOKENS);
    assert_int_equal(text.frames, 1);
    const int64_t count = (int64_t)text.tokens * WIDTH;
    snprintf(tensor, sizeof tensor, "%s%s", name, strchr(name, '.') == NULL ? ".emb" : "");
    float *want = golden_floats(golden, tensor, count);
    expect_close(name, text.embedding + (text.rows - 1) * count, want, count, LIMIT);
    if (ids) {
        snprintf(tensor, sizeof tensor, "%s.ids", name);
        const struct safetensors_entry *e = safetensors_find(golden, tensor);
        assert_non_null(e);
        assert_int_equal(e->count, text.tokens);
        const int64_t *id = e->data;
        for (int i = 0; i < text.tokens; i++)
            assert_int_equal(text.ids[(text.rows - 1) * text.tokens + i], id[i]);
    }
    free(want);
    engine_job_free(job);
    safetensors_close(golden);
}

static void clip_skip_is_diffusers(void **state)
{
    (void)state;
    expect_embedding("{\"clip_skip\": 1}", "skip.1", false, 1);
    expect_embedding("{\"clip_skip\": 2}", "skip.2", false, 1);
    expect_embedding("{\"clip_skip\": 3}", "skip.3", false, 1);
    expect_same_clips("{}", "{\"clip_skip\": 0}");
    expect_refused("{\"clip_skip\": 4}", "clip_skip: the text encoder has 3 layers");
}

static float *negative_row(const char *extra)
{
    struct engine_text text;
    struct engine_job *job = begin(extra);
    assert_true(engine_job_text(job, &text));
    assert_int_equal(text.rows, 2);
    float *row = xcalloc(TOKENS * WIDTH, sizeof *row);
    memcpy(row, text.embedding, TOKENS * WIDTH * sizeof *row);
    engine_job_free(job);
    return row;
}

/* As tests/bench/compare_diffusers.py found: diffusers skips layers for the prompt only. */
static void the_negative_prompt_skips_as_its_syntax_does(void **state)
{
    (void)state;
    float *whole = negative_row("{\"negative_prompt\": \"snow\"}"),
          *plain = negative_row("{\"negative_prompt\": \"snow\", \"clip_skip\": 1}"),
          *a1111 = negative_row("{\"negative_prompt\": \"snow\", \"clip_skip\": 1,"
                                " \"prompt_syntax\": \"a1111\"}");
    assert_memory_equal(plain, whole, TOKENS * WIDTH * sizeof *whole);
    struct engine_text text;
    struct engine_job *job = begin("{\"prompt\": \"snow\", \"clip_skip\": 1}");
    assert_true(engine_job_text(job, &text));
    assert_memory_equal(a1111, text.embedding + TOKENS * WIDTH, TOKENS * WIDTH * sizeof *a1111);
    assert_true(relative_l2(a1111, whole, TOKENS * WIDTH) > 1e-2);
    engine_job_free(job);
    free(whole), free(plain), free(a1111);
}

#define A1111(prompt) "{\"prompt_syntax\": \"a1111\", \"prompt\": \"" prompt "\"}"
#define LONG "a red fox runs through the snow, and night comes, the sea is in the east, "
#define NIGHTS "the sea and the night the sea and the night "

static void weights_keep_the_mean(void **state)
{
    (void)state;
    expect_embedding(A1111("a (red:1.4) fox [runs] through ((the)) snow"), "weights", true, 1);
    expect_embedding(A1111("a (red:0) fox, (night:-0.5)"), "zero", true, 1);
}

static void long_prompts_are_chunks(void **state)
{
    (void)state;
    expect_embedding(A1111(LONG LONG LONG), "long", true, 2);
    expect_embedding(A1111("(" LONG ")" LONG LONG "(snow:1.5)"), "long_weights", true, 2);
    expect_embedding(A1111(NIGHTS NIGHTS NIGHTS NIGHTS NIGHTS NIGHTS NIGHTS NIGHTS NIGHTS NIGHTS),
                     "no_comma", true, 2);
    expect_embedding(A1111("a red fox BREAK (the night sea:1.2)"), "break", true, 2);
    /* A short prompt gets as many chunks as the negative one, and the other way round. */
    expect_embedding("{\"prompt_syntax\": \"a1111\", \"prompt\": \"snow\", \"negative_prompt\": "
                     "\"sea BREAK night\"}",
                     "padded", false, 2);
}

static void travel_is_a_text_a_frame(void **state)
{
    (void)state;
    struct error err = {0};
    struct safetensors *golden = safetensors_open(GOLDEN, &err);
    expect_ok(golden != NULL, &err);
    struct engine_job *job = begin("{\"guidance_scale\": 1, \"prompts_by_frame\": "
                                   "{\"0\": \"a red fox\", \"3\": \"the night sea\"}}");
    struct engine_text text;
    assert_true(engine_job_text(job, &text));
    assert_int_equal(text.frames, 4);
    float *want = golden_floats(golden, "travel.text", 4 * TOKENS * WIDTH);
    expect_close("travel.text", text.embedding, want, 4 * TOKENS * WIDTH, LIMIT);
    free(want);
    engine_job_free(job);
    safetensors_close(golden);
}

/* [F][h][w][C] and back. */
static void swap_axes(const float *from, int outer, int inner, float *to)
{
    for (int a = 0; a < outer; a++)
        for (int b = 0; b < inner; b++)
            to[b * outer + a] = from[a * inner + b];
}

static void denoise_golden(const struct safetensors *golden, const char *backend)
{
    struct error err = {0};
    const struct unet_shape shape = {1, 4, 8, 8};
    float *x = golden_floats(golden, "travel.x", LATENTS), last[LATENTS], out[LATENTS];
    float *text = golden_floats(golden, "travel.text", 4 * TOKENS * WIDTH);
    float *want = golden_floats(golden, "travel.eps", LATENTS);
    struct ops *ops = ops_new(backend, 1, &err);
    struct model_parts *parts = model_parts_open(TINY, NULL, &err);
    expect_ok(parts != NULL, &err);
    struct unet *unet = unet_open(parts, ops, &err);
    expect_ok(unet != NULL, &err);
    struct unet_text *t = unet_text_new(unet, &(struct unet_text_shape){1, 4, TOKENS}, text, &err);
    expect_ok(t != NULL && unet_plan(unet, &shape, t, &err), &err);
    swap_axes(x, 4, LATENTS / 4, last);
    expect_ok(unet_run(unet, &shape, t, 501, last, out, &err), &err);
    swap_axes(out, LATENTS / 4, 4, last);
    expect_close(backend, last, want, LATENTS, LIMIT);
    unet_text_free(t);
    unet_close(unet);
    model_parts_close(parts);
    ops_free(ops);
    free(x), free(text), free(want);
}

static void frames_hear_their_own_text(void **state)
{
    (void)state;
    struct error err = {0};
    struct safetensors *golden = safetensors_open(GOLDEN, &err);
    expect_ok(golden != NULL, &err);
    denoise_golden(golden, "ref");
    denoise_golden(golden, "cpu");
    safetensors_close(golden);
}

/* ---- what must not matter ---- */

static void plain_words_are_the_same_in_both_syntaxes(void **state)
{
    (void)state;
    expect_same_clips("{}", "{\"prompt_syntax\": \"plain\"}");
    expect_same_clips("{}", "{\"prompt_syntax\": \"a1111\"}");
    expect_other_clips("{\"prompt\": \"a (red:1.5) fox\"}", A1111("a (red:1.5) fox"));
}

static void a_constant_journey_is_no_journey(void **state)
{
    (void)state;
    expect_same_clips("{}", "{\"prompts_by_frame\": {\"0\": \"a red fox runs through the snow\","
                            " \"3\": \"a red fox runs through the snow\"}}");
    /* Frames before the first key and after the last hear it as it is. */
    expect_same_clips("{\"prompt\": \"snow\"}",
                      "{\"prompts_by_frame\": {\"100\": \"snow\", \"1000\": \"sea\"}}");
    expect_other_clips("{\"prompt\": \"snow\"}",
                       "{\"prompts_by_frame\": {\"0\": \"snow\", \"3\": \"sea\"}}");
    /* Numbers, not words, order the keys. */
    expect_same_clips("{\"prompt\": \"snow\"}",
                      "{\"prompts_by_frame\": {\"1000\": \"sea\", \"9\": \"snow\"}}");
}

/* Two steps of one prompt, two of the next: by schedule, and by hand (DDIM keeps no history). */
static void a_schedule_changes_the_prompt(void **state)
{
    (void)state;
    struct error err = {0};
    float want[LATENTS], got[LATENTS];
    struct engine_job *first = begin("{\"prompt\": \"a red fox\"}"),
                      *second = begin("{\"prompt\": \"the night sea\"}");
    steps(first, 2);
    steps(second, 2);
    engine_job_latents_get(first, 0, want);
    expect_ok(engine_job_latents_set(second, 0, want, &err), &err);
    steps(second, 2);
    engine_job_latents_get(second, 0, want);
    render(A1111("[a red fox:the night sea:0.5]"), got);
    assert_memory_equal(got, want, sizeof got);
    render(A1111("[a red fox:the night sea:2]"), got);
    assert_memory_equal(got, want, sizeof got);
    engine_job_free(first);
    engine_job_free(second);
}

/* More texts than conditions that are kept, and they come back. */
static void many_texts_take_turns(void **state)
{
    (void)state;
    struct error err = {0};
    static const char *const words[] = {"a", "sea", "fox", "snow", "night", "red"};
    float want[LATENTS], got[LATENTS];
    char extra[128];
    struct engine_job *all =
        begin("{\"prompt_syntax\": \"a1111\", \"num_inference_steps\": 12,"
              " \"guidance_interval\": [0, 0.7], \"prompt\": \"[a|sea|fox|snow|night|red]\"}");
    for (int i = 0; i < 12; i++) {
        snprintf(
            extra, sizeof extra,
            "{\"num_inference_steps\": 12, \"guidance_interval\": [0, 0.7], \"prompt\": \"%s\"}",
            words[i % 6]);
        struct engine_job *one = begin(extra);
        steps(one, i);
        engine_job_latents_get(all, 0, want);
        expect_ok(engine_job_latents_set(one, 0, want, &err), &err);
        steps(one, 1);
        steps(all, 1);
        engine_job_latents_get(one, 0, want);
        engine_job_latents_get(all, 0, got);
        assert_memory_equal(got, want, sizeof got);
        engine_job_free(one);
    }
    engine_job_free(all);
}

/* Company changes nothing: neither a schedule nor a journey of another request. */
static void requests_do_not_hear_each_other(void **state)
{
    (void)state;
    static const char *const extra[] = {
        "{\"prompt_syntax\": \"a1111\", \"prompt\": \"[snow:sea:1] (fox:1.2)\"}",
        "{\"seed\": 7, \"prompts_by_frame\": {\"0\": \"a red fox\", \"2\": \"the night sea\"}}",
        "{\"seed\": 8, \"clip_skip\": 1}",
    };
    struct error err = {0};
    float alone[LATENTS], together[LATENTS];
    struct engine_job *job = try_jobs(extra, 3, &err);
    expect_ok(job != NULL, &err);
    steps(job, 4);
    for (int i = 0; i < 3; i++) {
        render(extra[i], alone);
        engine_job_latents_get(job, i, together);
        assert_memory_equal(together, alone, sizeof alone);
    }
    engine_job_free(job);
}

static void turn_frames(const float *from, int turn, float *to)
{
    for (int c = 0; c < 4; c++)
        for (int f = 0; f < 4; f++)
            memcpy(to + (c * 4 + f) * 64, from + (c * 4 + (f + turn) % 4) * 64, 64 * sizeof *to);
}

/* A clip that shall loop is turned before each step, by half of four frames before the first one,
 * and its texts with it. */
static void a_loop_takes_its_texts_along(void **state)
{
    (void)state;
    struct error err = {0};
    float latents[LATENTS], turned[LATENTS], got[LATENTS];
    struct engine_job *loop = begin("{\"loop\": true, \"prompts_by_frame\": {\"0\": \"snow\","
                                    " \"1\": \"sea\", \"2\": \"fox\", \"3\": \"night\"}}"),
                      *plain = begin("{\"prompts_by_frame\": {\"0\": \"fox\", \"1\": \"night\","
                                     " \"2\": \"snow\", \"3\": \"sea\"}}");
    engine_job_latents_get(loop, 0, latents);
    turn_frames(latents, 2, turned);
    expect_ok(engine_job_latents_set(plain, 0, turned, &err), &err);
    steps(loop, 1);
    steps(plain, 1);
    engine_job_latents_get(loop, 0, latents);
    engine_job_latents_get(plain, 0, turned);
    turn_frames(turned, 2, got);
    assert_memory_equal(got, latents, sizeof got);
    engine_job_free(loop);
    engine_job_free(plain);
}

/* ---- once a text, not once a seed ---- */

static void a_prompt_is_encoded_once(void **state)
{
    (void)state;
    char extra[96];
    struct engine_job *job = begin("{\"prompt\": \"snow in the east\"}");
    const int64_t before = encoded(job);
    engine_job_free(job);
    for (int seed = 0; seed < 20; seed++) {
        snprintf(extra, sizeof extra, "{\"prompt\": \"snow in the east\", \"seed\": %d}", seed);
        job = begin(extra);
        assert_int_equal(encoded(job), before);
        engine_job_free(job);
    }
    /* Another skip is another embedding of the prompt, the negative prompt is a new text; another
     * spelling is not. */
    job = begin("{\"prompt\": \"snow in the east\", \"negative_prompt\": \"east\","
                " \"clip_skip\": 1}");
    assert_int_equal(encoded(job), before + 2);
    engine_job_free(job);
    job = begin("{\"prompt\": \"SNOW  in the \\\\(east\", \"prompt_syntax\": \"a1111\"}");
    assert_int_equal(encoded(job), before + 3);
    engine_job_free(job);
    job = begin("{\"prompt\": \"SNOW  in the east\", \"prompt_syntax\": \"a1111\"}");
    assert_int_equal(encoded(job), before + 3);
    engine_job_free(job);
}

static void only_so_many_are_kept(void **state)
{
    (void)state;
    char extra[96];
    struct engine_job *job;
    int64_t before = 0;
    for (int i = 0; i <= 300; i++) {
        snprintf(extra, sizeof extra, "{\"guidance_scale\": 1, \"prompt\": \"snow %d\"}", i);
        job = begin(extra);
        if (i == 0) before = encoded(job);
        assert_int_equal(encoded(job), before + i);
        engine_job_free(job);
    }
    job = begin("{\"guidance_scale\": 1, \"prompt\": \"snow 299\"}");
    assert_int_equal(encoded(job), before + 300);
    engine_job_free(job);
    job = begin("{\"guidance_scale\": 1, \"prompt\": \"snow 0\"}");
    assert_int_equal(encoded(job), before + 301);
    engine_job_free(job);
}

/* ---- warnings and refusals ---- */

static void a_cut_prompt_is_told_once(void **state)
{
    (void)state;
    static const char *const extra[] = {"{\"prompt\": \"" LONG LONG LONG "THE End\", \"seed\": 1}",
                                        "{\"prompt\": \"" LONG LONG LONG "THE End\", \"seed\": 2}"};
    struct error err = {0};
    struct engine_job *job = try_jobs(extra, 2, &err);
    expect_ok(job != NULL, &err);
    const char *warning = engine_job_warning(job, 0);
    assert_non_null(warning);
    assert_non_null(strstr(warning, "prompt: only 75 tokens fit; dropped: \""));
    assert_string_equal(warning + strlen(warning) - strlen("the end\""), "the end\"");
    assert_null(engine_job_warning(job, 1));
    engine_job_free(job);
    job = begin("{}");
    assert_null(engine_job_warning(job, 0));
    engine_job_free(job);
    job = begin(A1111(LONG LONG LONG));
    assert_null(engine_job_warning(job, 0));
    engine_job_free(job);
}

static void what_cannot_be_read_is_refused(void **state)
{
    (void)state;
    expect_refused(A1111("a (b:1.2.3)"), "prompt: character 6: \"1.2.3\" is no weight");
    expect_refused("{\"prompt_syntax\": \"a1111\", \"negative_prompt\": \"(a:9999)\"}",
                   "negative_prompt: character 3: a weight beyond 1000");
    expect_refused("{\"prompt_syntax\": \"a1111\", \"prompts_by_frame\": {\"0\": \"(a:9999)\"}}",
                   "prompts_by_frame: character 3");
    char extra[4096] = "{\"prompt_syntax\": \"a1111\", \"prompt\": \"a";
    for (int i = 0; i < 32; i++)
        strcat(extra, " BREAK a");
    strcat(extra, "\"}");
    expect_refused(extra, "prompt: more than 32 chunks of 75 tokens");
    static const char *const unequal[] = {A1111("a"), A1111("a BREAK b")};
    struct error err = {0};
    assert_null(try_jobs(unequal, 2, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(strstr(err.message, "number of chunks"));
}

static void the_pattern_hears_nothing(void **state)
{
    (void)state;
    static const char *const extra[] = {"{\"clip_skip\": 0}", "{\"prompt_syntax\": \"plain\"}",
                                        "{\"tokenizer\": \"openclip\"}",
                                        "{\"prompts_by_frame\": {\"0\": \"a\"}}"};
    struct error err = {0};
    json_t *facts = engine_describe(PATTERN, &err);
    expect_ok(facts != NULL, &err);
    for (size_t i = 0; i < sizeof extra / sizeof extra[0]; i++) {
        json_t *recipe = fixture_recipe("pattern", extra[i]);
        assert_false(engine_check_recipe(facts, recipe, &err));
        assert_int_equal(err.code, ERROR_USAGE);
        assert_non_null(strstr(err.message, "has no text encoder"));
        json_decref(recipe);
    }
    json_decref(facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clip_skip_is_diffusers),
        cmocka_unit_test(the_negative_prompt_skips_as_its_syntax_does),
        cmocka_unit_test(weights_keep_the_mean),
        cmocka_unit_test(long_prompts_are_chunks),
        cmocka_unit_test(travel_is_a_text_a_frame),
        cmocka_unit_test(frames_hear_their_own_text),
        cmocka_unit_test(plain_words_are_the_same_in_both_syntaxes),
        cmocka_unit_test(a_constant_journey_is_no_journey),
        cmocka_unit_test(a_schedule_changes_the_prompt),
        cmocka_unit_test(many_texts_take_turns),
        cmocka_unit_test(requests_do_not_hear_each_other),
        cmocka_unit_test(a_loop_takes_its_texts_along),
        cmocka_unit_test(a_prompt_is_encoded_once),
        cmocka_unit_test(only_so_many_are_kept),
        cmocka_unit_test(a_cut_prompt_is_told_once),
        cmocka_unit_test(what_cannot_be_read_is_refused),
        cmocka_unit_test(the_pattern_hears_nothing),
    };
    return cmocka_run_group_tests(tests, open_tiny, close_tiny);
}

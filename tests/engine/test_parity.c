/* Every part of the tiny pipeline, and whole renders of it, against the numbers of the reference
 * implementation; for each backend. */
#include "fixture.h"

#include "base/path.h"
#include "engine/model/text_encoder.h"
#include "engine/model/unet.h"
#include "engine/model/vae.h"
#include "engine/noise/noise.h"
#include "engine/text/tokenizer.h"

#define TOKENS 77
#define WIDTH 32

static const char *backend_name;
static int thread_count; /* of the group that runs */

static struct ops *open_ops(void)
{
    struct error err = {0};
    struct ops *ops = ops_new(backend_name, thread_count, &err);
    expect_ok(ops != NULL, &err);
    return ops;
}

static void token_ids_are_exact(void **state)
{
    (void)state;
    struct error err = {0};
    struct safetensors *golden = golden_open();
    const struct safetensors_entry *want = safetensors_find(golden, "tok.ids");
    struct tokenizer *t = tokenizer_open(TINY "/tokenizer", "!", &err);
    expect_ok(t != NULL, &err);
    assert_int_equal(tokenizer_length(t), TOKENS);
    for (int p = 0; p < 5; p++) {
        int32_t ids[TOKENS];
        int64_t expected[TOKENS];
        memcpy(expected, (const char *)want->data + p * (int)sizeof expected, sizeof expected);
        tokenizer_encode(t, fixture_prompts[p], ids);
        for (int i = 0; i < TOKENS; i++)
            assert_int_equal(ids[i], expected[i]);
    }
    tokenizer_close(t);
    safetensors_close(golden);
}

static struct model_parts *open_tiny_parts(void)
{
    struct error err = {0};
    struct model_parts *parts = model_parts_open(TINY, NULL, &err);
    expect_ok(parts != NULL, &err);
    return parts;
}

static void text_embeddings_agree(void **state)
{
    (void)state;
    struct error err = {0};
    struct safetensors *golden = golden_open();
    const int64_t count = 5 * TOKENS * WIDTH;
    float *want = golden_floats(golden, "clip.emb", count),
          *got = calloc((size_t)count, sizeof *got);
    const struct safetensors_entry *ids64 = safetensors_find(golden, "tok.ids");
    int32_t ids[5 * TOKENS];
    for (int i = 0; i < 5 * TOKENS; i++)
        ids[i] = (int32_t)((const int64_t *)ids64->data)[i];
    struct ops *ops = open_ops();
    struct model_parts *parts = open_tiny_parts();
    struct text_encoder *e = text_encoder_open(parts, ops, &err);
    expect_ok(e != NULL, &err);
    expect_ok(text_encoder_run(e, ids, 5, TOKENS, 0, got, &err), &err);
    expect_close("text", got, want, count, 1e-4);
    text_encoder_close(e);
    model_parts_close(parts);
    ops_free(ops);
    free(want);
    free(got);
    safetensors_close(golden);
}

static void to_last(const float *from, int batch, int channels, int plane, float *to)
{
    for (int b = 0; b < batch; b++, from += channels * plane, to += channels * plane)
        for (int c = 0; c < channels; c++)
            for (int p = 0; p < plane; p++)
                to[p * channels + c] = from[c * plane + p];
}

struct unet_case {
    const char *x, *eps;
    struct unet_shape shape;
    double timestep;
    int prompts[2];
};

static void check_unet(const struct unet_case *c)
{
    struct error err = {0};
    struct safetensors *golden = golden_open();
    const struct unet_shape s = c->shape;
    const int plane = s.frames * s.height * s.width, count = s.batch * 4 * plane;
    float *x = golden_floats(golden, c->x, count), *want = golden_floats(golden, c->eps, count);
    float *emb = golden_floats(golden, "clip.emb", 5 * TOKENS * WIDTH);
    float *in = calloc((size_t)count, sizeof *in), *out = calloc((size_t)count, sizeof *out);
    float *expected = calloc((size_t)count, sizeof *expected);
    float *text = calloc((size_t)s.batch * TOKENS * WIDTH, sizeof *text);
    for (int b = 0; b < s.batch; b++)
        memcpy(text + b * TOKENS * WIDTH, emb + c->prompts[b] * TOKENS * WIDTH,
               TOKENS * WIDTH * sizeof *text);
    to_last(x, s.batch, 4, plane, in);
    to_last(want, s.batch, 4, plane, expected);
    struct ops *ops = open_ops();
    struct model_parts *parts = open_tiny_parts();
    struct unet *u = unet_open(parts, ops, &err);
    expect_ok(u != NULL, &err);
    struct unet_text *t =
        unet_text_new(u, &(struct unet_text_shape){s.batch, 1, TOKENS}, text, &err);
    expect_ok(t != NULL && unet_plan(u, &s, t, &err), &err);
    expect_ok(unet_run(u, &s, t, c->timestep, in, out, &err), &err);
    expect_close(c->eps, out, expected, count, 1e-4);
    unet_text_free(t);
    unet_close(u);
    model_parts_close(parts);
    ops_free(ops);
    free(x), free(want), free(emb), free(in), free(out), free(expected), free(text);
    safetensors_close(golden);
}

static void unet_agrees_at_even_sizes(void **state)
{
    (void)state;
    check_unet(&(struct unet_case){"unet.x", "unet.eps", {1, 5, 8, 8}, 501, {0}});
}

static void unet_agrees_at_odd_sizes(void **state)
{
    (void)state;
    check_unet(&(struct unet_case){"unet_odd.x", "unet_odd.eps", {2, 3, 10, 6}, 749.25, {2, 0}});
}

static void vae_decoding_agrees(void **state)
{
    (void)state;
    enum { H = 5, W = 4, LATENTS = 4 * H * W, PIXELS = 64 * H * W };
    struct error err = {0};
    struct safetensors *golden = golden_open();
    float *z = golden_floats(golden, "vae.z", 2 * LATENTS);
    float *want = golden_floats(golden, "vae.dec", 2 * 3 * PIXELS);
    float *out = calloc(3 * PIXELS, sizeof *out), *expected = calloc(3 * PIXELS, sizeof *expected);
    float in[LATENTS];
    struct ops *ops = open_ops();
    struct model_parts *parts = open_tiny_parts();
    struct vae *d = vae_open(parts, ops, &err);
    expect_ok(d != NULL && vae_plan_decode(d, H, W, &err), &err);
    for (int i = 0; i < 2; i++) {
        to_last(z + i * LATENTS, 1, 4, H * W, in);
        to_last(want + i * 3 * PIXELS, 1, 3, PIXELS, expected);
        expect_ok(vae_decode(d, H, W, in, out, &err), &err);
        expect_close("vae", out, expected, 3 * PIXELS, 1e-4);
    }
    vae_close(d);
    model_parts_close(parts);
    ops_free(ops);
    free(z), free(want), free(out), free(expected);
    safetensors_close(golden);
}

static struct engine_model *open_tiny(void)
{
    struct error err = {0};
    const struct engine_options options = {.backend = backend_name, .threads = thread_count};
    struct engine_model *model = engine_open(TINY, &options, &err);
    expect_ok(model != NULL, &err);
    return model;
}

static struct engine_job *open_job(struct engine_model *model, const char *extra)
{
    struct error err = {0};
    json_t *recipe = fixture_recipe("tiny", extra);
    const struct engine_request recipes[] = {{.recipe = recipe}};
    struct engine_job *job = engine_job_new(model, recipes, 1, &err);
    json_decref(recipe);
    expect_ok(job != NULL, &err);
    return job;
}

enum { LATENT_COUNT = 4 * 4 * 8 * 8 };

static void vae_encoding_agrees(void **state)
{
    (void)state;
    enum { H = 4, W = 6, MOMENTS = 8 * H * W, PIXELS = 64 * H * W };
    struct error err = {0};
    struct safetensors *golden = golden_open();
    float *x = golden_floats(golden, "vae.x", 2 * 3 * PIXELS);
    float *want = golden_floats(golden, "vae.moments", 2 * MOMENTS);
    float *in = calloc(3 * PIXELS, sizeof *in), out[MOMENTS], expected[MOMENTS];
    struct ops *ops = open_ops();
    struct model_parts *parts = open_tiny_parts();
    struct vae *v = vae_open(parts, ops, &err);
    expect_ok(v != NULL && vae_has_encoder(v) && vae_plan_encode(v, H, W, &err), &err);
    for (int i = 0; i < 2; i++) {
        to_last(x + i * 3 * PIXELS, 1, 3, PIXELS, in);
        to_last(want + i * MOMENTS, 1, 8, H * W, expected);
        expect_ok(vae_encode(v, H, W, in, out, &err), &err);
        expect_close("moments", out, expected, MOMENTS, 1e-4);
    }
    vae_close(v);
    model_parts_close(parts);
    ops_free(ops);
    free(x), free(want), free(in);
    safetensors_close(golden);
}

static void check_trajectory(const char *scheduler, const char *key, bool frames)
{
    struct error err = {0};
    struct safetensors *golden = golden_open();
    float *want = golden_floats(golden, key, 5 * LATENT_COUNT);
    float got[LATENT_COUNT];
    char extra[64];
    snprintf(extra, sizeof extra, "{\"scheduler\": \"%s\"}", scheduler);
    struct engine_model *model = open_tiny();
    struct engine_job *job = open_job(model, extra);
    assert_int_equal(engine_job_step_count(job), 4);
    for (int i = 0; i <= 4; i++) {
        engine_job_latents_get(job, 0, got);
        expect_close(key, got, want + i * LATENT_COUNT, LATENT_COUNT, i == 0 ? 1e-5 : 1e-3);
        if (i < 4) expect_ok(engine_job_step(job, &err), &err);
    }
    assert_false(engine_job_step(job, &err));
    assert_int_equal(err.code, ERROR_STATE);
    if (frames) {
        float *pixels = calloc(4 * 3 * 64 * 64, sizeof *pixels);
        float *video = golden_floats(golden, "video.float", 4 * 3 * 64 * 64);
        expect_ok(engine_job_decode_float(job, 0, 0, 4, pixels, &err), &err);
        expect_close("video.float", pixels, video, 4 * 3 * 64 * 64, 1e-3);
        free(pixels), free(video);
    }
    engine_job_free(job);
    engine_close(model);
    free(want);
    safetensors_close(golden);
}

static void trajectories_agree(void **state)
{
    (void)state;
    static const char *const samplers[][2] = {
        {"ddim", "traj.ddim"},   {"dpm++", "traj.dpm"},      {"dpm++-sde", "traj.dpmsde"},
        {"euler", "traj.euler"}, {"euler-a", "traj.eulera"}, {"unipc", "traj.unipc"}};
    for (size_t i = 0; i < sizeof samplers / sizeof samplers[0]; i++)
        check_trajectory(samplers[i][0], samplers[i][1], i == 0);
}

/* Spacings, noise levels and predictions beyond the folder's own: golden_samplers.py. */
static void other_schedules_agree(void **state)
{
    (void)state;
    static const struct {
        const char *key, *recipe;
    } cases[] = {
        {"lcm", "{\"scheduler\": \"lcm\"}"},
        {"karras.dpm", "{\"scheduler\": \"dpm++\", \"use_karras_sigmas\": true}"},
        {"karras.dpmsde", "{\"scheduler\": \"dpm++-sde\", \"use_karras_sigmas\": true}"},
        {"karras.euler", "{\"scheduler\": \"euler\", \"use_karras_sigmas\": true}"},
        {"karras.unipc", "{\"scheduler\": \"unipc\", \"use_karras_sigmas\": true}"},
        {"trailing.ddim", "{\"scheduler\": \"ddim\", \"timestep_spacing\": \"trailing\"}"},
        {"trailing.dpm", "{\"scheduler\": \"dpm++\", \"timestep_spacing\": \"trailing\"}"},
        {"trailing.euler", "{\"scheduler\": \"euler\", \"timestep_spacing\": \"trailing\"}"},
        {"leading.euler", "{\"scheduler\": \"euler\", \"timestep_spacing\": \"leading\"}"},
        {"leading.eulera", "{\"scheduler\": \"euler-a\", \"timestep_spacing\": \"leading\"}"},
        {"leading.unipc", "{\"scheduler\": \"unipc\", \"timestep_spacing\": \"leading\"}"},
        {"linspace.ddim", "{\"scheduler\": \"ddim\", \"timestep_spacing\": \"linspace\"}"},
        {"v.ddim", "{\"scheduler\": \"ddim\", \"prediction_type\": \"v_prediction\"}"},
        {"v.dpm", "{\"scheduler\": \"dpm++\", \"prediction_type\": \"v_prediction\"}"},
        {"v.euler", "{\"scheduler\": \"euler\", \"prediction_type\": \"v_prediction\"}"},
        {"v.eulera", "{\"scheduler\": \"euler-a\", \"prediction_type\": \"v_prediction\"}"},
        {"v.unipc", "{\"scheduler\": \"unipc\", \"prediction_type\": \"v_prediction\"}"},
        {"v.lcm", "{\"scheduler\": \"lcm\", \"prediction_type\": \"v_prediction\"}"},
        {"eta.ddim", "{\"scheduler\": \"ddim\", \"eta\": 0.6}"},
    };
    struct error err = {0};
    if (thread_count != 2) return; /* nineteen clips: once a backend is enough */
    struct safetensors *golden = safetensors_open(TEST_DATA "/samplers.safetensors", &err);
    expect_ok(golden != NULL, &err);
    struct engine_model *model = open_tiny();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        float got[LATENT_COUNT], *want = golden_floats(golden, cases[i].key, 2 * LATENT_COUNT);
        struct engine_job *job = open_job(model, cases[i].recipe);
        for (int step = 0; step < 4; step++) {
            expect_ok(engine_job_step(job, &err), &err);
            if (step == 0) engine_job_latents_get(job, 0, got);
            if (step == 0) expect_close(cases[i].key, got, want, LATENT_COUNT, 1e-3);
        }
        engine_job_latents_get(job, 0, got);
        expect_close(cases[i].key, got, want + LATENT_COUNT, LATENT_COUNT, 1e-3);
        engine_job_free(job);
        free(want);
    }
    engine_close(model);
    safetensors_close(golden);
}

/* Bytes as the reference rounds them; a float that sits on the border may fall to either side. */
static void decoded_bytes_agree(void **state)
{
    (void)state;
    enum { PLANE = 64 * 64, COUNT = 4 * 3 * PLANE };
    struct error err = {0};
    struct safetensors *golden = golden_open();
    const struct safetensors_entry *want = safetensors_find(golden, "video.u8_round");
    const uint8_t *expected = want->data;
    float *latents = golden_floats(golden, "traj.ddim", 5 * LATENT_COUNT);
    uint8_t *rgb = calloc(COUNT, 1);
    struct engine_model *model = open_tiny();
    struct engine_job *job = open_job(model, "{}");
    expect_ok(engine_job_latents_set(job, 0, latents + 4 * LATENT_COUNT, &err), &err);
    expect_ok(engine_job_decode(job, 0, 0, 4, rgb, &err), &err);
    int off = 0;
    for (int f = 0; f < 4; f++)
        for (int p = 0; p < PLANE; p++)
            for (int c = 0; c < 3; c++) {
                const int difference =
                    rgb[(f * PLANE + p) * 3 + c] - expected[(f * 3 + c) * PLANE + p];
                assert_in_range(difference + 1, 0, 2);
                off += difference != 0;
            }
    assert_true(off < COUNT / 1000);
    engine_job_free(job);
    engine_close(model);
    free(rgb), free(latents);
    safetensors_close(golden);
}

/* Guidance at most 1 runs the prompt alone; two requests of a job are what they are alone; a second
 * job of a model too. */
static void jobs_do_not_disturb_each_other(void **state)
{
    (void)state;
    struct error err = {0};
    struct engine_model *model = open_tiny();
    json_t *a = fixture_recipe("tiny", "{\"num_inference_steps\": 2}");
    json_t *b =
        fixture_recipe("tiny", "{\"num_inference_steps\": 2, \"seed\": 7, \"prompt\": \"snow\"}");
    const struct engine_request both[] = {{.recipe = a}, {.recipe = b}}, second[] = {{.recipe = b}};
    float together[2][LATENT_COUNT], alone[LATENT_COUNT];
    struct engine_job *pair = engine_job_new(model, both, 2, &err);
    struct engine_job *single = engine_job_new(model, second, 1, &err);
    expect_ok(pair != NULL && single != NULL, &err);
    for (int i = 0; i < 2; i++) {
        expect_ok(engine_job_step(pair, &err), &err);
        expect_ok(engine_job_step(single, &err), &err);
    }
    for (int i = 0; i < 2; i++)
        engine_job_latents_get(pair, i, together[i]);
    engine_job_latents_get(single, 0, alone);
    assert_memory_equal(together[1], alone, sizeof alone);
    assert_memory_not_equal(together[0], alone, sizeof alone);
    engine_job_free(single);
    engine_job_free(pair);
    json_decref(a), json_decref(b);
    engine_close(model);
}

static void low_guidance_encodes_the_prompt_alone(void **state)
{
    (void)state;
    struct error err = {0};
    struct engine_model *model = open_tiny();
    struct engine_text text;
    struct engine_job *job = open_job(model, "{\"guidance_scale\": 1, \"num_inference_steps\": 1}");
    assert_true(engine_job_text(job, &text));
    assert_int_equal(text.rows, 1);
    assert_int_equal(text.tokens, TOKENS);
    expect_ok(engine_job_step(job, &err), &err);
    assert_non_null(engine_job_prediction(job));
    engine_job_free(job);
    job = open_job(model, "{}");
    assert_true(engine_job_text(job, &text));
    assert_int_equal(text.rows, 2);
    engine_job_free(job);
    engine_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token_ids_are_exact),
        cmocka_unit_test(text_embeddings_agree),
        cmocka_unit_test(unet_agrees_at_even_sizes),
        cmocka_unit_test(unet_agrees_at_odd_sizes),
        cmocka_unit_test(vae_decoding_agrees),
        cmocka_unit_test(vae_encoding_agrees),
        cmocka_unit_test(trajectories_agree),
        cmocka_unit_test(other_schedules_agree),
        cmocka_unit_test(decoded_bytes_agree),
        cmocka_unit_test(jobs_do_not_disturb_each_other),
        cmocka_unit_test(low_guidance_encodes_the_prompt_alone),
    };
    int count, failed = 0;
    const struct backend *const *backends = backend_all(&count);
    static const int threads[] = {1, 2, 4};
    for (int i = 0; i < 3 * count; i++) {
        char name[64];
        backend_name = backends[i / 3]->name;
        thread_count = threads[i % 3];
        snprintf(name, sizeof name, "%s, %d threads", backend_name, thread_count);
        failed += cmocka_run_group_tests_name(name, tests, NULL, NULL);
    }
    return failed;
}

/* Stable Diffusion 1 and 2 on tiny folders against the reference's numbers (golden_sd.py): text,
 * UNet, trajectories and picture, on every backend, with 1, 2 and 4 threads. */
#include "tiny_copy.h"

#include "base/path.h"
#include "engine/model/text_encoder.h"
#include "engine/model/unet.h"
#include "engine/tokenizer.h"

#define TOKENS 77
#define WIDTH 16
#define STEPS 4
#define PROMPT "a red fox runs through the snow"
#define NEGATIVE "night"

enum { LATENTS = 4 * 4 * 6, PIXELS = 3 * 32 * 48 };

static const struct sd {
    const char *name, *pad, *scheduler; /* what its folder defaults to */
} kinds[] = {{"tiny-sd1", "<|endoftext|>", "ddim"}, {"tiny-sd2", "!", "ddim"}};

#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

static const int thread_counts[] = {1, 2, 4};

/* ---- helpers ---- */

static char *folder_of(const struct sd *sd)
{
    return path_join(TEST_DATA, sd->name);
}

static char *part_of(const struct sd *sd, const char *part)
{
    char *folder = folder_of(sd), *path = path_join(folder, part);
    free(folder);
    return path;
}

static struct safetensors *open_golden(const struct sd *sd)
{
    struct error err = {0};
    char *path = part_of(sd, "golden.safetensors");
    struct safetensors *golden = safetensors_open(path, &err);
    free(path);
    expect_ok(golden != NULL, &err);
    return golden;
}

/* Runs `check` for each kind of folder on each backend with each number of threads. */
static void for_all(void (*check)(const struct sd *sd, const struct engine_options *options))
{
    int count;
    const struct backend *const *backends = backend_all(&count);
    for (size_t k = 0; k < KIND_COUNT; k++)
        for (int b = 0; b < count; b++)
            for (size_t t = 0; t < sizeof thread_counts / sizeof thread_counts[0]; t++)
                check(&kinds[k], &(struct engine_options){.backend = backends[b]->name,
                                                          .threads = thread_counts[t]});
}

static struct model_parts *open_parts(const char *folder)
{
    struct error err = {0};
    struct model_parts *parts = model_parts_open(folder, NULL, &err);
    expect_ok(parts != NULL, &err);
    return parts;
}

static struct ops *open_ops(const struct engine_options *options)
{
    struct error err = {0};
    struct ops *ops = ops_new(options->backend, options->threads, &err);
    expect_ok(ops != NULL, &err);
    return ops;
}

/* ---- parts ---- */

static void check_text(const struct sd *sd, const struct engine_options *options)
{
    struct error err = {0};
    struct safetensors *golden = open_golden(sd);
    float *want = golden_floats(golden, "clip.emb", 2 * TOKENS * WIDTH);
    float got[2 * TOKENS * WIDTH];
    int32_t ids[2 * TOKENS];
    const struct safetensors_entry *expected = safetensors_find(golden, "tok.ids");
    char *folder = folder_of(sd);
    struct model_parts *parts = open_parts(folder);
    struct tokenizer *t = tokenizer_open(model_parts_tokenizer(parts), sd->pad, &err);
    expect_ok(t != NULL, &err);
    tokenizer_encode(t, NEGATIVE, ids);
    tokenizer_encode(t, PROMPT, ids + TOKENS);
    for (int i = 0; i < 2 * TOKENS; i++) {
        int64_t id;
        memcpy(&id, (const char *)expected->data + (size_t)i * sizeof id, sizeof id);
        assert_int_equal(ids[i], id);
    }
    struct ops *ops = open_ops(options);
    struct text_encoder *e = text_encoder_open(parts, ops, &err);
    expect_ok(e != NULL && text_encoder_run(e, ids, 2, TOKENS, got, &err), &err);
    expect_close("clip.emb", got, want, 2 * TOKENS * WIDTH, 1e-4);
    text_encoder_close(e);
    ops_free(ops);
    tokenizer_close(t);
    model_parts_close(parts);
    free(folder), free(want);
    safetensors_close(golden);
}

static void texts_agree(void **state)
{
    (void)state;
    for_all(check_text);
}

/* Odd sizes, two pictures with a text each. */
static void check_unet(const struct sd *sd, const struct engine_options *options)
{
    enum { PLANE = 5 * 7, COUNT = 2 * 4 * PLANE };
    struct error err = {0};
    struct safetensors *golden = open_golden(sd);
    float *x = golden_floats(golden, "unet.x", COUNT),
          *out = golden_floats(golden, "unet.out", COUNT);
    float *text = golden_floats(golden, "clip.emb", 2 * TOKENS * WIDTH);
    float in[COUNT], want[COUNT], got[COUNT];
    for (int b = 0; b < 2; b++)
        for (int c = 0; c < 4; c++)
            for (int p = 0; p < PLANE; p++) {
                in[(b * PLANE + p) * 4 + c] = x[(b * 4 + c) * PLANE + p];
                want[(b * PLANE + p) * 4 + c] = out[(b * 4 + c) * PLANE + p];
            }
    const struct unet_shape shape = {2, 1, 5, 7};
    char *folder = folder_of(sd);
    struct model_parts *parts = open_parts(folder);
    struct ops *ops = open_ops(options);
    struct unet *u = unet_open(parts, ops, &err);
    expect_ok(u != NULL, &err);
    struct unet_text *t = unet_text_new(u, text, 2, TOKENS, &err);
    expect_ok(t != NULL && unet_plan(u, &shape, t, &err), &err);
    expect_ok(unet_run(u, &shape, t, 501, in, got, &err), &err);
    expect_close("unet.out", got, want, COUNT, 1e-4);
    unet_text_free(t);
    unet_close(u);
    model_parts_close(parts);
    ops_free(ops);
    free(folder), free(x), free(out), free(text);
    safetensors_close(golden);
}

static void unets_agree(void **state)
{
    (void)state;
    for_all(check_unet);
}

/* ---- pictures ---- */

static json_t *recipe_for(const struct sd *sd, const char *extra)
{
    struct error err = {0};
    char *folder = folder_of(sd);
    json_t *facts = engine_describe(folder, &err);
    expect_ok(facts != NULL, &err);
    json_t *recipe = json_pack("{ss ss si si sf si si}", "prompt", PROMPT, "negative_prompt",
                               NEGATIVE, "seed", 42, "num_inference_steps", STEPS, "guidance_scale",
                               7.5, "width", 48, "height", 32);
    json_t *more = json_loads(extra, 0, NULL);
    json_object_update(recipe, more);
    expect_ok(recipe_check(recipe, &err), &err);
    expect_ok(recipe_fill(recipe, sd->name, json_object_get(facts, "defaults"), &err), &err);
    json_decref(more);
    json_decref(facts);
    free(folder);
    return recipe;
}

static struct engine_job *open_job(struct engine_model *model, const struct sd *sd,
                                   const char *extra, struct error *err)
{
    json_t *recipe = recipe_for(sd, extra);
    const struct engine_request request = {.recipe = recipe};
    struct engine_job *job = engine_job_new(model, &request, 1, err);
    json_decref(recipe);
    return job;
}

static struct engine_model *open_model(const struct sd *sd, const struct engine_options *options)
{
    struct error err = {0};
    char *folder = folder_of(sd);
    struct engine_model *model = engine_open(folder, options, &err);
    free(folder);
    expect_ok(model != NULL, &err);
    return model;
}

static void check_trajectory(const struct sd *sd, const struct engine_options *options,
                             const char *extra, const char *key, bool picture)
{
    struct error err = {0};
    struct safetensors *golden = open_golden(sd);
    float *want = golden_floats(golden, key, (STEPS + 1) * LATENTS);
    float *image = golden_floats(golden, "image", PIXELS), got[LATENTS], pixels[PIXELS];
    struct engine_model *model = open_model(sd, options);
    struct engine_job *job = open_job(model, sd, extra, &err);
    expect_ok(job != NULL, &err);
    assert_int_equal(engine_job_step_count(job), STEPS);
    for (int i = 0; i <= STEPS; i++) {
        engine_job_latents_get(job, 0, got);
        expect_close(key, got, want + i * LATENTS, LATENTS, i == 0 ? 1e-5 : 1e-3);
        if (i < STEPS) expect_ok(engine_job_step(job, &err), &err);
    }
    if (picture) {
        expect_ok(engine_job_decode_float(job, 0, 0, 1, pixels, &err), &err);
        expect_close("image", pixels, image, PIXELS, 1e-3);
    }
    engine_job_free(job);
    engine_close(model);
    free(want), free(image);
    safetensors_close(golden);
}

/* No scheduler is named: it is the folder's. */
static void check_ddim(const struct sd *sd, const struct engine_options *options)
{
    check_trajectory(sd, options, "{}", "traj.ddim", true);
}

static void check_dpmpp(const struct sd *sd, const struct engine_options *options)
{
    check_trajectory(sd, options, "{\"scheduler\": \"dpm++\"}", "traj.dpm", false);
}

static void trajectories_and_pictures_agree(void **state)
{
    (void)state;
    for_all(check_ddim);
    for_all(check_dpmpp);
}

/* ---- folders ---- */

static void clips_are_one_picture(void **state)
{
    (void)state;
    for (size_t k = 0; k < KIND_COUNT; k++) {
        struct error err = {0};
        char *folder = folder_of(&kinds[k]);
        json_t *facts = engine_describe(folder, &err);
        expect_ok(facts != NULL, &err);
        const json_t *defaults = json_object_get(facts, "defaults");
        assert_string_equal(json_string_value(json_object_get(facts, "family")),
                            "stable-diffusion");
        assert_string_equal(json_string_value(json_object_get(facts, "output")), "image");
        assert_int_equal(json_integer_value(json_object_get(defaults, "num_frames")), 1);
        assert_int_equal(json_integer_value(json_object_get(defaults, "width")), 48);
        assert_string_equal(json_string_value(json_object_get(defaults, "scheduler")),
                            kinds[k].scheduler);
        json_decref(facts);
        free(folder);
    }
    struct error err = {0};
    struct engine_model *model = open_model(&kinds[0], &(struct engine_options){.threads = 1});
    assert_null(open_job(model, &kinds[0], "{\"num_frames\": 2}", &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(strstr(err.message, "num_frames"));
    engine_close(model);
}

/* As version 1.5 and 2.1 were published, down to keys that later versions of the class dropped. */
static const char published_index[] =
    "{\"_class_name\": \"StableDiffusionPipeline\", \"_diffusers_version\": \"0.6.0\","
    "\"feature_extractor\": [\"transformers\", \"CLIPImageProcessor\"],"
    "\"safety_checker\": [\"stable_diffusion\", \"StableDiffusionSafetyChecker\"],"
    "\"scheduler\": [\"diffusers\", \"PNDMScheduler\"],"
    "\"text_encoder\": [\"transformers\", \"CLIPTextModel\"],"
    "\"tokenizer\": [\"transformers\", \"CLIPTokenizer\"],"
    "\"unet\": [\"diffusers\", \"UNet2DConditionModel\"],"
    "\"vae\": [\"diffusers\", \"AutoencoderKL\"]}";

#define PUBLISHED_UNET                                                                             \
    "{\"_class_name\": \"UNet2DConditionModel\", \"_diffusers_version\": \"0.6.0\","               \
    "\"act_fn\": \"silu\", \"block_out_channels\": [320, 640, 1280, 1280],"                        \
    "\"center_input_sample\": false, \"down_block_types\": [\"CrossAttnDownBlock2D\","             \
    "\"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", \"DownBlock2D\"],"                        \
    "\"downsample_padding\": 1, \"flip_sin_to_cos\": true, \"freq_shift\": 0, \"in_channels\": 4," \
    "\"layers_per_block\": 2, \"mid_block_scale_factor\": 1, \"norm_eps\": 1e-05,"                 \
    "\"norm_num_groups\": 32, \"out_channels\": 4, \"up_block_types\": [\"UpBlock2D\","            \
    "\"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\"],"

static const struct {
    const char *unet, *scheduler;
    int size;
} published[] = {
    {PUBLISHED_UNET "\"attention_head_dim\": 8, \"cross_attention_dim\": 768, \"sample_size\": 64}",
     "{\"_class_name\": \"PNDMScheduler\", \"_diffusers_version\": \"0.6.0\", \"beta_end\": 0.012,"
     "\"beta_schedule\": \"scaled_linear\", \"beta_start\": 0.00085, \"num_train_timesteps\": 1000,"
     "\"set_alpha_to_one\": false, \"skip_prk_steps\": true, \"steps_offset\": 1,"
     "\"trained_betas\": null, \"clip_sample\": false}",
     512},
    {PUBLISHED_UNET "\"attention_head_dim\": [5, 10, 20, 20], \"cross_attention_dim\": 1024,"
                    "\"dual_cross_attention\": false, \"num_class_embeds\": null,"
                    "\"only_cross_attention\": false, \"sample_size\": 96,"
                    "\"upcast_attention\": true, \"use_linear_projection\": true}",
     "{\"_class_name\": \"DDIMScheduler\", \"_diffusers_version\": \"0.8.0\", \"beta_end\": 0.012,"
     "\"beta_schedule\": \"scaled_linear\", \"beta_start\": 0.00085, \"clip_sample\": false,"
     "\"num_train_timesteps\": 1000, \"prediction_type\": \"v_prediction\","
     "\"set_alpha_to_one\": false, \"skip_prk_steps\": true, \"steps_offset\": 1,"
     "\"trained_betas\": null}",
     768},
};

static const char published_vae[] =
    "{\"_class_name\": \"AutoencoderKL\", \"_diffusers_version\": \"0.6.0\", \"act_fn\": \"silu\","
    "\"block_out_channels\": [128, 256, 512, 512], \"down_block_types\": [\"DownEncoderBlock2D\","
    "\"DownEncoderBlock2D\", \"DownEncoderBlock2D\", \"DownEncoderBlock2D\"], \"in_channels\": 3,"
    "\"latent_channels\": 4, \"layers_per_block\": 2, \"norm_num_groups\": 32,"
    "\"out_channels\": 3, \"sample_size\": 512, \"up_block_types\": [\"UpDecoderBlock2D\","
    "\"UpDecoderBlock2D\", \"UpDecoderBlock2D\", \"UpDecoderBlock2D\"]}";

static void published_configs_are_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        struct error err = {0};
        char *folder = scratch_folder();
        scratch_write_text(folder, "model_index.json", published_index);
        scratch_write_text(folder, "unet/config.json", published[i].unet);
        scratch_write_text(folder, "vae/config.json", published_vae);
        scratch_write_text(folder, "scheduler/scheduler_config.json", published[i].scheduler);
        json_t *facts = engine_describe(folder, &err);
        expect_ok(facts != NULL, &err);
        const json_t *width = json_object_get(json_object_get(facts, "defaults"), "width");
        assert_int_equal(json_integer_value(width), published[i].size);
        json_decref(facts);
        scratch_remove(folder);
    }
}

static void unets_that_are_not_built_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *named;
    } edits[] = {
        {"class_embed_type", "\"timestep\"", "class_embed_type"},
        {"addition_embed_type", "\"text_time\"", "addition_embed_type"},
        {"transformer_layers_per_block", "[1, 2]", "transformer_layers_per_block"},
        {"dual_cross_attention", "true", "dual_cross_attention"},
        {"only_cross_attention", "[true, false]", "only_cross_attention"},
        {"resnet_time_scale_shift", "\"scale_shift\"", "resnet_time_scale_shift"},
        {"time_cond_proj_dim", "256", "time_cond_proj_dim"},
        {"attention_head_dim", "[2]", "attention_head_dim"},
        {"attention_head_dim", "3", "3 heads"},
        {"cross_attention_dim", "[16, 16]", "cross_attention_dim"},
        {"down_block_types", "[\"SimpleCrossAttnDownBlock2D\", \"DownBlock2D\"]",
         "down_block_types"},
        {"_class_name", "\"UNet2DModel\"", "UNet2DModel"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        struct error err = {0};
        struct unet_config config;
        char *folder = scratch_folder();
        scratch_copy(TEST_DATA "/tiny-sd2", folder, "model_index.json");
        scratch_copy(TEST_DATA "/tiny-sd2", folder, "unet/config.json");
        scratch_edit(folder, "unet/config.json", edits[i].key, edits[i].value);
        struct model_parts *parts = open_parts(folder);
        assert_false(unet_config_read(parts, &config, &err));
        if (strstr(err.message, edits[i].named) == NULL)
            fail_msg("\"%s\" does not name %s", err.message, edits[i].named);
        model_parts_close(parts);
        scratch_remove(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_agree),
        cmocka_unit_test(unets_agree),
        cmocka_unit_test(trajectories_and_pictures_agree),
        cmocka_unit_test(clips_are_one_picture),
        cmocka_unit_test(published_configs_are_accepted),
        cmocka_unit_test(unets_that_are_not_built_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Pictures of Stable Diffusion 1 and 2 against the reference's numbers (golden_sd.py): trajectories
 * and pixels, on every backend, with 1, 2 and 4 threads; what their folders say of themselves. */
#include "sd_fixture.h"

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

/* Image to image: half of the steps, from latents drawn of what the encoder says. */
static void check_from_picture(const struct sd *sd, const struct engine_options *options)
{
    enum { LEFT = STEPS / 2 };
    struct error err = {0};
    struct safetensors *golden = open_golden(sd);
    const struct safetensors_entry *picture = safetensors_find(golden, "i2i.picture");
    float *want = golden_floats(golden, "i2i.ddim", LEFT * LATENTS), got[LATENTS];
    assert_int_equal(picture->count, PIXELS);
    struct engine_model *model = open_model(sd, options);
    json_t *recipe =
        recipe_for(sd, "{\"init_image\": \"sha256:"
                       "0000000000000000000000000000000000000000000000000000000000000000\","
                       "\"strength\": 0.5, \"encode\": \"sample\"}");
    const struct engine_request request = {.recipe = recipe, .init = {1, 48, 32, picture->data}};
    struct engine_job *job = engine_job_new(model, &request, 1, &err);
    json_decref(recipe);
    expect_ok(job != NULL, &err);
    assert_int_equal(engine_job_step_count(job), LEFT);
    for (int i = 0; i < LEFT; i++) {
        expect_ok(engine_job_step(job, &err), &err);
        engine_job_latents_get(job, 0, got);
        expect_close("i2i.ddim", got, want + i * LATENTS, LATENTS, 1e-3);
    }
    engine_job_free(job);
    engine_close(model);
    free(want);
    safetensors_close(golden);
}

static void pictures_made_of_pictures_agree(void **state)
{
    (void)state;
    for_all(check_from_picture);
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

#define PUBLISHED_TEXT                                                                             \
    "{\"_name_or_path\": \"x\", \"architectures\": [\"CLIPTextModel\"],"                           \
    "\"attention_dropout\": 0.0, \"bos_token_id\": 0, \"dropout\": 0.0, \"eos_token_id\": 2,"      \
    "\"initializer_factor\": 1.0, \"initializer_range\": 0.02, \"layer_norm_eps\": 1e-05,"         \
    "\"max_position_embeddings\": 77, \"model_type\": \"clip_text_model\", \"pad_token_id\": 1,"   \
    "\"torch_dtype\": \"float32\", \"transformers_version\": \"4.22.0\", \"vocab_size\": 49408,"

static const struct {
    const char *unet, *text, *scheduler;
    int size;
} published[] = {
    {PUBLISHED_UNET "\"attention_head_dim\": 8, \"cross_attention_dim\": 768, \"sample_size\": 64}",
     PUBLISHED_TEXT "\"hidden_act\": \"quick_gelu\", \"hidden_size\": 768,"
                    "\"intermediate_size\": 3072, \"num_attention_heads\": 12,"
                    "\"num_hidden_layers\": 12, \"projection_dim\": 768}",
     "{\"_class_name\": \"PNDMScheduler\", \"_diffusers_version\": \"0.6.0\", \"beta_end\": 0.012,"
     "\"beta_schedule\": \"scaled_linear\", \"beta_start\": 0.00085, \"num_train_timesteps\": 1000,"
     "\"set_alpha_to_one\": false, \"skip_prk_steps\": true, \"steps_offset\": 1,"
     "\"trained_betas\": null, \"clip_sample\": false}",
     512},
    {PUBLISHED_UNET "\"attention_head_dim\": [5, 10, 20, 20], \"cross_attention_dim\": 1024,"
                    "\"dual_cross_attention\": false, \"num_class_embeds\": null,"
                    "\"only_cross_attention\": false, \"sample_size\": 96,"
                    "\"upcast_attention\": true, \"use_linear_projection\": true}",
     PUBLISHED_TEXT "\"hidden_act\": \"gelu\", \"hidden_size\": 1024,"
                    "\"intermediate_size\": 4096, \"num_attention_heads\": 16,"
                    "\"num_hidden_layers\": 23, \"projection_dim\": 512}",
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
        scratch_write_text(folder, "text_encoder/config.json", published[i].text);
        scratch_write_text(folder, "scheduler/scheduler_config.json", published[i].scheduler);
        json_t *facts = engine_describe(folder, &err);
        expect_ok(facts != NULL, &err);
        const json_t *width = json_object_get(json_object_get(facts, "defaults"), "width");
        assert_int_equal(json_integer_value(width), published[i].size);
        json_decref(facts);
        scratch_remove(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trajectories_and_pictures_agree),
        cmocka_unit_test(pictures_made_of_pictures_agree),
        cmocka_unit_test(clips_are_one_picture),
        cmocka_unit_test(published_configs_are_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Configurations as models were published with them, older and newer writers' members included:
 * they are taken, and say what they should. */
#include "tiny_copy.h"

#define VIDEO_UNET                                                                                 \
    "{\"_class_name\": \"UNet3DConditionModel\", \"_diffusers_version\": \"0.15.0.dev0\", "        \
    "\"act_fn\": \"silu\", \"attention_head_dim\": 64, \"block_out_channels\": [320, 640, 1280, "  \
    "1280], \"cross_attention_dim\": 1024, \"down_block_types\": [\"CrossAttnDownBlock3D\", "      \
    "\"CrossAttnDownBlock3D\", \"CrossAttnDownBlock3D\", \"DownBlock3D\"], "                       \
    "\"downsample_padding\": 1, \"in_channels\": 4, \"layers_per_block\": 2, "                     \
    "\"mid_block_scale_factor\": 1, \"norm_eps\": 1e-05, \"norm_num_groups\": 32, "                \
    "\"out_channels\": 4, \"sample_size\": 32, \"up_block_types\": [\"UpBlock3D\", "               \
    "\"CrossAttnUpBlock3D\", \"CrossAttnUpBlock3D\", \"CrossAttnUpBlock3D\"]%s}"

#define IMAGE_UNET                                                                                 \
    "{\"_class_name\": \"UNet2DConditionModel\", \"_diffusers_version\": \"0.6.0\", \"act_fn\": "  \
    "\"silu\", \"block_out_channels\": [320, 640, 1280, 1280], \"center_input_sample\": false, "   \
    "\"down_block_types\": [\"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", "                  \
    "\"CrossAttnDownBlock2D\", \"DownBlock2D\"], \"downsample_padding\": 1, "                      \
    "\"flip_sin_to_cos\": true, \"freq_shift\": 0, \"in_channels\": 4, \"layers_per_block\": 2, "  \
    "\"mid_block_scale_factor\": 1, \"norm_eps\": 1e-05, \"norm_num_groups\": 32, "                \
    "\"out_channels\": 4, \"up_block_types\": [\"UpBlock2D\", \"CrossAttnUpBlock2D\", "            \
    "\"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\"]%s}"

#define VAE                                                                                        \
    "{\"_class_name\": \"AutoencoderKL\", \"_diffusers_version\": \"0.8.0\", \"act_fn\": "         \
    "\"silu\", "                                                                                   \
    "\"block_out_channels\": [128, 256, 512, 512], \"down_block_types\": "                         \
    "[\"DownEncoderBlock2D\", "                                                                    \
    "\"DownEncoderBlock2D\", \"DownEncoderBlock2D\", \"DownEncoderBlock2D\"], \"in_channels\": "   \
    "3, "                                                                                          \
    "\"latent_channels\": 4, \"layers_per_block\": 2, \"norm_num_groups\": 32, "                   \
    "\"out_channels\": 3, \"sample_size\": 512, \"up_block_types\": [\"UpDecoderBlock2D\", "       \
    "\"UpDecoderBlock2D\", \"UpDecoderBlock2D\", \"UpDecoderBlock2D\"]%s}"

#define TEXT_H                                                                                     \
    "{\"_name_or_path\": \"hf-models/stable-diffusion-v2-768x768/text_encoder\", "                 \
    "\"architectures\": [\"CLIPTextModel\"], \"attention_dropout\": 0.0, \"bos_token_id\": 0, "    \
    "\"dropout\": 0.0, \"eos_token_id\": 2, \"hidden_act\": \"gelu\", \"hidden_size\": 1024, "     \
    "\"initializer_factor\": 1.0, \"initializer_range\": 0.02, \"intermediate_size\": 4096, "      \
    "\"layer_norm_eps\": 1e-05, \"max_position_embeddings\": 77, \"model_type\": "                 \
    "\"clip_text_model\", \"num_attention_heads\": 16, \"num_hidden_layers\": 23, "                \
    "\"pad_token_id\": 1, \"projection_dim\": 512, \"torch_dtype\": \"float32\", "                 \
    "\"transformers_version\": \"4.25.0.dev0\", \"vocab_size\": 49408}"

#define TEXT_L                                                                                     \
    "{\"_name_or_path\": \"openai/clip-vit-large-patch14\", \"architectures\": "                   \
    "[\"CLIPTextModel\"], "                                                                        \
    "\"attention_dropout\": 0.0, \"bos_token_id\": 0, \"dropout\": 0.0, \"eos_token_id\": 2, "     \
    "\"hidden_act\": \"quick_gelu\", \"hidden_size\": 768, \"initializer_factor\": 1.0, "          \
    "\"initializer_range\": 0.02, \"intermediate_size\": 3072, \"layer_norm_eps\": 1e-05, "        \
    "\"max_position_embeddings\": 77, \"model_type\": \"clip_text_model\", "                       \
    "\"num_attention_heads\": 12, \"num_hidden_layers\": 12, \"pad_token_id\": 1, "                \
    "\"projection_dim\": 768, \"torch_dtype\": \"float32\", \"transformers_version\": "            \
    "\"4.22.0.dev0\", \"vocab_size\": 49408}"

#define SCHEDULE                                                                                   \
    "\"_diffusers_version\": \"0.8.0\", \"beta_end\": 0.012, \"beta_schedule\": "                  \
    "\"scaled_linear\", \"beta_start\": 0.00085, \"num_train_timesteps\": 1000, "                  \
    "\"set_alpha_to_one\": false, \"skip_prk_steps\": true, \"steps_offset\": 1, "                 \
    "\"trained_betas\": null, \"clip_sample\": false"

struct published {
    const char *name, *pipeline;
    const char *unet, *unet_more, *vae_more, *text, *schedule;
    const char *scheduler; /* expected */
    int width;             /* expected */
    bool noted;            /* something was assumed */
};

static const struct published models[] = {
    {"ms-1.7b", "TextToVideoSDPipeline", VIDEO_UNET, "", "", TEXT_H,
     "{\"_class_name\": \"DDIMScheduler\", \"prediction_type\": \"epsilon\", " SCHEDULE "}", "ddim",
     256, false},
    {"zeroscope", "TextToVideoSDPipeline", VIDEO_UNET,
     ", \"_name_or_path\": \"./outputs/train\", \"num_attention_heads\": null, "
     "\"time_cond_proj_dim\": null",
     ", \"scaling_factor\": 0.18215, \"force_upcast\": true", TEXT_H,
     "{\"_class_name\": \"DDIMScheduler\", \"clip_sample_range\": 1.0, "
     "\"dynamic_thresholding_ratio\": 0.995, \"prediction_type\": \"epsilon\", "
     "\"sample_max_value\": 1.0, \"thresholding\": false, \"rescale_betas_zero_snr\": false, "
     "\"timestep_spacing\": \"leading\", " SCHEDULE "}",
     "ddim", 256, false},
    {"sd-1.5", "StableDiffusionPipeline", IMAGE_UNET,
     ", \"attention_head_dim\": 8, \"cross_attention_dim\": 768, \"sample_size\": 64", "", TEXT_L,
     "{\"_class_name\": \"PNDMScheduler\", " SCHEDULE "}", "ddim", 512, true},
    {"sd-2.1", "StableDiffusionPipeline", IMAGE_UNET,
     ", \"attention_head_dim\": [5, 10, 20, 20], \"cross_attention_dim\": 1024, \"sample_size\": "
     "96, \"dual_cross_attention\": false, \"num_class_embeds\": null, "
     "\"only_cross_attention\": false, \"upcast_attention\": true, \"use_linear_projection\": true",
     "", TEXT_H,
     "{\"_class_name\": \"DDIMScheduler\", \"prediction_type\": \"v_prediction\", " SCHEDULE "}",
     "ddim", 768, false},
};

static void put(const char *folder, const char *name, const char *format, const char *more)
{
    struct buf text = BUF_INIT;
    const char *mark = strstr(format, "%s");
    if (mark == NULL)
        buf_append_text(&text, format);
    else
        buf_printf(&text, "%.*s%s%s", (int)(mark - format), format, more, mark + 2);
    scratch_write_text(folder, name, buf_text(&text));
    buf_finish(&text);
}

static char *write_model(const struct published *m)
{
    char *folder = scratch_folder();
    char *index = xasprintf("{\"_class_name\": \"%s\", \"_diffusers_version\": \"0.8.0\", "
                            "\"safety_checker\": [null, null]}",
                            m->pipeline);
    scratch_write_text(folder, "model_index.json", index);
    put(folder, "unet/config.json", m->unet, m->unet_more);
    put(folder, "vae/config.json", VAE, m->vae_more);
    put(folder, "text_encoder/config.json", m->text, "");
    put(folder, "scheduler/scheduler_config.json", m->schedule, "");
    free(index);
    return folder;
}

static void published_models_are_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        struct error err = {0};
        char *folder = write_model(&models[i]);
        json_t *facts = engine_describe(folder, &err);
        if (facts == NULL) fail_msg("%s: %s", models[i].name, err.message);
        const json_t *defaults = json_object_get(facts, "defaults");
        assert_string_equal(json_string_value(json_object_get(defaults, "scheduler")),
                            models[i].scheduler);
        assert_int_equal(json_integer_value(json_object_get(defaults, "width")), models[i].width);
        assert_int_equal(json_array_size(json_object_get(facts, "notes")) > 0, models[i].noted);
        json_decref(facts);
        scratch_remove(folder);
    }
}

static void what_changes_numbers_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *file, *key, *value;
    } changes[] = {
        {"unet/config.json", "act_fn", "\"mish\""},
        {"unet/config.json", "num_attention_heads", "8"},
        {"unet/config.json", "time_cond_proj_dim", "256"},
        {"unet/config.json", "dual_cross_attention", "true"},
        {"unet/config.json", "class_embed_type", "\"timestep\""},
        {"unet/config.json", "something_new", "1"},
        {"vae/config.json", "shift_factor", "0.1"},
        {"vae/config.json", "latents_mean", "[1, 2, 3, 4]"},
        {"scheduler/scheduler_config.json", "beta_schedule", "\"squaredcos_cap_v2\""},
        {"scheduler/scheduler_config.json", "trained_betas", "[0.1]"},
        {"scheduler/scheduler_config.json", "clip_sample", "true"},
        {"scheduler/scheduler_config.json", "thresholding", "true"},
        {"scheduler/scheduler_config.json", "rescale_betas_zero_snr", "true"},
        {"scheduler/scheduler_config.json", "prediction_type", "\"sample\""},
        {"scheduler/scheduler_config.json", "steps_offset", "-1"},
        {"scheduler/scheduler_config.json", "_class_name", "\"HeunDiscreteScheduler\""},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct error err = {0};
        char *folder = write_model(&models[2]);
        scratch_edit(folder, changes[i].file, changes[i].key, changes[i].value);
        json_t *facts = engine_describe(folder, &err);
        if (facts != NULL) fail_msg("%s: %s was taken", changes[i].key, changes[i].value);
        if (strstr(err.message, changes[i].key) == NULL ||
            strstr(err.message, changes[i].file) == NULL)
            fail_msg("\"%s\" names neither %s nor %s", err.message, changes[i].file,
                     changes[i].key);
        scratch_remove(folder);
    }
}

static void nulls_and_comments_are_skipped(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = write_model(&models[1]);
    scratch_edit(folder, "unet/config.json", "something_new", "null");
    scratch_edit(folder, "unet/config.json", "_something_new", "[1, 2]");
    scratch_edit(folder, "scheduler/scheduler_config.json", "interpolation_type", "null");
    json_t *facts = engine_describe(folder, &err);
    expect_ok(facts != NULL, &err);
    json_decref(facts);
    scratch_remove(folder);
}

/* A checkpoint says nothing of its prediction: whoever describes it is told. */
static void assumptions_are_facts(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder();
    scratch_copy(TEST_DATA "/forms", folder, "image2.safetensors");
    scratch_write_text(folder, "zoetrope.json",
                       "{\"config\": {\"unet\": {\"norm_num_groups\": 4}, "
                       "\"vae\": {\"norm_num_groups\": 4}}}");
    json_t *facts = engine_describe(folder, &err);
    expect_ok(facts != NULL, &err);
    const json_t *notes = json_object_get(facts, "notes");
    assert_int_equal(json_array_size(notes), 1);
    assert_non_null(strstr(json_string_value(json_array_get(notes, 0)), "v_prediction"));
    json_decref(facts);
    scratch_remove(folder);
}

static void manifests_say_it_right(void **state)
{
    (void)state;
    static const struct {
        const char *manifest, *why;
    } bad[] = {
        {"{\"config\": 3}", "\"config\" must be an object"},
        {"{\"config\": {\"unets\": {}}}", "unets"},
        {"{\"config\": {\"vae\": 3}}", "vae"},
        {"{\"config\": {\"vae\": {\"scaling\": 3}}}", "\"scaling\": 3 is not built"},
        {"{\"base\": 3}", "base"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error err = {0};
        char *folder = i < 4 ? write_model(&models[0]) : scratch_folder();
        if (i == 4) scratch_copy(TEST_DATA "/forms/original", folder, "configuration.json");
        scratch_write_text(folder, "zoetrope.json", bad[i].manifest);
        json_t *facts = engine_describe(folder, &err);
        if (facts != NULL) fail_msg("%s was taken", bad[i].manifest);
        if (strstr(err.message, bad[i].why) == NULL)
            fail_msg("\"%s\" does not say %s", err.message, bad[i].why);
        scratch_remove(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_models_are_taken),
        cmocka_unit_test(what_changes_numbers_is_refused),
        cmocka_unit_test(nulls_and_comments_are_skipped),
        cmocka_unit_test(assumptions_are_facts),
        cmocka_unit_test(manifests_say_it_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

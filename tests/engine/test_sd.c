/* The parts of Stable Diffusion 1 and 2 against the reference's numbers (golden_sd.py): tokens,
 * text, UNet, on every backend, with 1, 2 and 4 threads. */
#include "sd_fixture.h"

#include "engine/model/text_encoder.h"
#include "engine/model/unet.h"
#include "engine/text/tokenizer.h"

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
    expect_ok(e != NULL && text_encoder_run(e, ids, 2, TOKENS, 0, got, &err), &err);
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
    struct unet_text *t = unet_text_new(u, &(struct unet_text_shape){2, 1, TOKENS}, text, &err);
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
        cmocka_unit_test(unets_that_are_not_built_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

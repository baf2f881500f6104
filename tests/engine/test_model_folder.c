/* What a folder says about itself, and how a folder that does not fit is refused: each wrong tensor
 * and value by name. */
#include "tiny_copy.h"

static struct engine_model *open_folder(const char *folder, struct error *err)
{
    const struct engine_options options = {.backend = "ref", .threads = 1};
    return engine_open(folder, &options, err);
}

static void expect_refused(const char *folder, const char *named)
{
    struct error err = {0};
    struct engine_model *model = open_folder(folder, &err);
    if (model != NULL) {
        engine_close(model);
        fail_msg("opened, though %s is wrong", named);
    }
    assert_true(err.code == ERROR_INVALID || err.code == ERROR_NOT_FOUND);
    if (strstr(err.message, named) == NULL) fail_msg("\"%s\" does not name %s", err.message, named);
}

static void tiny_is_described(void **state)
{
    (void)state;
    struct error err = {0};
    json_t *facts = engine_describe(TINY, &err);
    expect_ok(facts != NULL, &err);
    assert_string_equal(json_string_value(json_object_get(facts, "family")), "modelscope");
    assert_string_equal(json_string_value(json_object_get(facts, "name")), "tiny");
    assert_int_equal(json_integer_value(json_object_get(facts, "schema")), 1);
    assert_int_equal(json_integer_value(json_object_get(facts, "spatial_factor")), 8);
    assert_true(json_is_null(json_object_get(facts, "window")));
    const json_t *defaults = json_object_get(facts, "defaults");
    assert_int_equal(json_integer_value(json_object_get(defaults, "width")), 64);
    assert_string_equal(json_string_value(json_object_get(defaults, "scheduler")), "ddim");
    assert_int_equal(json_array_size(json_object_get(facts, "schedulers")), 7);
    json_decref(facts);
}

static void a_manifest_is_read(void **state)
{
    (void)state;
    struct error err = {0};
    json_t *facts = engine_describe(TEST_SOURCE "/models/pattern", &err);
    expect_ok(facts != NULL, &err);
    assert_string_equal(json_string_value(json_object_get(facts, "family")), "pattern");
    assert_string_equal(json_string_value(json_object_get(facts, "licence")), "MIT");
    assert_true(json_is_false(json_object_get(facts, "guidance")));
    json_decref(facts);
}

static void bad_manifests_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *named;
    } edits[] = {{"family", "\"abacus\"", "abacus"},
                 {"name", "\"../up\"", "../up"},
                 {"name", "3", "name"},
                 {"window", "0", "window"},
                 {"defaults", "{\"steps\": -1}", "defaults"},
                 {"defaults", "{\"colour\": 1}", "defaults"},
                 {"words", "[1]", "words"},
                 {"colour", "1", "colour"}};
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        char *folder = scratch_folder();
        scratch_write_text(folder, "zoetrope.json", "{\"family\": \"pattern\", \"name\": \"p\"}");
        scratch_edit(folder, "zoetrope.json", edits[i].key, edits[i].value);
        expect_refused(folder, edits[i].named);
        scratch_remove(folder);
    }
}

static void folders_without_a_model_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder();
    assert_null(engine_describe(folder, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    scratch_write_text(folder, "model_index.json", "{\"_class_name\": \"FluxPipeline\"}");
    expect_refused(folder, "FluxPipeline");
    scratch_remove(folder);
    assert_null(engine_describe("/nowhere/at/all", &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
}

static void config_values_that_are_not_built_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *file, *key, *value, *named;
    } edits[] = {
        {"unet/config.json", "act_fn", "\"gelu\"", "act_fn"},
        {"unet/config.json", "num_attention_heads", "8", "num_attention_heads"},
        {"unet/config.json", "time_cond_proj_dim", "256", "time_cond_proj_dim"},
        {"unet/config.json", "mid_block_scale_factor", "2", "mid_block_scale_factor"},
        {"unet/config.json", "surprise", "true", "surprise"},
        {"unet/config.json", "layers_per_block", "0", "layers_per_block"},
        {"unet/config.json", "block_out_channels", "[]", "block_out_channels"},
        {"unet/config.json", "norm_num_groups", "7", "7 groups"},
        {"unet/config.json", "down_block_types", "[\"DownBlock2D\"]", "down_block_types"},
        {"vae/config.json", "shift_factor", "0.1", "shift_factor"},
        {"vae/config.json", "scaling_factor", "0", "scaling_factor"},
        {"vae/config.json", "up_block_types", "[]", "up_block_types"},
        {"vae/config.json", "out_channels", "4", "out_channels"},
        {"text_encoder/config.json", "hidden_act", "\"relu\"", "relu"},
        {"text_encoder/config.json", "num_attention_heads", "5", "5 heads"},
        {"text_encoder/config.json", "model_type", "\"t5\"", "model_type"},
        {"scheduler/scheduler_config.json", "prediction_type", "\"sample\"", "prediction_type"},
        {"tokenizer/tokenizer_config.json", "model_max_length", "2", "model_max_length"},
        {"tokenizer/tokenizer_config.json", "model_max_length", "100", "tokenizer"},
        {"tokenizer/special_tokens_map.json", "pad_token", "\"<pad>\"", "pad token"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        char *folder = scratch_folder();
        scratch_copy_tiny(folder);
        scratch_edit(folder, edits[i].file, edits[i].key, edits[i].value);
        expect_refused(folder, edits[i].named);
        scratch_remove(folder);
    }
}

/* Copies a weights file with one tensor left out, one added or one reshaped. */
static void rewrite(const char *folder, const char *file, const char *leave_out, const char *add,
                    const char *reshape)
{
    struct error err = {0};
    char *path = scratch_path(folder, file);
    struct safetensors *s = safetensors_open(path, &err);
    expect_ok(s != NULL, &err);
    struct safetensors_writer *w = safetensors_writer_new();
    for (int i = 0; i < safetensors_count(s); i++) {
        const struct safetensors_entry *e = safetensors_at(s, i);
        const int64_t flat[] = {e->count};
        if (leave_out != NULL && strcmp(e->name, leave_out) == 0) continue;
        const bool changed = reshape != NULL && strcmp(e->name, reshape) == 0;
        safetensors_writer_add(w, e->name, e->dtype, changed ? 1 : e->rank, changed ? flat : e->dim,
                               e->data);
    }
    const int64_t one[] = {1};
    if (add != NULL) safetensors_writer_add(w, add, TENSOR_I64, 1, one, one);
    expect_ok(safetensors_writer_save(w, path, &err), &err);
    safetensors_writer_free(w);
    safetensors_close(s);
    free(path);
}

/* One value of one tensor, in the middle of a file. */
static void a_value_that_is_not_finite_is_named(void **state)
{
    (void)state;
    static const char file[] = "text_encoder/model.safetensors";
    static const char name[] = "text_model.encoder.layers.1.mlp.fc1.weight";
    struct error err = {0};
    struct buf data = BUF_INIT;
    char *folder = scratch_folder(), *path = scratch_path(folder, file);
    scratch_copy_tiny(folder);
    struct safetensors *s = safetensors_open(path, &err);
    expect_ok(s != NULL && path_read(path, (size_t)64 << 20, &data, &err), &err);
    const struct safetensors_entry *e = safetensors_find(s, name), *first = safetensors_at(s, 0),
                                   *last = safetensors_at(s, safetensors_count(s) - 1);
    const char *end = (const char *)last->data + last->size_bytes;
    assert_true(e != first && e != last);
    const float nan = NAN;
    const size_t at = data.size - (size_t)(end - (const char *)e->data);
    memcpy(data.data + at + 17 * sizeof nan, &nan, sizeof nan);
    safetensors_close(s);
    scratch_write(folder, file, data.data, data.size);
    assert_null(open_folder(folder, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    if (strstr(err.message, file) == NULL || strstr(err.message, name) == NULL ||
        strstr(err.message, "value 17 is not finite") == NULL)
        fail_msg("%s", err.message);
    buf_finish(&data);
    free(path);
    scratch_remove(folder);
}

static void wrong_tensors_are_all_named(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder();
    scratch_copy_tiny(folder);
    rewrite(folder, "unet/diffusion_pytorch_model.safetensors", "conv_in.bias", "conv_extra.weight",
            "mid_block.resnets.0.conv1.weight");
    assert_null(open_folder(folder, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_non_null(strstr(err.message, "unet/diffusion_pytorch_model.safetensors"));
    assert_non_null(strstr(err.message, "missing conv_in.bias [16]"));
    assert_non_null(strstr(err.message, "extra conv_extra.weight"));
    assert_non_null(
        strstr(err.message, "mid_block.resnets.0.conv1.weight is [36864], not [64,64,3,3]"));
    scratch_remove(folder);
}

static void many_wrong_tensors_are_counted(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder();
    scratch_copy_tiny(folder);
    scratch_edit(folder, "text_encoder/config.json", "intermediate_size", "96");
    scratch_edit(folder, "text_encoder/config.json", "num_hidden_layers", "9");
    assert_null(open_folder(folder, &err));
    assert_non_null(strstr(err.message, "text_encoder/model.safetensors"));
    assert_non_null(strstr(err.message, "mlp.fc1.weight is [64,32], not [96,32]"));
    scratch_remove(folder);
}

static void what_harms_nobody_is_ignored(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder();
    scratch_copy_tiny(folder);
    rewrite(folder, "text_encoder/model.safetensors", NULL, "text_model.embeddings.position_ids",
            NULL);
    scratch_edit(folder, "unet/config.json", "_name_or_path", "\"somewhere\"");
    scratch_edit(folder, "unet/config.json", "sample_size", NULL);
    struct engine_model *model = open_folder(folder, &err);
    expect_ok(model != NULL, &err);
    engine_close(model);
    scratch_remove(folder);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder(),
         *path = scratch_path(folder, "vae/diffusion_pytorch_model.safetensors");
    scratch_copy_tiny(folder);
    assert_int_equal(remove(path), 0);
    assert_null(open_folder(folder, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.message, "diffusion_pytorch_model.safetensors"));
    free(path);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_is_described),
        cmocka_unit_test(a_manifest_is_read),
        cmocka_unit_test(bad_manifests_are_refused),
        cmocka_unit_test(folders_without_a_model_are_refused),
        cmocka_unit_test(config_values_that_are_not_built_are_named),
        cmocka_unit_test(a_value_that_is_not_finite_is_named),
        cmocka_unit_test(wrong_tensors_are_all_named),
        cmocka_unit_test(many_wrong_tensors_are_counted),
        cmocka_unit_test(what_harms_nobody_is_ignored),
        cmocka_unit_test(a_missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Diffusers folders as different versions and writers leave them: shards, variants, older names. */
#include "tiny_copy.h"

#include "engine/folder/model_parts.h"

#define UNET "unet/diffusion_pytorch_model.safetensors"
#define VAE "vae/diffusion_pytorch_model.safetensors"
#define INDEX "unet/diffusion_pytorch_model.safetensors.index.json"

static char *tiny(void)
{
    char *folder = scratch_folder();
    scratch_copy_tiny(folder);
    return folder;
}

static void drop(const char *folder, const char *name)
{
    struct error err = {0};
    char *path = path_join(folder, name);
    expect_ok(path_remove_tree(path, &err), &err);
    free(path);
}

static void expect_same(const char *folder, enum model_part part)
{
    struct error err = {0};
    struct model_parts *a = model_parts_open(TINY, NULL, &err);
    struct model_parts *b = model_parts_open(folder, NULL, &err);
    expect_ok(a != NULL && b != NULL, &err);
    struct tensor_file *want = model_parts_tensors(a, part, &err),
                       *got = model_parts_tensors(b, part, &err);
    expect_ok(want != NULL && got != NULL, &err);
    assert_int_equal(tensor_file_count(want), tensor_file_count(got));
    for (int i = 0; i < tensor_file_count(want); i++) {
        const struct tensor_entry *e = tensor_file_at(want, i);
        const struct tensor_entry *f = tensor_file_find(got, e->name);
        if (f == NULL) fail_msg("%s is gone", e->name);
        assert_int_equal(e->count, f->count);
        assert_memory_equal(tensor_file_data(want, e, &err), tensor_file_data(got, f, &err),
                            tensor_entry_bytes(e));
    }
    model_parts_close(a);
    model_parts_close(b);
}

static void expect_refused(const char *folder, enum model_part part, const char *why)
{
    struct error err = {0};
    struct model_parts *p = model_parts_open(folder, NULL, &err);
    expect_ok(p != NULL, &err);
    assert_null(model_parts_tensors(p, part, &err));
    if (strstr(err.message, why) == NULL) fail_msg("\"%s\" does not say %s", err.message, why);
    model_parts_close(p);
}

/* ---- shards ---- */

/* Every second tensor in the other file. */
static void shard(const char *folder)
{
    static const char *const names[] = {"model-00001-of-00002.safetensors",
                                        "model-00002-of-00002.safetensors"};
    struct error err = {0};
    char *path = path_join(folder, UNET), *unet = path_join(folder, "unet");
    struct safetensors *whole = safetensors_open(path, &err);
    expect_ok(whole != NULL, &err);
    struct safetensors_writer *writers[] = {safetensors_writer_new(), safetensors_writer_new()};
    json_t *map = json_object();
    for (int i = 0; i < safetensors_count(whole); i++) {
        const struct safetensors_entry *e = safetensors_at(whole, i);
        safetensors_writer_add(writers[i % 2], e->name, e->dtype, e->rank, e->dim, e->data);
        json_object_set_new(map, e->name, json_string(names[i % 2]));
    }
    for (int i = 0; i < 2; i++) {
        char *file = path_join(unet, names[i]);
        expect_ok(safetensors_writer_save(writers[i], file, &err), &err);
        safetensors_writer_free(writers[i]);
        free(file);
    }
    json_t *index = json_pack("{s:{s:i}, s:o}", "metadata", "total_size", 0, "weight_map", map);
    char *text = json_pretty(index);
    scratch_write_text(folder, INDEX, text);
    free(text);
    json_decref(index);
    safetensors_close(whole);
    drop(folder, UNET);
    free(path), free(unet);
}

static void shards_are_joined(void **state)
{
    (void)state;
    char *folder = tiny();
    shard(folder);
    expect_same(folder, PART_UNET);
    scratch_remove(folder);
}

static void indexes_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *index, *why;
    } lies[] = {
        {"{}", "no \"weight_map\""},
        {"{\"weight_map\": {\"conv_in.bias\": \"gone.safetensors\"}}", "gone.safetensors"},
        {"{\"weight_map\": {\"other\": \"model-00001-of-00002.safetensors\"}}", "other is not in"},
        {"{\"weight_map\": {\"conv_in.bias\": \"../vae/diffusion_pytorch_model.safetensors\"}}",
         "conv_in.bias"},
        {"{\"weight_map\": {\"conv_in.bias\": 7}}", "conv_in.bias"},
        {"{\"weight_map\": {\"conv_in.bias\": "
         "\"diffusion_pytorch_model.safetensors.index.json\"}}",
         "conv_in.bias"},
    };
    char *folder = tiny();
    shard(folder);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        scratch_write_text(folder, INDEX, lies[i].index);
        expect_refused(folder, PART_UNET, lies[i].why);
    }
    drop(folder, INDEX);
    expect_refused(folder, PART_UNET, "holds none of: diffusion_pytorch_model.safetensors, ");
    scratch_remove(folder);
}

/* ---- names ---- */

static void move(const char *folder, const char *from, const char *to)
{
    struct error err = {0};
    char *old = path_join(folder, from), *new = path_join(folder, to);
    expect_ok(path_rename_durable(old, new, &err), &err);
    free(old), free(new);
}

static void variants_are_found(void **state)
{
    (void)state;
    char *folder = tiny();
    move(folder, UNET, "unet/diffusion_pytorch_model.fp16.safetensors");
    move(folder, "text_encoder/model.safetensors", "text_encoder/model.fp16.safetensors");
    move(folder, VAE, "vae/diffusion_pytorch_model.fp16.bin"); /* told by its content */
    expect_same(folder, PART_UNET);
    expect_same(folder, PART_VAE);
    expect_same(folder, PART_TEXT);
    scratch_remove(folder);
}

struct rename {
    const char *now, *then;
};

/* Rewrites a file with other names; matrices of attentions may become 1x1 convolutions. */
static void rename_all(const char *folder, const char *name, const struct rename *renames,
                       const char *prefix, bool deep)
{
    struct error err = {0};
    char *path = path_join(folder, name);
    struct safetensors *s = safetensors_open(path, &err);
    expect_ok(s != NULL, &err);
    struct safetensors_writer *w = safetensors_writer_new();
    for (int i = 0; i < safetensors_count(s); i++) {
        const struct safetensors_entry *e = safetensors_at(s, i);
        const struct rename *r = renames;
        while (r->now != NULL && strstr(e->name, r->now) == NULL)
            r++;
        const char *at = r->now != NULL ? strstr(e->name, r->now) : e->name;
        char *renamed = r->now != NULL ? xasprintf("%s%.*s%s%s", prefix, (int)(at - e->name),
                                                   e->name, r->then, at + strlen(r->now))
                                       : xasprintf("%s%s", prefix, e->name);
        int64_t dim[SAFETENSORS_RANK_MAX];
        memcpy(dim, e->dim, sizeof dim);
        const bool widen = deep && r->now != NULL && e->rank == 2;
        if (widen) dim[2] = dim[3] = 1;
        safetensors_writer_add(w, renamed, e->dtype, widen ? 4 : e->rank, dim, e->data);
        free(renamed);
    }
    const int64_t ids[] = {0, 1, 2}, shape[] = {1, 3};
    if (strstr(name, "text") != NULL)
        safetensors_writer_add(w, "text_model.embeddings.position_ids", TENSOR_I64, 2, shape, ids);
    expect_ok(safetensors_writer_save(w, path, &err), &err);
    safetensors_writer_free(w);
    safetensors_close(s);
    free(path);
}

static void older_names_are_todays(void **state)
{
    (void)state;
    static const struct rename vae[] = {
        {".to_q.", ".query."},         {".to_k.", ".key."}, {".to_v.", ".value."},
        {".to_out.0.", ".proj_attn."}, {NULL, NULL},
    };
    static const struct rename bare[] = {{"text_model.", ""}, {NULL, NULL}};
    static const struct rename none[] = {{NULL, NULL}};
    struct error err = {0};
    char *folder = tiny();
    rename_all(folder, VAE, vae, "", true);
    rename_all(folder, UNET, none, "module.", false);
    rename_all(folder, "text_encoder/model.safetensors", bare, "", false);
    expect_same(folder, PART_VAE);
    expect_same(folder, PART_UNET);
    /* Deeper matrices and ids of positions are no obstacle. */
    const struct engine_options options = {.backend = "ref", .threads = 1};
    struct engine_model *model = engine_open(folder, &options, &err);
    expect_ok(model != NULL, &err);
    engine_close(model);
    scratch_remove(folder);
}

/* Two names that would become one stay what they are, and are reported. */
static void names_that_collide_are_reported(void **state)
{
    (void)state;
    static const struct rename twice[] = {
        {"decoder.conv_in.bias", "first_stage_model.quant_conv.bias"}, {NULL, NULL}};
    struct error err = {0};
    char *folder = tiny();
    rename_all(folder, VAE, twice, "", false);
    const struct engine_options options = {.backend = "ref", .threads = 1};
    assert_null(engine_open(folder, &options, &err));
    assert_non_null(strstr(err.message, "extra first_stage_model.quant_conv.bias"));
    assert_non_null(strstr(err.message, "missing decoder.conv_in.bias"));
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_are_joined),
        cmocka_unit_test(indexes_that_lie_are_refused),
        cmocka_unit_test(variants_are_found),
        cmocka_unit_test(older_names_are_todays),
        cmocka_unit_test(names_that_collide_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

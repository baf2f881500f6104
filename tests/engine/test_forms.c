/* One very small model in every form (tests/engine/make_forms.py): the same frames from each. */
#include "tiny_copy.h"

#include "engine/folder/model_parts.h"

#define FORMS TEST_DATA "/forms/"

/* What no shape tells, of a model smaller than any published one. */
#define SAID                                                                                       \
    "{\"config\": {\"unet\": {\"norm_num_groups\": 4}, \"vae\": {\"norm_num_groups\": 4}}%s}"

static void copy_all(const char *from, const char *folder)
{
    struct error err = {0};
    char **names;
    size_t count;
    expect_ok(path_list(from, &names, &count, &err), &err);
    for (size_t i = 0; i < count; i++) {
        char *source = path_join(from, names[i]), *target = path_join(folder, names[i]);
        if (path_is_folder(source)) {
            expect_ok(path_make_folders(target, 0700, &err), &err);
            copy_all(source, target);
        } else {
            scratch_copy(from, folder, names[i]);
        }
        free(source);
        free(target);
    }
    path_list_free(names, count);
}

static void add_tokenizer(const char *folder)
{
    char *target = path_join(folder, "tokenizer");
    struct error err = {0};
    expect_ok(path_make_folders(target, 0700, &err), &err);
    copy_all(TINY "/tokenizer", target);
    free(target);
}

static void say(const char *folder, const char *more)
{
    char *text = xasprintf(SAID, more);
    scratch_write_text(folder, "zoetrope.json", text);
    free(text);
}

/* RGB of a clip of the model in `folder`; caller frees. */
static uint8_t *render(const char *folder, int frames)
{
    enum { SIDE = 16 };
    struct error err = {0};
    struct engine_options options = {.backend = "ref", .threads = 1};
    struct engine_model *model = engine_open(folder, &options, &err);
    expect_ok(model != NULL, &err);
    char *extra = xasprintf("{\"num_frames\": %d, \"width\": %d, \"height\": %d, "
                            "\"num_inference_steps\": 2}",
                            frames, SIDE, SIDE);
    json_t *recipe = fixture_recipe("forms", extra);
    const struct engine_request request = {.recipe = recipe};
    struct engine_job *job = engine_job_new(model, &request, 1, &err);
    expect_ok(job != NULL, &err);
    while (engine_job_step_index(job) < engine_job_step_count(job))
        expect_ok(engine_job_step(job, &err), &err);
    uint8_t *rgb = calloc((size_t)frames * 3, SIDE * SIDE);
    expect_ok(engine_job_decode(job, 0, 0, frames, rgb, &err), &err);
    engine_job_free(job);
    engine_close(model);
    json_decref(recipe);
    free(extra);
    return rgb;
}

static void expect_same_frames(const char *one, const char *other, int frames)
{
    const size_t size = (size_t)frames * 3 * 16 * 16;
    uint8_t *a = render(one, frames), *b = render(other, frames);
    int levels = 0;
    for (size_t i = 1; i < size; i++)
        levels += a[i] != a[0];
    assert_true(levels > (int)size / 8); /* a picture, not a constant */
    assert_memory_equal(a, b, size);
    free(a);
    free(b);
}

static void expect_form(const char *path, const char *form)
{
    struct error err = {0};
    struct model_parts *parts = model_parts_open(path, NULL, &err);
    expect_ok(parts != NULL, &err);
    assert_string_equal(model_parts_form(parts), form);
    model_parts_close(parts);
}

static char *diffusers_folder(const char *name)
{
    char *folder = scratch_folder(), *from = path_join(FORMS, name);
    copy_all(from, folder);
    add_tokenizer(folder);
    free(from);
    return folder;
}

static void modelscopes_folder_is_read(void **state)
{
    (void)state;
    char *ours = diffusers_folder("video"), *theirs = scratch_folder();
    copy_all(FORMS "original", theirs);
    add_tokenizer(theirs);
    say(theirs, "");
    expect_form(theirs, "modelscope");
    expect_same_frames(ours, theirs, 3);
    scratch_remove(ours);
    scratch_remove(theirs);
}

static void move(const char *root, const char *from, const char *to)
{
    char *old = path_join(root, from), *new = path_join(root, to), *parent = path_dirname(new);
    struct error err = {0};
    expect_ok(path_make_folders(parent, 0700, &err) && path_rename_durable(old, new, &err), &err);
    free(old), free(new), free(parent);
}

/* UNet and text encoder alone; the rest comes from a model beside it, or from the one named. */
static void a_web_interfaces_folder_is_read(void **state)
{
    (void)state;
    struct error err = {0};
    char *root = scratch_folder(), *ours = diffusers_folder("video");
    char *zs = path_join(root, "zs");
    expect_ok(path_make_folders(zs, 0700, &err), &err);
    copy_all(FORMS "original", zs);
    add_tokenizer(zs);
    say(zs, "");
    move(root, "zs/VQGAN_autoencoder.pth", "whole/VQGAN_autoencoder.pth");
    move(root, "zs/configuration.json", "whole/configuration.json");
    expect_same_frames(ours, zs, 2);
    /* Not beside it: a sentence on what to do, then done. */
    move(root, "whole", "away/whole");
    struct engine_options options = {.backend = "ref", .threads = 1};
    assert_null(engine_open(zs, &options, &err));
    if (err.code != ERROR_NOT_FOUND || strstr(err.message, "VQGAN_autoencoder.pth") == NULL ||
        strstr(err.message, "\"base\"") == NULL)
        fail_msg("%s", err.message);
    say(zs, ", \"base\": \"../away/whole\"");
    expect_same_frames(ours, zs, 2);
    free(zs);
    scratch_remove(root);
    scratch_remove(ours);
}

static void checkpoints_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *folder, *file;
    } models[] = {{"image1", "image1.ckpt"}, {"image2", "image2.safetensors"}};
    for (int i = 0; i < 2; i++) {
        char *ours = diffusers_folder(models[i].folder), *theirs = scratch_folder();
        char *file = path_join(FORMS, models[i].file);
        scratch_copy(FORMS, theirs, models[i].file);
        add_tokenizer(theirs);
        say(theirs, "");
        expect_form(theirs, "checkpoint");
        expect_form(file, "checkpoint");
        expect_same_frames(ours, theirs, 1);
        free(file);
        scratch_remove(ours);
        scratch_remove(theirs);
    }
}

/* Every form, and every dtype that holds these weights, gives the frames it gave before. */
static void conversion_changes_no_frame(void **state)
{
    (void)state;
    static const struct {
        const char *from, *dtype;
        int frames;
    } cases[] = {{"original", NULL, 2},
                 {"original", "F32", 2},
                 {"image1.ckpt", "F16", 1},
                 {"image2.safetensors", NULL, 1},
                 {"video", "F32", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err = {0};
        char *root = scratch_folder(), *from = path_join(root, "from"), *to = path_join(root, "to");
        char *source = path_join(FORMS, cases[i].from);
        expect_ok(path_make_folders(from, 0700, &err), &err);
        if (path_is_folder(source))
            copy_all(source, from);
        else
            scratch_copy(FORMS, from, cases[i].from);
        add_tokenizer(from);
        say(from, ", \"licence\": \"CC0-1.0\", \"name\": \"small\"");
        scratch_write_text(from, "LICENSE.md", "Nobody's.\n");
        json_t *report = engine_convert(from, to, cases[i].dtype, &err);
        expect_ok(report != NULL, &err);
        assert_int_equal(json_array_size(json_object_get(report, "parts")), PART_WITH_TENSORS);
        json_decref(report);
        expect_form(to, "diffusers");
        expect_same_frames(from, to, cases[i].frames);
        char *paper = path_join(to, "LICENSE.md");
        assert_true(path_exists(paper));
        assert_null(engine_convert(from, to, NULL, &err));
        assert_int_equal(err.code, ERROR_STATE);
        free(paper), free(source), free(from), free(to);
        scratch_remove(root);
    }
}

static void clips_merges_are_spelled_out(void **state)
{
    (void)state;
    struct error err = {0};
    char *root = scratch_folder(), *to = path_join(root, "to//"); /* as shells complete it */
    char *vocab = path_join(root, "to/tokenizer/vocab.json");
    json_t *report = engine_convert(FORMS "image2.safetensors", to, "BF16", &err);
    expect_ok(report != NULL, &err);
    json_t *ids = json_parse_file(vocab, (size_t)4 << 20, &err);
    expect_ok(ids != NULL, &err);
    assert_int_equal(json_object_size(ids), 49408);
    assert_int_equal(json_integer_value(json_object_get(ids, "panda</w>")), 12952);
    json_decref(ids);
    json_decref(report);
    free(vocab), free(to);
    scratch_remove(root);
}

/* Half a model is never left behind, neither under its name nor under another. */
static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const struct {
        float value;
        const char *why;
    } cases[] = {{70000, "does not fit float16"}, {NAN, "not every value is finite"}};
    for (int i = 0; i < 2; i++) {
        struct error err = {0};
        char *root = scratch_folder(), *from = path_join(root, "from"), *to = path_join(root, "to");
        char *file = path_join(from, "text_encoder/model.safetensors"), **names;
        expect_ok(path_make_folders(from, 0700, &err), &err);
        scratch_copy_tiny(from);
        struct buf data = BUF_INIT;
        expect_ok(path_read(file, (size_t)64 << 20, &data, &err), &err);
        memcpy(data.data + data.size - sizeof(float), &cases[i].value, sizeof(float));
        scratch_write(from, "text_encoder/model.safetensors", data.data, data.size);
        assert_null(engine_convert(from, to, "F16", &err));
        if (err.code != ERROR_INVALID || strstr(err.message, cases[i].why) == NULL ||
            strstr(err.message, "tensor text_model.") == NULL)
            fail_msg("%s", err.message);
        size_t count;
        expect_ok(path_list(root, &names, &count, &err), &err);
        assert_int_equal(count, 1);
        path_list_free(names, count);
        buf_finish(&data);
        free(file), free(from), free(to);
        scratch_remove(root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modelscopes_folder_is_read),
        cmocka_unit_test(a_web_interfaces_folder_is_read),
        cmocka_unit_test(checkpoints_are_read),
        cmocka_unit_test(conversion_changes_no_frame),
        cmocka_unit_test(clips_merges_are_spelled_out),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

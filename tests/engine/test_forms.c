/* One very small model in every form (tests/engine/make_forms.py): the same frames from each. */
#include "tiny_copy.h"

#include "engine/model_parts.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modelscopes_folder_is_read),
        cmocka_unit_test(a_web_interfaces_folder_is_read),
        cmocka_unit_test(checkpoints_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

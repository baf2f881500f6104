#include "coordinator/submit_inputs.h"

#include <string.h>

#include "base/recipe.h"

static struct submit_input_file *find(struct submit_result *r, const struct digest *sha256)
{
    for (uint32_t i = 0; i < r->input_count; i++)
        if (digest_equal(&r->inputs[i].sha256, sha256)) return &r->inputs[i];
    return NULL;
}

bool submit_inputs_take(struct submit_result *r, const char *field, const json_t *value,
                        struct error *err)
{
    struct digest sha256;
    if (!recipe_is_file(field)) return true;
    if (!recipe_file_digest(json_string_value(value), &sha256))
        return error_set(err, ERROR_INVALID,
                         "a file is named by \"sha256:\" and its 64 digits here; `zoe` sends files "
                         "and puts their digests in");
    struct submit_input_file *file = find(r, &sha256);
    if (file == NULL && r->input_count == LIMIT_INPUTS)
        return error_set(err, ERROR_INVALID, "more than %d files in one batch: split it",
                         LIMIT_INPUTS);
    if (file == NULL) file = &r->inputs[r->input_count++];
    file->sha256 = sha256;
    return true;
}

/* ---- what is wanted of them ---- */

static void want_side(int64_t *wanted, int64_t side)
{
    *wanted = *wanted == 0 || *wanted == side ? side : -1;
}

static void want_more(int64_t *wanted, int64_t frames)
{
    if (*wanted < frames) *wanted = frames;
}

static void want_image(struct submit_input_file *file, const json_t *recipe,
                       const struct plan *plan)
{
    (void)recipe;
    (void)plan;
    file->is_image = file->is_pictures = true;
}

static void want_pictures(struct submit_input_file *file, const json_t *recipe,
                          const struct plan *plan)
{
    (void)recipe;
    (void)plan;
    file->is_pictures = true;
}

static void want_video(struct submit_input_file *file, const json_t *recipe,
                       const struct plan *plan)
{
    file->is_video = true;
    want_more(&file->frames, plan->start);
    want_side(&file->width, recipe_int(recipe, "width", 0));
    want_side(&file->height, recipe_int(recipe, "height", 0));
}

static void want_latents(struct submit_input_file *file, const json_t *recipe,
                         const struct plan *plan)
{
    file->is_latents = true;
    want_side(&file->width, recipe_int(recipe, "width", 0));
    want_side(&file->height, recipe_int(recipe, "height", 0));
    want_more(&file->latent_frames, plan->overlap < plan->start ? plan->overlap : plan->start);
}

static void want_sound(struct submit_input_file *file, const json_t *recipe,
                       const struct plan *plan)
{
    (void)recipe;
    (void)plan;
    file->is_sound = true;
}

static const struct {
    const char *field;
    void (*want)(struct submit_input_file *file, const json_t *recipe, const struct plan *plan);
} wants[] = {
    {"init_image", want_image},   {"init_video", want_pictures},    {"mask", want_pictures},
    {"extend_video", want_video}, {"extend_latents", want_latents}, {"audio", want_sound},
};

void submit_inputs_want(struct submit_result *r, const json_t *recipe, const struct plan *plan)
{
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
        struct digest sha256;
        const char *name = recipe_text(recipe, wants[i].field, NULL);
        if (name == NULL || !recipe_file_digest(name, &sha256)) continue;
        struct submit_input_file *file = find(r, &sha256);
        if (file != NULL) wants[i].want(file, recipe, plan);
    }
}

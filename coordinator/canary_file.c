/* canary_file: see the header. */
#include "coordinator/canary_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/canary_recipe.h"
#include "base/id.h"
#include "base/json.h"
#include "base/path.h"
#include "base/recipe.h"
#include "base/xalloc.h"

#define CANARY_BYTES_MAX (1024 * 1024)
#define ANSWERS_MAX 256

static bool add_answer(struct canary_file *c, const char *fingerprint, const json_t *hex,
                       struct error *err)
{
    struct canary_answer answer = {0};
    const char *text = json_string_value(hex);
    if (c->count == ANSWERS_MAX)
        return error_set(err, ERROR_INVALID, "more than %d fingerprints", ANSWERS_MAX);
    if (text == NULL || !digest_parse(text, &answer.frames_sha256))
        return error_set(err, ERROR_INVALID, "frames_sha256 is not 64 hex digits");
    bool any = fingerprint == NULL || strcmp(fingerprint, "*") == 0;
    answer.fingerprint = any ? NULL : xstrdup(fingerprint);
    c->answers = xrealloc_array(c->answers, c->count + 1, sizeof *c->answers);
    c->answers[c->count++] = answer;
    return true;
}

static bool read_answers(struct canary_file *c, json_t *known, struct error *err)
{
    if (json_is_string(known)) return add_answer(c, NULL, known, err);
    const char *fingerprint;
    json_t *hex;
    if (!json_is_object(known) || json_object_size(known) == 0)
        return error_set(err, ERROR_INVALID, "frames_sha256 is missing");
    json_object_foreach(known, fingerprint, hex)
    {
        if (!add_answer(c, fingerprint, hex, err)) return false;
    }
    return true;
}

static bool take_recipe(struct canary_file *c, const json_t *recipe, struct error *err)
{
    const int64_t width = recipe_int(recipe, "width", 0), height = recipe_int(recipe, "height", 0);
    const int64_t frames = recipe_int(recipe, "num_frames", 0);
    if (width < 1 || width > LIMIT_SIDE || height < 1 || height > LIMIT_SIDE || frames < 1 ||
        frames > LIMIT_FRAMES)
        return error_set(err, ERROR_INVALID, "its recipe does not say how large the frames are");
    c->width = (uint32_t)width;
    c->height = (uint32_t)height;
    c->frames = (uint32_t)frames;
    c->recipe = recipe_canonical(recipe);
    if (strlen(c->recipe) <= LIMIT_RECIPE_BYTES) return true;
    return error_set(err, ERROR_INVALID, "its recipe is too long");
}

static bool read_recipe(struct canary_file *c, json_t *recipe, struct error *err)
{
    if (!json_is_object(recipe)) return error_set(err, ERROR_INVALID, "there is no recipe");
    return recipe_check(recipe, err) && take_recipe(c, recipe, err);
}

static bool read_frame(struct canary_file *c, const json_t *frame, struct error *err)
{
    int64_t width, height;
    const char *hex;
    if (frame == NULL) return true;
    if (!json_get_int(frame, "width", &width, "frame", err) ||
        !json_get_int(frame, "height", &height, "frame", err) ||
        !json_get_text(frame, "rgb", &hex, "frame", err))
        return false;
    const size_t size = (size_t)c->width * c->height * 3;
    if (c->frames != 1 || width != c->width || height != c->height || size > LIMIT_CANARY_BYTES)
        return error_set(err, ERROR_INVALID, "frame is not one of the recipe's size");
    c->rgb = xmalloc(size);
    return hex_decode(hex, c->rgb, size) ||
           error_set(err, ERROR_INVALID, "rgb is not %zu bytes as hex digits", size);
}

static bool check_model(const json_t *file, const struct digest *model, struct error *err)
{
    const json_t *hex = json_object_get(file, "model_sha256");
    const char *text = json_string_value(hex);
    struct digest of;
    if (hex == NULL) return true;
    if (text == NULL || !digest_parse(text, &of))
        return error_set(err, ERROR_INVALID, "model_sha256 is not 64 hex digits");
    return model == NULL || digest_equal(&of, model) ||
           error_set(err, ERROR_STATE, "it is of other files than the model has now");
}

static bool read_file(struct canary_file *c, json_t *file, const struct digest *model,
                      struct error *err)
{
    return check_model(file, model, err) && read_recipe(c, json_object_get(file, "recipe"), err) &&
           read_answers(c, json_object_get(file, "frames_sha256"), err) &&
           read_frame(c, json_object_get(file, "frame"), err);
}

bool canary_file_read(struct canary_file *c, const char *folder, const struct digest *model,
                      struct error *err)
{
    *c = (struct canary_file){0};
    char *path = path_join(folder, "canary.json");
    json_t *file = json_parse_file(path, CANARY_BYTES_MAX, err);
    bool ok = file != NULL && read_file(c, file, model, err);
    if (file != NULL && !ok) error_wrap(err, "%s", path);
    if (!ok) canary_file_finish(c);
    json_decref(file);
    free(path);
    return ok;
}

bool canary_file_derive(struct canary_file *c, const json_t *facts, struct error *err)
{
    *c = (struct canary_file){0};
    json_t *recipe = canary_recipe_of(facts, err);
    bool ok = recipe != NULL && take_recipe(c, recipe, err);
    if (!ok) canary_file_finish(c);
    json_decref(recipe);
    return ok;
}

void canary_file_finish(struct canary_file *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->answers[i].fingerprint);
    free(c->answers);
    free(c->recipe);
    free(c->rgb);
    *c = (struct canary_file){0};
}

enum canary_verdict canary_file_judge(const struct canary_file *c, const char *fingerprint,
                                      const struct digest *frames_sha256)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct canary_answer *a = &c->answers[i];
        if (a->fingerprint != NULL && strcmp(a->fingerprint, fingerprint) != 0) continue;
        return digest_equal(&a->frames_sha256, frames_sha256) ? CANARY_RIGHT : CANARY_WRONG;
    }
    return CANARY_UNKNOWN;
}

enum canary_verdict canary_file_compare(const struct canary_file *c, struct bytes rgb)
{
    const size_t size = (size_t)c->width * c->height * 3;
    uint64_t sum = 0;
    if (c->rgb == NULL) return CANARY_UNKNOWN;
    if (rgb.size != size) return CANARY_WRONG;
    for (size_t i = 0; i < size; i++) {
        const int by = rgb.data[i] - c->rgb[i];
        sum += (uint64_t)(by * by);
    }
    return sum <= (uint64_t)CANARY_TOLERANCE * CANARY_TOLERANCE * size ? CANARY_RIGHT
                                                                       : CANARY_WRONG;
}

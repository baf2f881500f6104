/* canary_file: see the header. */
#include "coordinator/canary_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/recipe.h"
#include "base/xalloc.h"

#define CANARY_BYTES_MAX (1024 * 1024)

static bool add_answer(struct canary_file *c, const char *fingerprint, const json_t *hex,
                       struct error *err)
{
    struct canary_answer answer = {0};
    const char *text = json_string_value(hex);
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

static bool read_file(struct canary_file *c, json_t *file, struct error *err)
{
    json_t *recipe = json_object_get(file, "recipe");
    if (!json_is_object(recipe)) return error_set(err, ERROR_INVALID, "there is no recipe");
    if (!recipe_check(recipe, err)) return false;
    c->recipe = recipe_canonical(recipe);
    return read_answers(c, json_object_get(file, "frames_sha256"), err);
}

bool canary_file_read(struct canary_file *c, const char *folder, struct error *err)
{
    *c = (struct canary_file){0};
    char *path = path_join(folder, "canary.json");
    json_t *file = json_parse_file(path, CANARY_BYTES_MAX, err);
    bool ok = file != NULL && read_file(c, file, err);
    if (file != NULL && !ok) error_wrap(err, "%s", path);
    if (!ok) canary_file_finish(c);
    json_decref(file);
    free(path);
    return ok;
}

void canary_file_finish(struct canary_file *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->answers[i].fingerprint);
    free(c->answers);
    free(c->recipe);
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

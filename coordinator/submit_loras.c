#include "coordinator/submit_loras.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"
#include "coordinator/engine_child.h"

#define TRIAL_LIMIT_MS 10000

static const struct model *find_by_name(const struct model_list *models, const char *name,
                                        struct error *err)
{
    const struct model *found = model_list_find(models, name);
    if (found != NULL && found->is_lora) return found;
    const char *nearest = model_list_nearest_lora(models, name);
    error_set(err, ERROR_INVALID, "%s '%.100s'%s%s%s",
              found != NULL ? "a model is no LoRA:" : "there is no LoRA", name,
              nearest ? "; did you mean '" : "; `zoe model list` shows them",
              nearest ? nearest : "", nearest ? "'?" : "");
    return NULL;
}

static const struct model *find_by_digest(const struct model_list *models, const char *name,
                                          const char *hex, struct error *err)
{
    struct digest digest;
    const struct model *found =
        digest_parse(hex, &digest) ? model_list_find_digest(models, &digest) : NULL;
    if (found != NULL && found->is_lora) return found;
    error_set(err, ERROR_INVALID,
              "the LoRA '%.100s' of digest %.12s is not here: add it, or leave the digest out to "
              "take the one of this name",
              name, hex);
    return NULL;
}

/* ---- against the model ---- */

struct verdict {
    bool fits;
    char *words; /* why not; or of one that fits in part; NULL: all is well */
};

void submit_loras_init(struct submit_loras *l, const struct model_list *models)
{
    l->models = models;
    table_init(&l->tried);
}

void submit_loras_finish(struct submit_loras *l)
{
    struct verdict *verdict;
    for (size_t i = 0; (verdict = table_next(&l->tried, &i, NULL, NULL)) != NULL;) {
        free(verdict->words);
        free(verdict);
    }
    table_finish(&l->tried);
}

static char *words_about(const json_t *report, const struct model *lora, const struct model *model)
{
    const json_t *files = json_object_get(report, "loras"), *file;
    size_t i;
    long long matched = 0, tensors = 0;
    const char *stranger = NULL;
    json_array_foreach(files, i, file)
    {
        matched += json_integer_value(json_object_get(file, "matched"));
        tensors += json_integer_value(json_object_get(file, "tensors"));
        const json_t *strangers = json_object_get(file, "strangers");
        if (stranger == NULL) stranger = json_string_value(json_array_get(strangers, 0));
    }
    if (matched == tensors || stranger == NULL) return NULL;
    return xasprintf("of the LoRA '%s' the model '%s' takes %lld of %lld tensors; one that it does "
                     "not take is %.200s",
                     lora->name, model->name, matched, tensors, stranger);
}

/* A trial that cannot be made is left to the worker. */
static void try_out(const struct submit_loras *l, const struct model *lora,
                    const struct model *model, struct verdict *out)
{
    const char *const arguments[] = {"zoe-engine", "lora",       "--model", model->folder,
                                     "--lora",     lora->folder, NULL};
    struct buf answer = BUF_INIT;
    int status;
    out->fits = true;
    if (l->models->engine == NULL ||
        !engine_child_run(l->models->engine, arguments, TRIAL_LIMIT_MS, &answer, &status, NULL)) {
        buf_finish(&answer);
        return;
    }
    json_t *report = json_parse(buf_text(&answer), answer.size, "zoe-engine lora", NULL);
    const char *error = json_string_value(json_object_get(report, "error"));
    out->fits = error == NULL;
    out->words = error != NULL ? xstrdup(error) : words_about(report, lora, model);
    json_decref(report);
    buf_finish(&answer);
}

static bool check_fit(struct submit_loras *l, const struct model *lora, const struct model *model,
                      struct error *err)
{
    const struct digest key[] = {model->digest, lora->digest};
    struct verdict *verdict = table_get(&l->tried, key, sizeof key);
    if (verdict == NULL) {
        verdict = xcalloc(1, sizeof *verdict);
        try_out(l, lora, model, verdict);
        (void)table_set(&l->tried, key, sizeof key, verdict);
    }
    return verdict->fits || error_set(err, ERROR_INVALID, "%s", verdict->words);
}

void submit_loras_warn(const struct submit_loras *l, char **warnings, uint32_t *count, uint32_t max)
{
    const struct verdict *verdict;
    for (size_t i = 0; (verdict = table_next(&l->tried, &i, NULL, NULL)) != NULL;)
        if (verdict->fits && verdict->words != NULL && *count < max)
            warnings[(*count)++] = xstrdup(verdict->words);
}

/* ---- pinning ---- */

static bool pin(struct submit_loras *l, json_t *lora, const struct model *model, struct error *err)
{
    char hex[DIGEST_TEXT_SIZE];
    const char *name = json_string_value(json_object_get(lora, "name"));
    const char *given = json_string_value(json_object_get(lora, "digest"));
    const struct model *found = given != NULL ? find_by_digest(l->models, name, given, err)
                                              : find_by_name(l->models, name, err);
    if (found == NULL || !check_fit(l, found, model, err)) return false;
    digest_text(&found->digest, hex);
    json_object_set_new(lora, "digest", json_string(hex));
    return true;
}

bool submit_loras_pin(struct submit_loras *l, json_t *recipe, const struct model *model,
                      const json_t *facts, struct error *err)
{
    json_t *loras = json_object_get(recipe, "loras"), *lora;
    size_t i;
    if (loras == NULL) return true;
    if (!json_is_true(json_object_get(facts, "loras")))
        return error_set(err, ERROR_INVALID, "the model '%s' takes none", model->name);
    json_array_foreach(loras, i, lora)
    {
        if (!pin(l, lora, model, err)) return false;
    }
    return true;
}

struct digest submit_loras_digest(const json_t *recipe)
{
    struct digest none = {{0}};
    const json_t *loras = json_object_get(recipe, "loras");
    if (loras == NULL) return none;
    char *text = json_canonical(loras);
    struct digest digest = digest_of(text, strlen(text));
    free(text);
    return digest;
}

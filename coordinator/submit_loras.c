#include "coordinator/submit_loras.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

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

static bool pin(json_t *lora, const struct model_list *models, struct error *err)
{
    char hex[DIGEST_TEXT_SIZE];
    const char *name = json_string_value(json_object_get(lora, "name"));
    const char *given = json_string_value(json_object_get(lora, "digest"));
    const struct model *found =
        given != NULL ? find_by_digest(models, name, given, err) : find_by_name(models, name, err);
    if (found == NULL) return false;
    digest_text(&found->digest, hex);
    json_object_set_new(lora, "digest", json_string(hex));
    return true;
}

bool submit_loras_pin(json_t *recipe, const json_t *facts, const struct model_list *models,
                      struct error *err)
{
    json_t *loras = json_object_get(recipe, "loras"), *lora;
    size_t i;
    if (loras == NULL) return true;
    if (!json_is_true(json_object_get(facts, "loras")))
        return error_set(err, ERROR_INVALID, "this model takes none");
    json_array_foreach(loras, i, lora)
    {
        if (!pin(lora, models, err)) return false;
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

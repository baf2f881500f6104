/* What engine.h offers about LoRAs, beside opening models with them. */
#include "engine/engine.h"

#include <math.h>
#include <stdlib.h>

#include "base/recipe.h"
#include "engine/job.h"
#include "engine/lora/lora_file.h"
#include "engine/lora/lora_model.h"
#include "engine/lora/lora_set.h"
#include "engine/loras.h"

bool loras_begin(struct loras *l, const struct model_folder *folder, const json_t *loras,
                 struct error *err)
{
    *l = (struct loras){NULL, NULL};
    if (json_array_size(loras) == 0) return true;
    l->base = lora_model_base(folder, err);
    if (l->base != NULL) l->set = lora_set_open(loras, l->base, err);
    if (l->set != NULL) return true;
    loras_end(l);
    return false;
}

void loras_end(struct loras *l)
{
    lora_set_close(l->set);
    lora_base_free(l->base);
    *l = (struct loras){NULL, NULL};
}

bool loras_check(const json_t *opened, const json_t *recipe, struct error *err)
{
    const json_t *named = json_object_get(recipe, "loras"), *lora;
    size_t i;
    if (json_array_size(named) != json_array_size(opened))
        return error_set(err, ERROR_STATE, "loras: the recipe names %zu, the model has %zu",
                         json_array_size(named), json_array_size(opened));
    json_array_foreach(named, i, lora)
    {
        const json_t *have = json_array_get(opened, i);
        if (recipe_real(lora, "strength", 1) != recipe_real(have, "strength", 1))
            return error_set(err, ERROR_STATE, "loras: \"%.64s\" was opened with another strength",
                             recipe_text(lora, "name", ""));
    }
    return true;
}

json_t *engine_lora_describe(const char *path, struct error *err)
{
    char **files;
    size_t count;
    if (!lora_set_files(path, &files, &count, err)) return NULL;
    json_t *list = json_array();
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        json_t *file = lora_file_describe(files[i], err);
        ok = file != NULL;
        if (ok) json_array_append_new(list, file);
    }
    lora_set_files_free(files, count);
    if (ok) return list;
    json_decref(list);
    return NULL;
}

json_t *engine_lora_match(const char *folder, const json_t *loras, struct error *err)
{
    struct model_folder m;
    struct loras l;
    if (!model_folder_open(&m, folder, err)) return NULL;
    json_t *report = NULL;
    if (loras_begin(&l, &m, loras, err)) report = l.set ? lora_set_report(l.set) : json_array();
    loras_end(&l);
    model_folder_close(&m);
    return report;
}

const json_t *engine_lora_report(const struct engine_model *model)
{
    return model->lora_report;
}

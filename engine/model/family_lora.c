/* lora: a folder that holds a LoRA: listed, described and sent to workers as models are, but
 * opened only together with the model that it changes (engine_options.loras). */
#include <stdlib.h>

#include "engine/model/family.h"

static bool describe(const struct model_folder *folder, json_t *facts, struct error *err)
{
    json_t *files = engine_lora_describe(folder->path, err);
    if (files == NULL) return false;
    json_object_set_new(facts, "files", files);
    return true;
}

static void *open_alone(const struct model_folder *folder, struct ops *ops, struct error *err)
{
    (void)ops;
    error_set(err, ERROR_USAGE, "%s is a LoRA: it changes a model and is none", folder->path);
    return NULL;
}

static const char *const pipelines[] = {NULL};

extern const struct family family_lora;
const struct family family_lora = {
    .name = "lora",
    .pipelines = pipelines,
    .describe = describe,
    .open = open_alone,
    .close = free,
};

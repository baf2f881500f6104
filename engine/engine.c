#include "engine/engine.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "engine/fingerprint.h"
#include "engine/folder/model_folder.h"
#include "engine/job.h"
#include "engine/lora/lora_set.h"
#include "engine/loras.h"

json_t *engine_describe(const char *folder, struct error *err)
{
    struct model_folder m;
    if (!model_folder_open(&m, folder, err)) return NULL;
    json_t *facts = model_folder_facts(&m, err);
    model_folder_close(&m);
    return facts;
}

/* The LoRAs' files are needed only until the merged weights are prepared. */
static bool open_weights(struct engine_model *model, const struct model_folder *folder,
                         const json_t *loras, struct error *err)
{
    struct loras l;
    if (!loras_begin(&l, folder, loras, err)) return false;
    model->ops->loras = l.set;
    model->state = model->family->open(folder, model->ops, err);
    model->ops->loras = NULL;
    if (l.set != NULL) {
        model->loras = json_deep_copy(loras);
        model->lora_report = lora_set_report(l.set);
    }
    loras_end(&l);
    return model->state != NULL;
}

static bool open_parts(struct engine_model *model, const struct model_folder *folder,
                       const struct engine_options *options, struct error *err)
{
    model->family = folder->family;
    model->facts = model_folder_facts(folder, err);
    if (model->facts == NULL) return false;
    model->ops = ops_new(options->backend, options->threads, err);
    return model->ops != NULL && open_weights(model, folder, options->loras, err);
}

struct engine_model *engine_open(const char *folder, const struct engine_options *options,
                                 struct error *err)
{
    struct model_folder m;
    if (!model_folder_open(&m, folder, err)) return NULL;
    struct engine_model *model = xcalloc(1, sizeof *model);
    const bool ok = open_parts(model, &m, options, err);
    model_folder_close(&m);
    if (ok) return model;
    engine_close(model);
    return NULL;
}

void engine_close(struct engine_model *model)
{
    if (model == NULL) return;
    if (model->state != NULL) model->family->close(model->state);
    ops_free(model->ops);
    json_decref(model->facts);
    json_decref(model->loras);
    json_decref(model->lora_report);
    free(model);
}

struct engine_memory engine_memory(const struct engine_model *model)
{
    const struct ops *ops = model->ops;
    const struct backend_usage usage = ops->backend->usage(ops->context);
    return (struct engine_memory){.stored = ops->stored_bytes,
                                  .weights = ops->weight_bytes,
                                  .transformed = usage.transformed_bytes,
                                  .tensors = ops->planned_bytes,
                                  .live = ops->live_bytes,
                                  .workspace = usage.workspace_bytes};
}

void engine_fingerprint(const struct engine_model *model, char out[ENGINE_FINGERPRINT_SIZE])
{
    fingerprint_text(model->family->uses_backend ? model->ops : NULL, out);
}

bool engine_fingerprint_of(const struct engine_options *options, char out[ENGINE_FINGERPRINT_SIZE],
                           struct error *err)
{
    struct ops *ops = ops_new(options->backend, options->threads, err);
    if (ops == NULL) return false;
    fingerprint_text(ops, out);
    ops_free(ops);
    return true;
}

bool engine_check_recipe(const json_t *facts, const json_t *recipe, struct error *err)
{
    struct request request;
    return request_parse_recipe(&request, facts, recipe, err);
}

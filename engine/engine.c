#include "engine/engine.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "engine/fingerprint.h"
#include "engine/job.h"
#include "engine/model_folder.h"

json_t *engine_describe(const char *folder, struct error *err)
{
    struct model_folder m;
    if (!model_folder_open(&m, folder, err)) return NULL;
    json_t *facts = model_folder_facts(&m, err);
    model_folder_close(&m);
    return facts;
}

static bool open_parts(struct engine_model *model, const struct model_folder *folder,
                       const struct engine_options *options, struct error *err)
{
    model->family = folder->family;
    model->facts = model_folder_facts(folder, err);
    if (model->facts == NULL) return false;
    model->ops = ops_new(options->backend, options->threads, err);
    if (model->ops == NULL) return false;
    model->state = model->family->open(folder, model->ops, err);
    return model->state != NULL;
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
    free(model);
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

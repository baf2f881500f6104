/* submit_loras: the LoRAs that a submission names: found among the registered models, pinned by
 * their digests, so that a folder that changes later changes no batch, and tried against the model
 * (`zoe-engine lora`): one that does not fit at all is refused here, not by a worker. For a pool
 * thread. Room-internal: submit_variant.c. */
#ifndef ZOE_COORDINATOR_SUBMIT_LORAS_H
#define ZOE_COORDINATOR_SUBMIT_LORAS_H

#include <jansson.h>

#include "base/table.h"
#include "coordinator/models.h"

struct submit_loras {
    const struct model_list *models;
    struct table tried; /* model and LoRA, as digests -> struct verdict */
};

void submit_loras_init(struct submit_loras *l, const struct model_list *models);
void submit_loras_finish(struct submit_loras *l);

/* Puts "digest" into each member of recipe["loras"], which is checked already; one that names a
 * digest gets that very LoRA, whatever its folder is called by now. `facts` are the model's. */
bool submit_loras_pin(struct submit_loras *l, json_t *recipe, const struct model *model,
                      const json_t *facts, struct error *err);

/* What is worth a word: LoRAs that fit in part. Adds texts that the caller frees. */
void submit_loras_warn(const struct submit_loras *l, char **warnings, uint32_t *count,
                       uint32_t max);

/* Of the pinned list; zero without one. */
struct digest submit_loras_digest(const json_t *recipe);

#endif

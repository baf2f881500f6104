/* submit_loras: the LoRAs that a line names: found among the registered models and pinned by their
 * digests, so that a folder that changes later changes no batch. Room-internal: submit_variant.c.
 */
#ifndef ZOE_COORDINATOR_SUBMIT_LORAS_H
#define ZOE_COORDINATOR_SUBMIT_LORAS_H

#include <jansson.h>

#include "coordinator/models.h"

/* Puts "digest" into each member of recipe["loras"], which is checked already; one that names a
 * digest gets that very LoRA, whatever its folder is called by now. `facts` are the model's. */
bool submit_loras_pin(json_t *recipe, const json_t *facts, const struct model_list *models,
                      struct error *err);

/* Of the pinned list; zero without one. */
struct digest submit_loras_digest(const json_t *recipe);

#endif

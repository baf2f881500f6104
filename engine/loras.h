/* loras: the LoRAs of one model while it opens. Internal to engine/. */
#ifndef ZOE_ENGINE_LORAS_H
#define ZOE_ENGINE_LORAS_H

#include <jansson.h>

#include "base/error.h"
#include "engine/folder/model_folder.h"

struct lora_base;
struct lora_set;

struct loras {
    struct lora_base *base;
    struct lora_set *set; /* NULL: none are wanted */
};

/* Reads the files against the folder's modules. `loras` as in engine_options, may be NULL. */
bool loras_begin(struct loras *l, const struct model_folder *folder, const json_t *loras,
                 struct error *err);
void loras_end(struct loras *l); /* after the weights are prepared; twice is fine */

/* Was a model opened with these LoRAs (engine_options) opened for this recipe? ERROR_STATE. */
bool loras_check(const json_t *opened, const json_t *recipe, struct error *err);

#endif

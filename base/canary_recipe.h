/* canary_recipe: what a model renders to show that it is rendered right (W2), unless its
 * canary.json says something else: one frame of 64x64 in two steps, or the least that its family
 * can do above that. The coordinator, the engine and whoever writes a canary.json derive it alike.
 */
#ifndef ZOE_BASE_CANARY_RECIPE_H
#define ZOE_BASE_CANARY_RECIPE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define CANARY_RECIPE_SIDE 64
#define CANARY_RECIPE_STEPS 2

/* Whether a model of these facts (engine_describe) has one: LoRAs render nothing by themselves, and
 * the `pattern` family is what every worker renders at joining. */
bool canary_recipe_is_for(const json_t *facts);
/* Filled (recipe_fill); new reference. NULL: the facts allow none. */
json_t *canary_recipe_of(const json_t *facts, struct error *err);

#endif

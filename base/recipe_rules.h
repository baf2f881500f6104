/* recipe_rules: what a recipe cannot be with a given model. recipe.h checks its fields one by one;
 * here are the rules between fields, and between fields and the facts of the model. Whoever accepts
 * a recipe (coordinator) and whoever renders it (engine) ask the same. Pure. */
#ifndef ZOE_BASE_RECIPE_RULES_H
#define ZOE_BASE_RECIPE_RULES_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* `facts` as `zoe-engine describe` prints them (engine/engine.h); a fact that is not there forbids
 * nothing. `recipe` is filled (recipe_fill). ERROR_USAGE: `*field` is the field at fault (a
 * constant), the message says why without naming it. */
bool recipe_rules_check(const json_t *facts, const json_t *recipe, const char **field,
                        struct error *err);

#endif

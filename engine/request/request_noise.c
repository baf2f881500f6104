#include "engine/request/request_noise.h"

#include <string.h>

#include "base/recipe.h"

bool request_noise_read(struct request_noise *n, const json_t *recipe, struct error *err)
{
    const char *name = recipe_text(recipe, "noise", "");
    memset(n, 0, sizeof *n);
    n->noise = noise_find(name);
    n->setup.seed = (uint64_t)recipe_int(recipe, "seed", 0);
    n->setup.cuda_threads = recipe_int(recipe, "cuda_threads", 0);
    n->batch_size = (int)recipe_int(recipe, "batch_size", 1);
    n->batch_index = (int)recipe_int(recipe, "batch_index", 0);
    return n->noise != NULL || error_set(err, ERROR_USAGE, "noise: \"%s\" is not built", name);
}

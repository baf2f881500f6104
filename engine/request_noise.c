#include "engine/request_noise.h"

#include <string.h>

#include "base/recipe.h"

static bool is_listed(const json_t *facts, const char *name)
{
    const json_t *item;
    size_t i;
    json_array_foreach(json_object_get(facts, "noises"), i, item)
    {
        if (strcmp(json_string_value(item), name) == 0) return true;
    }
    return false;
}

static bool check_threads(const struct request_noise *n, struct error *err)
{
    const bool cuda = strcmp(n->noise->name, "cuda") == 0;
    if (cuda && n->setup.cuda_threads == 0)
        return error_set(err, ERROR_USAGE,
                         "cuda_threads: noise of the kind cuda depends on the card: its"
                         " multiprocessors times the threads of each, 270336 on an H100");
    if (!cuda && n->setup.cuda_threads != 0)
        return error_set(err, ERROR_USAGE, "cuda_threads: only for noise of the kind cuda");
    return true;
}

static bool check_batch(const struct request_noise *n, const json_t *recipe, struct error *err)
{
    const bool given = json_object_get(recipe, "batch_size") != NULL ||
                       json_object_get(recipe, "batch_index") != NULL;
    if (given && n->noise->normal == NULL)
        return error_set(err, ERROR_USAGE, "batch_size: %s noise has no generator to share",
                         n->noise->name);
    if (n->batch_index < n->batch_size) return true;
    return error_set(err, ERROR_USAGE,
                     "batch_index: there is no clip %d in a batch of %d (they"
                     " count from 0)",
                     n->batch_index, n->batch_size);
}

bool request_noise_read(struct request_noise *n, const json_t *facts, const json_t *recipe,
                        struct error *err)
{
    const char *name = recipe_text(recipe, "noise", "");
    memset(n, 0, sizeof *n);
    n->noise = noise_find(name);
    n->setup.seed = (uint64_t)recipe_int(recipe, "seed", 0);
    n->setup.cuda_threads = recipe_int(recipe, "cuda_threads", 0);
    n->batch_size = (int)recipe_int(recipe, "batch_size", 1);
    n->batch_index = (int)recipe_int(recipe, "batch_index", 0);
    if (n->noise == NULL || !is_listed(facts, name))
        return error_set(err, ERROR_USAGE, "noise: \"%s\" is not built for this model", name);
    return check_threads(n, err) && check_batch(n, recipe, err);
}

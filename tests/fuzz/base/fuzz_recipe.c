/* A recipe from outside: parse, check, fill, canonical form; what passes once must pass again
 * unchanged. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/recipe.h"
#include "base/xalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    json_t *recipe = json_parse((const char *)data, size, "input", &err);
    if (recipe && json_is_object(recipe) && recipe_check(recipe, &err)) {
        char *once = recipe_canonical(recipe);
        json_t *again = json_parse(once, strlen(once), "canonical", &err);
        ZOE_ASSERT(again && recipe_check(again, &err));
        char *twice = recipe_canonical(again);
        ZOE_ASSERT(strcmp(once, twice) == 0);
        free(once);
        free(twice);
        json_decref(again);
    }
    json_decref(recipe);
    return 0;
}

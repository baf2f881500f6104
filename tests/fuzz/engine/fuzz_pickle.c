/* A pickle from outside: data comes of it, or an error. */
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/xalloc.h"
#include "engine/file/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEPTH_MAX 6
#define ITEMS_MAX 64

static size_t total_length; /* so that texts are really read */

/* The values may contain themselves: so far and no further. */
static void look(const struct pickle_value *value, int depth)
{
    ZOE_ASSERT(value != NULL);
    if (value->kind == PICKLE_TEXT || value->kind == PICKLE_CLASS || value->kind == PICKLE_INERT)
        total_length += strlen(value->text);
    if (value->kind == PICKLE_STORAGE) ZOE_ASSERT(value->storage.count >= 0);
    if (value->kind == PICKLE_TENSOR && value->tensor.sound)
        ZOE_ASSERT(value->tensor.rank >= 0 && value->tensor.rank <= PICKLE_RANK_MAX &&
                   value->tensor.storage != NULL);
    if (value->kind == PICKLE_DICT) {
        ZOE_ASSERT(value->items.count % 2 == 0);
        (void)pickle_get(value, "state_dict");
    }
    if (value->kind != PICKLE_TUPLE && value->kind != PICKLE_LIST && value->kind != PICKLE_DICT)
        return;
    for (size_t i = 0; depth < DEPTH_MAX && i < value->items.count && i < ITEMS_MAX; i++)
        look(value->items.at[i], depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct pickle *p = pickle_read(data, size, "input", &err);
    if (p != NULL)
        look(pickle_root(p), 0);
    else
        ZOE_ASSERT(err.code == ERROR_INVALID && err.message[0] != '\0');
    pickle_free(p);
    return 0;
}

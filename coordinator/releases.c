#include "coordinator/releases.h"

#include <stdlib.h>

#include "base/xalloc.h"

void releases_add(struct releases *r, const struct digest *digest)
{
    if (r->count == r->capacity) {
        r->capacity = r->capacity == 0 ? 16 : 2 * r->capacity;
        r->items = xrealloc_array(r->items, r->capacity, sizeof(*r->items));
    }
    r->items[r->count++] = *digest;
}

void releases_run(struct releases *r, struct artifacts *a)
{
    for (size_t i = 0; i < r->count; i++)
        artifacts_release(a, &r->items[i]);
    r->count = 0;
}

void releases_finish(struct releases *r)
{
    free(r->items);
    *r = (struct releases){.items = NULL};
}

#include <string.h>

#include "engine/backend.h"

extern const struct backend backend_ref;
extern const struct backend backend_cpu;

/* One row a backend, the slowest first: the last row is the default. To add one, declare it above
 * and put its row here. */
static const struct backend *const backends[] = {
    &backend_ref,
    &backend_cpu,
};

#define BACKEND_COUNT ((int)(sizeof backends / sizeof backends[0]))

const struct backend *backend_find(const char *name)
{
    if (name == NULL) return backends[BACKEND_COUNT - 1];
    for (int i = 0; i < BACKEND_COUNT; i++)
        if (strcmp(backends[i]->name, name) == 0) return backends[i];
    return NULL;
}

const struct backend *const *backend_all(int *count_out)
{
    *count_out = BACKEND_COUNT;
    return backends;
}

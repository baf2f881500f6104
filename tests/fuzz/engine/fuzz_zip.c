/* An archive from outside: what is taken lies within it, entry by entry. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/xalloc.h"
#include "engine/file/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(const struct zip *z, const uint8_t *data, size_t size)
{
    for (int i = 0; i < zip_count(z); i++) {
        const struct zip_entry *e = zip_at(z, i);
        ZOE_ASSERT(e->data >= data && e->data <= data + size &&
                   e->size_bytes <= size - (size_t)(e->data - data));
        ZOE_ASSERT(zip_find(z, e->name) == e);
        ZOE_ASSERT(i == 0 || e->data >= e[-1].data + e[-1].size_bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct zip *z = zip_open(data, size, "input", &err);
    if (z != NULL)
        touch(z, data, size);
    else
        ZOE_ASSERT(err.code == ERROR_INVALID && err.message[0] != '\0');
    zip_close(z);
    return 0;
}

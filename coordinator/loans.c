/* loans: see the header. */
#include "coordinator/loans.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "proto/limits.h"

void loans_init(struct loans *l)
{
    l->total_bytes = 0;
    table_init(&l->owners);
}

void loans_finish(struct loans *l)
{
    table_finish_all(&l->owners);
}

uint64_t loans_offer(const struct loans *l, const char *owner, uint64_t wanted_bytes)
{
    const uint64_t *lent = table_get_text(&l->owners, owner);
    const uint64_t own = lent != NULL ? *lent : 0, left = INTAKE_POOL_BYTES - l->total_bytes;
    const uint64_t room = left > own ? (left - own) / 2 : 0;
    if (wanted_bytes <= room) return wanted_bytes;
    return room >= LIMIT_CHUNK_BYTES ? room : 0;
}

void loans_add(struct loans *l, const char *owner, uint64_t size_bytes)
{
    uint64_t *lent = table_get_text(&l->owners, owner);
    if (size_bytes == 0) return;
    if (lent == NULL) {
        lent = xcalloc(1, sizeof(*lent));
        (void)table_set_text(&l->owners, owner, lent);
    }
    *lent += size_bytes;
    l->total_bytes += size_bytes;
}

void loans_end(struct loans *l, const char *owner, uint64_t size_bytes)
{
    uint64_t *lent = table_get_text(&l->owners, owner);
    if (lent == NULL) return;
    *lent -= size_bytes;
    l->total_bytes -= size_bytes;
    if (*lent == 0) free(table_remove_text(&l->owners, owner));
}

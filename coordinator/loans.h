/* loans: what of the farm's pool of credit is lent to the files of clients on their way, altogether
 * and to each owner. Half of the pool is for clients: no crowd of them can hold up results. Of that
 * half no owner is lent more than is left for the others then: whoever comes finds something. */
#ifndef ZOE_COORDINATOR_LOANS_H
#define ZOE_COORDINATOR_LOANS_H

#include <stdint.h>

#include "base/table.h"

struct loans {
    uint64_t total_bytes;
    struct table owners; /* name -> uint64_t: bytes; only who has some */
};

void loans_init(struct loans *l);
void loans_finish(struct loans *l);
/* How much of what is wanted this owner may be lent; no crumbs that a chunk would not fit in. */
uint64_t loans_offer(const struct loans *l, const char *owner, uint64_t wanted_bytes);
void loans_add(struct loans *l, const char *owner, uint64_t size_bytes);
void loans_end(struct loans *l, const char *owner, uint64_t size_bytes);

#endif

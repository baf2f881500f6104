/* releases: holds on artifacts (artifacts.h) that end later: a file whose use was written stays
 * held until the turn that wrote it is committed. Zeroed = empty. Loop thread only. */
#ifndef ZOE_COORDINATOR_RELEASES_H
#define ZOE_COORDINATOR_RELEASES_H

#include <stddef.h>

#include "coordinator/artifacts.h"

struct releases {
    struct digest *items;
    size_t count;
    size_t capacity;
};

void releases_add(struct releases *r, const struct digest *digest);
void releases_run(struct releases *r, struct artifacts *a); /* all of them; it is empty then */
void releases_finish(struct releases *r);                   /* forgets them; the holds stay */

#endif

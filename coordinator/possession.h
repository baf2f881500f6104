/* possession: which owners have shown that they have which files, by sending them. Who only knows a
 * digest is not told that a file is here, and can start nothing from it. Forgotten at a restart,
 * and the first when there are many: then the file is sent once more. Loop thread. */
#ifndef ZOE_COORDINATOR_POSSESSION_H
#define ZOE_COORDINATOR_POSSESSION_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/table.h"

struct possessions {
    struct table shown; /* digest and owner -> not NULL */
};

void possessions_init(struct possessions *p);
void possessions_finish(struct possessions *p);
void possessions_add(struct possessions *p, const char *owner, const struct digest *sha256);
bool possessions_has(const struct possessions *p, const char *owner, const struct digest *sha256);

#endif

/* backup: a whole copy of the database while the farm works, for `zoe coordinator backup FILE`.
 *
 * The copy grows beside its last name (FILE.part) by a few milliseconds a turn; then a pool thread
 * reads it through, syncs it and gives it its name, never over another file. One at a time; asking
 * again for the same file waits for the one under way. Loop thread. */
#ifndef ZOE_COORDINATOR_BACKUP_H
#define ZOE_COORDINATOR_BACKUP_H

#include "coordinator/dispatch.h"

struct backup;

void backup_wanted(struct dispatch *d);
/* After the turn's commit: copies some pages. */
void backup_step(struct coordinator *c);
/* When it wants the next turn; INT64_MAX when there is nothing to copy. */
int64_t backup_next(const struct coordinator *c, int64_t now_ns);
/* The end: what is not complete goes. */
void backup_finish(struct coordinator *c);

#endif

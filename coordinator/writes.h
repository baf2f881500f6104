/* writes: the core's write effects, put into the store's open transaction. */
#ifndef ZOE_COORDINATOR_WRITES_H
#define ZOE_COORDINATOR_WRITES_H

struct coordinator;

void writes_apply(struct coordinator *c);
/* After the commit: what the writes mean for files, watchers and tests. */
void writes_committed(struct coordinator *c);

#endif

/* store_texts: texts of a single-row answer, which outlive the statement until the next such call.
 * Room-internal: store*.c. */
#ifndef ZOE_COORDINATOR_STORE_TEXTS_H
#define ZOE_COORDINATOR_STORE_TEXTS_H

#include "base/buf.h"

#define STORE_TEXTS_MAX 8

/* Copies `count` texts (NULL = "") into `keep`, end to end, and points them there. */
void store_texts_keep(struct buf *keep, const char **texts[], int count);

#endif

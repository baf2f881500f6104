/* model_signature: what a model's folder looks like without reading a file: the digest of the
 * names, sizes and times of its files. Folders that look alike hold the same weights: a file's time
 * of change (ctime) cannot be set. Inode numbers are left out: some network file systems change
 * them by themselves. Any thread. */
#ifndef ZOE_WORKER_MODEL_SIGNATURE_H
#define ZOE_WORKER_MODEL_SIGNATURE_H

#include <stdbool.h>

#include "base/digest.h"

/* False when it cannot be looked at. What is no part of a model (base/model_digest.h) does not
 * count. */
bool model_signature(const char *folder, struct digest *out);

#endif

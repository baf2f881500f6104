/* reread: whether stored files still are what their names say, read on a pool thread: for when a
 * child could not make anything of them, and nobody knows whether the disk is at fault. */
#ifndef ZOE_COORDINATOR_REREAD_H
#define ZOE_COORDINATOR_REREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/digest.h"

struct artifacts;
struct reread;

/* `damaged[i]`: the i-th is gone, cannot be read, or holds other bytes. Borrowed. */
typedef void (*reread_done)(void *context, const bool *damaged);

/* The digests are copied. `done` runs on the loop thread, on a later turn. */
struct reread *reread_start(uv_loop_t *loop, struct artifacts *artifacts,
                            const struct digest *digests, uint32_t count, reread_done done,
                            void *context);
/* `done` never runs. NULL is fine. */
void reread_cancel(struct reread *r);

#endif

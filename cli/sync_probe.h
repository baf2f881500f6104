/* sync_probe: how long a disk takes to keep one small write: what a commit cannot be faster than.
 */
#ifndef ZOE_CLI_SYNC_PROBE_H
#define ZOE_CLI_SYNC_PROBE_H

#include <stdint.h>

#define SYNC_PROBE_MAX 64

/* Writes a block into a file of its own in `folder` and syncs it with `sync` (fsync or fdatasync),
 * `count` times, at most SYNC_PROBE_MAX; the file is gone afterwards. Returns how many went well
 * before one did not; *median_ns is of those, 0 of none. */
int sync_probe(const char *folder, int (*sync)(int fd), int count, int64_t *median_ns);

#endif

/* disk: when a disk of the coordinator counts as low (D1). Pure. */
#ifndef ZOE_BASE_DISK_H
#define ZOE_BASE_DISK_H

#include <stdbool.h>
#include <stdint.h>

/* 1 GiB, or 5 % of a disk smaller than 20 GiB. */
uint64_t disk_low_bytes(uint64_t total_bytes);
/* Below that, plus `reserved_bytes` (what stitching will need), the disk is low; above twice that,
 * plus the reserve, it is well again; between the two it stays what it was. */
bool disk_is_low(bool was_low, uint64_t free_bytes, uint64_t total_bytes, uint64_t reserved_bytes);

#endif

#include "base/disk.h"

#define LOW_BYTES (UINT64_C(1) << 30)
#define LOW_SHARE 20

uint64_t disk_low_bytes(uint64_t total_bytes)
{
    uint64_t share = total_bytes / LOW_SHARE;
    return share < LOW_BYTES ? share : LOW_BYTES;
}

bool disk_is_low(bool was_low, uint64_t free_bytes, uint64_t total_bytes, uint64_t reserved_bytes)
{
    uint64_t low = disk_low_bytes(total_bytes);
    uint64_t left = free_bytes > reserved_bytes ? free_bytes - reserved_bytes : 0;
    if (left < low) return true;
    return was_low && left <= 2 * low;
}

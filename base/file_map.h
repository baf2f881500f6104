/* file_map: a whole file mapped for reading. */
#ifndef ZOE_BASE_FILE_MAP_H
#define ZOE_BASE_FILE_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct file_map {
    const unsigned char *data;
    size_t size_bytes;
};

/* ERROR_NOT_FOUND, ERROR_IO, ERROR_INVALID for what is no regular file or shorter than
 * `least_bytes` (>= 1). */
bool file_map_open(struct file_map *m, const char *path, size_t least_bytes, struct error *err);
void file_map_close(struct file_map *m);

#endif

/* read_at: bytes [offset, offset + size) of an open file, all of them. */
#ifndef ZOE_WORKER_READ_AT_H
#define ZOE_WORKER_READ_AT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* ERROR_IO; ERROR_CORRUPT when the file ends before that. */
bool read_at(int fd, uint64_t offset, void *out, uint32_t size, struct error *err);

#endif

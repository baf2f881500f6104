/* file_copy: a file's bytes at another place, shared where the file system can, durable. */
#ifndef ZOE_CLI_FILE_COPY_H
#define ZOE_CLI_FILE_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* `to` is replaced. ERROR_IO when `from` has fewer bytes than it should. */
bool file_copy(const char *from, const char *to, uint64_t size_bytes, struct error *err);

#endif

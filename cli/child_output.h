/* child_output: what a child process writes into a pipe, until it closes it. */
#ifndef ZOE_CLI_CHILD_OUTPUT_H
#define ZOE_CLI_CHILD_OUTPUT_H

#include "base/buf.h"

/* Appends to `out`; what would lead beyond `limit_bytes` in all is read and thrown away, so that
 * the child does not wait. */
void child_output_read(int fd, size_t limit_bytes, struct buf *out);

#endif

/* transfer: the line a person watches while files come: bar, bytes, pace, time left, which file. On
 * a terminal it redraws itself on stderr; elsewhere each file is one line. */
#ifndef ZOE_CLI_TRANSFER_H
#define ZOE_CLI_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

struct transfer {
    bool terminal;
    bool quiet;
    bool drawn;
    uint64_t total_bytes;  /* of all files; 0 = not known */
    uint64_t before_bytes; /* of the files that are done */
    uint64_t first_bytes;  /* there already when the clock started */
    int64_t start_ns;
    int64_t last_ns;
    char name[64];
};

void transfer_begin(struct transfer *t, uint64_t total_bytes, bool quiet);
void transfer_file(struct transfer *t, const char *path, uint64_t size_bytes,
                   uint64_t before_bytes);
void transfer_draw(struct transfer *t, uint64_t file_bytes);
void transfer_clear(struct transfer *t); /* before other words on stderr */

#endif

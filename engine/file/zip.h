/* zip: the entries of a ZIP archive that lies in memory, zip64 included. Reads the central
 * directory only; entries must be stored as they are (torch does not compress), and neither overlap
 * nor leave the archive.
 * Source: PKWARE's APPNOTE.TXT, sections 4.3 and 4.5. */
#ifndef ZOE_ENGINE_FILE_ZIP_H
#define ZOE_ENGINE_FILE_ZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct zip_entry {
    char *name;
    const unsigned char *data;
    size_t size_bytes;
    bool stored; /* false: compressed or encrypted, `data` is not what the name promises */
};

struct zip;

bool zip_is(const void *data, size_t size_bytes); /* begins like an archive */

/* The memory is borrowed for the archive's life. ERROR_INVALID; `what` names it. */
struct zip *zip_open(const void *data, size_t size_bytes, const char *what, struct error *err);
void zip_close(struct zip *z); /* NULL is fine */

int zip_count(const struct zip *z);
const struct zip_entry *zip_at(const struct zip *z, int index); /* in the order of the data */
const struct zip_entry *zip_find(const struct zip *z, const char *name); /* or NULL */

#endif

/* sheet: a contact sheet of a batch: one row a clip, its prompt and seed on the left, evenly spaced
 * frames on the right, as a PNG. A clip without a readable file gets a row that says so. Runs in
 * the media child: it decodes files. */
#ifndef ZOE_MEDIA_SHEET_H
#define ZOE_MEDIA_SHEET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "media/manifest.h"

#define SHEET_COLUMNS 8 /* unless the manifest says otherwise */
#define SHEET_ROWS 200  /* likewise; the rest is counted in a last line */

struct sheet_result {
    int width, height; /* of the PNG */
    int64_t rows;      /* drawn */
    int64_t unreadable;
};

/* The file appears whole or not at all. */
bool sheet_write(const struct manifest *m, const char *path, struct sheet_result *out,
                 struct error *err);

#endif

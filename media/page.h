/* page: one HTML file that plays a batch: clips, prompts, seeds, recipes, a search box. Nothing is
 * loaded but the clips, by relative links, so it works from the file system. Everything from the
 * manifest is escaped, and the page's own policy lets only its own script run. Decodes nothing but
 * the pictures of storyboards, which it carries itself. */
#ifndef ZOE_MEDIA_PAGE_H
#define ZOE_MEDIA_PAGE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "media/manifest.h"

#define PAGE_CLIPS 5000 /* unless the manifest's limit says otherwise; the rest is counted */

/* Appends the whole page; returns how many clips it shows. */
size_t page_render(const struct manifest *m, struct buf *out);

/* The file appears whole or not at all. */
bool page_write(const struct manifest *m, const char *path, size_t *shown, struct error *err);

#endif

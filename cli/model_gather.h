/* model_gather: brings the files of a source into one folder: listed, chosen, counted against the
 * free disk, then fetched or copied. */
#ifndef ZOE_CLI_MODEL_GATHER_H
#define ZOE_CLI_MODEL_GATHER_H

#include <jansson.h>

#include "cli/download.h"
#include "cli/model_choice.h"
#include "cli/model_source.h"

struct gather {
    const struct model_source *source;
    struct download *download;   /* NULL for a path */
    bool full;                   /* 32-bit weights rather than 16 */
    const struct digest *digest; /* of a single file behind a URL, or NULL */
    /* filled by gather_list */
    struct listing listing;
    enum model_listing_form form;
    char *origin;  /* what is fetched exactly: with the commit, without a query */
    char *licence; /* the hub's word, or NULL */
    /* told before each file; may be NULL */
    void (*on_file)(void *context, const struct listed_file *file, uint64_t done_before);
    void *context;
};

bool gather_list(struct gather *g, struct error *err);
/* Into `folder`, which exists and may hold what an earlier, interrupted call brought. */
bool gather_files(struct gather *g, const char *folder, struct error *err);
void gather_finish(struct gather *g);

/* The licence that a folder's own files name: zoetrope.json, the front matter of README.md, the
 * first line of LICENSE. Caller frees; NULL = none found. */
char *gather_find_licence(const char *folder);

#endif

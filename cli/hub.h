/* hub: what a repository of the Hugging Face hub (or of a server that speaks its API: HF_ENDPOINT)
 * holds. GET /api/models/OWNER/NAME/revision/REVISION?blobs=true names the commit, the licence and
 * each file with its size and, for large ones, its SHA-256; /OWNER/NAME/resolve/COMMIT/FILE is the
 * file. */
#ifndef ZOE_CLI_HUB_H
#define ZOE_CLI_HUB_H

#include "cli/download.h"
#include "cli/model_choice.h"
#include "cli/model_source.h"

struct hub_repository {
    char *commit;  /* 40 hex digits: files do not change while they are fetched */
    char *licence; /* as its card says, or NULL */
};

/* Fills `listing` with the repository's files, or with those of source->inside (a file, or a folder
 * whose paths then start below it); each has its URL. */
bool hub_list(struct download *d, const struct model_source *source, struct hub_repository *out,
              struct listing *listing, struct error *err);
void hub_repository_finish(struct hub_repository *r);

/* The listing of an answer of the API: pure, for tests. `endpoint` has no slash at its end. */
bool hub_parse(const char *text, size_t size, const char *endpoint,
               const struct model_source *source, struct hub_repository *out,
               struct listing *listing, struct error *err);

#endif

/* model_source: what a person names as the place of a model: a path, a URL, or a repository of the
 * Hugging Face hub. Pure. */
#ifndef ZOE_CLI_MODEL_SOURCE_H
#define ZOE_CLI_MODEL_SOURCE_H

#include <stdbool.h>

#include "base/error.h"

enum model_source_kind { MODEL_SOURCE_PATH, MODEL_SOURCE_URL, MODEL_SOURCE_HUB };

struct model_source {
    enum model_source_kind kind;
    char *text;     /* as given */
    char *owner;    /* hub: OWNER */
    char *name;     /* hub: NAME */
    char *inside;   /* hub: a file or folder in the repository, or NULL */
    char *revision; /* hub: a branch, tag or commit; "main" when none is given */
};

/* "hf:OWNER/NAME[/INSIDE][@REVISION]", "https://...", "http://..."; anything else is a path.
 * ERROR_USAGE says what is wrong with the text, and the hub's web addresses what to write instead.
 */
bool model_source_parse(const char *text, struct model_source *out, struct error *err);
void model_source_finish(struct model_source *source);

/* Letters, digits, '.', '_' and '-', a letter or digit first, at most 64 bytes: a folder's name, a
 * word of a command line, and what a recipe says. */
#define MODEL_NAME_MAX 64
bool model_name_is_valid(const char *name);
bool model_name_check(const char *name, struct error *err);
/* A valid name from the source's last part, lower case; endings of weight files are cut. */
void model_source_suggest(const struct model_source *source, char out[MODEL_NAME_MAX + 1]);

#endif

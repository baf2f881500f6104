/* media_tool: runs `zoe-media`, found beside our own binary, for what only it may do: open media,
 * draw the contact sheet, write the page. */
#ifndef ZOE_CLI_MEDIA_TOOL_H
#define ZOE_CLI_MEDIA_TOOL_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* zoe-media ARGUMENTS..: the verb, then what it takes; NULL at the end. Its answer, an object, in
 * *answer when that is not NULL. ERROR_FAILED with its own words when it has any. */
bool media_tool_run(const char *const *arguments, json_t **answer, struct error *err);

/* Contact sheet and page of a manifest; a temporary manifest file stands in `folder` meanwhile. */
bool media_tool_draw(const char *folder, const json_t *manifest, const char *sheet,
                     const char *page, struct error *err);

#endif

/* media_tool: runs `zoe-media`, found beside our own binary, for what only it may do: draw the
 * contact sheet, write the page. */
#ifndef ZOE_CLI_MEDIA_TOOL_H
#define ZOE_CLI_MEDIA_TOOL_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* Contact sheet and page of a manifest; a temporary manifest file stands in `folder` meanwhile. */
bool media_tool_draw(const char *folder, const json_t *manifest, const char *sheet,
                     const char *page, struct error *err);

#endif

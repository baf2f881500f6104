/* engine_tool: runs `zoe-engine`, found beside our own binary, for what only it may do: read, check
 * and convert weights, and say what a render would cost. */
#ifndef ZOE_CLI_ENGINE_TOOL_H
#define ZOE_CLI_ENGINE_TOOL_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* `arguments`: the words after "zoe-engine", ended by NULL. The JSON object it printed, or NULL
 * when it printed none; *status is its exit code. False with err when it cannot be run, was ended
 * by a signal, or failed without a JSON answer: then err has its last words and its exit code's
 * kind. */
bool engine_tool(const char *const *arguments, json_t **answer, int *status, struct error *err);

#endif

/* engine_report: how commands of zoe-engine answer: one line of JSON on stdout. */
#ifndef ZOE_WORKER_ENGINE_REPORT_H
#define ZOE_WORKER_ENGINE_REPORT_H

#include <jansson.h>

#include "base/error.h"

/* Prints `answer` (taken over) and gives the exit code; NULL: prints why, from `err`, on stderr. */
int engine_report(json_t *answer, const struct error *err);

/* The whole of a command that takes `--model PATH` and nothing else: `report` gives the exit code.
 */
int engine_report_main(int argc, char **argv, const char *usage, int (*report)(const char *path));

#endif

/* target: which coordinator a command talks to: flags, then ZOE_*, then the configuration file,
 * then the farm on this machine (or, first of all, the one of --state). */
#ifndef ZOE_CLI_TARGET_H
#define ZOE_CLI_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "cli/command.h"

struct target {
    char *url;
    uint8_t server_key[32];
    char *client_key_file;
    bool embedded;
};

enum target_start {
    TARGET_START_NEVER,     /* farm status, farm down */
    TARGET_START_IF_FOLDER, /* most commands: resume a farm that exists */
    TARGET_START_ALWAYS,    /* render, submit */
};

/* Finds (and, for the embedded farm, starts) the coordinator. ERROR_NOT_FOUND: there is no farm;
 * ERROR_UNREACHABLE: the one of the folder does not run, or does not come up. */
bool target_find(struct target *target, const struct call *call, enum target_start start,
                 struct error *err);
void target_finish(struct target *target);

/* The model to render with when no flag says so: ZOE_MODEL, then `model` in zoe.conf, then `other`.
 * Caller frees; NULL with err when zoe.conf is wrong. */
char *target_model(const char *other, struct error *err);

#endif

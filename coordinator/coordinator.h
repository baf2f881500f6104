/* coordinator: the process. Owns the loop and every part, starts them in order and ends them. */
#ifndef ZOE_COORDINATOR_COORDINATOR_H
#define ZOE_COORDINATOR_COORDINATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define COORDINATOR_MODELS_MAX 32

struct coordinator_options { /* texts are borrowed and outlive the coordinator */
    const char *state;       /* folder; made 0700 */
    const char *listen_workers;
    const char *listen_clients;
    const char
        *models[COORDINATOR_MODELS_MAX]; /* folders; count 0 = STATE/models and the built-in */
    size_t model_count;
    const char *ready_file;  /* the ready line is also written there; NULL = not */
    bool json;               /* the ready line as JSON */
    uint32_t compare_one_in; /* results are rendered twice and compared; 0 = none, 1 = all */
    bool keep_segments;      /* of published clips, until their batch is removed */
    int64_t keep_s;          /* an ended batch is removed after so long; 0 = never */
    int64_t leave_after_ns;  /* idle for so long: end; 0 = never */
};

struct coordinator;

/* Locks and opens the state folder: keys, database, loop. NULL with err: ERROR_STATE when another
 * coordinator has it. */
struct coordinator *coordinator_create(const struct coordinator_options *options,
                                       struct error *err);
/* Reads the models, loads the farm, binds, prints the ready line, serves until SIGTERM or SIGINT.
 * False with err when it had to give up. */
bool coordinator_run(struct coordinator *c, struct error *err);
/* The first half of it, for who turns the loop himself: all that follows happens there. */
void coordinator_begin(struct coordinator *c);
void coordinator_destroy(struct coordinator *c);

#endif

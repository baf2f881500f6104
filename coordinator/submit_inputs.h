/* submit_inputs: the files that a submission's recipes start from, each once. In a submission they
 * are named by their digests; whether they are here is asked when it is accepted (inputs.h).
 * Room-internal: submit_file.c. */
#ifndef ZOE_COORDINATOR_SUBMIT_INPUTS_H
#define ZOE_COORDINATOR_SUBMIT_INPUTS_H

#include "coordinator/submit_file.h"

/* Notes it when `field` is one that names a file. ERROR_INVALID: not "sha256:" and 64 lower-case
 * digits, or one file too many. */
bool submit_inputs_take(struct submit_result *result, const char *field, const json_t *value,
                        struct error *err);
/* What the complete recipe of a line wants of the files that it names. */
void submit_inputs_want(struct submit_result *result, const json_t *recipe,
                        const struct plan *plan);

#endif

/* models_asked: the coordinator's models, by name or all. */
#ifndef ZOE_CLI_MODELS_ASKED_H
#define ZOE_CLI_MODELS_ASKED_H

#include <jansson.h>

#include "cli/client.h"

/* envelope->models holds all (name NULL) or exactly one; ERROR_NOT_FOUND with the nearest name.
 * Caller frees with message_free. The coordinator looks at its folders first; a new large model
 * takes it a while. */
struct message *models_asked(struct zclient *client, const char *name, int64_t limit_ns,
                             struct error *err);
/* The message with its `description` as JSON instead of text. New reference. */
json_t *models_asked_json(const Farm__Model *m);

#endif

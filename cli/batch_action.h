/* batch_action: has the coordinator do something with a batch: pause, retry, remove, keep ... */
#ifndef ZOE_CLI_BATCH_ACTION_H
#define ZOE_CLI_BATCH_ACTION_H

#include "cli/client.h"

/* `action` has the verb and what belongs to it; its batch is filled in. The answer's body is the
 * batch; caller frees. NULL: error filled. */
struct message *batch_action(struct zclient *client, const char *id, Farm__BatchAction action,
                             struct error *err);
/* The same for what a person typed: an id, the beginning of one, or "last". Safe when the request
 * has to be sent twice; a batch that is removed meanwhile has been removed. */
struct message *batch_action_named(struct zclient *client, const char *name,
                                   Farm__BatchAction action, struct error *err);

#endif

/* clip_tasks: how far the clips of several tasks are that a batch renders now. */
#ifndef ZOE_CLI_CLIP_TASKS_H
#define ZOE_CLI_CLIP_TASKS_H

#include "cli/client.h"

/* envelope->clips holds the first of them; NULL without an error when no clip of the batch has
 * several tasks or none is under way. Caller frees. */
struct message *clip_tasks_ask(struct zclient *client, const Farm__Batch *batch, struct error *err);

#endif

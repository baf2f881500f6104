/* model_use: whether a batch that is not finished needs a model. */
#ifndef ZOE_CLI_MODEL_USE_H
#define ZOE_CLI_MODEL_USE_H

#include "cli/client.h"

/* ERROR_STATE names the batch. A LoRA is used by what a batch's lines say, which no summary tells:
 * for one, every batch that is not finished counts. */
bool model_use_check(struct zclient *client, const Farm__Model *model, struct error *err);

#endif

/* render_target: is the name that `zoe render -o` was given right for what the model makes? */
#ifndef ZOE_CLI_RENDER_TARGET_H
#define ZOE_CLI_RENDER_TARGET_H

#include "base/output_kind.h"
#include "cli/client.h"

/* A name without an extension suits anything. ERROR_USAGE says which extension the model needs. */
bool render_target_suits(const char *target, const char *model, enum output_kind kind,
                         struct error *err);

/* Asks the coordinator what the model makes. A model that it does not know is the submission's
 * mistake, and told there. False when the target does not suit, or nobody answered. */
bool render_target_check(struct zclient *client, const char *target, const char *model,
                         int64_t limit_ns, struct error *err);

#endif

/* state_check_batch: whether what a batch has beside its clips is as its row says: its prompts, its
 * batch.json. Says what is wrong, not what to do; reads only. */
#ifndef ZOE_COORDINATOR_STATE_CHECK_BATCH_H
#define ZOE_COORDINATOR_STATE_CHECK_BATCH_H

#include "coordinator/prompts.h"

struct state_check_batch { /* of the row */
    char id[ID_BATCH_SIZE];
    char *folder; /* in renders/ */
    uint64_t prompts, clips;
    uint32_t groups;
};

/* `deep`: every block is read, not only their index. ERROR_NOT_FOUND: the file is gone;
 * ERROR_STATE: it is whole, but another batch's. The message names the file. */
bool state_check_prompts(struct prompts *p, const struct state_check_batch *b, bool deep,
                         struct error *err);
/* `deep`: it is read as `zoe recover` would. ERROR_NOT_FOUND: it is missing; ERROR_VERSION: of a
 * build that could not recover yet. The message names the file. */
bool state_check_about(const char *path, const struct state_check_batch *b, bool deep,
                       struct error *err);

#endif

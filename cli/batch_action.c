#include "cli/batch_action.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct message *batch_action(struct zclient *client, const char *id, Farm__BatchAction action,
                             struct error *err)
{
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    action.batch = xstrdup(id);
    request.body_case = FARM__ENVELOPE__BODY_BATCH_ACTION;
    request.batch_action = &action;
    struct message *answer = client_ask(client, &request, FARM__ENVELOPE__BODY_BATCH, err);
    free(action.batch);
    return answer;
}

/* `last` is another one once that is removed, so a batch is named; one that was there a moment ago
 * and is gone has been removed. What cannot be seen is asked for all the same: the coordinator
 * writes down who tried. */
struct message *batch_action_named(struct zclient *client, const char *name,
                                   Farm__BatchAction action, struct error *err)
{
    struct message *known = client_batch(client, name, err);
    const bool unseen = !known && err->code == ERROR_NOT_FOUND && strcmp(name, "last") != 0;
    if (!known && !unseen) return NULL;
    const char *id = known ? known->envelope->batch->id : name;
    struct message *answer = batch_action(client, id, action, err);
    const bool is_gone = known && !answer && err->code == ERROR_NOT_FOUND;
    if (is_gone && action.verb == FARM__BATCH_VERB__BATCH_REMOVE) return known;
    message_free(known);
    return answer;
}

#include "cli/clip_tasks.h"

#include <stdlib.h>

#include "base/xalloc.h"

#define SHOWN 16

static bool has_tasks(const Farm__Batch *b)
{
    for (size_t i = 0; i < b->n_groups; i++)
        if (b->groups[i]->tasks > 1) return true;
    return false;
}

struct message *clip_tasks_ask(struct zclient *client, const Farm__Batch *batch, struct error *err)
{
    Farm__ClipsWanted body = FARM__CLIPS_WANTED__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    if (!has_tasks(batch) || batch->clips->running == 0) return NULL;
    body.batch = xstrdup(batch->id);
    body.state = xstrdup("rendering");
    body.limit = SHOWN;
    request.body_case = FARM__ENVELOPE__BODY_CLIPS_WANTED;
    request.clips_wanted = &body;
    struct message *answer = client_ask(client, &request, FARM__ENVELOPE__BODY_CLIPS, err);
    free(body.batch);
    free(body.state);
    return answer;
}

#include "cli/models_asked.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"
#include "cli/output.h"

struct message *models_asked(struct zclient *client, const char *name, int64_t limit_ns,
                             struct error *err)
{
    char *text = xstrdup(name ? name : "");
    Farm__ModelsWanted body = FARM__MODELS_WANTED__INIT;
    body.name = text;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_MODELS_WANTED;
    request.models_wanted = &body;
    struct message *answer =
        zclient_ask(client, &request, FARM__ENVELOPE__BODY_MODELS, limit_ns, err);
    free(text);
    if (!answer || !name || answer->envelope->models->n_models >= 1) return answer;
    error_set(err, ERROR_NOT_FOUND, "no model is named '%.200s'; `zoe model list` shows them",
              name);
    message_free(answer);
    return NULL;
}

json_t *models_asked_json(const Farm__Model *m)
{
    json_t *object = output_json(&m->base);
    json_t *description = json_parse(m->description, strlen(m->description), "description", NULL);
    json_object_set_new(object, "description", description ? description : json_null());
    return object;
}

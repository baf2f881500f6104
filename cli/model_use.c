#include "cli/model_use.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"

static bool is_lora(const Farm__Model *m)
{
    json_t *d = json_parse(m->description, strlen(m->description), "description", NULL);
    const char *family = json_string_value(json_object_get(d, "family"));
    bool lora = family && strcmp(family, "lora") == 0;
    json_decref(d);
    return lora;
}

static bool uses(const Farm__Batch *b, const char *model)
{
    for (size_t i = 0; i < b->n_groups; i++)
        if (strcmp(b->groups[i]->model, model) == 0) return true;
    return false;
}

static bool check_batch(struct zclient *client, const char *id, const Farm__Model *m, bool lora,
                        struct error *err)
{
    struct message *answer = client_batch(client, id, err);
    if (!answer) return false;
    const Farm__Batch *b = answer->envelope->batch;
    bool used = lora || uses(b, m->name);
    if (used)
        error_set(err, ERROR_STATE, "batch %s (%s) %s %s: wait for it, or `zoe batch cancel %s`",
                  b->id, b->state, lora ? "may use the LoRA" : "uses", m->name, b->id);
    message_free(answer);
    return !used;
}

static struct message *ask_page(struct zclient *client, const char *state, const char *before,
                                struct error *err)
{
    char *state_text = xstrdup(state), *before_text = xstrdup(before);
    Farm__BatchesWanted body = FARM__BATCHES_WANTED__INIT;
    body.state = state_text;
    body.before = before_text;
    body.limit = LIMIT_PAGE;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_BATCHES_WANTED;
    request.batches_wanted = &body;
    struct message *answer = client_ask(client, &request, FARM__ENVELOPE__BODY_BATCHES, err);
    free(state_text);
    free(before_text);
    return answer;
}

static bool check_state(struct zclient *client, const char *state, const Farm__Model *m, bool lora,
                        struct error *err)
{
    char before[64] = "";
    for (bool more = true, ok = true; more;) {
        struct message *answer = ask_page(client, state, before, err);
        if (!answer) return false;
        const Farm__Batches *page = answer->envelope->batches;
        for (size_t i = 0; ok && i < page->n_batches; i++)
            ok = check_batch(client, page->batches[i]->id, m, lora, err);
        more = page->truncated && page->n_batches > 0;
        if (more) strncpy(before, page->batches[page->n_batches - 1]->id, sizeof before - 1);
        message_free(answer);
        if (!ok) return false;
    }
    return true;
}

bool model_use_check(struct zclient *client, const Farm__Model *m, struct error *err)
{
    static const char *const UNFINISHED[] = {"queued", "running", "paused"};
    bool lora = is_lora(m), ok = true;
    for (size_t i = 0; ok && i < sizeof UNFINISHED / sizeof *UNFINISHED; i++)
        ok = check_state(client, UNFINISHED[i], m, lora, err);
    return ok;
}

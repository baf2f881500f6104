/* `zoe task`: what was tried of a clip or of one of its tasks, with the logs, and the recipe that
 * makes it again. */
#include <stdio.h>
#include <string.h>

#include "coordinator/client_requests.h"
#include "coordinator/shell.h"
#include "coordinator/subject.h"
#include "coordinator/task_place.h"

struct history {
    struct reply reply;
    Farm__TaskShown m;
    Farm__Clip clip;
    bool one;      /* task only */
    uint32_t task; /* then */
};

/* ---- attempts ---- */

/* The newest stay. */
static Farm__AttemptShown *next_row(struct history *h)
{
    if (h->m.n_attempts == LIMIT_PAGE) {
        memmove(h->m.attempts, h->m.attempts + 1, (LIMIT_PAGE - 1) * sizeof(h->m.attempts[0]));
        h->m.n_attempts--;
        h->m.truncated = true;
    }
    Farm__AttemptShown *row = reply_alloc(&h->reply, 1, sizeof(*row));
    *row = (Farm__AttemptShown)FARM__ATTEMPT_SHOWN__INIT;
    h->m.attempts[h->m.n_attempts++] = row;
    return row;
}

static void add_attempt(void *context, const struct store_attempt *a)
{
    struct history *h = context;
    if (h->one && a->task != h->task) return;
    Farm__AttemptShown *row = next_row(h);
    row->task = a->task;
    row->fence = a->fence;
    row->worker = reply_name(&h->reply, a->worker, LIMIT_NAME_BYTES);
    row->end = reply_name(&h->reply, a->end != END_LIVE ? attempt_end_name(a->end) : "",
                          LIMIT_BACKEND_BYTES);
    row->message = reply_text(&h->reply, a->message, LIMIT_TEXT_BYTES);
    row->log_tail = reply_text(&h->reply, a->log_tail, LIMIT_LOG_TAIL_BYTES);
    row->resumed_step = a->resumed_step;
    row->steps_computed = a->steps_computed;
    row->steps_wasted = a->steps_wasted;
    row->render_ms = a->render_ms;
    row->begun_ms = (uint64_t)a->begun_ms;
    row->ended_ms = (uint64_t)a->ended_ms;
}

static void keep_last_logs(struct history *h)
{
    static char none[1];
    uint32_t left = LIMIT_LOGS_SHOWN;
    for (size_t i = h->m.n_attempts; i-- > 0;) {
        Farm__AttemptShown *row = h->m.attempts[i];
        if (row->log_tail == NULL || row->log_tail[0] == '\0') continue;
        if (left > 0)
            left--;
        else
            row->log_tail = none;
    }
}

/* ---- the answer ---- */

static bool fill(struct dispatch *d, struct history *h, const struct task_key *key,
                 struct error *err)
{
    struct task_place place;
    bool ok = client_requests_fill_clip(d, &h->reply, key->batch, key->clip, &h->clip, err) &&
              task_place_find(&place, d->c, key, err);
    if (!ok) return false;
    h->m.clip = &h->clip;
    h->m.recipe = reply_text(&h->reply, place.recipe.text, LIMIT_RECIPE_BYTES);
    h->m.attempts = reply_alloc(&h->reply, LIMIT_PAGE, sizeof(h->m.attempts[0]));
    task_place_finish(&place);
    ok = store_each_clip_attempt(d->c->store, key->batch, key->clip, add_attempt, h, err);
    keep_last_logs(h);
    return ok;
}

static void answer(struct dispatch *d, const struct subject *s, const struct task_key *key)
{
    struct history h = {.m = FARM__TASK_SHOWN__INIT, .one = s->has_task, .task = (uint32_t)s->task};
    struct error err = {0};
    char name[LIMIT_NAME_BYTES], task[16] = "";
    if (s->has_task) (void)snprintf(task, sizeof(task), ".%u", (unsigned)key->task);
    (void)snprintf(name, sizeof(name), "%s/%u%s", key->batch, (unsigned)key->clip, task);
    reply_init(&h.reply);
    h.m.subject = reply_name(&h.reply, name, LIMIT_NAME_BYTES);
    if (fill(d, &h, key, &err))
        dispatch_reply(d, FARM__ENVELOPE__BODY_TASK_SHOWN, &h.m.base);
    else
        dispatch_problem(d, &err);
    reply_finish(&h.reply);
}

void client_requests_task(struct dispatch *d)
{
    const char *text = d->envelope->task_wanted->subject;
    struct subject s;
    struct batch_info info;
    struct error err = {0};
    if (!subject_parse(text, &s) || !s.has_clip) {
        error_set(&err, ERROR_NOT_FOUND, "%s is neither BATCH/CLIP nor BATCH/CLIP.TASK", text);
        dispatch_problem(d, &err);
        return;
    }
    if (!client_requests_find(d, s.batch, &info)) return;
    struct task_key key = {.clip = (uint32_t)s.clip, .task = (uint32_t)s.task};
    memcpy(key.batch, info.id, sizeof(key.batch));
    if (key.clip < info.clips) {
        answer(d, &s, &key);
        return;
    }
    error_set(&err, ERROR_NOT_FOUND, "batch %s has no clip %u: it has %u", key.batch,
              (unsigned)key.clip, (unsigned)info.clips);
    dispatch_problem(d, &err);
}

/* `zoe explain`: a batch, a clip or task of it, or a worker, by what the subject looks like. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "coordinator/client_requests.h"
#include "coordinator/farm_explain.h"
#include "coordinator/scope.h"
#include "coordinator/shell.h"
#include "coordinator/subject.h"

/* What only the store remembers of a clip. */
static void recall(struct coordinator *c, const char *batch, uint32_t clip, struct explanation *e)
{
    struct clip_record row;
    struct error err = {0};
    const size_t room = sizeof(e->line);
    if (!e->forgotten) return;
    if (!store_clip(c->store, batch, clip, &row, &err)) {
        (void)snprintf(e->line, room, "no more is known of it");
    } else if (row.state == CLIP_PUBLISHED) {
        (void)snprintf(e->line, room, "as %.200s, made by %s%s%s", row.file, row.worker,
                       row.suspect != SUSPECT_NONE ? "; it looks suspect: " : "",
                       suspect_name(row.suspect));
    } else {
        (void)snprintf(e->line, room,
                       "after %u tries (%s): %.240s; `zoe task show %s/%u` tells more, "
                       "`zoe batch retry %s` tries it again",
                       (unsigned)row.attempts, row.why, row.message, batch, (unsigned)clip, batch);
    }
}

struct made { /* by a worker, and published: of what the asker may see */
    const struct dispatch *asker;
    struct buf list;
    uint64_t count;
};

#define MADE_LISTED 8

static void note_made(void *context, const char *batch, uint32_t clip)
{
    struct made *m = context;
    struct batch_brief info;
    char text[ID_BATCH_SIZE + 16];
    if (!farm_batch_brief(m->asker->c->farm, batch, &info) || !scope_sees(m->asker, info.owner))
        return;
    if (m->count++ >= MADE_LISTED) return;
    (void)snprintf(text, sizeof(text), "%s%s/%u", m->count > 1 ? ", " : "", batch, (unsigned)clip);
    buf_append_text(&m->list, text);
}

/* What one that is not trusted any more has made is for people to look at. */
static void recall_made(struct dispatch *d, const char *worker, struct explanation *e)
{
    struct made m = {.asker = d, .list = BUF_INIT};
    struct error err = {0};
    const size_t used = strlen(e->line), room = sizeof(e->line) - used;
    if (strcmp(e->code, "quarantined") != 0) return;
    if (store_each_clip_made_by(d->c->store, worker, note_made, &m, &err) && m.count > 0)
        (void)snprintf(e->line + used, room, "; %llu published clips are of its making: %s%s",
                       (unsigned long long)m.count, buf_text(&m.list),
                       m.count > MADE_LISTED ? ", ..." : "");
    buf_finish(&m.list);
}

static void answer(struct dispatch *d, const char *subject, const struct explanation *e)
{
    struct reply r;
    Farm__Explained m = FARM__EXPLAINED__INIT;
    reply_init(&r);
    m.subject = reply_name(&r, subject, LIMIT_NAME_BYTES);
    m.kind = reply_name(&r, e->kind, LIMIT_BACKEND_BYTES);
    m.state = reply_name(&r, e->state, LIMIT_BACKEND_BYTES);
    m.code = reply_name(&r, e->code, LIMIT_BACKEND_BYTES);
    m.line = reply_text(&r, e->line, LIMIT_TEXT_BYTES);
    m.reasons = reply_alloc(&r, e->reason_count + 1, sizeof(*m.reasons));
    for (uint32_t i = 0; i < e->reason_count; i++) {
        Farm__Reason *row = reply_alloc(&r, 1, sizeof(*row));
        *row = (Farm__Reason)FARM__REASON__INIT;
        row->code = reply_name(&r, e->reasons[i].code, LIMIT_BACKEND_BYTES);
        row->count = e->reasons[i].count;
        row->message = reply_text(&r, e->reasons[i].message, LIMIT_TEXT_BYTES);
        m.reasons[m.n_reasons++] = row;
    }
    dispatch_reply(d, FARM__ENVELOPE__BODY_EXPLAINED, &m.base);
    reply_finish(&r);
}

static bool explain(struct dispatch *d, const struct subject *s, const char *batch,
                    struct explanation *e)
{
    const struct farm *f = d->c->farm;
    const uint32_t clip = (uint32_t)s->clip;
    struct task_key key = {.clip = clip, .task = (uint32_t)s->task};
    memcpy(key.batch, batch, sizeof(key.batch));
    if (s->has_task) return farm_explain_task(f, &key, d->now_ns, e);
    if (s->has_clip) return farm_explain_clip(f, batch, clip, d->now_ns, e);
    return farm_explain_batch(f, batch, d->now_ns, e);
}

static void explain_part_of_batch(struct dispatch *d, const char *text)
{
    struct subject s;
    struct batch_info info;
    struct explanation e;
    struct error err = {0};
    char batch[ID_BATCH_SIZE], subject[LIMIT_NAME_BYTES];
    if (!subject_parse(text, &s)) {
        error_set(&err, ERROR_NOT_FOUND,
                  "%s is neither a worker nor BATCH, BATCH/CLIP or BATCH/CLIP.TASK", text);
        dispatch_problem(d, &err);
        return;
    }
    if (!client_requests_find(d, s.batch, &info)) return;
    memcpy(batch, info.id, sizeof(batch));
    if (!explain(d, &s, batch, &e)) {
        error_set(&err, ERROR_NOT_FOUND, "batch %s has no such clip or task: it has %u clips",
                  batch, (unsigned)info.clips);
        dispatch_problem(d, &err);
        return;
    }
    if (s.has_clip) recall(d->c, batch, (uint32_t)s.clip, &e);
    const char *tail = strchr(text, '/');
    (void)snprintf(subject, sizeof(subject), "%s%s", batch, tail != NULL ? tail : "");
    answer(d, subject, &e);
}

/* A worker's name goes first: batches may be named by a prefix only. */
void client_requests_explain(struct dispatch *d)
{
    const char *text = d->envelope->explain_wanted->subject;
    struct explanation e;
    if (!farm_explain_worker(d->c->farm, text, scope_owner(d), d->now_ns, &e)) {
        explain_part_of_batch(d, text);
        return;
    }
    recall_made(d, text, &e);
    answer(d, text, &e);
}

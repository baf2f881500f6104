/* A list of open questions; events themselves stay in the store. */
#include "coordinator/feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "coordinator/reply.h"
#include "proto/limits.h"

/* A page of events stays well below the limit of an answer. */
#define PAGE_BYTES (LIMIT_REPLY_BYTES / 2)

struct feed_waiter {
    struct feed_waiter *next;
    struct feed_question question;
    bool noted; /* there is something for it */
};

void feed_init(struct feed *f)
{
    *f = (struct feed){0};
}

void feed_finish(struct feed *f)
{
    while (f->waiters != NULL) {
        struct feed_waiter *next = f->waiters->next;
        free(f->waiters);
        f->waiters = next;
    }
    f->count = 0;
}

struct page {
    struct reply reply;
    Farm__Event **events;
    uint32_t count;
    uint32_t limit;
    uint64_t last;
    bool full;
};

static void add_event(void *context, uint64_t sequence, const struct event_record *event)
{
    struct page *p = context;
    if (p->count == p->limit || p->reply.size_bytes > PAGE_BYTES) p->full = true;
    if (p->full) return;
    Farm__Event *e = reply_alloc(&p->reply, 1, sizeof(*e));
    *e = (Farm__Event)FARM__EVENT__INIT;
    e->sequence = sequence;
    e->at_ms = event->at_ms > 0 ? (uint64_t)event->at_ms : 0;
    e->kind = reply_name(&p->reply, event->kind, 64);
    e->batch = reply_name(&p->reply, event->batch, ID_BATCH_LENGTH);
    e->has_clip = event->has_clip;
    e->clip = event->clip;
    e->worker = reply_name(&p->reply, event->worker, LIMIT_NAME_BYTES);
    e->message = reply_text(&p->reply, event->message, LIMIT_TEXT_BYTES);
    p->events[p->count++] = e;
    p->last = sequence;
}

/* Nothing that is stored is for them: it need not be looked through again. */
static uint64_t skip_others(struct feed_question *q, const struct store *store)
{
    const uint64_t newest = store_last_event(store);
    if (newest > q->after) q->after = newest;
    return q->after;
}

/* False: there is nothing to tell (yet). */
static bool answer(struct feed_question *q, struct store *store, struct outbound *out,
                   bool even_if_empty)
{
    struct error err = {0};
    struct page p = {.limit = q->limit, .last = q->after};
    reply_init(&p.reply);
    p.events = reply_alloc(&p.reply, q->limit, sizeof(*p.events));
    const bool some = q->owner[0] != '\0' && q->batch[0] == '\0';
    bool ok = some ? store_each_event_of(store, q->after, q->owner, q->limit, add_event, &p, &err)
                   : store_each_event(store, q->after, q->batch, q->limit, add_event, &p, &err);
    if (ok && some && p.count == 0) p.last = skip_others(q, store);
    if (!ok) {
        (void)outbound_problem(out, true, q->peer, q->request, &err, OUTBOUND_COMMITTED);
    } else if (p.count > 0 || even_if_empty) {
        Farm__Events m = FARM__EVENTS__INIT;
        m.events = p.events;
        m.n_events = p.count;
        m.last = p.last;
        (void)outbound_reply(out, true, q->peer, q->request, FARM__ENVELOPE__BODY_EVENTS, &m.base,
                             OUTBOUND_COMMITTED);
    }
    bool told = !ok || p.count > 0 || even_if_empty;
    reply_finish(&p.reply);
    return told;
}

static void remove_at(struct feed *f, struct feed_waiter **at)
{
    struct feed_waiter *w = *at;
    *at = w->next;
    free(w);
    f->count--;
}

static void forget(struct feed *f, zsock_peer peer, uint64_t request)
{
    for (struct feed_waiter **at = &f->waiters; *at != NULL;) {
        const struct feed_question *q = &(*at)->question;
        if (q->peer == peer && (request == 0 || q->request == request)) {
            remove_at(f, at);
        } else {
            at = &(*at)->next;
        }
    }
}

void feed_gone(struct feed *f, zsock_peer peer)
{
    forget(f, peer, 0);
}

void feed_ask(struct feed *f, const struct feed_question *q, struct store *store,
              struct outbound *out, int64_t now_ns)
{
    struct feed_question kept = *q;
    forget(f, q->peer, q->request);
    bool wait = q->deadline_ns > now_ns && f->count < FEED_WAITERS_MAX;
    if (answer(&kept, store, out, !wait)) return;
    struct feed_waiter *w = xcalloc(1, sizeof(*w));
    w->question = kept;
    w->next = f->waiters;
    f->waiters = w;
    f->count++;
}

static bool concerns(const struct feed_question *q, const char *batch, const char *owner)
{
    if (q->batch[0] != '\0') return strcmp(q->batch, batch) == 0;
    return q->owner[0] == '\0' || strcmp(q->owner, owner) == 0;
}

void feed_note(struct feed *f, const char *batch, const char *owner)
{
    for (struct feed_waiter *w = f->waiters; w != NULL; w = w->next)
        w->noted = w->noted || concerns(&w->question, batch, owner);
}

void feed_answer(struct feed *f, struct store *store, struct outbound *out, int64_t now_ns)
{
    for (struct feed_waiter **at = &f->waiters; *at != NULL;) {
        struct feed_waiter *w = *at;
        bool over = w->question.deadline_ns <= now_ns;
        if ((w->noted || over) && answer(&w->question, store, out, over)) {
            remove_at(f, at);
        } else {
            w->noted = false;
            at = &w->next;
        }
    }
}

int64_t feed_next(const struct feed *f)
{
    int64_t next_ns = INT64_MAX;
    for (const struct feed_waiter *w = f->waiters; w != NULL; w = w->next) {
        if (w->noted) return 0;
        if (w->question.deadline_ns < next_ns) next_ns = w->question.deadline_ns;
    }
    return next_ns;
}

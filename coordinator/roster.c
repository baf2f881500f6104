#include "coordinator/roster.h"

#include <stdint.h>

#include "coordinator/canary.h"
#include "coordinator/standing.h"
#include "coordinator/worker_core.h"

static void init_places(struct places *p)
{
    chain_init(&p->fresh);
    chain_init(&p->failed);
}

void roster_init(struct roster *r)
{
    chain_init(&r->touched);
    chain_init(&r->canaries);
    init_places(&r->idle);
    init_places(&r->hungry);
    heap_init(&r->recallable);
    heap_init(&r->running);
    table_init(&r->fingerprints);
}

void roster_finish(struct roster *r)
{
    heap_finish(&r->recallable);
    heap_finish(&r->running);
    table_finish(&r->fingerprints);
}

void roster_touch(struct farm *f, struct worker *w)
{
    if (chain_is_empty(&w->in_touched)) chain_append(&f->roster.touched, &w->in_touched);
}

/* ---- one slot ---- */

static void count_fingerprint(struct farm *f, const struct slot *s, int by)
{
    struct table *t = &f->roster.fingerprints;
    uintptr_t count = (uintptr_t)table_get_text(t, s->fingerprint);
    count = by > 0 ? count + 1 : count - 1;
    if (count > 0)
        (void)table_set_text(t, s->fingerprint, (void *)count);
    else
        (void)table_remove_text(t, s->fingerprint);
}

uint32_t roster_slots_of(const struct farm *f, const char *fingerprint)
{
    return (uint32_t)(uintptr_t)table_get_text(&f->roster.fingerprints, fingerprint);
}

static void count_open(struct farm *f, struct slot *s, bool open)
{
    if (s->is_open == open) return;
    s->is_open = open;
    f->roster.slots += open ? 1 : UINT32_MAX;
    count_fingerprint(f, s, open ? 1 : -1);
}

static void count_recall(struct farm *f, struct slot *s, bool recalled)
{
    if (s->is_recalled == recalled) return;
    s->is_recalled = recalled;
    f->roster.recalls += recalled ? 1 : UINT32_MAX;
}

/* Heaps have the least first. */
static void set_end(struct heap *h, struct heap_node *n, bool in, int64_t end_ns)
{
    if (in)
        heap_set(h, n, -end_ns);
    else
        heap_remove(h, n);
}

static void set_ends(struct farm *f, struct slot *s)
{
    const struct attempt *running = s->running, *next = s->next;
    bool present = s->worker->presence == WORKER_PRESENT;
    int64_t end_ns = running != NULL ? attempt_expected_end(running) : 0;
    bool can_recall = running != NULL && next != NULL && !next->recalled && present;
    set_end(&f->roster.recallable, &s->by_recall, can_recall, end_ns);
    set_end(&f->roster.running, &s->by_end, running != NULL, end_ns);
}

void roster_place(struct farm *f, struct slot *s)
{
    bool open = worker_accepts(s->worker);
    chain_remove(&s->in_places);
    count_open(f, s, open);
    count_recall(f, s, s->next != NULL && s->next->recalled);
    set_ends(f, s);
    if (open && worker_slot_is_free(s))
        chain_append(&f->roster.idle.fresh, &s->in_places);
    else if (open && s->running != NULL && s->next == NULL && !standing_is_shaky(s->worker))
        chain_append(&f->roster.hungry.fresh, &s->in_places);
}

/* ---- workers ---- */

/* That it takes work or not may be what the work of others waits for (S3, T4). */
static void note_acceptance(struct farm *f, struct worker *w)
{
    bool accepts = worker_accepts(w);
    if (accepts != w->accepted) f->dispatch_wanted = true;
    w->accepted = accepts;
}

static void update(struct farm *f, struct worker *w)
{
    note_acceptance(f, w);
    chain_remove(&w->in_canaries);
    if (canary_may_go(w)) chain_append(&f->roster.canaries, &w->in_canaries);
    for (uint32_t i = 0; i < w->slot_count; i++)
        roster_place(f, &w->slots[i]);
}

void roster_update(struct farm *f)
{
    CHAIN_EACH(link, &f->roster.touched)
    {
        chain_remove(link);
        update(f, CHAIN_OWNER(link, struct worker, in_touched));
    }
}

void roster_rest(struct farm *f)
{
    CHAIN_EACH(link, &f->roster.touched)
    chain_remove(link);
}

void roster_drop(struct farm *f, struct worker *w)
{
    for (uint32_t i = 0; i < w->slot_count; i++) {
        struct slot *s = &w->slots[i];
        chain_remove(&s->in_places);
        count_open(f, s, false);
        count_recall(f, s, false);
        heap_remove(&f->roster.recallable, &s->by_recall);
        heap_remove(&f->roster.running, &s->by_end);
    }
}

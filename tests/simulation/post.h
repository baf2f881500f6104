/* post: the end of a turn as the shell of a simulated farm does it: what the core wanted is
 * committed, then sent, then begun. */
#ifndef ZOE_TESTS_SIMULATION_POST_H
#define ZOE_TESTS_SIMULATION_POST_H

#include "simulation/world.h"

/* ---- sending ---- */

static inline uint32_t world_index(const struct world *w, const char *worker)
{
    for (uint32_t i = 0; i < w->member_count; i++) {
        if (strcmp(w->members[i].name, worker) == 0) return i;
    }
    return 0;
}

/* An Assign goes with what its task goes on from; where nothing stands the attempt begins anew. */
static inline void add_checkpoint(const struct world *w, struct down *d)
{
    const struct ledger_output *kept =
        ledger_output(&w->store, &d->m.attempt.task, CHECKPOINT_OUTPUT);
    if (w->mutation == MUTATION_RESUME_ANY) d->m.resume = kept != NULL;
    if (kept != NULL) d->checkpoint = kept->output.sha256;
}

static inline void send_message(struct world *w, const struct effect *e)
{
    uint32_t i = world_index(w, e->message.worker);
    struct member *to = &w->members[i];
    const struct attempt_key *key = &e->message.attempt;
    checker_see_message(&w->checker, e->kind, &e->message);
    w->sends++;
    if (e->kind == EFFECT_STORED) world_discard(w, to->name, key, false);
    bool open = to->connected && w->routes[i].session == e->message.session;
    if (!open || w->routes[i].link != to->link) return; /* nobody is there */
    struct down *d = queue_add(&to->downs, sizeof(*d));
    d->kind = e->kind;
    d->m = e->message;
    d->m.worker = d->m.text = NULL;
    if (e->kind == EFFECT_ASSIGN) add_checkpoint(w, d);
}

static inline void start_job(struct world *w, const struct effect *e)
{
    struct attempt_key key = {.task = e->job.task, .fence = e->job.worker_fence};
    checker_see_job(&w->checker, e->kind, &e->job);
    if (e->kind == EFFECT_VERIFY) world_begin(w, WORK_VERIFY, &e->job);
    if (e->kind == EFFECT_STITCH) world_begin(w, WORK_STITCH, &e->job);
    if (e->kind == EFFECT_RENAME) world_begin(w, WORK_RENAME, &e->job);
    if (e->kind == EFFECT_VERIFY_CHECKPOINT) world_begin(w, WORK_VERIFY_CHECKPOINT, &e->job);
    if (e->kind == EFFECT_DISCARD_UPLOAD) world_discard(w, e->job.worker, &key, false);
    if (e->kind != EFFECT_DISCARD_CHECKPOINT) return;
    if (farm_has_checkpoint(w->f, e->job.worker, &key)) return;
    world_discard(w, e->job.worker, &key, true);
    world_stop_works(w, e->job.worker, &key);
}

static inline void world_send(struct world *w)
{
    const struct effects *list = farm_effects(w->f);
    for (size_t i = 0; i < list->count; i++) {
        if (effect_is_message(list->items[i].kind)) send_message(w, &list->items[i]);
        if (effect_is_job(list->items[i].kind)) start_job(w, &list->items[i]);
    }
    checker_see_all_sent(&w->checker);
}

/* ---- committing ---- */

static inline bool is_lost(const struct world *w, const struct effect *e)
{
    enum effect_kind kind = e->kind;
    if (w->mutation == MUTATION_LOSE_LATENTS && kind == EFFECT_SAVE_OUTPUT)
        return strcmp(e->output.output.kind, "latents") == 0;
    return (w->mutation == MUTATION_LOSE_DROPS && kind == EFFECT_DROP_CHECKPOINT) ||
           (w->mutation == MUTATION_LOSE_LEASES && kind == EFFECT_SAVE_ATTEMPT) ||
           (w->mutation == MUTATION_LOSE_ENDS && kind == EFFECT_END_ATTEMPT) ||
           (w->mutation == MUTATION_LOSE_PAGES && kind == EFFECT_SAVE_PAGE);
}

#define WORLD_COPY_COMMITS 150 /* then the copy is made */

static inline bool world_keeps_copy(const struct world *w)
{
    return w->mutation == MUTATION_OLD_STORE && w->commits < WORLD_COPY_COMMITS;
}

static inline void world_write(struct world *w)
{
    const struct effects *list = farm_effects(w->f);
    for (size_t i = 0; i < list->count; i++) {
        const struct effect *e = &list->items[i];
        if (!effect_is_write(e->kind) || is_lost(w, e)) continue;
        checker_see_write(&w->checker, w->f, e);
        ledger_write(&w->store, w->f, e);
        if (world_keeps_copy(w)) ledger_write(&w->old, w->f, e);
        w->trace = (w->trace ^ (uint64_t)e->kind) * UINT64_C(0x100000001b3);
    }
}

static inline void world_commit(struct world *w)
{
    w->checker.commits++;
    if (w->fresh.clips > 0) {
        ledger_accept(&w->store, &w->fresh);
        if (world_keeps_copy(w)) ledger_accept(&w->old, &w->fresh);
        checker_accepted(&w->checker, &w->fresh);
        w->fresh.clips = 0;
    }
    world_write(w);
    if (w->mutation == MUTATION_TWICE) world_write(w);
    w->commits++;
    w->trace = (w->trace ^ (uint64_t)w->now_ns) * UINT64_C(0x100000001b3);
    if (!world_is_red(w)) (void)reload_same(w->f, &w->store, w->now_ns, &w->red);
}

#endif

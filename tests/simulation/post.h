/* post: the end of a turn as the shell of a simulated farm does it: what the core wanted is
 * committed, then sent, then begun. */
#ifndef ZOE_TESTS_SIMULATION_POST_H
#define ZOE_TESTS_SIMULATION_POST_H

#include "simulation/children.h"

/* ---- sending ---- */

/* An Assign goes with what its task goes on from; where nothing stands the attempt begins anew. */
static inline void add_checkpoint(const struct world *w, struct down *d)
{
    const struct ledger_output *kept =
        ledger_output(&w->store, &d->m.attempt.task, CHECKPOINT_OUTPUT);
    if (w->mutation == MUTATION_RESUME_ANY) d->m.resume = kept != NULL;
    if (kept != NULL) d->checkpoint = kept->output.sha256;
}

/* What was answered is over, unless a newer one came in its place. */
static inline void end_checkpoint(struct world *w, const char *worker,
                                  const struct effect_message *m)
{
    const struct temp *t = world_temp(w, worker, &m->attempt, true);
    if (t == NULL || t->outputs[0].frames != m->step) return;
    world_discard(w, worker, &m->attempt, true);
    world_stop_works(w, worker, &m->attempt);
}

static inline void send_message(struct world *w, const struct effect *e)
{
    uint32_t i = world_index(w, e->message.worker);
    struct member *to = &w->members[i];
    const struct attempt_key *key = &e->message.attempt;
    checker_see_message(&w->checker, e->kind, &e->message);
    w->sends++;
    if (e->kind == EFFECT_STORED) world_discard(w, to->name, key, false);
    if (e->kind == EFFECT_CHECKPOINT_SEEN) end_checkpoint(w, to->name, &e->message);
    bool open = to->connected && w->routes[i].session == e->message.session;
    if (!open || w->routes[i].link != to->link) return; /* nobody is there */
    struct down *d = queue_add(&to->downs, sizeof(*d));
    d->kind = e->kind;
    d->m = e->message;
    d->m.worker = d->m.text = NULL;
    if (e->kind == EFFECT_ASSIGN) add_checkpoint(w, d);
}

/* An attempt that ended and was adopted anew in the same turn goes on with its files, as in the
 * real shell. */
static inline void discard_upload(struct world *w, const char *worker,
                                  const struct attempt_key *key)
{
    if (!farm_has_upload(w->f, worker, key)) world_discard(w, worker, key, false);
}

static inline void start_job(struct world *w, const struct effect *e)
{
    struct attempt_key key = {.task = e->job.task, .fence = e->job.worker_fence};
    checker_see_job(&w->checker, e->kind, &e->job);
    if (e->kind == EFFECT_VERIFY) world_begin(w, WORK_VERIFY, &e->job);
    if (e->kind == EFFECT_STITCH) world_begin(w, WORK_STITCH, &e->job);
    if (e->kind == EFFECT_RENAME) world_begin(w, WORK_RENAME, &e->job);
    if (e->kind == EFFECT_VERIFY_CHECKPOINT) world_begin(w, WORK_VERIFY_CHECKPOINT, &e->job);
    if (e->kind == EFFECT_DISCARD_UPLOAD) discard_upload(w, e->job.worker, &key);
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
        if (!accident(w, DIES_IN_SENDING, 2500)) continue;
        w->dying = DYING;
        w->checker.owed_count = 0; /* it never gets to it */
        return;
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

/* A file is claimed by its row from now on. */
static inline void claim_file(struct world *w, const struct effect *e)
{
    if (e->kind != EFFECT_SAVE_OUTPUT) return;
    struct disk_file *f = disk_file(&w->disk, &e->output.output.sha256);
    if (f != NULL) f->had_row = true;
}

static inline bool gives_up(enum effect_kind kind)
{
    return kind == EFFECT_DROP_OUTPUTS || kind == EFFECT_DROP_CHECKPOINT ||
           kind == EFFECT_RETIRE_CLIP || kind == EFFECT_REMOVE_BATCH;
}

/* Files are unlinked when the rows that claimed them are gone for good. */
static inline void world_unlink(struct world *w)
{
    const struct effects *list = farm_effects(w->f);
    bool any = false, saved = false;
    for (size_t i = 0; i < list->count; i++) {
        any = any || gives_up(list->items[i].kind);
        saved = saved || list->items[i].kind == EFFECT_SAVE_OUTPUT;
    }
    if (any) disk_sweep(&w->disk, &w->store, false);
    if ((any || saved) && !world_is_red(w)) (void)disk_check(&w->disk, &w->store, &w->red);
}

/* MUTATION_UNLINK_FIRST: what this turn gives up, before that is committed. */
static inline void unlink_first(struct world *w)
{
    const struct effects *list = farm_effects(w->f);
    for (size_t i = 0; i < list->count && w->mutation == MUTATION_UNLINK_FIRST; i++) {
        for (size_t k = 0; k < w->store.output_count && gives_up(list->items[i].kind); k++) {
            const struct ledger_output *o = &w->store.outputs[k];
            struct disk_file *f = disk_file(&w->disk, &o->output.sha256);
            bool hit = list->items[i].kind == EFFECT_DROP_OUTPUTS &&
                       ledger_same_key(&o->task, &list->items[i].task_key);
            if (hit && f != NULL) f->there = false;
        }
    }
}

/* A commit that does not come to its end leaves nothing. */
static inline void world_half_commit(struct world *w)
{
    const struct effects *list = farm_effects(w->f);
    uint32_t end = 1 + chance_below(&w->accidents.how, (uint32_t)list->count + 1);
    w->fresh.clips = 0;
    for (size_t i = 0; i < list->count && i < end && w->mutation == MUTATION_TORN; i++) {
        if (effect_is_write(list->items[i].kind)) ledger_write(&w->store, w->f, &list->items[i]);
    }
}

static inline void tell_write(struct world *w, const struct effect *e)
{
    const struct task_key *key = &e->task_key;
    if (e->kind == EFFECT_SAVE_ATTEMPT)
        world_word(w, "lease of %s/%u.%u to %s, fence %llu as %llu", e->attempt.task.batch,
                   (unsigned)e->attempt.task.clip, (unsigned)e->attempt.task.task,
                   e->attempt.worker, (unsigned long long)e->attempt.fence,
                   (unsigned long long)e->attempt.worker_fence);
    else if (e->kind == EFFECT_END_ATTEMPT)
        world_word(w, "end %d of %s/%u.%u, fence %llu", (int)e->end.end, e->end.task.batch,
                   (unsigned)e->end.task.clip, (unsigned)e->end.task.task,
                   (unsigned long long)e->end.fence);
    else if (e->kind == EFFECT_SAVE_CLIP)
        world_word(w, "clip %s/%u is %d", e->clip.batch, (unsigned)e->clip.clip,
                   (int)e->clip.state);
    else if (gives_up(e->kind) && e->kind != EFFECT_REMOVE_BATCH)
        world_word(w, "%s %s/%u.%u", effect_name(e->kind), key->batch, (unsigned)key->clip,
                   (unsigned)key->task);
    else if (e->kind != EFFECT_SAVE_TASK && e->kind != EFFECT_SAVE_PAGE)
        world_word(w, "%s %s", effect_name(e->kind), e->kind == EFFECT_EVENT ? e->event.kind : "");
}

/* Second opinions; only who lies about its frames, or whose are black, is found out. */
static inline void count_opinions(struct world *w, const struct effect *e)
{
    bool is_end = e->kind == EFFECT_END_ATTEMPT, is_event = e->kind == EFFECT_EVENT;
    w->set_aside += is_end && (e->end.end == END_SUSPECT || e->end.end == END_COMPARED);
    w->disowned += is_event && strcmp(e->event.kind, "clip.disowned") == 0;
    w->disputes += is_event && strcmp(e->event.kind, "task.disputed") == 0;
    if (!is_event || strcmp(e->event.kind, "worker.disproved") != 0) return;
    enum temper temper = w->members[world_index(w, e->event.worker)].temper;
    w->disproofs++;
    if (temper != LYING && temper != FAILING)
        error_set(&w->red, ERROR_INTERNAL, "W8: %s was found to lie, and did not", e->event.worker);
}

static inline void world_write(struct world *w)
{
    const struct effects *list = farm_effects(w->f);
    for (size_t i = 0; i < list->count; i++) {
        const struct effect *e = &list->items[i];
        if (!effect_is_write(e->kind) || is_lost(w, e)) continue;
        checker_see_write(&w->checker, w->f, e);
        tell_write(w, e);
        w->copies += e->kind == EFFECT_EVENT && strcmp(e->event.kind, "attempt.copied") == 0;
        count_opinions(w, e);
        claim_file(w, e);
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
    world_unlink(w);
    if (!world_is_red(w)) (void)reload_same(w->f, &w->store, w->now_ns, &w->red);
}

#endif

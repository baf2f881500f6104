/* reload: a farm made from a ledger, as a start makes one from the database, and the question
 * whether a ledger says what a farm has in memory. */
#ifndef ZOE_TESTS_SIMULATION_RELOAD_H
#define ZOE_TESTS_SIMULATION_RELOAD_H

#include "coordinator/worker_core.h"
#include "simulation/ledger.h"

static inline bool reload_worker(struct farm *f, struct ledger_worker *w, struct error *err)
{
    struct worker_record row = w->row;
    row.name = w->texts[0];
    row.machine_id = w->texts[1];
    row.host = w->texts[2];
    row.build = w->texts[3];
    row.reason = w->texts[4];
    row.by = w->texts[5];
    return farm_load_worker(f, &row, err);
}

static inline bool reload_batch(struct farm *f, const struct ledger_batch *b, struct error *err)
{
    if (b->spec.id[0] == '\0') return true; /* removed */
    struct clip_counts *fresh = xcalloc(b->spec.groups, sizeof(*fresh));
    for (uint32_t i = 0; i < b->spec.run_count; i++) {
        bool last = i + 1 == b->spec.run_count;
        uint32_t end = last ? b->spec.clips : b->spec.runs[i + 1].first_clip;
        fresh[b->spec.runs[i].group].by_state[CLIP_WAITING] += end - b->spec.runs[i].first_clip;
    }
    struct batch_record record = b->record;
    if (!b->saved) record = (struct batch_record){.group_counts = fresh};
    bool ok = farm_load_batch(f, &b->spec, &record, err);
    for (uint32_t i = 0; ok && i < b->page_count && record.state != BATCH_DONE; i++) {
        if (b->pages[i] != NULL) ok = farm_load_page(f, b->spec.id, i, b->pages[i], err);
    }
    free(fresh);
    return ok;
}

static inline bool reload_tasks(struct farm *f, const struct ledger *l, struct error *err)
{
    for (size_t i = 0; i < l->task_count; i++) {
        struct task_record row = ledger_task_row(&l->tasks[i]);
        if (row.open && !farm_load_task(f, &row, err)) return false;
    }
    for (size_t i = 0; i < l->attempt_count; i++) {
        struct attempt_record row = l->attempts[i].row;
        row.worker = l->attempts[i].worker;
        bool lives = l->attempts[i].end == END_LIVE && row.task.batch[0] != '\0';
        if (lives && !farm_load_attempt(f, &row, err)) return false;
    }
    return true;
}

/* NULL: the rows make no sense. */
static inline struct farm *reload_farm(const struct ledger *l, const struct farm_config *config,
                                       int64_t now_ns, struct error *err)
{
    struct farm *f = farm_new(config);
    bool ok = true;
    for (size_t i = 0; ok && i < l->worker_count; i++)
        ok = reload_worker(f, &l->workers[i], err);
    for (size_t i = 0; ok && i < l->batch_count; i++)
        ok = reload_batch(f, &l->batches[i], err);
    if (ok && reload_tasks(f, l, err)) {
        farm_loaded(f, now_ns);
        return f;
    }
    farm_free(f);
    return NULL;
}

/* ---- does the store say what memory says? ---- */

static inline bool reload_differs(struct error *err, const char *what, const struct task_key *key)
{
    return error_set(err, ERROR_INTERNAL, "store and memory differ: %s of %s/%u.%u", what,
                     key->batch, (unsigned)key->clip, (unsigned)key->task);
}

static inline bool reload_same_batch(const struct farm *f, const struct ledger_batch *b,
                                     struct error *err)
{
    struct batch_record now;
    struct task_key key = {.batch = ""};
    memcpy(key.batch, b->spec.id, sizeof(key.batch));
    if (!farm_batch_record(f, b->spec.id, &now)) return reload_differs(err, "existence", &key);
    if (!b->saved) return true;
    const struct batch_record *old = &b->record;
    bool same = old->state == now.state && old->round == now.round && old->started == now.started &&
                old->attempts == now.attempts && old->steps_computed == now.steps_computed &&
                old->steps_wasted == now.steps_wasted;
    if (!same) return reload_differs(err, "the record", &key);
    if (memcmp(old->group_counts, now.group_counts, b->spec.groups * sizeof(*now.group_counts)) !=
        0)
        return reload_differs(err, "the counters", &key);
    return true;
}

/* Pages that were never saved are all waiting; those of a batch that is done are not read. */
static inline bool reload_same_pages(const struct farm *f, const struct ledger_batch *b,
                                     struct error *err)
{
    uint8_t now[CLIPS_PER_PAGE];
    struct task_key key = {.batch = ""};
    memcpy(key.batch, b->spec.id, sizeof(key.batch));
    if (b->record.state == BATCH_DONE) return true;
    for (uint32_t i = 0; i < b->page_count; i++) {
        (void)farm_page(f, b->spec.id, i, now);
        for (uint32_t c = 0; c < CLIPS_PER_PAGE && i * CLIPS_PER_PAGE + c < b->spec.clips; c++) {
            key.clip = i * CLIPS_PER_PAGE + c;
            if (now[c] != (b->pages[i] != NULL ? b->pages[i][c] : 0))
                return reload_differs(err, "the state", &key);
        }
    }
    return true;
}

static inline bool reload_same_text(const char *a, const char *b)
{
    char x[LEDGER_TEXT], y[LEDGER_TEXT];
    return strcmp(ledger_text(x, a), ledger_text(y, b)) == 0;
}

static inline const char *reload_task_field(const struct task_record *a,
                                            const struct task_record *b)
{
    if (a->state != b->state) return "the task's state";
    if (a->fence != b->fence) return "the fence";
    if (a->attempts != b->attempts) return "the number of attempts";
    if (a->counted != b->counted || a->losses != b->losses) return "the counted ends";
    if (a->blamed_count != b->blamed_count) return "the number of blamed workers";
    for (uint32_t i = 0; i < a->blamed_count; i++) {
        if (!reload_same_text(a->blamed[i], b->blamed[i])) return "a blamed worker";
    }
    bool same_winner = reload_same_text(a->winner, b->winner) && a->winner_fence == b->winner_fence;
    if (!same_winner) return "the winner";
    if (a->output_bytes != b->output_bytes || a->suspect != b->suspect) return "the outputs";
    if (!reload_same_text(a->fingerprint, b->fingerprint)) return "the fingerprint";
    if (a->checkpoint_step != b->checkpoint_step || a->checkpoint_fence != b->checkpoint_fence ||
        !reload_same_text(a->checkpoint_fingerprint, b->checkpoint_fingerprint))
        return "the checkpoint";
    return NULL;
}

static inline bool reload_same_task(const struct farm *f, struct ledger_task *t, struct error *err)
{
    struct task_record now, old = ledger_task_row(t);
    bool is_open = farm_task_record(f, &old.key, &now);
    if (is_open && !old.open && now.attempts == 0) return true; /* wanted again by `retry` */
    if (is_open != old.open) return reload_differs(err, "openness", &old.key);
    if (!is_open) return true;
    const char *field = reload_task_field(&old, &now);
    return field == NULL || reload_differs(err, field, &old.key);
}

static inline uint32_t reload_live(const struct ledger *l, const char *batch)
{
    uint32_t count = 0;
    for (size_t i = 0; i < l->attempt_count; i++) {
        const struct ledger_attempt *a = &l->attempts[i];
        count += a->end == END_LIVE && strcmp(a->row.task.batch, batch) == 0;
    }
    return count;
}

static inline bool reload_has_live(const struct ledger *l, const struct running_info *r)
{
    for (size_t i = l->attempt_count; i-- > 0;) {
        const struct ledger_attempt *a = &l->attempts[i];
        if (a->end == END_LIVE && a->row.worker_fence == r->attempt.fence &&
            ledger_same_key(&a->row.task, &r->attempt.task) && strcmp(a->worker, r->worker) == 0)
            return true;
    }
    return false;
}

#define RELOAD_RUNNING 512

static inline bool reload_same_attempts(const struct farm *f, const struct ledger *l,
                                        const char *batch, int64_t now_ns, struct error *err)
{
    static struct running_info running[RELOAD_RUNNING];
    struct task_key key = {.batch = ""};
    memcpy(key.batch, batch, sizeof(key.batch));
    uint32_t count = farm_batch_running(f, batch, now_ns, running, RELOAD_RUNNING);
    if (count != reload_live(l, batch))
        return reload_differs(err, "the number of live attempts", &key);
    for (uint32_t i = 0; i < count; i++) {
        if (!reload_has_live(l, &running[i]))
            return reload_differs(err, "a live attempt", &running[i].attempt.task);
    }
    return true;
}

/* What passes by itself (who is here, who is busy) may differ: a quarantine may not, nor whose. */
static inline bool reload_same_worker(const struct farm *f, const struct ledger_worker *saved,
                                      struct error *err)
{
    const char *name = saved->texts[0], *reason = saved->texts[4], *by = saved->texts[5];
    const struct worker *w = worker_find(f, name);
    bool out = saved->row.state == WORKER_QUARANTINED;
    bool same = w != NULL && w->quarantined == out;
    if (same && out)
        same = w->standing.held == (by[0] != '\0') && reload_same_text(w->reason, reason) &&
               reload_same_text(w->by, by);
    return same || error_set(err, ERROR_INTERNAL,
                             "store and memory differ: the quarantine of worker %s", name);
}

static inline bool reload_same_workers(const struct farm *f, const struct ledger *l,
                                       struct error *err)
{
    for (size_t i = 0; i < l->worker_count; i++) {
        if (!reload_same_worker(f, &l->workers[i], err)) return false;
    }
    return true;
}

static inline bool reload_same(const struct farm *f, const struct ledger *l, int64_t now_ns,
                               struct error *err)
{
    for (size_t i = 0; i < l->batch_count; i++) {
        const struct ledger_batch *b = &l->batches[i];
        if (b->spec.id[0] == '\0') continue;
        if (!reload_same_batch(f, b, err) || !reload_same_pages(f, b, err) ||
            !reload_same_attempts(f, l, b->spec.id, now_ns, err))
            return false;
    }
    for (size_t i = 0; i < l->task_count; i++) {
        if (l->tasks[i].row.key.batch[0] != '\0' && !reload_same_task(f, &l->tasks[i], err))
            return false;
    }
    return reload_same_workers(f, l, err);
}

#endif

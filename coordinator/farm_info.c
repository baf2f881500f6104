/* Questions about the farm. Nothing here scans clips, but for farm_clip_find, whose caller asks for
 * a clip. */
#include <string.h>

#include "base/clock.h"
#include "coordinator/attempt.h"
#include "coordinator/clip.h"
#include "coordinator/presence.h"
#include "coordinator/scheduler.h"

/* ---- content of writes ---- */

bool farm_batch_record(const struct farm *f, const char *batch, struct batch_record *out)
{
    const struct batch *b = batch_find(f, batch);
    if (b == NULL) return false;
    for (uint32_t i = 0; i < b->group_count; i++)
        b->group_counts[i] = b->groups[i].counts;
    *out = (struct batch_record){.state = b->state,
                                 .round = b->round,
                                 .started = b->started,
                                 .finished_ms = b->finished_ms,
                                 .attempts = b->attempts,
                                 .steps_computed = b->steps_computed,
                                 .steps_wasted = b->steps_wasted,
                                 .group_counts = b->group_counts};
    return true;
}

bool farm_page(const struct farm *f, const char *batch, uint32_t index, uint8_t out[CLIPS_PER_PAGE])
{
    const struct batch *b = batch_find(f, batch);
    if (b == NULL || index >= b->page_count) return false;
    const struct page *page = &b->pages[index];
    if (page->states != NULL)
        memcpy(out, page->states, CLIPS_PER_PAGE);
    else
        memset(out, page->fill, CLIPS_PER_PAGE);
    return true;
}

/* ---- one batch ---- */

static uint32_t slots_at_work(const struct farm *f)
{
    uint32_t count = 0;
    for (size_t i = 0; i < f->workers.count; i++) {
        if (worker_accepts(f->crew[i])) count += f->crew[i]->slot_count;
    }
    return count;
}

/* Half of what runs is done, on average; what is stitched costs next to nothing. */
static int64_t work_left_ns(const struct group *g, bool *known)
{
    const uint64_t *counts = g->counts.by_state;
    uint64_t halves = 2 * (counts[CLIP_WAITING] + counts[CLIP_RETRY]) + counts[CLIP_LEASED];
    int64_t each_ns = pace_median(&g->lane->clips);
    if (halves > 0 && each_ns == 0) *known = false;
    double left = (double)halves / 2.0 * (double)each_ns;
    return left < 1e18 ? (int64_t)left : INT64_C(1000000000000000000);
}

static int64_t eta_of(const struct farm *f, const struct batch *b)
{
    uint32_t slots = slots_at_work(f);
    bool known = slots > 0 && !batch_state_is_terminal(b->state) && !b->paused;
    double left = 0;
    for (uint32_t i = 0; known && i < b->group_count; i++)
        left += (double)work_left_ns(&b->groups[i], &known);
    return known ? (int64_t)(left / slots) : 0;
}

static void fill_batch(const struct farm *f, const struct batch *b, struct batch_info *out)
{
    *out = (struct batch_info){.id = b->id,
                               .name = b->name,
                               .owner = b->owner,
                               .state = b->state,
                               .priority = b->priority,
                               .sequence = b->sequence,
                               .created_ms = b->created_ms,
                               .finished_ms = b->finished_ms,
                               .prompts = b->prompts,
                               .clips = b->clips,
                               .counts = b->counts,
                               .groups = b->group_count,
                               .attempts = b->attempts,
                               .steps_computed = b->steps_computed,
                               .steps_wasted = b->steps_wasted,
                               .eta_ns = eta_of(f, b)};
}

bool farm_batch_info(const struct farm *f, const char *batch, struct batch_info *out)
{
    const struct batch *b = batch_find(f, batch);
    if (b != NULL) fill_batch(f, b, out);
    return b != NULL;
}

bool farm_batch_at(const struct farm *f, uint64_t index, struct batch_info *out)
{
    if (index >= f->batches.count) return false;
    fill_batch(f, f->order[index], out);
    return true;
}

bool farm_batch_index(const struct farm *f, const char *batch, uint64_t *index_out)
{
    const struct batch *b = batch_find(f, batch);
    for (size_t i = 0; b != NULL && i < f->batches.count; i++) {
        *index_out = i;
        if (f->order[i] == b) return true;
    }
    return false;
}

/* NULL: none or several begin so. */
static const struct batch *by_prefix(const struct farm *f, const char *text, uint32_t *hits_out)
{
    const struct batch *hit = NULL;
    size_t length = strlen(text);
    for (size_t i = 0; i < f->batches.count && length > 0; i++) {
        if (strncmp(f->order[i]->id, text, length) != 0) continue;
        hit = f->order[i];
        ++*hits_out;
    }
    return *hits_out == 1 ? hit : NULL;
}

bool farm_batch_find(const struct farm *f, const char *text, struct batch_info *out,
                     struct error *err)
{
    uint32_t hits = 0;
    const struct batch *b = batch_find(f, text);
    bool last = strcmp(text, "last") == 0;
    if (b == NULL && last && f->batches.count > 0) b = f->order[f->batches.count - 1];
    if (b == NULL && !last) b = by_prefix(f, text, &hits);
    if (b != NULL) {
        fill_batch(f, b, out);
        return true;
    }
    if (hits > 1)
        return error_set(err, ERROR_USAGE, "%u batches begin with %s: give more of the id",
                         (unsigned)hits, text);
    return error_set(err, ERROR_NOT_FOUND, "no batch %s; see zoe batch list", text);
}

bool farm_group_info(const struct farm *f, const char *batch, uint32_t group,
                     struct group_info *out)
{
    const struct batch *b = batch_find(f, batch);
    if (b == NULL || group >= b->group_count) return false;
    *out = (struct group_info){b->groups[group].lane->shape, b->groups[group].counts};
    return true;
}

/* ---- running ---- */

static struct running_info running_of(const struct attempt *a, int64_t now_ns)
{
    return (struct running_info){.attempt = attempt_key(a),
                                 .worker = a->worker->name,
                                 .phase = a->place == ATTEMPT_NEXT ? PHASE_PREFETCHED : a->phase,
                                 .step = a->step,
                                 .steps = a->steps,
                                 .age_ns = a->begun_ns != 0 ? now_ns - a->begun_ns : 0};
}

uint32_t farm_batch_running(const struct farm *f, const char *batch, int64_t now_ns,
                            struct running_info *out, uint32_t room)
{
    const struct batch *b = batch_find(f, batch);
    const struct task *t = NULL;
    uint32_t count = 0;
    if (b == NULL) return 0;
    for (size_t i = 0; (t = table_next(&b->tasks, &i, NULL, NULL)) != NULL;) {
        CHAIN_EACH(link, &t->live)
        {
            if (count == room) return count;
            out[count++] = running_of(CHAIN_OWNER(link, struct attempt, of_task), now_ns);
        }
    }
    return count;
}

uint32_t farm_worker_running(const struct farm *f, const char *worker, int64_t now_ns,
                             struct running_info *out, uint32_t room)
{
    const struct worker *w = worker_find(f, worker);
    uint32_t count = 0;
    if (w == NULL) return 0;
    CHAIN_EACH(link, &w->attempts)
    {
        if (count == room) return count;
        out[count++] = running_of(CHAIN_OWNER(link, struct attempt, of_worker), now_ns);
    }
    return count;
}

/* ---- reasons (S6) ---- */

enum capability { NOBODY, REFUSED, SOMEBODY };

static enum capability capability_for(const struct farm *f, const struct lane *lane)
{
    enum capability best = NOBODY;
    for (size_t i = 0; i < f->workers.count; i++) {
        if (!worker_accepts(f->crew[i])) continue;
        if (worker_can(f->crew[i], lane)) return SOMEBODY;
        best = REFUSED;
    }
    return best;
}

static uint64_t waiting_in(const struct clip_counts *counts)
{
    return counts->by_state[CLIP_WAITING] + counts->by_state[CLIP_RETRY];
}

/* Tasks of the group whose turn has not come (T7), or that wait for a canary (T4). */
static uint64_t held_back(const struct group *g)
{
    uint64_t ready = 0;
    CHAIN_EACH(link, &g->tasks) ready++;
    uint64_t retries = g->counts.by_state[CLIP_RETRY];
    return retries > ready ? retries - ready : 0;
}

enum reason_code { WHY_NO_WORKER, WHY_REFUSED, WHY_RETRY, WHY_BUSY, WHY_COUNT };

static uint32_t add_reason(struct reason_info *out, uint32_t count, const char *code,
                           uint64_t clips, const char *message)
{
    if (clips > 0) out[count++] = (struct reason_info){code, clips, message};
    return count;
}

static uint32_t list_by_group(const struct farm *f, const struct batch *b,
                              struct reason_info out[REASONS_MAX])
{
    uint64_t clips[WHY_COUNT] = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < b->group_count; i++) {
        const struct group *g = &b->groups[i];
        uint64_t waiting = waiting_in(&g->counts);
        enum capability who = waiting > 0 ? capability_for(f, g->lane) : NOBODY;
        uint64_t retry = who == SOMEBODY ? held_back(g) : 0;
        if (who == SOMEBODY)
            clips[WHY_BUSY] += waiting - retry;
        else
            clips[who == REFUSED ? WHY_REFUSED : WHY_NO_WORKER] += waiting;
        clips[WHY_RETRY] += retry;
    }
    count = add_reason(out, count, "no_worker", clips[WHY_NO_WORKER],
                       "no worker is here that takes work; see zoe worker list");
    count = add_reason(out, count, "model_refused", clips[WHY_REFUSED],
                       "every worker here has refused this model");
    count = add_reason(out, count, "retry_wait", clips[WHY_RETRY],
                       "failed before and wait for their next try");
    return add_reason(out, count, "busy", clips[WHY_BUSY], "all slots are busy");
}

uint32_t farm_batch_reasons(const struct farm *f, const char *batch, int64_t now_ns,
                            struct reason_info out[REASONS_MAX])
{
    (void)now_ns;
    const struct batch *b = batch_find(f, batch);
    if (b == NULL || batch_state_is_terminal(b->state)) return 0;
    uint64_t waiting = waiting_in(&b->counts);
    if (b->paused)
        return add_reason(out, 0, "paused", waiting, "the batch is paused; see zoe batch resume");
    if (f->disk_low)
        return add_reason(out, 0, "disk_low", waiting, "the coordinator's disk is nearly full");
    return list_by_group(f, b, out);
}

/* ---- clips and tasks ---- */

enum clip_state farm_clip_state(const struct farm *f, const char *batch, uint32_t clip)
{
    const struct batch *b = batch_find(f, batch);
    return b != NULL && clip < b->clips ? clip_state(b, clip) : CLIP_STATE_COUNT;
}

static bool has_name(enum clip_state state, const void *context)
{
    const char *name = context;
    return name[0] == '\0' || strcmp(clip_state_name(state), name) == 0;
}

bool farm_clip_find(const struct farm *f, const char *batch, const char *name, uint32_t from,
                    uint32_t *clip_out)
{
    const struct batch *b = batch_find(f, batch);
    if (b == NULL) return false;
    *clip_out = clip_search(b, from, has_name, name);
    return *clip_out != CLIP_NONE;
}

bool farm_clip_progress(const struct farm *f, const char *batch, uint32_t clip,
                        struct clip_progress *out)
{
    const struct batch *b = batch_find(f, batch);
    if (b == NULL || clip >= b->clips) return false;
    const struct plan *plan = &clip_group(b, clip)->lane->shape.plan;
    const struct task *t = task_find(b, clip, 0);
    out->tasks = plan->frames > 0 ? plan_task_count(plan) : 1;
    out->done = t != NULL && t->state == TASK_DONE;
    return out->tasks > 1;
}

bool farm_task_record(const struct farm *f, const struct task_key *task, struct task_record *out)
{
    const struct batch *b = batch_find(f, task->batch);
    const struct task *t = b != NULL ? task_find(b, task->clip, task->task) : NULL;
    if (t != NULL) *out = task_record(t);
    return t != NULL;
}

/* ---- workers ---- */

static void fill_worker(const struct worker *w, int64_t now_ns, struct worker_info *out)
{
    *out = (struct worker_info){.name = w->name,
                                .state = w->state,
                                .reason = w->reason,
                                .by = w->by,
                                .host = w->host,
                                .build = w->build,
                                .since_ms = w->since_ms,
                                .silent_ns = w->heard ? now_ns - w->heard_ns : -1,
                                .slots = w->info,
                                .slot_count = w->slot_count,
                                .session = w->session,
                                .finished = w->finished,
                                .failed = w->failed,
                                .lost = w->lost,
                                .memory_bytes = w->memory_bytes,
                                .outbox_count = w->outbox_count};
}

bool farm_worker_at(const struct farm *f, uint32_t index, int64_t now_ns, struct worker_info *out)
{
    if (index >= f->workers.count) return false;
    fill_worker(f->crew[index], now_ns, out);
    return true;
}

bool farm_worker_info(const struct farm *f, const char *worker, int64_t now_ns,
                      struct worker_info *out)
{
    const struct worker *w = worker_find(f, worker);
    if (w != NULL) fill_worker(w, now_ns, out);
    return w != NULL;
}

const char *farm_session_worker(const struct farm *f, uint64_t session)
{
    const struct worker *w = worker_of_session(f, session);
    return w != NULL ? w->name : NULL;
}

/* ---- totals ---- */

static void count_worker(const struct worker *w, struct farm_totals *out)
{
    bool away = w->state == WORKER_UNREACHABLE;
    if (w->state == WORKER_OFFLINE || w->state == WORKER_DRAINED) return;
    out->workers++;
    out->workers_busy += w->state == WORKER_BUSY;
    out->workers_idle += w->state == WORKER_IDLE;
    out->workers_away += away;
    out->slots += away ? 0 : w->slot_count;
    CHAIN_EACH(link, &w->attempts) out->attempts++;
}

void farm_totals(const struct farm *f, struct farm_totals *out)
{
    *out = (struct farm_totals){.batches = f->batches.count,
                                .batches_unfinished = f->batches_unfinished,
                                .clips = f->counts,
                                .attempts_lost = f->attempts_lost,
                                .offers_dropped = f->offers_dropped,
                                .disk_low = f->disk_low,
                                .disk_free_bytes = f->disk_free_bytes};
    for (size_t i = 0; i < f->workers.count; i++)
        count_worker(f->crew[i], out);
}

uint32_t farm_heartbeat_ms(const struct farm *f)
{
    return presence_heartbeat_ms(f);
}

bool farm_is_idle(const struct farm *f)
{
    return f->batches_unfinished == 0 &&
           f->counts.by_state[CLIP_STITCHING] + f->counts.by_state[CLIP_PUBLISHING] == 0;
}

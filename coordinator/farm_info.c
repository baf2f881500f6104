/* Questions about the farm. Nothing here scans clips, but for farm_clip_find, whose caller asks for
 * a clip. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "coordinator/attempt.h"
#include "coordinator/clip.h"
#include "coordinator/presence.h"
#include "coordinator/work.h"

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

/* Tasks of the clips begun that are not done, by stage: as if the first stage were done first, so
 * that what lives may be of a stage that has nothing left. */
static void add_begun(const struct batch *b, uint64_t halves[][GROUP_STAGES_MAX])
{
    const struct work *w = NULL;
    for (size_t i = 0; (w = table_next(&b->works, &i, NULL, NULL)) != NULL;) {
        uint32_t first = w->group->stands[0].each;
        uint32_t done = w->done < first ? w->done : first;
        uint64_t *left = halves[w->group - b->groups];
        if (clip_state(b, w->clip) == CLIP_FAILED) continue;
        left[0] += 2 * (uint64_t)(first - done);
        left[1] += 2 * (uint64_t)(w->group->tasks - first - (w->done - done));
        CHAIN_EACH(link, &w->live)
        {
            const struct task *t = CHAIN_OWNER(link, struct attempt, of_work)->task;
            uint64_t *halves_left = &left[t->stand != &w->group->stands[0]];
            if (*halves_left > 0) --*halves_left;
        }
    }
}

/* Half of what runs is done, on average; what is stitched costs next to nothing. */
static double work_left_ns(const struct stand *s, uint64_t halves, bool *known)
{
    int64_t each_ns = pace_median(&s->lane->tasks);
    halves += 2 * s->group->counts.by_state[CLIP_WAITING] * s->each;
    if (halves > 0 && each_ns == 0) *known = false;
    return (double)halves / 2.0 * (double)each_ns;
}

static int64_t eta_from(double left_ns)
{
    return left_ns < 1e18 ? (int64_t)left_ns : INT64_C(1000000000000000000);
}

static int64_t eta_of(const struct farm *f, const struct batch *b)
{
    uint32_t slots = f->roster.slots;
    bool known = slots > 0 && !batch_state_is_terminal(b->state) && !b->paused;
    double left = 0;
    if (!known) return 0;
    uint64_t(*halves)[GROUP_STAGES_MAX] = xcalloc(b->group_count, sizeof(*halves));
    add_begun(b, halves);
    for (uint32_t i = 0; known && i < b->group_count; i++) {
        for (uint32_t k = 0; k < b->groups[i].stages; k++)
            left += work_left_ns(&b->groups[i].stands[k], halves[i][k], &known);
    }
    free(halves);
    return known ? eta_from(left / slots) : 0;
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

bool farm_batch_exists(const struct farm *f, const char *batch)
{
    return batch_find(f, batch) != NULL;
}

bool farm_batch_brief(const struct farm *f, const char *batch, struct batch_brief *out)
{
    const struct batch *b = batch_find(f, batch);
    if (b != NULL) *out = (struct batch_brief){.owner = b->owner, .groups = b->group_count};
    return b != NULL;
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
    *out = (struct group_info){b->groups[group].shape, b->groups[group].counts};
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
    const struct work *w = NULL;
    uint32_t count = 0;
    if (b == NULL) return 0;
    for (size_t i = 0; (w = table_next(&b->works, &i, NULL, NULL)) != NULL;) {
        CHAIN_EACH(link, &w->live)
        {
            if (count == room) return count;
            out[count++] = running_of(CHAIN_OWNER(link, struct attempt, of_work), now_ns);
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
    const struct work *w = work_find(b, clip);
    out->tasks = clip_group(b, clip)->tasks;
    out->done = clip_state(b, clip) == CLIP_PUBLISHED ? out->tasks : 0;
    if (w != NULL) out->done = w->done;
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

bool farm_has_owner(const struct farm *f, const char *owner)
{
    return table_get_text(&f->owners, owner) != NULL;
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
    out->workers_in[w->state]++;
    if (w->state == WORKER_OFFLINE || w->state == WORKER_DRAINED) return;
    out->workers++;
    out->slots += w->state == WORKER_UNREACHABLE ? 0 : w->slot_count;
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

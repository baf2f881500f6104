#include "coordinator/reconcile_batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/publish.h"
#include "coordinator/tree.h"

#define COMMIT_CLIPS 2000

struct work {
    struct reconcile_batch *b;
    struct reconcile *r;
    const struct rebuild_facts *facts;
    struct clip_run *runs;
    uint32_t run_count, run_capacity;
    uint8_t *states;
    struct batch_record record;
    struct clip_counts *counts;
    bool is_new;
    uint32_t inputs_missing;
    bool revived; /* a clip that had failed is published */
    uint64_t changes;
    int64_t last_ms;
    bool ok;
    struct error err;
};

static const struct reconcile_hint *hint_of(const struct work *w)
{
    return table_get_text(w->r->hints, w->facts->id);
}

/* ---- groups of clips ---- */

static void add_run(void *context, uint64_t first_clip, uint64_t count, uint32_t group)
{
    struct work *w = context;
    (void)count;
    if (w->run_count == w->run_capacity) {
        w->run_capacity = w->run_capacity ? 2 * w->run_capacity : 16;
        w->runs = xrealloc_array(w->runs, w->run_capacity, sizeof *w->runs);
    }
    w->runs[w->run_count++] = (struct clip_run){(uint32_t)first_clip, group};
}

static uint32_t group_of(const struct work *w, uint32_t clip)
{
    uint32_t low = 0, high = w->run_count; /* the last run that begins at or before it */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (w->runs[middle].first_clip <= clip)
            low = middle;
        else
            high = middle;
    }
    return w->runs[low].group;
}

static enum output_kind output_of(void *context, uint32_t clip)
{
    const struct work *w = context;
    return w->facts->shapes[group_of(w, clip)].output;
}

/* ---- clips ---- */

static bool commit(struct work *w)
{
    if (w->ok && !store_commit(w->r->s, &w->err)) w->ok = false;
    w->changes = 0;
    return w->ok;
}

static const char *published_as(void *context, uint32_t clip)
{
    struct work *w = context;
    struct clip_record row;
    if ((w->states[clip] & CLIP_STATE_MASK) != CLIP_PUBLISHED) return NULL;
    return store_clip(w->r->s, w->facts->id, clip, &row, NULL) ? row.file : NULL;
}

static void found(void *context, const struct clip_record *clip, uint64_t computed, uint64_t wasted,
                  int64_t published_ms)
{
    struct work *w = context;
    uint8_t *state = &w->states[clip->clip];
    if (published_ms > w->last_ms) w->last_ms = published_ms;
    if ((*state & CLIP_STATE_MASK) == CLIP_PUBLISHED || !w->ok) return;
    if ((*state & CLIP_STATE_MASK) == CLIP_FAILED) w->revived = true;
    if (!w->is_new) store_rebuild_clip(w->r->s, clip->batch, clip->clip);
    store_clip_save(w->r->s, clip);
    *state = (uint8_t)(CLIP_PUBLISHED | (clip->suspect != SUSPECT_NONE ? CLIP_SUSPECT_BIT : 0));
    w->record.attempts += clip->attempts;
    w->record.steps_computed += computed;
    w->record.steps_wasted += wasted;
    w->record.started = true;
    w->r->clips_found++;
    if (++w->changes >= COMMIT_CLIPS) (void)commit(w);
}

static void count(struct work *w)
{
    memset(w->counts, 0, w->facts->groups * sizeof *w->counts);
    for (uint32_t clip = 0; clip < w->facts->clips; clip++) {
        struct clip_counts *c = &w->counts[group_of(w, clip)];
        enum clip_state state = w->states[clip] & CLIP_STATE_MASK;
        if (state == CLIP_WAITING && w->record.state == BATCH_CANCELED) state = CLIP_CANCELED;
        c->by_state[state]++;
        if (w->states[clip] & CLIP_SUSPECT_BIT) c->suspect++;
    }
}

static uint64_t in_state(const struct work *w, enum clip_state state)
{
    uint64_t sum = 0;
    for (uint32_t g = 0; g < w->facts->groups; g++)
        sum += w->counts[g].by_state[state];
    return sum;
}

/* It may have been tried again since the backup, and ended later. */
static int64_t end_of(const struct work *w)
{
    const struct reconcile_hint *hint = hint_of(w);
    int64_t end_ms = w->record.finished_ms;
    if (w->last_ms > end_ms) end_ms = w->last_ms;
    if (hint != NULL && hint->said.finished_ms > end_ms) end_ms = hint->said.finished_ms;
    return end_ms > 0 ? end_ms : clock_wall_ms();
}

/* What can still run runs; a batch that had ended stays as it was, unless all of it is there. */
static void decide_state(struct work *w)
{
    const uint64_t left = in_state(w, CLIP_WAITING) + in_state(w, CLIP_RETRY) +
                          in_state(w, CLIP_LEASED) + in_state(w, CLIP_STITCHING) +
                          in_state(w, CLIP_PUBLISHING);
    const bool over = left == 0;
    w->r->clips_waiting += left;
    if (in_state(w, CLIP_PUBLISHED) == w->facts->clips)
        w->record.state = BATCH_DONE;
    else if (over && !batch_state_is_terminal(w->record.state))
        w->record.state = in_state(w, CLIP_FAILED) > 0 ? BATCH_FAILED : BATCH_CANCELED;
    else if (!over && w->record.state != BATCH_CANCELED)
        w->record.state = w->r->paused || w->record.state == BATCH_PAUSED ? BATCH_PAUSED
                          : w->record.started                             ? BATCH_RUNNING
                                                                          : BATCH_QUEUED;
    w->record.finished_ms = batch_state_is_terminal(w->record.state) ? end_of(w) : 0;
}

static void save(struct work *w)
{
    const uint32_t clips = (uint32_t)w->facts->clips;
    for (uint32_t first = 0; first < clips; first += CLIPS_PER_PAGE) {
        const uint32_t size = clips - first < CLIPS_PER_PAGE ? clips - first : CLIPS_PER_PAGE;
        store_page_save(w->r->s, w->facts->id, first / CLIPS_PER_PAGE, w->states + first, size);
    }
    count(
        w); /* also right after the decision: it cancels nothing that waits, and revives nothing */
    decide_state(w);
    w->record.group_counts = w->counts;
    store_batch_save(w->r->s, w->facts->id, &w->record, w->facts->groups);
    store_rebuild_bytes(w->r->s, w->facts->id);
}

/* ---- a retry since the backup ---- */

/* The database that is replaced knows of it, and whether it is over, too; else what was published
 * since tells. */
static bool was_retried(const struct work *w)
{
    const struct reconcile_hint *hint = hint_of(w);
    if (w->record.state == BATCH_DONE || w->record.state == BATCH_CANCELED) return false;
    if (hint == NULL || hint->said.round <= w->record.round)
        return w->record.state == BATCH_FAILED && w->revived;
    return !batch_state_is_terminal(hint->said.state) || hint->said.state == BATCH_DONE;
}

/* What is stored of it is not rendered again. */
static enum clip_state state_again(struct work *w, uint32_t clip)
{
    const struct plan *plan = &w->facts->shapes[group_of(w, clip)].plan;
    uint32_t stored = 0;
    if (w->ok) w->ok = store_open_tasks(w->r->s, w->facts->id, clip, &stored, &w->err);
    if (stored == 0) return CLIP_WAITING;
    const uint32_t tasks = plan->frames == 0 ? 1 : plan_task_count(plan);
    return stored == tasks ? CLIP_STITCHING : CLIP_RETRY;
}

static uint32_t want_again(struct work *w)
{
    uint32_t count = 0;
    for (uint32_t clip = 0; clip < w->facts->clips; clip++) {
        if ((w->states[clip] & CLIP_STATE_MASK) != CLIP_FAILED) continue;
        w->states[clip] = (uint8_t)state_again(w, clip);
        count++;
    }
    return count;
}

static void reopen(struct work *w)
{
    const struct reconcile_hint *hint = hint_of(w);
    if (!was_retried(w)) return;
    if (batch_state_is_terminal(w->record.state)) w->record.state = BATCH_RUNNING;
    if (hint != NULL && hint->said.state == BATCH_PAUSED) w->record.state = BATCH_PAUSED;
    if (hint != NULL && hint->said.round > w->record.round) w->record.round = hint->said.round;
    const uint32_t again = want_again(w);
    if (again > 0)
        findings_add(w->r->findings, FINDING_OK, "batches", w->facts->id, NULL,
                     "was retried after the backup was made: %u clips that had failed are tried"
                     " again",
                     (unsigned)again);
}

/* ---- a batch ---- */

static bool same_totals(struct prompts *all, const struct rebuild_facts *facts, struct error *err)
{
    uint64_t prompts = 0, clips = 0;
    uint32_t groups = 0;
    if (!prompts_totals(all, facts->id, &prompts, &clips, &groups, err)) return false;
    return (prompts == facts->prompts && clips == facts->clips && groups == facts->groups) ||
           error_set(err, ERROR_CORRUPT, "the prompts file of %s is of another batch", facts->id);
}

/* The batch's folder has a second name of it. */
static bool bring_prompts(const struct reconcile_batch *b, struct error *err)
{
    const struct rebuild_facts *facts = b->facts;
    struct error why = {0};
    if (same_totals(b->prompts, facts, &why)) return true;
    struct buf bytes = BUF_INIT;
    char *from = path_join(b->path, PUBLISH_RECIPES);
    char *to = prompts_path(b->prompts, facts->id);
    bool ok = path_read(from, SIZE_MAX / 4, &bytes, err) &&
              prompts_remove(b->prompts, facts->id, err) && /* closed, too */
              path_write_atomic(to, bytes.data, bytes.size, 0600, err) &&
              same_totals(b->prompts, facts, err);
    buf_finish(&bytes);
    free(from);
    free(to);
    return ok || error_wrap(err, "%s; and its folder has no whole copy", why.message);
}

static void take_page(void *context, uint32_t index, const uint8_t *states, size_t size)
{
    struct work *w = context;
    const uint64_t first = (uint64_t)index * CLIPS_PER_PAGE;
    if (first >= w->facts->clips) return;
    const uint64_t left = w->facts->clips - first; /* the last page is saved whole */
    memcpy(w->states + first, states, size < left ? size : left);
}

static bool is_held(const struct reconcile_hint *hint)
{
    return hint->said.state == BATCH_PAUSED || hint->said.state == BATCH_CANCELED;
}

static void take_hint(struct work *w)
{
    const struct reconcile_hint *hint = hint_of(w);
    if (hint == NULL) return;
    w->record.round = hint->said.round;
    if (is_held(hint)) w->record.state = hint->said.state;
}

static void take_keep(const struct work *w)
{
    const struct reconcile_hint *hint = hint_of(w);
    if (hint != NULL && hint->has_keep) store_keep_save(w->r->s, w->facts->id, hint->keep_s);
}

static void pause_batch(struct work *w)
{
    if (!batch_state_is_terminal(w->record.state)) w->record.state = BATCH_PAUSED;
}

/* Of a batch that an older database knows, too: the later word counts. One that was canceled since
 * has tasks in that database that were not, which only the farm can end. */
static void take_later_words(struct work *w)
{
    const struct reconcile_hint *hint = hint_of(w);
    const bool was_over = batch_state_is_terminal(w->record.state);
    take_keep(w);
    if (hint == NULL || was_over) return;
    if (is_held(hint)) pause_batch(w);
    if (hint->said.state != BATCH_CANCELED) return;
    findings_add(w->r->findings, FINDING_WARN, "batches", w->facts->id,
                 "`zoe batch cancel` it once more, or `zoe batch resume`",
                 "was canceled after the backup was made: it is paused");
}

static void bind_inputs(struct work *w)
{
    struct input_record record;
    for (uint32_t i = 0; i < w->facts->input_count; i++) {
        store_batch_input_add(w->r->s, w->facts->id, &w->facts->inputs[i]);
        if (!store_input(w->r->s, &w->facts->inputs[i], &record, NULL)) w->inputs_missing++;
    }
    if (w->inputs_missing > 0) pause_batch(w);
}

/* One that is over needs none. */
static void tell_inputs(const struct work *w)
{
    if (w->inputs_missing == 0 || batch_state_is_terminal(w->record.state)) return;
    findings_add(w->r->findings, FINDING_WARN, "inputs", w->facts->id,
                 "submit the same files once more with the same command (it finds the batch, and "
                 "sends what is missing), then `zoe batch resume`",
                 "%u files that its clips start from are not known any more: it is paused",
                 (unsigned)w->inputs_missing);
}

/* A prepared folder gets its name at the next start. */
static void folder_name(const struct work *w, char out[PUBLISH_FOLDER_SIZE])
{
    const char *name = w->b->name;
    if (name[0] == '.')
        publish_folder_name(w->facts->id, w->facts->name, out);
    else
        (void)snprintf(out, PUBLISH_FOLDER_SIZE, "%s", name);
}

static void add_rows(struct work *w)
{
    char folder[PUBLISH_FOLDER_SIZE];
    const struct rebuild_facts *f = w->facts;
    struct store_batch row = {.folder = folder,
                              .key = f->key,
                              .default_key = f->default_key,
                              .content = f->content,
                              .options = f->options,
                              .spec = {.name = f->name,
                                       .owner = f->owner,
                                       .priority = f->priority,
                                       .sequence = w->b->sequence,
                                       .created_ms = f->submitted_ms,
                                       .prompts = f->prompts,
                                       .clips = (uint32_t)f->clips,
                                       .shapes = f->shapes,
                                       .groups = f->groups,
                                       .runs = w->runs,
                                       .run_count = w->run_count}};
    memcpy(row.spec.id, f->id, sizeof row.spec.id);
    folder_name(w, folder);
    take_hint(w);
    w->record.group_counts = w->counts;
    store_batch_add(w->r->s, &row, &w->record);
    take_keep(w);
    bind_inputs(w);
    w->r->batches_new++;
}

static bool prepare_states(struct work *w, struct error *err)
{
    w->states = xcalloc(w->facts->clips, 1);
    w->counts = xcalloc(w->facts->groups, sizeof *w->counts);
    if (!prompts_group_runs(w->b->prompts, w->facts->id, add_run, w, err)) return false;
    if (w->run_count == 0 || w->runs[0].first_clip != 0)
        return error_set(err, ERROR_CORRUPT, "its clips belong to no group");
    for (uint32_t i = 0; i < w->run_count; i++)
        if (w->runs[i].group >= w->facts->groups || w->runs[i].first_clip >= w->facts->clips)
            return error_set(err, ERROR_CORRUPT, "its groups are damaged");
    return w->is_new || store_each_page(w->r->s, w->facts->id, take_page, w, err);
}

static bool look_through(struct work *w, struct error *err)
{
    struct tree_look look = {.folder = w->b->path,
                             .batch = w->facts->id,
                             .clips = w->facts->clips,
                             .fast = w->r->fast,
                             .findings = w->r->findings,
                             .context = w,
                             .output = output_of,
                             .published = published_as,
                             .found = found};
    if (!tree_clips(&look, err)) return false;
    reopen(w);
    if (look.unread > 0) pause_batch(w); /* what is there is not rendered again */
    return true;
}

static bool fill(struct work *w, struct error *err)
{
    if (!bring_prompts(w->b, err) || !prepare_states(w, err)) return false;
    w->b->begun = true;
    if (w->is_new)
        add_rows(w);
    else
        take_later_words(w);
    if (!look_through(w, err)) return false;
    save(w);
    tell_inputs(w);
    if (commit(w)) return true;
    *err = w->err;
    return false;
}

bool reconcile_batch(struct reconcile_batch *b, struct error *err)
{
    struct work w = {.b = b, .r = b->r, .facts = b->facts, .is_new = b->known == NULL, .ok = true};
    if (b->known != NULL) w.record = *b->known;
    const bool ok = fill(&w, err);
    free(w.runs);
    free(w.states);
    free(w.counts);
    return ok;
}

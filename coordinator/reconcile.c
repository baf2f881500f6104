#include "coordinator/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/prompts.h"
#include "coordinator/publish.h"
#include "coordinator/rebuild.h"
#include "coordinator/store_rebuild.h"
#include "coordinator/tree.h"

#define COMMIT_CLIPS 2000
#define PROMPTS_BYTES ((size_t)4 * 1024 * 1024)
#define GONE_FIX "put its prompts file back (prompts/ID.prompts) and run this again"

struct known { /* a batch of the database */
    char id[ID_BATCH_SIZE];
    struct batch_record record; /* but the counts */
    char *folder;
    bool seen; /* the tree has it */
};

/* Which of several folders of one batch is its own. */
enum rank { RANK_KNOWN, RANK_NAMED, RANK_COPY, RANK_PREPARED };

struct entry { /* a folder of the tree */
    char *name;
    int64_t submitted_ms;
    char id[ID_BATCH_SIZE];
    enum rank rank;
};

struct work { /* one batch */
    struct reconcile *r;
    struct rebuild_facts facts;
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

struct all {
    struct reconcile *r;
    struct table known; /* id -> struct known */
    struct table taken; /* id -> name of the folder that it was taken from, borrowed */
    struct prompts *prompts;
    char *renders;
    uint64_t sequence;
};

/* ---- what the database knows ---- */

static void note_known(void *context, const struct store_batch *b, const struct batch_record *r)
{
    struct all *all = context;
    struct known *k = xcalloc(1, sizeof *k);
    memcpy(k->id, b->spec.id, sizeof k->id);
    k->record = *r;
    k->record.group_counts = NULL;
    k->folder = xstrdup(b->folder);
    table_set_text(&all->known, k->id, k);
}

static void finish_known(struct all *all)
{
    struct known *k = NULL;
    for (size_t i = 0; (k = table_next(&all->known, &i, NULL, NULL)) != NULL;) {
        free(k->folder);
        free(k);
    }
    table_finish(&all->known);
}

static const struct reconcile_hint *hint_of(const struct work *w)
{
    return table_get_text(w->r->hints, w->facts.id);
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
    return w->facts.shapes[group_of(w, clip)].output;
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
    return store_clip(w->r->s, w->facts.id, clip, &row, NULL) ? row.file : NULL;
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
    memset(w->counts, 0, w->facts.groups * sizeof *w->counts);
    for (uint32_t clip = 0; clip < w->facts.clips; clip++) {
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
    for (uint32_t g = 0; g < w->facts.groups; g++)
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
    if (in_state(w, CLIP_PUBLISHED) == w->facts.clips)
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
    const uint32_t clips = (uint32_t)w->facts.clips;
    for (uint32_t first = 0; first < clips; first += CLIPS_PER_PAGE) {
        const uint32_t size = clips - first < CLIPS_PER_PAGE ? clips - first : CLIPS_PER_PAGE;
        store_page_save(w->r->s, w->facts.id, first / CLIPS_PER_PAGE, w->states + first, size);
    }
    count(
        w); /* also right after the decision: it cancels nothing that waits, and revives nothing */
    decide_state(w);
    w->record.group_counts = w->counts;
    store_batch_save(w->r->s, w->facts.id, &w->record, w->facts.groups);
    store_rebuild_bytes(w->r->s, w->facts.id);
}

/* ---- a retry since the backup ---- */

/* The database that is replaced knows of it, and whether it is over, too; else what was published
 * since tells. */
static bool was_retried(const struct work *w)
{
    const struct reconcile_hint *hint = hint_of(w);
    if (w->record.state != BATCH_FAILED) return false;
    if (hint == NULL || hint->said.round <= w->record.round) return w->revived;
    return !batch_state_is_terminal(hint->said.state) || hint->said.state == BATCH_DONE;
}

/* What is stored of it is not rendered again. */
static enum clip_state state_again(struct work *w, uint32_t clip)
{
    const struct plan *plan = &w->facts.shapes[group_of(w, clip)].plan;
    uint32_t stored = 0;
    if (w->ok) w->ok = store_open_tasks(w->r->s, w->facts.id, clip, &stored, &w->err);
    if (stored == 0) return CLIP_WAITING;
    const uint32_t tasks = plan->frames == 0 ? 1 : plan_task_count(plan);
    return stored == tasks ? CLIP_STITCHING : CLIP_RETRY;
}

static uint32_t want_again(struct work *w)
{
    uint32_t count = 0;
    for (uint32_t clip = 0; clip < w->facts.clips; clip++) {
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
    w->record.state = BATCH_RUNNING;
    if (hint != NULL && hint->said.state == BATCH_PAUSED) w->record.state = BATCH_PAUSED;
    if (hint != NULL && hint->said.round > w->record.round) w->record.round = hint->said.round;
    const uint32_t again = want_again(w);
    if (again > 0)
        findings_add(w->r->findings, FINDING_OK, "batches", w->facts.id, NULL,
                     "was retried after the backup was made: %u clips that had failed are tried"
                     " again",
                     (unsigned)again);
}

/* ---- a batch ---- */

static bool same_totals(struct all *all, const struct rebuild_facts *facts, struct error *err)
{
    uint64_t prompts = 0, clips = 0;
    uint32_t groups = 0;
    if (!prompts_totals(all->prompts, facts->id, &prompts, &clips, &groups, err)) return false;
    return (prompts == facts->prompts && clips == facts->clips && groups == facts->groups) ||
           error_set(err, ERROR_CORRUPT, "the prompts file of %s is of another batch", facts->id);
}

/* The batch's folder has a second name of it. */
static bool bring_prompts(struct all *all, const char *folder, const struct rebuild_facts *facts,
                          struct error *err)
{
    struct error why = {0};
    if (same_totals(all, facts, &why)) return true;
    struct buf bytes = BUF_INIT;
    char *from = path_join(folder, PUBLISH_RECIPES);
    char *to = prompts_path(all->prompts, facts->id);
    bool ok = path_read(from, SIZE_MAX / 4, &bytes, err) &&
              prompts_remove(all->prompts, facts->id, err) && /* closed, too */
              path_write_atomic(to, bytes.data, bytes.size, 0600, err) &&
              same_totals(all, facts, err);
    buf_finish(&bytes);
    free(from);
    free(to);
    return ok || error_wrap(err, "%s; and its folder has no whole copy", why.message);
}

static void take_page(void *context, uint32_t index, const uint8_t *states, size_t size)
{
    struct work *w = context;
    const uint64_t first = (uint64_t)index * CLIPS_PER_PAGE;
    if (first >= w->facts.clips) return;
    const uint64_t left = w->facts.clips - first; /* the last page is saved whole */
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
    if (hint != NULL && hint->has_keep) store_keep_save(w->r->s, w->facts.id, hint->keep_s);
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
    findings_add(w->r->findings, FINDING_WARN, "batches", w->facts.id,
                 "`zoe batch cancel` it once more, or `zoe batch resume`",
                 "was canceled after the backup was made: it is paused");
}

static void bind_inputs(struct work *w)
{
    struct input_record record;
    for (uint32_t i = 0; i < w->facts.input_count; i++) {
        store_batch_input_add(w->r->s, w->facts.id, &w->facts.inputs[i]);
        if (!store_input(w->r->s, &w->facts.inputs[i], &record, NULL)) w->inputs_missing++;
    }
    if (w->inputs_missing > 0) pause_batch(w);
}

/* One that is over needs none. */
static void tell_inputs(const struct work *w)
{
    if (w->inputs_missing == 0 || batch_state_is_terminal(w->record.state)) return;
    findings_add(w->r->findings, FINDING_WARN, "inputs", w->facts.id,
                 "submit the same files once more with the same command (it finds the batch, and "
                 "sends what is missing), then `zoe batch resume`",
                 "%u files that its clips start from are not known any more: it is paused",
                 (unsigned)w->inputs_missing);
}

static void add_rows(struct all *all, struct work *w, const char *folder)
{
    const struct rebuild_facts *f = &w->facts;
    struct store_batch row = {.folder = folder,
                              .key = f->key,
                              .default_key = f->default_key,
                              .content = f->content,
                              .options = f->options,
                              .spec = {.name = f->name,
                                       .owner = f->owner,
                                       .priority = f->priority,
                                       .sequence = ++all->sequence,
                                       .created_ms = f->submitted_ms,
                                       .prompts = f->prompts,
                                       .clips = (uint32_t)f->clips,
                                       .shapes = f->shapes,
                                       .groups = f->groups,
                                       .runs = w->runs,
                                       .run_count = w->run_count}};
    memcpy(row.spec.id, f->id, sizeof row.spec.id);
    take_hint(w);
    w->record.group_counts = w->counts;
    store_batch_add(w->r->s, &row, &w->record);
    take_keep(w);
    bind_inputs(w);
    w->r->batches_new++;
}

static bool prepare_states(struct all *all, struct work *w, struct error *err)
{
    w->states = xcalloc(w->facts.clips, 1);
    w->counts = xcalloc(w->facts.groups, sizeof *w->counts);
    if (!prompts_group_runs(all->prompts, w->facts.id, add_run, w, err)) return false;
    if (w->run_count == 0 || w->runs[0].first_clip != 0)
        return error_set(err, ERROR_CORRUPT, "its clips belong to no group");
    for (uint32_t i = 0; i < w->run_count; i++)
        if (w->runs[i].group >= w->facts.groups || w->runs[i].first_clip >= w->facts.clips)
            return error_set(err, ERROR_CORRUPT, "its groups are damaged");
    return w->is_new || store_each_page(w->r->s, w->facts.id, take_page, w, err);
}

/* A prepared folder gets its name at the next start. */
static void folder_name(const struct work *w, const char *name, char out[PUBLISH_FOLDER_SIZE])
{
    if (name[0] == '.')
        publish_folder_name(w->facts.id, w->facts.name, out);
    else
        (void)snprintf(out, PUBLISH_FOLDER_SIZE, "%s", name);
}

static bool fill(struct all *all, struct work *w, const char *path, char *name, struct error *err)
{
    char folder[PUBLISH_FOLDER_SIZE];
    folder_name(w, name, folder);
    if (!bring_prompts(all, path, &w->facts, err) || !prepare_states(all, w, err)) return false;
    table_set_text(&all->taken, w->facts.id, name);
    if (w->is_new)
        add_rows(all, w, folder);
    else
        take_later_words(w);
    struct tree_look look = {.folder = path,
                             .batch = w->facts.id,
                             .clips = w->facts.clips,
                             .fast = w->r->fast,
                             .findings = w->r->findings,
                             .context = w,
                             .output = output_of,
                             .published = published_as,
                             .found = found};
    if (!tree_clips(&look, err)) return false;
    reopen(w);
    if (look.unread > 0) pause_batch(w); /* what is there is not rendered again */
    save(w);
    tell_inputs(w);
    if (commit(w)) return true;
    *err = w->err;
    return false;
}

static bool is_second(const struct all *all, const char *id, const char *name)
{
    const char *first = table_get_text(&all->taken, id);
    if (first == NULL) return false;
    findings_add(all->r->findings, FINDING_WARN, "batches", name,
                 "move it out of renders/ if it is a copy",
                 "passed over: batch %s was taken in from %s", id, first);
    return true;
}

static bool take_facts(struct all *all, struct work *w, char *name, struct error *err)
{
    struct known *k = table_get_text(&all->known, w->facts.id);
    if (is_second(all, w->facts.id, name)) return true;
    w->is_new = k == NULL;
    if (k != NULL) w->record = k->record;
    if (k != NULL) k->seen = true;
    char *path = path_join(all->renders, name);
    bool ok = fill(all, w, path, name, err);
    free(path);
    return ok;
}

/* False only when the database cannot be written; a batch that cannot be taken in is a finding. */
static bool take(struct all *all, char *name, const json_t *about, struct error *err)
{
    struct work w = {.r = all->r, .ok = true};
    struct error why = {0};
    bool ok = rebuild_facts_read(about, &w.facts, &why) && take_facts(all, &w, name, &why);
    rebuild_facts_finish(&w.facts);
    free(w.runs);
    free(w.states);
    free(w.counts);
    if (ok) return true;
    bool fatal = store_health(all->r->s) != STORE_OK;
    store_rollback(all->r->s);
    if (!fatal)
        findings_add(all->r->findings, FINDING_FAIL, "batches", name, GONE_FIX, "not taken in: %s",
                     why.message);
    return !fatal || error_set(err, why.code, "%s", why.message);
}

/* ---- all of them ---- */

static json_t *read_about(const struct all *all, const char *name)
{
    struct error err = {0};
    char *path = xasprintf("%s/%s/batch.json", all->renders, name);
    json_t *about = json_parse_file(path, REBUILD_FILE_BYTES, &err);
    if (about == NULL)
        findings_add(all->r->findings, FINDING_FAIL, "batches", name, "put it back from a copy",
                     "not taken in: %s", err.message);
    free(path);
    return about;
}

/* Folders of one batch follow each other, its own first. */
static int by_time(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->submitted_ms != y->submitted_ms) return x->submitted_ms < y->submitted_ms ? -1 : 1;
    const int order = strcmp(x->id, y->id);
    if (order != 0) return order;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    return strcmp(x->name, y->name);
}

static enum rank rank_of(const struct all *all, const char *id, const char *name,
                         const json_t *about)
{
    char own[PUBLISH_FOLDER_SIZE];
    const struct known *k = table_get_text(&all->known, id);
    const char *said = json_string_value(json_object_get(about, "name"));
    if (k != NULL && strcmp(k->folder, name) == 0) return RANK_KNOWN;
    if (name[0] == '.') return RANK_PREPARED;
    publish_folder_name(id, said != NULL ? said : "", own);
    return strcmp(own, name) == 0 ? RANK_NAMED : RANK_COPY;
}

static struct entry entry_of(const struct all *all, char *name, const json_t *about)
{
    const json_t *when = json_object_get(json_object_get(about, "rebuild"), "submitted_ms");
    const char *id = json_string_value(json_object_get(about, "batch"));
    struct entry entry = {.name = name, .submitted_ms = json_integer_value(when)};
    (void)snprintf(entry.id, sizeof entry.id, "%s", id != NULL ? id : "");
    entry.rank = rank_of(all, entry.id, name, about);
    return entry;
}

/* A prepared folder whose prompts file is gone is one that was being removed. */
static bool is_wanted(const struct all *all, const char *name)
{
    if (name[0] != '.') return true;
    char *path = prompts_path(all->prompts, name + strlen(".tmp-"));
    bool wanted = path_exists(path);
    free(path);
    return wanted;
}

static bool take_all(struct all *all, char **names, size_t count, struct error *err)
{
    struct entry *entries = xcalloc(count + 1, sizeof *entries);
    size_t kept = 0;
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        json_t *about = is_wanted(all, names[i]) ? read_about(all, names[i]) : NULL;
        if (about == NULL) continue;
        entries[kept++] = entry_of(all, names[i], about);
        json_decref(about);
    }
    qsort(entries, kept, sizeof *entries, by_time);
    for (size_t i = 0; ok && i < kept; i++) {
        json_t *about = read_about(all, entries[i].name);
        ok = about == NULL || take(all, entries[i].name, about, err);
        json_decref(about);
    }
    free(entries);
    return ok;
}

/* Removed after the backup was made: neither its folder nor its prompts are there. */
static void drop_gone(struct all *all)
{
    struct known *k = NULL;
    for (size_t i = 0; (k = table_next(&all->known, &i, NULL, NULL)) != NULL;) {
        if (k->seen) continue;
        char *path = prompts_path(all->prompts, k->id);
        char *folder = path_join(all->renders, k->folder);
        if (!path_exists(path) && !path_exists(folder)) {
            store_batch_remove(all->r->s, k->id);
            all->r->batches_gone++;
        }
        free(path);
        free(folder);
    }
}

bool reconcile_tree(struct reconcile *r, struct error *err)
{
    char **names = NULL;
    size_t count = 0;
    char *prompts = path_join(r->state, "prompts");
    struct all all = {.r = r,
                      .renders = path_join(r->state, "renders"),
                      .prompts = prompts_create(prompts, PROMPTS_BYTES),
                      .sequence = store_last_sequence(r->s)};
    table_init(&all.known);
    table_init(&all.taken);
    bool ok = path_make_folders(prompts, 0700, err) && path_make_folders(all.renders, 0700, err) &&
              store_each_batch(r->s, note_known, &all, err) &&
              tree_batches(all.renders, &names, &count, err) && take_all(&all, names, count, err);
    if (ok) drop_gone(&all);
    ok = ok && store_commit(r->s, err);
    table_finish(&all.taken);
    path_list_free(names, count);
    finish_known(&all);
    prompts_destroy(all.prompts);
    free(all.renders);
    free(prompts);
    return ok;
}

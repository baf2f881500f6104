/* ledger: a store in memory, made from write effects and nothing else: what a database would hold
 * after each commit. Loads a farm again, and tells where memory and store have come to differ. For
 * the simulator and for the unit tests of the core; small farms only (it searches by walking). */
#ifndef ZOE_TESTS_SIMULATION_LEDGER_H
#define ZOE_TESTS_SIMULATION_LEDGER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "coordinator/farm.h"

#define LEDGER_TEXT 128

struct ledger_batch {
    struct batch_spec spec; /* texts and arrays are ours */
    struct batch_record record;
    bool saved;
    uint8_t **pages; /* NULL = never saved */
    uint32_t page_count;
};

struct ledger_task {
    struct task_record row; /* its texts are those below */
    char blamed[RETRY_DISTINCT_WORKERS][LEDGER_TEXT];
    char winner[LEDGER_TEXT];
    char fingerprints[2][LEDGER_TEXT]; /* of the outputs, of the checkpoint */
    char why[LEDGER_TEXT];
    char message[LEDGER_TEXT];
};

struct ledger_attempt {
    struct attempt_record row;
    char worker[LEDGER_TEXT];
    enum attempt_end end;
};

struct ledger_output {
    struct task_key task;
    uint32_t index;
    struct output output;
};

struct ledger_clip {
    struct clip_record row;
    char file[LEDGER_TEXT];
};

struct ledger_worker {
    struct worker_record row;
    char texts[6][LEDGER_TEXT];
};

struct ledger {
    struct ledger_batch *batches;
    struct ledger_task *tasks;
    struct ledger_attempt *attempts;
    struct ledger_output *outputs;
    struct ledger_clip *clips;
    struct ledger_worker *workers;
    size_t batch_count, task_count, attempt_count, output_count, clip_count, worker_count;
};

/* ---- rows ---- */

/* One zeroed element more at the end of an array whose capacity is the next power of two. */
static inline void *ledger_grow(void *items, size_t *count, size_t size)
{
    size_t n = (*count)++;
    if ((n & (n - 1)) == 0) items = xrealloc_array(items, n == 0 ? 1 : 2 * n, size);
    memset((char *)items + n * size, 0, size);
    return items;
}

static inline const char *ledger_text(char to[LEDGER_TEXT], const char *from)
{
    (void)snprintf(to, LEDGER_TEXT, "%.*s", LEDGER_TEXT - 1, from != NULL ? from : "");
    return to;
}

static inline bool ledger_same_key(const struct task_key *a, const struct task_key *b)
{
    return a->clip == b->clip && a->task == b->task && strcmp(a->batch, b->batch) == 0;
}

static inline struct ledger_batch *ledger_batch(const struct ledger *l, const char *id)
{
    for (size_t i = 0; i < l->batch_count; i++) {
        if (strcmp(l->batches[i].spec.id, id) == 0) return &l->batches[i];
    }
    return NULL;
}

static inline struct ledger_task *ledger_task(const struct ledger *l, const struct task_key *key)
{
    for (size_t i = 0; i < l->task_count; i++) {
        if (ledger_same_key(&l->tasks[i].row.key, key)) return &l->tasks[i];
    }
    return NULL;
}

static inline struct ledger_attempt *ledger_attempt(const struct ledger *l,
                                                    const struct task_key *key, uint64_t fence)
{
    for (size_t i = l->attempt_count; i-- > 0;) {
        struct ledger_attempt *a = &l->attempts[i];
        if (a->row.fence == fence && ledger_same_key(&a->row.task, key)) return a;
    }
    return NULL;
}

/* NULL: nobody. */
static inline const char *ledger_given_to(const struct ledger *l, const struct attempt_key *key)
{
    const struct ledger_attempt *a = ledger_attempt(l, &key->task, key->fence);
    return a != NULL ? a->worker : NULL;
}

static inline struct ledger_clip *ledger_clip(const struct ledger *l, const char *batch,
                                              uint32_t clip)
{
    for (size_t i = 0; i < l->clip_count; i++) {
        const struct clip_record *row = &l->clips[i].row;
        if (row->clip == clip && strcmp(row->batch, batch) == 0) return &l->clips[i];
    }
    return NULL;
}

static inline struct ledger_output *ledger_output(const struct ledger *l,
                                                  const struct task_key *key, uint32_t index)
{
    for (size_t i = 0; i < l->output_count; i++) {
        struct ledger_output *o = &l->outputs[i];
        if (o->index == index && ledger_same_key(&o->task, key)) return o;
    }
    return NULL;
}

static inline uint32_t ledger_uses(const struct ledger *l, const struct task_key *key)
{
    uint32_t uses = 0;
    for (size_t i = 0; i < l->output_count; i++)
        uses += ledger_same_key(&l->outputs[i].task, key);
    return uses;
}

/* ---- writes ---- */

static inline void *ledger_copy(const void *from, size_t count, size_t size)
{
    void *copy = xcalloc(count, size);
    memcpy(copy, from, count * size);
    return copy;
}

/* The spec is written by who accepted the batch. */
static inline void ledger_accept(struct ledger *l, const struct batch_spec *spec)
{
    l->batches = ledger_grow(l->batches, &l->batch_count, sizeof(*l->batches));
    struct ledger_batch *b = &l->batches[l->batch_count - 1];
    b->spec = *spec;
    b->spec.name = xstrdup(spec->name);
    b->spec.owner = xstrdup(spec->owner);
    b->spec.shapes = ledger_copy(spec->shapes, spec->groups, sizeof(*spec->shapes));
    b->spec.runs = ledger_copy(spec->runs, spec->run_count, sizeof(*spec->runs));
    b->page_count = (spec->clips + CLIPS_PER_PAGE - 1) / CLIPS_PER_PAGE;
    b->pages = xcalloc(b->page_count, sizeof(*b->pages));
}

static inline void ledger_free_batch(struct ledger_batch *b)
{
    for (uint32_t i = 0; i < b->page_count; i++)
        free(b->pages[i]);
    free(b->pages);
    free((void *)(uintptr_t)b->spec.name);
    free((void *)(uintptr_t)b->spec.owner);
    free((void *)(uintptr_t)b->spec.shapes);
    free((void *)(uintptr_t)b->spec.runs);
    free((void *)(uintptr_t)b->record.group_counts);
}

static inline void ledger_save_batch(struct ledger *l, const struct farm *f, const char *id)
{
    struct batch_record record;
    struct ledger_batch *b = ledger_batch(l, id);
    if (b == NULL || !farm_batch_record(f, id, &record)) return;
    free((void *)(uintptr_t)b->record.group_counts);
    b->record = record;
    b->record.group_counts =
        ledger_copy(record.group_counts, b->spec.groups, sizeof(*record.group_counts));
    b->saved = true;
}

static inline void ledger_save_page(struct ledger *l, const struct farm *f, const char *id,
                                    uint32_t index)
{
    struct ledger_batch *b = ledger_batch(l, id);
    if (b == NULL) return;
    if (b->pages[index] == NULL) b->pages[index] = xcalloc(1, CLIPS_PER_PAGE);
    (void)farm_page(f, id, index, b->pages[index]);
}

static inline void ledger_save_task(struct ledger *l, const struct task_record *row)
{
    struct ledger_task *t = ledger_task(l, &row->key);
    if (t == NULL) {
        l->tasks = ledger_grow(l->tasks, &l->task_count, sizeof(*l->tasks));
        t = &l->tasks[l->task_count - 1];
    }
    t->row = *row;
    for (uint32_t i = 0; i < row->blamed_count; i++)
        (void)ledger_text(t->blamed[i], row->blamed[i]);
    (void)ledger_text(t->winner, row->winner);
    (void)ledger_text(t->fingerprints[0], row->fingerprint);
    (void)ledger_text(t->fingerprints[1], row->checkpoint_fingerprint);
    (void)ledger_text(t->why, row->why);
    (void)ledger_text(t->message, row->message);
}

/* The row with texts that live as long as the ledger stays as it is. */
static inline struct task_record ledger_task_row(struct ledger_task *t)
{
    struct task_record row = t->row;
    for (uint32_t i = 0; i < row.blamed_count; i++)
        row.blamed[i] = t->blamed[i];
    row.winner = t->winner[0] != '\0' ? t->winner : NULL;
    row.fingerprint = t->fingerprints[0];
    row.checkpoint_fingerprint = t->fingerprints[1];
    row.why = t->why;
    row.message = t->message;
    return row;
}

static inline void ledger_save_attempt(struct ledger *l, const struct attempt_record *row)
{
    l->attempts = ledger_grow(l->attempts, &l->attempt_count, sizeof(*l->attempts));
    struct ledger_attempt *a = &l->attempts[l->attempt_count - 1];
    a->row = *row;
    (void)ledger_text(a->worker, row->worker);
}

static inline void ledger_end_attempt(struct ledger *l, const struct attempt_end_record *end)
{
    struct ledger_attempt *a = ledger_attempt(l, &end->task, end->fence);
    if (a != NULL) a->end = end->end;
}

static inline void ledger_save_output(struct ledger *l, const struct output_record *o)
{
    l->outputs = ledger_grow(l->outputs, &l->output_count, sizeof(*l->outputs));
    l->outputs[l->output_count - 1] = (struct ledger_output){o->task, o->index, o->output};
}

enum ledger_drop { LEDGER_DROP_TASK, LEDGER_DROP_CHECKPOINT, LEDGER_DROP_CLIP };

static inline bool ledger_is_hit(const struct ledger_output *o, const struct task_key *key,
                                 enum ledger_drop what)
{
    struct task_key named = o->task;
    if (what == LEDGER_DROP_CHECKPOINT && o->index != CHECKPOINT_OUTPUT) return false;
    if (what == LEDGER_DROP_CLIP) named.task = key->task;
    return ledger_same_key(&named, key);
}

static inline void ledger_drop(struct ledger *l, const struct task_key *key, enum ledger_drop what)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->output_count; i++) {
        if (!ledger_is_hit(&l->outputs[i], key, what)) l->outputs[kept++] = l->outputs[i];
    }
    /* The capacity follows from the count: an array that shrank is grown anew. */
    struct ledger_output *old = l->outputs;
    l->outputs = NULL;
    l->output_count = 0;
    for (size_t i = 0; i < kept; i++) {
        l->outputs = ledger_grow(l->outputs, &l->output_count, sizeof(*l->outputs));
        l->outputs[i] = old[i];
    }
    free(old);
}

static inline void ledger_save_clip(struct ledger *l, const struct clip_record *row)
{
    struct ledger_clip *c = ledger_clip(l, row->batch, row->clip);
    if (c == NULL) {
        l->clips = ledger_grow(l->clips, &l->clip_count, sizeof(*l->clips));
        c = &l->clips[l->clip_count - 1];
    }
    c->row = *row;
    (void)ledger_text(c->file, row->file);
}

static inline void ledger_save_worker(struct ledger *l, const struct worker_record *row)
{
    struct ledger_worker *w = NULL;
    for (size_t i = 0; i < l->worker_count && w == NULL; i++) {
        if (strcmp(l->workers[i].texts[0], row->name) == 0) w = &l->workers[i];
    }
    if (w == NULL) {
        l->workers = ledger_grow(l->workers, &l->worker_count, sizeof(*l->workers));
        w = &l->workers[l->worker_count - 1];
    }
    const char *texts[6] = {row->name,  row->machine_id, row->host,
                            row->build, row->reason,     row->by};
    w->row = *row;
    for (size_t i = 0; i < 6; i++)
        (void)ledger_text(w->texts[i], texts[i]);
}

static inline void ledger_remove_batch(struct ledger *l, const char *id)
{
    struct ledger_batch *b = ledger_batch(l, id);
    if (b == NULL) return;
    ledger_free_batch(b);
    b->page_count = 0;
    *b = (struct ledger_batch){.spec = {.id = ""}};
    for (size_t i = 0; i < l->task_count; i++) {
        struct task_key *key = &l->tasks[i].row.key;
        if (strcmp(key->batch, id) != 0) continue;
        ledger_drop(l, key, LEDGER_DROP_TASK);
        key->batch[0] = '\0';
        l->tasks[i].row.open = false;
    }
    for (size_t i = 0; i < l->attempt_count; i++) {
        if (strcmp(l->attempts[i].row.task.batch, id) == 0) l->attempts[i].row.task.batch[0] = '\0';
    }
}

static inline void ledger_write(struct ledger *l, const struct farm *f, const struct effect *e)
{
    switch (e->kind) {
    case EFFECT_SAVE_BATCH:
        ledger_save_batch(l, f, e->batch);
        break;
    case EFFECT_SAVE_PRIORITY:
        if (ledger_batch(l, e->priority.batch) != NULL)
            ledger_batch(l, e->priority.batch)->spec.priority = e->priority.value;
        break;
    case EFFECT_SAVE_PAGE:
        ledger_save_page(l, f, e->page.batch, e->page.index);
        break;
    case EFFECT_REMOVE_BATCH:
        ledger_remove_batch(l, e->batch);
        break;
    case EFFECT_SAVE_TASK:
        ledger_save_task(l, &e->task);
        break;
    case EFFECT_SAVE_ATTEMPT:
        ledger_save_attempt(l, &e->attempt);
        break;
    case EFFECT_END_ATTEMPT:
        ledger_end_attempt(l, &e->end);
        break;
    case EFFECT_SAVE_OUTPUT:
        ledger_save_output(l, &e->output);
        break;
    case EFFECT_DROP_OUTPUTS:
        ledger_drop(l, &e->task_key, LEDGER_DROP_TASK);
        break;
    case EFFECT_DROP_CHECKPOINT:
        ledger_drop(l, &e->task_key, LEDGER_DROP_CHECKPOINT);
        break;
    case EFFECT_RETIRE_CLIP:
        ledger_drop(l, &e->task_key, LEDGER_DROP_CLIP);
        break;
    case EFFECT_SAVE_CLIP:
        ledger_save_clip(l, &e->clip);
        break;
    case EFFECT_SAVE_WORKER:
        ledger_save_worker(l, &e->worker);
        break;
    default:
        break;
    }
}

/* A commit: all writes of the list, in order. */
static inline void ledger_commit(struct ledger *l, struct farm *f)
{
    const struct effects *list = farm_effects(f);
    for (size_t i = 0; i < list->count; i++)
        ledger_write(l, f, &list->items[i]);
}

static inline void ledger_finish(struct ledger *l)
{
    for (size_t i = 0; i < l->batch_count; i++)
        ledger_free_batch(&l->batches[i]);
    free(l->batches);
    free(l->tasks);
    free(l->attempts);
    free(l->outputs);
    free(l->clips);
    free(l->workers);
    *l = (struct ledger){0};
}

#endif

/* checker_books: what the checker remembers of everything that was committed. */
#ifndef ZOE_TESTS_SIMULATION_CHECKER_BOOKS_H
#define ZOE_TESTS_SIMULATION_CHECKER_BOOKS_H

#include "simulation/ledger.h"
#include "simulation/nature.h"

#define CHECKER_NAME 32

struct checker_lease {
    uint64_t fence;
    uint64_t worker_fence;
    char worker[CHECKER_NAME];
    bool ended;
    enum attempt_end end;
};

struct checker_task {
    struct task_key key;
    struct checker_lease *leases;
    size_t lease_count;
    uint64_t last_fence;
    struct digest outputs[LIMIT_OUTPUTS];
    uint32_t output_count;    /* stored and not dropped */
    uint32_t checkpoint_step; /* of the stored one; 0 = none */
    bool missing;             /* somebody said that a stored output is damaged */
    uint64_t dropped_in;      /* the commit in which it was dropped for that */
    uint32_t set_aside;       /* results that were rendered once more since it was dropped */
};

struct checker_clip {
    struct task_key key; /* task 0 */
    struct digest publishing;
    bool is_publishing;
    bool published;
    bool failed;
    uint32_t counted;     /* ends that count against it, since it last failed */
    uint32_t losses;      /* alike */
    bool nonsense;        /* the engine refused its recipe, since then */
    uint64_t repinned_in; /* the commit in which it started over (S7) */
    uint64_t disowned_in; /* ... in which who made some of it was found to lie (W8) */
};

struct checker_batch {
    char id[ID_BATCH_SIZE];
    uint32_t clips;
    uint32_t groups;
    enum batch_state state;
    uint64_t paused_in; /* the commit that paused it last */
    bool removed;
};

struct checker_worker {
    char name[CHECKER_NAME];
    bool admitted;
    uint8_t boot[ID_BOOT_BYTES];
    uint16_t shown; /* models whose canary it was given in this boot and life of the farm */
    uint64_t session;
    uint64_t last_number;
};

/* Assigned though it had ended: a Cancel must follow in the same turn. */
struct checker_debt {
    struct attempt_key attempt;
    uint64_t session;
};

#define CHECKER_DEBTS 64 /* no worker of a history has that many places */

struct checker {
    struct checker_task *tasks;
    struct checker_clip *clips;
    struct checker_batch *batches;
    struct checker_worker *workers;
    size_t task_count, clip_count, batch_count, worker_count;
    bool disk_is_low;
    bool canaries_are_useless; /* somebody could not render one: nothing is sure of them */
    uint64_t commits;
    struct checker_debt owed[CHECKER_DEBTS];
    size_t owed_count;
    struct error red; /* the first broken promise; ERROR_NONE = green */
};

static inline bool checker_is_red(const struct checker *c)
{
    return c->red.code != ERROR_NONE;
}

static inline void checker_say(struct checker *c, const char *rule, const char *what,
                               const struct task_key *key)
{
    if (checker_is_red(c)) return;
    error_set(&c->red, ERROR_INTERNAL, "%s: %s (%s/%u.%u)", rule, what, key->batch,
              (unsigned)key->clip, (unsigned)key->task);
}

/* ---- books ---- */

static inline struct checker_task *checker_task(struct checker *c, const struct task_key *key)
{
    for (size_t i = 0; i < c->task_count; i++) {
        if (ledger_same_key(&c->tasks[i].key, key)) return &c->tasks[i];
    }
    c->tasks = ledger_grow(c->tasks, &c->task_count, sizeof(*c->tasks));
    c->tasks[c->task_count - 1].key = *key;
    return &c->tasks[c->task_count - 1];
}

static inline struct checker_clip *checker_clip(struct checker *c, const struct task_key *of)
{
    struct task_key key = *of;
    key.task = 0;
    for (size_t i = 0; i < c->clip_count; i++) {
        if (ledger_same_key(&c->clips[i].key, &key)) return &c->clips[i];
    }
    c->clips = ledger_grow(c->clips, &c->clip_count, sizeof(*c->clips));
    c->clips[c->clip_count - 1].key = key;
    return &c->clips[c->clip_count - 1];
}

static inline struct checker_batch *checker_batch(struct checker *c, const char *id)
{
    for (size_t i = 0; i < c->batch_count; i++) {
        if (strcmp(c->batches[i].id, id) == 0) return &c->batches[i];
    }
    c->batches = ledger_grow(c->batches, &c->batch_count, sizeof(*c->batches));
    struct checker_batch *added = &c->batches[c->batch_count - 1];
    (void)snprintf(added->id, sizeof(added->id), "%s", id);
    return added;
}

static inline struct checker_worker *checker_worker(struct checker *c, const char *name)
{
    for (size_t i = 0; i < c->worker_count; i++) {
        if (strcmp(c->workers[i].name, name) == 0) return &c->workers[i];
    }
    c->workers = ledger_grow(c->workers, &c->worker_count, sizeof(*c->workers));
    struct checker_worker *added = &c->workers[c->worker_count - 1];
    (void)snprintf(added->name, sizeof(added->name), "%s", name);
    return added;
}

static inline struct checker_lease *checker_lease(struct checker_task *t, const char *worker,
                                                  uint64_t worker_fence)
{
    for (size_t i = t->lease_count; i-- > 0;) {
        struct checker_lease *l = &t->leases[i];
        if (l->worker_fence == worker_fence && strcmp(l->worker, worker) == 0) return l;
    }
    return NULL;
}

/* Attempts that have not ended. */
static inline uint32_t checker_live(const struct checker_task *t)
{
    uint32_t live = 0;
    for (size_t i = 0; i < t->lease_count; i++)
        live += !t->leases[i].ended;
    return live;
}

/* T9. Segments that do not move may belong to a clip that does. */
static inline bool checker_asks_twice(const struct output *o, const struct task_key *key)
{
    struct plan plan = nature_plan(key);
    enum suspect seen = nature_suspect(&o->sha256);
    if (strcmp(o->kind, "segment") != 0) return false;
    return seen == SUSPECT_BLACK || (seen == SUSPECT_STILL && plan_task_count(&plan) == 1);
}

/* A stored output of another task of the same clip, made with another fingerprint. */
static inline bool checker_is_mixed(const struct checker *c, const struct digest *sha256,
                                    const struct task_key *key)
{
    struct plan plan = nature_plan(key);
    if (plan_task_count(&plan) == 1) return false;
    for (size_t i = 0; i < c->task_count; i++) {
        const struct checker_task *t = &c->tasks[i];
        bool same = t->key.clip == key->clip && strcmp(t->key.batch, key->batch) == 0;
        if (!same || t->output_count == 0) continue;
        if (t->outputs[0].bytes[NATURE_FINGERPRINT] != sha256->bytes[NATURE_FINGERPRINT])
            return true;
    }
    return false;
}

static inline void checker_accepted(struct checker *c, const struct batch_spec *spec)
{
    struct checker_batch *b = checker_batch(c, spec->id);
    b->clips = spec->clips;
    b->groups = spec->groups;
}

static inline void checker_finish(struct checker *c)
{
    for (size_t i = 0; i < c->task_count; i++)
        free(c->tasks[i].leases);
    free(c->tasks);
    free(c->clips);
    free(c->batches);
    free(c->workers);
    *c = (struct checker){0};
}

/* ---- questions ---- */

/* How many outputs a task has. Others than whole clips have no choice. */
static inline uint32_t checker_outputs(const struct task_key *key)
{
    struct plan_task task = nature_task(key);
    return (uint32_t)(task.made_frames > 0) + (uint32_t)task.latents;
}

static inline bool checker_all_stored(struct checker *c, const struct task_key *key)
{
    struct plan plan = nature_plan(key);
    struct task_key each = *key;
    for (each.task = 0; each.task < plan_task_count(&plan); each.task++) {
        if (checker_task(c, &each)->output_count != checker_outputs(&each)) return false;
    }
    return true;
}

static inline bool checker_has_inputs(struct checker *c, const struct task_key *key)
{
    struct plan_task plan = nature_task(key);
    for (uint32_t i = 0; i < plan.input_count; i++) {
        struct task_key input = *key;
        input.task = plan.inputs[i].task;
        const struct checker_task *t = checker_task(c, &input);
        if (t->output_count != checker_outputs(&input)) return false;
    }
    return true;
}

static inline bool checker_has_shown(struct checker *c, const struct attempt_record *a)
{
    uint16_t model = (uint16_t)(1U << nature_model(&a->task));
    return c->canaries_are_useless || (checker_worker(c, a->worker)->shown & model) != 0;
}

/* The coordinator starts: it knows nothing of what was shown. */
static inline void checker_see_start(struct checker *c)
{
    for (size_t i = 0; i < c->worker_count; i++)
        c->workers[i].shown = 0;
    c->canaries_are_useless = false;
}

#endif

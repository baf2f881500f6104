/* world: the shell around the core in a simulated history: connections, uploads, media children, a
 * disk, a database that is a ledger of writes, and a coordinator that is killed at will. It keeps
 * the contract of effect.h (commit, then send, then clear), unless it is told to break it: each
 * mutation is a shell with one fault that the checker must see. */
#ifndef ZOE_TESTS_SIMULATION_WORLD_H
#define ZOE_TESTS_SIMULATION_WORLD_H

#include <stdarg.h>

#include "base/clock.h"
#include "simulation/checker.h"
#include "simulation/labour.h"
#include "simulation/platter.h"
#include "simulation/reload.h"

#define WORLD_START_NS (1000 * NS_PER_S)
#define WORLD_WORKERS 6
#define WORLD_WORDS 24 /* last ones */
#define WORLD_WORD 120

enum mutation {
    MUTATION_NONE,
    MUTATION_SEND_FIRST,   /* sends before it commits, and dies between the two */
    MUTATION_LOSE_LEASES,  /* does not write SAVE_ATTEMPT */
    MUTATION_LOSE_ENDS,    /* does not write END_ATTEMPT */
    MUTATION_LOSE_PAGES,   /* does not write SAVE_PAGE */
    MUTATION_OLD_STORE,    /* starts from an older database as if it were the same */
    MUTATION_BLIND,        /* finds every output sound */
    MUTATION_TWICE,        /* commits a turn's effects twice */
    MUTATION_RENAME_FIRST, /* gives the final name before publishing is committed */
    MUTATION_ACK_FIRST,    /* tells the worker Stored as soon as its bytes are in */
    MUTATION_DEAF_DISK,    /* does not tell the core that the disk is low */
    MUTATION_RESUME_ANY,   /* lets every attempt go on from the task's checkpoint */
    MUTATION_ONE_PRINT,    /* tells the core that all slots have one fingerprint */
    MUTATION_LOSE_LATENTS, /* does not write latents */
    MUTATION_LOSE_DROPS,   /* does not write the end of checkpoints */
    MUTATION_OLD_VERDICT,  /* takes the verdict on one checkpoint for the next one's */
    MUTATION_SHUFFLE,      /* stitches segments in the wrong order */
    MUTATION_TORN,         /* a commit that fails leaves its first half */
    MUTATION_NO_SYNC,      /* commits rows of files that were not synced */
    MUTATION_NO_FOLDER,    /* says published before the new names are synced */
    MUTATION_UNLINK_FIRST, /* unlinks files before the commit that gives them up */
    MUTATION_DEAF_COMMIT,  /* takes a failed commit for a good one */
    MUTATION_COUNT
};

enum dying { LIVING, DYING, DYING_IN_THE_DARK /* the power is cut */ };

enum work_kind {
    WORK_HASH,
    WORK_OFFER_AGAIN, /* what the disk did not keep */
    WORK_VERIFY,
    WORK_HASH_CHECKPOINT,
    WORK_VERIFY_CHECKPOINT,
    WORK_STITCH,
    WORK_RENAME
};

struct work { /* of a child or a pool thread */
    enum work_kind kind;
    int64_t due_ns;
    struct effect_job job;
    char worker[CHECKER_NAME];
};

struct temp {          /* an upload's temporary files */
    struct up offered; /* with what they came last */
    char worker[CHECKER_NAME];
    struct attempt_key key;
    bool is_checkpoint;
    uint32_t output_count;
    struct output outputs[2];
    uint64_t received[2];
};

struct video_file {
    struct task_key key;
    struct digest sha256;
    bool is_final;
    bool content_synced, name_synced;
};

struct route { /* where messages of a session go */
    uint64_t session;
    uint64_t link;
};

struct world {
    struct chance chance;
    struct accidents accidents;
    enum dying dying;      /* at the next moment */
    int64_t store_down_ns; /* the database takes nothing until then */
    int64_t wall_ms;       /* what the wall clock is off */
    struct disk disk;
    enum mutation mutation;
    struct farm *f;
    struct farm_config config;
    struct ledger store;
    struct ledger old; /* MUTATION_OLD_STORE: what a copy made some time ago says */
    struct checker checker;
    struct error red; /* of farm_check and of store against memory */
    struct crew crew;
    struct member members[WORLD_WORKERS];
    struct route routes[WORLD_WORKERS];
    uint32_t member_count;
    int64_t now_ns;
    int64_t idle_ns; /* since when the honest worker has had nothing to do; 0 = it has */
    bool disk_low;
    struct queue works;
    struct temp *temps;
    size_t temp_count;
    struct video_file *files;
    size_t file_count;
    uint64_t sequence;
    struct batch_spec fresh; /* accepted in this turn, when fresh.clips > 0 */
    struct shape fresh_shapes[2];
    struct clip_run fresh_runs[3];
    uint64_t commits, kills, sends, copies;
    uint64_t set_aside, disproofs, disowned, disputes; /* second opinions */
    uint64_t trace;                                    /* of everything that was committed */
    bool tells;                                        /* it keeps its last events in words */
    char words[WORLD_WORDS][WORLD_WORD];
    uint64_t word_count;
};

static inline bool world_is_red(const struct world *w)
{
    return w->red.code != ERROR_NONE || checker_is_red(&w->checker);
}

/* After every event. */
static inline void world_check(struct world *w)
{
    if (world_is_red(w)) return;
    (void)farm_check(w->f, w->now_ns, &w->red);
}

/* Something that a reader of its last moments should know. */
__attribute__((format(printf, 2, 3))) static inline void world_word(struct world *w,
                                                                    const char *format, ...)
{
    va_list arguments;
    if (!w->tells) return;
    char *line = w->words[w->word_count++ % WORLD_WORDS];
    int used = snprintf(line, WORLD_WORD, "%9.2f s  ", (double)(w->now_ns - WORLD_START_NS) / 1e9);
    va_start(arguments, format);
    (void)vsnprintf(line + used, WORLD_WORD - (size_t)used, format, arguments);
    va_end(arguments);
}

static inline bool accident(struct world *w, enum accident_kind kind, uint32_t one_in)
{
    if (!accident_hits(&w->accidents, kind, one_in)) return false;
    world_word(w, "accident: %s", accident_names[kind]);
    return true;
}

/* A place at which the process or the power may go. */
static inline bool world_survives_step(struct world *w)
{
    if (accident(w, DIES_AT_FILE_STEP, 400)) w->dying = DYING;
    if (accident(w, POWER_AT_FILE_STEP, 400)) w->dying = DYING_IN_THE_DARK;
    return w->dying == LIVING;
}

static inline uint32_t world_index(const struct world *w, const char *worker)
{
    for (uint32_t i = 0; i < w->member_count; i++) {
        if (strcmp(w->members[i].name, worker) == 0) return i;
    }
    return 0;
}

/* ---- uploads ---- */

static inline bool same_attempt(const struct attempt_key *a, const struct attempt_key *b)
{
    return a->fence == b->fence && ledger_same_key(&a->task, &b->task);
}

static inline struct temp *world_temp(const struct world *w, const char *worker,
                                      const struct attempt_key *key, bool is_checkpoint)
{
    for (size_t i = 0; i < w->temp_count; i++) {
        struct temp *t = &w->temps[i];
        bool same = t->is_checkpoint == is_checkpoint && strcmp(t->worker, worker) == 0;
        if (same && same_attempt(&t->key, key)) return t;
    }
    return NULL;
}

static inline void world_discard(struct world *w, const char *worker, const struct attempt_key *key,
                                 bool is_checkpoint)
{
    struct temp *t = world_temp(w, worker, key, is_checkpoint);
    if (t != NULL) t->worker[0] = '\0';
}

/* What was begun on a checkpoint that is of no use any more. */
static inline void world_stop_works(struct world *w, const char *worker,
                                    const struct attempt_key *key)
{
    for (size_t i = 0; i < w->works.count && w->mutation != MUTATION_OLD_VERDICT;) {
        struct work k = ((const struct work *)w->works.items)[i];
        bool hit = (k.kind == WORK_HASH_CHECKPOINT || k.kind == WORK_VERIFY_CHECKPOINT) &&
                   strcmp(k.worker, worker) == 0 && k.job.worker_fence == key->fence &&
                   ledger_same_key(&k.job.task, &key->task);
        if (hit)
            queue_take(&w->works, i, sizeof(k), &k);
        else
            i++;
    }
}

static inline bool same_outputs_of(const struct temp *t, const struct up *u)
{
    return t->output_count == u->output_count &&
           memcmp(t->outputs, u->outputs, sizeof(t->outputs)) == 0;
}

static inline struct temp *world_temp_for(struct world *w, const char *worker, const struct up *u)
{
    bool is_checkpoint = u->kind == UP_CHECKPOINT;
    struct temp *t = world_temp(w, worker, &u->key, is_checkpoint);
    if (t != NULL && same_outputs_of(t, u)) return t;
    if (is_checkpoint) world_stop_works(w, worker, &u->key);
    for (size_t i = 0; i < w->temp_count && t == NULL; i++) {
        if (w->temps[i].worker[0] == '\0') t = &w->temps[i];
    }
    if (t == NULL) {
        w->temps = ledger_grow(w->temps, &w->temp_count, sizeof(*w->temps));
        t = &w->temps[w->temp_count - 1];
    }
    *t = (struct temp){
        .key = u->key, .is_checkpoint = is_checkpoint, .output_count = u->output_count};
    (void)snprintf(t->worker, sizeof(t->worker), "%s", worker);
    memcpy(t->outputs, u->outputs, sizeof(t->outputs));
    return t;
}

#endif

/* accidents: everything bad that may befall a simulated farm. Whether an accident happens follows
 * from the seed, its kind, the step and how often this was asked in the step, not from what
 * happened before: so one can be left out and the others stay. What hit is kept as a list, and a
 * history can be lived again with the accidents of a list only. */
#ifndef ZOE_TESTS_SIMULATION_ACCIDENTS_H
#define ZOE_TESTS_SIMULATION_ACCIDENTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "simulation/chance.h"

/* kind, its name, whether it still happens when the storm is over */
#define ACCIDENTS(X)                                                                               \
    /* messages, per link and both ways */                                                         \
    X(UPS_DELAYED, "ups-delayed", false)                                                           \
    X(DOWNS_DELAYED, "downs-delayed", false)                                                       \
    X(UP_LOST, "up-lost", false)                                                                   \
    X(DOWN_LOST, "down-lost", false)                                                               \
    X(UP_DOUBLED, "up-doubled", false)                                                             \
    X(DOWN_DOUBLED, "down-doubled", false)                                                         \
    X(UP_OVERTAKES, "up-overtakes", false)                                                         \
    X(DOWN_OVERTAKES, "down-overtakes", false)                                                     \
    X(LATE_UP, "late-up", false) /* of an old session */                                           \
    /* connections */                                                                              \
    X(LINK_BREAKS, "link-breaks", false)                                                           \
    X(SESSION_REPLACED, "session-replaced", false)                                                 \
    X(TWIN, "twin", false)                                                                         \
    X(PARTITION, "partition", false)                                                               \
    X(PARTITION_UP, "partition-up", false)                                                         \
    X(PARTITION_DOWN, "partition-down", false)                                                     \
    X(PARTITION_MANY, "partition-many", false)                                                     \
    /* workers and engines */                                                                      \
    X(WORKER_DIES, "worker-dies", false)                                                           \
    X(TASK_FELLS, "task-fells", true)                                                              \
    X(ENGINE_EXITS, "engine-exits", true)                                                          \
    X(ENGINE_HANGS, "engine-hangs", true)                                                          \
    X(WRONG_FRAMES, "wrong-frames", true)                                                          \
    X(BLACK_FRAMES, "black-frames", true)                                                          \
    X(OTHER_FRAMES, "other-frames", true)                                                          \
    X(WRONG_CANARY, "wrong-canary", true)                                                          \
    X(CANARY_FAILS, "canary-fails", true)                                                          \
    X(BAD_CHECKPOINT, "bad-checkpoint", true)                                                      \
    X(POISONED_CHECKPOINT, "poisoned-checkpoint", true)                                            \
    X(LIE, "lie", true)                                                                            \
    X(REFUSAL, "refusal", false)                                                                   \
    /* the coordinator's process and its database */                                               \
    X(DIES_BEFORE_COMMIT, "dies-before-commit", false)                                             \
    X(DIES_IN_COMMIT, "dies-in-commit", false)                                                     \
    X(DIES_AFTER_COMMIT, "dies-after-commit", false)                                               \
    X(DIES_IN_SENDING, "dies-in-sending", false)                                                   \
    X(COMMIT_IS_FULL, "commit-is-full", false)                                                     \
    X(COMMIT_IO_ERROR, "commit-io-error", false)                                                   \
    /* its files */                                                                                \
    X(DIES_AT_FILE_STEP, "dies-at-file-step", false)                                               \
    X(POWER_AT_FILE_STEP, "power-at-file-step", false)                                             \
    X(POWER_CUT, "power-cut", false)                                                               \
    X(UPLOAD_WRITE_FAILS, "upload-write-fails", false)                                             \
    X(UPLOAD_DAMAGED, "upload-damaged", false)                                                     \
    X(UPLOAD_SYNC_FAILS, "upload-sync-fails", false)                                               \
    X(FILE_LOST, "file-lost", false)                                                               \
    X(SEGMENT_DAMAGED, "segment-damaged", false)                                                   \
    X(VIDEO_VANISHES, "video-vanishes", false)                                                     \
    X(DISK_FULL, "disk-full", false)                                                               \
    X(DISK_FREE, "disk-free", false)                                                               \
    /* its children */                                                                             \
    X(MEDIA_DIES, "media-dies", false)                                                             \
    X(MEDIA_DEFERS, "media-defers", false)                                                         \
    X(MEDIA_FAILS, "media-fails", false)                                                           \
    X(STITCH_FAILS, "stitch-fails", false)                                                         \
    /* clocks */                                                                                   \
    X(CLOCK_JUMPS, "clock-jumps", false)                                                           \
    X(WALL_AHEAD, "wall-ahead", false)                                                             \
    X(WALL_BACK, "wall-back", false)                                                               \
    /* people */                                                                                   \
    X(PEOPLE, "people", false) /* pause, resume, cancel ... */                                     \
    X(DRAIN, "drain", false)                                                                       \
    X(REVOKED, "revoked", false)                                                                   \
    X(QUARANTINED, "quarantined", false)                                                           \
    X(READMITTED, "readmitted", false)

enum accident_kind {
#define ACCIDENT_KIND(kind, name, always) kind,
    ACCIDENTS(ACCIDENT_KIND)
#undef ACCIDENT_KIND
        ACCIDENT_COUNT
};

#define ACCIDENT_NAME(kind, name, always) [kind] = (name),
static const char *const accident_names[ACCIDENT_COUNT] = {ACCIDENTS(ACCIDENT_NAME)};
#undef ACCIDENT_NAME
#define ACCIDENT_ALWAYS(kind, name, always) [kind] = (always),
static const bool accident_always[ACCIDENT_COUNT] = {ACCIDENTS(ACCIDENT_ALWAYS)};
#undef ACCIDENT_ALWAYS

struct accident {
    enum accident_kind kind;
    uint32_t step, nth; /* the nth question of its kind in that step */
};

struct accident_list {
    struct accident *items;
    size_t count, capacity;
};

struct accidents {
    uint64_t seed;
    bool calm;
    uint32_t step;
    uint32_t asked[ACCIDENT_COUNT];
    const struct accident_list *only; /* NULL = as the seed says */
    struct accident_list hits;
    uint64_t counts[ACCIDENT_COUNT];
    struct chance how; /* details of the last one */
};

static inline void accident_list_add(struct accident_list *l, const struct accident *a)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity == 0 ? 64 : 2 * l->capacity;
        l->items = xrealloc_array(l->items, l->capacity, sizeof(*l->items));
    }
    l->items[l->count++] = *a;
}

static inline void accident_list_finish(struct accident_list *l)
{
    free(l->items);
    *l = (struct accident_list){0};
}

static inline bool accident_is_listed(const struct accident_list *l, const struct accident *a)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct accident *b = &l->items[i];
        if (b->kind == a->kind && b->step == a->step && b->nth == a->nth) return true;
    }
    return false;
}

static inline void accidents_step(struct accidents *all)
{
    all->step++;
    memset(all->asked, 0, sizeof(all->asked));
}

/* Does it happen here, once in `one_in`? */
static inline bool accident_hits(struct accidents *all, enum accident_kind kind, uint32_t one_in)
{
    struct accident a = {kind, all->step, all->asked[kind]++};
    struct chance own;
    if (all->calm && !accident_always[kind]) return false;
    chance_seed(&own, all->seed * UINT64_C(0x9fb21c651e98df25) + ((uint64_t)kind << 56) +
                          ((uint64_t)a.step << 24) + a.nth);
    bool hit = all->only != NULL ? accident_is_listed(all->only, &a) : chance_one_in(&own, one_in);
    if (!hit) return false;
    if (all->only != NULL) (void)chance_one_in(&own, one_in);
    all->how = own;
    all->counts[kind]++;
    accident_list_add(&all->hits, &a);
    return true;
}

/* ---- as text: NAME@STEP.NTH, with commas between ---- */

static inline void accident_list_print(FILE *to, const struct accident_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct accident *a = &l->items[i];
        (void)fprintf(to, "%s%s@%u.%u", i > 0 ? "," : "", accident_names[a->kind],
                      (unsigned)a->step, (unsigned)a->nth);
    }
}

static inline bool accident_parse(const char *text, size_t length, struct accident *out)
{
    for (int kind = 0; kind < ACCIDENT_COUNT; kind++) {
        size_t size = strlen(accident_names[kind]);
        char *end = NULL;
        if (length <= size || text[size] != '@' || memcmp(text, accident_names[kind], size) != 0)
            continue;
        *out = (struct accident){.kind = (enum accident_kind)kind};
        out->step = (uint32_t)strtoul(text + size + 1, &end, 10);
        if (*end != '.') return false;
        out->nth = (uint32_t)strtoul(end + 1, &end, 10);
        return end == text + length;
    }
    return false;
}

static inline bool accident_list_parse(const char *text, struct accident_list *out)
{
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        struct accident a;
        if (!accident_parse(text, length, &a)) return false;
        accident_list_add(out, &a);
        text += length + (text[length] == ',');
    }
    return true;
}

#endif

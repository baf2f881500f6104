/* batch: one submission. Its clips are bytes in pages; its groups count them and know which waiting
 * clip is next; its open tasks are the only ones with an object (design section 5). */
#ifndef ZOE_COORDINATOR_BATCH_H
#define ZOE_COORDINATOR_BATCH_H

#include "coordinator/farm_state.h"
#include "coordinator/lane.h"

#define BATCH_PRIORITY_MAX 1000

struct page {
    uint8_t *states;     /* NULL: all are `fill` */
    uint64_t dirty_turn; /* effects.turn in which it was listed */
    uint16_t waiting;    /* fresh ones, CLIP_WAITING */
    uint16_t published;
    uint8_t fill;
};

struct run { /* clips first .. next run's first - 1 */
    uint32_t first;
    uint32_t group;
    uint32_t next_of_group; /* index, or run_count */
};

#define GROUP_STAGES_MAX 2

struct stand { /* where a group's tasks of one stage stand to be picked */
    struct group *group;
    struct lane *lane;
    struct shelf *shelf;    /* of the lane while something can be picked, else NULL */
    struct heap_node ready; /* in shelf->stands */
    struct chain tasks;     /* open tasks whose turn has come (T7), oldest first */
    uint32_t each;          /* tasks of this stage in a clip */
};

struct group {
    struct batch *batch;
    struct shape shape; /* its plan always stands: one that holds the clip when none was given */
    uint32_t tasks;     /* of a clip */
    uint32_t stages;
    struct stand stands[GROUP_STAGES_MAX]; /* fresh clips stand in the first */
    struct clip_counts counts;
    uint32_t first_run;
    uint32_t cursor_run; /* no fresh waiting clip of the group stands before the cursor */
    uint32_t cursor_clip;
};

struct batch {
    char id[ID_BATCH_SIZE];
    char *name;
    char *owner;
    struct owner *of_owner;
    struct usage usage;
    int64_t key;       /* share_key of it, alike = submit order; only grows */
    int64_t passed_ns; /* others went before it because their model was warm, since then; 0 = no */
    int32_t priority;
    uint64_t sequence;
    int64_t created_ms;
    int64_t finished_ms;
    uint64_t prompts;
    uint32_t clips;
    enum batch_state state;
    bool paused; /* also while what runs is finishing */
    bool started;
    uint32_t round;
    uint64_t attempts;
    uint64_t steps_computed;
    uint64_t steps_wasted;
    uint64_t dirty_turn;
    struct clip_counts counts;
    struct table works;   /* clip -> struct work: clips begun and not over */
    struct table tasks;   /* clip << 16 | number -> struct task */
    uint32_t lacking;     /* of these lack what they begin with (returns.h) */
    uint32_t misses;      /* of such in a row, none began since */
    struct deadline held; /* until then no clip that was never tried is given out */
    struct page *pages;
    uint32_t page_count;
    struct run *runs;
    uint32_t run_count;
    struct group *groups;
    uint32_t group_count;
    struct clip_counts *group_counts; /* room for farm_batch_record */
};

struct batch *batch_find(const struct farm *f, const char *id);
/* Checks the spec; every clip waits. */
struct batch *batch_new(struct farm *f, const struct batch_spec *spec, struct error *err);
void batch_free(struct farm *f, struct batch *b); /* with its tasks; the farm forgets it */

void batch_dirty(struct farm *f, struct batch *b);
/* Brings the state up to what paused, started and the counters say (B3); tells when it ends. */
void batch_settle(struct farm *f, struct batch *b);
/* New attempts may start. */
bool batch_is_open(const struct batch *b);
/* The places of its groups in their lanes agree with what they can give. */
void batch_refresh(struct farm *f, struct batch *b);
void batch_refresh_group(struct farm *f, struct group *g);
/* Clips that were never tried may be picked there. */
bool batch_gives_fresh(const struct stand *s);
/* B's places in its lanes are those of its new priority. */
void batch_set_priority(struct farm *f, struct batch *b, int32_t priority);
/* S2: an attempt of it pays for time on a slot. */
void batch_pay(struct batch *b, int64_t duration_ns, int64_t now_ns);
void batch_give_back(struct batch *b, int64_t duration_ns);
/* Counters of waiting clips move as one (cancel). */
void batch_cancel_waiting(struct farm *f, struct batch *b);
/* After clips went back to waiting in bulk. */
void batch_rewind(struct batch *b);

/* Moves `count` clips between two counters of group, batch and farm. */
void batch_count(struct farm *f, struct group *g, enum clip_state from, enum clip_state to,
                 uint64_t count);

#endif

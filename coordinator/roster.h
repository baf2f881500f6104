/* roster: which slots have room, which workers want a canary, what could be taken from whom. A
 * worker of which something may have changed is touched; the next dispatch looks at the touched
 * ones only, so that a turn costs what changed in it (S5). */
#ifndef ZOE_COORDINATOR_ROSTER_H
#define ZOE_COORDINATOR_ROSTER_H

#include "base/heap.h"
#include "base/table.h"
#include "coordinator/chain.h"

struct farm;
struct slot;
struct worker;

struct places {          /* slots that could take something */
    struct chain fresh;  /* not tried since they changed */
    struct chain failed; /* there was nothing for them */
};

struct roster {
    struct chain touched;   /* workers */
    struct chain canaries;  /* workers that want one, and have none */
    struct places idle;     /* slots that hold nothing */
    struct places hungry;   /* slots that run something with nothing behind it, and may have more */
    struct heap recallable; /* slots whose prefetched work may be taken back, latest end first */
    struct heap running;    /* slots that run something, latest expected end first */
    struct table fingerprints; /* -> number of slots that take work, as a pointer's value */
    uint32_t recalls;          /* on their way */
    uint32_t slots;            /* of workers that take work */
};

void roster_init(struct roster *r);
void roster_finish(struct roster *r);
void roster_touch(struct farm *f, struct worker *w);
/* Brings everything touched up to date. */
void roster_update(struct farm *f);
/* Nothing is touched: the roster was kept up to date while work was given. */
void roster_rest(struct farm *f);
/* This slot alone, at once. */
void roster_place(struct farm *f, struct slot *s);
/* All slots of the worker leave: they are about to go. */
void roster_drop(struct farm *f, struct worker *w);
/* Slots with this fingerprint that take work now. */
uint32_t roster_slots_of(const struct farm *f, const char *fingerprint);

#endif

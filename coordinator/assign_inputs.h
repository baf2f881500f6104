/* assign_inputs: the stored files that an assigned task goes on from. One that is not there any
 * more keeps its Assign from leaving: the task that made it is rendered again, the attempt is over
 * before it began and counts against nobody. Loop thread. */
#ifndef ZOE_COORDINATOR_ASSIGN_INPUTS_H
#define ZOE_COORDINATOR_ASSIGN_INPUTS_H

#include "coordinator/effect.h"
#include "coordinator/reply.h"
#include "coordinator/task_place.h"
#include "proto/message.h"

struct coordinator;

struct missing_input { /* noted while messages are made, told to the core after them */
    uint64_t session;
    struct attempt_key attempt; /* that cannot begin */
    struct task_key maker;      /* of what is missing */
    bool checkpoint;
    uint64_t lacks; /* nobody makes it (returns.h): there is no maker, but ... */
    char *why;      /* ... words, owned */
};

struct missing_inputs {
    struct missing_input *items;
    size_t count, capacity;
};

/* In the plan's order, the checkpoint last. ERROR_NOT_FOUND: something is missing; it is noted in
 * c->missing. */
bool assign_inputs_fill(struct coordinator *c, const struct effect_message *message,
                        const struct task_place *place, struct reply *memory, Farm__Assign *m,
                        struct error *err);
/* Its prompt or its model cannot be read: the attempt is over before it began, too. */
void assign_inputs_note_unmade(struct coordinator *c, const struct effect_message *message,
                               const char *why);
/* After the turn's messages, when the list of effects is free again. */
void assign_inputs_report(struct coordinator *c);
/* A worker could not have them: those that are damaged here are made again. Reads the files. What
 * the recipe starts from is looked at as well (input_doubts.h). */
void assign_inputs_check(struct coordinator *c, const struct task_key *task);
void assign_inputs_finish(struct missing_inputs *list);

#endif

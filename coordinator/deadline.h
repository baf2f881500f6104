/* deadline: things that are due at a time, and queues of them whose clock can stand still.
 *
 * A queue's own time is now minus all the time by which it was stretched (a jump of the machine's
 * clock, a full disk), so that giving every lease the same grace costs nothing (L4, D1). */
#ifndef ZOE_COORDINATOR_DEADLINE_H
#define ZOE_COORDINATOR_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"

struct farm;

struct deadline {
    struct heap_node node;
    void *subject; /* borrowed: what is due */
    void (*due)(struct farm *f, void *subject, int64_t now_ns);
};

struct deadline_queue {
    struct heap heap;
    int64_t stretched_ns;
};

void deadline_init(struct deadline *d, void *subject,
                   void (*due)(struct farm *f, void *subject, int64_t now_ns));
void deadline_set(struct deadline_queue *q, struct deadline *d, int64_t at_ns);
void deadline_clear(struct deadline_queue *q, struct deadline *d);
bool deadline_is_set(const struct deadline *d);

void deadline_queue_init(struct deadline_queue *q);
void deadline_queue_finish(struct deadline_queue *q);
void deadline_queue_stretch(struct deadline_queue *q, int64_t by_ns);
int64_t deadline_queue_first(const struct deadline_queue *q); /* INT64_MAX when empty */
/* Takes out and calls everything that was due at `until_ns`. */
void deadline_queue_run(struct deadline_queue *q, struct farm *f, int64_t until_ns, int64_t now_ns);

#endif

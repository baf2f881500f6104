/* threads: a small pool that runs the numbered items of one job at a time.
 *
 * The rule that makes results independent of the thread count: whoever calls cuts the work into
 * items of a FIXED size (a function of the shapes only), every item writes its own part of the
 * output, and sums that cross items are stored per item and added afterwards in ascending order.
 * Which thread runs which item is left to chance and must not matter.
 *
 * One caller at a time; items must not call threads_run on the same pool. */
#ifndef ZOE_ENGINE_THREADS_H
#define ZOE_ENGINE_THREADS_H

#include <stdint.h>

#include "base/error.h"

#define THREADS_MAX 256

struct threads;

/* `count` >= 1 threads in all, the caller included (count - 1 are started). NULL with
 * ERROR_NO_MEMORY or ERROR_IO. */
struct threads *threads_new(int count, struct error *err);
void threads_free(struct threads *threads); /* NULL is fine */

int threads_count(const struct threads *threads);

/* One item. `thread` is in [0, threads_count): only for picking that thread's scratch memory. */
typedef void threads_item(void *arg, int64_t item, int thread);

/* Runs items 0 .. count-1, each once, the caller helping; returns when all are done. */
void threads_run(struct threads *threads, int64_t count, threads_item *run, void *arg);

#endif

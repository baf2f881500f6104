/* publisher: makes the videos of finished clips and puts them where they belong (B2): EFFECT_STITCH
 * and EFFECT_RENAME, with a media child and pool threads. The core hears of each step's end. Loop
 * thread. */
#ifndef ZOE_COORDINATOR_PUBLISHER_H
#define ZOE_COORDINATOR_PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

#include "coordinator/effect.h"

struct coordinator;
struct publisher;

struct publisher *publisher_create(struct coordinator *c);
/* What runs on pool threads is waited for in the background: run the loop until it is empty. */
void publisher_destroy(struct publisher *p);
/* The core was loaded anew and will ask again: what is under way ends unheard. */
void publisher_clear(struct publisher *p);

void publisher_stitch(struct publisher *p, const struct effect_job *job);
void publisher_rename(struct publisher *p, const struct effect_job *job);
/* The batch was removed: its folder goes, first out of sight, then for good. While it cannot, the
 * removal stays in the store and is tried again, now and then and at the next start. Asking for one
 * that is under way changes nothing. */
void publisher_remove_batch(struct publisher *p, const char *batch, const char *folder);

/* Tries again what the disk refused. */
void publisher_tick(struct publisher *p, int64_t now_ns);
int64_t publisher_next(const struct publisher *p); /* INT64_MAX when nothing is to be tried again */

/* Start: temporaries in the folders of unfinished batches that no publishing clip claims. */
void publisher_sweep(struct publisher *p);

#endif

/* uploads: the results that are on their way in, attempt by attempt. The core decides what may come
 * (credit) and what an offer is worth; this writes the bytes, has them hashed and tells the core
 * how far they are. Loop thread. */
#ifndef ZOE_COORDINATOR_UPLOADS_H
#define ZOE_COORDINATOR_UPLOADS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "coordinator/farm.h"

struct coordinator;
struct uploads;

struct uploads *uploads_create(struct coordinator *c);
void uploads_destroy(struct uploads *u);
/* The core was loaded anew: what came so far stays on disk, to be offered again. */
void uploads_clear(struct uploads *u);

/* Fills offer->received from what stands on disk, asks the core and goes on as it says. */
void uploads_offer(struct uploads *u, uint64_t session, const char *worker,
                   struct farm_offer *offer);
/* A chunk of an attempt; what the core has not asked for is ignored. */
void uploads_chunk(struct uploads *u, uint64_t session, const char *worker,
                   const struct attempt_key *key, uint32_t output, uint64_t offset,
                   struct bytes payload);
/* EFFECT_STORED: nothing to do here any more. */
void uploads_stored(struct uploads *u, const char *worker, const struct attempt_key *key);
/* EFFECT_DISCARD_UPLOAD, EFFECT_DROPPED: its files are of no use. */
void uploads_discard(struct uploads *u, const char *worker, const struct attempt_key *key);

/* At the beginning of a turn: lets go of files that the one before gave up or made lasting, and
 * tries again what the disk refused. */
void uploads_tick(struct uploads *u, int64_t now_ns);
int64_t uploads_next(const struct uploads *u); /* INT64_MAX when nothing is to be done */

/* "BATCH.CLIP.TASK.FENCE.WORKER": unique to an attempt and safe as a file name; WORKER is a hash.
 */
#define UPLOADS_NAME_SIZE 80
void uploads_name(const char *worker, const struct attempt_key *key, char out[UPLOADS_NAME_SIZE]);

#endif

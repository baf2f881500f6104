/* checkpoint_uploads: checkpoints that are on their way in, one an attempt. The core decides
 * whether one is wanted and what may come (credit); this writes the bytes and has them hashed. They
 * are small and never missed: what the disk refuses is given up, and after a restart of the
 * coordinator nothing is left of one that had not arrived. Loop thread. */
#ifndef ZOE_COORDINATOR_CHECKPOINT_UPLOADS_H
#define ZOE_COORDINATOR_CHECKPOINT_UPLOADS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "coordinator/farm.h"

struct coordinator;
struct checkpoint_uploads;

struct checkpoint_uploads *checkpoint_uploads_create(struct coordinator *c);
void checkpoint_uploads_destroy(struct checkpoint_uploads *u); /* NULL is fine */
/* The core was loaded anew. */
void checkpoint_uploads_clear(struct checkpoint_uploads *u);

/* Asks the core. A newer one of an attempt takes the place of one that is on its way; the same once
 * more goes on where it stopped. */
void checkpoint_uploads_offer(struct checkpoint_uploads *u, uint64_t session, const char *worker,
                              struct farm_checkpoint *checkpoint);
void checkpoint_uploads_chunk(struct checkpoint_uploads *u, uint64_t session, const char *worker,
                              const struct attempt_key *key, uint64_t offset, struct bytes payload);
/* EFFECT_CHECKPOINT_SEEN, EFFECT_DISCARD_CHECKPOINT, and when the attempt ends (step 0: whichever
 * it is of): it is stored, or it is of no use. */
void checkpoint_uploads_end(struct checkpoint_uploads *u, const char *worker,
                            const struct attempt_key *key, uint32_t step);

/* At the beginning of a turn: lets go of files that the one before stored or gave up. */
void checkpoint_uploads_tick(struct checkpoint_uploads *u);
int64_t checkpoint_uploads_next(const struct checkpoint_uploads *u);

/* Temporaries of checkpoints, among those of results. */
bool checkpoint_uploads_is_upload(const char *upload);

#endif

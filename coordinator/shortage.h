/* shortage: kinds of work for which a worker's disk had no room (T3: refusals are remembered and
 * not repeated).
 *
 * A disk changes, so such a refusal does not hold for ever as one for want of memory does: until
 * heartbeats tell of clearly more free bytes than there were, or for a minute, then for two, four,
 * at most an hour. Without it a
 * worker whose disk is short for the inputs of one kind of work would be sent the same tasks again
 * and again, as fast as it hands them back. In memory only. */
#ifndef ZOE_COORDINATOR_SHORTAGE_H
#define ZOE_COORDINATOR_SHORTAGE_H

#include <stdbool.h>
#include <stdint.h>

struct farm;
struct lane;
struct worker;

/* It handed such work back: its disk has no room. */
void shortage_note(struct worker *w, const struct lane *lane, int64_t now_ns);
bool shortage_holds(const struct worker *w, const struct lane *lane);
/* Its heartbeat told so many free bytes: what is known of its disk may be out of date. */
void shortage_hear(struct farm *f, struct worker *w, uint64_t free_bytes, int64_t now_ns);
void shortage_forget(struct worker *w); /* another process */
void shortage_finish(struct worker *w); /* frees */
uint32_t shortage_count(const struct worker *w);

#endif

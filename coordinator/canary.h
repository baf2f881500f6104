/* canary: a tiny fixed render whose answer is known (W2). A worker renders that of `pattern` at
 * joining, after that when T4 asks, and that of a model before its first task of it (proof.h). A
 * wrong one puts it into quarantine, until a right one of the same kind 1, 5 or 25 min later. One
 * at a time is out. */
#ifndef ZOE_COORDINATOR_CANARY_H
#define ZOE_COORDINATOR_CANARY_H

#include "coordinator/farm_canary.h"
#include "coordinator/worker_core.h"

void canary_init(struct worker *w);
/* The worker gets no other work until it has rendered that of `pattern`. */
void canary_want(struct farm *f, struct worker *w);
/* It wants one, has none, and is there. */
bool canary_may_go(const struct worker *w);
/* Into an empty slot, if it has one. */
void canary_assign(struct farm *f, struct worker *w, int64_t now_ns);
/* Could that of a model be given now? */
bool canary_could_go(const struct worker *w);
/* That of the lane's model, into this empty slot. */
void canary_first(struct farm *f, struct slot *s, const struct lane *lane, int64_t now_ns);
/* Of `pattern`. frames_sha256 NULL: it failed. */
void canary_done(struct farm *f, struct worker *w, uint64_t number,
                 const struct digest *frames_sha256, const char *message, int64_t now_ns);
/* Of a model. */
void canary_of_model_done(struct farm *f, struct worker *w, const struct farm_model_frame *frame,
                          int64_t now_ns);
/* What it answered earlier turns out to be wrong. */
void canary_was_wrong(struct farm *f, struct worker *w, const struct lane *lane, const char *why,
                      int64_t now_ns);
/* Its worker has it, and is so far. */
void canary_heard(struct farm *f, struct worker *w, const struct farm_held *at, int64_t now_ns);
/* The one that is out is not rendered, because its session ended. It stays wanted. */
void canary_drop(struct farm *f, struct worker *w);
/* It comes back as it was: what kept the worker from it (a full disk, a drain) takes a moment to
 * pass, so the next one comes a little later. A model that cannot be had there is not asked for
 * again. */
void canary_handed_back(struct farm *f, struct worker *w, uint64_t number,
                        enum hand_back_reason reason, int64_t now_ns);

#endif

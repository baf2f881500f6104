/* credit_window: how far a client's file on its way has come and how much more of it may come: what
 * it wants to be lent, which chunks fit, what goes back unused. Pure.
 *
 * Only bytes that are new move it: a client that sends the same ones again, or others than were
 * granted, is as silent as one that sends nothing. One that is silent for CREDIT_IDLE_NS is lent
 * nothing until it opens again or goes on where it stopped. */
#ifndef ZOE_COORDINATOR_CREDIT_WINDOW_H
#define ZOE_COORDINATOR_CREDIT_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct credit_window {
    uint64_t size_bytes; /* of the file */
    uint64_t received, granted;
    int64_t moved_ns; /* when something new came, or could come */
    bool idle;
};

/* For the first time, with what is here already, or again. */
void credit_window_open(struct credit_window *w, uint64_t received, int64_t now_ns);
/* How many bytes it would be lent beyond `granted`; 0 = none now. */
uint64_t credit_window_wants(const struct credit_window *w);
void credit_window_lend(struct credit_window *w, uint64_t size_bytes, int64_t now_ns);
/* How many come back: they were lent and did not come. */
uint64_t credit_window_withdraw(struct credit_window *w);

/* A chunk that goes on where the idle one stopped wakes it: it wants credit for it again. */
bool credit_window_wakes(struct credit_window *w, uint64_t offset, size_t size_bytes);
/* Whether a chunk was granted. */
bool credit_window_fits(const struct credit_window *w, uint64_t offset, size_t size_bytes);
/* All up to `end` (above what was received, and granted) is here; how much of it is new. */
uint64_t credit_window_take(struct credit_window *w, uint64_t end, int64_t now_ns);

int64_t credit_window_silent_ns(const struct credit_window *w, int64_t now_ns);
/* Credit that nobody uses is to be withdrawn: from then on it is idle. */
bool credit_window_tires(struct credit_window *w, int64_t now_ns);

#endif

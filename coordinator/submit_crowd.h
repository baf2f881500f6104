/* submit_crowd: who waits for one transfer: listeners want its answer, openers with other content
 * for the same key want its end. Room-internal: the files of submit_transfer.h. Loop thread. */
#ifndef ZOE_COORDINATOR_SUBMIT_CROWD_H
#define ZOE_COORDINATOR_SUBMIT_CROWD_H

#include "coordinator/submit_transfer.h"

struct submit_crowd { /* zeros = nobody */
    struct submit_listener *listeners;
    struct submit_waiting *waiting; /* the first to come is the first */
};

/* Forgets everybody. */
void submit_crowd_clear(struct submit_crowd *c);
int submit_crowd_count(const struct submit_crowd *c);

/* Who listens already is not added again. */
void submit_crowd_listen(struct submit_crowd *c, const struct submit_request *r);
/* No listener of this client is left. */
void submit_crowd_gone(struct submit_crowd *c, uint64_t client);
/* Nobody who came with this key is left, in one way or the other. */
void submit_crowd_expel(struct submit_crowd *c, const uint8_t key[KEY_BYTES]);
/* Makes the request that of who listens (the newest): whom to tell, and for whose key. False:
 * nobody does. */
bool submit_crowd_inherit(const struct submit_crowd *c, struct submit_request *r);
/* The same answer for every listener; its client and request are filled in. */
void submit_crowd_answer(const struct submit_crowd *c, const struct submit_callbacks *callbacks,
                         const struct submit_answer *answer);

void submit_crowd_wait(struct submit_crowd *c, const struct submit_request *r);
/* Takes out who has waited longest; the caller frees the request. False: nobody. */
bool submit_crowd_next(struct submit_crowd *c, struct submit_request *out);

#endif

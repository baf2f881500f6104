/* presence: when a worker is connected and when it is not: it comes (W1), is heard, falls silent
 * (L2), drains (W6) and goes. */
#ifndef ZOE_COORDINATOR_PRESENCE_H
#define ZOE_COORDINATOR_PRESENCE_H

#include "coordinator/worker_core.h"

void presence_init(struct worker *w);
bool worker_hello(struct farm *f, const struct farm_hello *hello, int64_t now_ns,
                  uint64_t *session_out, struct error *err);
/* A sign of life; the worker, or NULL for a session that is over. */
struct worker *worker_heard(struct farm *f, uint64_t session, int64_t now_ns);
void worker_beat(struct farm *f, struct worker *w, const struct farm_heartbeat *beat,
                 int64_t now_ns);
void worker_leaving(struct farm *f, struct worker *w, const char *reason, bool drained,
                    int64_t now_ns);
/* Whether such a drain changes anything: 0 = it may take as long as it likes. */
bool worker_drain_is_news(const struct worker *w, int64_t grace_ns, int64_t now_ns);
void worker_drain(struct farm *f, struct worker *w, int64_t grace_ns, const char *by,
                  int64_t now_ns);
/* Session and attempts end now. */
void worker_gone(struct farm *f, struct worker *w, const char *why, bool revoked, int64_t now_ns);
/* It would not be heard for `grace_ns` more before its attempts are lost (L2, L3). */
void worker_silent(struct farm *f, struct worker *w, int64_t grace_ns, int64_t now_ns);
uint32_t presence_heartbeat_ms(const struct farm *f);

#endif

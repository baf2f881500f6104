/* client_requests: what clients ask for, by subject. The rows of dispatch stand in
 * client_requests.c. */
#ifndef ZOE_COORDINATOR_CLIENT_REQUESTS_H
#define ZOE_COORDINATOR_CLIENT_REQUESTS_H

#include "coordinator/dispatch.h"
#include "coordinator/farm.h"
#include "coordinator/reply.h"

/* client_requests_batches.c */
void client_requests_batches(struct dispatch *d);
void client_requests_batch(struct dispatch *d);
void client_requests_batch_action(struct dispatch *d);
/* client_requests_clips.c */
void client_requests_clips(struct dispatch *d);
/* Fills the row of one clip of `batch`. */
bool client_requests_fill_clip(struct dispatch *d, struct reply *r, const char *batch,
                               uint32_t index, Farm__Clip *m, struct error *err);
/* client_requests_clip.c */
void client_requests_clip(struct dispatch *d);
/* client_requests_task.c */
void client_requests_task(struct dispatch *d);
/* client_requests_explain.c */
void client_requests_explain(struct dispatch *d);
/* client_requests_workers.c */
void client_requests_workers(struct dispatch *d);
void client_requests_worker_action(struct dispatch *d);
/* client_requests_keys.c */
void client_requests_key_allow(struct dispatch *d);
void client_requests_keys(struct dispatch *d);
void client_requests_key_revoke(struct dispatch *d);
void client_requests_token_create(struct dispatch *d);
void client_requests_tokens(struct dispatch *d);
void client_requests_token_revoke(struct dispatch *d);
/* client_requests_owners.c */
void client_requests_owner_set(struct dispatch *d);
void client_requests_owners(struct dispatch *d);
void client_requests_audit(struct dispatch *d);
/* client_requests_farm.c */
void client_requests_hello(struct dispatch *d);
void client_requests_status(struct dispatch *d);
void client_requests_models(struct dispatch *d);
void client_requests_events(struct dispatch *d);

/* The end: questions that wait for a model scan are dropped. */
void client_requests_finish(struct coordinator *c);

/* Pieces that several answers share. */
Farm__Counts *client_requests_counts(struct reply *r, const struct clip_counts *counts);
Farm__Running **client_requests_running(struct reply *r, const struct running_info *list,
                                        uint32_t count);
/* The batch that an id, a prefix or "last" names among those that the sender sees; answers with a
 * problem and false when none. Its texts live until the next event. */
bool client_requests_find(struct dispatch *d, const char *text, struct batch_info *out);

/* A page of a list ends when it holds so much. */
#define CLIENT_PAGE_BYTES (LIMIT_REPLY_BYTES * 3 / 4)
/* So many may wait for a model scan, each of which is answered by up to a page. */
#define CLIENT_MODELS_QUESTIONS_MAX 64

#endif

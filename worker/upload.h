/* upload: brings the outbox to the coordinator: Offer, chunks under Credit, until Stored or
 * Dropped. Offers go by the control connection, bytes by the bulk one. After every new session, and
 * after the bulk connection was lost, everything is offered again; the coordinator grants from what
 * it has. Loop thread only. */
#ifndef ZOE_WORKER_UPLOAD_H
#define ZOE_WORKER_UPLOAD_H

#include "worker/bulk.h"
#include "worker/link.h"
#include "worker/outbox.h"

struct upload;

struct upload_options { /* all borrowed for life */
    struct outbox *outbox;
    struct link *link;
    struct bulk *bulk;
    void (*removed)(void *context); /* an entry less */
    void *context;
};

struct upload *upload_create(uv_loop_t *loop, const struct upload_options *options);
void upload_close(struct upload *u, void (*on_closed)(void *context), void *context);

void upload_joined(struct upload *u); /* a new session */
void upload_offer(struct upload *u, struct outbox_entry *entry);
/* The coordinator wants it no more, or has it: gone from the outbox. False: not there. */
bool upload_forget(struct upload *u, const struct attempt_name *name);

void upload_credit(struct upload *u, const Farm__Credit *credit);
void upload_stored(struct upload *u, const Farm__Stored *stored);
void upload_dropped(struct upload *u, const Farm__Dropped *dropped);

void upload_bulk_ready(struct upload *u);
void upload_bulk_lost(struct upload *u);
bool upload_flows(const struct upload *u);   /* granted bytes wait to be sent */
bool upload_is_busy(const struct upload *u); /* those, or sent ones wait for an answer */

#endif

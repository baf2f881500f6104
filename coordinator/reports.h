/* reports: results that ride in their offer (at most LIMIT_INLINE_BYTES): looked at when they come,
 * kept until the turn's transaction has them as rows. No file, no credit, no child. Loop thread. */
#ifndef ZOE_COORDINATOR_REPORTS_H
#define ZOE_COORDINATOR_REPORTS_H

#include "base/buf.h"
#include "coordinator/farm.h"
#include "proto/message.h"

struct coordinator;

struct report {
    struct task_key task;
    struct digest sha256;
    uint8_t *data; /* owned */
    size_t size_bytes;
};

struct reports { /* of this turn */
    struct report *items;
    size_t count;
    size_t capacity;
    size_t next; /* those before it are saved, or will not be */
};

void reports_finish(struct reports *r);

/* The offer is one report and nothing else. */
bool reports_is_one(const Farm__Offer *m);
/* A small JSON object whose SHA-256 and size are what the offer says. */
bool reports_is_sound(const Farm__Offer *m);
/* Takes the bytes and hands the offer to the core, which is done with it at once. */
void reports_offer(struct coordinator *c, uint64_t session, const Farm__Offer *m,
                   struct farm_offer *offer);
/* EFFECT_SAVE_OUTPUT of a report: its bytes go into the turn's transaction. */
void reports_save(struct coordinator *c, const struct output_record *output);
/* The turn is over. */
void reports_clear(struct reports *r);

#endif

/* intake: submissions on their way in, between the client socket and submit_transfer.h. Loop
 * thread. */
#ifndef ZOE_COORDINATOR_INTAKE_H
#define ZOE_COORDINATOR_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "coordinator/keyring.h"
#include "proto/message.h"
#include "proto/zsock.h"

struct coordinator;
struct intake;

struct intake *intake_create(struct coordinator *c, struct error *err);
void intake_destroy(struct intake *in);

/* Looks for new models first, so that a folder put there a moment ago counts. `sees_all`: it may
 * name inputs that its owner did not send. */
void intake_open(struct intake *in, zsock_peer peer, uint64_t request,
                 const struct keyring_entry *sender, bool sees_all, const Farm__SubmitOpen *open);
void intake_chunk(struct intake *in, zsock_peer peer, uint64_t request, const char *owner,
                  const Farm__Chunk *chunk, struct bytes payload);
/* Files that recipes start from (inputs.h), under the same pool of credit. */
void intake_input(struct intake *in, zsock_peer peer, uint64_t request,
                  const struct keyring_entry *sender, bool sees_all, const Farm__InputOpen *open);
void intake_gone(struct intake *in, zsock_peer peer);
/* A key is not allowed any more: whatever it has opened, here and in inputs.h, ends without a word,
 * and what came of it is removed. What another key of the owner has opened, too, goes on. */
void intake_expel(struct intake *in, const uint8_t key[KEY_BYTES]);

/* From the farm's pool of credit, as far as loans.h allows. `for_good`: it will be kept on disk. */
uint64_t intake_borrow(struct intake *in, const char *owner, uint64_t wanted_bytes, bool for_good);
void intake_give_back(struct intake *in, const char *owner, uint64_t size_bytes);

/* After the turn's commit: the accepted are told so. After a failed one they are told why. */
void intake_committed(struct intake *in);
void intake_failed(struct intake *in, const struct error *why);

void intake_tick(struct intake *in, int64_t now_ns);
int64_t intake_next(const struct intake *in, int64_t now_ns); /* INT64_MAX when nothing is open */

#endif

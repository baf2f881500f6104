/* inputs: files that recipes start from (init_video, init_image, mask), on their way in and here.
 *
 * A client opens an input by digest and size. One that is here, and that its owner has sent before,
 * is told so at once, as is all that is here to who sees all; otherwise it is sent in credited
 * chunks to a temporary that outlives connections and restarts, hashed, and then decoded from end
 * to end by a zoe-media child: what cannot be decoded, is too long or too large is refused before
 * anybody renders it. Then it is an artifact with a row of its own. A batch that is accepted names
 * its inputs; a row goes with the last batch that named it, or an hour after it was last opened
 * when none ever did. What a task has stored becomes an input without being sent. One transfer per
 * owner and digest. Loop thread. */
#ifndef ZOE_COORDINATOR_INPUTS_H
#define ZOE_COORDINATOR_INPUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "coordinator/keyring.h"
#include "coordinator/store.h"
#include "coordinator/submit_file.h"
#include "proto/message.h"
#include "proto/zsock.h"

struct coordinator;
struct inputs;

struct inputs *inputs_create(struct coordinator *c);
void inputs_destroy(struct inputs *in); /* before the artifacts and media children; NULL is fine */

void inputs_open(struct inputs *in, zsock_peer peer, uint64_t request,
                 const struct keyring_entry *sender, bool sees_all, const Farm__InputOpen *open);
/* A chunk that fits no transfer is ignored; one that was not granted is answered by a problem. */
void inputs_chunk(struct inputs *in, zsock_peer peer, uint64_t request, const char *owner,
                  const Farm__Chunk *chunk, struct bytes payload);
void inputs_gone(struct inputs *in, zsock_peer peer);
/* The key is not allowed any more: nothing of what it opened is kept, and nobody is told, unless
 * another key of the owner has opened the same; for that one it goes on. */
void inputs_expel(struct inputs *in, const uint8_t key[KEY_BYTES]);

/* What zoe-media says of a file; `r` has its kind. ERROR_INVALID: it says less than is needed. */
bool inputs_read_report(struct input_record *r, const json_t *report, struct error *err);
/* A segment or latents that a task of this farm has stored, and that were checked then: an input
 * from now on. False: there is none of this digest and kind. */
bool inputs_adopt(struct coordinator *c, const struct input_record *wanted,
                  struct input_record *out);
/* What is known of an input that is here: its row and its file. */
bool inputs_find(struct coordinator *c, const struct digest *sha256, struct input_record *out);
/* The answer to InputOpen; it leaves after this turn's commit. */
void inputs_say_stored(struct coordinator *c, zsock_peer peer, uint64_t request,
                       const struct input_record *r, bool existed);
/* Whether the owner has sent this file, or has a batch that names or has stored it. */
bool inputs_has(struct coordinator *c, const char *owner, const struct digest *sha256);
/* Every input of a submission is here, the owner (if not "") has it, and it can be what it shall
 * be; ERROR_REFUSED names the first that is not so. */
bool inputs_check(struct coordinator *c, const char *owner, const struct submit_result *result,
                  struct error *err);
/* The batch, added in this turn, names them. */
void inputs_bind(struct coordinator *c, const char *batch, const struct submit_result *result);

/* Lets go of files that the last turn gave up, expires transfers. */
void inputs_tick(struct inputs *in, int64_t now_ns);
bool inputs_is_busy(const struct inputs *in); /* wants a tick every second */

/* Temporaries of inputs, among those of attempts. */
bool inputs_is_upload(const char *upload);

#endif

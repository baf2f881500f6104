/* zclient: a client's connection to a coordinator, blocking with deadlines, for command-line tools.
 * Own ZeroMQ context, no loop, one thread.
 *
 * Requests are numbered and may overlap. A request stays outstanding until its last answer came;
 * after a reconnect (coordinator restarted, network back) the hello and every outstanding request
 * are sent again, so requests must be idempotent. All times are durations from now. */
#ifndef ZOE_PROTO_ZCLIENT_H
#define ZOE_PROTO_ZCLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "proto/codec.h"
#include "proto/keys.h"

struct zclient;

struct zclient_options {
    const char *url;
    uint8_t server_key[KEY_BYTES];
    const struct key_pair *keys; /* not kept */
    int64_t timeout_ns;          /* for connecting and the hello */
    const char *build;           /* our version, recorded by the coordinator */
    /* Asked about ten times a second while waiting; true ends the wait with ERROR_INTERRUPTED. May
     * be NULL. */
    bool (*interrupted)(void *context);
    void *context;
};

/* ERROR_UNREACHABLE, ERROR_AUTH ("key not allowed"), ERROR_VERSION, ERROR_USAGE (bad URL),
 * ERROR_INTERRUPTED. */
struct zclient *zclient_open(const struct zclient_options *options, struct error *err);
void zclient_close(struct zclient *c);

const char *zclient_owner(const struct zclient *c); /* the key's name at the coordinator */
const char *zclient_role(const struct zclient *c);  /* "submit" or "admin" */
const char *zclient_build(const struct zclient *c); /* of the coordinator */

/* Sends `envelope` (its version and request are filled in) and returns the request's number, or 0.
 */
uint64_t zclient_send(struct zclient *c, Farm__Envelope *envelope, struct error *err);

/* More of a request under way (a Chunk of a submit): same number, not sent again after a
 * reconnect. */
bool zclient_send_part(struct zclient *c, uint64_t request, Farm__Envelope *envelope,
                       struct bytes payload, struct error *err);

/* Next message for `request` (0: for any outstanding one), payload kept. A Credit leaves the
 * request outstanding, anything else ends it; a Problem becomes the error. NULL with ERROR_TIMEOUT
 * (the request stays outstanding), ERROR_UNREACHABLE when there is no connection at that time, or
 * the problem's error. Caller frees. `problem_out` (may be NULL) receives the message that held a
 * Problem, for its list of input problems; caller frees it too. */
struct message *zclient_receive(struct zclient *c, uint64_t request, int64_t timeout_ns,
                                struct message **problem_out, struct error *err);
/* Forgets a request; late answers are dropped. */
void zclient_forget(struct zclient *c, uint64_t request);

/* Send and wait for the one answer, which must be `expected`. */
struct message *zclient_ask(struct zclient *c, Farm__Envelope *envelope,
                            Farm__Envelope__BodyCase expected, int64_t timeout_ns,
                            struct error *err);

/* The whole conversation of a submit: opens, sends `content` as credit comes (resuming after a
 * reconnect), returns the Accepted. timeout_ns bounds silence, not the whole. `progress` may be
 * NULL. */
typedef void (*zclient_progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
struct message *zclient_submit(struct zclient *c, const Farm__SubmitOpen *open,
                               struct bytes content, int64_t timeout_ns, zclient_progress progress,
                               void *context, struct message **problem_out, struct error *err);

/* The same for a file that recipes start from; returns the InputStored. One that the coordinator
 * has is not sent. The silence includes the time in which the coordinator decodes it. */
struct message *zclient_send_input(struct zclient *c, const struct digest *sha256,
                                   struct bytes content, int64_t timeout_ns,
                                   zclient_progress progress, void *context, struct error *err);

#endif

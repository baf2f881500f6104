/* zap: who may connect. The handler of ZeroMQ's authentication protocol (RFC 27) for every socket
 * of one context, on the loop of its owner. It must be created before any server socket binds; when
 * it cannot answer, nobody gets in. How often strangers may try is bounded (throttle.h). Loop
 * thread only. */
#ifndef ZOE_PROTO_ZAP_H
#define ZOE_PROTO_ZAP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "proto/keys.h"
#include "proto/limits.h"

struct zap;

/* Every message of an allowed connection carries its key in hex under this property. */
#define ZAP_KEY_PROPERTY "X-Key"

/* RFC 27: who is refused (400) is told that its key is wrong and gives up; who shall come later
 * (300) is cut off without a word and dials again. */
enum zap_verdict { ZAP_REFUSED, ZAP_LATER, ZAP_ALLOWED };

/* Says whether `key` may connect from `address` to the sockets of `domain`, and under which name
 * (it becomes the User-Id of every message, so it must not be empty). */
typedef enum zap_verdict (*zap_decide)(void *context, const char *domain,
                                       const uint8_t key[KEY_BYTES], const char *address,
                                       char user_out[LIMIT_NAME_BYTES + 1]);

struct zap *zap_open(uv_loop_t *loop, void *zmq_context, zap_decide decide, void *context,
                     struct error *err);
uint64_t zap_refused(const struct zap *z); /* handshakes so far, for whatever reason */
void zap_close(struct zap *z, void (*on_closed)(void *context), void *context);

#endif

/* zjoin: a new key asks to be let in with a join token: one Join, one answer. Blocking, for
 * programs that have nothing else to do before; own ZeroMQ context, one thread. */
#ifndef ZOE_PROTO_ZJOIN_H
#define ZOE_PROTO_ZJOIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "proto/keys.h"
#include "proto/limits.h"
#include "proto/token.h"

struct zjoin_options {
    const struct token *token;   /* says where, and to which key */
    const struct key_pair *keys; /* ours, as it will be allowed */
    const char *name;            /* what we would like to be called; "" = no matter */
    int64_t timeout_ns;          /* for each endpoint */
};

struct zjoin_answer {
    char name[LIMIT_NAME_BYTES + 1];
    char role[LIMIT_BACKEND_BYTES + 1];
    char endpoint[LIMIT_NAME_BYTES + 1]; /* the one that answered */
};

/* Tries the endpoints in turn. A key that is allowed already is told so: trying again does no harm.
 * ERROR_UNREACHABLE when nobody answers, or somebody who is not that coordinator: try later.
 * ERROR_AUTH (token unknown, expired, used up) and ERROR_VERSION: no use in trying again. */
bool zjoin(const struct zjoin_options *options, struct zjoin_answer *out, struct error *err);

#endif

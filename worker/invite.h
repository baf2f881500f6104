/* invite: where a worker's coordinator is and which key it has: from the command line, from what a
 * join token brought here before, or from a token that is used now. What a token brought is kept in
 * the state folder (coordinator.json), so that a restart needs no token. One thread, before the
 * loop. */
#ifndef ZOE_WORKER_INVITE_H
#define ZOE_WORKER_INVITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "proto/keys.h"

/* A copy of a token that stands where others can read it (in the command line), which is wiped;
 * end it with invite_forget. */
char *invite_take(char *text);
/* The token as given: `flag` ("-" = one line of stdin), else ZOE_JOIN, else the first line of the
 * file that ZOE_JOIN_FILE names. ZOE_JOIN is wiped out of the environment. *out is NULL when
 * there is none; end it with invite_forget. */
bool invite_token(const char *flag, char **out, struct error *err);
void invite_forget(char *token); /* wipes and frees; NULL is fine */

struct invite {
    char *url;
    uint8_t server_key[KEY_BYTES];
};

/* What an earlier token brought; ERROR_NOT_FOUND when there was none. */
bool invite_recall(const char *state, struct invite *out, struct error *err);
/* Joins with the token, for ever while nobody answers, and keeps what it brought. ERROR_AUTH,
 * ERROR_INVALID, ERROR_VERSION: no use. */
bool invite_accept(const char *state, const char *token, const struct key_pair *keys,
                   struct invite *out, struct error *err);
void invite_finish(struct invite *invite);

#endif

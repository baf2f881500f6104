/* login: joining a farm as a client: token in, key and settings where the other commands find them
 * (target.h). */
#ifndef ZOE_CLI_LOGIN_H
#define ZOE_CLI_LOGIN_H

#include <stdbool.h>

#include "base/error.h"
#include "proto/zjoin.h"

struct login {
    struct zjoin_answer answer;
    char *config_file;
    char *replaced; /* the coordinator that was set before, if another; or NULL */
};

/* `key_file` NULL = client.key in the configuration folder; made when there is none. `name` is what
 * we would like to be called. Sets coordinator, server_key and (given one) client_key in zoe.conf;
 * its other lines stay. */
bool login_join(struct login *login, const char *token, const char *key_file, const char *name,
                struct error *err);
void login_finish(struct login *login);

/* Pure: `text` (a zoe.conf) without the lines that set one of `keys` (NULL-terminated), and with
 * `lines` at its end. Caller frees. */
char *login_edit(const char *text, const char *const *keys, const char *lines);

#endif

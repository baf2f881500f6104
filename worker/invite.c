/* The token is in memory as shortly as can be. */
#include "worker/invite.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "proto/token.h"
#include "proto/zjoin.h"

#define FILE_NAME "coordinator.json"
#define SCHEMA "zoe.invite.v1"
#define FILE_LIMIT_BYTES 4096
#define TRY_NS (10 * NS_PER_S)
#define AGAIN_S 2

/* ---- the token ---- */

static bool read_line(FILE *file, const char *what, char **out, struct error *err)
{
    char line[LIMIT_TOKEN_BYTES + 2] = "";
    bool ok = fgets(line, sizeof(line), file) != NULL;
    line[strcspn(line, " \t\r\n")] = '\0';
    if (ok) *out = xstrdup(line);
    sodium_memzero(line, sizeof(line));
    return ok || error_set(err, ERROR_USAGE, "there is no token in %s", what);
}

static bool read_file(const char *path, char **out, struct error *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) return error_set(err, ERROR_NOT_FOUND, "cannot open ZOE_JOIN_FILE %s", path);
    bool ok = read_line(file, path, out, err);
    (void)fclose(file);
    return ok;
}

char *invite_take(char *text)
{
    char *copy = xstrdup(text);
    sodium_memzero(text, strlen(text));
    return copy;
}

/* Children and whoever looks into /proc see it no more. */
static char *take_variable(const char *name)
{
    char *value = getenv(name);
    if (value == NULL || value[0] == '\0') return NULL;
    char *copy = invite_take(value);
    (void)unsetenv(name);
    return copy;
}

void invite_forget(char *token)
{
    if (token != NULL) sodium_memzero(token, strlen(token));
    free(token);
}

bool invite_token(const char *flag, char **out, struct error *err)
{
    char *variable = take_variable("ZOE_JOIN"); /* wiped even if the flag wins */
    const char *file = getenv("ZOE_JOIN_FILE");
    *out = NULL;
    if (flag != NULL) {
        invite_forget(variable);
        if (strcmp(flag, "-") == 0) return read_line(stdin, "stdin", out, err);
        *out = xstrdup(flag);
        return true;
    }
    *out = variable;
    if (variable != NULL || file == NULL || file[0] == '\0') return true;
    return read_file(file, out, err);
}

/* ---- what it brings ---- */

void invite_finish(struct invite *invite)
{
    free(invite->url);
    *invite = (struct invite){0};
}

bool invite_recall(const char *state, struct invite *out, struct error *err)
{
    char *path = path_join(state, FILE_NAME);
    *out = (struct invite){0};
    json_t *file = json_parse_file(path, FILE_LIMIT_BYTES, err);
    const char *url = json_string_value(json_object_get(file, "url"));
    const char *key = json_string_value(json_object_get(file, "server_key"));
    bool ok = file != NULL;
    if (ok && (url == NULL || key == NULL))
        ok = error_set(err, ERROR_INVALID, "%s names no coordinator", path);
    ok = ok && keys_parse(key, out->server_key, path, err);
    if (ok) out->url = xstrdup(url);
    json_decref(file);
    free(path);
    return ok;
}

static bool keep(const char *state, const struct invite *invite, struct error *err)
{
    char key[KEY_TEXT_SIZE], *path = path_join(state, FILE_NAME);
    keys_text(invite->server_key, key);
    json_t *file = json_pack("{ssssss}", "schema", SCHEMA, "url", invite->url, "server_key", key);
    char *text = json_pretty(file);
    bool ok = path_write_atomic(path, text, strlen(text), 0600, err);
    free(text);
    json_decref(file);
    free(path);
    return ok;
}

static bool join(const struct token *token, const struct key_pair *keys,
                 struct zjoin_answer *answer, struct error *err)
{
    char host[LIMIT_NAME_BYTES / 2] = "worker";
    bool told = false;
    (void)gethostname(host, sizeof(host) - 1);
    struct zjoin_options o = {.token = token, .keys = keys, .name = host, .timeout_ns = TRY_NS};
    while (!zjoin(&o, answer, err)) {
        if (err->code != ERROR_UNREACHABLE) return false;
        if (!told) log_warn("cannot join yet: %s", err->message);
        told = true;
        (void)sleep(AGAIN_S);
    }
    error_clear(err);
    return true;
}

bool invite_accept(const char *state, const char *text, const struct key_pair *keys,
                   struct invite *out, struct error *err)
{
    struct token token;
    struct zjoin_answer answer = {.name = ""};
    *out = (struct invite){0};
    if (!token_parse(text, &token, err)) return false;
    bool ok =
        (token.flags & TOKEN_FLAG_CLIENT) == 0 ||
        error_set(err, ERROR_INVALID, "this token is for a client: use it with `zoe client join`");
    ok = ok && join(&token, keys, &answer, err);
    if (ok) {
        memcpy(out->server_key, token.server_key, KEY_BYTES);
        out->url = xstrdup(answer.endpoint);
        log_info("joined %s as %s", answer.endpoint, answer.name);
        ok = keep(state, out, err);
    }
    token_wipe(&token);
    return ok;
}

/* The key first, then the join, then the settings: broken off anywhere, it can be done again. */
#include "cli/login.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "proto/keys.h"

#define TRY_NS (10 * NS_PER_S)

static const char *const CONFIG_KEYS[] = {"coordinator", "server_key", "client_key", "model", NULL};
static const char *const SET_KEYS[] = {"coordinator", "server_key", "client_key", NULL};

static bool sets(const char *line, size_t size, const char *key)
{
    const size_t length = strlen(key);
    while (size > 0 && (*line == ' ' || *line == '\t'))
        line++, size--;
    if (size <= length || strncmp(line, key, length) != 0) return false;
    return strchr(" \t=", line[length]) != NULL;
}

static bool sets_any(const char *line, size_t size, const char *const *keys)
{
    for (; *keys != NULL; keys++)
        if (sets(line, size, *keys)) return true;
    return false;
}

char *login_edit(const char *text, const char *const *keys, const char *lines)
{
    struct buf out = BUF_INIT;
    while (*text != '\0') {
        const size_t size = strcspn(text, "\n");
        if (!sets_any(text, size, keys)) {
            buf_append(&out, text, size);
            buf_append_char(&out, '\n');
        }
        text += size + (text[size] == '\n');
    }
    buf_append_text(&out, lines);
    char *copy = xstrdup(buf_text(&out));
    buf_finish(&out);
    return copy;
}

static bool read_config(const char *path, struct buf *out, struct error *err)
{
    if (!path_exists(path)) return true;
    return path_read(path, CONFIG_MAX_BYTES, out, err);
}

static char *make_lines(const struct login *login, const struct token *token, const char *key_file)
{
    char key[KEY_TEXT_SIZE];
    keys_text(token->server_key, key);
    return xasprintf("coordinator = %s\nserver_key = %s\n%s%s%s", login->answer.endpoint, key,
                     key_file ? "client_key = " : "", key_file ? key_file : "",
                     key_file ? "\n" : "");
}

static bool note_replaced(struct login *login, struct error *err)
{
    struct config config;
    if (!config_load(&config, login->config_file, CONFIG_KEYS, err)) return false;
    const char *before = config_get(&config, "coordinator");
    if (before != NULL && *before != '\0' && strcmp(before, login->answer.endpoint) != 0)
        login->replaced = xstrdup(before);
    config_finish(&config);
    return true;
}

static bool save_config(struct login *login, const struct token *token, const char *key_file,
                        struct error *err)
{
    struct buf old = BUF_INIT;
    if (!note_replaced(login, err)) return false;
    bool ok = read_config(login->config_file, &old, err);
    char *lines = make_lines(login, token, key_file);
    char *text = login_edit(old.size > 0 ? buf_text(&old) : "", SET_KEYS, lines);
    ok = ok && path_write_atomic(login->config_file, text, strlen(text), 0600, err);
    free(text);
    free(lines);
    buf_finish(&old);
    return ok;
}

static bool join_with(struct login *login, const struct token *token, const char *path,
                      const char *name, struct error *err)
{
    struct key_pair keys;
    if (!keys_load_or_create(path, &keys, NULL, err)) return false;
    struct zjoin_options o = {.token = token, .keys = &keys, .name = name, .timeout_ns = TRY_NS};
    bool ok = zjoin(&o, &login->answer, err);
    keys_wipe(&keys);
    return ok;
}

static bool parse(const char *text, struct token *token, struct error *err)
{
    if (!token_parse(text, token, err)) return false;
    return (token->flags & TOKEN_FLAG_CLIENT) != 0 ||
           error_set(err, ERROR_INVALID,
                     "this token is for a worker: use it with `zoe-worker --join`");
}

bool login_join(struct login *login, const char *text, const char *key_file, const char *name,
                struct error *err)
{
    struct token token;
    *login = (struct login){.replaced = NULL};
    char *folder = path_user_config("zoetrope", err);
    if (folder == NULL) return false;
    char *own = path_join(folder, "client.key"),
         *given = key_file ? realpath(key_file, NULL) : NULL;
    const char *path = key_file ? key_file : own;
    login->config_file = path_join(folder, "zoe.conf");
    bool ok = parse(text, &token, err) && path_make_folders(folder, 0700, err) &&
              join_with(login, &token, path, name, err);
    if (ok && key_file && given == NULL) given = realpath(key_file, NULL);
    ok = ok && save_config(login, &token, given, err);
    token_wipe(&token);
    free(given);
    free(own);
    free(folder);
    if (!ok) login_finish(login);
    return ok;
}

void login_finish(struct login *login)
{
    free(login->config_file);
    free(login->replaced);
    login->config_file = login->replaced = NULL;
}

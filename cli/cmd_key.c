/* zoe key new|show, zoe worker allow, zoe client allow: keys as hex, without tokens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "proto/keys.h"

/* FILE, or client.key in the configuration folder. Caller frees. */
static char *key_path(const struct call *call, struct error *err)
{
    if (call->argument_count) return xstrdup(call->arguments[0]);
    char *folder = path_user_config("zoetrope", err);
    char *path = folder ? path_join(folder, "client.key") : NULL;
    free(folder);
    return path;
}

static void print_key(const struct call *call, const char *path, const struct key_pair *keys)
{
    char text[KEY_TEXT_SIZE];
    keys_text(keys->public_key, text);
    if (call->json)
        output_print(json_pack("{ssss}", "public_key", text, "file", path), "zoe.key.v1");
    else
        puts(text);
}

static int run_new(struct call *call)
{
    struct error err = {0};
    struct key_pair keys;
    char *path = key_path(call, &err);
    char *folder = path ? path_dirname(path) : NULL;
    keys_generate(&keys);
    bool ok = path && path_make_folders(folder, 0700, &err) && keys_save(path, &keys, &err);
    if (ok) print_key(call, path, &keys);
    keys_wipe(&keys);
    free(folder);
    free(path);
    return ok ? 0 : call_fail(call, &err);
}

static int run_show(struct call *call)
{
    struct error err = {0};
    struct key_pair keys;
    char *path = key_path(call, &err);
    bool ok = path && keys_load(path, &keys, &err);
    if (ok) {
        print_key(call, path, &keys);
        keys_wipe(&keys);
    }
    free(path);
    return ok ? 0 : call_fail(call, &err);
}

static int allow(struct call *call, const char *role, const char *option)
{
    struct error err = {0};
    uint8_t key[KEY_BYTES];
    const char *name = call_option(call, "name");
    if (!name) error_set(&err, ERROR_USAGE, "--name is missing: the name is how the farm calls it");
    if (!name || !keys_parse(call->arguments[0], key, "KEY", &err)) return call_fail(call, &err);
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    bool existed = false;
    bool ok = client && client_allow_key(client, key, role, name, &existed, &err);
    if (client) zclient_close(client);
    if (!ok) return call_fail(call, &err);
    if (call->json)
        output_print(json_pack("{sssssb}", "name", name, "role", role, "existed", existed),
                     "zoe.allowed.v1");
    else
        fprintf(stderr, "%s %s is allowed as %s%s\n", option, name, role,
                existed ? " (it was already)" : "");
    return 0;
}

static int run_worker_allow(struct call *call)
{
    return allow(call, "worker", "Worker");
}

static int run_client_allow(struct call *call)
{
    const char *role = call_option(call, "role");
    if (!role) role = call_has(call, "admin") ? "admin" : "submit";
    if (strcmp(role, "worker") != 0) return allow(call, role, "Client");
    struct error err = {0};
    error_set(&err, ERROR_USAGE, "a worker's key is allowed by `zoe worker allow`");
    return call_fail(call, &err);
}

static const struct option WORKER_OPTIONS[] = {{"name", 0, "NAME", "the worker's name"}, {0}};
static const struct option CLIENT_OPTIONS[] = {
    {"name", 0, "NAME", "the owner's name"},
    {"role", 0, "ROLE", "submit (default), operate or admin"},
    {"admin", 0, NULL, "the same as --role admin"},
    {0}};

const struct command command_key_new = {
    "key",
    "new",
    "[FILE]",
    0,
    1,
    "make a key pair, print the public key",
    "The secret goes to FILE (default zoetrope/client.key in the configuration folder), mode 0600; "
    "an existing file is never replaced.",
    NULL,
    run_new,
    false};
const struct command command_key_show = {
    "key", "show", "[FILE]", 0,    1, "print the public key of a key file",
    NULL,  NULL,   run_show, false};
const struct command command_worker_allow = {
    "worker",       "allow",          "KEY", 1, 1, "let a worker with this public key in", NULL,
    WORKER_OPTIONS, run_worker_allow, false};
const struct command command_client_allow = {
    "client",       "allow",          "KEY", 1, 1, "let a client with this public key in", NULL,
    CLIENT_OPTIONS, run_client_allow, false};

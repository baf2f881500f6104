/* Thin: keys from files, one place for Ctrl-C, the few questions that several commands ask. */
#include "cli/client.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "proto/keys.h"

static volatile sig_atomic_t interrupts; /* the signal flag of house rule 19 */

static void on_interrupt(int number)
{
    (void)number;
    if (interrupts++) _Exit(error_exit_code(ERROR_INTERRUPTED)); /* a second Ctrl-C does not wait */
}

bool client_interrupted(void)
{
    return interrupts > 0;
}

void client_stop_on_termination(void)
{
    signal(SIGTERM, on_interrupt);
}

static bool asked_to_stop(void *context)
{
    (void)context;
    return client_interrupted();
}

static bool load_key(const char *path, struct key_pair *keys, struct error *err)
{
    if (keys_load(path, keys, err)) return true;
    if (err->code == ERROR_NOT_FOUND)
        return error_set(
            err, ERROR_AUTH,
            "no client key at %s: join with `zoe client join TOKEN`, or make one with "
            "`zoe key new %s` and have an admin run `zoe client allow KEY --name NAME`",
            path, path);
    return false;
}

struct zclient *client_open(const struct target *target, int64_t limit_ns, struct error *err)
{
    struct key_pair keys;
    if (!load_key(target->client_key_file, &keys, err)) return NULL;
    struct zclient_options options = {.url = target->url,
                                      .keys = &keys,
                                      .timeout_ns = limit_ns,
                                      .build = ZOE_VERSION,
                                      .interrupted = asked_to_stop};
    memcpy(options.server_key, target->server_key, KEY_BYTES);
    struct zclient *client = zclient_open(&options, err);
    keys_wipe(&keys);
    return client;
}

bool client_check_batch(const char *text, struct error *err)
{
    if (id_is_batch_ref(text)) return true;
    return error_set(
        err, ERROR_NOT_FOUND,
        "no batch can be named '%.40s': an id, its beginning or `last`; see `zoe batch "
        "list`",
        text);
}

/* Every command whose first argument is a BATCH. */
static bool check_arguments(const struct call *call, struct error *err)
{
    const char *first = call->command->arguments;
    bool names_batch = strcmp(first, "BATCH") == 0 || strncmp(first, "BATCH ", 6) == 0;
    return !names_batch || client_check_batch(call->arguments[0], err);
}

struct zclient *client_connect(const struct call *call, enum target_start start, struct error *err)
{
    struct target target;
    int64_t limit_ns = 10 * NS_PER_S;
    if (!check_arguments(call, err)) return NULL;
    if (!call_duration(call, "timeout", &limit_ns, err)) return NULL;
    if (!target_find(&target, call, start, err)) return NULL;
    signal(SIGINT, on_interrupt);
    struct zclient *client =
        client_open(&target, limit_ns < CLIENT_LIMIT_NS ? limit_ns : CLIENT_LIMIT_NS, err);
    target_finish(&target);
    return client;
}

struct message *client_ask(struct zclient *client, Farm__Envelope *request,
                           Farm__Envelope__BodyCase expected, struct error *err)
{
    return zclient_ask(client, request, expected, CLIENT_LIMIT_NS, err);
}

bool client_allow_key(struct zclient *client, const uint8_t public_key[KEY_BYTES], const char *role,
                      const char *name, bool *existed, struct error *err)
{
    uint8_t key[KEY_BYTES];
    memcpy(key, public_key, KEY_BYTES);
    char role_text[16], *name_text = strdup(name);
    strncpy(role_text, role, sizeof role_text - 1);
    role_text[sizeof role_text - 1] = 0;
    Farm__KeyAllow body = FARM__KEY_ALLOW__INIT;
    body.key = (ProtobufCBinaryData){KEY_BYTES, key};
    body.role = role_text;
    body.name = name_text;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_KEY_ALLOW;
    request.key_allow = &body;
    struct message *answer = client_ask(client, &request, FARM__ENVELOPE__BODY_KEY_ALLOWED, err);
    free(name_text);
    if (!answer) return false;
    if (existed) *existed = answer->envelope->key_allowed->existed;
    message_free(answer);
    return true;
}

struct message *client_batch(struct zclient *client, const char *batch, struct error *err)
{
    char *id = strdup(batch);
    Farm__BatchWanted body = FARM__BATCH_WANTED__INIT;
    body.batch = id;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_BATCH_WANTED;
    request.batch_wanted = &body;
    struct message *answer = client_ask(client, &request, FARM__ENVELOPE__BODY_BATCH, err);
    free(id);
    return answer;
}

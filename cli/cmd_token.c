/* zoe token create|list|revoke, zoe client join. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/login.h"
#include "cli/output.h"
#include "cli/question.h"

#define TTL_NS (24 * 3600 * NS_PER_S)

/* ---- create ---- */

static void fill_endpoints(const struct call *call, Farm__TokenCreate *body, char **texts)
{
    const char *value = NULL;
    int cursor = 0;
    while ((value = call_option_next(call, "endpoint", &cursor)) != NULL) {
        if (body->n_endpoints <= LIMIT_TOKEN_ENDPOINTS) texts[body->n_endpoints++] = xstrdup(value);
    }
    body->endpoints = texts;
}

static struct message *ask_create(const struct call *call, struct zclient *client, int64_t ttl_ns,
                                  int64_t uses, struct error *err)
{
    const char *role = call_option(call, "role"), *name = call_option(call, "name");
    char *texts[LIMIT_TOKEN_ENDPOINTS + 1] = {NULL};
    Farm__TokenCreate body = FARM__TOKEN_CREATE__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    body.role = xstrdup(role ? role : "worker");
    body.name = xstrdup(name ? name : "");
    body.ttl_s = (uint64_t)(ttl_ns / NS_PER_S);
    body.uses = (uint32_t)uses;
    body.ephemeral = call_has(call, "ephemeral");
    fill_endpoints(call, &body, texts);
    request.body_case = FARM__ENVELOPE__BODY_TOKEN_CREATE;
    request.token_create = &body;
    struct message *answer = client_ask(client, &request, FARM__ENVELOPE__BODY_TOKEN_CREATED, err);
    for (size_t i = 0; i < body.n_endpoints; i++)
        free(texts[i]);
    free(body.name);
    free(body.role);
    return answer;
}

static bool is_worker(const struct call *call)
{
    const char *role = call_option(call, "role");
    return !role || strcmp(role, "worker") == 0;
}

/* Words for people on stderr: stdout is the token alone. */
static void print_ready(const char *text, bool worker)
{
    struct token token;
    if (!token_parse(text, &token, NULL)) return;
    const char *where = token.endpoints[0];
    fprintf(stderr, "\nIt is shown once. %s:\n\n",
            worker ? "On the machine that shall render" : "For whoever shall use the farm");
    if (worker)
        fprintf(stderr, "  ZOE_JOIN=%s zoe-worker\n\n", text);
    else
        fprintf(stderr, "  zoe client join %s\n\n", text);
    fprintf(stderr, "It leads to %s.\n", where);
    if (strstr(where, "//127.") || strstr(where, "//localhost"))
        fprintf(stderr, "Only this machine can reach that: for others give --endpoint "
                        "tcp://HOST:PORT.\n");
    token_wipe(&token);
}

/* As the token says them: they are not asked for again when it has gone to a machine. */
static void print_created(const Farm__TokenCreated *m)
{
    struct token token;
    json_t *object = output_json(&m->base), *where = json_array();
    if (token_parse(m->token, &token, NULL)) {
        for (size_t i = 0; i < token.endpoint_count; i++)
            json_array_append_new(where, json_string(token.endpoints[i]));
        token_wipe(&token);
    }
    json_object_set_new(object, "endpoints", where);
    output_print(object, "zoe.token_created.v1");
}

static int run_create(struct call *call)
{
    struct error err = {0};
    int64_t ttl_ns = TTL_NS, uses = 1;
    bool ok = call_duration(call, "ttl", &ttl_ns, &err) &&
              call_number(call, "uses", 1, LIMIT_TOKEN_USES, &uses, &err);
    if (ok && (ttl_ns < NS_PER_S || ttl_ns / NS_PER_S > LIMIT_TOKEN_TTL_S))
        ok = error_set(&err, ERROR_USAGE, "--ttl: from 1s to 366d");
    if (ok && call_has(call, "ephemeral") && !is_worker(call))
        ok = error_set(&err, ERROR_USAGE,
                       "--ephemeral is for workers: a person's key stays until "
                       "`zoe key revoke`");
    if (!ok) return call_fail(call, &err);
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    struct message *answer = client ? ask_create(call, client, ttl_ns, uses, &err) : NULL;
    const Farm__TokenCreated *m = answer ? answer->envelope->token_created : NULL;
    if (m && call->json)
        print_created(m);
    else if (m)
        puts(m->token);
    if (m && !call->json && !call->quiet) print_ready(m->token, is_worker(call));
    int code = m ? 0 : call_fail(call, &err);
    message_free(answer);
    if (client) zclient_close(client);
    return code;
}

/* ---- list, revoke ---- */

struct token_state {
    const char *name, *words; /* for programs, for people */
};

static struct token_state state_of(const Farm__Token *t)
{
    if ((int64_t)t->expires_ms <= clock_wall_ms())
        return (struct token_state){"expired", "expired"};
    if (t->used >= t->uses) return (struct token_state){"used_up", "used up"};
    return (struct token_state){"in_force", "in force"};
}

/* "in 23 h": the table is wide enough without the minutes. */
static void end_of(const Farm__Token *t, char *out, size_t size)
{
    if ((int64_t)t->expires_ms <= clock_wall_ms()) {
        output_age(t->expires_ms, out, size);
        return;
    }
    output_until(t->expires_ms, out, size);
    for (int spaces = 0; *out != '\0'; out++)
        if (*out == ' ' && ++spaces == 3) *out-- = '\0';
}

static void add_states(json_t *json, const Farm__Envelope *e)
{
    const Farm__Tokens *list = e->tokens;
    json_t *rows = json_object_get(json, "tokens");
    for (size_t i = 0; i < list->n_tokens; i++)
        json_object_set_new(json_array_get(rows, i), "state",
                            json_string(state_of(list->tokens[i]).name));
}

static void print_list(const struct call *call, const Farm__Envelope *e)
{
    const Farm__Tokens *list = e->tokens;
    if (call->quiet) {
        for (size_t i = 0; i < list->n_tokens; i++)
            puts(list->tokens[i]->id);
        return;
    }
    static const char *const TITLES[] = {"TOKEN",   "STATE", "ENDS", "ROLE", "USED",
                                         "CREATED", "BY",    "NAME", "KEYS"};
    struct output_table *t = output_table_create(TITLES, 9);
    for (size_t i = 0; i < list->n_tokens; i++) {
        const Farm__Token *m = list->tokens[i];
        char age[80], end[80];
        output_age(m->created_ms, age, sizeof age);
        output_table_cell(t, "%s", m->id);
        end_of(m, end, sizeof end);
        output_table_cell(t, "%s", state_of(m).words);
        output_table_cell(t, "%s", end);
        output_table_cell(t, "%s", m->role);
        output_table_cell(t, "%u/%u", m->used, m->uses);
        output_table_cell(t, "%s", age);
        output_table_cell(t, "%s", m->by);
        output_table_cell(t, "%s", m->name);
        output_table_cell(t, "%s", m->ephemeral ? "ephemeral" : "lasting");
    }
    output_table_print(t);
    if (list->truncated) fprintf(stderr, "there are more: revoke what is not needed\n");
}

static void print_revoked(const struct call *call, const Farm__Envelope *e)
{
    (void)e; /* those that are left */
    fprintf(stderr, "Token %s lets nobody in any more; keys that joined with it stay\n",
            call->arguments[0]);
}

static int ask_tokens(struct call *call, Farm__Envelope *request, question_print print)
{
    return question_run_amended(call, request, FARM__ENVELOPE__BODY_TOKENS, "zoe.tokens.v1",
                                add_states, print);
}

static int run_list(struct call *call)
{
    Farm__TokensWanted body = FARM__TOKENS_WANTED__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_TOKENS_WANTED;
    request.tokens_wanted = &body;
    return ask_tokens(call, &request, print_list);
}

static int run_revoke(struct call *call)
{
    struct error err = {0};
    if (strlen(call->arguments[0]) != 2 * TOKEN_ID_BYTES) {
        error_set(&err, ERROR_NOT_FOUND, "there is no token %.80s; see `zoe token list`",
                  call->arguments[0]);
        return call_fail(call, &err);
    }
    char *id = xstrdup(call->arguments[0]);
    Farm__TokenRevoke body = FARM__TOKEN_REVOKE__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    body.id = id;
    request.body_case = FARM__ENVELOPE__BODY_TOKEN_REVOKE;
    request.token_revoke = &body;
    int code = ask_tokens(call, &request, print_revoked);
    free(id);
    return code;
}

/* ---- join ---- */

/* Wiped where it stood: others on this machine can read our command line. */
static bool take_token(const struct call *call, char line[LIMIT_TOKEN_BYTES + 2], struct error *err)
{
    char *given = call->argument_count ? call->arguments[0] : getenv("ZOE_JOIN");
    line[0] = '\0';
    if (!given || !*given)
        return error_set(err, ERROR_USAGE, "the token is missing: TOKEN, - for stdin, or ZOE_JOIN");
    if (strcmp(given, "-") != 0) {
        snprintf(line, LIMIT_TOKEN_BYTES + 2, "%s", given);
        sodium_memzero(given, strlen(given));
        return true;
    }
    if (!fgets(line, LIMIT_TOKEN_BYTES + 2, stdin))
        return error_set(err, ERROR_USAGE, "there is no token on stdin");
    line[strcspn(line, " \t\r\n")] = '\0';
    return true;
}

static void print_joined(const struct call *call, const struct login *login)
{
    const struct zjoin_answer *a = &login->answer;
    if (call->json) {
        output_print(json_pack("{ssssssss}", "name", a->name, "role", a->role, "coordinator",
                               a->endpoint, "config", login->config_file),
                     "zoe.joined.v1");
        return;
    }
    if (call->quiet) return;
    fprintf(stderr, "Joined %s as %s, role %s; %s says so\n", a->endpoint, a->name, a->role,
            login->config_file);
    if (login->replaced) fprintf(stderr, "The coordinator was %s before\n", login->replaced);
}

static int run_join(struct call *call)
{
    struct error err = {0};
    struct login login;
    char token[LIMIT_TOKEN_BYTES + 2];
    const char *name = call_option(call, "name");
    if (!name) name = getenv("USER");
    bool ok = take_token(call, token, &err) &&
              login_join(&login, token, call_option(call, "client-key"), name ? name : "", &err);
    sodium_memzero(token, sizeof token);
    if (!ok) return call_fail(call, &err);
    print_joined(call, &login);
    login_finish(&login);
    return 0;
}

static const struct option CREATE_OPTIONS[] = {
    {"ttl", 0, "TIME", "how long it may be used (default 24h)"},
    {"uses", 0, "N", "how many keys may join with it (default 1)"},
    {"role", 0, "ROLE", "worker (default), submit, operate or admin"},
    {"ephemeral", 0, NULL, "keys are forgotten when their worker has left"},
    {"name", 0, "NAME", "keys are called NAME-1, NAME-2 ... (default: as they ask)"},
    {"endpoint", 0, "URL...", "where to dial (default: where the coordinator listens)"},
    {0}};
static const struct option JOIN_OPTIONS[] = {
    {"name", 0, "NAME", "what to be called there (default: the user's name)"}, {0}};

const struct command command_token_create = {
    "token",
    "create",
    "",
    0,
    0,
    "make a string with which a machine or a person joins",
    "Prints the token, and how to use it. Whoever has it may join: hand it on as carefully as a "
    "password. It is shown once and kept nowhere.",
    CREATE_OPTIONS,
    run_create,
    false};
const struct command command_token_list = {
    "token", "list", "", 0, 0, "list join tokens, newest first", NULL, NULL, run_list, false};
const struct command command_token_revoke = {
    "token", "revoke", "ID",       1,    1, "let nobody join with a token any more",
    NULL,    NULL,     run_revoke, false};
const struct command command_client_join = {
    "client",
    "join",
    "[TOKEN]",
    0,
    1,
    "join a farm with a token, and use it from now on",
    "TOKEN may be - (one line of stdin) or stand in ZOE_JOIN. Makes client.key in the "
    "configuration "
    "folder if there is none, and sets coordinator and server_key in zoe.conf.",
    JOIN_OPTIONS,
    run_join,
    false};

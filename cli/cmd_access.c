/* zoe key list|revoke, zoe owner list|set, zoe audit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/question.h"

/* ---- keys ---- */

static void print_keys(const struct call *call, const Farm__Envelope *e)
{
    static const char *const TITLES[] = {"NAME", "ROLE", "ALLOWED", "TOKEN", "KEY"};
    const Farm__Keys *list = e->keys;
    struct output_table *t = call->quiet ? NULL : output_table_create(TITLES, 5);
    for (size_t i = 0; i < list->n_keys; i++) {
        const Farm__Key *k = list->keys[i];
        char age[80];
        if (!t) puts(k->key);
        if (!t) continue;
        output_age(k->allowed_ms, age, sizeof age);
        output_table_cell(t, "%s", k->name);
        output_table_cell(t, "%s", k->role);
        output_table_cell(t, "%s", age);
        output_table_cell(t, "%s%s", k->token, k->ephemeral ? " (ephemeral)" : "");
        output_table_cell(t, "%s", k->key);
    }
    if (t) output_table_print(t);
    if (list->truncated && list->n_keys)
        fprintf(stderr, "more: `zoe key list --after %s`\n", list->keys[list->n_keys - 1]->key);
}

static int run_key_list(struct call *call)
{
    const char *after = call_option(call, "after");
    Farm__KeysWanted body = FARM__KEYS_WANTED__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    body.after = xstrdup(after ? after : "");
    request.body_case = FARM__ENVELOPE__BODY_KEYS_WANTED;
    request.keys_wanted = &body;
    int code = question_run(call, &request, FARM__ENVELOPE__BODY_KEYS, "zoe.keys.v1", print_keys);
    free(body.after);
    return code;
}

static void print_revoked(const struct call *call, const Farm__Envelope *e)
{
    const Farm__KeyRevoked *m = e->key_revoked;
    if (!call->quiet) fprintf(stderr, "%s %s is out; what was published stays\n", m->role, m->name);
}

static int revoke(struct call *call, const char *role)
{
    Farm__KeyRevoke body = FARM__KEY_REVOKE__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    body.key = xstrdup(call->arguments[0]);
    body.role = xstrdup(role);
    request.body_case = FARM__ENVELOPE__BODY_KEY_REVOKE;
    request.key_revoke = &body;
    int code = question_run(call, &request, FARM__ENVELOPE__BODY_KEY_REVOKED, "zoe.key_revoked.v1",
                            print_revoked);
    free(body.role);
    free(body.key);
    return code;
}

static int run_key_revoke(struct call *call)
{
    return revoke(call, "");
}

static int run_worker_revoke(struct call *call)
{
    return revoke(call, "worker");
}

/* ---- owners ---- */

static void cell_of(struct output_table *t, uint64_t used, uint64_t allowed, bool bytes)
{
    char a[32], b[32];
    snprintf(a, sizeof a, "%llu", (unsigned long long)used);
    snprintf(b, sizeof b, "%llu", (unsigned long long)allowed);
    if (bytes) text_size(used, a, sizeof a);
    if (bytes) text_size(allowed, b, sizeof b);
    if (allowed)
        output_table_cell(t, "%s of %s", a, b);
    else
        output_table_cell(t, "%s", a);
}

static void print_owner_rows(const struct call *call, Farm__Owner *const *rows, size_t count)
{
    static const char *const TITLES[] = {"OWNER", "SHARE", "RUNNING", "BATCHES", "TASKS", "BYTES"};
    struct output_table *t = call->quiet ? NULL : output_table_create(TITLES, 6);
    for (size_t i = 0; i < count; i++) {
        const Farm__Owner *o = rows[i];
        if (!t) puts(o->name);
        if (!t) continue;
        output_table_cell(t, "%s", o->name);
        output_table_cell(t, "%u", o->share);
        output_table_cell(t, "%u", o->running);
        cell_of(t, o->batches, o->max_batches, false);
        cell_of(t, o->tasks, o->max_tasks, false);
        cell_of(t, o->bytes, o->max_bytes, true);
    }
    if (t) output_table_print(t);
}

static void print_owners(const struct call *call, const Farm__Envelope *e)
{
    const Farm__Owners *list = e->owners;
    print_owner_rows(call, list->owners, list->n_owners);
    if (list->truncated && list->n_owners)
        fprintf(stderr, "more: `zoe owner list --after %s`\n",
                list->owners[list->n_owners - 1]->name);
}

static void print_owner(const struct call *call, const Farm__Envelope *e)
{
    Farm__Owner *row = e->owner;
    print_owner_rows(call, &row, 1);
}

static int run_owner_list(struct call *call)
{
    const char *after = call_option(call, "after");
    Farm__OwnersWanted body = FARM__OWNERS_WANTED__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    body.name = xstrdup(call->argument_count ? call->arguments[0] : "");
    body.after = xstrdup(after ? after : "");
    request.body_case = FARM__ENVELOPE__BODY_OWNERS_WANTED;
    request.owners_wanted = &body;
    int code =
        question_run(call, &request, FARM__ENVELOPE__BODY_OWNERS, "zoe.owners.v1", print_owners);
    free(body.name);
    free(body.after);
    return code;
}

static int run_owner_set(struct call *call)
{
    struct error err = {0};
    int64_t share = 1, batches = 0, tasks = 0, bytes = 0;
    if (!call_number(call, "share", 1, LIMIT_SHARE, &share, &err) ||
        !call_number(call, "max-batches", 0, INT64_MAX, &batches, &err) ||
        !call_number(call, "max-tasks", 0, INT64_MAX, &tasks, &err) ||
        !call_number(call, "max-bytes", 0, INT64_MAX, &bytes, &err))
        return call_fail(call, &err);
    Farm__OwnerSet body = FARM__OWNER_SET__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    body.name = xstrdup(call->arguments[0]);
    body.share = (uint32_t)share;
    body.max_batches = (uint64_t)batches;
    body.max_tasks = (uint64_t)tasks;
    body.max_bytes = (uint64_t)bytes;
    request.body_case = FARM__ENVELOPE__BODY_OWNER_SET;
    request.owner_set = &body;
    int code =
        question_run(call, &request, FARM__ENVELOPE__BODY_OWNER, "zoe.owner.v1", print_owner);
    free(body.name);
    return code;
}

/* ---- audit ---- */

static void print_audit(const struct call *call, const Farm__Envelope *e)
{
    static const char *const TITLES[] = {"NUMBER", "WHEN",    "WHO",   "ROLE",
                                         "WHAT",   "SUBJECT", "DETAIL"};
    const Farm__Audit *list = e->audit;
    struct output_table *t = output_table_create(TITLES, 7);
    (void)call;
    for (size_t i = 0; i < list->n_entries; i++) {
        const Farm__AuditEntry *a = list->entries[i];
        char age[80];
        output_age(a->at_ms, age, sizeof age);
        output_table_cell(t, "%llu", (unsigned long long)a->sequence);
        output_table_cell(t, "%s", age);
        output_table_cell(t, "%s", a->by);
        output_table_cell(t, "%s", a->role);
        output_table_cell(t, "%s%s", a->allowed ? "" : "REFUSED ", a->action);
        output_table_cell(t, "%s", a->subject);
        output_table_cell(t, "%s", a->detail);
    }
    output_table_print(t);
    if (list->truncated && list->n_entries)
        fprintf(stderr, "more: `zoe audit --after %llu`\n",
                (unsigned long long)list->entries[list->n_entries - 1]->sequence);
}

static int run_audit(struct call *call)
{
    struct error err = {0};
    int64_t after = 0, limit = 0;
    if (!call_number(call, "after", 0, INT64_MAX, &after, &err) ||
        !call_number(call, "limit", 1, LIMIT_PAGE, &limit, &err) ||
        !call_number(call, "last", 1, LIMIT_PAGE, &limit, &err))
        return call_fail(call, &err);
    if (call_has(call, "limit") && call_has(call, "last")) {
        error_set(&err, ERROR_USAGE, "--limit or --last: from which end?");
        return call_fail(call, &err);
    }
    Farm__AuditWanted body = FARM__AUDIT_WANTED__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    body.after = (uint64_t)after;
    body.limit = (uint32_t)limit;
    body.newest = call_has(call, "last");
    request.body_case = FARM__ENVELOPE__BODY_AUDIT_WANTED;
    request.audit_wanted = &body;
    return question_run(call, &request, FARM__ENVELOPE__BODY_AUDIT, "zoe.audit.v1", print_audit);
}

static const struct option KEY_OPTIONS[] = {
    {"after", 0, "KEY", "the page after this key (200 a page)"}, {0}};
static const struct option OWNER_LIST_OPTIONS[] = {
    {"after", 0, "NAME", "the page after this owner (200 a page)"}, {0}};
static const struct option OWNER_OPTIONS[] = {
    {"share", 0, "N", "weight against other owners (default 1)"},
    {"max-batches", 0, "N", "unfinished batches (default 0 = as many as there are)"},
    {"max-tasks", 0, "N", "unfinished tasks (default 0 = the same)"},
    {"max-bytes", 0, "N",
     "published and still here, and files to start from (default 0 = the same)"},
    {0}};
static const struct option AUDIT_OPTIONS[] = {
    {"after", 0, "NUMBER", "what came after this entry"},
    {"limit", 0, "N", "so many at most (default 100, at most 200)"},
    {"last", 0, "N", "the newest so many (at most 200)"},
    {0}};

const struct command command_key_list = {
    "key", "list",      "",           0,    0, "list the keys that are allowed",
    NULL,  KEY_OPTIONS, run_key_list, false};
const struct command command_key_revoke = {
    "key",
    "revoke",
    "KEY|NAME",
    1,
    1,
    "let a key in no more, from now on",
    "Its session ends, what its worker runs is given to others, its questions are forgotten. "
    "Published clips stay.",
    NULL,
    run_key_revoke,
    false};
const struct command command_owner_list = {"owner",
                                           "list",
                                           "[NAME]",
                                           0,
                                           1,
                                           "list owners: what they use and may use",
                                           NULL,
                                           OWNER_LIST_OPTIONS,
                                           run_owner_list,
                                           false};
const struct command command_owner_set = {
    "owner",
    "set",
    "NAME",
    1,
    1,
    "set the share and the limits of an owner",
    "All of them at once: what is not given is the default again.",
    OWNER_OPTIONS,
    run_owner_set,
    false};
const struct command command_audit = {
    "audit",   NULL,
    "",        0,
    0,         "list who did what, and what was refused, oldest first",
    NULL,      AUDIT_OPTIONS,
    run_audit, false};

const struct command command_worker_revoke = {
    "worker",
    "revoke",
    "WORKER",
    1,
    1,
    "throw a worker out for good",
    "Its key is forgotten: it is heard no more, what it holds goes to others, and what it had "
    "sent\n"
    "and was not checked is deleted. Published clips stay; `zoe events` and the sidecars tell "
    "which "
    "it made.\n"
    "Needs the role admin.",
    NULL,
    run_worker_revoke,
    false};

/* zoe worker list|show|drain|quarantine|readmit. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/question.h"

static struct message *ask_workers(struct zclient *client, const char *name, const char *after,
                                   struct error *err)
{
    char *text = xstrdup(name ? name : ""), *cursor = xstrdup(after ? after : "");
    Farm__WorkersWanted body = FARM__WORKERS_WANTED__INIT;
    body.name = text;
    body.after = cursor;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_WORKERS_WANTED;
    request.workers_wanted = &body;
    struct message *answer = client_ask(client, &request, FARM__ENVELOPE__BODY_WORKERS, err);
    free(text);
    free(cursor);
    return answer;
}

static void print_list(const Farm__Workers *list)
{
    static const char *const TITLES[] = {"WORKER",   "STATE",  "HOST", "SLOTS", "RUNNING",
                                         "FINISHED", "FAILED", "LOST", "WHY"};
    struct output_table *t = output_table_create(TITLES, 9);
    for (size_t i = 0; i < list->n_workers; i++) {
        const Farm__Worker *w = list->workers[i];
        output_table_cell(t, "%s", w->name);
        output_table_cell(t, "%s", w->state);
        output_table_cell(t, "%s", w->host);
        output_table_cell(t, "%zu", w->n_slots);
        output_table_cell(t, "%zu", w->n_running);
        output_table_cell(t, "%llu", (unsigned long long)w->finished);
        output_table_cell(t, "%llu", (unsigned long long)w->failed);
        output_table_cell(t, "%llu", (unsigned long long)w->lost);
        output_table_cell(t, "%s", w->reason);
    }
    output_table_print(t);
}

static int run_list(struct call *call)
{
    struct error err = {0};
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    struct message *answer =
        client ? ask_workers(client, NULL, call_option(call, "after"), &err) : NULL;
    const Farm__Workers *list = answer ? answer->envelope->workers : NULL;
    if (list && call->json)
        output_print_message(&list->base, "zoe.workers.v1");
    else if (list && call->quiet)
        for (size_t i = 0; i < list->n_workers; i++)
            puts(list->workers[i]->name);
    else if (list)
        print_list(list);
    if (list && list->truncated && list->n_workers)
        fprintf(stderr, "more: `zoe worker list --after %s`\n",
                list->workers[list->n_workers - 1]->name);
    int code = list ? 0 : call_fail(call, &err);
    message_free(answer);
    if (client) zclient_close(client);
    return code;
}

static void print_worker(const Farm__Worker *w)
{
    char since[80], memory[32];
    output_age(w->since_ms, since, sizeof since);
    text_size(w->memory_bytes, memory, sizeof memory);
    printf("%sWorker %s%s  %s%s%s since %s%s%s%s%s\n", output_colour(1, COLOUR_BOLD), w->name,
           output_colour(1, COLOUR_NONE), output_colour(1, output_state_colour(w->state)), w->state,
           output_colour(1, COLOUR_NONE), since, *w->by ? " by " : "", w->by,
           *w->reason ? ": " : "", w->reason);
    printf("  host %s, zoe %s, %s of memory, outbox %u\n  key %s\n", w->host, w->build, memory,
           w->outbox_count, w->key);
    printf("  %llu finished, %llu failed, %llu lost\n", (unsigned long long)w->finished,
           (unsigned long long)w->failed, (unsigned long long)w->lost);
    for (size_t i = 0; i < w->n_slots; i++)
        printf("  slot %u: %s, %u threads, %s\n", w->slots[i]->index, w->slots[i]->backend,
               w->slots[i]->threads, w->slots[i]->fingerprint);
    for (size_t i = 0; i < w->n_running; i++)
        printf("  renders %s/%u, step %u of %u\n", w->running[i]->attempt->batch,
               w->running[i]->attempt->clip, w->running[i]->step, w->running[i]->steps);
}

static int run_show(struct call *call)
{
    struct error err = {0};
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    struct message *answer = client ? ask_workers(client, call->arguments[0], NULL, &err) : NULL;
    bool found = answer && answer->envelope->workers->n_workers == 1;
    if (answer && !found)
        error_set(&err, ERROR_NOT_FOUND, "no worker is named '%s'; `zoe worker list` shows them",
                  call->arguments[0]);
    if (found && call->json)
        output_print_message(&answer->envelope->workers->workers[0]->base, "zoe.worker.v1");
    else if (found && call->quiet)
        puts(call->arguments[0]);
    else if (found)
        print_worker(answer->envelope->workers->workers[0]);
    int code = found ? 0 : call_fail(call, &err);
    message_free(answer);
    if (client) zclient_close(client);
    return code;
}

static void print_state(const struct call *call, const Farm__Envelope *e)
{
    fprintf(stderr, "Worker %s is %s\n", call->arguments[0], e->worker->state);
}

static int act(struct call *call, Farm__WorkerVerb verb, uint64_t grace_ms, const char *reason)
{
    char *name = xstrdup(call->arguments[0]), *words = xstrdup(reason ? reason : "");
    Farm__WorkerAction body = FARM__WORKER_ACTION__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    body.name = name;
    body.verb = verb;
    body.grace_ms = grace_ms;
    body.reason = words;
    request.body_case = FARM__ENVELOPE__BODY_WORKER_ACTION;
    request.worker_action = &body;
    int code =
        question_run(call, &request, FARM__ENVELOPE__BODY_WORKER, "zoe.worker.v1", print_state);
    free(name);
    free(words);
    return code;
}

static int run_drain(struct call *call)
{
    struct error err = {0};
    int64_t grace_ns = 0;
    bool ok = call_duration(call, "grace", &grace_ns, &err);
    if (ok && grace_ns > LIMIT_GRACE_MS * NS_PER_MS)
        ok = error_set(&err, ERROR_USAGE, "--grace: at most 7d; without it there is no limit");
    if (!ok) return call_fail(call, &err);
    return act(call, FARM__WORKER_VERB__WORKER_DRAIN, (uint64_t)(grace_ns / NS_PER_MS), NULL);
}

static int run_quarantine(struct call *call)
{
    return act(call, FARM__WORKER_VERB__WORKER_QUARANTINE, 0, call_option(call, "reason"));
}

static int run_readmit(struct call *call)
{
    return act(call, FARM__WORKER_VERB__WORKER_READMIT, 0, NULL);
}

static const struct option LIST_OPTIONS[] = {
    {"after", 0, "WORKER", "the page after this worker (200 a page)"}, {0}};
static const struct option QUARANTINE_OPTIONS[] = {
    {"reason", 0, "TEXT", "why, for people; it stands in the lists"}, {0}};
static const struct option DRAIN_OPTIONS[] = {
    {"grace", 0, "TIME", "running work may take so long (default: as long as it takes)"}, {0}};

const struct command command_worker_list = {
    "worker", "list", "", 0, 0, "list workers, by name", NULL, LIST_OPTIONS, run_list, false};
const struct command command_worker_show = {
    "worker", "show", "WORKER", 1, 1, "tell all about a worker", NULL, NULL, run_show, false};
const struct command command_worker_drain = {
    "worker",
    "drain",
    "WORKER",
    1,
    1,
    "give a worker no more work",
    "Prefetched work is handed back at once; the running clip is finished.",
    DRAIN_OPTIONS,
    run_drain,
    false};
const struct command command_worker_quarantine = {
    "worker",
    "quarantine",
    "WORKER",
    1,
    1,
    "keep a worker from all work",
    "What it holds goes to others, and nothing counts against it. It stays so, over restarts, "
    "until\n"
    "`zoe worker readmit`. Of one that is in quarantine the new reason is told from then on.",
    QUARANTINE_OPTIONS,
    run_quarantine,
    false};
const struct command command_worker_readmit = {
    "worker",
    "readmit",
    "WORKER",
    1,
    1,
    "let a worker out of quarantine",
    "It renders a canary, whose answer is known, and gets work when that is right. Exit 7 when it "
    "is in\n"
    "no quarantine.",
    NULL,
    run_readmit,
    false};

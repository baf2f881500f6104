/* zoe batch list|show|watch|wait|pause|resume|cancel|retry|remove. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/batch_action.h"
#include "cli/client.h"
#include "cli/clip_tasks.h"
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/group_table.h"
#include "cli/output.h"

typedef unsigned long long ull;

/* ---- list ---- */

/* When a batch is removed by itself. */
static const char *goes_text(uint64_t goes_ms, char out[80])
{
    if (goes_ms == 0) return "";
    output_until(goes_ms, out, 80);
    return out;
}

/* Columns that are there when a batch has something to say in them: 80 characters are few. */
struct rare {
    bool goes, priority;
};

static struct rare rare_columns(const Farm__Batches *list)
{
    struct rare rare = {false, false};
    for (size_t i = 0; i < list->n_batches; i++) {
        rare.goes = rare.goes || list->batches[i]->goes_ms != 0;
        rare.priority = rare.priority || list->batches[i]->priority != 0;
    }
    return rare;
}

static struct output_table *list_table(const struct rare *rare)
{
    const struct {
        const char *title;
        bool is_shown;
    } columns[] = {{"GOES", rare->goes}, {"BATCH", true},     {"STATE", true},
                   {"CLIPS", true},      {"FAILED", true},    {"PRIORITY", rare->priority},
                   {"OWNER", true},      {"SUBMITTED", true}, {"NAME", true}};
    const char *titles[sizeof columns / sizeof columns[0]];
    int count = 0;
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        if (columns[i].is_shown) titles[count++] = columns[i].title;
    return output_table_create(titles, count);
}

static void print_list(const Farm__Batches *list)
{
    const struct rare rare = rare_columns(list);
    struct output_table *t = list_table(&rare);
    for (size_t i = 0; i < list->n_batches; i++) {
        const Farm__Batch *b = list->batches[i];
        char age[80], goes[80];
        output_age(b->created_ms, age, sizeof age);
        if (rare.goes) output_table_cell(t, "%s", goes_text(b->goes_ms, goes));
        output_table_cell(t, "%s", b->id);
        output_table_cell(t, "%s", b->state);
        output_table_cell(t, "%llu/%llu", (ull)b->clips->published, (ull)b->clips->total);
        output_table_cell(t, "%llu", (ull)b->clips->failed);
        if (rare.priority) output_table_cell(t, "%d", b->priority);
        output_table_cell(t, "%s", b->owner);
        output_table_cell(t, "%s", age);
        output_table_cell(t, "%s", b->name);
    }
    output_table_print(t);
    if (list->truncated)
        fprintf(stderr, "more: `zoe batch list --before %s`\n",
                list->batches[list->n_batches - 1]->id);
}

static char *option_text(const struct call *call, const char *name)
{
    const char *text = call_option(call, name);
    return xstrdup(text ? text : "");
}

static int run_list(struct call *call)
{
    struct error err = {0};
    int64_t limit = 50;
    if (!call_number(call, "limit", 1, LIMIT_PAGE, &limit, &err)) return call_fail(call, &err);
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    if (!client) return call_fail(call, &err);
    Farm__BatchesWanted body = FARM__BATCHES_WANTED__INIT;
    body.limit = (uint32_t)limit;
    body.state = option_text(call, "only");
    body.before = option_text(call, "before");
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_BATCHES_WANTED;
    request.batches_wanted = &body;
    struct message *answer = client_ask(client, &request, FARM__ENVELOPE__BODY_BATCHES, &err);
    const Farm__Batches *list = answer ? answer->envelope->batches : NULL;
    if (list && call->json)
        output_print_message(&list->base, "zoe.batches.v1");
    else if (list && call->quiet)
        for (size_t i = 0; i < list->n_batches; i++)
            puts(list->batches[i]->id);
    else if (list)
        print_list(list);
    free(body.state);
    free(body.before);
    message_free(answer);
    zclient_close(client);
    return list ? 0 : call_fail(call, &err);
}

/* ---- show ---- */

static void print_running(const Farm__Batch *b)
{
    static const char *const TITLES[] = {"CLIP", "TASK", "WORKER", "STEP", "SINCE"};
    struct output_table *t = output_table_create(TITLES, 5);
    for (size_t i = 0; i < b->n_running; i++) {
        const Farm__Running *r = b->running[i];
        char age[64];
        clock_duration_text((int64_t)r->age_ms * NS_PER_MS, age, sizeof age);
        output_table_cell(t, "%u", r->attempt->clip);
        output_table_cell(t, "%u", r->attempt->task);
        output_table_cell(t, "%s", r->worker);
        output_table_cell(t, "%u/%u", r->step, r->steps);
        output_table_cell(t, "%s", age);
    }
    output_table_print(t);
}

static void print_head(const Farm__Batch *b)
{
    const Farm__Counts *c = b->clips;
    char age[80], eta[64];
    output_age(b->created_ms, age, sizeof age);
    printf("%sBatch %s%s  %s%s%s%s%s\n", output_colour(1, COLOUR_BOLD), b->id,
           output_colour(1, COLOUR_NONE), output_colour(1, output_state_colour(b->state)), b->state,
           output_colour(1, COLOUR_NONE), *b->name ? "  " : "", b->name);
    printf("  submitted %s by %s, priority %d\n", age, b->owner, b->priority);
    printf("  %llu prompts, %llu clips: %llu published, %llu rendering, %llu waiting, %llu failed, "
           "%llu canceled",
           (ull)b->prompts, (ull)c->total, (ull)c->published, (ull)(c->running + c->publishing),
           (ull)c->waiting, (ull)c->failed, (ull)c->canceled);
    if (c->suspect) printf(", %llu suspect", (ull)c->suspect);
    puts("");
    clock_duration_text((int64_t)b->eta_ms * NS_PER_MS, eta, sizeof eta);
    if (b->eta_ms) printf("  about %s left\n", eta);
    if (b->steps_computed)
        printf("  %llu steps computed, %llu of them wasted, in %llu attempts\n",
               (ull)b->steps_computed, (ull)b->steps_wasted, (ull)b->attempts);
    printf("  %s\n", b->path);
    if (b->goes_ms) printf("  is removed by itself %s\n", goes_text(b->goes_ms, age));
}

/* The first failed clips with their reasons. */
static void print_failed(struct zclient *client, const char *id)
{
    char *text = xstrdup(id);
    Farm__ClipsWanted body = FARM__CLIPS_WANTED__INIT;
    body.batch = text;
    body.state = xstrdup("failed");
    body.limit = 10;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_CLIPS_WANTED;
    request.clips_wanted = &body;
    struct message *answer = client_ask(client, &request, FARM__ENVELOPE__BODY_CLIPS, NULL);
    if (answer) {
        const Farm__Clips *clips = answer->envelope->clips;
        for (size_t i = 0; i < clips->n_clips; i++) {
            const Farm__Clip *c = clips->clips[i];
            printf("  %sfailed%s  clip %llu, \"%.60s\" seed %lld: %s: %s\n",
                   output_colour(1, COLOUR_RED), output_colour(1, COLOUR_NONE), (ull)c->index,
                   c->prompt, (long long)c->seed, c->why, c->message);
        }
    }
    message_free(answer);
    free(text);
    free(body.state);
}

/* Clips of several tasks that are on their way, with how far they are. */
static void print_unfinished(struct zclient *client, const Farm__Batch *b)
{
    struct message *answer = clip_tasks_ask(client, b, NULL);
    const Farm__Clips *clips = answer ? answer->envelope->clips : NULL;
    for (size_t i = 0; clips && i < clips->n_clips; i++) {
        const Farm__Clip *c = clips->clips[i];
        if (i == 0) puts("");
        printf("  clip %llu: %u of %u tasks done, \"%.60s\" seed %lld\n", (ull)c->index,
               c->tasks_done, c->tasks, c->prompt, (long long)c->seed);
    }
    if (clips && clips->truncated) puts("  and more");
    message_free(answer);
}

static void print_batch(struct zclient *client, const Farm__Batch *b)
{
    print_head(b);
    for (size_t i = 0; i < b->n_reasons; i++)
        printf("  waiting: %s (%llu)\n", b->reasons[i]->message, (ull)b->reasons[i]->count);
    if (b->clips->failed) print_failed(client, b->id);
    puts("");
    group_table_print(b->groups, b->n_groups, true);
    print_unfinished(client, b);
    if (b->n_running) {
        puts("");
        print_running(b);
    }
}

static int run_show(struct call *call)
{
    struct error err = {0};
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    struct message *answer = client ? client_batch(client, call->arguments[0], &err) : NULL;
    if (answer && call->json)
        output_print_message(&answer->envelope->batch->base, "zoe.batch.v1");
    else if (answer && call->quiet)
        puts(answer->envelope->batch->id);
    else if (answer)
        print_batch(client, answer->envelope->batch);
    int code = answer ? 0 : call_fail(call, &err);
    message_free(answer);
    if (client) zclient_close(client);
    return code;
}

/* ---- watch, wait ---- */

static int wait_for(struct call *call, bool events)
{
    struct error err = {0};
    struct follow_options options = {.quiet = call->quiet, .events = events, .json = call->json};
    if (!call_duration(call, "timeout", &options.limit_ns, &err)) return call_fail(call, &err);
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    struct message *first = client ? client_batch(client, call->arguments[0], &err) : NULL;
    char *state = NULL;
    bool ok = first && follow_batch(client, first->envelope->batch->id, &options, &state, &err);
    struct message *last = ok ? client_batch(client, first->envelope->batch->id, &err) : NULL;
    if (last && call->json && !events)
        output_print_message(&last->envelope->batch->base, "zoe.batch.v1");
    if (last && !call->json && !call->quiet) print_head(last->envelope->batch);
    int code = ok ? follow_exit_code(state) : call_fail(call, &err);
    free(state);
    message_free(first);
    message_free(last);
    if (client) zclient_close(client);
    return code;
}

static int run_watch(struct call *call)
{
    return wait_for(call, true);
}

static int run_wait(struct call *call)
{
    return wait_for(call, false);
}

/* ---- actions ---- */

/* `past`: what was done to it; NULL: it has another priority. */
static int act_with(struct call *call, Farm__BatchVerb verb, int priority, const char *past)
{
    struct error err = {0};
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    if (!client) return call_fail(call, &err);
    Farm__BatchAction action = FARM__BATCH_ACTION__INIT;
    action.verb = verb;
    action.priority = priority;
    struct message *answer = batch_action_named(client, call->arguments[0], action, &err);
    const Farm__Batch *b = answer ? answer->envelope->batch : NULL;
    if (b && call->json)
        output_print_message(&b->base, "zoe.batch.v1");
    else if (b && call->quiet)
        puts(b->id);
    else if (b && past)
        fprintf(stderr, "Batch %s %s: %llu of %llu clips published\n", b->id, past,
                (ull)b->clips->published, (ull)b->clips->total);
    else if (b)
        fprintf(stderr, "Batch %s has priority %d now\n", b->id, b->priority);
    int code = b ? 0 : call_fail(call, &err);
    message_free(answer);
    zclient_close(client);
    return code;
}

static int act(struct call *call, Farm__BatchVerb verb, const char *past)
{
    return act_with(call, verb, 0, past);
}

static int run_priority(struct call *call)
{
    int64_t priority = 0;
    struct error err = {0};
    const char *text = call->arguments[1];
    if (!text_parse_i64(text, -LIMIT_PRIORITY, LIMIT_PRIORITY, &priority)) {
        error_set(&err, ERROR_USAGE, "priority is -%d to %d, not \"%.40s\"", LIMIT_PRIORITY,
                  LIMIT_PRIORITY, text);
        return call_fail(call, &err);
    }
    return act_with(call, FARM__BATCH_VERB__BATCH_PRIORITY, (int)priority, NULL);
}

static int run_pause(struct call *call)
{
    return act(call, FARM__BATCH_VERB__BATCH_PAUSE, "paused; running clips finish");
}

static int run_resume(struct call *call)
{
    return act(call, FARM__BATCH_VERB__BATCH_RESUME, "resumed");
}

static int run_cancel(struct call *call)
{
    return act(call, FARM__BATCH_VERB__BATCH_CANCEL, "canceled");
}

static int run_retry(struct call *call)
{
    return act(call, FARM__BATCH_VERB__BATCH_RETRY, "tried again");
}

static int run_remove(struct call *call)
{
    return act(call, FARM__BATCH_VERB__BATCH_REMOVE, "removed");
}

static const struct option LIST_OPTIONS[] = {
    {"limit", 0, "N", "rows (default 50)"},
    {"only", 0, "STATE", "queued, running, paused, done, failed or canceled"},
    {"before", 0, "BATCH", "the page after this batch"},
    {0}};

const struct command command_batch_list = {
    "batch", "list", "", 0, 0, "list batches, newest first", NULL, LIST_OPTIONS, run_list, false};
const struct command command_batch_show = {"batch",
                                           "show",
                                           "BATCH",
                                           1,
                                           1,
                                           "tell all about a batch",
                                           "BATCH is an id, a unique beginning of one, or `last`.",
                                           NULL,
                                           run_show,
                                           false};
const struct command command_batch_watch = {
    "batch",
    "watch",
    "BATCH",
    1,
    1,
    "print a batch's events as they come",
    "Ends with the batch; Ctrl-C detaches and leaves the batch running.",
    NULL,
    run_watch,
    false};
const struct command command_batch_wait = {"batch",
                                           "wait",
                                           "BATCH",
                                           1,
                                           1,
                                           "wait until a batch ends",
                                           "Exit code 0 when every clip is published, 1 when not.",
                                           NULL,
                                           run_wait,
                                           false};
const struct command command_batch_pause = {
    "batch", "pause", "BATCH", 1, 1, "start no more of its clips", NULL, NULL, run_pause, false};
const struct command command_batch_resume = {
    "batch", "resume", "BATCH", 1, 1, "go on after a pause", NULL, NULL, run_resume, false};
const struct command command_batch_cancel = {
    "batch", "cancel", "BATCH",    1,    1, "end what waits and runs; published clips stay",
    NULL,    NULL,     run_cancel, false};
const struct command command_batch_retry = {
    "batch", "retry", "BATCH",
    1,       1,       "try its failed clips again, and what waits for lost files now",
    NULL,    NULL,    run_retry,
    false};
const struct command command_batch_priority = {
    "batch",
    "priority",
    "BATCH N",
    2,
    2,
    "let it go before others, or after them",
    "N is -1000 to 1000, 0 by default; higher goes first. Takes effect with the next clip that\n"
    "is given out, also for a running batch; what runs is not stopped.",
    NULL,
    run_priority,
    false};
const struct command command_batch_remove = {
    "batch", "remove", "BATCH",    1,    1, "forget an ended batch and delete its published files",
    NULL,    NULL,     run_remove, false};

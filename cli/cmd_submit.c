/* zoe submit: prompts in, a batch out; with --wait and --out the clips too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/follow.h"
#include "cli/output.h"
#include "cli/recipe_flags.h"
#include "cli/submission.h"

static void print_fetched(const struct call *call, const struct fetch_result *r)
{
    if (call->json || call->quiet) return;
    fprintf(stderr, "%d clips in %s (%d new)\n", r->clips - r->missing, r->folder, r->fetched);
    if (r->sheet) printf("%s\n%s\n", r->sheet, r->page);
}

/* --wait and --out. */
static int finish_batch(struct zclient *client, const struct call *call, const char *batch)
{
    struct error err = {0};
    struct follow_options options = {.quiet = call->quiet, .json = false};
    options.quiet |= call->json;
    char *state = NULL;
    const char *out = call_option(call, "out");
    if (!call_duration(call, "timeout", &options.limit_ns, &err) ||
        !follow_batch(client, batch, &options, &state, &err))
        return call_fail(call, &err);
    int code = follow_exit_code(state);
    free(state);
    struct fetch_result fetched = {0};
    if (out && !fetch_batch(client, batch, out, call->quiet, &fetched, &err))
        code = call_fail(call, &err);
    if (out) print_fetched(call, &fetched);
    fetch_result_finish(&fetched);
    struct message *last = client_batch(client, batch, &err);
    if (last && call->json) {
        json_t *object = output_json(&last->envelope->batch->base);
        json_object_set_new(object, "batch", json_string(batch));
        output_print(object, "zoe.batch.v1");
    }
    if (last && code && !call->json)
        fprintf(stderr,
                "%llu of %llu clips failed; `zoe batch show %s` tells why, `zoe batch retry %s` "
                "tries again\n",
                (unsigned long long)last->envelope->batch->clips->failed,
                (unsigned long long)last->envelope->batch->clips->total, batch, batch);
    message_free(last);
    return code;
}

static bool is_awaited(const struct call *call)
{
    return (call_has(call, "wait") || call_has(call, "out")) && !call_has(call, "dry-run");
}

/* What is wrong with prompts is told before a farm is started for them. */
static bool prepare(struct submission *s, struct error *err)
{
    return submission_is_story(s) || submission_replace_paths(s, err);
}

static bool tell(struct submission *s, struct zclient *client, struct error *err)
{
    return !submission_is_story(s) ||
           (submission_tell(s, client, err) && submission_replace_paths(s, err));
}

static int run_submit(struct call *call)
{
    struct error err = {0};
    struct submission s = {.call = call, .file = call->arguments[0]};
    if (!submission_load(call->arguments[0], &s.content, &err)) return call_fail(call, &err);
    if (s.content.size == 0) {
        error_set(&err, ERROR_USAGE, "%s is empty: one prompt a line, or one JSON object a line",
                  strcmp(s.file, "-") == 0 ? "standard input" : s.file);
        return call_fail(call, &err);
    }
    s.options = submission_options(call, &s.inputs, &err);
    struct zclient *client =
        s.options && prepare(&s, &err) ? client_connect(call, TARGET_START_ALWAYS, &err) : NULL;
    int code;
    if (!client || !tell(&s, client, &err))
        code = call_fail(call, &err);
    else if (!submission_send(client, &s))
        code = s.code;
    else
        code = is_awaited(call) ? finish_batch(client, call, s.batch) : 0;
    if (client) zclient_close(client);
    submission_finish(&s);
    return code;
}

static const struct option SUBMIT_OPTIONS[] = {
    RECIPE_OPTIONS,
    SUBMISSION_OPTIONS,
    {"seeds", 0, "N", "seeds S .. S+N-1 for every prompt (default 1)"},
    {"wait", 0, NULL, "wait until the batch ends"},
    {"out", 'o', "DIR", "wait, then fetch clips, contact sheet and page into DIR/BATCH"},
    {0},
};

const struct command command_submit = {
    "submit",
    NULL,
    "FILE",
    1,
    1,
    "submit a file of prompts, or a story, as a batch",
    "FILE (or - for standard input) holds one prompt a line (blank lines and lines starting with # "
    "are skipped), or one JSON\n"
    "object a line with a recipe's names: {\"prompt\": \"a red fox\", \"seed\": [1, 2], "
    "\"num_frames\": 16}. A line's seed replaces\n"
    "--seed and --seeds; its other fields replace the flags. Nothing is submitted when a line is "
    "wrong.\n"
    "Or it is a story, {\"scenes\": [{\"prompt\": \"a red fox\", \"seconds\": 2}, ..]}, which "
    "makes "
    "one clip; flags go before what it says.",
    SUBMIT_OPTIONS,
    run_submit,
    false};

/* zoe batch keep: how long a batch stays after its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/batch_action.h"
#include "cli/commands.h"
#include "cli/output.h"

#define KEEP_MAX_NS (INT64_C(36500) * 86400 * NS_PER_S)

static bool parse_keep(const char *text, uint64_t *keep_s, struct error *err)
{
    int64_t ns = 0;
    *keep_s = 0;
    if (strcmp(text, "forever") == 0) return true;
    if (!text_parse_duration(text, KEEP_MAX_NS, &ns) || ns < NS_PER_S)
        return error_set(err, ERROR_USAGE,
                         "'%s' is neither `forever` nor a time such as 12h or 90d", text);
    *keep_s = (uint64_t)(ns / NS_PER_S);
    return true;
}

static void print_kept(const struct call *call, const Farm__Batch *b, uint64_t keep_s)
{
    char text[64], date[CLOCK_TEXT_SIZE];
    clock_duration_text((int64_t)keep_s * NS_PER_S, text, sizeof text);
    clock_wall_text((int64_t)b->goes_ms, date);
    if (call->json)
        output_print_message(&b->base, "zoe.batch.v1");
    else if (call->quiet)
        puts(b->id);
    else if (keep_s == 0)
        fprintf(stderr, "Batch %s is kept for ever\n", b->id);
    else if (b->goes_ms)
        fprintf(stderr, "Batch %s is removed, files and all, at %s\n", b->id, date);
    else
        fprintf(stderr, "Batch %s is removed, files and all, %s after its end\n", b->id, text);
}

static int run_keep(struct call *call)
{
    struct error err = {0};
    Farm__BatchAction body = FARM__BATCH_ACTION__INIT;
    bool ok = parse_keep(call->arguments[1], &body.keep_s, &err);
    struct zclient *client = ok ? client_connect(call, TARGET_START_IF_FOLDER, &err) : NULL;
    if (!client) return call_fail(call, &err);
    body.verb = FARM__BATCH_VERB__BATCH_KEEP;
    struct message *answer = batch_action_named(client, call->arguments[0], body, &err);
    if (answer) print_kept(call, answer->envelope->batch, body.keep_s);
    int code = answer ? 0 : call_fail(call, &err);
    message_free(answer);
    zclient_close(client);
    return code;
}

const struct command command_batch_keep = {
    "batch",
    "keep",
    "BATCH TIME",
    2,
    2,
    "how long a batch stays after its end",
    "TIME is 12h, 90d and the like, or `forever`. Then the batch is removed with its published "
    "files, as by `zoe batch remove`. Without it the coordinator's --keep counts.",
    NULL,
    run_keep,
    false};

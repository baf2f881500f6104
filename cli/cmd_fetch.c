/* zoe batch fetch. */
#include <stdio.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/output.h"

static void print_result(const struct call *call, const struct fetch_result *r)
{
    if (call->json) {
        output_print(json_pack("{sssisisiss?ss?}", "folder", r->folder, "clips", r->clips,
                               "fetched", r->fetched, "missing", r->missing, "sheet", r->sheet,
                               "page", r->page),
                     "zoe.fetch.v1");
        return;
    }
    if (call->quiet) {
        puts(r->folder);
        return;
    }
    fprintf(stderr, "%d clips in %s (%d new)\n", r->clips - r->missing, r->folder, r->fetched);
    if (r->sheet) printf("%s\n%s\n", r->sheet, r->page);
}

static int run_fetch(struct call *call)
{
    struct error err = {0};
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    if (!client) return call_fail(call, &err);
    struct fetch_result result;
    bool ok =
        fetch_batch(client, call->arguments[0], call->arguments[1], call->quiet, &result, &err);
    zclient_close(client);
    int code = ok ? (result.missing ? error_exit_code(ERROR_FAILED) : 0) : call_fail(call, &err);
    if (ok) print_result(call, &result);
    fetch_result_finish(&result);
    return code;
}

const struct command command_batch_fetch = {
    "batch",
    "fetch",
    "BATCH DIR",
    2,
    2,
    "bring a batch's clips, contact sheet and page",
    "Writes DIR/BATCH with each published MP4 or PNG and its recipe beside it, sheet.png and "
    "index.html. "
    "Run again, it brings only what is\n"
    "missing. Exit code 1 when some clips are not published.",
    NULL,
    run_fetch,
    false};

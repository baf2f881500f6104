/* zoe events: what happened, and with -f what happens. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/output.h"

#define PATIENCE_NS (20 * NS_PER_S) /* until the coordinator answers that nothing happened */

struct reader {
    struct zclient *client;
    const struct call *call;
    char *batch;
    uint64_t cursor;
    json_t *list;        /* --json without -f: one object at the end */
    int64_t deadline_ns; /* with -f; 0 = none */
};

static void print_event(struct reader *r, const Farm__Event *e)
{
    if (r->list) {
        json_array_append_new(r->list, output_json(&e->base));
    } else if (r->call->json) {
        output_print_line(output_json(&e->base), "zoe.event.v1");
    } else {
        char when[CLOCK_TEXT_SIZE];
        clock_wall_text((int64_t)e->at_ms, when);
        printf("%s%.19sZ%s  %-18s %s%s%s%s%s\n", output_colour(1, COLOUR_DIM), when,
               output_colour(1, COLOUR_NONE), e->kind, e->batch, *e->batch ? "  " : "", e->worker,
               *e->worker ? "  " : "", e->message);
    }
}

static int64_t remaining_ns(const struct reader *r)
{
    const int64_t left_ns = r->deadline_ns - clock_now_ns();
    if (r->deadline_ns == 0) return INT64_MAX;
    return left_ns > 0 ? left_ns : 0;
}

static int64_t less(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* One question. *count = how many events came. */
static bool ask(struct reader *r, int64_t patience_ns, size_t *count, struct error *err)
{
    const int64_t wait_ns = less(patience_ns, remaining_ns(r));
    Farm__EventsWanted body = FARM__EVENTS_WANTED__INIT;
    body.after = r->cursor;
    body.batch = r->batch;
    body.limit = LIMIT_PAGE;
    body.wait_ms = (uint32_t)(wait_ns / NS_PER_MS);
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_EVENTS_WANTED;
    request.events_wanted = &body;
    struct message *answer = zclient_ask(r->client, &request, FARM__ENVELOPE__BODY_EVENTS,
                                         less(CLIENT_LIMIT_NS + wait_ns, remaining_ns(r)), err);
    if (!answer) return false;
    const Farm__Events *events = answer->envelope->events;
    *count = events->n_events;
    for (size_t i = 0; i < events->n_events; i++)
        print_event(r, events->events[i]);
    if (events->last > r->cursor) r->cursor = events->last;
    fflush(stdout);
    message_free(answer);
    return true;
}

static bool read_events(struct reader *r, bool follow, struct error *err)
{
    size_t count = 1;
    while (count > 0 || follow) {
        if (remaining_ns(r) == 0)
            return error_set(err, ERROR_TIMEOUT, "the time is over; `zoe events -f --after %llu`",
                             (unsigned long long)r->cursor);
        if (!ask(r, follow ? PATIENCE_NS : 0, &count, err)) {
            bool passing = follow &&
                           (err->code == ERROR_UNREACHABLE || err->code == ERROR_TIMEOUT) &&
                           !client_interrupted();
            if (!passing) return false;
            error_clear(err);
            count = 1;
        }
    }
    return true;
}

static int run_events(struct call *call)
{
    struct error err = {0};
    bool follow = call_has(call, "follow");
    const char *batch = call_option(call, "batch");
    int64_t after = 0, limit_ns = 0;
    if (!call_number(call, "after", 0, INT64_MAX, &after, &err) ||
        (follow && !call_duration(call, "timeout", &limit_ns, &err)) ||
        (batch && !client_check_batch(batch, &err)))
        return call_fail(call, &err);
    struct reader r = {.client = client_connect(call, TARGET_START_IF_FOLDER, &err),
                       .call = call,
                       .cursor = (uint64_t)after,
                       .deadline_ns = limit_ns > 0 ? clock_now_ns() + limit_ns : 0};
    if (!r.client) return call_fail(call, &err);
    r.batch = xstrdup(batch ? batch : "");
    if (call->json && !follow) r.list = json_array();
    bool ok = read_events(&r, follow, &err);
    if (ok && r.list)
        output_print(json_pack("{sOsI}", "events", r.list, "last", (json_int_t)r.cursor),
                     "zoe.events.v1");
    json_decref(r.list);
    free(r.batch);
    zclient_close(r.client);
    return ok ? 0 : call_fail(call, &err);
}

static const struct option OPTIONS[] = {{"follow", 'f', NULL, "go on with what comes"},
                                        {"batch", 0, "BATCH", "only of this batch"},
                                        {"after", 0, "N", "only after this sequence number"},
                                        {0}};

const struct command command_events = {
    "events",
    NULL,
    "",
    0,
    0,
    "what happened on the farm",
    "Kept for 30 days. With --json -f, one object a line; -f ends after --timeout, "
    "with exit code 124.",
    OPTIONS,
    run_events,
    false};

/* Event driven: asks for events after the last one seen and waits in the coordinator, half a second
 * at a time so that the bar moves with the steps. */
#include "cli/follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "cli/clip_tasks.h"
#include "cli/output.h"
#include "cli/progress.h"

#define BEAT_MS 500

struct follow {
    struct zclient *client;
    char *batch;
    const struct follow_options *options;
    struct progress progress;
    uint64_t cursor;
    int64_t deadline_ns;
};

static bool is_over(const char *state)
{
    return strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 ||
           strcmp(state, "canceled") == 0;
}

int follow_exit_code(const char *state)
{
    return strcmp(state, "done") == 0 ? 0 : error_exit_code(ERROR_FAILED);
}

static void print_event(struct follow *f, const Farm__Event *e)
{
    progress_clear(&f->progress);
    if (f->options->json) {
        output_print_line(output_json(&e->base), "zoe.event.v1");
        return;
    }
    char when[CLOCK_TEXT_SIZE];
    clock_wall_text((int64_t)e->at_ms, when);
    printf("%.8s  %-18s %s\n", when + 11, e->kind, e->message);
    fflush(stdout);
}

static bool take_events(struct follow *f, bool first, struct error *err)
{
    Farm__EventsWanted body = FARM__EVENTS_WANTED__INIT;
    body.after = f->cursor;
    body.batch = f->batch;
    body.limit = LIMIT_PAGE;
    body.wait_ms = first ? 0 : BEAT_MS;
    body.tail = first && !f->options->events;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_EVENTS_WANTED;
    request.events_wanted = &body;
    struct message *answer = client_ask(f->client, &request, FARM__ENVELOPE__BODY_EVENTS, err);
    if (!answer) return false;
    const Farm__Events *events = answer->envelope->events;
    for (size_t i = 0; f->options->events && i < events->n_events; i++)
        print_event(f, events->events[i]);
    if (events->last > f->cursor) f->cursor = events->last;
    message_free(answer);
    return true;
}

/* One look at the batch. *state is set when it is over. */
static bool look(struct follow *f, char **state, struct error *err)
{
    struct message *answer = client_batch(f->client, f->batch, err);
    if (!answer) return false;
    const Farm__Batch *batch = answer->envelope->batch;
    if (!f->options->quiet && !f->options->json) {
        struct message *tasks = clip_tasks_ask(f->client, batch, NULL);
        progress_draw(&f->progress, batch, tasks ? tasks->envelope->clips : NULL);
        message_free(tasks);
    }
    if (is_over(batch->state)) *state = xstrdup(batch->state);
    message_free(answer);
    return true;
}

/* The coordinator may be away for a while (restart): only the deadline and the user end the wait.
 */
static bool may_go_on(struct follow *f, struct error *err)
{
    if (client_interrupted()) return error_set(err, ERROR_INTERRUPTED, "interrupted");
    if (f->deadline_ns && clock_now_ns() > f->deadline_ns)
        return error_set(err, ERROR_TIMEOUT, "batch %s has not ended in the given time; it goes on",
                         f->batch);
    return err->code == ERROR_NONE || err->code == ERROR_UNREACHABLE || err->code == ERROR_TIMEOUT;
}

static void say_how_to_return(struct follow *f)
{
    progress_clear(&f->progress);
    fprintf(stderr,
            "Detached; batch %s goes on. Come back with `zoe batch watch %s`, stop it with `zoe "
            "batch cancel %s`.\n",
            f->batch, f->batch, f->batch);
}

bool follow_batch(struct zclient *client, const char *batch, const struct follow_options *options,
                  char **state, struct error *err)
{
    struct follow f = {.client = client, .batch = xstrdup(batch), .options = options};
    f.deadline_ns = options->limit_ns ? clock_now_ns() + options->limit_ns : 0;
    progress_begin(&f.progress);
    *state = NULL;
    bool first = true, ok = true;
    while (ok && !*state) {
        struct error step = {0};
        bool turn = take_events(&f, first, &step) && look(&f, state, &step);
        if (turn) first = false;
        if (*state) break;
        ok = may_go_on(&f, &step);
        if (!ok) *err = step;
    }
    if (*state && options->events) { /* what happened between the last events and the end */
        struct error last = {0};
        take_events(&f, true, &last);
    }
    progress_clear(&f.progress);
    if (!ok && err->code == ERROR_INTERRUPTED && !options->unnamed) say_how_to_return(&f);
    free(f.batch);
    return ok;
}

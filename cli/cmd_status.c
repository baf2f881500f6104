/* zoe status: the whole farm on one screen. */
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/question.h"

typedef unsigned long long ull;

static void print_workers(const Farm__Status *s)
{
    const struct {
        uint32_t count;
        const char *state;
    } rare[] = {{s->workers_joining, "joining"},
                {s->workers_away, "away"},
                {s->workers_quarantined, "quarantined"},
                {s->workers_draining, "draining"},
                {s->workers_drained, "drained"}};
    printf("%sWorkers%s      %u busy, %u idle", output_colour(1, COLOUR_BOLD),
           output_colour(1, COLOUR_NONE), s->workers_busy, s->workers_idle);
    for (size_t i = 0; i < sizeof rare / sizeof rare[0]; i++)
        if (rare[i].count > 0) printf(", %u %s", rare[i].count, rare[i].state);
    printf("; %u slot%s\n", s->slots, s->slots == 1 ? "" : "s");
}

static void print_status(const struct call *call, const Farm__Envelope *e)
{
    const Farm__Status *s = e->status;
    (void)call;
    char uptime[64], disk[32], memory[32];
    clock_duration_text((int64_t)s->uptime_s * NS_PER_S, uptime, sizeof uptime);
    text_size(s->disk_free_bytes, disk, sizeof disk);
    text_size(s->memory_bytes, memory, sizeof memory);
    const Farm__Counts *c = s->clips;
    printf("%sCoordinator%s  up %s, %s of memory, %s free on disk%s%s%s\n",
           output_colour(1, COLOUR_BOLD), output_colour(1, COLOUR_NONE), uptime, memory, disk,
           s->disk_low ? output_colour(1, COLOUR_RED) : "",
           s->disk_low ? " (too little: nothing is started)" : "",
           s->disk_low ? output_colour(1, COLOUR_NONE) : "");
    print_workers(s);
    printf("%sBatches%s      %llu unfinished of %llu\n", output_colour(1, COLOUR_BOLD),
           output_colour(1, COLOUR_NONE), (ull)s->batches_unfinished, (ull)s->batches);
    printf("%sClips%s        %llu published, %llu rendering, %llu waiting, %llu failed, %llu "
           "canceled\n",
           output_colour(1, COLOUR_BOLD), output_colour(1, COLOUR_NONE), (ull)c->published,
           (ull)(c->running + c->publishing), (ull)c->waiting, (ull)c->failed, (ull)c->canceled);
    if (s->attempts_lost || s->offers_dropped)
        printf("             %llu attempts lost, %llu late results dropped\n",
               (ull)s->attempts_lost, (ull)s->offers_dropped);
    if (s->refused_keys || s->bad_messages || s->cut_connections)
        printf("%sRefused%s      %llu unknown keys, %llu bad messages, %llu connections cut off\n",
               output_colour(1, COLOUR_BOLD), output_colour(1, COLOUR_NONE), (ull)s->refused_keys,
               (ull)s->bad_messages, (ull)s->cut_connections);
}

static int run_status(struct call *call)
{
    Farm__StatusWanted body = FARM__STATUS_WANTED__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_STATUS_WANTED;
    request.status_wanted = &body;
    return question_run(call, &request, FARM__ENVELOPE__BODY_STATUS, "zoe.status.v1", print_status);
}

const struct command command_status = {"status", NULL, "",         0,    0, "the farm at a glance",
                                       NULL,     NULL, run_status, false};

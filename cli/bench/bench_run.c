#include "cli/bench/bench_run.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"

#define LEAVE_LIMIT_S 60

void bench_say(const struct bench *b, const char *format, ...)
{
    va_list args;
    if (b->quiet) return;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

void bench_row(struct bench *b, const char *name, const char *what, const char *unit, double goal,
               double found, bool at_least)
{
    if (b->table->count == BENCH_ROWS_MAX) return;
    struct bench_row *r = &b->table->rows[b->table->count++];
    *r = (struct bench_row){.goal = goal, .found = found, .at_least = at_least};
    (void)snprintf(r->name, sizeof r->name, "%s", name);
    (void)snprintf(r->what, sizeof r->what, "%s", what);
    (void)snprintf(r->unit, sizeof r->unit, "%s", unit);
    bench_say(b, "  %s: %.4g %s", what, found, unit);
}

void bench_pause_ms(int64_t ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L};
    (void)nanosleep(&time, NULL);
}

double bench_seconds_since(int64_t start_ns)
{
    return (double)(clock_now_ns() - start_ns) / NS_PER_S;
}

bool bench_submit(struct bench *b, uint32_t prompts, const char *what, double *seconds)
{
    const struct bench_batch batch = {
        .what = what, .prompts = prompts, .seeds = BENCH_SEEDS, .options = BENCH_REPORTS};
    return bench_host_submit(&b->host, &batch, seconds, b->err);
}

bool bench_allow(struct bench *b, uint32_t count)
{
    if (count <= b->allowed) return true;
    const bool ok = bench_host_allow(&b->host, b->allowed, count - b->allowed, b->err);
    b->allowed = count;
    return ok;
}

bool bench_fleet(struct bench *b, struct bench_fleet *f, struct bench_load load)
{
    load.warm_s = BENCH_WARM_S;
    return bench_fleet_start(f, &b->host, &load, b->err);
}

double bench_number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

bool bench_poll_status(struct bench *b, double seconds, struct samples *answers)
{
    const int64_t end_ns = clock_now_ns() + (int64_t)(seconds * NS_PER_S);
    while (clock_now_ns() < end_ns) {
        const int64_t start_ns = clock_now_ns();
        struct message *m = bench_host_status(&b->host, b->err);
        if (m == NULL) return false;
        message_free(m);
        samples_add(answers, bench_seconds_since(start_ns) * 1000);
        bench_host_sample(&b->host);
        bench_pause_ms(20);
    }
    return true;
}

double bench_published(struct bench *b)
{
    struct message *m = bench_host_status(&b->host, b->err);
    const double count = m != NULL ? (double)m->envelope->status->clips->published : -1;
    message_free(m);
    return count;
}

double bench_lost(struct bench *b)
{
    struct message *m = bench_host_status(&b->host, b->err);
    const double lost = m != NULL ? (double)m->envelope->status->attempts_lost : -1;
    message_free(m);
    return lost;
}

bool bench_await_workers(struct bench *b, uint32_t wanted, double limit_s, double *seconds)
{
    const int64_t start_ns = clock_now_ns();
    for (;;) {
        struct message *m = bench_host_status(&b->host, b->err);
        if (m == NULL) return false;
        const Farm__Status *s = m->envelope->status;
        const uint32_t here = s->workers_idle + s->workers_busy;
        message_free(m);
        *seconds = bench_seconds_since(start_ns);
        if (here >= wanted) return true;
        if (*seconds > limit_s)
            return error_set(b->err, ERROR_TIMEOUT, "%u of %u workers joined within %.0f s",
                             (unsigned)here, (unsigned)wanted, limit_s);
        bench_pause_ms(50);
    }
}

bool bench_await_nobody(struct bench *b)
{
    const int64_t end_ns = clock_now_ns() + LEAVE_LIMIT_S * NS_PER_S;
    while (clock_now_ns() < end_ns) {
        struct message *m = bench_host_status(&b->host, b->err);
        if (m == NULL) return false;
        const Farm__Status *s = m->envelope->status;
        const bool empty = s->workers_idle + s->workers_busy == 0;
        message_free(m);
        if (empty) return true;
        bench_pause_ms(100);
    }
    return error_set(b->err, ERROR_TIMEOUT, "workers of an earlier measure are still there");
}

bool bench_settle(struct bench *b, uint64_t *database_bytes_out)
{
    bench_host_end(&b->host, SIGTERM);
    *database_bytes_out = bench_host_database(&b->host);
    return bench_host_start(&b->host, b->err) && bench_host_connect(&b->host, b->err);
}

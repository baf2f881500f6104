/* One loop, and the clock that moves the hands. */
#include "cli/bench/fleet.h"

#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "cli/bench/hand.h"

#define TICK_MS 10

struct fleet {
    struct hand_work work;
    struct hand *hands;
    uint32_t opened;
    uv_timer_t tick;
    uv_signal_t term;
    double owed;   /* results that the rate allows now */
    uint32_t turn; /* whose results go next */
    bool failed;
    struct error *err;
};

static void dial(struct fleet *f)
{
    while (!f->failed && f->opened < f->work.options->workers) {
        const uint32_t number = f->work.options->first + f->opened;
        f->failed = !hand_open(&f->hands[f->opened], &f->work, number, f->err);
        if (!f->failed) f->opened++;
    }
}

static void stop(struct fleet *f)
{
    for (uint32_t i = 0; i < f->opened; i++)
        hand_close(&f->hands[i]);
    uv_close((uv_handle_t *)&f->tick, NULL);
    uv_close((uv_handle_t *)&f->term, NULL);
}

/* With a rate: from one worker to the next, so that all of them come to it. */
static void offer_owed(struct fleet *f, int64_t now_ns)
{
    const double rate = f->work.options->rate;
    f->owed += rate * TICK_MS / 1000.0;
    for (uint32_t tried = 0; f->owed >= 1 && tried < f->opened; tried++)
        if (hand_offer_next(&f->hands[f->turn++ % f->opened], now_ns)) f->owed -= 1;
    if (f->owed > rate) f->owed = rate; /* a second's worth at most */
}

static void on_tick(uv_timer_t *timer)
{
    struct fleet *f = timer->data;
    const struct fleet_options *o = f->work.options;
    const int64_t now_ns = clock_now_ns(), age_ns = now_ns - f->work.tally.start_ns;
    dial(f);
    for (uint32_t i = 0; i < f->opened; i++)
        hand_look_after(&f->hands[i], now_ns);
    if (o->rate > 0) offer_owed(f, now_ns);
    if (age_ns >= o->warm_ns) tally_count_from(&f->work.tally, now_ns);
    if (f->failed || (o->run_ns > 0 && age_ns >= o->run_ns)) stop(f);
}

static void on_term(uv_signal_t *handle, int number)
{
    (void)number;
    stop(handle->data);
}

static void run_loop(struct fleet *f)
{
    uv_loop_t *loop = &f->work.loop;
    (void)uv_loop_init(loop);
    (void)uv_timer_init(loop, &f->tick);
    (void)uv_signal_init(loop, &f->term);
    f->tick.data = f->term.data = f;
    (void)uv_timer_start(&f->tick, on_tick, 0, TICK_MS);
    (void)uv_signal_start(&f->term, on_term, SIGTERM);
    (void)uv_run(loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(loop);
}

bool fleet_run(const struct fleet_options *options, struct fleet_result *out, struct error *err)
{
    struct fleet f = {.work = {.options = options}, .err = err};
    f.work.zmq = zsock_context_create(err);
    if (f.work.zmq == NULL) return false;
    f.hands = xcalloc(options->workers, sizeof *f.hands);
    f.work.report = xmalloc(options->report_bytes + 1);
    tally_init(&f.work.tally, options->workers, clock_now_ns());
    run_loop(&f);
    tally_sum_up(&f.work.tally, out);
    zsock_context_destroy(f.work.zmq);
    tally_finish(&f.work.tally);
    free(f.hands);
    free(f.work.report);
    return !f.failed;
}

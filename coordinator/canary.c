#include "coordinator/canary.h"

#include <stdio.h>

#include "base/clock.h"

#define CANARY_LIMIT_NS (60 * NS_PER_S)

static void run_out(struct farm *f, void *subject, int64_t now_ns)
{
    struct worker *w = subject;
    canary_done(f, w, w->canary.number, NULL, "no answer within a minute", now_ns);
}

static void try_again(struct farm *f, void *subject, int64_t now_ns)
{
    (void)subject; /* it is wanted already: its time has come */
    (void)now_ns;
    f->dispatch_wanted = true;
}

void canary_init(struct worker *w)
{
    deadline_init(&w->canary.due, w, run_out);
    deadline_init(&w->canary.again, w, try_again);
}

void canary_want(struct farm *f, struct worker *w)
{
    if (w->canary.wanted) return;
    w->canary.wanted = true;
    f->dispatch_wanted = true;
}

/* ---- out ---- */

static bool may_render(const struct worker *w)
{
    return w->canary.wanted && w->canary.number == 0 && w->presence == WORKER_PRESENT &&
           w->session != 0 && !w->draining && !deadline_is_set(&w->canary.again);
}

static void send(struct farm *f, struct worker *w, uint32_t slot, int64_t now_ns)
{
    w->canary.number = ++f->last_canary;
    w->canary.slot = slot;
    w->slots[slot].canary = true;
    deadline_set(&f->leases, &w->canary.due, now_ns + CANARY_LIMIT_NS);
    struct effect_message *m = worker_message(f, w, EFFECT_ASSIGN);
    m->attempt.fence = w->canary.number;
    m->slot = slot;
    m->canary = true;
    m->limit_ns = CANARY_LIMIT_NS;
    worker_settle(f, w, NULL, NULL);
}

void canary_assign(struct farm *f, struct worker *w, int64_t now_ns)
{
    if (!may_render(w)) return;
    for (uint32_t i = 0; i < w->slot_count; i++) {
        if (!worker_slot_is_free(&w->slots[i])) continue;
        send(f, w, i, now_ns);
        return;
    }
}

/* ---- back ---- */

static void take_back(struct farm *f, struct worker *w)
{
    struct canary *c = &w->canary;
    deadline_clear(&f->leases, &c->due);
    if (c->slot < w->slot_count) w->slots[c->slot].canary = false;
    c->number = 0;
    f->dispatch_wanted = true;
    f->settle_wanted = true;
    f->pins_wanted = true;
}

void canary_drop(struct farm *f, struct worker *w)
{
    if (w->canary.number == 0) return;
    take_back(f, w);
    canary_want(f, w);
}

static void right(struct farm *f, struct worker *w)
{
    bool was_out = !w->admitted;
    w->canary.right++;
    w->canary.wrong = 0;
    w->canary.wanted = false;
    w->admitted = true;
    w->quarantined = false;
    if (was_out) farm_event(f, "worker.admitted", NULL, -1, w->name, "its canary was right");
    worker_settle(f, w, NULL, NULL);
    if (was_out) worker_save(f, w);
}

static void wrong(struct farm *f, struct worker *w, const char *message, int64_t now_ns)
{
    static const int64_t waits_ns[] = {60 * NS_PER_S, 300 * NS_PER_S, 1500 * NS_PER_S};
    uint32_t last = sizeof(waits_ns) / sizeof(waits_ns[0]) - 1;
    uint32_t index = w->canary.wrong < last ? w->canary.wrong : last;
    char reason[LIMIT_TEXT_BYTES];
    (void)snprintf(reason, sizeof(reason), "canary wrong: %s", message);
    w->canary.wrong++;
    w->canary.wanted = true;
    w->admitted = false;
    w->quarantined = true;
    deadline_set(&f->timers, &w->canary.again, now_ns + waits_ns[index]);
    worker_settle(f, w, reason, NULL);
}

void canary_done(struct farm *f, struct worker *w, uint64_t number,
                 const struct digest *frames_sha256, const char *message, int64_t now_ns)
{
    if (number == 0 || number != w->canary.number) return; /* an older one */
    take_back(f, w);
    if (frames_sha256 == NULL)
        wrong(f, w, message, now_ns);
    else if (digest_equal(frames_sha256, &f->config.canary_answer))
        right(f, w);
    else
        wrong(f, w, "other frames than expected", now_ns);
}

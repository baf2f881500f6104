#include "coordinator/presence.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "coordinator/canary.h"
#include "coordinator/checkpoints.h"
#include "coordinator/hazard.h"
#include "coordinator/held.h"
#include "coordinator/offer.h"
#include "coordinator/proof.h"
#include "coordinator/refusal.h"
#include "coordinator/shortage.h"

#define HEARTBEAT_WORKERS 500 /* above, the interval grows with their number */

/* ---- silence (L2) ---- */

static int64_t patience_ns(const struct worker *w)
{
    return SESSION_SILENT_BEATS * (int64_t)w->heartbeat_ms * NS_PER_MS;
}

static void silence_due(struct farm *f, void *subject, int64_t now_ns)
{
    struct worker *w = subject;
    if (w->presence == WORKER_PRESENT)
        worker_silent(f, w, LOST_GRACE_NS, now_ns);
    else
        worker_gone(f, w, "silent for too long", false, now_ns);
}

void presence_init(struct worker *w)
{
    deadline_init(&w->silence, w, silence_due);
}

void worker_silent(struct farm *f, struct worker *w, int64_t grace_ns, int64_t now_ns)
{
    w->presence = WORKER_SILENT;
    deadline_set(&f->sessions_due, &w->silence, now_ns + grace_ns);
    worker_settle(f, w, "not heard", NULL);
}

struct worker *worker_heard(struct farm *f, uint64_t session, int64_t now_ns)
{
    struct worker *w = worker_of_session(f, session);
    if (w == NULL) return NULL;
    roster_touch(f, w);
    w->heard = true;
    w->heard_ns = now_ns;
    deadline_set(&f->sessions_due, &w->silence, now_ns + patience_ns(w));
    if (w->presence == WORKER_PRESENT) return w;
    w->presence = WORKER_PRESENT;
    worker_begin_next(f, w, now_ns);
    worker_settle(f, w, NULL, NULL);
    return w;
}

uint32_t presence_heartbeat_ms(const struct farm *f)
{
    size_t workers = f->sessions.count;
    if (workers <= HEARTBEAT_WORKERS) return HEARTBEAT_MS;
    return (uint32_t)(HEARTBEAT_MS * workers / HEARTBEAT_WORKERS);
}

/* ---- ends of sessions ---- */

static void close_session(struct farm *f, struct worker *w, const char *why)
{
    if (w->session == 0) return;
    worker_answer(f, w, EFFECT_CLOSE_SESSION, NULL)->text = effects_text(&f->effects, why);
    (void)table_remove_u64(&f->sessions, w->session);
    w->session = 0;
    canary_drop(f, w);
    CHAIN_EACH(link, &w->attempts)
    {
        struct attempt *a = CHAIN_OWNER(link, struct attempt, of_worker);
        offer_pause(f, a);
        checkpoint_pause(f, a);
    }
}

static bool is_spared(const struct attempt *a, uint64_t spared)
{
    return spared != 0 && a->mark == spared;
}

/* Before the first of them ends: what is next in line takes its place then. */
static void note_losses(struct farm *f, struct worker *w, uint64_t spared)
{
    CHAIN_EACH(link, &w->attempts)
    {
        const struct attempt *a = CHAIN_OWNER(link, struct attempt, of_worker);
        if (!is_spared(a, spared)) hazard_note_loss(f, a);
    }
}

static struct attempt *first_to_end(const struct worker *w, bool all, uint64_t spared)
{
    CHAIN_EACH(link, &w->attempts)
    {
        struct attempt *a = CHAIN_OWNER(link, struct attempt, of_worker);
        if (all || (attempt_needs_worker(a) && !is_spared(a, spared))) return a;
    }
    return NULL;
}

/* Anew from the first each time: a loss may fail its clip (T5), and with it others of the list. */
static void end_attempts(struct farm *f, struct worker *w, enum attempt_end end, const char *why,
                         bool all, uint64_t spared, int64_t now_ns)
{
    struct attempt_detail detail = {.message = why};
    struct attempt *a = NULL;
    if (end == END_LOST && !all) note_losses(f, w, spared);
    while ((a = first_to_end(w, all, spared)) != NULL) {
        detail.unbegun = end == END_LOST && a->upload == NULL && !attempt_is_begun(a);
        attempt_end(f, a, end, &detail, now_ns);
    }
}

static void go_away(struct farm *f, struct worker *w, enum attempt_end end, const char *why,
                    bool all, int64_t now_ns)
{
    close_session(f, w, why);
    w->presence = WORKER_AWAY;
    deadline_clear(&f->sessions_due, &w->silence);
    deadline_clear(&f->timers, &w->canary.again);
    end_attempts(f, w, end, why, all, 0, now_ns);
    worker_settle(f, w, why, NULL);
}

void worker_gone(struct farm *f, struct worker *w, const char *why, bool revoked, int64_t now_ns)
{
    go_away(f, w, END_LOST, why, revoked, now_ns);
}

void worker_leaving(struct farm *f, struct worker *w, const char *reason, bool drained,
                    int64_t now_ns)
{
    w->draining = true;
    w->drained = drained;
    if (drained)
        go_away(f, w, END_PREEMPTED, reason, false, now_ns);
    else
        worker_settle(f, w, reason, w->name);
}

/* It leaves by the earliest time that it was told. */
bool worker_drain_is_news(const struct worker *w, int64_t grace_ns, int64_t now_ns)
{
    const bool is_limited = w->drain_by_ns != 0;
    return !w->draining || (grace_ns > 0 && (!is_limited || now_ns + grace_ns < w->drain_by_ns));
}

void worker_drain(struct farm *f, struct worker *w, int64_t grace_ns, const char *by,
                  int64_t now_ns)
{
    if (worker_drain_is_news(w, grace_ns, now_ns))
        w->drain_by_ns = grace_ns > 0 ? now_ns + grace_ns : 0;
    w->draining = true;
    if (w->session != 0) worker_message(f, w, EFFECT_DRAIN)->grace_ns = grace_ns;
    worker_settle(f, w, "drained by an operator", by);
}

/* ---- coming (W1) ---- */

static bool same_boot(const struct worker *w, const struct farm_hello *hello)
{
    return memcmp(w->boot_id, hello->boot_id, ID_BOOT_BYTES) == 0;
}

static bool is_in_use(const struct worker *w, const struct farm_hello *hello)
{
    return w->session != 0 && w->presence == WORKER_PRESENT &&
           strcmp(w->machine_id, hello->machine_id) != 0;
}

static bool check_hello(const struct worker *w, const struct farm_hello *hello, struct error *err)
{
    if (hello->slot_count == 0 || hello->slot_count > LIMIT_SLOTS)
        return error_set(err, ERROR_INVALID, "a worker has 1 to %d slots", LIMIT_SLOTS);
    if (w == NULL || !is_in_use(w, hello)) return true;
    return error_set(err, ERROR_REFUSED,
                     "the key of worker %s is in use by %s; make one key a worker", w->name,
                     w->host[0] != '\0' ? w->host : "another machine");
}

/* Each coming and going is an event, and those of all share one history: a process that left and
 * comes back counts as one that starts. Who was cut off does not. */
static bool may_come(struct worker *w, bool same, int64_t now_ns, struct error *err)
{
    if (same && w->presence != WORKER_AWAY) return true;
    if (bucket_take(&w->boots, now_ns)) return true;
    return error_set(
        err, ERROR_REFUSED,
        "worker %s comes and goes too often: at most %d times at once and %d a second in "
        "the long run",
        w->name, BOOTS_BURST, BOOTS_PER_S);
}

/* Another process under the same name: what the old one had and did not finish is lost, what it had
 * shown is void. Out of quarantine leads a right canary only; it may try at once. */
static void start_anew(struct farm *f, struct worker *w, const struct farm_hello *hello,
                       int64_t now_ns)
{
    const uint64_t spared = held_spare_results(f, w, hello);
    end_attempts(f, w, END_LOST, "its worker was started anew", false, spared, now_ns);
    memcpy(w->boot_id, hello->boot_id, ID_BOOT_BYTES);
    w->admitted = false;
    w->draining = false;
    w->drain_by_ns = 0;
    refusal_forget(w);
    shortage_forget(w);
    w->pace_count = 0;
    w->canary.next = NULL;
    proof_start_anew(f, w);
    deadline_clear(&f->timers, &w->canary.again);
}

static void introduce(struct farm *f, struct worker *w, const struct farm_hello *hello)
{
    worker_describe(w, hello->machine_id, hello->host, hello->build);
    worker_set_slots(f, w, hello->slots, hello->slot_count);
    w->drained = false;
    w->disk_low = false;
    w->crowded = false;
}

static void open_session(struct farm *f, struct worker *w, int64_t now_ns)
{
    w->session = ++f->last_session;
    w->last_number = 0;
    (void)table_set_u64(&f->sessions, w->session, w);
    w->heartbeat_ms = presence_heartbeat_ms(f);
    (void)worker_heard(f, w->session, now_ns);
    worker_answer(f, w, EFFECT_WELCOME, NULL)->heartbeat_ms = w->heartbeat_ms;
}

static int64_t grace_left(const struct worker *w, int64_t now_ns)
{
    if (w->drain_by_ns == 0) return 0; /* no limit */
    return w->drain_by_ns - now_ns > NS_PER_MS ? w->drain_by_ns - now_ns : NS_PER_MS;
}

/* The drain of an operator may not have reached it. */
static void agree_on_draining(struct farm *f, struct worker *w, const struct farm_hello *hello,
                              int64_t now_ns)
{
    if (w->draining && !hello->draining)
        worker_message(f, w, EFFECT_DRAIN)->grace_ns = grace_left(w, now_ns);
    w->draining = w->draining || hello->draining;
}

static void settle_in(struct farm *f, struct worker *w, const struct farm_hello *hello, bool same,
                      int64_t now_ns)
{
    agree_on_draining(f, w, hello, now_ns);
    if (same)
        held_rebind(f, w, hello, now_ns);
    else
        held_take_over(f, w, hello, now_ns);
    if (!w->admitted) canary_want(f, w);
    f->dispatch_wanted = true;
    f->settle_wanted = true;
    f->pins_wanted = true;
    worker_settle(f, w, NULL, NULL);
    worker_save(f, w);
    if (!same) farm_event(f, "worker.joined", NULL, -1, w->name, w->host);
}

bool worker_hello(struct farm *f, const struct farm_hello *hello, int64_t now_ns,
                  uint64_t *session_out, struct error *err)
{
    if (!check_hello(worker_find(f, hello->worker), hello, err)) return false;
    struct worker *w = worker_know(f, hello->worker);
    bool same = same_boot(w, hello);
    if (!may_come(w, same, now_ns, err)) return false;
    close_session(f, w, "replaced by a newer connection");
    if (!same) start_anew(f, w, hello, now_ns);
    introduce(f, w, hello);
    open_session(f, w, now_ns);
    settle_in(f, w, hello, same, now_ns);
    *session_out = w->session;
    return true;
}

/* ---- heartbeat ---- */

void worker_beat(struct farm *f, struct worker *w, const struct farm_heartbeat *beat,
                 int64_t now_ns)
{
    w->memory_bytes = beat->memory_bytes;
    w->outbox_count = beat->outbox_count;
    if (w->disk_low != beat->disk_low) f->dispatch_wanted = true; /* T9 may wait for it */
    w->disk_low = beat->disk_low;
    refusal_hear(f, w, now_ns);
    shortage_hear(f, w, beat->disk_free_bytes, now_ns);
    w->crowded = false;
    w->draining = w->draining || beat->draining;
    held_reconcile(f, w, beat, now_ns);
    worker_settle(f, w, beat->draining ? "it drains" : NULL, beat->draining ? w->name : NULL);
}

#include "coordinator/held.h"

#include "coordinator/canary.h"
#include "coordinator/lease.h"

static const char not_wanted[] = "this attempt is not wanted any more";

static bool is_canary(const struct attempt_key *key)
{
    return key->task.batch[0] == '\0';
}

/* Results may still be adopted when they are offered (T2). */
static bool is_result(const struct farm_held *held)
{
    return held->phase == PHASE_UPLOADING;
}

static void cancel_stranger(struct farm *f, struct worker *w, const struct farm_held *held)
{
    if (is_result(held)) return;
    if (is_canary(&held->attempt) && held->attempt.fence == w->canary.number) return;
    struct effect_message *m = worker_message(f, w, EFFECT_CANCEL);
    m->attempt = held->attempt;
    m->text = not_wanted;
}

static void leave_slot(struct slot *s, struct attempt *a)
{
    if (s->running == a) s->running = NULL;
    if (s->next == a) s->next = NULL;
    a->place = ATTEMPT_AWAY;
}

uint64_t held_spare_results(struct farm *f, struct worker *w, const struct farm_hello *hello)
{
    const uint64_t mark = ++f->marks;
    for (uint32_t i = 0; i < hello->held_count; i++) {
        struct attempt *a = attempt_find(f, w, &hello->held[i].attempt);
        if (a == NULL || !is_result(&hello->held[i])) continue;
        if (a->place != ATTEMPT_AWAY && a->slot < w->slot_count) leave_slot(&w->slots[a->slot], a);
        a->mark = mark;
    }
    return mark;
}

/* ---- beginning ---- */

void held_started(struct farm *f, struct attempt *a, int64_t now_ns)
{
    a->recalled = false;
    roster_touch(f, a->worker);
    if (a->place != ATTEMPT_NEXT) return;
    struct slot *s = &a->worker->slots[a->slot];
    if (s->running != NULL) leave_slot(s, s->running); /* its result or its end is on the way */
    s->next = NULL;
    s->running = a;
    lease_start(f, a, now_ns);
}

/* ---- heartbeat ---- */

static void take_report(struct farm *f, struct attempt *a, const struct farm_held *held,
                        int64_t now_ns)
{
    bool runs = held->phase > PHASE_PREFETCHED && !is_result(held);
    if (runs && a->place == ATTEMPT_NEXT) held_started(f, a, now_ns);
    if (is_result(held) && a->place != ATTEMPT_AWAY) worker_vacate(f, a, now_ns);
    lease_progress(f, a, held, now_ns);
}

/* It was sent early enough to be listed, and is not. */
static bool is_missing(const struct attempt *a, uint64_t session, uint64_t last_message)
{
    return attempt_needs_worker(a) && a->sent_session == session && a->sent_number <= last_message;
}

static void end_missing(struct farm *f, struct attempt *a, int64_t now_ns)
{
    static const struct attempt_detail detail = {.message = "its worker does not have it any more"};
    attempt_end(f, a, END_LOST, &detail, now_ns);
}

void held_reconcile(struct farm *f, struct worker *w, const struct farm_heartbeat *beat,
                    int64_t now_ns)
{
    uint64_t mark = ++f->marks;
    for (uint32_t i = 0; i < beat->held_count; i++) {
        const struct farm_held *held = &beat->held[i];
        struct attempt *a = attempt_find(f, w, &held->attempt);
        if (a == NULL) {
            if (is_canary(&held->attempt)) canary_heard(f, w, held, now_ns);
            cancel_stranger(f, w, held);
            continue;
        }
        a->mark = mark;
        take_report(f, a, held, now_ns);
    }
    if (beat->held_count >= LIMIT_HELD) return; /* the list may be cut */
    CHAIN_EACH(link, &w->attempts)
    {
        struct attempt *a = CHAIN_OWNER(link, struct attempt, of_worker);
        if (a->mark != mark && is_missing(a, w->session, beat->last_message))
            end_missing(f, a, now_ns);
    }
}

/* ---- hello ---- */

static enum attempt_place place_of(const struct farm_held *held)
{
    if (held->phase == PHASE_PREFETCHED) return ATTEMPT_NEXT;
    return is_result(held) ? ATTEMPT_AWAY : ATTEMPT_RUNNING;
}

static void restart_clock(struct farm *f, struct attempt *a, int64_t now_ns)
{
    if (!attempt_needs_worker(a) || a->place == ATTEMPT_NEXT)
        lease_stand(f, a);
    else if (a->place == ATTEMPT_AWAY)
        lease_await_bytes(f, a, now_ns);
    else if (a->begun_ns == 0)
        lease_start(f, a, now_ns);
    else
        lease_renew(f, a, now_ns);
}

static void rebind(struct farm *f, struct worker *w, struct attempt *a,
                   const struct farm_held *held, uint64_t mark, int64_t now_ns)
{
    a->mark = mark;
    a->slot = held->slot;
    a->place = place_of(held);
    a->recalled = false;
    a->sent_session = w->session; /* known to have arrived: the next lists must name it */
    a->sent_number = 0;
    if (a->fingerprint == NULL && a->slot < w->slot_count)
        attempt_set_fingerprint(a, w->slots[a->slot].fingerprint);
    if (!worker_place(w, a)) {
        a->place = ATTEMPT_AWAY;
        attempt_dismiss(f, a, END_LOST, DROP_FENCED, "two attempts claim one place", now_ns);
        return;
    }
    restart_clock(f, a, now_ns);
    lease_progress(f, a, held, now_ns);
}

static bool find_place(struct worker *w, struct attempt *a)
{
    static const enum attempt_place places[] = {ATTEMPT_RUNNING, ATTEMPT_NEXT};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        a->place = places[i];
        if (worker_place(w, a)) return true;
    }
    a->place = ATTEMPT_AWAY;
    return false;
}

/* NULL: nothing. */
static const char *what_holds_back(struct worker *w, struct attempt *a)
{
    if (!batch_is_open(a->task->batch)) return "its batch is paused";
    if (!w->admitted || w->draining || !find_place(w, a)) return "its worker takes no work now";
    return NULL;
}

/* Its Assign never arrived. */
static void send_again(struct farm *f, struct worker *w, struct attempt *a, int64_t now_ns)
{
    const char *why = what_holds_back(w, a);
    if (why != NULL) {
        attempt_end(f, a, END_HANDED_BACK, &(struct attempt_detail){.message = why}, now_ns);
        return;
    }
    a->recalled = false;
    if (a->fingerprint == NULL) attempt_set_fingerprint(a, w->slots[a->slot].fingerprint);
    if (a->place == ATTEMPT_RUNNING)
        lease_start(f, a, now_ns);
    else
        lease_stand(f, a);
    attempt_send(f, a);
}

static void settle_unlisted(struct farm *f, struct worker *w, struct attempt *a,
                            const struct farm_hello *hello, int64_t now_ns)
{
    if (!attempt_needs_worker(a)) return;
    bool handled =
        hello->last_session != 0 && is_missing(a, hello->last_session, hello->last_message);
    if (handled || a->upload != NULL)
        end_missing(f, a, now_ns);
    else
        send_again(f, w, a, now_ns);
}

void held_take_over(struct farm *f, struct worker *w, const struct farm_hello *hello,
                    int64_t now_ns)
{
    for (uint32_t i = 0; i < hello->held_count; i++) {
        struct attempt *a = attempt_find(f, w, &hello->held[i].attempt);
        if (a == NULL) {
            cancel_stranger(f, w, &hello->held[i]);
            continue;
        }
        a->sent_session = w->session;
        a->sent_number = 0;
        restart_clock(f, a, now_ns);
    }
}

/* B4: whoever was to be told so may not have heard it, or was not there. */
static void recall_paused(struct farm *f, struct worker *w)
{
    CHAIN_EACH(link, &w->attempts)
    {
        struct attempt *a = CHAIN_OWNER(link, struct attempt, of_worker);
        if (a->place == ATTEMPT_NEXT && !batch_is_open(a->task->batch)) attempt_recall(f, a);
    }
}

void held_rebind(struct farm *f, struct worker *w, const struct farm_hello *hello, int64_t now_ns)
{
    uint64_t mark = ++f->marks;
    CHAIN_EACH(link, &w->attempts)
    CHAIN_OWNER(link, struct attempt, of_worker)->place = ATTEMPT_AWAY;
    for (uint32_t i = 0; i < hello->held_count; i++) {
        struct attempt *a = attempt_find(f, w, &hello->held[i].attempt);
        if (a == NULL)
            cancel_stranger(f, w, &hello->held[i]);
        else if (a->mark != mark)
            rebind(f, w, a, &hello->held[i], mark, now_ns);
    }
    CHAIN_EACH(link, &w->attempts)
    {
        struct attempt *a = CHAIN_OWNER(link, struct attempt, of_worker);
        if (a->mark != mark) settle_unlisted(f, w, a, hello, now_ns);
    }
    worker_begin_next(f, w, now_ns);
    recall_paused(f, w);
}

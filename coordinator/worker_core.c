#include "coordinator/worker_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "coordinator/canary.h"
#include "coordinator/lease.h"
#include "coordinator/presence.h"
#include "coordinator/proof.h"
#include "coordinator/refusal.h"
#include "coordinator/shortage.h"

/* ---- who ---- */

struct worker *worker_find(const struct farm *f, const char *name)
{
    return table_get_text(&f->workers, name);
}

struct worker *worker_of_session(const struct farm *f, uint64_t session)
{
    return session != 0 ? table_get_u64(&f->sessions, session) : NULL;
}

static void list_in_crew(struct farm *f, struct worker *w)
{
    if (f->workers.count == f->crew_capacity) {
        f->crew_capacity = f->crew_capacity > 0 ? f->crew_capacity * 2 : 16;
        f->crew = xrealloc_array(f->crew, f->crew_capacity, sizeof(struct worker *));
    }
    f->crew[f->workers.count] = w;
    (void)table_set_text(&f->workers, w->name, w);
}

struct worker *worker_know(struct farm *f, const char *name)
{
    struct worker *w = worker_find(f, name);
    if (w != NULL) return w;
    w = xcalloc(1, sizeof(*w));
    w->name = xstrdup(name);
    w->machine_id = xstrdup("");
    w->host = xstrdup("");
    w->build = xstrdup("");
    w->reason = xstrdup("");
    w->by = xstrdup("");
    w->state = WORKER_OFFLINE;
    w->presence = WORKER_AWAY;
    w->heartbeat_ms = HEARTBEAT_MS;
    bucket_init(&w->boots, BOOTS_BURST, BOOTS_PER_S, 0);
    chain_init(&w->attempts);
    chain_init(&w->in_touched);
    chain_init(&w->in_canaries);
    canary_init(w);
    presence_init(w);
    list_in_crew(f, w);
    return w;
}

void worker_free(struct farm *f, struct worker *w)
{
    worker_drop_slots(f, w);
    proof_forget(w);
    free(w->name);
    free(w->machine_id);
    free(w->host);
    free(w->build);
    free(w->reason);
    free(w->by);
    refusal_finish(w);
    shortage_finish(w);
    free(w->paces);
    free(w);
}

static void replace(char **text, const char *with)
{
    char *copy = xstrdup(with != NULL ? with : "");
    free(*text);
    *text = copy;
}

void worker_describe(struct worker *w, const char *machine_id, const char *host, const char *build)
{
    replace(&w->machine_id, machine_id);
    replace(&w->host, host);
    replace(&w->build, build);
}

void worker_explain(struct worker *w, const char *reason, const char *by)
{
    replace(&w->reason, reason);
    replace(&w->by, by);
}

/* ---- state ---- */

static bool holds_any(const struct worker *w)
{
    for (uint32_t i = 0; i < w->slot_count; i++) {
        if (w->slots[i].running != NULL || w->slots[i].next != NULL) return true;
    }
    return false;
}

static enum worker_state state_of(const struct worker *w)
{
    if (w->presence == WORKER_AWAY) return w->drained ? WORKER_DRAINED : WORKER_OFFLINE;
    if (w->presence == WORKER_SILENT) return WORKER_UNREACHABLE;
    if (w->quarantined) return WORKER_QUARANTINED;
    if (w->draining) return WORKER_DRAINING;
    if (!w->admitted) return w->canary.number != 0 ? WORKER_CANARY : WORKER_JOINING;
    if (holds_any(w)) return WORKER_BUSY;
    return w->canary.number != 0 ? WORKER_CANARY : WORKER_IDLE;
}

/* Changes that people want to hear of; the coming and going of work is not among them. */
static const char *news_of(enum worker_state old, enum worker_state new)
{
    static const char *const kinds[WORKER_STATE_COUNT] = {
        [WORKER_DRAINING] = "worker.draining",       [WORKER_DRAINED] = "worker.drained",
        [WORKER_UNREACHABLE] = "worker.unreachable", [WORKER_QUARANTINED] = "worker.quarantined",
        [WORKER_OFFLINE] = "worker.offline",
    };
    if (kinds[new] != NULL) return kinds[new];
    if (old == WORKER_UNREACHABLE) return "worker.back";
    return NULL;
}

static bool is_work(enum worker_state state)
{
    return state == WORKER_BUSY || state == WORKER_IDLE;
}

/* Who put it into quarantine, and why, is said until it is out again, wherever it goes meanwhile.
 */
static void change_state(struct farm *f, struct worker *w, enum worker_state state,
                         const char *reason, const char *by)
{
    const char *news = news_of(w->state, state);
    w->since_ms = f->wall_ms;
    if (!w->quarantined) worker_explain(w, reason, by);
    if (news != NULL) farm_event(f, news, NULL, -1, w->name, reason != NULL ? reason : w->reason);
    if (!is_work(w->state) || !is_work(state)) {
        f->settle_wanted = true;
        f->dispatch_wanted = true;
        f->pins_wanted = true;
    }
    w->state = state;
}

void worker_settle(struct farm *f, struct worker *w, const char *reason, const char *by)
{
    uint64_t ends = w->finished + w->failed + w->lost;
    enum worker_state state = state_of(w);
    roster_touch(f, w);
    bool is_news = state != w->state;
    if (is_news) change_state(f, w, state, reason, by);
    if (ends == w->saved_ends && (!is_news || is_work(state))) return;
    w->saved_ends = ends;
    worker_save(f, w);
}

/* Many tasks of one may end in a turn: its row is written once. */
static struct worker_record *record_of(struct farm *f, struct worker *w)
{
    if (w->saved_turn != f->effects.turn) {
        w->saved_turn = f->effects.turn;
        w->saved_effect = f->effects.count;
        (void)effects_add(&f->effects, EFFECT_SAVE_WORKER);
    }
    return &f->effects.items[w->saved_effect].worker;
}

/* That it is away passes by itself; that it is in quarantine does not. */
static enum worker_state saved_state(const struct worker *w)
{
    return w->quarantined ? WORKER_QUARANTINED : w->state;
}

void worker_save(struct farm *f, struct worker *w)
{
    struct worker_record record = {.name = w->name,
                                   .machine_id = effects_text(&f->effects, w->machine_id),
                                   .host = effects_text(&f->effects, w->host),
                                   .build = effects_text(&f->effects, w->build),
                                   .admitted = w->admitted,
                                   .state = saved_state(w),
                                   .reason = effects_text(&f->effects, w->reason),
                                   .by = effects_text(&f->effects, w->by),
                                   .since_ms = w->since_ms,
                                   .finished = w->finished,
                                   .failed = w->failed,
                                   .lost = w->lost};
    memcpy(record.boot_id, w->boot_id, sizeof(record.boot_id));
    *record_of(f, w) = record;
}

/* ---- what it may do ---- */

bool worker_accepts(const struct worker *w)
{
    return worker_accepts_but_for_disk(w) && !w->disk_low;
}

bool worker_accepts_but_for_disk(const struct worker *w)
{
    return w->presence == WORKER_PRESENT && w->session != 0 && w->admitted && !w->quarantined &&
           !w->draining && !w->crowded && !w->canary.wanted;
}

uint32_t worker_load(const struct worker *w)
{
    uint32_t count = 0;
    CHAIN_EACH(link, &w->attempts)
    count++;
    return count;
}

static bool has_memory(const struct slot *s, const struct lane *lane)
{
    return s->memory_bytes == 0 || lane->memory_bytes <= s->memory_bytes;
}

bool worker_has_room(const struct worker *w, const struct lane *lane)
{
    for (uint32_t i = 0; i < w->slot_count; i++) {
        if (has_memory(&w->slots[i], lane)) return true;
    }
    return w->slot_count == 0;
}

bool worker_could(const struct worker *w, const struct lane *lane)
{
    return w->presence == WORKER_PRESENT && w->admitted && !w->quarantined && !w->draining &&
           worker_has_room(w, lane) && !refusal_holds(w, lane);
}

bool worker_can(const struct worker *w, const struct lane *lane)
{
    return worker_could(w, lane) && !proof_failed(w, lane);
}

bool slot_fits(const struct worker *w, uint32_t slot, const struct lane *lane)
{
    return has_memory(&w->slots[slot], lane) && worker_can(w, lane) && !shortage_holds(w, lane);
}

bool slot_can(const struct worker *w, uint32_t slot, const struct lane *lane)
{
    return slot_fits(w, slot, lane) && proof_allows(&w->slots[slot], lane);
}

const struct pace *worker_known_pace(const struct worker *w, const struct lane *lane)
{
    for (uint32_t i = 0; i < w->pace_count; i++) {
        if (w->paces[i].lane == lane) return &w->paces[i].steps;
    }
    return NULL;
}

struct pace *worker_pace(struct worker *w, const struct lane *lane)
{
    for (uint32_t i = 0; i < w->pace_count; i++) {
        if (w->paces[i].lane == lane) return &w->paces[i].steps;
    }
    w->paces = xrealloc_array(w->paces, w->pace_count + 1, sizeof(w->paces[0]));
    struct worker_pace *added = &w->paces[w->pace_count++];
    *added = (struct worker_pace){.lane = lane};
    return &added->steps;
}

/* ---- messages ---- */

static struct effect_message *message_to(struct farm *f, const struct worker *w,
                                         enum effect_kind kind)
{
    struct effect_message *m = &effects_add(&f->effects, kind)->message;
    m->worker = w->name;
    m->session = w->session;
    m->text = "";
    return m;
}

struct effect_message *worker_message(struct farm *f, struct worker *w, enum effect_kind kind)
{
    struct effect_message *m = message_to(f, w, kind);
    m->number = ++w->last_number;
    return m;
}

struct effect_message *worker_answer(struct farm *f, const struct worker *w, enum effect_kind kind,
                                     const struct attempt_key *attempt)
{
    if (w->session == 0) return NULL;
    struct effect_message *m = message_to(f, w, kind);
    if (attempt != NULL) m->attempt = *attempt;
    return m;
}

/* ---- slots (W4) ---- */

void worker_drop_slots(struct farm *f, struct worker *w)
{
    roster_drop(f, w);
    for (uint32_t i = 0; i < w->slot_count; i++) {
        free(w->slots[i].backend);
        free(w->slots[i].fingerprint);
    }
    free(w->info);
    free(w->slots);
    w->info = NULL;
    w->slots = NULL;
    w->slot_count = 0;
}

void worker_set_slots(struct farm *f, struct worker *w, const struct farm_slot *slots,
                      uint32_t count)
{
    worker_drop_slots(f, w);
    w->info = xcalloc(count, sizeof(w->info[0]));
    w->slots = xcalloc(count, sizeof(w->slots[0]));
    w->slot_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct slot *slot = &w->slots[i];
        slot->worker = w;
        slot->index = i;
        slot->memory_bytes = slots[i].memory_bytes;
        chain_init(&slot->in_places);
        heap_node_init(&slot->by_recall, slot);
        heap_node_init(&slot->by_end, slot);
        slot->backend = xstrdup(slots[i].backend != NULL ? slots[i].backend : "");
        slot->fingerprint = xstrdup(slots[i].fingerprint != NULL ? slots[i].fingerprint : "");
        w->info[i] = slots[i];
        w->info[i].backend = slot->backend;
        w->info[i].fingerprint = slot->fingerprint;
    }
}

bool worker_slot_is_free(const struct slot *s)
{
    return s->running == NULL && s->next == NULL && !s->canary;
}

bool worker_place(struct worker *w, struct attempt *a)
{
    if (a->place == ATTEMPT_AWAY) return true;
    if (a->slot >= w->slot_count) return false;
    struct slot *s = &w->slots[a->slot];
    struct attempt **place = a->place == ATTEMPT_NEXT ? &s->next : &s->running;
    if (*place != NULL || (a->place == ATTEMPT_RUNNING && s->canary)) return false;
    *place = a;
    s->warm = a->task->lane;
    return true;
}

/* The worker begins its prefetched work by itself. */
static void begin_next(struct farm *f, struct slot *s, int64_t now_ns)
{
    if (s->running != NULL || s->next == NULL) return;
    s->running = s->next;
    s->next = NULL;
    lease_start(f, s->running, now_ns);
}

void worker_begin_next(struct farm *f, struct worker *w, int64_t now_ns)
{
    for (uint32_t i = 0; i < w->slot_count; i++)
        begin_next(f, &w->slots[i], now_ns);
}

void worker_vacate(struct farm *f, struct attempt *a, int64_t now_ns)
{
    struct worker *w = a->worker;
    bool placed = a->place != ATTEMPT_AWAY && a->slot < w->slot_count;
    a->place = ATTEMPT_AWAY;
    if (!placed) return;
    struct slot *s = &w->slots[a->slot];
    if (s->next == a) s->next = NULL;
    if (s->running == a) s->running = NULL;
    if (w->presence == WORKER_PRESENT) begin_next(f, s, now_ns);
    roster_touch(f, w);
}

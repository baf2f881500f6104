#include "coordinator/pin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "coordinator/attempt.h"
#include "coordinator/clip.h"

const char *pin_of(const struct work *w)
{
    if (w->group->tasks == 1) return NULL;
    if (w->done > 0) return w->fingerprint;
    if (chain_is_empty(&w->live)) return NULL;
    const struct attempt *a = CHAIN_OWNER(w->live.next, struct attempt, of_work);
    return a->fingerprint != NULL ? a->fingerprint : "";
}

bool pin_takes(const struct work *w, const char *fingerprint)
{
    const char *pin = pin_of(w);
    return pin == NULL || strcmp(pin, fingerprint) == 0;
}

bool pin_fits(const struct work *w, const struct worker *worker)
{
    const char *pin = pin_of(w);
    for (uint32_t i = 0; pin != NULL && i < worker->slot_count; i++) {
        if (strcmp(worker->slots[i].fingerprint, pin) == 0) return true;
    }
    return pin == NULL;
}

/* ---- nobody of that fingerprint (S7) ---- */

static bool can_all(const struct worker *worker, const struct group *g)
{
    for (uint32_t i = 0; i < g->stages; i++) {
        if (!worker_can(worker, g->stands[i].lane)) return false;
    }
    return true;
}

static bool has_maker(const struct farm *f, const struct work *w)
{
    for (size_t i = 0; i < f->workers.count; i++) {
        if (can_all(f->crew[i], w->group) && pin_fits(w, f->crew[i])) return true;
    }
    return false;
}

/* Without anybody else a clip would start over for nothing: all of a farm may be switched off. */
static bool has_heir(const struct farm *f, const struct work *w)
{
    for (size_t i = 0; i < f->workers.count; i++) {
        if (can_all(f->crew[i], w->group)) return true;
    }
    return false;
}

static void watch(struct farm *f, struct work *w, int64_t now_ns)
{
    if (has_maker(f, w))
        deadline_clear(&f->timers, &w->stranded);
    else if (!deadline_is_set(&w->stranded))
        deadline_set(&f->timers, &w->stranded, now_ns + PIN_PATIENCE_NS);
}

static void start_over(struct farm *f, void *subject, int64_t now_ns)
{
    struct work *w = subject;
    char text[128];
    if (chain_is_empty(&w->in_pinned)) return;
    bool lives = !chain_is_empty(&w->live); /* it may yet come in */
    if (lives || !batch_is_open(w->batch) || !has_heir(f, w)) {
        deadline_set(&f->timers, &w->stranded, now_ns + PIN_PATIENCE_NS);
        return;
    }
    (void)snprintf(text, sizeof(text), "%u stored parts are dropped: nobody renders as %.64s does",
                   (unsigned)w->done, w->fingerprint);
    farm_event(f, "clip.repinned", w->batch->id, w->clip, NULL, text);
    work_start_over(f, w);
}

void pin_init(struct work *w)
{
    chain_init(&w->in_pinned);
    deadline_init(&w->stranded, w, start_over);
}

void pin_update(struct farm *f, struct work *w, const char *fingerprint)
{
    if (fingerprint != NULL && w->done == 0) {
        free(w->fingerprint);
        w->fingerprint = xstrdup(fingerprint);
    }
    bool stands = w->done > 0 && !work_is_done(w) && clip_state(w->batch, w->clip) != CLIP_FAILED;
    if (stands && chain_is_empty(&w->in_pinned)) chain_append(&f->pinned, &w->in_pinned);
    if (stands) f->pins_wanted = true;
    if (stands) return;
    chain_remove(&w->in_pinned);
    deadline_clear(&f->timers, &w->stranded);
}

void pin_settle(struct farm *f, int64_t now_ns)
{
    if (!f->pins_wanted) return;
    f->pins_wanted = false;
    CHAIN_EACH(link, &f->pinned)
    watch(f, CHAIN_OWNER(link, struct work, in_pinned), now_ns);
}

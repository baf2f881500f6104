#include "coordinator/pin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
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

static bool has_slot_of(const struct worker *worker, const char *fingerprint)
{
    for (uint32_t i = 0; i < worker->slot_count; i++) {
        if (strcmp(worker->slots[i].fingerprint, fingerprint) == 0) return true;
    }
    return false;
}

bool pin_fits(const struct work *w, const struct worker *worker)
{
    const char *pin = pin_of(w);
    return pin == NULL || has_slot_of(worker, pin);
}

/* ---- nobody of that fingerprint (S7) ---- */

enum found { NOT_ASKED, SOMEBODY, NOBODY };

/* What was found out, while workers stay as they are: thousands of clips may ask the same of
 * thousands of workers, most of whom are gone. */
struct crews {
    const struct farm *f;
    struct table known; /* lane and fingerprint -> enum found */
    struct buf key;
};

static void crews_finish(struct crews *c)
{
    table_finish(&c->known);
    buf_finish(&c->key);
}

static enum found look_for(const struct farm *f, const struct lane *lane, const char *fingerprint)
{
    for (size_t i = f->workers.count; i-- > 0;) {
        if (worker_can(f->crew[i], lane) && has_slot_of(f->crew[i], fingerprint)) return SOMEBODY;
    }
    return NOBODY;
}

static bool has_worker(struct crews *c, const struct lane *lane, const char *fingerprint)
{
    buf_clear(&c->key);
    buf_append(&c->key, &lane, sizeof(lane));
    buf_append_text(&c->key, fingerprint);
    uintptr_t known = (uintptr_t)table_get(&c->known, c->key.data, c->key.size);
    if (known == NOT_ASKED) {
        known = look_for(c->f, lane, fingerprint);
        (void)table_set(&c->known, c->key.data, c->key.size, (void *)known);
    }
    return known == SOMEBODY;
}

/* Somebody for each stage: it need not be one worker for all of them. */
static bool has_crew(struct crews *c, const struct work *w, const char *fingerprint)
{
    for (uint32_t i = 0; i < w->group->stages; i++) {
        if (!has_worker(c, w->group->stands[i].lane, fingerprint)) return false;
    }
    return true;
}

static bool is_heir(struct crews *c, const struct work *w, const struct worker *worker)
{
    for (uint32_t s = 0; s < worker->slot_count; s++) {
        if (has_crew(c, w, worker->slots[s].fingerprint)) return true;
    }
    return false;
}

/* Without anybody else a clip would start over for nothing: all of a farm may be switched off. */
static bool has_heir(const struct farm *f, const struct work *w)
{
    struct crews c = {.f = f};
    bool found = false;
    for (size_t i = f->workers.count; i-- > 0 && !found;)
        found = is_heir(&c, w, f->crew[i]);
    crews_finish(&c);
    return found;
}

static void watch(struct farm *f, struct work *w, struct crews *c, int64_t now_ns)
{
    if (has_crew(c, w, w->fingerprint))
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
    chain_remove(&w->in_pinned);
    if (stands) {
        chain_append(&f->repinned, &w->in_pinned);
        return;
    }
    deadline_clear(&f->timers, &w->stranded);
}

void pin_settle(struct farm *f, int64_t now_ns)
{
    struct crews c = {.f = f};
    if (f->pins_wanted) chain_splice(&f->repinned, &f->pinned);
    f->pins_wanted = false;
    CHAIN_EACH(link, &f->repinned)
    watch(f, CHAIN_OWNER(link, struct work, in_pinned), &c, now_ns);
    crews_finish(&c);
    chain_splice(&f->pinned, &f->repinned);
}

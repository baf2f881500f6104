#include "coordinator/offer_judge.h"

#include <string.h>

#include "coordinator/shell.h"
#include "coordinator/task_place.h"

static bool is_segment(const struct output *o, const struct task_place *p)
{
    return strcmp(o->kind, "segment") == 0 && o->frames == p->task.made_frames &&
           o->width == p->width && o->height == p->height;
}

static bool is_latents(const struct output *o, const struct task_place *p)
{
    return strcmp(o->kind, "latents") == 0 && (o->frames == 0 || o->frames == p->task.frames) &&
           o->size_bytes <= (uint64_t)LIMIT_LATENTS_BYTES;
}

/* One small text, which rode in the offer. */
static bool is_report(const struct farm_offer *offer, const struct task_place *p)
{
    const struct output *o = &offer->outputs[0];
    return offer->output_count == 1 && strcmp(o->kind, "report") == 0 &&
           o->size_bytes <= LIMIT_INLINE_BYTES && o->frames == p->task.made_frames &&
           o->width == p->width && o->height == p->height;
}

/* A segment, when it makes frames, then the latents, when somebody goes on from them. */
static bool are_outputs(const struct farm_offer *offer, const struct task_place *p)
{
    const bool segment = p->task.made_frames > 0;
    uint32_t next = 0;
    if (p->shape.output == OUTPUT_REPORT) return is_report(offer, p);
    if (offer->output_count != (uint32_t)segment + (uint32_t)p->task.latents) return false;
    if (segment && !is_segment(&offer->outputs[next++], p)) return false;
    return !p->task.latents || is_latents(&offer->outputs[next], p);
}

/* What is gone is no match, and the core knows best what to say then. */
static bool find(struct task_place *p, struct coordinator *c, const struct task_key *key,
                 bool *found, struct error *err)
{
    struct error why = {0};
    *found = task_place_find(p, c, key, &why);
    if (*found || why.code == ERROR_NOT_FOUND) return true;
    return error_set(err, why.code, "%s", why.message);
}

bool offer_judge(struct coordinator *c, const struct offer_claim *claim, struct farm_offer *offer,
                 struct error *err)
{
    struct task_place place;
    bool found = false;
    const bool ok = find(&place, c, &offer->attempt.task, &found, err);
    offer->matches = found && digest_equal(&place.recipe_digest, &claim->recipe) &&
                     digest_equal(&place.model, &claim->model) && are_outputs(offer, &place);
    task_place_finish(&place);
    return ok;
}

void offer_link_rows(struct coordinator *c, uint64_t session, struct farm_offer *offer,
                     struct offer_rows *rows)
{
    offer_unlink_rows(offer);
    if (farm_offer_is_foreign(c->farm, session, &offer->attempt) &&
        store_attempt_worker(c->store, &offer->attempt, rows->given_to, NULL))
        offer->given_to = rows->given_to;
    if (farm_offer_wants_row(c->farm, &offer->attempt.task) && /* last: its texts are the store's */
        store_task(c->store, &offer->attempt.task, &rows->task, NULL))
        offer->row = &rows->task;
}

void offer_unlink_rows(struct farm_offer *offer)
{
    offer->row = NULL;
    offer->given_to = NULL;
}

bool offer_judge_checkpoint(struct coordinator *c, const struct offer_claim *claim,
                            struct farm_checkpoint *checkpoint, struct error *err)
{
    struct task_place place;
    bool found = false;
    const bool ok = find(&place, c, &checkpoint->attempt.task, &found, err);
    checkpoint->matches = found && digest_equal(&place.recipe_digest, &claim->recipe) &&
                          checkpoint->step > 0 && checkpoint->step <= LIMIT_STEPS;
    task_place_finish(&place);
    return ok;
}

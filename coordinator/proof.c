#include "coordinator/proof.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "coordinator/canary.h"

/* Of an honest farm there are far fewer; a worker that tells new fingerprints all the time shall
 * not fill the memory. */
#define VOTES_MAX 4096
#define PROOFS_MAX 1024

/* ---- canaries ---- */

struct model_canary *proof_canary_of(const struct farm *f, const struct digest *model)
{
    return table_get(&f->canaries, model->bytes, sizeof(model->bytes));
}

/* Work of it may wait already. */
static void tell_lanes(struct farm *f, const struct model_canary *c)
{
    struct lane *lane = NULL;
    for (size_t i = 0; (lane = table_next(&f->lanes, &i, NULL, NULL)) != NULL;) {
        if (digest_equal(&lane->model, &c->model)) lane->canary = c;
    }
}

void proof_want(struct farm *f, const struct digest *model, const char *name)
{
    if (proof_canary_of(f, model) != NULL) return;
    struct model_canary *c = xcalloc(1, sizeof(*c));
    c->farm = f;
    c->model = *model;
    c->name = xstrdup(name);
    (void)table_set(&f->canaries, model->bytes, sizeof(model->bytes), c);
    tell_lanes(f, c);
}

static void free_canary(struct model_canary *c)
{
    for (uint32_t i = 0; i < c->vote_count; i++)
        free(c->votes[i].fingerprint);
    for (uint32_t i = 0; i < c->answer_count; i++)
        free(c->answers[i].fingerprint);
    free(c->votes);
    free(c->answers);
    free(c->name);
    free(c);
}

void proof_finish(struct farm *f)
{
    struct model_canary *c = NULL;
    for (size_t i = 0; (c = table_next(&f->canaries, &i, NULL, NULL)) != NULL;)
        free_canary(c);
    table_finish(&f->canaries);
}

/* ---- answers ---- */

static const struct digest could_not = {{0}};

static const struct answer *answer_of(const struct model_canary *c, const char *fingerprint)
{
    for (uint32_t i = 0; i < c->answer_count; i++) {
        if (strcmp(c->answers[i].fingerprint, fingerprint) == 0) return &c->answers[i];
    }
    return NULL;
}

static bool nobody_can(const struct model_canary *c, const char *fingerprint)
{
    const struct answer *a = answer_of(c, fingerprint);
    return a != NULL && digest_equal(&a->frames, &could_not);
}

static struct vote *vote_of(struct model_canary *c, const struct worker *w, const char *fingerprint)
{
    for (uint32_t i = 0; i < c->vote_count; i++) {
        struct vote *v = &c->votes[i];
        if (v->worker == w && strcmp(v->fingerprint, fingerprint) == 0) return v;
    }
    return NULL;
}

static void put_vote(struct model_canary *c, struct worker *w, const char *fingerprint,
                     const struct digest *frames)
{
    struct vote *v = vote_of(c, w, fingerprint);
    if (v == NULL && c->vote_count == VOTES_MAX) return;
    if (v == NULL) {
        c->votes = xrealloc_array(c->votes, c->vote_count + 1, sizeof(*c->votes));
        v = &c->votes[c->vote_count++];
        *v = (struct vote){.worker = w, .fingerprint = xstrdup(fingerprint)};
    }
    v->frames = *frames;
}

static void drop_votes(struct model_canary *c, const struct worker *w)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->vote_count; i++) {
        if (c->votes[i].worker == w)
            free(c->votes[i].fingerprint);
        else
            c->votes[kept++] = c->votes[i];
    }
    c->vote_count = kept;
}

static uint32_t count_votes(const struct model_canary *c, const char *fingerprint,
                            const struct digest *frames)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->vote_count; i++) {
        const struct vote *v = &c->votes[i];
        count += strcmp(v->fingerprint, fingerprint) == 0 && digest_equal(&v->frames, frames);
    }
    return count;
}

static void put_answer(struct model_canary *c, const char *fingerprint, const struct digest *frames)
{
    c->answers = xrealloc_array(c->answers, c->answer_count + 1, sizeof(*c->answers));
    c->answers[c->answer_count++] =
        (struct answer){.fingerprint = xstrdup(fingerprint), .frames = *frames};
}

/* ---- proofs ---- */

static struct proof *proof_of(const struct worker *w, const struct model_canary *c,
                              const char *fingerprint)
{
    for (uint32_t i = 0; i < w->proof_count; i++) {
        struct proof *p = &w->proofs[i];
        if (p->of == c && strcmp(p->fingerprint, fingerprint) == 0) return p;
    }
    return NULL;
}

void proof_forget(struct worker *w)
{
    for (uint32_t i = 0; i < w->proof_count; i++)
        free(w->proofs[i].fingerprint);
    free(w->proofs);
    w->proofs = NULL;
    w->proof_count = 0;
}

void proof_start_anew(struct farm *f, struct worker *w)
{
    struct model_canary *c = NULL;
    for (size_t i = 0; (c = table_next(&f->canaries, &i, NULL, NULL)) != NULL;)
        drop_votes(c, w);
    proof_forget(w);
}

static void put_proof(struct worker *w, const struct model_canary *c, const char *fingerprint,
                      bool good)
{
    struct proof *p = proof_of(w, c, fingerprint);
    if (p == NULL) {
        if (w->proof_count == PROOFS_MAX) proof_forget(w);
        w->proofs = xrealloc_array(w->proofs, w->proof_count + 1, sizeof(*w->proofs));
        p = &w->proofs[w->proof_count++];
        *p = (struct proof){.of = c, .fingerprint = xstrdup(fingerprint)};
    }
    p->good = good;
}

static bool has_failed(const struct worker *w, const struct model_canary *c)
{
    for (uint32_t i = 0; i < w->proof_count; i++) {
        const struct proof *p = &w->proofs[i];
        if (p->of == c && !p->good && !nobody_can(c, p->fingerprint)) return true;
    }
    return false;
}

/* Another is here who could render it, or did. */
static bool others_can_tell(const struct worker *w, const struct lane *lane)
{
    const struct farm *f = lane->canary->farm;
    for (size_t i = 0; i < f->workers.count; i++) {
        const struct worker *other = f->crew[i];
        if (other != w && worker_could(other, lane) && !has_failed(other, lane->canary))
            return true;
    }
    return false;
}

bool proof_failed(const struct worker *w, const struct lane *lane)
{
    return lane->canary != NULL && has_failed(w, lane->canary) && others_can_tell(w, lane);
}

bool proof_is_owed(const struct slot *s, const struct lane *lane)
{
    return lane->canary != NULL && proof_of(s->worker, lane->canary, s->fingerprint) == NULL &&
           !nobody_can(lane->canary, s->fingerprint);
}

/* What runs there stays: a canary is never prefetched. */
bool proof_allows(const struct slot *s, const struct lane *lane)
{
    return !proof_is_owed(s, lane) || (s->running == NULL && canary_could_go(s->worker));
}

/* ---- hearing ---- */

static void tell(struct farm *f, const char *kind, const struct worker *w,
                 const struct model_canary *c, const char *what)
{
    char text[LIMIT_TEXT_BYTES];
    (void)snprintf(text, sizeof(text), "the canary of model %s: %s", c->name, what);
    farm_event(f, kind, NULL, -1, w->name, text);
}

/* Two agree: who said something else was wrong. */
static void find_odd_ones(struct farm *f, struct model_canary *c, const struct lane *lane,
                          const struct answer *right, int64_t now_ns)
{
    for (uint32_t i = 0; i < c->vote_count; i++) {
        const struct vote *v = &c->votes[i];
        if (strcmp(v->fingerprint, right->fingerprint) != 0 ||
            digest_equal(&v->frames, &right->frames))
            continue;
        proof_forget(v->worker);
        canary_was_wrong(f, v->worker, lane, "two others agree on other frames", now_ns);
    }
}

/* It can be that the model is at fault: then nobody is. */
static void settle(struct farm *f, struct worker *w, struct model_canary *c,
                   const struct lane *lane, const char *fingerprint, const struct digest *frames,
                   int64_t now_ns)
{
    put_answer(c, fingerprint, frames);
    if (digest_equal(frames, &could_not))
        tell(f, "canary.useless", w, c, "two workers cannot render it; its tasks go on without");
    else
        find_odd_ones(f, c, lane, answer_of(c, fingerprint), now_ns);
}

static bool differs(const struct model_canary *c, const char *fingerprint,
                    const struct digest *frames)
{
    for (uint32_t i = 0; i < c->vote_count; i++) {
        const struct vote *v = &c->votes[i];
        if (strcmp(v->fingerprint, fingerprint) == 0 && !digest_equal(&v->frames, frames))
            return true;
    }
    return false;
}

static enum canary_verdict compare(const struct answer *known, const struct digest *frames)
{
    bool right = digest_equal(&known->frames, &could_not) || digest_equal(&known->frames, frames);
    return right ? CANARY_RIGHT : CANARY_WRONG;
}

static enum canary_verdict vote(struct farm *f, struct worker *w, const struct lane *lane,
                                const char *fingerprint, const struct digest *frames,
                                int64_t now_ns)
{
    struct model_canary *c = proof_canary_of(f, &lane->model);
    const struct answer *known = answer_of(c, fingerprint);
    if (known != NULL) return compare(known, frames);
    put_vote(c, w, fingerprint, frames);
    if (count_votes(c, fingerprint, frames) >= 2) {
        settle(f, w, c, lane, fingerprint, frames, now_ns);
        return CANARY_RIGHT;
    }
    if (differs(c, fingerprint, frames))
        tell(f, "canary.differs", w, c, "workers differ, and a third decides");
    return CANARY_UNKNOWN;
}

enum canary_verdict proof_hear(struct farm *f, struct worker *w, const struct lane *lane,
                               const char *fingerprint, const struct digest *frames,
                               enum canary_verdict said, int64_t now_ns)
{
    enum canary_verdict verdict = said;
    if (said == CANARY_UNKNOWN)
        verdict = vote(f, w, lane, fingerprint, frames != NULL ? frames : &could_not, now_ns);
    bool good = verdict == CANARY_RIGHT || frames != NULL;
    if (verdict != CANARY_WRONG) put_proof(w, lane->canary, fingerprint, good);
    f->dispatch_wanted = true; /* others may have waited for it */
    f->settle_wanted = true;
    return verdict;
}

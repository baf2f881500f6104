/* proof: that a worker renders a model right (W2). Before the first task of a model that has a
 * canary of its own, a worker renders that canary, once a boot and fingerprint, whatever the slot
 * and the LoRAs. What it answers is judged by the model's canary.json where that says something
 * (the shell looks), else by what two workers agree on; until then a sound frame is enough, and
 * when two differ a third decides. A model whose canary nobody here can render needs none: its
 * tasks show what is wrong. Kept in memory only: a start of the farm asks again. */
#ifndef ZOE_COORDINATOR_PROOF_H
#define ZOE_COORDINATOR_PROOF_H

#include "coordinator/farm_canary.h"
#include "coordinator/worker_core.h"

struct vote { /* what one worker answered while nobody knew better */
    struct worker *worker;
    char *fingerprint;
    struct digest frames; /* zero: it could not */
};

struct answer { /* two agreed on it */
    char *fingerprint;
    struct digest frames; /* zero: the canary cannot be rendered: everybody is excused */
};

struct model_canary { /* of one model; stays for the life of the farm */
    const struct farm *farm;
    struct digest model;
    char *name; /* of the model, for people */
    struct vote *votes;
    uint32_t vote_count;
    struct answer *answers;
    uint32_t answer_count;
};

struct proof { /* what a worker showed in this boot */
    const struct model_canary *of;
    char *fingerprint;
    bool good; /* false: it could not render it, and nobody knows whose fault that is */
};

/* The model has a canary of its own; more than once is fine. */
void proof_want(struct farm *f, const struct digest *model, const char *name);
/* NULL: it needs none. */
struct model_canary *proof_canary_of(const struct farm *f, const struct digest *model);
void proof_finish(struct farm *f);

/* Nothing is shown any more: there is another word about it. */
void proof_forget(struct worker *w);
/* Another process: nothing is shown, and what the one before answered is not held against it. */
void proof_start_anew(struct farm *f, struct worker *w);
/* May work of this kind be chosen for the slot: it is shown, or the canary could go out now? */
bool proof_allows(const struct slot *s, const struct lane *lane);
/* The canary goes first. */
bool proof_is_owed(const struct slot *s, const struct lane *lane);
/* It could not render the canary, and others are here who can tell whose fault that is. */
bool proof_failed(const struct worker *w, const struct lane *lane);

/* What `w` answered in a slot of this fingerprint; frames NULL: it could not. `said`: what the
 * model's canary.json says of it. RIGHT and UNKNOWN are noted; two that agree against others put
 * those into quarantine. UNKNOWN: nobody knows yet. */
enum canary_verdict proof_hear(struct farm *f, struct worker *w, const struct lane *lane,
                               const char *fingerprint, const struct digest *frames,
                               enum canary_verdict said, int64_t now_ns);

#endif

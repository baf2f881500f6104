/* worker_core: what the farm knows of a worker: who it is (W1), whether it may work (its canary),
 * what its slots hold (W4), and since when it is silent (L2). A worker once seen stays known. */
#ifndef ZOE_COORDINATOR_WORKER_CORE_H
#define ZOE_COORDINATOR_WORKER_CORE_H

#include "base/bucket.h"
#include "coordinator/attempt.h"
#include "coordinator/lane.h"

enum presence { WORKER_AWAY, WORKER_SILENT, WORKER_PRESENT };

struct slot {
    struct worker *worker;
    uint32_t index;
    struct attempt *running;
    struct attempt *next;
    bool canary; /* renders one instead */
    char *backend;
    char *fingerprint;
    uint64_t memory_bytes;   /* 0 = not told */
    const struct lane *warm; /* of the last work it took; NULL = none yet */
    struct chain in_places;  /* what the roster knows of it: */
    struct heap_node by_recall;
    struct heap_node by_end;
    bool is_open;
    bool is_recalled;
};

struct refusal { /* coordinator/refusal.h */
    struct digest model, loras;
    const struct lane *lane; /* NULL: the whole model with these LoRAs */
    int64_t until_ns;        /* INT64_MAX: of this boot */
    bool holds;
    uint32_t times; /* in a row that the model could not be had; 0 = it lacks memory */
};

struct shortage { /* coordinator/shortage.h */
    const struct lane *lane;
    int64_t until_ns;
    uint64_t free_bytes; /* of its disk then, once it was told */
    bool told;
    bool holds;
    uint32_t times; /* that it found no room */
};

struct canary {
    bool wanted;             /* before any work */
    const struct lane *next; /* the one that is wanted: of this work's model; NULL = `pattern` */
    uint64_t number;         /* of the one that is out; 0 = none */
    const struct lane *out;  /* its model's work, likewise */
    uint32_t slot;
    bool heard; /* its worker has it; with how far it is: */
    enum attempt_phase phase;
    uint32_t step;
    uint64_t amount;
    uint32_t right; /* since the start of this farm */
    uint32_t wrong; /* in a row */
    struct deadline due;
    struct deadline again; /* the next try of a quarantined worker, or of what was handed back */
};

struct proof; /* proof.h */

struct standing {             /* standing.h */
    uint32_t in_a_row;        /* counted ends since the last finish */
    uint32_t last_ten;        /* a bit an end, newest lowest: 1 = it counted */
    uint32_t losses;          /* since the last finish */
    bool suspected;           /* rendered a canary for that */
    uint32_t suspected_right; /* what it had rendered right by then: tasks since are not "those" */
    uint32_t disproofs;
    bool held; /* in quarantine by an operator: canaries do not lead out of it */
};

struct worker_pace {
    const struct lane *lane;
    struct pace steps;
};

struct worker {
    char *name;
    uint8_t boot_id[ID_BOOT_BYTES];
    struct bucket boots; /* how often it may have another one */
    char *machine_id;
    char *host;
    char *build;
    char *reason;
    char *by;
    int64_t since_ms;
    enum worker_state state; /* as last told */

    enum presence presence;
    bool admitted;
    bool quarantined;
    bool draining;
    bool drained;
    bool disk_low;
    bool crowded;        /* it holds what is over here, and said so: until its next heartbeat */
    int64_t drain_by_ns; /* of the operator's drain, said again to a new session; 0 = no limit */

    uint64_t session; /* 0 = none */
    uint64_t last_number;
    uint32_t heartbeat_ms; /* as it was told */
    int64_t heard_ns;
    bool heard;
    struct deadline silence;

    struct farm_slot *info; /* one a slot, for questions; texts are the slots' */
    struct slot *slots;
    uint32_t slot_count;
    struct chain attempts;
    struct chain in_touched; /* farm.roster */
    struct chain in_canaries;
    bool accepted;      /* as the roster last saw it */
    struct task *guest; /* it is kept free of all but this one (T5); NULL = none */
    struct canary canary;
    struct proof *proofs;
    uint32_t proof_count;
    struct standing standing;
    struct refusal *refusals;
    uint32_t refusal_count;
    struct shortage *shortages;
    uint32_t shortage_count;
    struct worker_pace *paces;
    uint32_t pace_count;

    uint64_t finished;
    uint64_t failed;
    uint64_t lost;
    uint64_t saved_ends; /* finished + failed + lost as last saved */
    uint64_t saved_turn; /* of effects, in which its row is saved by ... */
    size_t saved_effect; /* ... this one of them */
    uint64_t memory_bytes;
    uint32_t outbox_count;
};

struct worker *worker_find(const struct farm *f, const char *name);
struct worker *worker_know(struct farm *f, const char *name); /* made, away, when it is new */
struct worker *worker_of_session(const struct farm *f, uint64_t session);
void worker_free(struct farm *f, struct worker *w);
/* Texts are copied; NULL = "". */
void worker_describe(struct worker *w, const char *machine_id, const char *host, const char *build);
void worker_explain(struct worker *w, const char *reason, const char *by);

/* The public state follows from the flags; tells when it changed. `reason` may be NULL. */
void worker_settle(struct farm *f, struct worker *w, const char *reason, const char *by);
void worker_save(struct farm *f, struct worker *w);
/* May be given work now. */
bool worker_accepts(const struct worker *w);
/* Would be given work if its disk had room. */
bool worker_accepts_but_for_disk(const struct worker *w);
/* Could run this kind of work, now or after its canary or its disk's recovery (S1, T4). */
bool worker_can(const struct worker *w, const struct lane *lane);
uint32_t worker_load(const struct worker *w); /* attempts that live there */
/* The same but for what its model's canary said (proof.h). */
bool worker_could(const struct worker *w, const struct lane *lane);
/* Some slot has the memory for it. */
bool worker_has_room(const struct worker *w, const struct lane *lane);
/* And this slot has; other work, or the canary of its model, may stand in the way for now. */
bool slot_fits(const struct worker *w, uint32_t slot, const struct lane *lane);
/* And in this slot; the canary of its model may have to go first (proof_is_owed). */
bool slot_can(const struct worker *w, uint32_t slot, const struct lane *lane);
struct pace *worker_pace(struct worker *w, const struct lane *lane); /* made when new */
const struct pace *worker_known_pace(const struct worker *w, const struct lane *lane);

/* The next numbered message to its session. */
struct effect_message *worker_message(struct farm *f, struct worker *w, enum effect_kind kind);
/* An unnumbered one. NULL when there is no session. */
struct effect_message *worker_answer(struct farm *f, const struct worker *w, enum effect_kind kind,
                                     const struct attempt_key *attempt);

/* Copies them; every slot is empty afterwards. */
void worker_set_slots(struct farm *f, struct worker *w, const struct farm_slot *slots,
                      uint32_t count);
void worker_drop_slots(struct farm *f, struct worker *w);
/* Puts an attempt where it says it is; false when that place is taken or does not exist. */
bool worker_place(struct worker *w, struct attempt *a);
/* Takes it out of its slot; a prefetched one behind it begins. */
void worker_vacate(struct farm *f, struct attempt *a, int64_t now_ns);
/* The worker began prefetched work by itself while it was not heard. */
void worker_begin_next(struct farm *f, struct worker *w, int64_t now_ns);
bool worker_slot_is_free(const struct slot *s);

#endif

/* slot_core_parts: what the files of slot_core share; nobody else includes it. */
#ifndef ZOE_WORKER_SLOT_CORE_PARTS_H
#define ZOE_WORKER_SLOT_CORE_PARTS_H

#include "worker/slot_core.h"

/* ---- what comes of an event ---- */

struct slot_action *slot_act(struct slot_actions *out, enum slot_action_kind kind,
                             const struct slot_work *work);
/* These free the work. */
void slot_hand_back(struct slot_work *work, Farm__HandBackReason reason, const char *message,
                    struct slot_actions *out);
void slot_end(struct slot_work *work, Farm__EndKind kind, const char *message, uint32_t steps,
              struct slot_actions *out);
/* That the canary of `pattern` cannot be rendered here is an answer too: handing it back would only
 * bring it again. */
void slot_refuse(struct slot_work *work, Farm__HandBackReason reason, uint32_t steps,
                 const char *message, struct slot_actions *out);
/* At most ten times a second within a phase. */
void slot_say_progress(struct slot_core *s, int64_t now_ns, struct slot_actions *out);
bool slot_has_unsaid(const struct slot_core *s);

/* ---- the running attempt ---- */

bool slot_is_named(const struct slot_work *work, const struct attempt_name *name);
void slot_set_phase(struct slot_core *s, Farm__Phase phase, int64_t now_ns);
void slot_begin(struct slot_core *s, struct slot_work *work, int64_t now_ns);
struct slot_work *slot_take_running(struct slot_core *s);
uint32_t slot_steps_computed(const struct slot_core *s);
/* Without a sign for so long its engine hangs. */
int64_t slot_patience_ns(const struct slot_core *s);
void slot_kill_engine(struct slot_core *s, enum slot_intent intent, struct slot_actions *out);

/* Starts what can be started. */
void slot_pump(struct slot_core *s, int64_t now_ns, struct slot_actions *out);

/* ---- checkpoints ---- */

/* After a step: asks for one when it is time, or the last one. */
void slot_pace_step(struct slot_core *s, int64_t now_ns, struct slot_actions *out);

#endif

/* pin: a clip of several tasks is made with one fingerprint (S7): that of its first stored output,
 * and while nothing is stored that of an attempt that lives. A checkpoint pins nothing. */
#ifndef ZOE_COORDINATOR_PIN_H
#define ZOE_COORDINATOR_PIN_H

#include "coordinator/work.h"
#include "coordinator/worker_core.h"

#define PIN_PATIENCE_NS (600 * NS_PER_S)

/* NULL: any will do. "" = what lives is not known (after a start): none will do yet. */
const char *pin_of(const struct work *w);
bool pin_takes(const struct work *w, const char *fingerprint);
/* Some slot of this worker could go on with it. */
bool pin_fits(const struct work *w, const struct worker *worker);
void pin_init(struct work *w);
/* Outputs were stored, dropped or fetched from the store: whether the pin stands may have changed.
 */
void pin_update(struct farm *f, struct work *w, const char *fingerprint);
/* Workers came or went: clips whose fingerprint nobody has wait so long, then start over. */
void pin_settle(struct farm *f, int64_t now_ns);

#endif

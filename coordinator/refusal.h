/* refusal: kinds of work that a worker said it cannot do (T3: refusals are remembered and not
 * repeated).
 *
 * One for want of memory holds as long as that process lives. That a model could not be had or
 * loaded may have been a disk's, a file's or the coordinator's passing trouble, and a worker cannot
 * tell: such a refusal holds for a minute, then for two, four, at most an hour. In memory only. */
#ifndef ZOE_COORDINATOR_REFUSAL_H
#define ZOE_COORDINATOR_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>

struct farm;
struct lane;
struct worker;

/* The model of that work, with its LoRAs, cannot be had there. */
void refusal_of_model(struct farm *f, struct worker *w, const struct lane *lane, int64_t now_ns);
/* Such work is too large for its slots; `whole_model`: all work of the model is. */
void refusal_of_memory(struct farm *f, struct worker *w, const struct lane *lane, bool whole_model);
bool refusal_holds(const struct worker *w, const struct lane *lane);
/* Its heartbeat came: some may be over. */
void refusal_hear(struct farm *f, struct worker *w, int64_t now_ns);
void refusal_forget(struct worker *w); /* another process */
void refusal_finish(struct worker *w); /* frees */
uint32_t refusal_count(const struct worker *w);

/* So long is not asked again what was refused so many times, 1 or more. */
int64_t refusal_length_ns(uint32_t times);

#endif

/* loading: the core as the store holds it, at the start and again after a failed commit. */
#ifndef ZOE_COORDINATOR_LOADING_H
#define ZOE_COORDINATOR_LOADING_H

#include <stdbool.h>

#include "base/error.h"

struct coordinator;

/* Replaces c->farm and c->catalog by what the store says. On failure the old ones stay. */
bool loading_load(struct coordinator *c, struct error *err);
/* Start only: files that nobody claims are removed, damage is told to the core. */
bool loading_recover(struct coordinator *c, struct error *err);

#endif

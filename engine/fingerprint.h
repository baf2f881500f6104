/* fingerprint: what decides the bits of a result, as one word: engine's numeric version, backend
 * and its kernels, libc. Never threads. */
#ifndef ZOE_ENGINE_FINGERPRINT_H
#define ZOE_ENGINE_FINGERPRINT_H

#include "engine/engine.h"
#include "engine/ops.h"

/* ops == NULL: results that are integers everywhere. */
void fingerprint_text(const struct ops *ops, char out[ENGINE_FINGERPRINT_SIZE]);

#endif

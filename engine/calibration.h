/* calibration: how fast products of each class are on this machine, now. Internal to engine/. */
#ifndef ZOE_ENGINE_CALIBRATION_H
#define ZOE_ENGINE_CALIBRATION_H

#include "engine/ops.h"

/* Operations a second, with as many threads as options say. Takes about half a second. */
bool calibration_run(const char *backend, int threads, double out[FLOP_CLASSES], struct error *err);

#endif

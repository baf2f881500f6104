/* pace: the median of the last few durations of one kind of work. */
#ifndef ZOE_COORDINATOR_PACE_H
#define ZOE_COORDINATOR_PACE_H

#include <stdint.h>

#define PACE_SAMPLES 15

struct pace {
    int64_t samples_ns[PACE_SAMPLES];
    uint32_t count; /* ever added */
    int64_t median_ns;
};

void pace_add(struct pace *p, int64_t duration_ns);
int64_t pace_median(const struct pace *p); /* 0 = unknown */

#endif

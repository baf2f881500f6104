/* samples: numbers measured one by one, and their order statistics. */
#ifndef ZOE_CLI_BENCH_SAMPLES_H
#define ZOE_CLI_BENCH_SAMPLES_H

#include <stddef.h>

struct samples {
    double *items;
    size_t count;
    size_t capacity;
};

void samples_add(struct samples *s, double value);
double samples_at(struct samples *s, double share); /* 0.99: the 99th percentile; sorts; 0 = none */
double samples_max(const struct samples *s);
/* Change of the value from one sample to the next, by least squares over samples from..end. */
double samples_slope(const struct samples *s, size_t from);
void samples_finish(struct samples *s);

#endif

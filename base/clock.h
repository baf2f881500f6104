/* clock: monotonic nanoseconds for decisions, wall milliseconds for display and the store. Nothing
 * else in the tree asks the time. */
#ifndef ZOE_BASE_CLOCK_H
#define ZOE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

int64_t clock_now_ns(void);  /* CLOCK_MONOTONIC */
int64_t clock_wall_ms(void); /* Unix time in milliseconds */

/* For qsort: below 0 when `a` is earlier. */
int clock_compare(const struct timespec *a, const struct timespec *b);

/* "2026-11-24T10:00:00.123Z"; out needs CLOCK_TEXT_SIZE bytes. */
#define CLOCK_TEXT_SIZE 25
void clock_wall_text(int64_t wall_ms, char out[CLOCK_TEXT_SIZE]);

/* "450 ms", "42 s", "3 min 20 s", "1 h 05 min", "3 d 04 h": for people. Negative counts as zero. */
void clock_duration_text(int64_t duration_ns, char *out, size_t out_size);

#endif

/* log_pace: how often lines of one kind are said that somebody else can cause as often as he likes:
 * LOG_PACE_BURST at once, then one in LOG_PACE_EVERY_NS. What is left out is counted in the next
 * one. Kept a kind of line and not a peer: whoever comes, it takes no more room, and who makes much
 * of one kind hides no other kind. Zeroed is fresh. Not for two threads at once. */
#ifndef ZOE_BASE_LOG_PACE_H
#define ZOE_BASE_LOG_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"

#define LOG_PACE_BURST 5
#define LOG_PACE_EVERY_NS (5 * NS_PER_S)

struct log_pace {
    int64_t paid_ns; /* until when the lines that were said are paid for */
    uint64_t unsaid; /* since the last one that was said */
};

/* Pure. Whether one more is said now, a time that does not run backwards; if so, how many were not
 * since the one before. */
bool log_pace_take(struct log_pace *p, int64_t now_ns, uint64_t *unsaid_out);

/* The line, if it is its turn; with ` unsaid=N` behind it when N were not. */
void log_paced(struct log_pace *p, int64_t now_ns, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif

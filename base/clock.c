/* The only file that asks the time. */
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/xalloc.h"

#define WALL_MS_LAST INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z: four digits of year */

static int64_t read_ns(clockid_t which)
{
    struct timespec now;
    ZOE_ASSERT(clock_gettime(which, &now) == 0);
    return (int64_t)now.tv_sec * NS_PER_S + (int64_t)now.tv_nsec;
}

int64_t clock_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / NS_PER_MS;
}

int clock_compare(const struct timespec *a, const struct timespec *b)
{
    if (a->tv_sec != b->tv_sec) return a->tv_sec < b->tv_sec ? -1 : 1;
    return (a->tv_nsec > b->tv_nsec) - (a->tv_nsec < b->tv_nsec);
}

void clock_wall_text(int64_t wall_ms, char out[CLOCK_TEXT_SIZE])
{
    if (wall_ms < 0) wall_ms = 0;
    if (wall_ms > WALL_MS_LAST) wall_ms = WALL_MS_LAST;
    time_t seconds = (time_t)(wall_ms / 1000);
    unsigned ms = (unsigned)(wall_ms % 1000);
    struct tm utc;
    ZOE_ASSERT(gmtime_r(&seconds, &utc) != NULL);
    size_t length = strftime(out, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S.", &utc);
    ZOE_ASSERT(length == 20);
    out[20] = (char)('0' + ms / 100);
    out[21] = (char)('0' + ms / 10 % 10);
    out[22] = (char)('0' + ms % 10);
    out[23] = 'Z';
    out[24] = '\0';
}

void clock_duration_text(int64_t duration_ns, char *out, size_t out_size)
{
    if (duration_ns < 0) duration_ns = 0;
    int64_t s = duration_ns / NS_PER_S;
    if (duration_ns > 0 && s == 0) {
        (void)snprintf(out, out_size, "%" PRId64 " ms", duration_ns / NS_PER_MS);
    } else if (s < 60) {
        (void)snprintf(out, out_size, "%" PRId64 " s", s);
    } else if (s < 3600) {
        (void)snprintf(out, out_size, "%" PRId64 " min %02" PRId64 " s", s / 60, s % 60);
    } else if (s < 48 * 3600) {
        (void)snprintf(out, out_size, "%" PRId64 " h %02" PRId64 " min", s / 3600, s / 60 % 60);
    } else {
        (void)snprintf(out, out_size, "%" PRId64 " d %02" PRId64 " h", s / 86400, s / 3600 % 24);
    }
}

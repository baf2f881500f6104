/* A line costs the time of its pace, and so many may be owed. */
#include "base/log_pace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define TEXT_SIZE 2048

bool log_pace_take(struct log_pace *p, int64_t now_ns, uint64_t *unsaid_out)
{
    const int64_t owed_ns = p->paid_ns - now_ns;
    if (owed_ns > (LOG_PACE_BURST - 1) * LOG_PACE_EVERY_NS) {
        p->unsaid++;
        return false;
    }
    p->paid_ns = (owed_ns > 0 ? p->paid_ns : now_ns) + LOG_PACE_EVERY_NS;
    *unsaid_out = p->unsaid;
    p->unsaid = 0;
    return true;
}

void log_paced(struct log_pace *p, int64_t now_ns, enum log_level level, const char *format, ...)
{
    char text[TEXT_SIZE];
    uint64_t unsaid = 0;
    va_list args;
    if (!log_pace_take(p, now_ns, &unsaid)) return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (unsaid > 0)
        log_write(level, "%s unsaid=%" PRIu64, text, unsaid);
    else
        log_write(level, "%s", text);
}

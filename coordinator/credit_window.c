/* credit_window: see the header. */
#include "coordinator/credit_window.h"

#include "proto/limits.h"

void credit_window_open(struct credit_window *w, uint64_t received, int64_t now_ns)
{
    w->received = w->granted = received;
    w->moved_ns = now_ns;
    w->idle = false;
}

uint64_t credit_window_wants(const struct credit_window *w)
{
    if (w->idle || w->granted - w->received > CREDIT_WINDOW_BYTES / 2) return 0;
    uint64_t upto = w->received + CREDIT_WINDOW_BYTES;
    if (upto > w->size_bytes) upto = w->size_bytes;
    return upto > w->granted ? upto - w->granted : 0;
}

/* Beside what is lent already a little more is no move: it would put off the end of a silent one.
 */
void credit_window_lend(struct credit_window *w, uint64_t size_bytes, int64_t now_ns)
{
    if (w->granted == w->received) w->moved_ns = now_ns;
    w->granted += size_bytes;
}

uint64_t credit_window_withdraw(struct credit_window *w)
{
    const uint64_t unused = w->granted - w->received;
    w->granted = w->received;
    return unused;
}

bool credit_window_wakes(struct credit_window *w, uint64_t offset, size_t size_bytes)
{
    const bool goes_on = offset <= w->received && size_bytes > w->received - offset;
    if (!w->idle || !goes_on || size_bytes > w->size_bytes - offset) return false;
    w->idle = false;
    return true;
}

bool credit_window_fits(const struct credit_window *w, uint64_t offset, size_t size_bytes)
{
    return offset <= w->received && size_bytes <= w->granted - offset;
}

uint64_t credit_window_take(struct credit_window *w, uint64_t end, int64_t now_ns)
{
    const uint64_t fresh = end - w->received;
    w->received = end;
    w->moved_ns = now_ns;
    return fresh;
}

int64_t credit_window_silent_ns(const struct credit_window *w, int64_t now_ns)
{
    return now_ns - w->moved_ns;
}

bool credit_window_tires(struct credit_window *w, int64_t now_ns)
{
    if (w->granted == w->received || credit_window_silent_ns(w, now_ns) <= CREDIT_IDLE_NS)
        return false;
    w->idle = true;
    return true;
}

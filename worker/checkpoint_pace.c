#include "worker/checkpoint_pace.h"

#include "base/clock.h"
#include "proto/limits.h"

/* Before any was written: opening and renaming a file, then so many bytes a second. */
#define GUESS_NS (2 * NS_PER_MS)
#define GUESS_BYTES_PER_MS (UINT64_C(200) * 1000)

void checkpoint_pace_begin(struct checkpoint_pace *p, uint64_t bytes, unsigned slots,
                           int64_t now_ns)
{
    *p = (struct checkpoint_pace){.begun_ns = now_ns,
                                  .last_ns = now_ns,
                                  .slots = slots,
                                  .cost_ns =
                                      GUESS_NS + (int64_t)(bytes / GUESS_BYTES_PER_MS) * NS_PER_MS,
                                  .cost_bytes = bytes};
}

static bool has_time(const struct checkpoint_pace *p, int64_t passed_ns)
{
    return p->spent_ns + p->cost_ns <= passed_ns / 100 * CHECKPOINT_TIME_PERCENT;
}

static bool has_bytes(const struct checkpoint_pace *p, int64_t passed_ns)
{
    const uint64_t passed_ms = (uint64_t)(passed_ns / NS_PER_MS);
    return p->spent_bytes + p->cost_bytes <= passed_ms * CHECKPOINT_BYTES_PER_S / 1000 / p->slots;
}

bool checkpoint_pace_is_due(const struct checkpoint_pace *p, uint32_t step, uint32_t steps,
                            int64_t now_ns)
{
    const int64_t passed_ns = now_ns - p->begun_ns;
    if (p->begun_ns == 0 || p->slots == 0 || step >= steps ||
        now_ns - p->last_ns < CHECKPOINT_INTERVAL_NS)
        return false;
    return has_time(p, passed_ns) && has_bytes(p, passed_ns);
}

void checkpoint_pace_asked(struct checkpoint_pace *p, int64_t now_ns)
{
    p->last_ns = now_ns;
}

void checkpoint_pace_saved(struct checkpoint_pace *p, int64_t took_ns, uint64_t bytes)
{
    p->cost_ns = took_ns;
    p->cost_bytes = bytes;
    p->spent_ns += took_ns;
    p->spent_bytes += bytes;
}

#include "cli/bench/tally.h"

#include "base/clock.h"

void tally_init(struct tally *t, uint32_t workers, int64_t now_ns)
{
    *t = (struct tally){.workers = workers, .start_ns = now_ns, .result = {.all_joined_s = -1}};
}

void tally_finish(struct tally *t)
{
    samples_finish(&t->answers);
}

void tally_count_from(struct tally *t, int64_t now_ns)
{
    if (t->counted_from_ns == 0) t->counted_from_ns = now_ns;
}

static bool counts(const struct tally *t)
{
    return t->counted_from_ns != 0;
}

static double seconds_between(int64_t from_ns, int64_t to_ns)
{
    return (double)(to_ns - from_ns) / NS_PER_S;
}

void tally_welcomed(struct tally *t)
{
    t->result.sessions++;
}

void tally_admitted(struct tally *t)
{
    if (++t->result.joined == t->workers)
        t->result.all_joined_s = seconds_between(t->start_ns, clock_now_ns());
}

void tally_assigned(struct tally *t)
{
    const int64_t now_ns = clock_now_ns();
    const double pause_s = seconds_between(t->assigned_ns, now_ns);
    if (!counts(t)) return;
    if (t->assigned_ns != 0 && pause_s > t->result.longest_pause_s)
        t->result.longest_pause_s = pause_s;
    t->assigned_ns = now_ns;
    t->result.assigned++;
}

void tally_stored(struct tally *t, int64_t offered_ns)
{
    if (!counts(t)) return;
    t->result.stored++;
    samples_add(&t->answers, (double)(clock_now_ns() - offered_ns) / NS_PER_MS);
}

void tally_dropped(struct tally *t)
{
    if (counts(t)) t->result.dropped++;
}

void tally_canceled(struct tally *t)
{
    if (counts(t)) t->result.canceled++;
}

void tally_sum_up(struct tally *t, struct fleet_result *out)
{
    struct fleet_result *r = &t->result;
    if (counts(t)) {
        r->seconds = seconds_between(t->counted_from_ns, clock_now_ns());
        r->stored_a_second = r->seconds > 0 ? (double)r->stored / r->seconds : 0;
        r->answer_p50_ms = samples_at(&t->answers, 0.5);
        r->answer_p99_ms = samples_at(&t->answers, 0.99);
    }
    *out = *r;
}

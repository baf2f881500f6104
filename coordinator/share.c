#include "coordinator/share.h"

#include <math.h>

#include "base/clock.h"

#define HALF_LIFE_NS (600 * NS_PER_S)
/* Keys are logarithms in fixed point, in which decay is the same summand for all. */
#define KEY_FRACTION 4096.0
#define KEY_MAX INT64_C(0x7fffffff)
#define LEAST_SECONDS 1e-6
#define LEAST_LOG 20.0 /* of 1 / LEAST_SECONDS, rounded up */

static double half_lives(int64_t duration_ns)
{
    return (double)duration_ns / (double)HALF_LIFE_NS;
}

double usage_now(const struct usage *u, int64_t now_ns)
{
    return u->seconds * exp2(-half_lives(now_ns - u->at_ns));
}

void usage_pay(struct usage *u, int64_t duration_ns, int64_t now_ns)
{
    double seconds = (double)duration_ns / (double)NS_PER_S;
    double spared = seconds < u->unused ? seconds : u->unused;
    u->unused -= spared;
    u->seconds = usage_now(u, now_ns) + seconds - spared;
    u->at_ns = now_ns;
}

void usage_give_back(struct usage *u, int64_t duration_ns)
{
    u->unused += (double)duration_ns / (double)NS_PER_S;
}

int64_t share_key(const struct usage *u, uint32_t share, int64_t now_ns, uint32_t tie)
{
    double weighted = usage_now(u, now_ns) / share;
    if (weighted < LEAST_SECONDS) return tie;
    double log = log2(weighted) + LEAST_LOG + half_lives(now_ns);
    int64_t key = log > 0 ? (int64_t)(log * KEY_FRACTION) : 0;
    return (key < KEY_MAX ? key : KEY_MAX) << 32 | tie;
}

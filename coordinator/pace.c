#include "coordinator/pace.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t median_of(const struct pace *p)
{
    size_t count = p->count < PACE_SAMPLES ? p->count : PACE_SAMPLES;
    int64_t sorted[PACE_SAMPLES];
    memcpy(sorted, p->samples_ns, count * sizeof(sorted[0]));
    qsort(sorted, count, sizeof(sorted[0]), compare);
    return sorted[count / 2];
}

void pace_add(struct pace *p, int64_t duration_ns)
{
    p->samples_ns[p->count % PACE_SAMPLES] = duration_ns > 0 ? duration_ns : 1;
    p->count++;
    p->median_ns = median_of(p);
}

int64_t pace_median(const struct pace *p)
{
    return p->median_ns;
}

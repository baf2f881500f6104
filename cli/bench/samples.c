#include "cli/bench/samples.h"

#include <stdlib.h>

#include "base/xalloc.h"

void samples_add(struct samples *s, double value)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity > 0 ? 2 * s->capacity : 1024;
        s->items = xrealloc_array(s->items, s->capacity, sizeof *s->items);
    }
    s->items[s->count++] = value;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double samples_at(struct samples *s, double share)
{
    if (s->count == 0) return 0;
    qsort(s->items, s->count, sizeof *s->items, compare);
    size_t index = (size_t)(share * (double)s->count);
    return s->items[index < s->count ? index : s->count - 1];
}

double samples_max(const struct samples *s)
{
    double most = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i] > most) most = s->items[i];
    return most;
}

double samples_slope(const struct samples *s, size_t from)
{
    double n = 0, sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;
    for (size_t i = from; i < s->count; i++) {
        const double x = (double)i, y = s->items[i];
        n += 1;
        sum_x += x;
        sum_y += y;
        sum_xx += x * x;
        sum_xy += x * y;
    }
    const double below = n * sum_xx - sum_x * sum_x;
    return below > 0 ? (n * sum_xy - sum_x * sum_y) / below : 0;
}

void samples_finish(struct samples *s)
{
    free(s->items);
    *s = (struct samples){.count = 0};
}

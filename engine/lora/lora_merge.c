/* Rows of the product are made a few at a time: each belongs to one item of the pool, so the order
 * of its sums is fixed. */
#include "engine/lora/lora_merge.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define ROWS_AT_ONCE 16
#define LANES 16

typedef float quad __attribute__((vector_size(16))); /* four floats, on any machine */

struct merge {
    float *up, *down; /* [rows][rank], [rank][columns] */
    int64_t rows, rank, columns;
    int mean;
    float factor;
    float *weight;
    float *scratch; /* [threads][ROWS_AT_ONCE][columns] */
};

/* sum of up[r] * down[r], r ascending, for LANES columns: in registers, while the part of `down`
 * stays in the cache over the rows of an item. Each lane does what a single column does. */
static void make_lanes(const struct merge *m, int64_t row, int64_t first, float *out)
{
    const float *up = m->up + row * m->rank, *down = m->down + first;
    quad a = {0}, b = {0}, c = {0}, d = {0}, part[LANES / 4];
    for (int64_t r = 0; r < m->rank; r++, down += m->columns) {
        const float u = up[r];
        memcpy(part, down, sizeof part);
        a += u * part[0];
        b += u * part[1];
        c += u * part[2];
        d += u * part[3];
    }
    const quad sum[] = {a, b, c, d};
    memcpy(out + first, sum, sizeof sum);
}

static void make_column(const struct merge *m, int64_t row, int64_t column, float *out)
{
    float sum = 0;
    for (int64_t r = 0; r < m->rank; r++)
        sum += m->up[row * m->rank + r] * m->down[r * m->columns + column];
    out[column] = sum;
}

static void make_rows(const struct merge *m, int64_t first, int64_t count, float *out)
{
    int64_t column = 0;
    for (; column + LANES <= m->columns; column += LANES)
        for (int64_t i = 0; i < count; i++)
            make_lanes(m, first + i, column, out + i * m->columns);
    for (; column < m->columns; column++)
        for (int64_t i = 0; i < count; i++)
            make_column(m, first + i, column, out + i * m->columns);
}

static void add_row(const struct merge *m, int64_t row, const float *product)
{
    float *restrict weight = m->weight + row * (m->columns / m->mean);
    if (m->mean == 1) {
        for (int64_t c = 0; c < m->columns; c++)
            weight[c] += m->factor * product[c];
        return;
    }
    for (int64_t c = 0; c < m->columns / m->mean; c++) {
        float sum = product[c * m->mean];
        for (int i = 1; i < m->mean; i++)
            sum += product[c * m->mean + i];
        weight[c] += m->factor * (sum / (float)m->mean);
    }
}

static void merge_rows(void *arg, int64_t item, int thread)
{
    const struct merge *m = arg;
    float *product = m->scratch + thread * ROWS_AT_ONCE * m->columns;
    const int64_t first = item * ROWS_AT_ONCE, left = m->rows - first;
    const int64_t count = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
    make_rows(m, first, count, product);
    for (int64_t i = 0; i < count; i++)
        add_row(m, first + i, product + i * m->columns);
}

/* [rows][columns] as floats; turned: its transpose. */
static float *widen(const struct weight_array *a, int64_t rows, int64_t columns, bool turned,
                    struct error *err)
{
    float *out = alloc_checked((size_t)a->count, sizeof *out, "a LoRA", err);
    if (out == NULL || !turned) {
        if (out != NULL) weight_array_read(a, 0, a->count, out);
        return out;
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            weight_array_read(a, r * columns + c, 1, &out[c * rows + r]);
    return out;
}

static bool merge_product(const struct lora_delta *d, float factor, float *weight,
                          struct threads *threads, struct error *err)
{
    const bool turned = d->kind == LORA_PRODUCT_TURNED;
    struct merge m = {.rows = turned ? d->columns : d->rows,
                      .columns = turned ? d->rows : d->columns,
                      .rank = d->rank,
                      .mean = d->mean,
                      .factor = factor,
                      .weight = weight};
    float *up = widen(&d->up, d->rows, d->rank, turned, err);
    float *down = up != NULL ? widen(&d->down, d->rank, d->columns, turned, err) : NULL;
    m.up = turned ? down : up;
    m.down = turned ? up : down;
    if (down != NULL)
        m.scratch = alloc_checked((size_t)threads_count(threads) * ROWS_AT_ONCE,
                                  (size_t)m.columns * sizeof *m.scratch, "a LoRA", err);
    if (m.scratch != NULL)
        threads_run(threads, (m.rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE, merge_rows, &m);
    free(m.scratch);
    free(up);
    free(down);
    return m.scratch != NULL;
}

static bool merge_whole(const struct lora_delta *d, float factor, float *weight, int64_t count,
                        struct error *err)
{
    float *value = alloc_checked((size_t)count, sizeof *value, "a LoRA", err);
    if (value == NULL) return false;
    weight_array_read(&d->value, 0, count, value);
    const bool replaces = d->kind == LORA_REPLACEMENT;
    for (int64_t i = 0; i < count; i++)
        weight[i] += factor * (replaces ? value[i] - weight[i] : value[i]);
    free(value);
    return true;
}

bool lora_merge(const struct lora_delta *d, float strength, float *weight, int64_t count,
                struct threads *threads, struct error *err)
{
    const float factor = strength * d->scale;
    if (d->kind == LORA_SUM || d->kind == LORA_REPLACEMENT)
        return merge_whole(d, factor, weight, count, err);
    ZOE_ASSERT(d->rows * d->columns == count * d->mean);
    return merge_product(d, factor, weight, threads, err);
}

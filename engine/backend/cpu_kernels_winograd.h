/* cpu_kernels_winograd: Winograd's transforms for filters of 3 taps and 4 outputs, the same text
 * for every instruction set. Included once by each cpu_kernels_NAME.c, after cpu_vector.h.
 *
 * Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv 1509.09308, F(4x4, 3x3):
 * points 0, 1, -1, 2, -2 and infinity. */
#ifndef ZOE_ENGINE_BACKEND_CPU_KERNELS_WINOGRAD_H
#define ZOE_ENGINE_BACKEND_CPU_KERNELS_WINOGRAD_H

#include "engine/backend/cpu_kernels.h"
#include "engine/backend/cpu_vector.h"

/* Six values along one axis to six points. */
INNER void points_of(const vec d[6], vec v[6])
{
    const vec two = vec_of(2.0f), four = vec_of(4.0f), five = vec_of(5.0f);
    const vec a = FMA(-four, d[2], d[4]), b = FMA(-four, d[1], d[3]);
    const vec c = d[4] - d[2], e = two * (d[3] - d[1]);
    v[0] = FMA(four, d[0], FMA(-five, d[2], d[4]));
    v[1] = a + b;
    v[2] = a - b;
    v[3] = c + e;
    v[4] = c - e;
    v[5] = FMA(four, d[1], FMA(-five, d[3], d[5]));
}

/* Six points to four values. */
INNER void values_of(const vec m[6], vec y[4])
{
    const vec a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
    y[0] = m[0] + a + c;
    y[1] = FMA(vec_of(2.0f), d, b);
    y[2] = FMA(vec_of(4.0f), c, a);
    y[3] = FMA(vec_of(8.0f), d, b) + m[5];
}

/* Along one axis: six values `from_step` apart to six points `to_step` apart. */
INNER void points_line(const float *from, ptrdiff_t from_step, float *to, ptrdiff_t to_step)
{
    vec d[6], v[6];
    UNROLL
    for (int k = 0; k < 6; k++)
        d[k] = vec_load(from + k * from_step);
    points_of(d, v);
    UNROLL
    for (int k = 0; k < 6; k++)
        vec_store(to + k * to_step, v[k]);
}

KERNEL void kernel_tile_in(const float *x, ptrdiff_t row_step, ptrdiff_t x_step, int count,
                           float *v, ptrdiff_t v_step)
{
    float t[6 * 6 * LANES]; /* [row][column] */
    for (int i = 0; i < count; i += LANES, x += LANES, v += LANES) {
        for (int column = 0; column < 6; column++)
            points_line(x + column * x_step, row_step, t + column * LANES, 6 * LANES);
        for (int row = 0; row < 6; row++)
            points_line(t + row * 6 * LANES, LANES, v + row * 6 * v_step, v_step);
    }
}

KERNEL void kernel_line_in(const float *x, ptrdiff_t x_step, int64_t count, float *v,
                           ptrdiff_t v_step)
{
    for (int64_t i = 0; i < count; i += LANES)
        points_line(x + i, x_step, v + i, v_step);
}

/* Along one axis: six points `from_step` apart to four values. */
INNER void values_line(const float *from, ptrdiff_t from_step, vec y[4])
{
    vec m[6];
    UNROLL
    for (int k = 0; k < 6; k++)
        m[k] = vec_load(from + k * from_step);
    values_of(m, y);
}

/* The wanted ones of four values, from place `at` on. */
INNER void put_line(const struct cpu_tile_out *t, ptrdiff_t at, vec start, const vec y[4])
{
    UNROLL
    for (int pixel = 0; pixel < 4; pixel++) {
        if (pixel >= t->pixels) return;
        const ptrdiff_t here = at + pixel * t->y_step;
        vec v = y[pixel] + start;
        if (t->add != NULL) v += vec_load(t->add + here);
        vec_store(t->y + here, v);
    }
}

KERNEL void kernel_tile_out(const struct cpu_tile_out *t)
{
    float s[4 * 6 * LANES]; /* [row][column] */
    vec y[4];
    for (int i = 0; i < t->columns; i += LANES) {
        for (int column = 0; column < 6; column++) {
            values_line(t->m + column * t->m_step + i, 6 * t->m_step, y);
            UNROLL
            for (int row = 0; row < 4; row++)
                vec_store(s + (row * 6 + column) * LANES, y[row]);
        }
        for (int row = 0; row < t->rows; row++) {
            values_line(s + row * 6 * LANES, LANES, y);
            put_line(t, row * t->row_step + i, vec_load(t->start + i), y);
        }
    }
}

KERNEL void kernel_line_out(const struct cpu_tile_out *t)
{
    vec y[4];
    for (int i = 0; i < t->columns; i += LANES) {
        values_line(t->m + i, t->m_step, y);
        put_line(t, i, vec_load(t->start + i), y);
    }
}

#endif

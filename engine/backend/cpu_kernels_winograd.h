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

KERNEL void kernel_tile_in(const float *x, ptrdiff_t row_step, ptrdiff_t x_step, int count,
                           float *v, ptrdiff_t v_step)
{
    for (int i = 0; i < count; i += LANES, x += LANES, v += LANES) {
        vec t[6][6];
        for (int column = 0; column < 6; column++) {
            vec d[6], p[6];
            for (int row = 0; row < 6; row++)
                d[row] = vec_load(x + row * row_step + column * x_step);
            points_of(d, p);
            for (int row = 0; row < 6; row++)
                t[row][column] = p[row];
        }
        for (int row = 0; row < 6; row++) {
            vec p[6];
            points_of(t[row], p);
            for (int column = 0; column < 6; column++)
                vec_store(v + (row * 6 + column) * v_step, p[column]);
        }
    }
}

INNER void put(const struct cpu_tile_out *t, ptrdiff_t at, vec v)
{
    if (t->add != NULL) v += vec_load(t->add + at);
    vec_store(t->y + at, v);
}

KERNEL void kernel_tile_out(const struct cpu_tile_out *t)
{
    for (int i = 0; i < t->columns; i += LANES) {
        vec s[4][6];
        for (int column = 0; column < 6; column++) {
            vec m[6], y[4];
            for (int row = 0; row < 6; row++)
                m[row] = vec_load(t->m + (row * 6 + column) * t->m_step + i);
            values_of(m, y);
            for (int row = 0; row < 4; row++)
                s[row][column] = y[row];
        }
        const vec start = vec_load(t->start + i);
        for (int row = 0; row < t->rows; row++) {
            vec y[4];
            values_of(s[row], y);
            for (int pixel = 0; pixel < t->pixels; pixel++)
                put(t, row * t->row_step + pixel * t->y_step + i, y[pixel] + start);
        }
    }
}

KERNEL void kernel_line_in(const float *x, ptrdiff_t x_step, int64_t count, float *v,
                           ptrdiff_t v_step)
{
    for (int64_t i = 0; i < count; i += LANES) {
        vec d[6], p[6];
        for (int k = 0; k < 6; k++)
            d[k] = vec_load(x + k * x_step + i);
        points_of(d, p);
        for (int k = 0; k < 6; k++)
            vec_store(v + k * v_step + i, p[k]);
    }
}

KERNEL void kernel_line_out(const struct cpu_tile_out *t)
{
    for (int i = 0; i < t->columns; i += LANES) {
        vec m[6], y[4];
        for (int k = 0; k < 6; k++)
            m[k] = vec_load(t->m + k * t->m_step + i);
        values_of(m, y);
        for (int pixel = 0; pixel < t->pixels; pixel++)
            put(t, pixel * t->y_step + i, y[pixel] + vec_load(t->start + i));
    }
}

#endif

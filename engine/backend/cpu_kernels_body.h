/* cpu_kernels_body: kernels that are the same text for every instruction set: activations, norms,
 * softmax. Included once by each cpu_kernels_NAME.c, after cpu_vector.h.
 *
 * Softmax in pieces: Milakov and Gimelshein, arXiv 1805.02867. */
#ifndef ZOE_ENGINE_BACKEND_CPU_KERNELS_BODY_H
#define ZOE_ENGINE_BACKEND_CPU_KERNELS_BODY_H

#include <math.h>
#include <string.h>

#include "engine/backend/cpu_kernels.h"
#include "engine/backend/cpu_vector.h"

/* y[i] = EXPRESSION of vectors a (and b), for i < n, the rest of a vector included. */
#define EACH(n, a_from, b_from, y, EXPRESSION)                                                     \
    do {                                                                                           \
        int64_t i_ = 0;                                                                            \
        for (; i_ + LANES <= (n); i_ += LANES) {                                                   \
            const vec a = vec_load((a_from) + i_), b = vec_load((b_from) + i_);                    \
            (void)b;                                                                               \
            vec_store((y) + i_, (EXPRESSION));                                                     \
        }                                                                                          \
        if (i_ < (n)) {                                                                            \
            const int rest_ = (int)((n)-i_);                                                       \
            const vec a = vec_load_some((a_from) + i_, rest_),                                     \
                      b = vec_load_some((b_from) + i_, rest_);                                     \
            (void)b;                                                                               \
            vec_store_some((y) + i_, (EXPRESSION), rest_);                                         \
        }                                                                                          \
    } while (0)

KERNEL void kernel_activate(enum activation kind, const float *x, const float *gate, float *y,
                            int64_t count)
{
    switch (kind) {
    case ACTIVATION_SILU:
        EACH(count, x, x, y, vec_silu(a));
        return;
    case ACTIVATION_GELU:
        EACH(count, x, x, y, vec_gelu(a));
        return;
    case ACTIVATION_QUICK_GELU:
        EACH(count, x, x, y, vec_quick_gelu(a));
        return;
    case ACTIVATION_GEGLU:
        EACH(count, x, gate, y, a * vec_gelu(b));
        return;
    default:
        if (y != x) memcpy(y, x, (size_t)count * sizeof *y);
    }
}

KERNEL void kernel_add(const float *a_from, const float *b_from, float *y, int64_t count)
{
    EACH(count, a_from, b_from, y, a + b);
}

KERNEL void kernel_scale(float *x, float factor, int count)
{
    const vec f = vec_of(factor);
    EACH(count, x, x, x, a * f);
}

/* ---- norms ---- */

INNER void affine_lanes(const struct cpu_affine *a, int channel, int lanes)
{
    const bool whole = lanes == LANES;
    const float *x = a->x + channel;
    float *y = a->y + channel;
    const vec scale =
        whole ? vec_load(a->scale + channel) : vec_load_some(a->scale + channel, lanes);
    const vec shift =
        whole ? vec_load(a->shift + channel) : vec_load_some(a->shift + channel, lanes);
    for (int64_t p = 0; p < a->pixels; p++, x += a->x_step, y += a->y_step) {
        vec v = whole ? vec_load(x) : vec_load_some(x, lanes);
        v = FMA(v, scale, shift);
        if (a->silu) v = vec_silu(v);
        if (whole)
            vec_store(y, v);
        else
            vec_store_some(y, v, lanes);
    }
}

KERNEL void copy_pixels(const struct cpu_affine *a)
{
    const float *x = a->x;
    float *y = a->y;
    for (int64_t p = 0; p < a->pixels; p++, x += a->x_step, y += a->y_step)
        memcpy(y, x, (size_t)a->count * sizeof *y);
}

KERNEL void kernel_affine(const struct cpu_affine *a)
{
    if (a->scale == NULL) {
        copy_pixels(a);
        return;
    }
    int channel = 0;
    for (; channel + LANES <= a->count; channel += LANES)
        affine_lanes(a, channel, LANES);
    if (channel < a->count) affine_lanes(a, channel, a->count - channel);
}

KERNEL void kernel_layer_norm(const struct cpu_layer *l, const float *x, float *y)
{
    const int whole = l->count / LANES * LANES, rest = l->count - whole;
    const vec none = {0};
    vec sum = none, square = none;
    for (int i = 0; i < whole; i += LANES)
        sum += vec_load(x + i);
    if (rest > 0) sum += vec_load_some(x + whole, rest);
    const float mean = vec_sum(sum) / (float)l->count;
    for (int i = 0; i < whole; i += LANES) {
        const vec d = vec_load(x + i) - vec_of(mean);
        square = FMA(d, d, square);
    }
    float variance = vec_sum(square);
    for (int i = whole; i < l->count; i++)
        variance += (x[i] - mean) * (x[i] - mean);
    const float factor = 1.0f / sqrtf(variance / (float)l->count + l->eps);
    const vec f = vec_of(factor), m = vec_of(mean);
    for (int i = 0; i < whole; i += LANES) {
        const vec n = (vec_load(x + i) - m) * f;
        vec_store(y + i, FMA(n, vec_load(l->scale + i), vec_load(l->shift + i)));
    }
    for (int i = whole; i < l->count; i++)
        y[i] = (x[i] - mean) * factor * l->scale[i] + l->shift[i];
}

INNER void sum_quad(const float *x, ptrdiff_t x_step, int64_t pixels, double *sum, double *square)
{
    quad s = *(const quad_loose *)(const void *)sum, q = *(const quad_loose *)(const void *)square;
    for (int64_t p = 0; p < pixels; p++, x += x_step) {
        const quad d = __builtin_convertvector(*(const half_loose *)(const void *)x, quad);
        s += d;
        q += d * d;
    }
    *(quad_loose *)(void *)sum = s;
    *(quad_loose *)(void *)square = q;
}

KERNEL void kernel_sums(const float *x, ptrdiff_t x_step, int64_t pixels, int count, double *sum,
                        double *square)
{
    int channel = 0;
    for (; channel + 4 <= count; channel += 4)
        sum_quad(x + channel, x_step, pixels, sum + channel, square + channel);
    for (; channel < count; channel++)
        for (int64_t p = 0; p < pixels; p++) {
            const double d = (double)x[p * x_step + channel];
            sum[channel] += d;
            square[channel] += d * d;
        }
}

/* ---- attention ---- */

INNER float top_of(const float *x, int count)
{
    vec top = vec_of(x[0]);
    int i = 0;
    for (; i + LANES <= count; i += LANES)
        top = vec_max(top, vec_load(x + i));
    float best = vec_top(top);
    for (; i < count; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

KERNEL float kernel_soften(float *scores, int count, float scale, float *top, float *total)
{
    const float best = top_of(scores, count), before = *top, now = best > before ? best : before;
    const vec s = vec_of(scale), t = vec_of(-now * scale);
    vec sum = {0};
    int i = 0;
    for (; i + LANES <= count; i += LANES) {
        const vec e = vec_exp(FMA(vec_load(scores + i), s, t));
        vec_store(scores + i, e);
        sum += e;
    }
    float more = vec_sum(sum);
    if (i < count) {
        vec_store_some(scores + i, vec_exp(FMA(vec_load_some(scores + i, count - i), s, t)),
                       count - i);
        for (; i < count; i++)
            more += scores[i];
    }
    float lanes[LANES];
    vec_store(lanes, vec_exp(vec_of((before - now) * scale)));
    *top = now;
    *total = *total * lanes[0] + more;
    return lanes[0];
}

#endif

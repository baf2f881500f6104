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

/* The loop over rows is inside, so that an expression's constants are loaded once. */
#define EACH_ROW(r, gate_from, EXPRESSION)                                                         \
    for (int64_t row = 0; row < (r)->rows; row++)                                                  \
    EACH((r)->count, (r)->x + row * (r)->x_step, (gate_from) + row * (r)->x_step,                  \
         (r)->y + row * (r)->y_step, EXPRESSION)

KERNEL void kernel_activate(const struct cpu_activation *r)
{
    switch (r->kind) {
    case ACTIVATION_SILU:
        EACH_ROW(r, r->x, vec_silu(a));
        return;
    case ACTIVATION_GELU:
        EACH_ROW(r, r->x, vec_gelu(a));
        return;
    case ACTIVATION_QUICK_GELU:
        EACH_ROW(r, r->x, vec_quick_gelu(a));
        return;
    case ACTIVATION_GEGLU:
        EACH_ROW(r, r->gate, a * vec_gelu(b));
        return;
    default:
        EACH_ROW(r, r->x, a);
    }
}

KERNEL void kernel_add(const float *a_from, const float *b_from, float *y, int64_t count)
{
    EACH(count, a_from, b_from, y, a + b);
}

KERNEL void kernel_scale(const struct cpu_scaling *r)
{
    EACH_ROW(r, r->x, a * vec_of(r->factors[row]));
}

/* ---- norms ---- */

INNER void copy_pixels(const struct cpu_affine *from)
{
    const float *x = from->x;
    float *y = from->y;
    for (int64_t p = 0; p < from->pixels; p++, x += from->x_step, y += from->y_step)
        EACH(from->count, x, x, y, a);
}

INNER vec affine_vec(vec x, vec scale, vec shift, const bool silu)
{
    const vec y = FMA(x, scale, shift);
    return silu ? vec_silu(y) : y;
}

/* `silu` is a constant wherever this is called. */
INNER void affine_pixel(const struct cpu_affine *a, const float *x, float *y, const bool silu)
{
    const float *scale = a->scale, *shift = a->shift;
    int i = 0;
    for (; i + LANES <= a->count; i += LANES)
        vec_store(y + i,
                  affine_vec(vec_load(x + i), vec_load(scale + i), vec_load(shift + i), silu));
    const int rest = a->count - i;
    if (rest == 0) return;
    vec_store_some(y + i,
                   affine_vec(vec_load_some(x + i, rest), vec_load_some(scale + i, rest),
                              vec_load_some(shift + i, rest), silu),
                   rest);
}

KERNEL void kernel_affine(const struct cpu_affine *a)
{
    const float *x = a->x;
    float *y = a->y;
    if (a->scale == NULL) {
        copy_pixels(a);
        return;
    }
    if (a->silu)
        for (int64_t p = 0; p < a->pixels; p++, x += a->x_step, y += a->y_step)
            affine_pixel(a, x, y, true);
    else
        for (int64_t p = 0; p < a->pixels; p++, x += a->x_step, y += a->y_step)
            affine_pixel(a, x, y, false);
}

INNER void layer_row(const struct cpu_layer *l, const float *x, float *y)
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

KERNEL void kernel_layer_norm(const struct cpu_layer *l, const float *x, ptrdiff_t x_step, int rows,
                              float *y, ptrdiff_t y_step)
{
    for (int row = 0; row < rows; row++, x += x_step, y += y_step)
        layer_row(l, x, y);
}

#define QUADS 4 /* at once: as many chains of sums in flight, twice */

/* `quads` is a constant wherever this is called. */
INNER void sum_quads(const float *x, ptrdiff_t x_step, int64_t pixels, const int quads, double *sum,
                     double *square)
{
    quad s[QUADS], q[QUADS];
    UNROLL
    for (int i = 0; i < quads; i++) {
        s[i] = *(const quad_loose *)(const void *)(sum + 4 * i);
        q[i] = *(const quad_loose *)(const void *)(square + 4 * i);
    }
    for (int64_t p = 0; p < pixels; p++, x += x_step) {
        UNROLL
        for (int i = 0; i < quads; i++) {
            const half_loose half = *(const half_loose *)(const void *)(x + 4 * i);
            const quad d = __builtin_convertvector(half, quad);
            s[i] += d;
            q[i] += d * d;
        }
    }
    UNROLL
    for (int i = 0; i < quads; i++) {
        *(quad_loose *)(void *)(sum + 4 * i) = s[i];
        *(quad_loose *)(void *)(square + 4 * i) = q[i];
    }
}

KERNEL void kernel_sums(const float *x, ptrdiff_t x_step, int64_t pixels, int count, double *sum,
                        double *square)
{
    int channel = 0;
    for (; channel + 4 * QUADS <= count; channel += 4 * QUADS)
        sum_quads(x + channel, x_step, pixels, QUADS, sum + channel, square + channel);
    for (; channel + 4 <= count; channel += 4)
        sum_quads(x + channel, x_step, pixels, 1, sum + channel, square + channel);
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

/* Turns scores into weights and gives their sum; `shift` is added to the scaled scores. */
INNER float soften_row(float *scores, int count, float scale, float shift)
{
    const vec s = vec_of(scale), t = vec_of(shift);
    vec sum = {0};
    int i = 0;
    for (; i + LANES <= count; i += LANES) {
        const vec e = vec_exp(FMA(vec_load(scores + i), s, t));
        vec_store(scores + i, e);
        sum += e;
    }
    float total = vec_sum(sum);
    if (i == count) return total;
    const vec rest = vec_exp(FMA(vec_load_some(scores + i, count - i), s, t));
    vec_store_some(scores + i, rest, count - i);
    for (int lane = 0; i + lane < count; lane++)
        total += rest[lane];
    return total;
}

KERNEL void kernel_soften(const struct cpu_softmax *s)
{
    float *scores = s->scores;
    for (int r = 0; r < s->rows; r++, scores += s->step) {
        const float best = top_of(scores, s->count), before = s->tops[r];
        const float top = best > before ? best : before;
        const float more = soften_row(scores, s->count, s->scale, -top * s->scale);
        const bool first = !(s->totals[r] > 0);
        s->factors[r] = first ? 1.0f : vec_exp(vec_of((before - top) * s->scale))[0];
        s->tops[r] = top;
        s->totals[r] = s->totals[r] * s->factors[r] + more;
    }
}

#endif

/* cpu_vector: vectors of the compiler and functions of them, the same text for every instruction
 * set. Included once by each cpu_kernels_NAME.c, after it has defined
 *
 *     LANES        floats in a vector `vec`; `veci` holds as many int32_t, `vec_loose` is a `vec`
 *                  of any alignment; `quad` is 4 doubles, `quad_loose` the same, `half_loose` 4
 *                  floats
 *     INNER        attributes of helpers: static inline, and the instruction set
 *     KERNEL       attributes of functions of the table: static, and the instruction set
 *     FMA(a,b,c)   a * b + c, fused where the set can
 *     vec_max, vec_min   must give b where a or b is NaN
 *     vec_across(v, n)   each lane gets the one n lanes away; n a constant: 4 (of 8), 2 or 1
 *     vec_load_some(p, n), vec_store_some(p, v, n)   the first n lanes of memory, zeros beyond
 *
 * Sources: exp by Cody and Waite's range reduction (Software Manual for the Elementary Functions,
 * 1980) and a minimax polynomial, own fit, 9e-8 relative; the normal distribution function by a
 * polynomial in x^2, own weighted Chebyshev fit, 1.1e-7 absolute. */
#ifndef ZOE_ENGINE_BACKEND_CPU_VECTOR_H
#define ZOE_ENGINE_BACKEND_CPU_VECTOR_H

/* Before a loop of few, constant turns, so that arrays of vectors live in registers. */
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

INNER vec vec_load(const float *p)
{
    return *(const vec_loose *)(const void *)p;
}

INNER void vec_store(float *p, vec v)
{
    *(vec_loose *)(void *)p = v;
}

INNER vec vec_of(float x)
{
    return x - (vec){0};
}

/* Halves are added to halves, so that the order is the same for 4 and 8 lanes of equal content. */
INNER float vec_sum(vec v)
{
    if (LANES > 4) v += vec_across(v, 4);
    v += vec_across(v, 2);
    v += vec_across(v, 1);
    return v[0];
}

INNER float vec_top(vec v)
{
    if (LANES > 4) v = vec_max(v, vec_across(v, 4));
    v = vec_max(v, vec_across(v, 2));
    v = vec_max(v, vec_across(v, 1));
    return v[0];
}

/* ---- functions ---- */

/* x = n ln 2 + r, |r| <= ln 2 / 2: exp(x) = 2^n exp(r). Adding 1.5 * 2^23 rounds to an integer,
 * which then stands in the low bits. */
INNER vec vec_exp(vec x)
{
    const vec low = vec_of(-87.33654f), high = vec_of(88.37626f), magic = vec_of(12582912.0f);
    x = vec_min(high, vec_max(low, x));
    const vec t = FMA(x, vec_of(1.44269504f), magic);
    const vec n = t - magic;
    vec r = FMA(n, vec_of(-0.693359375f), x);
    r = FMA(n, vec_of(2.12194440e-4f), r);
    vec p = vec_of(8.290306064e-03f);
    p = FMA(p, r, vec_of(4.189797586e-02f));
    p = FMA(p, r, vec_of(1.666763658e-01f));
    p = FMA(p, r, vec_of(4.999914919e-01f));
    p = FMA(p, r, vec_of(9.999997070e-01f));
    p = FMA(p, r, vec_of(1.0f));
    const vec power = (vec)(((veci)t + 127) << 23);
    return p * power;
}

INNER vec vec_silu(vec x)
{
    return x / (vec_of(1.0f) + vec_exp(-x));
}

/* x Phi(x); Phi(x) - 1/2 = x Q(s), s = x^2 / (5.25^2 / 2) - 1, beyond +-5.25 Phi is 0 or 1 to
 * 8e-8. */
INNER vec vec_gelu(vec x)
{
    const vec edge = vec_of(5.25f);
    const vec z = vec_min(edge, vec_max(-edge, x));
    const vec s = FMA(z * z, vec_of(0.0725623583f), vec_of(-1.0f));
    vec q = vec_of(2.399467336e-04f);
    q = FMA(q, s, vec_of(-6.565819229e-04f));
    q = FMA(q, s, vec_of(6.647430200e-04f));
    q = FMA(q, s, vec_of(-1.039540193e-03f));
    q = FMA(q, s, vec_of(2.892347893e-03f));
    q = FMA(q, s, vec_of(-5.448513518e-03f));
    q = FMA(q, s, vec_of(8.417879131e-03f));
    q = FMA(q, s, vec_of(-1.277525368e-02f));
    q = FMA(q, s, vec_of(1.853864529e-02f));
    q = FMA(q, s, vec_of(-2.504193198e-02f));
    q = FMA(q, s, vec_of(3.203144077e-02f));
    q = FMA(q, s, vec_of(-3.976341466e-02f));
    q = FMA(q, s, vec_of(4.964578571e-02f));
    q = FMA(q, s, vec_of(-6.712681503e-02f));
    q = FMA(q, s, vec_of(1.346593462e-01f));
    return x * FMA(z, q, vec_of(0.5f));
}

INNER vec vec_quick_gelu(vec x)
{
    return x / (vec_of(1.0f) + vec_exp(vec_of(-1.702f) * x));
}

#endif

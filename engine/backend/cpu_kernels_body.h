/* cpu_kernels_body: the inner loops that are the same text for every instruction set. Included once
 * by each cpu_kernels_NAME.c, after it has defined
 *
 *     LANES      floats in a vector
 *     KERNEL     attributes of every function: static, and the instruction set
 *     FMA(a,b,c) a * b + c, fused where the set can
 *
 * and the functions vec_max, vec_min on `vec`, which must give b where a or b is NaN.
 *
 * Sources: exp by Cody and Waite's range reduction and a minimax polynomial (own fit, 9e-8
 * relative); the normal distribution function by a polynomial in x^2 (own weighted Chebyshev fit,
 * 1.1e-7 absolute); softmax in pieces after Milakov and Gimelshein (arXiv 1805.02867); Winograd
 * transforms after Lavin and Gray (arXiv 1509.09308). */

static inline KERNEL vec vec_load(const float *p)
{
    return *(const vec_loose *)(const void *)p;
}

static inline KERNEL void vec_store(float *p, vec v)
{
    *(vec_loose *)(void *)p = v;
}

static inline KERNEL vec vec_of(float x)
{
    return x - (vec){0};
}

/* The first n lanes of memory, zeros beyond. */
static inline KERNEL vec vec_load_some(const float *p, int n)
{
    float lanes[LANES] = {0};
    memcpy(lanes, p, (size_t)n * sizeof *p);
    return vec_load(lanes);
}

static inline KERNEL void vec_store_some(float *p, vec v, int n)
{
    float lanes[LANES];
    vec_store(lanes, v);
    memcpy(p, lanes, (size_t)n * sizeof *p);
}

/* Halves are added to halves, so that the order is the same for 4 and 8 lanes of equal content. */
static inline KERNEL float vec_sum(vec v)
{
    float lanes[LANES];
    vec_store(lanes, v);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

static inline KERNEL float vec_top(vec v)
{
    float lanes[LANES];
    vec_store(lanes, v);
    float top = lanes[0];
    for (int i = 1; i < LANES; i++)
        top = lanes[i] > top ? lanes[i] : top;
    return top;
}

/* ---- functions ---- */

/* x = n ln 2 + r, |r| <= ln 2 / 2: exp(x) = 2^n exp(r). Adding 1.5 * 2^23 rounds to an integer,
 * which then stands in the low bits. */
static inline KERNEL vec vec_exp(vec x)
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

static inline KERNEL vec vec_silu(vec x)
{
    return x / (vec_of(1.0f) + vec_exp(-x));
}

/* x Phi(x); Phi(x) - 1/2 = x Q(s), s = x^2 / (5.25^2 / 2) - 1, beyond +-5.25 Phi is 0 or 1 to
 * 8e-8. */
static inline KERNEL vec vec_gelu(vec x)
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

static inline KERNEL vec vec_quick_gelu(vec x)
{
    return x / (vec_of(1.0f) + vec_exp(vec_of(-1.702f) * x));
}

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

static inline KERNEL void affine_lanes(const struct cpu_affine *a, int channel, int lanes)
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

static KERNEL void copy_pixels(const struct cpu_affine *a)
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

static inline KERNEL void sum_quad(const float *x, ptrdiff_t x_step, int64_t pixels, double *sum,
                                   double *square)
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

static inline KERNEL float top_of(const float *x, int count)
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

/* ---- Winograd ---- */

/* Six values along one axis to six points. */
static inline KERNEL void points_of(const vec d[6], vec v[6])
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
static inline KERNEL void values_of(const vec m[6], vec y[4])
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

static inline KERNEL void put(const struct cpu_tile_out *t, ptrdiff_t at, vec v)
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

/* Kernels for x86 with AVX2 and FMA. A product keeps up to 6 rows by 16 columns in registers (12
 * sums, 2 vectors of the panel, 1 of a row): Goto and van de Geijn's inner kernel (ACM TOMS 34(3),
 * 2008) without the packing of rows, which are read where they are. */
#include "engine/backend/cpu_kernels.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define LANES 8
#define WIDTH 16
#define INNER static inline __attribute__((target("avx2,fma"), always_inline))
#define KERNEL static __attribute__((target("avx2,fma")))
#define FMA(a, b, c) ((vec)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))

typedef float vec __attribute__((vector_size(32)));
typedef float vec_loose __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t veci __attribute__((vector_size(32)));
typedef float half_loose __attribute__((vector_size(16), aligned(4), may_alias));
typedef double quad __attribute__((vector_size(32)));
typedef double quad_loose __attribute__((vector_size(32), aligned(8), may_alias));

INNER vec vec_max(vec a, vec b)
{
    return (vec)_mm256_max_ps((__m256)a, (__m256)b);
}

INNER vec vec_min(vec a, vec b)
{
    return (vec)_mm256_min_ps((__m256)a, (__m256)b);
}

INNER vec vec_across(vec v, int n)
{
    if (n == 4) return (vec)_mm256_permute2f128_ps((__m256)v, (__m256)v, 1);
    return (vec)(n == 2 ? _mm256_permute_ps((__m256)v, 0x4e) : _mm256_permute_ps((__m256)v, 0xb1));
}

/* All bits set in the first n lanes. */
INNER __m256i first_lanes(int n)
{
    static const int32_t ones[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(const void *)(ones + LANES - n));
}

INNER vec vec_load_some(const float *p, int n)
{
    return (vec)_mm256_maskload_ps(p, first_lanes(n));
}

INNER void vec_store_some(float *p, vec v, int n)
{
    _mm256_maskstore_ps(p, first_lanes(n), (__m256)v);
}

#include "engine/backend/cpu_kernels_body.h"
#include "engine/backend/cpu_kernels_winograd.h"

/* ---- products ---- */

/* Where a row's sums begin: start + add. */
INNER void begin_row(const struct cpu_product *p, int row, vec low, vec high, vec *s)
{
    s[0] = low;
    s[1] = high;
    if (p->add == NULL) return;
    const float *add = p->add[row] + p->column;
    const int left = p->columns;
    if (left == WIDTH) {
        s[0] += vec_load(add);
        s[1] += vec_load(add + LANES);
    } else {
        s[0] += vec_load_some(add, left < LANES ? left : LANES);
        if (left > LANES) s[1] += vec_load_some(add + LANES, left - LANES);
    }
}

INNER void end_row(const struct cpu_product *p, int row, const vec *s)
{
    float *out = p->out[row] + p->column;
    const int left = p->columns;
    if (left == WIDTH) {
        vec_store(out, s[0]);
        vec_store(out + LANES, s[1]);
    } else {
        vec_store_some(out, s[0], left < LANES ? left : LANES);
        if (left > LANES) vec_store_some(out + LANES, s[1], left - LANES);
    }
}

/* `rows` is a constant wherever this is called, so that the sums live in registers. The panel that
 * the next product will most likely want lies behind this one: the last rows fetch it, since large
 * layers come from far away. */
#define STEP(r)                                                                                    \
    if (rows > r) {                                                                                \
        const vec x = vec_of(x##r[k]);                                                             \
        s[r][0] = FMA(x, b0, s[r][0]);                                                             \
        s[r][1] = FMA(x, b1, s[r][1]);                                                             \
    }

INNER void product_rows(const struct cpu_product *p, int first, const int rows, const bool last)
{
    const ptrdiff_t ahead =
        (ptrdiff_t)p->segment_count * p->depth * WIDTH * (ptrdiff_t)sizeof(float);
    const vec none = {0};
    const vec low = p->start != NULL ? vec_load(p->start) : none;
    const vec high = p->start != NULL ? vec_load(p->start + LANES) : none;
    vec s[6][2];
    begin_row(p, first, low, high, s[0]);
    if (rows > 1) begin_row(p, first + 1, low, high, s[1]);
    if (rows > 2) begin_row(p, first + 2, low, high, s[2]);
    if (rows > 3) begin_row(p, first + 3, low, high, s[3]);
    if (rows > 4) begin_row(p, first + 4, low, high, s[4]);
    if (rows > 5) begin_row(p, first + 5, low, high, s[5]);
    const float *const *row = p->rows + first;
    const float *panel = p->panel;
    const ptrdiff_t depth = p->depth;
    for (int i = 0; i < p->segment_count; i++) {
        const ptrdiff_t from = p->segments[i];
        const float *x0 = row[0] + from, *x1 = row[rows > 1 ? 1 : 0] + from;
        const float *x2 = row[rows > 2 ? 2 : 0] + from, *x3 = row[rows > 3 ? 3 : 0] + from;
        const float *x4 = row[rows > 4 ? 4 : 0] + from, *x5 = row[rows > 5 ? 5 : 0] + from;
        for (ptrdiff_t k = 0; k < depth; k++, panel += WIDTH) {
            const vec b0 = vec_load(panel), b1 = vec_load(panel + LANES);
            if (last) _mm_prefetch((const char *)panel + ahead, _MM_HINT_T0);
            STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5)
        }
    }
    end_row(p, first, s[0]);
    if (rows > 1) end_row(p, first + 1, s[1]);
    if (rows > 2) end_row(p, first + 2, s[2]);
    if (rows > 3) end_row(p, first + 3, s[3]);
    if (rows > 4) end_row(p, first + 4, s[4]);
    if (rows > 5) end_row(p, first + 5, s[5]);
}

KERNEL void kernel_product(const struct cpu_product *p)
{
    int row = 0;
    for (; row + 6 < p->row_count; row += 6)
        product_rows(p, row, 6, false);
    switch (p->row_count - row) {
    case 6:
        product_rows(p, row, 6, true);
        return;
    case 5:
        product_rows(p, row, 5, true);
        return;
    case 4:
        product_rows(p, row, 4, true);
        return;
    case 3:
        product_rows(p, row, 3, true);
        return;
    case 2:
        product_rows(p, row, 2, true);
        return;
    case 1:
        product_rows(p, row, 1, true);
        return;
    default:
        return;
    }
}

/* ---- transposing ---- */

INNER void transpose_square(const float *x, ptrdiff_t x_step, float *y)
{
    vec a[8], b[8];
    for (int i = 0; i < 8; i++)
        a[i] = vec_load(x + i * x_step);
    for (int i = 0; i < 8; i += 2) {
        b[i] = (vec)_mm256_unpacklo_ps((__m256)a[i], (__m256)a[i + 1]);
        b[i + 1] = (vec)_mm256_unpackhi_ps((__m256)a[i], (__m256)a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            a[i + 2 * j] = (vec)_mm256_shuffle_ps((__m256)b[i + j], (__m256)b[i + j + 2], 0x44);
            a[i + 2 * j + 1] = (vec)_mm256_shuffle_ps((__m256)b[i + j], (__m256)b[i + j + 2], 0xee);
        }
    for (int i = 0; i < 4; i++) {
        vec_store(y + i * WIDTH, (vec)_mm256_permute2f128_ps((__m256)a[i], (__m256)a[i + 4], 0x20));
        vec_store(y + (i + 4) * WIDTH,
                  (vec)_mm256_permute2f128_ps((__m256)a[i], (__m256)a[i + 4], 0x31));
    }
}

KERNEL void transpose_some(const float *x, ptrdiff_t x_step, int rows, int depth, float *panel)
{
    for (int d = 0; d < depth; d++)
        for (int i = 0; i < 8; i++)
            panel[d * WIDTH + i] = i < rows ? x[i * x_step + d] : 0.0f;
}

KERNEL void kernel_transpose(const float *x, ptrdiff_t x_step, int rows, int depth, float *panel)
{
    for (int first = 0; first < WIDTH; first += 8, x += 8 * x_step) {
        const int here = rows - first < 0 ? 0 : rows - first;
        int d = 0;
        if (here >= 8)
            for (; d + 8 <= depth; d += 8)
                transpose_square(x + d, x_step, panel + d * WIDTH + first);
        transpose_some(x + d, x_step, here, depth - d, panel + d * WIDTH + first);
    }
}

/* ---- widening ---- */

static __attribute__((target("avx2,f16c"))) ptrdiff_t widen_halves(const uint16_t *from,
                                                                   ptrdiff_t count, float *to)
{
    ptrdiff_t i = 0;
    for (; i + LANES <= count; i += LANES)
        _mm256_storeu_ps(
            to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(from + i))));
    return i;
}

KERNEL ptrdiff_t widen_bfloats(const uint16_t *from, ptrdiff_t count, float *to)
{
    ptrdiff_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        const __m128i bits = _mm_loadu_si128((const __m128i *)(const void *)(from + i));
        _mm256_storeu_ps(to + i,
                         _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16)));
    }
    return i;
}

static void kernel_widen(enum tensor_dtype dtype, const uint16_t *from, ptrdiff_t count, float *to)
{
    const bool half = dtype == TENSOR_F16;
    for (ptrdiff_t i = (half ? widen_halves : widen_bfloats)(from, count, to); i < count; i++)
        to[i] = half ? tensor_half_to_float(from[i]) : tensor_bfloat_to_float(from[i]);
}

/* Older compilers do not know F16C by name; leaf 1 tells. */
static bool has_f16c(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

static bool runs_here(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

extern const struct cpu_kernels cpu_kernels_avx2;
const struct cpu_kernels cpu_kernels_avx2 = {
    .name = "avx2",
    .width = WIDTH,
    .runs_here = runs_here,
    .product = kernel_product,
    .affine = kernel_affine,
    .layer_norm = kernel_layer_norm,
    .sums = kernel_sums,
    .activate = kernel_activate,
    .add = kernel_add,
    .scale = kernel_scale,
    .soften = kernel_soften,
    .tile_in = kernel_tile_in,
    .tile_out = kernel_tile_out,
    .line_in = kernel_line_in,
    .line_out = kernel_line_out,
    .widen = kernel_widen,
    .transpose = kernel_transpose,
};

#else
typedef int cpu_kernels_avx2_is_for_x86;
#endif

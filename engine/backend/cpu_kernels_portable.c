/* Kernels for any machine: products by OpenBLAS, the rest in the vectors of 4 that every 64-bit
 * instruction set has. */
#include "engine/backend/cpu_kernels.h"

#include <cblas.h>
#include <string.h>

#define LANES 4
#define WIDTH 64
#define INNER static inline __attribute__((always_inline))
#define KERNEL static
#define FMA(a, b, c) ((a) * (b) + (c))

typedef float vec __attribute__((vector_size(16)));
typedef float vec_loose __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t veci __attribute__((vector_size(16)));
typedef float half_loose __attribute__((vector_size(16), aligned(4), may_alias));
typedef double quad __attribute__((vector_size(32)));
typedef double quad_loose __attribute__((vector_size(32), aligned(8), may_alias));

INNER vec vec_max(vec a, vec b)
{
    const veci first = a > b;
    return (vec)((first & (veci)a) | (~first & (veci)b));
}

INNER vec vec_min(vec a, vec b)
{
    const veci first = a < b;
    return (vec)((first & (veci)a) | (~first & (veci)b));
}

INNER vec vec_across(vec v, int n)
{
    return n == 2 ? (vec){v[2], v[3], v[0], v[1]} : (vec){v[1], v[0], v[3], v[2]};
}

INNER vec vec_load_some(const float *p, int n)
{
    float lanes[LANES] = {0};
    memcpy(lanes, p, (size_t)n * sizeof *p);
    return *(const vec_loose *)(const void *)lanes;
}

INNER void vec_store_some(float *p, vec v, int n)
{
    memcpy(p, &v, (size_t)n * sizeof *p);
}

#include "engine/backend/cpu_kernels_body.h"
#include "engine/backend/cpu_kernels_winograd.h"

/* ---- products ---- */

static void begin_row(const struct cpu_product *p, int row)
{
    const float *add = p->add != NULL ? p->add[row] + p->column : NULL;
    float *out = p->out[row] + p->column;
    for (int j = 0; j < p->columns; j++)
        out[j] = (p->start != NULL ? p->start[j] : 0.0f) + (add != NULL ? add[j] : 0.0f);
}

/* How many rows from `first` on lie at even distances, in the input and in the output. */
static int even_rows(const struct cpu_product *p, int first)
{
    int row = first + 1;
    if (row == p->row_count) return 1;
    const ptrdiff_t in = p->rows[row] - p->rows[first], out = p->out[row] - p->out[first];
    if (in < p->depth || out < p->columns) return 1;
    while (row < p->row_count && p->rows[row] - p->rows[row - 1] == in &&
           p->out[row] - p->out[row - 1] == out)
        row++;
    return row - first;
}

static void product_run(const struct cpu_product *p, int first, int rows)
{
    const ptrdiff_t in = rows > 1 ? p->rows[first + 1] - p->rows[first] : p->depth;
    const ptrdiff_t out = rows > 1 ? p->out[first + 1] - p->out[first] : p->columns;
    for (int s = 0; s < p->segment_count; s++)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, p->columns, p->depth, 1.0f,
                    p->rows[first] + p->segments[s], (int)in,
                    p->panel + (size_t)s * (size_t)p->depth * WIDTH, WIDTH, 1.0f,
                    p->out[first] + p->column, (int)out);
}

static void kernel_product(const struct cpu_product *p)
{
    for (int row = 0; row < p->row_count; row++)
        begin_row(p, row);
    for (int row = 0, rows; row < p->row_count; row += rows) {
        rows = even_rows(p, row);
        product_run(p, row, rows);
    }
}

static void kernel_transpose(const float *x, ptrdiff_t x_step, int rows, int depth, float *panel)
{
    for (int d = 0; d < depth; d++)
        for (int i = 0; i < WIDTH; i++)
            panel[d * WIDTH + i] = i < rows ? x[i * x_step + d] : 0.0f;
}

static void kernel_widen(enum tensor_dtype dtype, const uint16_t *from, ptrdiff_t count, float *to)
{
    for (ptrdiff_t i = 0; i < count; i++)
        to[i] =
            dtype == TENSOR_F16 ? tensor_half_to_float(from[i]) : tensor_bfloat_to_float(from[i]);
}

static bool runs_here(void)
{
    return true;
}

extern const struct cpu_kernels cpu_kernels_portable;
const struct cpu_kernels cpu_kernels_portable = {
    .name = "portable",
    .width = WIDTH,
    .uses_blas = true,
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

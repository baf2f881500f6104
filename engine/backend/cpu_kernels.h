/* cpu_kernels: the inner loops of the cpu backend, one table of functions per instruction set.
 *
 * cpu_kernels_body.h holds most of them once, in vectors of the compiler; each
 * cpu_kernels_NAME.c compiles it for its instruction set and adds what is its own, above all the
 * product. A row of the table in cpu_kernels.c makes a set known; the last one that this machine
 * can run is used. Within one set every result has fixed bits: each output element is one chain of
 * operations whose order depends on nothing but the shapes.
 *
 * Sizes are in floats. Pointers need the alignment of a float only. NaN and infinity in an input
 * reach the output. */
#ifndef ZOE_ENGINE_BACKEND_CPU_KERNELS_H
#define ZOE_ENGINE_BACKEND_CPU_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/backend.h"

/* Weights of a product are packed in panels of `width` columns: [panel][depth][width], the last
 * panel filled with zero columns. */
#define CPU_PANEL_MAX 64

/* out[r][column + j] = start[j] + add[r][column + j] + sum over s, k of
 *                      rows[r][segments[s] + k] * panel[s * depth + k][j]      for j < columns */
struct cpu_product {
    int row_count;
    const float *const *rows;
    float *const *out;
    const float *const *add; /* or NULL; may be `out` itself */
    const float *start;      /* [width] or NULL */
    const ptrdiff_t *segments;
    int segment_count, depth;
    const float *panel;
    int column, columns; /* first column within out and add; 1 .. width */
};

/* y[p][i] = x[p][i] * scale[i] + shift[i], then SiLU if asked; scale NULL: y = x. */
struct cpu_affine {
    const float *x;
    ptrdiff_t x_step; /* from one pixel to the next */
    int64_t pixels;
    int count;
    const float *scale, *shift;
    bool silu;
    float *y;
    ptrdiff_t y_step;
};

/* y[r][i] = activation(x[r][i]); GEGLU: x[r][i] * gelu(gate[r][i]). y may be x. */
struct cpu_activation {
    enum activation kind;
    const float *x, *gate;
    ptrdiff_t x_step; /* from one row to the next, of gate too */
    int64_t rows, count;
    float *y;
    ptrdiff_t y_step;
};

/* Softmax of rows that come in pieces: scores become exp(scale * (score - top)), where top is
 * raised to the largest so far; `total` is brought to the new top and grows by the new ones.
 * factors[r] is what earlier weights of row r must be multiplied with. */
struct cpu_softmax {
    float *scores;
    ptrdiff_t step;
    int rows, count;
    float scale;
    float *tops, *totals, *factors; /* [rows]; at the start -infinity, 0 and anything */
};

/* y[r][i] = x[r][i] * factors[r]. y may be x. */
struct cpu_scaling {
    const float *x;
    ptrdiff_t x_step;
    int rows, count;
    const float *factors;
    float *y;
    ptrdiff_t y_step;
};

/* Layer norms of rows. */
struct cpu_layer {
    const float *scale, *shift;
    int count;
    float eps;
};

/* One 4x4 square (or, in time, run of 4 frames) of outputs from its transformed products m[point],
 * `columns` of them (a multiple of 8) a pixel. */
struct cpu_tile_out {
    const float *m;
    ptrdiff_t m_step;           /* from one point to the next */
    const float *start;         /* [columns] */
    const float *add;           /* residual with y's steps, or NULL; may be y itself */
    float *y;                   /* the first pixel */
    ptrdiff_t row_step, y_step; /* to the next row; to the next pixel (in time: frame) */
    int rows, pixels;           /* 1..4 wanted */
    int columns;
};

struct cpu_kernels {
    const char *name; /* part of the fingerprint */
    int width;        /* of a panel: a multiple of 16, at most CPU_PANEL_MAX */
    bool uses_blas;   /* the product is OpenBLAS's */
    bool (*runs_here)(void);

    void (*product)(const struct cpu_product *p);
    void (*affine)(const struct cpu_affine *a);
    void (*layer_norm)(const struct cpu_layer *l, const float *x, ptrdiff_t x_step, int rows,
                       float *y, ptrdiff_t y_step); /* y may be x */
    /* Adds each channel's sum and sum of squares over the pixels, in double. */
    void (*sums)(const float *x, ptrdiff_t x_step, int64_t pixels, int count, double *sum,
                 double *square);
    void (*activate)(const struct cpu_activation *a);
    void (*add)(const float *a, const float *b, float *y, int64_t count);
    void (*scale)(const struct cpu_scaling *s);
    void (*soften)(const struct cpu_softmax *s);
    /* Winograd's transforms (Lavin and Gray, arXiv 1509.09308) for 3-tap filters and 4 outputs.
     * tile_in: a 6x6 square of pixels of `count` channels (a multiple of 8) to its 36 points;
     * line_in: the same along one axis, 6 points. */
    void (*tile_in)(const float *x, ptrdiff_t row_step, ptrdiff_t x_step, int count, float *v,
                    ptrdiff_t v_step);
    void (*tile_out)(const struct cpu_tile_out *t);
    void (*line_in)(const float *x, ptrdiff_t x_step, int64_t count, float *v, ptrdiff_t v_step);
    void (*line_out)(const struct cpu_tile_out *t);
    /* Elements of F16 or BF16 as float: exact. */
    void (*widen)(enum tensor_dtype dtype, const uint16_t *from, ptrdiff_t count, float *to);
    /* Columns become rows: panel[d][i] = x[i * x_step + d] for i < rows <= width, zero beyond. */
    void (*transpose)(const float *x, ptrdiff_t x_step, int rows, int depth, float *panel);
};

/* Row 0 .. count-1, the portable one first; some may not run on this machine. */
const struct cpu_kernels *const *cpu_kernels_all(int *count_out);
const struct cpu_kernels *cpu_kernels_best(void);

#endif

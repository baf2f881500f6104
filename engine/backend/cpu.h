/* cpu: what the files of the cpu backend share: its context, its weights, scratch memory, products
 * of a tile and the gathering of inputs. Nothing outside engine/backend/cpu*.c and its tests
 * includes it.
 *
 * An operation is cut into items within one video (batch element), by its shape alone. An item
 * gathers its input (norm, activation, padding, resize, concatenation) into the scratch memory of
 * its thread, multiplies from there, and writes its own part of the output. Sizes are in floats. */
#ifndef ZOE_ENGINE_BACKEND_CPU_H
#define ZOE_ENGINE_BACKEND_CPU_H

#include "engine/backend/cpu_kernels.h"

/* ---- context (cpu.c) ---- */

struct backend_context {
    struct threads *threads;
    const struct cpu_kernels *kernels;
    bool planning;
    size_t scratch_wanted, scratch_size; /* per thread */
    size_t shared_wanted, shared_size;
    size_t transformed_bytes; /* of all struct cpu_points */
    float *scratch, *shared;
    struct error failure; /* the first one while planning; code ERROR_NONE when fine */
};

/* As the table's `open`, with kernels chosen by the caller. */
struct backend_context *cpu_open_with(const struct cpu_kernels *kernels, struct threads *threads,
                                      struct error *err);

/* True while planning, after the wishes were noted: the operation returns then. `shared` is memory
 * that all items see. Sizes are rounded up so that pieces may start at multiples of 16. */
bool cpu_planned(struct backend_context *c, size_t scratch, size_t shared);
float *cpu_scratch(const struct backend_context *c, int thread);

static inline size_t cpu_round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static inline int cpu_pieces(int64_t n, int64_t of)
{
    return (int)((n + of - 1) / of);
}

static inline int cpu_least(int a, int b)
{
    return a < b ? a : b;
}

/* ---- weights (cpu_weight.c) ---- */

struct cpu_matrix {
    float *panels; /* [ceil(columns / width)][depth][width], or NULL and the same in 16 bits: */
    uint16_t *narrow;
    enum tensor_dtype dtype; /* of narrow */
    int depth, columns;
};

/* A convolution's weights after Winograd's transform, made when a shape first wants them. */
struct cpu_points {
    float *panels; /* [panel][point][in][width]; NULL = not made */
    bool wanted;   /* a plan has asked for them */
};

struct cpu_weight {
    struct weight head;
    struct cpu_matrix matrix;  /* of products: depth = taps * in, tap by tap */
    float *rows;               /* EMBEDDING: as stored. NORM: scale */
    uint16_t *narrow_rows;     /* EMBEDDING: instead of rows, when narrow */
    enum tensor_dtype dtype;   /* of narrow_rows */
    float *bias;               /* [panels * width], zeros when absent. NORM: shift */
    struct cpu_points *points; /* of 3-tap convolutions, else NULL */
};

struct weight *cpu_weight_prepare(struct backend_context *c, const struct weight_spec *spec,
                                  struct error *err);
void cpu_weight_release(struct backend_context *c, struct weight *w);
const struct cpu_weight *cpu_weight_of(const struct weight *w);
/* One weight, read back from its panel. */
float cpu_matrix_at(const struct cpu_kernels *k, const struct cpu_matrix *m, int depth, int column);

/* ---- products of one tile (cpu_tile.c) ---- */

#define CPU_TILE_ROWS 256

struct cpu_tile {
    int row_count; /* at most CPU_TILE_ROWS */
    const float *rows[CPU_TILE_ROWS];
    float *out[CPU_TILE_ROWS];
    const float *add[CPU_TILE_ROWS]; /* looked at when has_add */
    bool has_add;
    const float *start; /* [columns rounded up to panels], or NULL */
};

/* Rows and outputs at even distances. */
void cpu_tile_rows(struct cpu_tile *t, int count, const float *x, ptrdiff_t x_step, float *y,
                   ptrdiff_t y_step);
/* out = start + add + rows * matrix, for columns [first, last) (first on a panel's edge) and
 * `segments` times `depth` of the matrix' depth from `depth_first` on; out_first is usually first.
 * Long sums are cut, which changes no bit: a cut stores the sum and goes on from it. */
struct cpu_tile_product {
    const struct cpu_matrix *matrix;
    int first, last;
    int out_first; /* the column of out and add where column `first` goes */
    int depth_first, depth;
    const ptrdiff_t *segments;
    int segment_count;
};
void cpu_tile_multiply(const struct cpu_kernels *k, const struct cpu_tile *t,
                       const struct cpu_tile_product *p);

/* ---- norms (cpu_norm.c) ---- */

/* Scale and shift of each channel, one pair of rows a unit (image or video). */
struct cpu_norm {
    const float *factors; /* [unit][2][channels]; NULL = no norm */
    int channels, units_per_video;
    bool silu;
};

/* Shared memory that cpu_norm_run wants. */
size_t cpu_norm_shared(const struct norm_args *n, const struct tensor *x, const struct tensor *x2);
struct cpu_norm cpu_norm_run(struct backend_context *c, const struct norm_args *n,
                             const struct tensor *x, const struct tensor *x2);

/* ---- gathering (cpu_gather.c) ---- */

struct cpu_source {
    const struct tensor *x, *x2; /* x2 or NULL */
    int stored_height, stored_width;
    int height, width; /* after the resize */
    struct cpu_norm norm;
};

/* A box of pixels; parts outside the image (or before the first and after the last frame) are
 * zero. */
struct cpu_box {
    int batch, frame, row, column; /* first ones; may lie outside */
    int frames, rows, columns;
    int channel, channels; /* of x and x2 together */
};

/* out[frame][row][column][channel], without gaps. */
void cpu_gather(const struct cpu_kernels *k, const struct cpu_source *s, const struct cpu_box *b,
                float *out);

/* What every output pixel of a video starts from: bias, plus `channels` where given. Points into
 * the weight or into `room` of columns floats rounded up to a panel. */
const float *cpu_start(const struct cpu_kernels *k, const struct cpu_weight *w,
                       const struct tensor *channels, int batch, float *room);

/* ---- operations ---- */

bool cpu_conv_2d_fused(struct backend_context *c, const struct conv2d_args *a);
void cpu_conv_2d(struct backend_context *c, const struct conv2d_args *a);
bool cpu_conv_time_fused(struct backend_context *c, const struct conv_time_args *a);
void cpu_conv_time(struct backend_context *c, const struct conv_time_args *a);
struct cpu_source cpu_conv_source(const struct conv2d_args *a); /* norm still empty */
struct cpu_source cpu_conv_time_source(const struct tensor *x); /* pixels of a frame in one row */
/* False when Winograd's transform does not suit; else it plans, or runs. */
bool cpu_winograd_2d(struct backend_context *c, const struct conv2d_args *a);
bool cpu_winograd_time(struct backend_context *c, const struct conv_time_args *a);

bool cpu_linear_fused(struct backend_context *c, const struct linear_args *a);
void cpu_linear(struct backend_context *c, const struct linear_args *a);
bool cpu_linear_feed_forward(struct backend_context *c, const struct feed_forward_args *a);

void cpu_norm_group(struct backend_context *c, const struct tensor *x, const struct norm_args *norm,
                    struct tensor *y);
void cpu_norm_sums(struct backend_context *c, const struct tensor *x, int groups, double *sums);
void cpu_norm_group_by(struct backend_context *c, const struct tensor *x,
                       const struct norm_args *norm, const struct norm_sums *known,
                       struct tensor *y);
void cpu_norm_layer(struct backend_context *c, const struct tensor *x, const struct weight *norm,
                    float eps, struct tensor *y);
void cpu_attention(struct backend_context *c, const struct attention_args *a);

void cpu_simple_activate(struct backend_context *c, enum activation kind, const struct tensor *x,
                         struct tensor *y);
void cpu_simple_add(struct backend_context *c, const struct tensor *a, const struct tensor *b,
                    struct tensor *y);
void cpu_simple_add_channels(struct backend_context *c, const struct tensor *x,
                             const struct tensor *channels, struct tensor *y);
void cpu_simple_concat(struct backend_context *c, const struct tensor *a, const struct tensor *b,
                       struct tensor *y);
void cpu_simple_resize(struct backend_context *c, const struct tensor *x, struct tensor *y);
void cpu_simple_repeat(struct backend_context *c, const struct tensor *x, struct tensor *y);
void cpu_simple_embed(struct backend_context *c, const struct weight *table, const int32_t *ids,
                      struct tensor *y);

#endif

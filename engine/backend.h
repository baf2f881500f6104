/* backend: the table of operations that a model is computed with.
 *
 * Contract
 * - Operations ENQUEUE: they may return before the work is done and run in order. Only `read`,
 * `group_sums` and `sync` wait. (`ref` and `cpu` simply do the work.) Inputs must stay untouched
 * until then; the arena takes care of order because reuse is enqueued too.
 * - Weights are prepared once, at load, into whatever layout and dtype the backend likes (F16 and
 * BF16 are widened to float32: by `ref` at once, by `cpu` at once or, when `narrow`, block by block
 * where a product needs them, with the same results); the source memory (a mapped file) may vanish
 * afterwards.
 * - Nothing is allocated inside a step. Between plan_begin and plan_end each operation is called
 * once for every shape that a step will use, with tensors whose data is NULL: it then only notes
 * how much workspace it wants. plan_end allocates the largest. Plans of several shapes may be made
 * one after the other; the workspace only grows.
 * - Results must not depend on the number of threads: see threads.h. Statistics and sums of norms:
 * float64, or pairwise or chunked sums in blocks of fixed size. Nor may they depend on how many
 * batch elements share a call (a request renders the same alone and in a batch): blocks are cut
 * within one batch element, from its own size only.
 * - Operations cannot fail: shapes are the model code's business (ZOE_ASSERT them), sizes were
 * checked when planning.
 * - A `*_fused` row is optional (NULL), and may decline a call by returning false BEFORE doing
 * anything, in planning and in running alike (so the decision may depend on shapes and arguments,
 * never on data). ops.c then runs the parts. `ref` has none.
 * - y never overlaps an input, unless an operation's comment allows it. Inputs have stride ==
 * channels unless said otherwise.
 *
 * Adding a backend: engine/backend/NAME.c that defines one `const struct backend`, and its row in
 * backend/backend_table.c; tests/engine/test_backend.c then compares each of its operations with
 * `ref`. */
#ifndef ZOE_ENGINE_BACKEND_H
#define ZOE_ENGINE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/tensor.h"
#include "engine/threads.h"

struct backend_context; /* a backend's own state: pool, workspace, stream */

/* ---- weights ---- */

enum weight_kind {
    WEIGHT_CONV2D,    /* [out][in][k][k], k 1 or 3, and bias [out] */
    WEIGHT_CONV_TIME, /* [out][in][3][1][1], and bias [out] */
    WEIGHT_LINEAR,    /* up to WEIGHT_PARTS matrices [out_i][in], stacked along out in order; bias
                         [out_i] or none, each */
    WEIGHT_NORM,      /* scale [n] and shift [n] */
    WEIGHT_EMBEDDING, /* [rows][n] */
};

#define WEIGHT_PARTS 3

struct weight_array { /* borrowed, row-major, in a mapped file: may be unaligned to anything but 2
                         bytes */
    const void *data; /* NULL: absent */
    enum tensor_dtype dtype;
    int64_t count;
};

struct weight_spec {
    enum weight_kind kind;
    const char *name; /* for errors */
    int in;           /* input channels; WEIGHT_NORM: n; WEIGHT_EMBEDDING: rows */
    int out;          /* output channels, all parts together; WEIGHT_NORM: n; WEIGHT_EMBEDDING: n */
    int kernel;       /* WEIGHT_CONV2D: 1 or 3; WEIGHT_CONV_TIME: 3; else 1 */
    int part_count;
    bool narrow;  /* keep 16-bit elements as they are, and widen them whenever they are used */
    bool planned; /* only shapes count: data is NULL everywhere, and the weight can be planned
                     with but not computed with */
    struct {
        int out;                    /* rows of this part */
        struct weight_array weight; /* WEIGHT_NORM: scale */
        struct weight_array bias;   /* WEIGHT_NORM: shift; absent = zeros */
    } parts[WEIGHT_PARTS];
};

/* Backends embed this as the first member of their own struct. */
struct weight {
    enum weight_kind kind;
    int in, out, kernel;
    size_t held_bytes; /* memory that it takes in the backend (or would, when planned) */
};

/* What a backend holds apart from weights and tensors, as far as planned. */
struct backend_usage {
    size_t workspace_bytes;
    size_t transformed_bytes; /* weights in a second form, for faster products */
};

/* Elements first .. first + count - 1 of a stored array as float. */
void weight_array_read(const struct weight_array *a, int64_t first, int64_t count, float *out);

/* ---- arguments ---- */

/* Group norm: the channels of one pixel are cut into `groups` runs; statistics per image, or per
 * video over all its frames. */
struct norm_args {
    const struct weight *weight; /* WEIGHT_NORM over all channels; NULL = no norm */
    int groups;
    float eps;
    bool over_frames; /* statistics per video (all frames of one batch element) instead of per image
                       */
    bool silu;        /* x * sigmoid(x) afterwards */
};

/* y = conv(resize(norm([x, x2]))) + bias + channels + residual. Zero padding comes after norm and
 * resize. */
struct conv2d_args {
    const struct tensor *x;  /* [B][F][h][w][Cx] */
    const struct tensor *x2; /* fused only: second source, its channels follow x's (norm groups may
                                straddle); or NULL */
    struct norm_args norm;   /* fused only: norm.weight == NULL when absent */
    int resize_height,
        resize_width; /* fused only: nearest resize of the input to this size first; 0 = none */
    const struct weight *weight;                  /* WEIGHT_CONV2D, in = Cx (+ Cx2) */
    int stride;                                   /* 1 or 2 */
    int pad_top, pad_left, pad_bottom, pad_right; /* 0 or 1 */
    const struct tensor *channels; /* fused only: [B or 1][1][1][1][out], added to every pixel of
                                      its video; or NULL */
    const struct tensor *residual; /* fused only: same shape as y; may be y itself; or NULL */
    struct tensor *y; /* [B][F][h'][w'][out], h' = (h + pad_top + pad_bottom - k) / stride + 1 */
};

/* y[f] = W0 n(x)[f-1] + W1 n(x)[f] + W2 n(x)[f+1] + bias (+ residual); frames outside the video are
 * zero AFTER norm. */
struct conv_time_args {
    const struct tensor *x;        /* [B][F][h][w][in] */
    struct norm_args norm;         /* fused only */
    const struct weight *weight;   /* WEIGHT_CONV_TIME */
    const struct tensor *residual; /* fused only: same shape as y; may be y itself; or NULL */
    struct tensor *y;              /* [B][F][h][w][out] */
};

enum activation {
    ACTIVATION_NONE,
    ACTIVATION_SILU,       /* x * sigmoid(x) */
    ACTIVATION_GELU,       /* exact: x * 0.5 * (1 + erf(x / sqrt(2))) */
    ACTIVATION_QUICK_GELU, /* x * sigmoid(1.702 x) */
    ACTIVATION_GEGLU,      /* [a, g] -> a * gelu(g): halves the channels, a is the first half */
    ACTIVATION_COUNT
};

/* y = activation(norm(x) W^T + bias) + residual, for every pixel. */
struct linear_args {
    const struct tensor *x;          /* [..][in] */
    struct norm_args norm;           /* fused only: group norm first */
    const struct weight *layer_norm; /* fused only: WEIGHT_NORM, layer norm over channels with
                                        `layer_norm_eps` first; or NULL */
    float layer_norm_eps;
    const struct weight *weight;   /* WEIGHT_LINEAR; out = 2 * y channels for ACTIVATION_GEGLU */
    enum activation activation;    /* fused only unless ACTIVATION_NONE */
    const struct tensor *residual; /* fused only: same shape as y; may be y itself; or NULL */
    struct tensor *y;
};

/* y = down(geglu(up(layer_norm(x)))) + x, so that the wide middle never needs memory of its own.
 * Optional row only. */
struct feed_forward_args {
    const struct tensor *x;
    const struct weight *layer_norm;
    float layer_norm_eps;
    const struct weight *up;   /* WEIGHT_LINEAR [2 * inner][C] */
    const struct weight *down; /* WEIGHT_LINEAR [C][inner] */
    struct tensor *y;          /* may be x */
};

enum attention_axis {
    ATTENTION_SPACE, /* sequence: the height*width pixels of one image */
    ATTENTION_TIME,  /* sequence: the frames of one pixel */
};

/* y = softmax(scale * q k^T) v, head by head (head h: channels h*d .. h*d+d-1). Scores are never
 * stored as a whole for long sequences. q, k and v may be slices (stride > channels) of one
 * product. SPACE: k and v are [B][F][h'][w'][C] (own keys for each image) or [B][1][h'][w'][C] with
 * frames == 1 (cross attention: one set of keys for all frames of a video). `causal`: query i sees
 * keys 0..i (SPACE only). TIME: q, k, v all [B][F][h][w][C]. */
struct attention_args {
    const struct tensor *q, *k, *v;
    int heads;
    float scale;
    enum attention_axis axis;
    bool causal;
    struct tensor *y; /* q's shape, stride == channels */
};

/* ---- the table ---- */

/* What a group norm needs to know of an image of which only some rows are there. */
struct norm_sums {
    const double *sums; /* [groups][2]: sum of the values, of their squares */
    double count;       /* values of a group */
};

struct backend {
    const char *name;   /* "ref", "cpu": recipe-independent, part of the fingerprint */
    const char *device; /* "host" when tensor data is host memory */

    /* `threads` is borrowed and outlives the context. */
    struct backend_context *(*open)(struct threads *threads, struct error *err);
    void (*close)(struct backend_context *c); /* NULL is fine */
    /* What decides bits besides name and version: kernels chosen, BLAS version and core, as "avx2
     * openblas-0.3.21-Haswell". */
    void (*variant)(const struct backend_context *c, char *out, size_t out_size);

    struct weight *(*prepare)(struct backend_context *c, const struct weight_spec *spec,
                              struct error *err);
    void (*release)(struct backend_context *c, struct weight *w); /* NULL is fine */

    void *(*memory_new)(struct backend_context *c, size_t size_bytes,
                        struct error *err); /* 64-byte aligned */
    void (*memory_free)(struct backend_context *c, void *memory);

    void (*plan_begin)(struct backend_context *c);
    bool (*plan_end)(struct backend_context *c, struct error *err); /* allocates the workspace */
    struct backend_usage (*usage)(const struct backend_context *c);

    void (*write)(struct backend_context *c, struct tensor *y,
                  const float *host); /* host may be reused on return */
    void (*read)(struct backend_context *c, const struct tensor *x, float *host); /* waits */
    void (*sync)(struct backend_context *c);

    /* Parts: all required. */
    void (*conv2d)(struct backend_context *c, const struct conv2d_args *a);
    void (*conv_time)(struct backend_context *c, const struct conv_time_args *a);
    void (*linear)(struct backend_context *c, const struct linear_args *a);
    void (*group_norm)(struct backend_context *c, const struct tensor *x,
                       const struct norm_args *norm, struct tensor *y); /* y may be x */
    /* Group norms of a single image (batch and frames 1) that comes in pieces: group_sums adds a
     * piece's part to sums[groups][2] in host memory, and waits; group_norm_by normalizes a piece
     * by the sums of all. */
    void (*group_sums)(struct backend_context *c, const struct tensor *x, int groups, double *sums);
    void (*group_norm_by)(struct backend_context *c, const struct tensor *x,
                          const struct norm_args *norm, const struct norm_sums *known,
                          struct tensor *y); /* y may be x */
    void (*layer_norm)(struct backend_context *c, const struct tensor *x, const struct weight *norm,
                       float eps, struct tensor *y); /* y may be x */
    void (*attention)(struct backend_context *c, const struct attention_args *a);
    void (*activate)(struct backend_context *c, enum activation kind, const struct tensor *x,
                     struct tensor *y); /* y may be x, but not for GEGLU */
    void (*add)(struct backend_context *c, const struct tensor *a, const struct tensor *b,
                struct tensor *y); /* y may be a or b */
    void (*add_channels)(struct backend_context *c, const struct tensor *x,
                         const struct tensor *channels,
                         struct tensor *y); /* channels as in conv2d_args; y may be x */
    void (*concat)(struct backend_context *c, const struct tensor *a, const struct tensor *b,
                   struct tensor *y); /* channels of a, then of b */
    void (*resize)(struct backend_context *c, const struct tensor *x,
                   struct tensor *y); /* nearest: source = floor(target * in / out) */
    void (*repeat)(struct backend_context *c, const struct tensor *x,
                   struct tensor *y); /* y's batch is a multiple of x's: x again and again */
    void (*embed)(struct backend_context *c, const struct weight *table, const int32_t *ids,
                  struct tensor *y); /* host ids, one a pixel of y, within rows */

    /* Optional. */
    bool (*conv2d_fused)(struct backend_context *c, const struct conv2d_args *a);
    bool (*conv_time_fused)(struct backend_context *c, const struct conv_time_args *a);
    bool (*linear_fused)(struct backend_context *c, const struct linear_args *a);
    bool (*feed_forward_fused)(struct backend_context *c, const struct feed_forward_args *a);
};

/* backend/backend_table.c */
const struct backend *
backend_find(const char *name); /* NULL when unknown; name NULL = the best one for this machine */
const struct backend *const *backend_all(int *count_out);

#endif

/* Every operation of every backend (and of each set of the cpu backend's kernels that this machine
 * can run) against `ref`, and against itself on 1, 2 and 4 threads bit for bit. Table-driven: a
 * case is an operation with shapes; adding a backend needs nothing here, adding an operation one
 * function and its rows. */
#include "fixture.h"

#include "engine/backend/cpu.h"
#include "engine/ops.h"

#define KEPT_MAX 16
#define LIMIT 1e-5

/* One case on one backend. The case's function runs twice: in the first pass tensors have no data
 * and the backend plans. */
struct rig {
    struct ops *ops;
    bool planning;
    enum tensor_dtype stored; /* of weights */
    bool narrow;
    uint64_t random;
    int tensor_count, weight_count;
    void *memory[KEPT_MAX];
    struct weight *weights[KEPT_MAX];
    float *out; /* what the case read back */
    int64_t out_count;
};

static float next_random(struct rig *r)
{
    r->random = r->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)(int32_t)(r->random >> 32) * 0x1p-31f;
}

static float *random_floats(struct rig *r, int64_t count, float scale, float shift)
{
    float *values = malloc((size_t)count * sizeof *values);
    assert_non_null(values);
    for (int64_t i = 0; i < count; i++)
        values[i] = next_random(r) * scale + shift;
    return values;
}

/* Cut to 16 bits, in place; tiny halves become zero. */
static void narrow_floats(float *values, int64_t count, enum tensor_dtype dtype)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        const uint32_t sign = bits >> 16 & 0x8000, magnitude = (bits & 0x7fffffff) >> 13;
        const uint32_t half = magnitude < (113u << 10) ? 0 : magnitude - (112u << 10);
        const uint16_t cut = (uint16_t)(dtype == TENSOR_BF16 ? bits >> 16 : sign | half);
        memcpy((uint16_t *)(void *)values + i, &cut, sizeof cut);
    }
}

static struct tensor blank(struct rig *r, int batch, int frames, int height, int width,
                           int channels)
{
    struct tensor t = {TENSOR_F32, batch, frames, height, width, channels, channels, NULL, 0};
    t.slot = -1 - r->tensor_count; /* tells tensors apart while planning */
    if (!r->planning) {
        struct error err = {0};
        const size_t size = (size_t)tensor_count(&t) * sizeof(float);
        r->memory[r->tensor_count] = r->ops->backend->memory_new(r->ops->context, size, &err);
        expect_ok(r->memory[r->tensor_count] != NULL, &err);
        t.data = r->memory[r->tensor_count];
    }
    r->tensor_count++;
    assert_true(r->tensor_count <= KEPT_MAX);
    return t;
}

static struct tensor filled(struct rig *r, int batch, int frames, int height, int width,
                            int channels)
{
    struct tensor t = blank(r, batch, frames, height, width, channels);
    float *values = random_floats(r, tensor_count(&t), 2, 0.25f);
    if (!r->planning) r->ops->backend->write(r->ops->context, &t, values);
    free(values);
    return t;
}

/* Made in the planning pass, found again in the other. */
static const struct weight *weight(struct rig *r, enum weight_kind kind, int in, int out,
                                   int kernel, int parts, bool bias)
{
    struct weight_spec spec = {.kind = kind,
                               .name = "test",
                               .in = in,
                               .out = out,
                               .kernel = kernel,
                               .part_count = parts,
                               .narrow = r->narrow};
    float *kept[2 * WEIGHT_PARTS];
    const int taps = kind == WEIGHT_CONV2D ? kernel * kernel : kernel;
    const bool norm = kind == WEIGHT_NORM;
    for (int i = 0; i < parts; i++) {
        const int rows = out / parts;
        const int64_t count = norm ? out : (int64_t)in * rows * taps;
        const float scale = norm ? 0.5f : 1 / sqrtf((float)(in * taps));
        spec.parts[i].out = rows;
        kept[2 * i] = random_floats(r, count, scale, norm ? 1 : 0);
        kept[2 * i + 1] = random_floats(r, rows, 0.5f, 0);
        if (r->stored != TENSOR_F32) narrow_floats(kept[2 * i], count, r->stored);
        spec.parts[i].weight = (struct weight_array){kept[2 * i], r->stored, count};
        if (bias) spec.parts[i].bias = (struct weight_array){kept[2 * i + 1], TENSOR_F32, rows};
    }
    if (r->planning) {
        struct error err = {0};
        r->weights[r->weight_count] = r->ops->backend->prepare(r->ops->context, &spec, &err);
        expect_ok(r->weights[r->weight_count] != NULL, &err);
    }
    for (int i = 0; i < 2 * parts; i++)
        free(kept[i]);
    return r->weights[r->weight_count++];
}

/* Everything is built: the operation comes next. */
static void go(struct rig *r)
{
    const struct ops_key key = {NULL, {0}};
    if (r->planning) ops_plan_begin(r->ops, &key);
}

static void keep(struct rig *r, const struct tensor *y)
{
    if (r->planning) return;
    r->out_count = tensor_count(y);
    r->out = malloc((size_t)r->out_count * sizeof *r->out);
    assert_non_null(r->out);
    r->ops->backend->read(r->ops->context, y, r->out);
}

/* ---- cases ---- */

struct test_case {
    const char *name;
    void (*run)(struct rig *r, const int *p);
    int p[12];
};

enum {
    NORM = 1,
    SECOND = 2,
    CHANNELS = 4,
    RESIDUAL = 8,
    RESIZE = 16,
    IN_PLACE = 32,
    OVER_FRAMES = 64,
    SILU = 128
};

static struct norm_args norm_for(struct rig *r, int channels, int groups, int flags)
{
    struct norm_args n = {0};
    if ((flags & NORM) != 0)
        n = (struct norm_args){.weight = weight(r, WEIGHT_NORM, channels, channels, 1, 1, true),
                               .groups = groups,
                               .eps = 1e-5f,
                               .over_frames = (flags & OVER_FRAMES) != 0,
                               .silu = (flags & SILU) != 0};
    return n;
}

/* batch frames height width in out kernel stride flags groups second-in asymmetric */
static void run_conv2d(struct rig *r, const int *p)
{
    const int flags = p[8], second = p[10], lead = p[6] / 2 - p[11], tail = p[6] / 2;
    const int height = (flags & RESIZE) != 0 ? 2 * p[2] - 1 : p[2];
    const int width = (flags & RESIZE) != 0 ? 2 * p[3] : p[3];
    struct tensor x = filled(r, p[0], p[1], p[2], p[3], p[4]), x2, add, rest;
    struct conv2d_args a = {.x = &x,
                            .stride = p[7],
                            .pad_top = lead,
                            .pad_left = lead,
                            .pad_bottom = tail,
                            .pad_right = tail};
    a.norm = norm_for(r, p[4] + second, p[9], flags);
    a.weight = weight(r, WEIGHT_CONV2D, p[4] + second, p[5], p[6], 1, true);
    struct tensor y = filled(r, p[0], p[1], (height + lead + tail - p[6]) / p[7] + 1,
                             (width + lead + tail - p[6]) / p[7] + 1, p[5]);
    if ((flags & SECOND) != 0) x2 = filled(r, p[0], p[1], p[2], p[3], second), a.x2 = &x2;
    if ((flags & RESIZE) != 0) a.resize_height = height, a.resize_width = width;
    if ((flags & CHANNELS) != 0)
        add = filled(r, p[0] > 1 ? p[0] : 1, 1, 1, 1, p[5]), a.channels = &add;
    if ((flags & RESIDUAL) != 0)
        rest = filled(r, y.batch, y.frames, y.height, y.width, p[5]), a.residual = &rest;
    if ((flags & IN_PLACE) != 0) a.residual = &y;
    a.y = &y;
    go(r);
    ops_conv2d(r->ops, &a);
    keep(r, &y);
}

/* batch frames height width in out flags groups */
static void run_conv_time(struct rig *r, const int *p)
{
    struct tensor x = filled(r, p[0], p[1], p[2], p[3], p[4]);
    struct tensor y = filled(r, p[0], p[1], p[2], p[3], p[5]);
    struct tensor rest = filled(r, p[0], p[1], p[2], p[3], p[5]);
    struct conv_time_args a = {.x = &x, .norm = norm_for(r, p[4], p[7], p[6]), .y = &y};
    a.weight = weight(r, WEIGHT_CONV_TIME, p[4], p[5], 3, 1, true);
    if ((p[6] & RESIDUAL) != 0) a.residual = &rest;
    if ((p[6] & IN_PLACE) != 0) a.residual = &y;
    go(r);
    ops_conv_time(r->ops, &a);
    keep(r, &y);
}

/* batch frames height width in out parts bias activation flags groups layer-norm */
static void run_linear(struct rig *r, const int *p)
{
    const int wide = p[8] == ACTIVATION_GEGLU ? 2 * p[5] : p[5];
    struct tensor x = filled(r, p[0], p[1], p[2], p[3], p[4]);
    struct tensor y = filled(r, p[0], p[1], p[2], p[3], p[5]);
    struct tensor rest = filled(r, p[0], p[1], p[2], p[3], p[5]);
    struct linear_args a = {
        .x = &x, .activation = (enum activation)p[8], .layer_norm_eps = 1e-5f, .y = &y};
    a.norm = norm_for(r, p[4], p[10], p[9]);
    if (p[11] != 0) a.layer_norm = weight(r, WEIGHT_NORM, p[4], p[4], 1, 1, true);
    a.weight = weight(r, WEIGHT_LINEAR, p[4], wide, 1, p[6], p[7] != 0);
    if ((p[9] & RESIDUAL) != 0) a.residual = &rest;
    if ((p[9] & IN_PLACE) != 0) a.residual = &y;
    go(r);
    ops_linear(r->ops, &a);
    keep(r, &y);
}

/* batch frames height width channels inner in-place */
static void run_feed_forward(struct rig *r, const int *p)
{
    struct tensor x = filled(r, p[0], p[1], p[2], p[3], p[4]);
    struct tensor y = filled(r, p[0], p[1], p[2], p[3], p[4]);
    const struct feed_forward_args a = {.x = &x,
                                        .layer_norm =
                                            weight(r, WEIGHT_NORM, p[4], p[4], 1, 1, true),
                                        .layer_norm_eps = 1e-5f,
                                        .up = weight(r, WEIGHT_LINEAR, p[4], 2 * p[5], 1, 1, true),
                                        .down = weight(r, WEIGHT_LINEAR, p[5], p[4], 1, 1, true),
                                        .y = p[6] != 0 ? &x : &y};
    go(r);
    ops_feed_forward(r->ops, &a);
    keep(r, a.y);
}

/* batch frames height width channels groups flags in-place */
static void run_group_norm(struct rig *r, const int *p)
{
    struct tensor x = filled(r, p[0], p[1], p[2], p[3], p[4]),
                  y = blank(r, p[0], p[1], p[2], p[3], p[4]);
    const struct norm_args norm = norm_for(r, p[4], p[5], p[6] | NORM);
    struct tensor *to = p[7] != 0 ? &x : &y;
    go(r);
    r->ops->backend->group_norm(r->ops->context, &x, &norm, to);
    keep(r, to);
}

/* A norm in two pieces, cut after `cut` rows: height width channels groups flags in-place cut */
static void run_norm_in_pieces(struct rig *r, const int *p)
{
    const struct backend *backend = r->ops->backend;
    struct tensor x = filled(r, 1, 1, p[0], p[1], p[2]), y = blank(r, 1, 1, p[0], p[1], p[2]);
    const struct norm_args norm = norm_for(r, p[2], p[3], p[4] | NORM);
    struct tensor *to = p[5] != 0 ? &x : &y;
    double sums[2 * 32] = {0};
    const struct norm_sums known = {sums, (double)p[0] * p[1] * p[2] / p[3]};
    const int starts[] = {0, p[6]}, rows[] = {p[6], p[0] - p[6]};
    go(r);
    for (int i = 0; i < 2; i++) {
        const struct tensor piece = tensor_rows(&x, starts[i], rows[i]);
        backend->group_sums(r->ops->context, &piece, p[3], sums);
    }
    for (int i = 0; i < 2; i++) {
        const struct tensor piece = tensor_rows(&x, starts[i], rows[i]);
        struct tensor target = tensor_rows(to, starts[i], rows[i]);
        backend->group_norm_by(r->ops->context, &piece, &norm, &known, &target);
    }
    keep(r, to);
}

/* batch frames height width channels in-place */
static void run_layer_norm(struct rig *r, const int *p)
{
    struct tensor x = filled(r, p[0], p[1], p[2], p[3], p[4]),
                  y = blank(r, p[0], p[1], p[2], p[3], p[4]);
    const struct weight *norm = weight(r, WEIGHT_NORM, p[4], p[4], 1, 1, true);
    struct tensor *to = p[5] != 0 ? &x : &y;
    go(r);
    r->ops->backend->layer_norm(r->ops->context, &x, norm, 1e-5f, to);
    keep(r, to);
}

/* batch frames height width channels heads axis causal keys(0 = self) */
static void run_attention(struct rig *r, const int *p)
{
    const int c = p[4];
    struct tensor all = filled(r, p[0], p[1], p[2], p[3], 3 * c);
    struct tensor text = filled(r, p[0], 1, 1, p[8] > 0 ? p[8] : 1, 2 * c);
    struct tensor y = blank(r, p[0], p[1], p[2], p[3], c);
    const struct tensor q = tensor_slice(&all, 0, c);
    const struct tensor k = p[8] > 0 ? tensor_slice(&text, 0, c) : tensor_slice(&all, c, c);
    const struct tensor v = p[8] > 0 ? tensor_slice(&text, c, c) : tensor_slice(&all, 2 * c, c);
    const struct attention_args a = {.q = &q,
                                     .k = &k,
                                     .v = &v,
                                     .heads = p[5],
                                     .scale = 1 / sqrtf((float)c / (float)p[5]),
                                     .axis = (enum attention_axis)p[6],
                                     .causal = p[7] != 0,
                                     .y = &y};
    go(r);
    r->ops->backend->attention(r->ops->context, &a);
    keep(r, &y);
}

/* pixels channels activation in-place */
static void run_activate(struct rig *r, const int *p)
{
    const enum activation kind = (enum activation)p[2];
    struct tensor x = filled(r, 1, 1, 1, p[0], kind == ACTIVATION_GEGLU ? 2 * p[1] : p[1]);
    struct tensor y = blank(r, 1, 1, 1, p[0], p[1]);
    struct tensor *to = p[3] != 0 ? &x : &y;
    go(r);
    r->ops->backend->activate(r->ops->context, kind, &x, to);
    keep(r, to);
}

/* batch frames height width channels in-place */
static void run_add(struct rig *r, const int *p)
{
    struct tensor a = filled(r, p[0], p[1], p[2], p[3], p[4]),
                  b = filled(r, p[0], p[1], p[2], p[3], p[4]);
    struct tensor y = blank(r, p[0], p[1], p[2], p[3], p[4]);
    struct tensor *to = p[5] != 0 ? &b : &y;
    go(r);
    r->ops->backend->add(r->ops->context, &a, &b, to);
    keep(r, to);
}

/* batch frames height width channels shared in-place */
static void run_add_channels(struct rig *r, const int *p)
{
    struct tensor x = filled(r, p[0], p[1], p[2], p[3], p[4]),
                  y = blank(r, p[0], p[1], p[2], p[3], p[4]);
    struct tensor channels = filled(r, p[5] != 0 ? 1 : p[0], 1, 1, 1, p[4]);
    struct tensor *to = p[6] != 0 ? &x : &y;
    go(r);
    r->ops->backend->add_channels(r->ops->context, &x, &channels, to);
    keep(r, to);
}

/* batch frames height width channels channels */
static void run_concat(struct rig *r, const int *p)
{
    struct tensor a = filled(r, p[0], p[1], p[2], p[3], p[4]),
                  b = filled(r, p[0], p[1], p[2], p[3], p[5]);
    struct tensor y = blank(r, p[0], p[1], p[2], p[3], p[4] + p[5]);
    go(r);
    r->ops->backend->concat(r->ops->context, &a, &b, &y);
    keep(r, &y);
}

/* batch frames height width channels to-height to-width */
static void run_resize(struct rig *r, const int *p)
{
    struct tensor x = filled(r, p[0], p[1], p[2], p[3], p[4]),
                  y = blank(r, p[0], p[1], p[5], p[6], p[4]);
    go(r);
    r->ops->backend->resize(r->ops->context, &x, &y);
    keep(r, &y);
}

/* batch frames height width channels times */
static void run_repeat(struct rig *r, const int *p)
{
    struct tensor x = filled(r, p[0], p[1], p[2], p[3], p[4]);
    struct tensor y = blank(r, p[0] * p[5], p[1], p[2], p[3], p[4]);
    go(r);
    r->ops->backend->repeat(r->ops->context, &x, &y);
    keep(r, &y);
}

/* rows channels pixels */
static void run_embed(struct rig *r, const int *p)
{
    struct tensor y = blank(r, 1, 1, 1, p[2], p[1]);
    const struct weight *table = weight(r, WEIGHT_EMBEDDING, p[0], p[1], 1, 1, false);
    int32_t ids[64];
    for (int i = 0; i < p[2]; i++)
        ids[i] = (i * 7 + 3) % p[0];
    go(r);
    r->ops->backend->embed(r->ops->context, table, ids, &y);
    keep(r, &y);
}

static const struct test_case cases[] = {
    {"conv 3x3 of 4 channels", run_conv2d, {1, 2, 8, 8, 4, 64, 3, 1, 0, 0, 0, 0}},
    {"conv 3x3 to 4 channels", run_conv2d, {2, 3, 5, 7, 32, 4, 3, 1, NORM | SILU, 8, 0, 0}},
    {"conv 3x3 wide", run_conv2d, {1, 2, 8, 8, 64, 96, 3, 1, 0, 0, 0, 0}},
    {"conv 3x3 odd size", run_conv2d, {2, 1, 5, 3, 24, 40, 3, 1, RESIDUAL, 0, 0, 0}},
    {"conv 3x3 of one pixel",
     run_conv2d,
     {2, 3, 1, 1, 32, 32, 3, 1, NORM | SILU | CHANNELS, 4, 0, 0}},
    {"conv 3x3 stride 2", run_conv2d, {1, 3, 8, 8, 32, 32, 3, 2, 0, 0, 0, 0}},
    {"conv 3x3 stride 2 odd", run_conv2d, {2, 2, 7, 5, 16, 32, 3, 2, 0, 0, 0, 0}},
    {"conv 3x3 stride 2 padded after", run_conv2d, {1, 2, 8, 6, 16, 32, 3, 2, 0, 0, 0, 1}},
    {"conv 1x1", run_conv2d, {2, 2, 6, 6, 48, 32, 1, 1, 0, 0, 0, 0}},
    {"conv 1x1 two sources", run_conv2d, {1, 2, 4, 4, 32, 24, 1, 1, SECOND, 0, 16, 0}},
    {"conv of all at once",
     run_conv2d,
     {2, 2, 8, 8, 32, 32, 3, 1, NORM | SILU | SECOND | CHANNELS | RESIDUAL, 8, 16, 0}},
    {"conv with straddling groups",
     run_conv2d,
     {1, 2, 4, 6, 40, 32, 3, 1, NORM | SILU | SECOND, 4, 24, 0}},
    {"conv with norm over frames",
     run_conv2d,
     {1, 3, 4, 4, 16, 16, 3, 1, NORM | OVER_FRAMES, 4, 0, 0}},
    {"conv after resize", run_conv2d, {1, 2, 4, 4, 32, 32, 3, 1, RESIZE, 0, 0, 0}},
    {"conv after resize and norm",
     run_conv2d,
     {1, 2, 3, 5, 16, 24, 3, 1, RESIZE | NORM | RESIDUAL, 4, 0, 0}},
    {"conv onto itself", run_conv2d, {2, 2, 8, 8, 32, 32, 3, 1, NORM | SILU | IN_PLACE, 8, 0, 0}},
    {"conv of a large picture",
     run_conv2d,
     {1, 1, 40, 36, 16, 16, 3, 1, NORM | SILU | IN_PLACE, 8, 0, 0}},
    {"conv to a picture", run_conv2d, {1, 1, 32, 32, 16, 3, 3, 1, NORM | SILU, 8, 0, 0}},
    {"time conv", run_conv_time, {2, 4, 4, 4, 32, 32, 0, 0}},
    {"time conv of one frame", run_conv_time, {1, 1, 3, 5, 16, 24, NORM | SILU | OVER_FRAMES, 4}},
    {"time conv of two frames",
     run_conv_time,
     {1, 2, 4, 4, 16, 16, NORM | SILU | OVER_FRAMES | RESIDUAL, 4}},
    {"time conv onto itself",
     run_conv_time,
     {2, 5, 6, 4, 32, 32, NORM | SILU | OVER_FRAMES | IN_PLACE, 8}},
    {"time conv wide", run_conv_time, {1, 16, 4, 4, 128, 128, NORM | SILU | OVER_FRAMES, 16}},
    {"linear", run_linear, {2, 3, 4, 4, 64, 48, 1, 1, ACTIVATION_NONE, 0, 0, 0}},
    {"linear of one row", run_linear, {1, 1, 1, 1, 256, 64, 1, 1, ACTIVATION_SILU, 0, 0, 0}},
    {"linear without bias", run_linear, {1, 2, 5, 5, 40, 24, 1, 0, ACTIVATION_NONE, 0, 0, 0}},
    {"linear stacked", run_linear, {1, 4, 4, 4, 64, 192, 3, 0, ACTIVATION_NONE, 0, 0, 1}},
    {"linear after group norm",
     run_linear,
     {2, 2, 4, 4, 32, 64, 1, 1, ACTIVATION_NONE, NORM, 8, 0}},
    {"linear after norm over frames",
     run_linear,
     {2, 3, 4, 3, 32, 64, 1, 1, ACTIVATION_NONE, NORM | OVER_FRAMES, 8, 0}},
    {"linear gelu", run_linear, {1, 1, 1, 77, 64, 256, 1, 1, ACTIVATION_GELU, 0, 0, 1}},
    {"linear quick gelu",
     run_linear,
     {1, 1, 1, 77, 32, 64, 1, 1, ACTIVATION_QUICK_GELU, RESIDUAL, 0, 1}},
    {"linear geglu", run_linear, {1, 2, 4, 4, 64, 256, 1, 1, ACTIVATION_GEGLU, 0, 0, 1}},
    {"linear onto itself", run_linear, {2, 2, 8, 8, 64, 64, 1, 1, ACTIVATION_NONE, IN_PLACE, 0, 0}},
    {"linear of many rows",
     run_linear,
     {1, 16, 8, 8, 64, 64, 1, 1, ACTIVATION_NONE, RESIDUAL, 0, 1}},
    {"feed forward", run_feed_forward, {1, 3, 4, 4, 32, 128, 0}},
    {"feed forward onto itself", run_feed_forward, {2, 4, 8, 8, 64, 256, 1}},
    {"feed forward of few rows", run_feed_forward, {1, 1, 1, 3, 24, 96, 1}},
    {"group norm", run_group_norm, {2, 3, 5, 4, 32, 8, 0, 0}},
    {"group norm over frames", run_group_norm, {2, 4, 8, 8, 64, 16, OVER_FRAMES | SILU, 1}},
    {"group norm of one group", run_group_norm, {1, 2, 3, 3, 12, 1, SILU, 0}},
    {"group norm of single channels", run_group_norm, {1, 1, 33, 31, 16, 16, 0, 1}},
    {"group norm in pieces", run_norm_in_pieces, {33, 31, 32, 8, SILU, 0, 20}},
    {"group norm in pieces in place", run_norm_in_pieces, {5, 3, 12, 12, 0, 1, 1}},
    {"layer norm", run_layer_norm, {1, 3, 5, 7, 40, 0}},
    {"layer norm in place", run_layer_norm, {2, 2, 4, 4, 320, 1}},
    {"attention of an image", run_attention, {2, 2, 4, 5, 32, 4, ATTENTION_SPACE, 0, 0}},
    {"attention of a large image", run_attention, {1, 1, 24, 24, 16, 2, ATTENTION_SPACE, 0, 0}},
    {"attention with one head", run_attention, {1, 1, 5, 4, 32, 1, ATTENTION_SPACE, 0, 0}},
    {"attention of one pixel", run_attention, {2, 2, 1, 1, 32, 4, ATTENTION_SPACE, 0, 0}},
    {"attention, causal", run_attention, {2, 1, 1, 77, 64, 4, ATTENTION_SPACE, 1, 0}},
    {"attention, causal, of many pixels",
     run_attention,
     {1, 2, 20, 20, 16, 2, ATTENTION_SPACE, 1, 0}},
    {"attention to text", run_attention, {2, 3, 4, 4, 64, 4, ATTENTION_SPACE, 0, 77}},
    {"attention to little text", run_attention, {1, 2, 3, 3, 24, 3, ATTENTION_SPACE, 0, 1}},
    {"attention over time", run_attention, {2, 16, 4, 4, 64, 4, ATTENTION_TIME, 0, 0}},
    {"attention over odd time", run_attention, {1, 5, 3, 2, 40, 5, ATTENTION_TIME, 0, 0}},
    {"attention over one frame", run_attention, {2, 1, 3, 3, 16, 2, ATTENTION_TIME, 0, 0}},
    {"attention over long time", run_attention, {1, 70, 2, 1, 16, 2, ATTENTION_TIME, 0, 0}},
    {"silu", run_activate, {37, 13, ACTIVATION_SILU, 1}},
    {"gelu", run_activate, {37, 13, ACTIVATION_GELU, 0}},
    {"quick gelu", run_activate, {64, 16, ACTIVATION_QUICK_GELU, 1}},
    {"geglu", run_activate, {33, 20, ACTIVATION_GEGLU, 0}},
    {"add", run_add, {2, 2, 3, 3, 12, 0}},
    {"add in place", run_add, {1, 16, 8, 8, 64, 1}},
    {"add channels", run_add_channels, {2, 3, 4, 4, 20, 0, 0}},
    {"add shared channels", run_add_channels, {2, 3, 4, 4, 20, 1, 1}},
    {"concat", run_concat, {2, 2, 4, 4, 24, 40}},
    {"resize to double", run_resize, {1, 2, 4, 5, 16, 8, 10}},
    {"resize to odd", run_resize, {1, 2, 3, 2, 16, 5, 3}},
    {"repeat", run_repeat, {2, 2, 3, 3, 8, 2}},
    {"copy", run_repeat, {1, 16, 8, 8, 64, 1}},
    {"embed", run_embed, {50, 32, 40}},
};

#define CASE_COUNT ((int)(sizeof cases / sizeof cases[0]))

/* ---- running ---- */

static void run_pass(struct rig *r, const struct test_case *c, bool planning)
{
    r->planning = planning;
    r->random = 42;
    r->tensor_count = r->weight_count = 0;
    c->run(r, c->p);
}

struct subject {
    const char *backend;
    const struct cpu_kernels *kernels; /* of "cpu"; NULL = the backend's own choice */
    enum tensor_dtype stored;          /* of weights */
    bool narrow;
};

static const struct subject oracle = {.backend = "ref"};

static struct ops *open_subject(const struct subject *s, int threads)
{
    struct error err = {0};
    struct ops *ops = ops_new(s->backend, threads, &err);
    expect_ok(ops != NULL, &err);
    if (s->kernels == NULL) return ops;
    ops->backend->close(ops->context);
    ops->context = cpu_open_with(s->kernels, ops->threads, &err);
    expect_ok(ops->context != NULL, &err);
    const struct ops_key key = {NULL, {0}};
    ops_plan_begin(ops, &key);
    return ops;
}

static float *run_case(const struct test_case *c, const struct subject *subject, int threads,
                       int64_t *count_out)
{
    struct error err = {0};
    struct rig r = {.ops = open_subject(subject, threads),
                    .stored = subject->stored,
                    .narrow = subject->narrow};
    run_pass(&r, c, true);
    expect_ok(ops_plan_end(r.ops, &err), &err);
    run_pass(&r, c, false);
    for (int i = 0; i < r.tensor_count; i++)
        r.ops->backend->memory_free(r.ops->context, r.memory[i]);
    for (int i = 0; i < r.weight_count; i++)
        r.ops->backend->release(r.ops->context, r.weights[i]);
    ops_free(r.ops);
    *count_out = r.out_count;
    return r.out;
}

static const char *name_of(const struct subject *s)
{
    return s->kernels != NULL ? s->kernels->name : s->backend;
}

static void each_operation_agrees_with_ref(void **state)
{
    const struct subject *subject = *state;
    int failed = 0;
    for (int i = 0; i < CASE_COUNT; i++) {
        int64_t count, other;
        float *want = run_case(&cases[i], &oracle, 1, &count);
        float *got = run_case(&cases[i], subject, 2, &other);
        assert_int_equal(count, other);
        const double distance = relative_l2(got, want, count);
        if (!(distance <= LIMIT)) {
            print_error("%s, %s: relative L2 %.3g is over %.3g\n", name_of(subject), cases[i].name,
                        distance, LIMIT);
            failed++;
        }
        free(want);
        free(got);
    }
    assert_int_equal(failed, 0);
}

static void threads_change_no_bit(void **state)
{
    const struct subject *subject = *state;
    int failed = 0;
    for (int i = 0; i < CASE_COUNT; i++) {
        int64_t count;
        float *one = run_case(&cases[i], subject, 1, &count);
        for (int threads = 2; threads <= 4; threads *= 2) {
            float *more = run_case(&cases[i], subject, threads, &count);
            if (memcmp(one, more, (size_t)count * sizeof *one) != 0) {
                print_error("%s, %s: %d threads give other bits than one\n", name_of(subject),
                            cases[i].name, threads);
                failed++;
            }
            free(more);
        }
        free(one);
    }
    assert_int_equal(failed, 0);
}

/* Weights that keep their 16 bits compute what those widened at load do, and take less memory. */
static void narrow_weights_change_no_bit(void **state)
{
    static const enum tensor_dtype dtypes[] = {TENSOR_F16, TENSOR_BF16};
    struct subject wide = *(const struct subject *)*state, narrow = wide;
    narrow.narrow = true;
    int failed = 0;
    for (int i = 0; i < 2 * CASE_COUNT; i++) {
        const struct test_case *c = &cases[i / 2];
        int64_t count;
        wide.stored = narrow.stored = dtypes[i % 2];
        float *one = run_case(c, &wide, 1, &count), *other = run_case(c, &narrow, 2, &count);
        if (memcmp(one, other, (size_t)count * sizeof *one) != 0) {
            print_error("%s, %s: 16 bits give other bits\n", name_of(&wide), c->name);
            failed++;
        }
        free(one);
        free(other);
    }
    assert_int_equal(failed, 0);
}

static void narrow_weights_take_half(void **state)
{
    (void)state;
    struct error err = {0};
    struct ops *ops = ops_new("cpu", 1, &err);
    expect_ok(ops != NULL, &err);
    uint16_t *stored = calloc(64 * 64, sizeof *stored);
    struct weight_spec spec = {.kind = WEIGHT_LINEAR,
                               .name = "test",
                               .in = 64,
                               .out = 64,
                               .kernel = 1,
                               .part_count = 1,
                               .parts = {{64, {stored, TENSOR_F16, 64 * 64}, {0}}}};
    for (int planned = 0; planned < 2; planned++)
        for (int narrow = 0; narrow < 2; narrow++) {
            spec.planned = planned;
            spec.narrow = narrow;
            struct weight *w = ops->backend->prepare(ops->context, &spec, &err);
            expect_ok(w != NULL, &err);
            assert_int_equal(w->held_bytes, (size_t)(64 * 64 * (narrow ? 2 : 4) + 64 * 4));
            ops->backend->release(ops->context, w);
        }
    free(stored);
    ops_free(ops);
}

/* The oracle itself, on numbers that can be checked by hand. */
static void ref_is_right_by_hand(void **state)
{
    (void)state;
    struct error err = {0};
    struct ops *ops = ops_new("ref", 1, &err);
    expect_ok(ops != NULL, &err);
    const struct backend *ref = ops->backend;
    const float kernel[9] = {0, 1, 0, 2, 3, 4, 0, 5, 0}, bias[1] = {10};
    const struct weight_spec spec = {
        .kind = WEIGHT_CONV2D,
        .name = "hand",
        .in = 1,
        .out = 1,
        .kernel = 3,
        .part_count = 1,
        .parts = {{1, {kernel, TENSOR_F32, 9}, {bias, TENSOR_F32, 1}}}};
    struct weight *w = ref->prepare(ops->context, &spec, &err);
    float picture[4] = {1, 2, 3, 4}, result[4];
    struct tensor x = {TENSOR_F32, 1, 1, 2, 2, 1, 1, picture, 0}, y = x;
    y.data = result;
    const struct conv2d_args a = {.x = &x,
                                  .weight = w,
                                  .stride = 1,
                                  .pad_top = 1,
                                  .pad_left = 1,
                                  .pad_bottom = 1,
                                  .pad_right = 1,
                                  .y = &y};
    ref->conv2d(ops->context, &a);
    /* 10 + 3*1 + 4*2 + 5*3; 10 + 2*1 + 3*2 + 5*4; 10 + 1*1 + 3*3 + 4*4; 10 + 1*2 + 2*3 + 3*4 */
    const float want[4] = {36, 38, 36, 30};
    assert_memory_equal(result, want, sizeof want);
    ref->release(ops->context, w);
    ops_free(ops);
}

static void an_unknown_backend_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    assert_null(ops_new("abacus", 1, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(backend_find(NULL));
}

static int test_subject(struct subject subject)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(each_operation_agrees_with_ref, &subject),
        cmocka_unit_test_prestate(threads_change_no_bit, &subject),
        cmocka_unit_test_prestate(narrow_weights_change_no_bit, &subject),
    };
    return cmocka_run_group_tests_name(name_of(&subject), tests, NULL, NULL);
}

static int test_kernels(void)
{
    int count, failed = 0;
    const struct cpu_kernels *const *rows = cpu_kernels_all(&count);
    for (int i = 0; i < count; i++)
        if (rows[i]->runs_here())
            failed += test_subject((struct subject){.backend = "cpu", .kernels = rows[i]});
    return failed;
}

int main(void)
{
    const struct CMUnitTest fixed[] = {
        cmocka_unit_test(ref_is_right_by_hand),
        cmocka_unit_test(an_unknown_backend_is_refused),
        cmocka_unit_test(narrow_weights_take_half),
    };
    int count, failed = cmocka_run_group_tests_name("ref", fixed, NULL, NULL);
    const struct backend *const *backends = backend_all(&count);
    for (int i = 0; i < count; i++)
        if (strcmp(backends[i]->name, "ref") != 0 && strcmp(backends[i]->name, "cpu") != 0)
            failed += test_subject((struct subject){.backend = backends[i]->name});
    return failed + test_kernels();
}

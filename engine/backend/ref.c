/* ref: the oracle. Plain loops, one thread, every sum in double, nothing fused. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/backend.h"
#include "engine/tensor_arena.h"

struct backend_context {
    bool planning;
};

struct ref_weight {
    struct weight head;
    float *matrix; /* conv: [out][ky][kx][in]; time: [out][tap][in]; linear, embedding: as stored;
                      norm: scale */
    float *bias;   /* zeros when absent; norm: shift */
};

static struct backend_context *ref_open(struct threads *threads, struct error *err)
{
    (void)threads;
    return alloc_checked(1, sizeof(struct backend_context), "ref backend", err);
}

static void ref_close(struct backend_context *c)
{
    free(c);
}

static void ref_variant(const struct backend_context *c, char *out, size_t out_size)
{
    (void)c;
    if (out_size > 0) out[0] = '\0';
}

/* ---- weights ---- */

static const float *weight_matrix(const struct weight *w)
{
    return ((const struct ref_weight *)(const void *)w)->matrix;
}

static const float *weight_bias(const struct weight *w)
{
    return ((const struct ref_weight *)(const void *)w)->bias;
}

static void ref_release(struct backend_context *c, struct weight *w)
{
    (void)c;
    if (w == NULL) return;
    struct ref_weight *r = (struct ref_weight *)(void *)w;
    free(r->matrix);
    free(r->bias);
    free(r);
}

/* [out][in][taps] -> [out][taps][in] */
static void taps_before_channels(float *matrix, int out, int in, int taps, float *row)
{
    const size_t row_count = (size_t)in * (size_t)taps;
    for (int o = 0; o < out; o++, matrix += row_count) {
        memcpy(row, matrix, row_count * sizeof *row);
        for (int i = 0; i < in; i++)
            for (int t = 0; t < taps; t++)
                matrix[(size_t)t * (size_t)in + (size_t)i] =
                    row[(size_t)i * (size_t)taps + (size_t)t];
    }
}

static int weight_taps(const struct weight_spec *spec)
{
    return spec->kind == WEIGHT_CONV2D ? spec->kernel * spec->kernel : spec->kernel;
}

static bool weight_fill(struct ref_weight *w, const struct weight_spec *spec, struct error *err)
{
    float *matrix = w->matrix, *bias = w->bias;
    for (int i = 0; i < spec->part_count; i++) {
        const struct weight_array *m = &spec->parts[i].weight, *b = &spec->parts[i].bias;
        weight_array_read(m, 0, m->count, matrix);
        if (b->data != NULL) weight_array_read(b, 0, b->count, bias);
        matrix += m->count;
        bias += spec->parts[i].out;
    }
    const int taps = weight_taps(spec);
    if (taps == 1) return true;
    float *row = alloc_checked((size_t)spec->in * (size_t)taps, sizeof(float), spec->name, err);
    if (row == NULL) return false;
    taps_before_channels(w->matrix, spec->out, spec->in, taps, row);
    free(row);
    return true;
}

static struct weight *ref_prepare(struct backend_context *c, const struct weight_spec *spec,
                                  struct error *err)
{
    size_t count = 0;
    for (int i = 0; i < spec->part_count; i++)
        count += (size_t)spec->parts[i].weight.count;
    struct ref_weight *w = alloc_checked(1, sizeof *w, spec->name, err);
    if (w == NULL) return NULL;
    w->head = (struct weight){spec->kind, spec->in, spec->out, spec->kernel, 0};
    w->head.held_bytes = (count + (size_t)spec->out) * sizeof(float);
    if (spec->planned) return &w->head;
    w->matrix = alloc_checked(count, sizeof(float), spec->name, err);
    if (w->matrix != NULL)
        w->bias = alloc_checked((size_t)spec->out, sizeof(float), spec->name, err);
    if (w->bias != NULL && weight_fill(w, spec, err)) return &w->head;
    ref_release(c, &w->head);
    return NULL;
}

/* ---- memory ---- */

static struct backend_usage ref_usage(const struct backend_context *c)
{
    (void)c;
    return (struct backend_usage){0};
}

static void *ref_memory_new(struct backend_context *c, size_t size_bytes, struct error *err)
{
    (void)c;
    void *memory = NULL;
    if (size_bytes == 0) size_bytes = ARENA_ALIGN_BYTES;
    if (posix_memalign(&memory, ARENA_ALIGN_BYTES, size_bytes) == 0) return memory;
    error_set(err, ERROR_NO_MEMORY, "no memory for %zu bytes of tensors", size_bytes);
    return NULL;
}

static void ref_memory_free(struct backend_context *c, void *memory)
{
    (void)c;
    free(memory);
}

static void ref_plan_begin(struct backend_context *c)
{
    c->planning = true;
}

static bool ref_plan_end(struct backend_context *c, struct error *err)
{
    (void)err;
    c->planning = false;
    return true;
}

static void ref_write(struct backend_context *c, struct tensor *y, const float *host)
{
    if (c->planning) return;
    memcpy(y->data, host, (size_t)tensor_count(y) * sizeof *host);
}

static void ref_read(struct backend_context *c, const struct tensor *x, float *host)
{
    if (c->planning) return;
    memcpy(host, x->data, (size_t)tensor_count(x) * sizeof *host);
}

static void ref_sync(struct backend_context *c)
{
    (void)c;
}

/* ---- products ---- */

static const float *pixel(const struct tensor *t, int64_t image, int y, int x)
{
    return t->data + ((image * t->height + y) * t->width + x) * t->stride;
}

static double dot(const float *a, const float *b, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static double conv_sum(const struct conv2d_args *a, int64_t image, int row, int column,
                       const float *taps)
{
    const int k = a->weight->kernel, in = a->weight->in;
    double sum = 0;
    for (int ky = 0; ky < k; ky++)
        for (int kx = 0; kx < k; kx++, taps += in) {
            const int y = row * a->stride + ky - a->pad_top;
            const int x = column * a->stride + kx - a->pad_left;
            if (y < 0 || x < 0 || y >= a->x->height || x >= a->x->width) continue;
            sum += dot(pixel(a->x, image, y, x), taps, in);
        }
    return sum;
}

static void ref_conv2d(struct backend_context *c, const struct conv2d_args *a)
{
    const int k = a->weight->kernel, out = a->weight->out;
    ZOE_ASSERT(a->x->channels == a->weight->in && a->y->channels == out);
    ZOE_ASSERT(a->y->height == (a->x->height + a->pad_top + a->pad_bottom - k) / a->stride + 1);
    ZOE_ASSERT(a->y->width == (a->x->width + a->pad_left + a->pad_right - k) / a->stride + 1);
    if (c->planning) return;
    const float *matrix = weight_matrix(a->weight), *bias = weight_bias(a->weight);
    const size_t step = (size_t)k * (size_t)k * (size_t)a->weight->in;
    float *y = a->y->data;
    for (int64_t image = 0; image < tensor_images(a->y); image++)
        for (int row = 0; row < a->y->height; row++)
            for (int column = 0; column < a->y->width; column++)
                for (int o = 0; o < out; o++)
                    *y++ = (float)(bias[o] +
                                   conv_sum(a, image, row, column, matrix + (size_t)o * step));
}

static double time_sum(const struct conv_time_args *a, int64_t image, int64_t place,
                       const float *taps)
{
    const int in = a->weight->in, frame = (int)(image % a->x->frames);
    const int64_t plane = (int64_t)a->x->height * a->x->width;
    double sum = 0;
    for (int tap = -1; tap <= 1; tap++, taps += in) {
        if (frame + tap < 0 || frame + tap >= a->x->frames) continue;
        sum += dot(a->x->data + ((image + tap) * plane + place) * in, taps, in);
    }
    return sum;
}

static void ref_conv_time(struct backend_context *c, const struct conv_time_args *a)
{
    const int out = a->weight->out;
    ZOE_ASSERT(a->x->channels == a->weight->in && a->y->channels == out);
    if (c->planning) return;
    const float *matrix = weight_matrix(a->weight), *bias = weight_bias(a->weight);
    const size_t step = 3 * (size_t)a->weight->in;
    const int64_t plane = (int64_t)a->x->height * a->x->width;
    float *y = a->y->data;
    for (int64_t image = 0; image < tensor_images(a->y); image++)
        for (int64_t place = 0; place < plane; place++)
            for (int o = 0; o < out; o++)
                *y++ = (float)(bias[o] + time_sum(a, image, place, matrix + (size_t)o * step));
}

static void ref_linear(struct backend_context *c, const struct linear_args *a)
{
    const int in = a->weight->in, out = a->weight->out;
    ZOE_ASSERT(a->x->channels == in && a->y->channels == out);
    ZOE_ASSERT(tensor_pixels(a->x) == tensor_pixels(a->y));
    if (c->planning) return;
    const float *matrix = weight_matrix(a->weight), *bias = weight_bias(a->weight);
    const float *x = a->x->data;
    float *y = a->y->data;
    for (int64_t row = 0; row < tensor_pixels(a->x); row++, x += in)
        for (int o = 0; o < out; o++)
            *y++ = (float)(bias[o] + dot(x, matrix + (size_t)o * (size_t)in, in));
}

/* ---- norms ---- */

struct run { /* channels [first, first + width) of `pixels` pixels from `data` on */
    const float *data;
    int64_t pixels;
    int stride, first, width;
};

static double run_sum(const struct run *r, double mean, int power)
{
    double sum = 0;
    for (int64_t p = 0; p < r->pixels; p++)
        for (int i = 0; i < r->width; i++) {
            const double d = r->data[p * r->stride + r->first + i] - mean;
            sum += power == 1 ? d : d * d;
        }
    return sum;
}

static double silu(double x)
{
    return x / (1 + exp(-x));
}

struct statistics {
    double mean, factor; /* y = (x - mean) * factor */
};

static void norm_run_by(const struct run *r, const struct statistics *s, const float *scale,
                        const float *shift, bool with_silu, float *y)
{
    for (int64_t p = 0; p < r->pixels; p++)
        for (int i = 0; i < r->width; i++) {
            const int channel = r->first + i;
            const double v =
                (r->data[p * r->stride + channel] - s->mean) * s->factor * scale[channel] +
                shift[channel];
            y[p * r->stride + channel] = (float)(with_silu ? silu(v) : v);
        }
}

static void norm_run(const struct run *r, const float *scale, const float *shift, double eps,
                     bool with_silu, float *y)
{
    const double count = (double)r->pixels * r->width;
    const double mean = run_sum(r, 0, 1) / count;
    const struct statistics s = {mean, 1 / sqrt(run_sum(r, mean, 2) / count + eps)};
    norm_run_by(r, &s, scale, shift, with_silu, y);
}

static void ref_group_norm(struct backend_context *c, const struct tensor *x,
                           const struct norm_args *norm, struct tensor *y)
{
    ZOE_ASSERT(x->channels % norm->groups == 0 && norm->weight->in == x->channels);
    if (c->planning) return;
    const int64_t blocks = norm->over_frames ? x->batch : tensor_images(x);
    const int64_t pixels = tensor_pixels(x) / blocks;
    struct run r = {NULL, pixels, x->channels, 0, x->channels / norm->groups};
    for (int64_t block = 0; block < blocks; block++)
        for (int g = 0; g < norm->groups; g++) {
            r.data = x->data + block * pixels * x->channels;
            r.first = g * r.width;
            norm_run(&r, weight_matrix(norm->weight), weight_bias(norm->weight), norm->eps,
                     norm->silu, y->data + block * pixels * x->channels);
        }
}

static void ref_group_sums(struct backend_context *c, const struct tensor *x, int groups,
                           double *sums)
{
    ZOE_ASSERT(x->channels % groups == 0 && tensor_images(x) == 1);
    if (c->planning) return;
    struct run r = {x->data, tensor_pixels(x), x->channels, 0, x->channels / groups};
    for (int g = 0; g < groups; g++, r.first += r.width) {
        sums[2 * g] += run_sum(&r, 0, 1);
        sums[2 * g + 1] += run_sum(&r, 0, 2);
    }
}

static void ref_group_norm_by(struct backend_context *c, const struct tensor *x,
                              const struct norm_args *norm, const struct norm_sums *known,
                              struct tensor *y)
{
    ZOE_ASSERT(norm->weight->in == x->channels && tensor_images(x) == 1);
    if (c->planning) return;
    struct run r = {x->data, tensor_pixels(x), x->channels, 0, x->channels / norm->groups};
    for (int g = 0; g < norm->groups; g++, r.first += r.width) {
        const double mean = known->sums[2 * g] / known->count;
        const double variance = known->sums[2 * g + 1] / known->count - mean * mean;
        const struct statistics s = {mean, 1 / sqrt(fmax(variance, 0) + (double)norm->eps)};
        norm_run_by(&r, &s, weight_matrix(norm->weight), weight_bias(norm->weight), norm->silu,
                    y->data);
    }
}

static void ref_layer_norm(struct backend_context *c, const struct tensor *x,
                           const struct weight *norm, float eps, struct tensor *y)
{
    ZOE_ASSERT(norm->in == x->channels);
    if (c->planning) return;
    struct run r = {NULL, 1, x->channels, 0, x->channels};
    for (int64_t p = 0; p < tensor_pixels(x); p++) {
        r.data = x->data + p * x->channels;
        norm_run(&r, weight_matrix(norm), weight_bias(norm), eps, false, y->data + p * x->channels);
    }
}

/* ---- attention ---- */

struct sequence { /* `count` vectors, `step` floats apart */
    const float *data;
    int64_t step;
    int count;
};

static void attend_one(const float *q, const struct sequence *k, const struct sequence *v,
                       int count, int width, double scale, double *score, float *y)
{
    double top = -INFINITY, total = 0;
    for (int i = 0; i < count; i++) {
        score[i] = scale * dot(q, k->data + i * k->step, width);
        if (score[i] > top) top = score[i];
    }
    for (int i = 0; i < count; i++)
        total += score[i] = exp(score[i] - top);
    for (int d = 0; d < width; d++) {
        double sum = 0;
        for (int i = 0; i < count; i++)
            sum += score[i] * v->data[i * v->step + d];
        y[d] = (float)(sum / total);
    }
}

static struct sequence sequence_of(const struct tensor *t, enum attention_axis axis, int64_t image,
                                   int64_t place)
{
    const int64_t plane = (int64_t)t->height * t->width;
    if (axis == ATTENTION_TIME)
        return (struct sequence){t->data +
                                     (image / t->frames * t->frames * plane + place) * t->stride,
                                 plane * t->stride, t->frames};
    return (struct sequence){t->data + image * plane * t->stride, t->stride, (int)plane};
}

static void attend_pixel(const struct attention_args *a, int64_t image, int64_t place,
                         double *score)
{
    const int64_t plane = (int64_t)a->q->height * a->q->width;
    const bool shared = a->axis == ATTENTION_SPACE && a->k->frames == 1;
    const int64_t key_image = shared ? image / a->q->frames : image;
    const int width = a->q->channels / a->heads;
    struct sequence k = sequence_of(a->k, a->axis, key_image, place);
    struct sequence v = sequence_of(a->v, a->axis, key_image, place);
    const float *q = a->q->data + (image * plane + place) * a->q->stride;
    float *y = a->y->data + (image * plane + place) * a->y->stride;
    for (int h = 0; h < a->heads; h++) {
        const int count = a->causal ? (int)place + 1 : k.count;
        attend_one(q, &k, &v, count, width, (double)a->scale, score, y);
        q += width, y += width, k.data += width, v.data += width;
    }
}

static void ref_attention(struct backend_context *c, const struct attention_args *a)
{
    ZOE_ASSERT(a->q->channels % a->heads == 0 && a->k->channels == a->q->channels);
    if (c->planning) return;
    const int longest = a->axis == ATTENTION_TIME ? a->k->frames : a->k->height * a->k->width;
    double *score = xcalloc((size_t)longest, sizeof *score);
    for (int64_t image = 0; image < tensor_images(a->q); image++)
        for (int64_t place = 0; place < (int64_t)a->q->height * a->q->width; place++)
            attend_pixel(a, image, place, score);
    free(score);
}

/* ---- the rest ---- */

static double gelu(double x)
{
    return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
}

static double activated(enum activation kind, double x)
{
    switch (kind) {
    case ACTIVATION_SILU:
        return silu(x);
    case ACTIVATION_GELU:
        return gelu(x);
    case ACTIVATION_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    default:
        return x;
    }
}

static void geglu(const struct tensor *x, struct tensor *y)
{
    const int width = y->channels;
    for (int64_t p = 0; p < tensor_pixels(x); p++)
        for (int i = 0; i < width; i++) {
            const float *row = x->data + p * x->channels;
            y->data[p * width + i] = (float)(row[i] * gelu(row[width + i]));
        }
}

static void ref_activate(struct backend_context *c, enum activation kind, const struct tensor *x,
                         struct tensor *y)
{
    ZOE_ASSERT(x->channels == (kind == ACTIVATION_GEGLU ? 2 : 1) * y->channels);
    if (c->planning) return;
    if (kind == ACTIVATION_GEGLU) {
        geglu(x, y);
        return;
    }
    for (int64_t i = 0; i < tensor_count(x); i++)
        y->data[i] = (float)activated(kind, x->data[i]);
}

static void ref_add(struct backend_context *c, const struct tensor *a, const struct tensor *b,
                    struct tensor *y)
{
    ZOE_ASSERT(tensor_same_shape(a, b) && tensor_same_shape(a, y));
    if (c->planning) return;
    for (int64_t i = 0; i < tensor_count(a); i++)
        y->data[i] = a->data[i] + b->data[i];
}

static void ref_add_channels(struct backend_context *c, const struct tensor *x,
                             const struct tensor *channels, struct tensor *y)
{
    ZOE_ASSERT(channels->channels == x->channels);
    ZOE_ASSERT(channels->batch == 1 || channels->batch == x->batch);
    if (c->planning) return;
    const int64_t count = tensor_count(x) / x->batch;
    for (int b = 0; b < x->batch; b++) {
        const float *add = channels->data + (channels->batch == 1 ? 0 : b) * channels->channels;
        for (int64_t i = 0; i < count; i++)
            y->data[b * count + i] = x->data[b * count + i] + add[i % x->channels];
    }
}

static void ref_concat(struct backend_context *c, const struct tensor *a, const struct tensor *b,
                       struct tensor *y)
{
    ZOE_ASSERT(y->channels == a->channels + b->channels);
    ZOE_ASSERT(tensor_pixels(a) == tensor_pixels(y) && tensor_pixels(b) == tensor_pixels(y));
    if (c->planning) return;
    for (int64_t p = 0; p < tensor_pixels(y); p++) {
        float *to = y->data + p * y->channels;
        memcpy(to, a->data + p * a->channels, (size_t)a->channels * sizeof *to);
        memcpy(to + a->channels, b->data + p * b->channels, (size_t)b->channels * sizeof *to);
    }
}

static void ref_resize(struct backend_context *c, const struct tensor *x, struct tensor *y)
{
    ZOE_ASSERT(x->channels == y->channels && tensor_images(x) == tensor_images(y));
    if (c->planning) return;
    float *to = y->data;
    for (int64_t image = 0; image < tensor_images(y); image++)
        for (int row = 0; row < y->height; row++)
            for (int column = 0; column < y->width; column++, to += y->channels) {
                const int from_row = (int)((int64_t)row * x->height / y->height);
                const int from_column = (int)((int64_t)column * x->width / y->width);
                memcpy(to, pixel(x, image, from_row, from_column),
                       (size_t)y->channels * sizeof *to);
            }
}

static void ref_repeat(struct backend_context *c, const struct tensor *x, struct tensor *y)
{
    ZOE_ASSERT(y->batch % x->batch == 0 && y->channels == x->channels);
    if (c->planning) return;
    const int64_t count = tensor_count(x);
    for (int i = 0; i < y->batch / x->batch; i++)
        memcpy(y->data + i * count, x->data, (size_t)count * sizeof *y->data);
}

static void ref_embed(struct backend_context *c, const struct weight *table, const int32_t *ids,
                      struct tensor *y)
{
    ZOE_ASSERT(table->out == y->channels);
    if (c->planning) return;
    for (int64_t p = 0; p < tensor_pixels(y); p++)
        memcpy(y->data + p * y->channels, weight_matrix(table) + (int64_t)ids[p] * table->out,
               (size_t)y->channels * sizeof *y->data);
}

extern const struct backend backend_ref;
const struct backend backend_ref = {
    .name = "ref",
    .device = "host",
    .open = ref_open,
    .close = ref_close,
    .variant = ref_variant,
    .prepare = ref_prepare,
    .release = ref_release,
    .memory_new = ref_memory_new,
    .memory_free = ref_memory_free,
    .plan_begin = ref_plan_begin,
    .plan_end = ref_plan_end,
    .usage = ref_usage,
    .write = ref_write,
    .read = ref_read,
    .sync = ref_sync,
    .conv2d = ref_conv2d,
    .conv_time = ref_conv_time,
    .linear = ref_linear,
    .group_norm = ref_group_norm,
    .group_sums = ref_group_sums,
    .group_norm_by = ref_group_norm_by,
    .layer_norm = ref_layer_norm,
    .attention = ref_attention,
    .activate = ref_activate,
    .add = ref_add,
    .add_channels = ref_add_channels,
    .concat = ref_concat,
    .resize = ref_resize,
    .repeat = ref_repeat,
    .embed = ref_embed,
};

/* cpu_norm: statistics of group norms, and norms on their own.
 *
 * Sums and sums of squares are taken in double, per channel and chunk of pixels, and added up in
 * ascending order. The norm itself is then x * scale + shift, a pair of factors a channel. */
#include <math.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/backend/cpu.h"

#define CHUNK_PIXELS 256

struct statistics {
    const struct cpu_kernels *kernels;
    const struct norm_args *args;
    const struct tensor *x, *x2;
    int channels, chunks; /* chunks of one image */
    int unit_images;
    double *sums; /* [image][chunk][2][channels] */
    float *factors;
};

static int plane_pixels(const struct tensor *x)
{
    return x->height * x->width;
}

static size_t sums_size(const struct statistics *s)
{
    return (size_t)tensor_images(s->x) * (size_t)s->chunks * 2 * (size_t)s->channels;
}

static struct statistics statistics_of(const struct norm_args *n, const struct tensor *x,
                                       const struct tensor *x2)
{
    struct statistics s = {.args = n, .x = x, .x2 = x2};
    s.channels = x->channels + (x2 != NULL ? x2->channels : 0);
    s.chunks = cpu_pieces(plane_pixels(x), CHUNK_PIXELS);
    s.unit_images = n->over_frames ? x->frames : 1;
    return s;
}

static size_t factors_size(const struct statistics *s)
{
    const size_t units = (size_t)(tensor_images(s->x) / s->unit_images);
    return cpu_round_up(units * 2 * (size_t)s->channels, 16);
}

size_t cpu_norm_shared(const struct norm_args *n, const struct tensor *x, const struct tensor *x2)
{
    if (n->weight == NULL) return 0;
    const struct statistics s = statistics_of(n, x, x2);
    return factors_size(&s) + 2 * sums_size(&s);
}

static void sum_chunk(void *arg, int64_t item, int thread)
{
    (void)thread;
    const struct statistics *s = arg;
    const int64_t image = item / s->chunks;
    const int first = (int)(item % s->chunks) * CHUNK_PIXELS;
    const int pixels = cpu_least(CHUNK_PIXELS, plane_pixels(s->x) - first);
    double *sum = s->sums + (size_t)item * 2 * (size_t)s->channels, *square = sum + s->channels;
    memset(sum, 0, 2 * (size_t)s->channels * sizeof *sum);
    const int64_t at = image * plane_pixels(s->x) + first;
    const int cx = s->x->channels;
    s->kernels->sums(s->x->data + at * s->x->stride, s->x->stride, pixels, cx, sum, square);
    if (s->x2 != NULL)
        s->kernels->sums(s->x2->data + at * s->x2->stride, s->x2->stride, pixels, s->x2->channels,
                         sum + cx, square + cx);
}

/* Sums of one group of channels [first, first + width), of `count` values. */
struct group {
    int first, width;
    double sum, square, count;
};

/* To factors[2][channels]. */
static void write_factors(const struct norm_args *n, const struct group *g, float *factors)
{
    const struct cpu_weight *w = cpu_weight_of(n->weight);
    const double mean = g->sum / g->count;
    double variance = g->square / g->count - mean * mean;
    if (variance < 0) variance = 0;
    const double factor = 1 / sqrt(variance + (double)n->eps);
    for (int c = g->first; c < g->first + g->width; c++) {
        const double scale = (double)w->rows[c] * factor;
        factors[c] = (float)scale;
        factors[n->weight->in + c] = (float)((double)w->bias[c] - mean * scale);
    }
}

/* The factors of a group of a unit whose sums are totals[2][channels]. */
static void group_factors(const struct statistics *s, const double *totals, int first, int width,
                          float *factors)
{
    struct group g = {first, width, 0, 0, (double)s->unit_images * plane_pixels(s->x) * width};
    for (int c = first; c < first + width; c++) {
        g.sum += totals[c];
        g.square += totals[s->channels + c];
    }
    write_factors(s->args, &g, factors);
}

/* Adds the chunks of a unit into its first one. */
static void finish_unit(void *arg, int64_t unit, int thread)
{
    (void)thread;
    const struct statistics *s = arg;
    const int count = 2 * s->channels, pieces = s->unit_images * s->chunks;
    double *totals = s->sums + (size_t)unit * (size_t)pieces * (size_t)count;
    for (int p = 1; p < pieces; p++)
        for (int i = 0; i < count; i++)
            totals[i] += totals[(size_t)p * (size_t)count + (size_t)i];
    const int width = s->channels / s->args->groups;
    for (int first = 0; first < s->channels; first += width)
        group_factors(s, totals, first, width, s->factors + (size_t)unit * (size_t)count);
}

struct cpu_norm cpu_norm_run(struct backend_context *c, const struct norm_args *n,
                             const struct tensor *x, const struct tensor *x2)
{
    struct cpu_norm norm = {.silu = n->silu};
    if (n->weight == NULL) return norm;
    struct statistics s = statistics_of(n, x, x2);
    ZOE_ASSERT(s.channels % n->groups == 0 && n->weight->in == s.channels);
    s.kernels = c->kernels;
    s.factors = c->shared;
    s.sums = (double *)(void *)(c->shared + factors_size(&s));
    threads_run(c->threads, tensor_images(x) * s.chunks, sum_chunk, &s);
    threads_run(c->threads, tensor_images(x) / s.unit_images, finish_unit, &s);
    norm.factors = s.factors;
    norm.channels = s.channels;
    norm.units_per_video = x->frames / s.unit_images;
    return norm;
}

/* ---- on their own ---- */

struct pixels_job {
    const struct cpu_kernels *kernels;
    struct cpu_source source;
    struct cpu_layer layer;
    struct tensor *y;
    int chunks; /* of one image */
};

static void normalize_chunk(void *arg, int64_t item, int thread)
{
    (void)thread;
    const struct pixels_job *j = arg;
    const int64_t image = item / j->chunks;
    const int plane = plane_pixels(j->y), first = (int)(item % j->chunks) * CHUNK_PIXELS;
    const struct cpu_box box = {.batch = (int)(image / j->y->frames),
                                .frame = (int)(image % j->y->frames),
                                .column = first,
                                .frames = 1,
                                .rows = 1,
                                .columns = cpu_least(CHUNK_PIXELS, plane - first),
                                .channels = j->y->channels};
    cpu_gather(j->kernels, &j->source, &box, j->y->data + (image * plane + first) * j->y->channels);
}

static void normalize(struct backend_context *c, const struct tensor *x, struct cpu_norm norm,
                      struct tensor *y)
{
    const int plane = plane_pixels(x);
    struct pixels_job job = {.kernels = c->kernels, .y = y};
    job.chunks = cpu_pieces(plane, CHUNK_PIXELS);
    job.source = (struct cpu_source){.x = x,
                                     .stored_height = 1,
                                     .stored_width = plane,
                                     .height = 1,
                                     .width = plane,
                                     .norm = norm};
    threads_run(c->threads, tensor_images(x) * job.chunks, normalize_chunk, &job);
}

void cpu_norm_group(struct backend_context *c, const struct tensor *x, const struct norm_args *norm,
                    struct tensor *y)
{
    ZOE_ASSERT(tensor_same_shape(x, y));
    if (cpu_planned(c, 0, cpu_norm_shared(norm, x, NULL))) return;
    normalize(c, x, cpu_norm_run(c, norm, x, NULL), y);
}

void cpu_norm_sums(struct backend_context *c, const struct tensor *x, int groups, double *sums)
{
    ZOE_ASSERT(x->channels % groups == 0 && tensor_images(x) == 1);
    const struct norm_args args = {.groups = groups};
    struct statistics s = statistics_of(&args, x, NULL);
    if (cpu_planned(c, 0, 2 * sums_size(&s))) return;
    s.kernels = c->kernels;
    s.sums = (double *)(void *)c->shared;
    threads_run(c->threads, s.chunks, sum_chunk, &s);
    const int channels = s.channels, width = channels / groups;
    for (int row = 0; row < 2 * s.chunks; row++) /* sums and squares take turns */
        for (int i = 0; i < channels; i++)
            sums[2 * (i / width) + row % 2] += s.sums[(ptrdiff_t)row * channels + i];
}

void cpu_norm_group_by(struct backend_context *c, const struct tensor *x,
                       const struct norm_args *norm, const struct norm_sums *known,
                       struct tensor *y)
{
    const int channels = x->channels, width = channels / norm->groups;
    ZOE_ASSERT(tensor_same_shape(x, y) && norm->weight->in == channels && tensor_images(x) == 1);
    if (cpu_planned(c, 0, 2 * (size_t)channels)) return;
    for (int g = 0; g < norm->groups; g++) {
        const struct group group = {g * width, width, known->sums[2 * g], known->sums[2 * g + 1],
                                    known->count};
        write_factors(norm, &group, c->shared);
    }
    const struct cpu_norm factors = {c->shared, channels, 1, norm->silu};
    normalize(c, x, factors, y);
}

static void layer_chunk(void *arg, int64_t item, int thread)
{
    (void)thread;
    const struct pixels_job *j = arg;
    const struct tensor *x = j->source.x;
    const int64_t first = item * CHUNK_PIXELS, left = tensor_pixels(x) - first;
    j->kernels->layer_norm(&j->layer, x->data + first * x->stride, x->stride,
                           (int)(left < CHUNK_PIXELS ? left : CHUNK_PIXELS),
                           j->y->data + first * j->y->channels, j->y->channels);
}

void cpu_norm_layer(struct backend_context *c, const struct tensor *x, const struct weight *norm,
                    float eps, struct tensor *y)
{
    const struct cpu_weight *w = cpu_weight_of(norm);
    ZOE_ASSERT(norm->in == x->channels && tensor_same_shape(x, y));
    if (cpu_planned(c, 0, 0)) return;
    struct pixels_job job = {.kernels = c->kernels, .source = {.x = x}, .y = y};
    job.layer = (struct cpu_layer){w->rows, w->bias, x->channels, eps};
    threads_run(c->threads, cpu_pieces(tensor_pixels(x), CHUNK_PIXELS), layer_chunk, &job);
}

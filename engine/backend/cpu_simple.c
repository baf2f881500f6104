/* cpu_simple: operations that only move or touch numbers, in chunks of pixels. */
#include <string.h>

#include "base/xalloc.h"
#include "engine/backend/cpu.h"

#define CHUNK_FLOATS 16384

struct simple_job {
    const struct cpu_kernels *kernels;
    const struct tensor *a, *b;
    struct tensor *y;
    enum activation kind;
    const struct cpu_weight *table;
    const int32_t *ids;
    void (*run)(const struct simple_job *j, int64_t first, int64_t count);
    int64_t pixels; /* of an item */
};

static void simple_item(void *arg, int64_t item, int thread)
{
    (void)thread;
    const struct simple_job *j = arg;
    const int64_t first = item * j->pixels, left = tensor_pixels(j->y) - first;
    j->run(j, first, left < j->pixels ? left : j->pixels);
}

static void run_simple(struct backend_context *c, struct simple_job *j)
{
    if (cpu_planned(c, 0, 0)) return;
    const int64_t channels = j->y->channels;
    j->kernels = c->kernels;
    j->pixels = channels < CHUNK_FLOATS ? CHUNK_FLOATS / channels : 1;
    threads_run(c->threads, cpu_pieces(tensor_pixels(j->y), j->pixels), simple_item, j);
}

static float *pixel_of(const struct tensor *t, int64_t pixel)
{
    return t->data + pixel * t->stride;
}

static void copy(float *to, const float *from, int count)
{
    memcpy(to, from, (size_t)count * sizeof *to);
}

static void activate_pixels(const struct simple_job *j, int64_t first, int64_t count)
{
    const int channels = j->y->channels;
    const float *x = pixel_of(j->a, first);
    const struct cpu_activation a = {.kind = j->kind,
                                     .x = x,
                                     .gate = x + channels,
                                     .x_step = j->a->stride,
                                     .rows = count,
                                     .count = channels,
                                     .y = pixel_of(j->y, first),
                                     .y_step = j->y->stride};
    j->kernels->activate(&a);
}

void cpu_simple_activate(struct backend_context *c, enum activation kind, const struct tensor *x,
                         struct tensor *y)
{
    ZOE_ASSERT(x->channels == (kind == ACTIVATION_GEGLU ? 2 : 1) * y->channels);
    ZOE_ASSERT(tensor_pixels(x) == tensor_pixels(y));
    struct simple_job job = {.a = x, .y = y, .kind = kind, .run = activate_pixels};
    run_simple(c, &job);
}

static void add_pixels(const struct simple_job *j, int64_t first, int64_t count)
{
    j->kernels->add(pixel_of(j->a, first), pixel_of(j->b, first), pixel_of(j->y, first),
                    count * j->y->channels);
}

void cpu_simple_add(struct backend_context *c, const struct tensor *a, const struct tensor *b,
                    struct tensor *y)
{
    ZOE_ASSERT(tensor_same_shape(a, b) && tensor_same_shape(a, y));
    struct simple_job job = {.a = a, .b = b, .y = y, .run = add_pixels};
    run_simple(c, &job);
}

static void add_channels_to_pixels(const struct simple_job *j, int64_t first, int64_t count)
{
    const int64_t video = tensor_pixels(j->y) / j->y->batch;
    for (int64_t p = first; p < first + count; p++)
        j->kernels->add(pixel_of(j->a, p), pixel_of(j->b, j->b->batch == 1 ? 0 : p / video),
                        pixel_of(j->y, p), j->y->channels);
}

void cpu_simple_add_channels(struct backend_context *c, const struct tensor *x,
                             const struct tensor *channels, struct tensor *y)
{
    ZOE_ASSERT(channels->channels == x->channels && tensor_same_shape(x, y));
    ZOE_ASSERT(channels->batch == 1 || channels->batch == x->batch);
    struct simple_job job = {.a = x, .b = channels, .y = y, .run = add_channels_to_pixels};
    run_simple(c, &job);
}

static void concat_pixels(const struct simple_job *j, int64_t first, int64_t count)
{
    for (int64_t p = first; p < first + count; p++) {
        copy(pixel_of(j->y, p), pixel_of(j->a, p), j->a->channels);
        copy(pixel_of(j->y, p) + j->a->channels, pixel_of(j->b, p), j->b->channels);
    }
}

void cpu_simple_concat(struct backend_context *c, const struct tensor *a, const struct tensor *b,
                       struct tensor *y)
{
    ZOE_ASSERT(y->channels == a->channels + b->channels);
    ZOE_ASSERT(tensor_pixels(a) == tensor_pixels(y) && tensor_pixels(b) == tensor_pixels(y));
    struct simple_job job = {.a = a, .b = b, .y = y, .run = concat_pixels};
    run_simple(c, &job);
}

static void resize_pixels(const struct simple_job *j, int64_t first, int64_t count)
{
    const struct tensor *x = j->a, *y = j->y;
    for (int64_t p = first; p < first + count; p++) {
        const int64_t row = p / y->width % y->height * x->height / y->height;
        const int64_t column = p % y->width * x->width / y->width;
        const int64_t image = p / y->width / y->height;
        copy(pixel_of(y, p), pixel_of(x, (image * x->height + row) * x->width + column),
             y->channels);
    }
}

void cpu_simple_resize(struct backend_context *c, const struct tensor *x, struct tensor *y)
{
    ZOE_ASSERT(x->channels == y->channels && tensor_images(x) == tensor_images(y));
    struct simple_job job = {.a = x, .y = y, .run = resize_pixels};
    run_simple(c, &job);
}

static void repeat_pixels(const struct simple_job *j, int64_t first, int64_t count)
{
    for (int64_t p = first; p < first + count; p++)
        copy(pixel_of(j->y, p), pixel_of(j->a, p % tensor_pixels(j->a)), j->y->channels);
}

void cpu_simple_repeat(struct backend_context *c, const struct tensor *x, struct tensor *y)
{
    ZOE_ASSERT(y->batch % x->batch == 0 && y->channels == x->channels);
    struct simple_job job = {.a = x, .y = y, .run = repeat_pixels};
    run_simple(c, &job);
}

static void embed_pixels(const struct simple_job *j, int64_t first, int64_t count)
{
    const struct cpu_weight *t = j->table;
    const int channels = j->y->channels;
    for (int64_t p = first; p < first + count; p++) {
        const int64_t at = (int64_t)j->ids[p] * channels;
        if (t->narrow_rows != NULL)
            j->kernels->widen(t->dtype, t->narrow_rows + at, channels, pixel_of(j->y, p));
        else
            copy(pixel_of(j->y, p), t->rows + at, channels);
    }
}

void cpu_simple_embed(struct backend_context *c, const struct weight *table, const int32_t *ids,
                      struct tensor *y)
{
    ZOE_ASSERT(table->out == y->channels);
    struct simple_job job = {
        .y = y, .table = cpu_weight_of(table), .ids = ids, .run = embed_pixels};
    run_simple(c, &job);
}

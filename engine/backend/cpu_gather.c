/* cpu_gather: boxes of input pixels as an item wants them: resized, concatenated, normalised,
 * activated, padded. */
#include <string.h>

#include "engine/backend/cpu.h"

/* Consecutive pixels of one source tensor. */
struct strip {
    const struct tensor *t;
    const float *scale, *shift; /* of the strip's channels; NULL = no norm */
    bool silu;
    int64_t pixel, count; /* first pixel of the tensor */
    int channel, channels;
};

static void gather_strip(const struct cpu_kernels *k, const struct strip *s, float *out, int step)
{
    const struct cpu_affine a = {.x = s->t->data + s->pixel * s->t->stride + s->channel,
                                 .x_step = s->t->stride,
                                 .pixels = s->count,
                                 .count = s->channels,
                                 .scale = s->scale,
                                 .shift = s->shift,
                                 .silu = s->silu,
                                 .y = out,
                                 .y_step = step};
    k->affine(&a);
}

static void strip_norm(struct strip *s, const struct cpu_norm *n, const struct cpu_box *b,
                       int frame, int channel)
{
    if (n->factors == NULL) return;
    const int unit = b->batch * n->units_per_video + (n->units_per_video > 1 ? frame : 0);
    s->scale = n->factors + (size_t)unit * 2 * (size_t)n->channels + channel;
    s->shift = s->scale + n->channels;
    s->silu = n->silu;
}

/* `count` pixels from stored place `pixel` on, both sources. */
static void gather_run(const struct cpu_kernels *k, const struct cpu_source *s,
                       const struct cpu_box *b, int frame, int64_t pixel, int count, float *out)
{
    const int split = s->x->channels, last = b->channel + b->channels;
    struct strip strip = {.pixel = pixel, .count = count};
    if (b->channel < split) {
        strip.t = s->x;
        strip.channel = b->channel;
        strip.channels = cpu_least(last, split) - b->channel;
        strip_norm(&strip, &s->norm, b, frame, b->channel);
        gather_strip(k, &strip, out, b->channels);
        out += strip.channels;
    }
    if (last > split) {
        strip.t = s->x2;
        strip.channel = b->channel > split ? b->channel - split : 0;
        strip.channels = last - split - strip.channel;
        strip_norm(&strip, &s->norm, b, frame, split + strip.channel);
        gather_strip(k, &strip, out, b->channels);
    }
}

static void clear(float *out, int pixels, int channels)
{
    memset(out, 0, (size_t)pixels * (size_t)channels * sizeof *out);
}

static void gather_row(const struct cpu_kernels *k, const struct cpu_source *s,
                       const struct cpu_box *b, int frame, int row, float *out)
{
    const int first = b->column < 0 ? 0 : b->column;
    const int last = cpu_least(b->column + b->columns, s->width);
    if (frame < 0 || frame >= s->x->frames || row < 0 || row >= s->height || first >= last) {
        clear(out, b->columns, b->channels);
        return;
    }
    const int64_t image = (int64_t)b->batch * s->x->frames + frame;
    const int64_t stored_row = (int64_t)row * s->stored_height / s->height;
    const int64_t origin = (image * s->stored_height + stored_row) * s->stored_width;
    clear(out, first - b->column, b->channels);
    float *to = out + (ptrdiff_t)(first - b->column) * b->channels;
    if (s->width == s->stored_width) {
        gather_run(k, s, b, frame, origin + first, last - first, to);
    } else {
        for (int c = first; c < last; c++, to += b->channels)
            gather_run(k, s, b, frame, origin + (int64_t)c * s->stored_width / s->width, 1, to);
    }
    const int after = b->column + b->columns - last;
    clear(out + (ptrdiff_t)(b->columns - after) * b->channels, after, b->channels);
}

void cpu_gather(const struct cpu_kernels *k, const struct cpu_source *s, const struct cpu_box *b,
                float *out)
{
    const ptrdiff_t row_size = (ptrdiff_t)b->columns * b->channels;
    for (int frame = 0; frame < b->frames; frame++)
        for (int row = 0; row < b->rows; row++, out += row_size)
            gather_row(k, s, b, b->frame + frame, b->row + row, out);
}

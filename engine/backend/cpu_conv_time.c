/* cpu_conv_time: convolutions along time by direct products. An item gathers some pixels of a run
 * of frames, one frame more at both ends; the three taps lie one gathered frame apart. */
#include "base/xalloc.h"
#include "engine/backend/cpu.h"

#define ITEM_FRAMES 16
#define ITEM_ROWS 64 /* outputs of an item, about */

struct time_job {
    struct backend_context *c;
    const struct conv_time_args *a;
    const struct cpu_weight *w;
    struct cpu_source source;
    int frames, pixels; /* of an item */
    int frame_items, pixel_items;
};

static void time_item(void *arg, int64_t item, int thread)
{
    const struct time_job *j = arg;
    const struct tensor *y = j->a->y;
    const int plane = y->height * y->width, in = j->w->head.in;
    const int pixel = (int)(item % j->pixel_items) * j->pixels;
    item /= j->pixel_items;
    const int frame = (int)(item % j->frame_items) * j->frames;
    const int batch = (int)(item / j->frame_items);
    const int frames = cpu_least(j->frames, y->frames - frame);
    const int pixels = cpu_least(j->pixels, plane - pixel);
    const struct cpu_box want = {.batch = batch,
                                 .frame = frame - 1,
                                 .column = pixel,
                                 .frames = frames + 2,
                                 .rows = 1,
                                 .columns = pixels,
                                 .channels = in};
    float *box = cpu_scratch(j->c, thread);
    cpu_gather(j->c->kernels, &j->source, &want, box);
    struct cpu_tile tile = {.has_add = j->a->residual != NULL, .start = j->w->bias};
    for (int i = 0; i < frames * pixels; i++, tile.row_count++) {
        const int64_t image = (int64_t)batch * y->frames + frame + i / pixels;
        const int64_t at = (image * plane + pixel + i % pixels) * y->channels;
        tile.rows[i] = box + (ptrdiff_t)i * in;
        tile.out[i] = y->data + at;
        if (tile.has_add) tile.add[i] = j->a->residual->data + at;
    }
    const ptrdiff_t step = (ptrdiff_t)pixels * in, taps[] = {0, step, 2 * step};
    const struct cpu_tile_product product = {.matrix = &j->w->matrix,
                                             .last = y->channels,
                                             .depth = in,
                                             .segments = taps,
                                             .segment_count = 3};
    cpu_tile_multiply(j->c->kernels, &tile, &product);
}

struct cpu_source cpu_conv_time_source(const struct tensor *x)
{
    const int plane = x->height * x->width;
    return (struct cpu_source){
        .x = x, .stored_height = 1, .stored_width = plane, .height = 1, .width = plane};
}

static void conv_time_direct(struct backend_context *c, const struct conv_time_args *a)
{
    struct time_job job = {.c = c, .a = a, .w = cpu_weight_of(a->weight)};
    const int plane = a->y->height * a->y->width;
    job.frames = cpu_least(a->y->frames, ITEM_FRAMES);
    job.pixels = cpu_least(plane, cpu_pieces(ITEM_ROWS, job.frames));
    job.frame_items = cpu_pieces(a->y->frames, job.frames);
    job.pixel_items = cpu_pieces(plane, job.pixels);
    const size_t box = (size_t)(job.frames + 2) * (size_t)job.pixels * (size_t)a->weight->in;
    if (cpu_planned(c, box, cpu_norm_shared(&a->norm, a->x, NULL))) return;
    job.source = cpu_conv_time_source(a->x);
    job.source.norm = cpu_norm_run(c, &a->norm, a->x, NULL);
    threads_run(c->threads, (int64_t)a->y->batch * job.frame_items * job.pixel_items, time_item,
                &job);
}

void cpu_conv_time(struct backend_context *c, const struct conv_time_args *a)
{
    ZOE_ASSERT(a->x->channels == a->weight->in && a->y->channels == a->weight->out);
    if (!cpu_winograd_time(c, a)) conv_time_direct(c, a);
}

bool cpu_conv_time_fused(struct backend_context *c, const struct conv_time_args *a)
{
    cpu_conv_time(c, a);
    return true;
}

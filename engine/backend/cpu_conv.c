/* cpu_conv: convolutions by direct products. An item gathers the pixels that its outputs see, with
 * their border, and takes each tap as a segment of one long product: row pointers into the gathered
 * box, the same distance to each tap for all of them. */
#include <string.h>

#include "base/xalloc.h"
#include "engine/backend/cpu.h"
#include "engine/backend/cpu_cut.h"

#define TAPS_MAX 9
#define ITEM_PIXELS 64 /* outputs of an item, about */

const float *cpu_start(const struct cpu_kernels *k, const struct cpu_weight *w,
                       const struct tensor *channels, int batch, float *room)
{
    if (channels == NULL) return w->bias;
    const float *add = channels->data + (channels->batch == 1 ? 0 : batch) * channels->channels;
    const int columns = w->matrix.columns,
              filled = (int)cpu_round_up((size_t)columns, (size_t)k->width);
    k->add(w->bias, add, room, columns);
    memset(room + columns, 0, (size_t)(filled - columns) * sizeof *room);
    return room;
}

/* ---- two dimensions ---- */

struct conv_job {
    struct backend_context *c;
    const struct conv2d_args *a;
    const struct cpu_weight *w;
    struct cpu_source source;
    struct cpu_cut cut;
};

static size_t start_size(const struct cpu_kernels *k, const struct weight *w)
{
    return cpu_round_up((size_t)w->out, (size_t)k->width);
}

static int seen(int outputs, int stride, int kernel)
{
    return (outputs - 1) * stride + kernel;
}

static size_t conv_scratch(const struct conv_job *j)
{
    const int stride = j->a->stride, kernel = j->w->head.kernel;
    const size_t pixels = (size_t)j->cut.frames * (size_t)seen(j->cut.rows, stride, kernel) *
                          (size_t)seen(j->cut.columns, stride, kernel);
    return start_size(j->c->kernels, &j->w->head) + pixels * (size_t)j->w->head.in;
}

/* Row pointers of all outputs of an item: into the gathered box, into y and into the residual. */
static void point_rows(const struct conv_job *j, const struct cpu_place *p, const float *box,
                       struct cpu_tile *t)
{
    const struct tensor *y = j->a->y;
    const int stride = j->a->stride, kernel = j->w->head.kernel, in = j->w->head.in;
    const int box_rows = seen(p->rows, stride, kernel);
    const ptrdiff_t box_row = (ptrdiff_t)seen(p->columns, stride, kernel) * in;
    t->row_count = 0;
    for (int f = 0; f < p->frames; f++)
        for (int r = 0; r < p->rows; r++) {
            const int64_t image = (int64_t)p->batch * y->frames + p->frame + f;
            int64_t at = ((image * y->height + p->row + r) * y->width + p->column) * y->channels;
            const float *from = box + (ptrdiff_t)(f * box_rows + r * stride) * box_row;
            for (int c = 0; c < p->columns; c++, at += y->channels, from += stride * in) {
                t->rows[t->row_count] = from;
                t->out[t->row_count] = y->data + at;
                if (t->has_add) t->add[t->row_count] = j->a->residual->data + at;
                t->row_count++;
            }
        }
}

static void conv_item(void *arg, int64_t item, int thread)
{
    const struct conv_job *j = arg;
    const struct conv2d_args *a = j->a;
    const struct cpu_kernels *k = j->c->kernels;
    const struct cpu_place p = cpu_cut_place(&j->cut, item);
    const int stride = a->stride, kernel = j->w->head.kernel, in = j->w->head.in;
    float *room = cpu_scratch(j->c, thread), *box = room + start_size(k, &j->w->head);
    const struct cpu_box want = {.batch = p.batch,
                                 .frame = p.frame,
                                 .row = p.row * stride - a->pad_top,
                                 .column = p.column * stride - a->pad_left,
                                 .frames = p.frames,
                                 .rows = seen(p.rows, stride, kernel),
                                 .columns = seen(p.columns, stride, kernel),
                                 .channels = in};
    cpu_gather(k, &j->source, &want, box);
    struct cpu_tile tile = {.has_add = a->residual != NULL};
    tile.start = cpu_start(k, j->w, a->channels, p.batch, room);
    point_rows(j, &p, box, &tile);
    ptrdiff_t taps[TAPS_MAX];
    for (int i = 0; i < kernel * kernel; i++)
        taps[i] = (ptrdiff_t)(i / kernel * want.columns + i % kernel) * in;
    const struct cpu_tile_product product = {.matrix = &j->w->matrix,
                                             .first = p.first,
                                             .last = p.last,
                                             .out_first = p.first,
                                             .depth = in,
                                             .segments = taps,
                                             .segment_count = kernel * kernel};
    cpu_tile_multiply(k, &tile, &product);
}

static void check_conv(const struct conv2d_args *a)
{
    const int k = a->weight->kernel, in = a->x->channels + (a->x2 != NULL ? a->x2->channels : 0);
    const int height = a->resize_height != 0 ? a->resize_height : a->x->height;
    const int width = a->resize_height != 0 ? a->resize_width : a->x->width;
    ZOE_ASSERT(in == a->weight->in && a->y->channels == a->weight->out);
    ZOE_ASSERT(a->y->height == (height + a->pad_top + a->pad_bottom - k) / a->stride + 1);
    ZOE_ASSERT(a->y->width == (width + a->pad_left + a->pad_right - k) / a->stride + 1);
}

struct cpu_source cpu_conv_source(const struct conv2d_args *a)
{
    const bool resized = a->resize_height != 0;
    return (struct cpu_source){.x = a->x,
                               .x2 = a->x2,
                               .stored_height = a->x->height,
                               .stored_width = a->x->width,
                               .height = resized ? a->resize_height : a->x->height,
                               .width = resized ? a->resize_width : a->x->width};
}

static void conv_direct(struct backend_context *c, const struct conv2d_args *a)
{
    struct conv_job job = {.c = c, .a = a, .w = cpu_weight_of(a->weight)};
    job.cut = cpu_cut_of(a->y, a->y->height, a->y->width, ITEM_PIXELS, c->kernels->width);
    job.source = cpu_conv_source(a);
    if (cpu_planned(c, conv_scratch(&job), cpu_norm_shared(&a->norm, a->x, a->x2))) return;
    job.source.norm = cpu_norm_run(c, &a->norm, a->x, a->x2);
    threads_run(c->threads, cpu_cut_items(&job.cut), conv_item, &job);
}

/* ---- 1x1: pixels are rows where they lie ---- */

static bool is_pointwise(const struct conv2d_args *a)
{
    return a->weight->kernel == 1 && a->stride == 1 && a->norm.weight == NULL &&
           a->resize_height == 0 && tensor_pixels(a->x) == tensor_pixels(a->y);
}

static void pointwise_item(void *arg, int64_t item, int thread)
{
    const struct conv_job *j = arg;
    const struct conv2d_args *a = j->a;
    const struct cpu_kernels *k = j->c->kernels;
    const int64_t pixels = tensor_pixels(a->y) / a->y->batch;
    const int items = cpu_pieces(pixels, ITEM_PIXELS), batch = (int)(item / items);
    const int64_t first = item % items * ITEM_PIXELS, at = batch * pixels + first;
    const int count = (int)(pixels - first < ITEM_PIXELS ? pixels - first : ITEM_PIXELS);
    const ptrdiff_t out = a->y->channels, none = 0;
    struct cpu_tile tile = {.has_add = a->residual != NULL};
    tile.start = cpu_start(k, j->w, a->channels, batch, cpu_scratch(j->c, thread));
    for (int i = 0; tile.has_add && i < count; i++)
        tile.add[i] = a->residual->data + (at + i) * out;
    struct cpu_tile_product product = {.matrix = &j->w->matrix,
                                       .last = a->y->channels,
                                       .depth = a->x->channels,
                                       .segments = &none,
                                       .segment_count = 1};
    cpu_tile_rows(&tile, count, a->x->data + at * a->x->stride, a->x->stride, a->y->data + at * out,
                  out);
    cpu_tile_multiply(k, &tile, &product);
    if (a->x2 == NULL) return;
    cpu_tile_rows(&tile, count, a->x2->data + at * a->x2->stride, a->x2->stride,
                  a->y->data + at * out, out);
    for (int i = 0; i < count; i++)
        tile.add[i] = tile.out[i];
    tile.has_add = true;
    tile.start = NULL;
    product.depth_first = a->x->channels;
    product.depth = a->x2->channels;
    cpu_tile_multiply(k, &tile, &product);
}

static void conv_pointwise(struct backend_context *c, const struct conv2d_args *a)
{
    struct conv_job job = {.c = c, .a = a, .w = cpu_weight_of(a->weight)};
    if (cpu_planned(c, start_size(c->kernels, a->weight), 0)) return;
    const int items = cpu_pieces(tensor_pixels(a->y) / a->y->batch, ITEM_PIXELS);
    threads_run(c->threads, (int64_t)a->y->batch * items, pointwise_item, &job);
}

void cpu_conv_2d(struct backend_context *c, const struct conv2d_args *a)
{
    check_conv(a);
    if (cpu_winograd_2d(c, a)) return;
    if (is_pointwise(a))
        conv_pointwise(c, a);
    else
        conv_direct(c, a);
}

bool cpu_conv_2d_fused(struct backend_context *c, const struct conv2d_args *a)
{
    cpu_conv_2d(c, a);
    return true;
}

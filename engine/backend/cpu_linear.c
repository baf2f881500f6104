/* cpu_linear: products of pixels with matrices, norms before and activations after included, and
 * the feed-forward block, whose wide middle only ever exists for the rows of one item. */
#include "base/xalloc.h"
#include "engine/backend/cpu.h"

#define ITEM_ROWS 64
#define ITEM_ROWS_LARGE 192 /* when there are plenty: weights are read less often */
#define PLENTY_ROWS 16384
#define MIDDLE_COLUMNS 256 /* of the feed-forward's middle at a time */
#define ITEMS_WANTED 8     /* of one video */

static const ptrdiff_t one_segment[1] = {0};

/* ---- the cut: runs of pixels within a video, and shares of the columns ---- */

struct rows_cut {
    int64_t video_rows;
    int rows, row_items, shares, share_columns;
};

static struct rows_cut rows_cut_of(const struct tensor *y, int columns, int panel)
{
    struct rows_cut cut = {.video_rows = tensor_pixels(y) / y->batch};
    cut.rows = cut.video_rows >= PLENTY_ROWS ? ITEM_ROWS_LARGE : ITEM_ROWS;
    cut.row_items = cpu_pieces(cut.video_rows, cut.rows);
    const int panels = cpu_pieces(columns, panel), most = panels / 4 > 1 ? panels / 4 : 1;
    cut.shares = cpu_least(cpu_pieces(ITEMS_WANTED, cut.row_items), most);
    cut.share_columns = cpu_pieces(panels, cut.shares) * panel;
    return cut;
}

struct rows_place {
    int64_t row; /* of all videos */
    int batch, count;
    int first, last; /* columns */
};

static struct rows_place rows_place_of(const struct rows_cut *cut, int columns, int64_t item)
{
    struct rows_place p;
    p.first = (int)(item % cut->shares) * cut->share_columns;
    p.last = cpu_least(p.first + cut->share_columns, columns);
    item /= cut->shares;
    const int64_t row = item % cut->row_items * cut->rows, left = cut->video_rows - row;
    p.batch = (int)(item / cut->row_items);
    p.row = p.batch * cut->video_rows + row;
    p.count = (int)(left < cut->rows ? left : cut->rows);
    return p;
}

/* ---- one product ---- */

struct linear_job {
    struct backend_context *c;
    const struct linear_args *a;
    const struct cpu_weight *w;
    struct cpu_source source;
    struct cpu_layer layer;
    struct rows_cut cut;
};

static struct cpu_layer layer_of(const struct weight *norm, float eps)
{
    const struct cpu_weight *w = cpu_weight_of(norm);
    return (struct cpu_layer){w->rows, w->bias, norm->in, eps};
}

static void layer_rows(const struct cpu_kernels *k, const struct cpu_layer *layer,
                       const struct tensor *x, int64_t row, int count, float *out)
{
    k->layer_norm(layer, x->data + row * x->stride, x->stride, count, out, layer->count);
}

/* Rows may cross from one image into the next, which has factors of its own. */
static void gather_rows(const struct cpu_kernels *k, const struct cpu_source *s,
                        const struct rows_place *p, float *out)
{
    const int plane = s->width, channels = s->x->channels;
    const int64_t first = p->row - (int64_t)p->batch * s->x->frames * plane;
    for (int done = 0, count; done < p->count; done += count) {
        const int column = (int)((first + done) % plane);
        count = cpu_least(p->count - done, plane - column);
        const struct cpu_box box = {.batch = p->batch,
                                    .frame = (int)((first + done) / plane),
                                    .column = column,
                                    .frames = 1,
                                    .rows = 1,
                                    .columns = count,
                                    .channels = channels};
        cpu_gather(k, s, &box, out + (ptrdiff_t)done * channels);
    }
}

/* Where the product finds its rows: in scratch when a norm comes first. */
static const float *linear_rows(const struct linear_job *j, const struct rows_place *p,
                                float *scratch, ptrdiff_t *step)
{
    const struct tensor *x = j->a->x;
    if (j->layer.scale == NULL && j->source.norm.factors == NULL) {
        *step = x->stride;
        return x->data + p->row * x->stride;
    }
    *step = x->channels;
    if (j->layer.scale != NULL)
        layer_rows(j->c->kernels, &j->layer, x, p->row, p->count, scratch);
    else
        gather_rows(j->c->kernels, &j->source, p, scratch);
    return scratch;
}

static void linear_finish(const struct linear_job *j, const struct rows_place *p)
{
    const struct cpu_kernels *k = j->c->kernels;
    const ptrdiff_t step = j->a->y->channels, at = p->row * step + p->first;
    float *y = j->a->y->data + at;
    const struct cpu_activation activation = {.kind = j->a->activation,
                                              .x = y,
                                              .x_step = step,
                                              .rows = p->count,
                                              .count = p->last - p->first,
                                              .y = y,
                                              .y_step = step};
    k->activate(&activation);
    if (j->a->residual == NULL) return;
    const float *add = j->a->residual->data + at;
    for (int i = 0; i < p->count; i++)
        k->add(y + i * step, add + i * step, y + i * step, activation.count);
}

static void linear_item(void *arg, int64_t item, int thread)
{
    const struct linear_job *j = arg;
    const struct linear_args *a = j->a;
    const int out = a->y->channels;
    const struct rows_place p = rows_place_of(&j->cut, out, item);
    const bool plain = a->activation == ACTIVATION_NONE;
    ptrdiff_t step;
    const float *x = linear_rows(j, &p, cpu_scratch(j->c, thread), &step);
    struct cpu_tile tile;
    cpu_tile_rows(&tile, p.count, x, step, a->y->data + p.row * out, out);
    tile.start = j->w->bias;
    tile.has_add = plain && a->residual != NULL;
    for (int i = 0; tile.has_add && i < p.count; i++)
        tile.add[i] = a->residual->data + (p.row + i) * out;
    const struct cpu_tile_product product = {.matrix = &j->w->matrix,
                                             .first = p.first,
                                             .last = p.last,
                                             .out_first = p.first,
                                             .depth = j->w->head.in,
                                             .segments = one_segment,
                                             .segment_count = 1};
    cpu_tile_multiply(j->c->kernels, &tile, &product);
    if (!plain) linear_finish(j, &p);
}

/* GEGLU mixes columns of two panels; a residual that an activation must not see would have to wait
 * outside y: both are left to the parts. */
bool cpu_linear_fused(struct backend_context *c, const struct linear_args *a)
{
    const bool own_residual =
        a->residual != NULL && a->residual->data == a->y->data && a->residual->slot == a->y->slot;
    if (a->activation == ACTIVATION_GEGLU || (a->activation != ACTIVATION_NONE && own_residual) ||
        (a->norm.weight != NULL && a->layer_norm != NULL))
        return false;
    ZOE_ASSERT(a->x->channels == a->weight->in && a->y->channels == a->weight->out);
    ZOE_ASSERT(tensor_pixels(a->x) == tensor_pixels(a->y));
    struct linear_job job = {.c = c, .a = a, .w = cpu_weight_of(a->weight)};
    job.cut = rows_cut_of(a->y, a->y->channels, c->kernels->width);
    const size_t rows = (size_t)job.cut.rows * (size_t)a->weight->in;
    if (cpu_planned(c, rows, cpu_norm_shared(&a->norm, a->x, NULL))) return true;
    job.source = cpu_conv_time_source(a->x);
    job.source.norm = cpu_norm_run(c, &a->norm, a->x, NULL);
    if (a->layer_norm != NULL) job.layer = layer_of(a->layer_norm, a->layer_norm_eps);
    threads_run(c->threads, (int64_t)a->y->batch * job.cut.row_items * job.cut.shares, linear_item,
                &job);
    return true;
}

void cpu_linear(struct backend_context *c, const struct linear_args *a)
{
    ZOE_ASSERT(a->activation == ACTIVATION_NONE);
    cpu_linear_fused(c, a);
}

/* ---- feed-forward ---- */

struct feed_forward_job {
    struct backend_context *c;
    const struct feed_forward_args *a;
    const struct cpu_weight *up, *down;
    struct cpu_layer layer;
    struct rows_cut cut;
};

/* middle[row][MIDDLE_COLUMNS] = geglu of columns [first, last) of the middle. `wide` has room for
 * two panels of all rows. */
static void run_middle(const struct feed_forward_job *j, const float *x, int rows, int first,
                       int last, float *wide, float *middle)
{
    const struct cpu_kernels *k = j->c->kernels;
    const int in = j->layer.count, inner = j->down->head.in, width = k->width;
    for (int column = first; column < last; column += width) {
        const int columns = cpu_least(width, last - column);
        for (int half = 0; half < 2; half++) {
            struct cpu_tile tile;
            const int at = half * inner + column;
            cpu_tile_rows(&tile, rows, x, in, wide, 2 * width);
            tile.start = j->up->bias;
            tile.has_add = false;
            const struct cpu_tile_product product = {.matrix = &j->up->matrix,
                                                     .first = at,
                                                     .last = at + columns,
                                                     .out_first = half * width,
                                                     .depth = in,
                                                     .segments = one_segment,
                                                     .segment_count = 1};
            cpu_tile_multiply(k, &tile, &product);
        }
        const struct cpu_activation geglu = {.kind = ACTIVATION_GEGLU,
                                             .x = wide,
                                             .gate = wide + width,
                                             .x_step = 2 * width,
                                             .rows = rows,
                                             .count = columns,
                                             .y = middle + column - first,
                                             .y_step = MIDDLE_COLUMNS};
        k->activate(&geglu);
    }
}

static void feed_forward_item(void *arg, int64_t item, int thread)
{
    const struct feed_forward_job *j = arg;
    const struct cpu_kernels *k = j->c->kernels;
    const int channels = j->layer.count, inner = j->down->head.in;
    const struct rows_place p = rows_place_of(&j->cut, channels, item);
    float *x = cpu_scratch(j->c, thread);
    float *middle = x + (size_t)j->cut.rows * (size_t)channels;
    float *wide = middle + (size_t)j->cut.rows * MIDDLE_COLUMNS;
    layer_rows(k, &j->layer, j->a->x, p.row, p.count, x);
    struct cpu_tile tile;
    cpu_tile_rows(&tile, p.count, middle, MIDDLE_COLUMNS, j->a->y->data + p.row * channels,
                  channels);
    tile.start = j->down->bias;
    tile.has_add = true;
    for (int i = 0; i < p.count; i++)
        tile.add[i] = j->a->x->data + (p.row + i) * j->a->x->stride;
    for (int first = 0; first < inner; first += MIDDLE_COLUMNS) {
        const int columns = cpu_least(MIDDLE_COLUMNS, inner - first);
        run_middle(j, x, p.count, first, first + columns, wide, middle);
        const struct cpu_tile_product product = {.matrix = &j->down->matrix,
                                                 .last = channels,
                                                 .depth_first = first,
                                                 .depth = columns,
                                                 .segments = one_segment,
                                                 .segment_count = 1};
        cpu_tile_multiply(k, &tile, &product);
        for (int i = 0; i < p.count; i++)
            tile.add[i] = tile.out[i];
        tile.start = NULL;
    }
}

/* The gates' first column must lie on the edge of a panel. */
bool cpu_linear_feed_forward(struct backend_context *c, const struct feed_forward_args *a)
{
    struct feed_forward_job job = {
        .c = c, .a = a, .up = cpu_weight_of(a->up), .down = cpu_weight_of(a->down)};
    const int width = c->kernels->width, inner = a->down->in;
    if (inner % width != 0) return false;
    ZOE_ASSERT(a->up->in == a->x->channels && a->up->out == 2 * inner);
    ZOE_ASSERT(a->down->out == a->y->channels && tensor_same_shape(a->x, a->y));
    job.cut = rows_cut_of(a->y, a->y->channels, width);
    job.cut.shares = 1;
    job.cut.share_columns = a->y->channels;
    const size_t row = (size_t)a->x->channels + MIDDLE_COLUMNS + 2 * (size_t)width;
    if (cpu_planned(c, (size_t)job.cut.rows * row, 0)) return true;
    job.layer = layer_of(a->layer_norm, a->layer_norm_eps);
    threads_run(c->threads, (int64_t)a->y->batch * job.cut.row_items, feed_forward_item, &job);
    return true;
}

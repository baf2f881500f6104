/* cpu_winograd: convolutions of 3 taps, across (3x3) or along time (3x1x1), with a quarter or half
 * of the multiplications: inputs and weights are transformed to 36 or 6 points, each point is a
 * product of its own, and 4x4 or 4 outputs come back from them (Lavin and Gray, arXiv 1509.09308,
 * F(4x4, 3x3) and F(4, 3)). In float32 the error is about four times that of direct sums, some
 * 3e-6 relative.
 *
 * An item holds some tiles: all points of their inputs, then panel by panel the products and the
 * outputs. Transformed weights are four (two) times the size of the plain ones, so very wide layers
 * are left to direct sums. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "engine/backend/cpu.h"
#include "engine/backend/cpu_cut.h"

#define POINTS 6
#define OUTPUTS 4
#define POINTS_LIMIT_BYTES ((int64_t)16 << 20) /* transformed weights of one layer */
#define CHANNEL_BLOCK 64                       /* gathered at a time */
#define ITEM_TILES 16
#define ITEM_LINES 64 /* runs of 4 frames in time */
#define ITEM_LINES_LEAST 16
/* Floats between one point's values and the next one's, so that a channel's points, which are
 * written together, do not all fall into the same few places of a cache. */
#define POINT_GAP 16

/* ---- weights ---- */

static const double filter_points[POINTS][3] = {
    {1. / 4, 0, 0},
    {-1. / 6, -1. / 6, -1. / 6},
    {-1. / 6, 1. / 6, -1. / 6},
    {1. / 24, 1. / 12, 1. / 6},
    {1. / 24, -1. / 12, 1. / 6},
    {0, 0, 1},
};

/* One filter of 3x3 taps at point (row, column); of 3 taps when `flat`. */
static double filter_at(const double *taps, int row, int column, bool flat)
{
    double sum = 0;
    if (flat) {
        for (int j = 0; j < 3; j++)
            sum += filter_points[column][j] * taps[j];
        return sum;
    }
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            sum += filter_points[row][i] * filter_points[column][j] * taps[i * 3 + j];
    return sum;
}

static void transform_filter(const struct cpu_kernels *k, const struct cpu_weight *w, int input,
                             int output)
{
    const bool flat = w->head.kind == WEIGHT_CONV_TIME;
    const int taps = flat ? 3 : 9, points = flat ? POINTS : POINTS * POINTS, in = w->head.in;
    double filter[9];
    for (int t = 0; t < taps; t++)
        filter[t] = (double)cpu_matrix_at(k, &w->matrix, t * in + input, output);
    const size_t width = (size_t)k->width;
    float *to = w->points->panels +
                ((size_t)output / width * (size_t)points * (size_t)in + (size_t)input) * width +
                (size_t)output % width;
    for (int p = 0; p < points; p++, to += (size_t)in * width)
        *to = (float)filter_at(filter, p / POINTS, p % POINTS, flat);
}

static void make_points(struct backend_context *c, const struct cpu_weight *w, int points)
{
    if (w->points->wanted || c->failure.code != ERROR_NONE) return;
    const size_t columns = cpu_round_up((size_t)w->head.out, (size_t)c->kernels->width);
    const size_t count = (size_t)points * (size_t)w->head.in * columns;
    w->points->wanted = true;
    c->transformed_bytes += count * sizeof(float);
    if (w->matrix.panels == NULL && w->matrix.narrow == NULL) return; /* planned without data */
    w->points->panels = alloc_checked(count, sizeof(float), "transformed weights", &c->failure);
    if (w->points->panels == NULL) return;
    for (int i = 0; i < w->head.in; i++)
        for (int o = 0; o < w->head.out; o++)
            transform_filter(c->kernels, w, i, o);
}

static bool suits_weight(const struct weight *w, int points)
{
    return w->kernel == 3 && w->in % 8 == 0 && w->out % 8 == 0 && w->in >= 16 &&
           (int64_t)points * w->in * w->out * (int64_t)sizeof(float) <= POINTS_LIMIT_BYTES;
}

/* ---- products of all points for one panel ---- */

struct points_job {
    const struct cpu_kernels *kernels;
    const struct cpu_weight *w;
    int points, lines; /* lines: rows of each point's product */
};

/* From one point to the next, where each has `lines` rows of `columns`. */
static ptrdiff_t point_step(int lines, int columns)
{
    return (ptrdiff_t)lines * columns + POINT_GAP;
}

/* m[point][line][width] = v[point][line][in] * weights of `panel` at that point, points point_step
 * apart */
static void multiply_points(const struct points_job *j, const float *v, int panel, float *m)
{
    static const ptrdiff_t none[1] = {0};
    const struct cpu_kernels *k = j->kernels;
    const int in = j->w->head.in;
    const float *rows[ITEM_LINES];
    float *out[ITEM_LINES];
    struct cpu_product p = {.row_count = j->lines,
                            .rows = rows,
                            .out = out,
                            .segments = none,
                            .segment_count = 1,
                            .depth = in,
                            .columns = k->width};
    p.panel = j->w->points->panels + (size_t)panel * (size_t)(j->points * in) * (size_t)k->width;
    for (int point = 0; point < j->points; point++) {
        for (int i = 0; i < j->lines; i++) {
            rows[i] = v + (ptrdiff_t)i * in;
            out[i] = m + (ptrdiff_t)i * k->width;
        }
        k->product(&p);
        p.panel += (size_t)in * (size_t)k->width;
        v += point_step(j->lines, in);
        m += point_step(j->lines, k->width);
    }
}

static size_t points_scratch(const struct cpu_kernels *k, const struct weight *w, int points,
                             int lines)
{
    const size_t start = cpu_round_up((size_t)w->out, (size_t)k->width);
    return start +
           (size_t)points * (size_t)(point_step(lines, w->in) + point_step(lines, k->width));
}

/* ---- 3x3 ---- */

struct squares_job {
    struct backend_context *c;
    const struct conv2d_args *a;
    const struct cpu_weight *w;
    struct cpu_source source;
    struct cpu_cut cut; /* in tiles */
};

static bool suits_2d(const struct conv2d_args *a)
{
    const int height = a->y->height, width = a->y->width;
    const int64_t covered =
        (int64_t)cpu_pieces(height, OUTPUTS) * cpu_pieces(width, OUTPUTS) * OUTPUTS * OUTPUTS;
    return suits_weight(a->weight, POINTS * POINTS) && a->stride == 1 && a->pad_top == 1 &&
           a->pad_left == 1 && a->pad_bottom == 1 && a->pad_right == 1 &&
           covered <= 2 * (int64_t)height * width;
}

static int tiles_most(const struct cpu_cut *cut)
{
    return cut->frames * cut->rows * cut->columns;
}

static size_t box_size(const struct cpu_cut *cut)
{
    return (size_t)cut->frames * (size_t)(cut->rows * OUTPUTS + 2) *
           (size_t)(cut->columns * OUTPUTS + 2) * CHANNEL_BLOCK;
}

/* Gathers and transforms the inputs of an item: v[point][tile][in]. */
static void squares_in(const struct squares_job *j, const struct cpu_place *p, float *box, float *v)
{
    const int in = j->w->head.in, tiles = p->frames * p->rows * p->columns;
    struct cpu_box want = {.batch = p->batch,
                           .frame = p->frame,
                           .row = p->row * OUTPUTS - 1,
                           .column = p->column * OUTPUTS - 1,
                           .frames = p->frames,
                           .rows = p->rows * OUTPUTS + 2,
                           .columns = p->columns * OUTPUTS + 2};
    for (; want.channel < in; want.channel += CHANNEL_BLOCK) {
        want.channels = cpu_least(CHANNEL_BLOCK, in - want.channel);
        cpu_gather(j->c->kernels, &j->source, &want, box);
        const ptrdiff_t row_step = (ptrdiff_t)want.columns * want.channels;
        for (int t = 0; t < tiles; t++) {
            const int column = t % p->columns, row = t / p->columns % p->rows;
            const int frame = t / p->columns / p->rows;
            const float *from = box + (frame * want.rows + row * OUTPUTS) * row_step +
                                (ptrdiff_t)(column * OUTPUTS) * want.channels;
            j->c->kernels->tile_in(from, row_step, want.channels, want.channels,
                                   v + (ptrdiff_t)t * in + want.channel, point_step(tiles, in));
        }
    }
}

static void squares_out(const struct squares_job *j, const struct cpu_place *p, int first,
                        const float *start, const float *m)
{
    const struct tensor *y = j->a->y;
    const int tiles = p->frames * p->rows * p->columns, width = j->c->kernels->width;
    struct cpu_tile_out out = {.m_step = point_step(tiles, width),
                               .start = start + first,
                               .row_step = (ptrdiff_t)y->width * y->channels,
                               .y_step = y->channels,
                               .columns = cpu_least(width, p->last - first)};
    for (int t = 0; t < tiles; t++) {
        const int column = (p->column + t % p->columns) * OUTPUTS;
        const int row = (p->row + t / p->columns % p->rows) * OUTPUTS;
        const int64_t image = (int64_t)p->batch * y->frames + p->frame + t / p->columns / p->rows;
        const int64_t at = ((image * y->height + row) * y->width + column) * y->channels + first;
        out.m = m + (ptrdiff_t)t * width;
        out.y = y->data + at;
        out.add = j->a->residual != NULL ? j->a->residual->data + at : NULL;
        out.rows = cpu_least(OUTPUTS, y->height - row);
        out.pixels = cpu_least(OUTPUTS, y->width - column);
        j->c->kernels->tile_out(&out);
    }
}

static void squares_item(void *arg, int64_t item, int thread)
{
    const struct squares_job *j = arg;
    const struct cpu_kernels *k = j->c->kernels;
    const struct cpu_place p = cpu_cut_place(&j->cut, item);
    const struct points_job points = {k, j->w, POINTS * POINTS, p.frames * p.rows * p.columns};
    const ptrdiff_t v_size = points.points * point_step(points.lines, j->w->head.in);
    float *room = cpu_scratch(j->c, thread);
    float *v = room + cpu_round_up((size_t)j->w->head.out, (size_t)k->width);
    float *m = v + v_size, *box = m + points.points * point_step(points.lines, k->width);
    squares_in(j, &p, box, v);
    const float *start = cpu_start(k, j->w, j->a->channels, p.batch, room);
    for (int first = p.first; first < p.last; first += k->width) {
        multiply_points(&points, v, first / k->width, m);
        squares_out(j, &p, first, start, m);
    }
}

bool cpu_winograd_2d(struct backend_context *c, const struct conv2d_args *a)
{
    if (!suits_2d(a)) return false;
    struct squares_job job = {.c = c, .a = a, .w = cpu_weight_of(a->weight)};
    const int tall = cpu_pieces(a->y->height, OUTPUTS), wide = cpu_pieces(a->y->width, OUTPUTS);
    job.cut = cpu_cut_of(a->y, tall, wide, ITEM_TILES, c->kernels->width);
    job.source = cpu_conv_source(a);
    if (c->planning) make_points(c, job.w, POINTS * POINTS);
    const size_t scratch =
        points_scratch(c->kernels, a->weight, POINTS * POINTS, tiles_most(&job.cut)) +
        box_size(&job.cut);
    if (cpu_planned(c, scratch, cpu_norm_shared(&a->norm, a->x, a->x2))) return true;
    job.source.norm = cpu_norm_run(c, &a->norm, a->x, a->x2);
    threads_run(c->threads, cpu_cut_items(&job.cut), squares_item, &job);
    return true;
}

/* ---- time ---- */

struct lines_job {
    struct backend_context *c;
    const struct conv_time_args *a;
    const struct cpu_weight *w;
    struct cpu_source source;
    int runs, pixels; /* of an item: runs of 4 frames, pixels */
    int run_items, pixel_items;
};

struct lines_place {
    int batch, run, pixel, runs, pixels;
};

static void lines_in(const struct lines_job *j, const struct lines_place *p, float *box, float *v)
{
    const int in = j->w->head.in, lines = p->runs * p->pixels;
    struct cpu_box want = {.batch = p->batch,
                           .frame = p->run * OUTPUTS - 1,
                           .column = p->pixel,
                           .frames = p->runs * OUTPUTS + 2,
                           .rows = 1,
                           .columns = p->pixels};
    for (; want.channel < in; want.channel += CHANNEL_BLOCK) {
        want.channels = cpu_least(CHANNEL_BLOCK, in - want.channel);
        cpu_gather(j->c->kernels, &j->source, &want, box);
        const ptrdiff_t frame_step = (ptrdiff_t)p->pixels * want.channels;
        for (int i = 0; i < lines; i++)
            j->c->kernels->line_in(box + (i / p->pixels * OUTPUTS) * frame_step +
                                       (ptrdiff_t)(i % p->pixels) * want.channels,
                                   frame_step, want.channels, v + (ptrdiff_t)i * in + want.channel,
                                   point_step(lines, in));
    }
}

static void lines_out(const struct lines_job *j, const struct lines_place *p, int first,
                      const float *m)
{
    const struct tensor *y = j->a->y;
    const int plane = y->height * y->width, width = j->c->kernels->width;
    struct cpu_tile_out out = {.m_step = point_step(p->runs * p->pixels, width),
                               .start = j->w->bias + first,
                               .y_step = (ptrdiff_t)plane * y->channels,
                               .rows = 1,
                               .columns = cpu_least(width, y->channels - first)};
    for (int i = 0; i < p->runs * p->pixels; i++) {
        const int frame = (p->run + i / p->pixels) * OUTPUTS;
        const int64_t image = (int64_t)p->batch * y->frames + frame;
        const int64_t at = (image * plane + p->pixel + i % p->pixels) * y->channels + first;
        out.m = m + (ptrdiff_t)i * width;
        out.y = y->data + at;
        out.add = j->a->residual != NULL ? j->a->residual->data + at : NULL;
        out.pixels = cpu_least(OUTPUTS, y->frames - frame);
        j->c->kernels->line_out(&out);
    }
}

static void lines_item(void *arg, int64_t item, int thread)
{
    const struct lines_job *j = arg;
    const struct cpu_kernels *k = j->c->kernels;
    const struct tensor *y = j->a->y;
    struct lines_place p = {.pixel = (int)(item % j->pixel_items) * j->pixels};
    item /= j->pixel_items;
    p.run = (int)(item % j->run_items) * j->runs;
    p.batch = (int)(item / j->run_items);
    p.runs = cpu_least(j->runs, cpu_pieces(y->frames, OUTPUTS) - p.run);
    p.pixels = cpu_least(j->pixels, y->height * y->width - p.pixel);
    const struct points_job points = {k, j->w, POINTS, p.runs * p.pixels};
    float *v = cpu_scratch(j->c, thread);
    float *m = v + POINTS * point_step(points.lines, j->w->head.in);
    lines_in(j, &p, m + POINTS * point_step(points.lines, k->width), v);
    for (int first = 0; first < y->channels; first += k->width) {
        multiply_points(&points, v, first / k->width, m);
        lines_out(j, &p, first, m);
    }
}

/* Small videos are cut finer, so that several threads find work. */
static int lines_wanted(const struct tensor *y)
{
    const int64_t all = (int64_t)cpu_pieces(y->frames, OUTPUTS) * y->height * y->width;
    int lines = ITEM_LINES;
    while (lines > ITEM_LINES_LEAST && all / lines < 4)
        lines /= 2;
    return lines;
}

bool cpu_winograd_time(struct backend_context *c, const struct conv_time_args *a)
{
    if (!suits_weight(a->weight, POINTS) || a->y->frames < 3) return false;
    struct lines_job job = {.c = c, .a = a, .w = cpu_weight_of(a->weight)};
    const int plane = a->y->height * a->y->width, lines = lines_wanted(a->y);
    const int all_runs = cpu_pieces(a->y->frames, OUTPUTS);
    job.runs = cpu_least(all_runs, 4);
    job.pixels = cpu_least(plane, lines / job.runs);
    job.run_items = cpu_pieces(all_runs, job.runs);
    job.pixel_items = cpu_pieces(plane, job.pixels);
    if (c->planning) make_points(c, job.w, POINTS);
    const size_t box =
        (size_t)(job.runs * OUTPUTS + 2) * (size_t)job.pixels * (size_t)CHANNEL_BLOCK;
    const size_t scratch =
        box + points_scratch(c->kernels, a->weight, POINTS, job.runs * job.pixels);
    if (cpu_planned(c, scratch, cpu_norm_shared(&a->norm, a->x, NULL))) return true;
    job.source = cpu_conv_time_source(a->x);
    job.source.norm = cpu_norm_run(c, &a->norm, a->x, NULL);
    threads_run(c->threads, (int64_t)a->y->batch * job.run_items * job.pixel_items, lines_item,
                &job);
    return true;
}

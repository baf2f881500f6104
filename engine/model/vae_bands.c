#include "engine/model/vae_bands.h"

#include <string.h>

#include "base/xalloc.h"

/* A level whose upsampled tensor is larger (1 GiB) goes in bands: with 256 channels, a frame of
 * more than 1024x1024. */
#define LEVEL_FLOATS ((int64_t)1 << 28)
/* The same tensor of one band: large beside its margins. */
#define BAND_FLOATS ((int64_t)1 << 26)
#define BAND_ROWS_MIN 16

struct level {
    const struct vae_half *half;
    int first, end;                /* blocks: UP, then RES */
    bool last;                     /* conv_out comes after */
    int norms, margin;             /* margin: 3x3 convolutions */
    const struct tensor *in, *out; /* whole */
    int rows;                      /* of a band, in `out` */
    const struct tensor *room;     /* of a band's tensors; NULL while planning */
};

struct band {
    const struct level *level;
    int pass, norm;      /* norm: how many were met */
    int source, sources; /* rows of `in` */
    int first, rows;     /* own rows, in `out` */
    struct tensor x;
};

bool vae_bands_wanted(const struct vae_half *h, int first, const struct tensor *x)
{
    const struct vae_block *b = &h->blocks[first];
    if (b->kind != VAE_BLOCK_UP) return false;
    return h->band_rows > 0 || 4 * (int64_t)x->height * x->width * b->out > LEVEL_FLOATS;
}

size_t vae_bands_sums(const struct vae_half *h)
{
    return 2 * (size_t)h->groups * (2 * (size_t)h->block_count + 1);
}

/* ---- one band ---- */

/* False when this pass ends here. */
static bool normalize(struct band *b, const struct weight *weight, const struct tensor *x,
                      struct tensor *y)
{
    const struct level *l = b->level;
    const struct vae_half *h = l->half;
    const struct backend *backend = h->ops->backend;
    const struct norm_args norm = vae_half_norm(h, weight, true);
    double *sums = h->sums + 2 * (ptrdiff_t)h->groups * b->norm;
    if (b->norm++ == b->pass) {
        const struct tensor own = tensor_rows(x, b->first - 2 * b->source, b->rows);
        backend->group_sums(h->ops->context, &own, h->groups, sums);
        return false;
    }
    const int width = x->channels / h->groups;
    const struct norm_sums known = {sums, (double)l->out->height * l->out->width * width};
    backend->group_norm_by(h->ops->context, x, &norm, &known, y);
    return true;
}

static bool run_res(struct band *b, const struct vae_block *block)
{
    const struct vae_half *h = b->level->half;
    const struct norm_args none = {0};
    struct tensor in = ops_take_like(h->ops, &b->x, b->x.channels);
    if (!normalize(b, block->norm1, &b->x, &in)) return false;
    struct tensor y = ops_take_like(h->ops, &in, block->out);
    vae_half_conv(h, &in, none, block->conv1, NULL, &y);
    ops_give(h->ops, &in);
    if (!normalize(b, block->norm2, &y, &y)) return false;
    if (block->shortcut != NULL) {
        struct tensor through = ops_take_like(h->ops, &b->x, block->out);
        vae_half_conv(h, &b->x, none, block->shortcut, NULL, &through);
        ops_give(h->ops, &b->x);
        b->x = through;
    }
    vae_half_conv(h, &y, none, block->conv2, &b->x, &b->x);
    ops_give(h->ops, &y);
    return true;
}

static bool run_out(struct band *b)
{
    const struct vae_half *h = b->level->half;
    const struct norm_args none = {0};
    if (!normalize(b, h->norm_out, &b->x, &b->x)) return false;
    struct tensor y = ops_take_like(h->ops, &b->x, h->conv_out->out);
    vae_half_conv(h, &b->x, none, h->conv_out, NULL, &y);
    ops_give(h->ops, &b->x);
    b->x = y;
    return true;
}

/* Own rows to their place; a resize to the same size copies. */
static void store(struct band *b)
{
    struct ops *ops = b->level->half->ops;
    const struct tensor own = tensor_rows(&b->x, b->first - 2 * b->source, b->rows);
    struct tensor place = tensor_rows(b->level->out, b->first, b->rows);
    ops->backend->resize(ops->context, &own, &place);
    ops_give(ops, &b->x);
}

static void run_blocks(struct band *b)
{
    const struct level *l = b->level;
    const struct vae_half *h = l->half;
    const struct vae_block *up = &h->blocks[l->first];
    const struct tensor x = tensor_rows(l->in, b->source, b->sources);
    b->x = ops_take(h->ops, 1, 1, 2 * b->sources, 2 * x.width, up->out);
    vae_half_conv_up(h, up, &x, &b->x);
    for (int i = l->first + 1; i < l->end; i++)
        if (!run_res(b, &h->blocks[i])) return;
    if (l->last && !run_out(b)) return;
    store(b);
}

/* ---- all of them ---- */

static struct band band_at(const struct level *l, int pass, int first)
{
    const int left = l->out->height - first, rows = l->rows < left ? l->rows : left;
    const int top = first - l->margin, bottom = first + rows + l->margin;
    const int end = (bottom < l->out->height ? bottom + 1 : l->out->height) / 2;
    struct band b = {.level = l, .pass = pass, .first = first, .rows = rows};
    b.source = top > 0 ? top / 2 : 0;
    b.sources = end - b.source;
    return b;
}

static struct ops_key band_key(const struct band *b)
{
    const struct level *l = b->level;
    return (struct ops_key){&l->half->blocks[l->first], {b->sources, l->in->width}};
}

static void run_band(struct band *b)
{
    struct ops *ops = b->level->half->ops;
    const struct ops_key key = band_key(b);
    const struct ops_nest nest = ops_nest_begin(ops, &key, b->level->room);
    run_blocks(b);
    ops_nest_end(ops, &nest);
}

static bool run_passes(const struct level *l, struct error *err)
{
    const struct vae_half *h = l->half;
    const double all = (double)(l->norms + 1) * l->out->height;
    memset(h->sums, 0, vae_bands_sums(h) * sizeof *h->sums);
    for (int pass = 0; pass <= l->norms; pass++)
        for (int first = 0; first < l->out->height; first += l->rows) {
            const double done = ((double)pass * l->out->height + first) / all;
            const double blocks = l->first + done * (l->end - l->first);
            if (!ops_tick(h->ops, blocks / h->block_count, err)) return false;
            struct band b = band_at(l, pass, first);
            run_band(&b);
        }
    return true;
}

static size_t room_bytes(const struct level *l)
{
    size_t most = 0;
    for (int first = 0; first < l->out->height; first += l->rows) {
        const struct band b = band_at(l, 0, first);
        const struct ops_key key = band_key(&b);
        const size_t bytes = ops_nest_bytes(l->half->ops, &key);
        if (bytes > most) most = bytes;
    }
    return most;
}

static int band_rows(const struct vae_half *h, int width, int channels)
{
    if (h->band_rows > 0) return h->band_rows;
    const int64_t rows = BAND_FLOATS / ((int64_t)width * channels);
    return rows > BAND_ROWS_MIN ? (int)rows : BAND_ROWS_MIN;
}

static struct level level_at(const struct vae_half *h, int first, const struct tensor *x)
{
    struct level l = {.half = h, .first = first, .end = first + 1, .margin = 1, .in = x};
    for (; l.end < h->block_count && h->blocks[l.end].kind == VAE_BLOCK_RES; l.end++) {
        l.norms += 2;
        l.margin += 2;
    }
    l.last = l.end == h->block_count;
    l.norms += l.last;
    l.margin += l.last;
    l.rows = band_rows(h, 2 * x->width, h->blocks[first].out);
    return l;
}

int vae_bands_run(const struct vae_half *h, int first, struct tensor *x, struct error *err)
{
    struct level l = level_at(h, first, x);
    const int channels = l.last ? h->conv_out->out : h->blocks[l.end - 1].out;
    struct tensor out = ops_take(h->ops, 1, 1, 2 * x->height, 2 * x->width, channels);
    l.out = &out;
    if (ops_planning(h->ops)) run_passes(&l, NULL);
    struct tensor room = ops_take_room(h->ops, room_bytes(&l));
    l.room = &room;
    if (!ops_planning(h->ops) && !run_passes(&l, err)) return -1;
    ops_give(h->ops, &room);
    ops_give(h->ops, x);
    *x = out;
    return l.last ? h->block_count + 1 : l.end;
}

/* cpu_attention: softmax(scale * q k^T) v, streamed: a block of queries meets a block of keys at a
 * time, and sums are rescaled when a larger score turns up (Milakov and Gimelshein, arXiv
 * 1805.02867; Dao et al., arXiv 2205.14135). Both products use the same kernel as all others: keys
 * are transposed into panels, values copied into panels. */
#include <math.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/backend/cpu.h"

#define QUERY_BLOCK 64
#define KEY_BLOCK_MOST 256
#define KEY_PANEL_FLOATS 65536 /* keys of one block, about, and values */
#define TIME_ITEM_PIXELS 4

struct attention_job {
    struct backend_context *c;
    const struct attention_args *a;
    int head, keys; /* channels of a head; keys of a sequence */
    int key_block;
    int query_blocks; /* SPACE: of one image */
    int pixel_items;  /* TIME: of one video */
    ptrdiff_t key_step, query_step, value_step, out_step;
};

/* Scratch of a thread. */
struct room {
    float *keys, *values;           /* panels */
    float *scores;                  /* [query][key_block rounded up to a panel] */
    float *sums;                    /* [query][head rounded up to a panel] */
    float *tops, *totals, *factors; /* [query] */
};

static size_t padded(const struct attention_job *j, int n)
{
    return cpu_round_up((size_t)n, (size_t)j->c->kernels->width);
}

static size_t room_size(const struct attention_job *j)
{
    const size_t keys = padded(j, j->key_block), head = padded(j, j->head);
    return keys * (size_t)j->head + (size_t)j->key_block * head + QUERY_BLOCK * (keys + head + 3);
}

static struct room room_of(const struct attention_job *j, int thread)
{
    const size_t keys = padded(j, j->key_block), head = padded(j, j->head);
    struct room r = {.keys = cpu_scratch(j->c, thread)};
    r.values = r.keys + keys * (size_t)j->head;
    r.scores = r.values + (size_t)j->key_block * head;
    r.sums = r.scores + QUERY_BLOCK * keys;
    r.tops = r.sums + QUERY_BLOCK * head;
    r.totals = r.tops + QUERY_BLOCK;
    r.factors = r.totals + QUERY_BLOCK;
    return r;
}

/* One head of one sequence: pointers to the first query, key, value and output. */
struct sequence {
    const float *q, *k, *v;
    float *y;
    int first_query, queries, keys;
};

static void load_keys(const struct attention_job *j, const struct room *r, const float *k,
                      int count)
{
    const int width = j->c->kernels->width;
    for (int first = 0; first < count; first += width)
        j->c->kernels->transpose(k + first * j->key_step, j->key_step,
                                 cpu_least(width, count - first), j->head,
                                 r->keys + (size_t)first * (size_t)j->head);
}

static void load_values(const struct attention_job *j, const struct room *r, const float *v,
                        int count)
{
    const int width = j->c->kernels->width;
    float *to = r->values;
    for (int first = 0; first < j->head; first += width, to += count * width) {
        const int columns = cpu_least(width, j->head - first);
        const struct cpu_affine copy = {.x = v + first,
                                        .x_step = j->value_step,
                                        .pixels = count,
                                        .count = columns,
                                        .y = to,
                                        .y_step = width};
        if (columns < width) memset(to, 0, (size_t)count * (size_t)width * sizeof *to);
        j->c->kernels->affine(&copy);
    }
}

static void score(const struct attention_job *j, const struct sequence *s, const struct room *r,
                  int count)
{
    const struct cpu_matrix keys = {
        .panels = r->keys, .depth = j->head, .columns = (int)padded(j, count)};
    struct cpu_tile tile = {.start = NULL};
    cpu_tile_rows(&tile, s->queries, s->q, j->query_step, r->scores,
                  (ptrdiff_t)padded(j, j->key_block));
    static const ptrdiff_t none[1] = {0};
    const struct cpu_tile_product product = {.matrix = &keys,
                                             .last = keys.columns,
                                             .depth = j->head,
                                             .segments = none,
                                             .segment_count = 1};
    cpu_tile_multiply(j->c->kernels, &tile, &product);
}

/* Each query sees one key more than the one before. */
static void soften_causal(const struct attention_job *j, const struct sequence *s,
                          const struct cpu_softmax *all, int first)
{
    for (int i = 0; i < all->rows; i++) {
        struct cpu_softmax row = *all;
        const int seen = s->first_query + i + 1 - first;
        row.scores += i * all->step;
        row.rows = 1;
        row.count = cpu_least(all->count, seen > 0 ? seen : 0);
        row.tops += i;
        row.totals += i;
        row.factors += i;
        memset(row.scores + row.count, 0, (size_t)(all->count - row.count) * sizeof *row.scores);
        row.factors[0] = 1;
        if (row.count > 0) j->c->kernels->soften(&row);
    }
}

/* Scores of keys [first, first + count) become weights; earlier sums follow. */
static void weigh(const struct attention_job *j, const struct sequence *s, const struct room *r,
                  int first, int count)
{
    const ptrdiff_t head = (ptrdiff_t)padded(j, j->head);
    const struct cpu_softmax softmax = {.scores = r->scores,
                                        .step = (ptrdiff_t)padded(j, j->key_block),
                                        .rows = s->queries,
                                        .count = count,
                                        .scale = j->a->scale,
                                        .tops = r->tops,
                                        .totals = r->totals,
                                        .factors = r->factors};
    const struct cpu_scaling sums = {.x = r->sums,
                                     .x_step = head,
                                     .rows = s->queries,
                                     .count = (int)head,
                                     .factors = r->factors,
                                     .y = r->sums,
                                     .y_step = head};
    if (j->a->causal)
        soften_causal(j, s, &softmax, first);
    else
        j->c->kernels->soften(&softmax);
    if (first > 0) j->c->kernels->scale(&sums);
}

static void gather_values(const struct attention_job *j, const struct sequence *s,
                          const struct room *r, int first, int count)
{
    const ptrdiff_t head = (ptrdiff_t)padded(j, j->head);
    const struct cpu_matrix values = {.panels = r->values, .depth = count, .columns = (int)head};
    static const ptrdiff_t none[1] = {0};
    const struct cpu_tile_product product = {
        .matrix = &values, .last = (int)head, .depth = count, .segments = none, .segment_count = 1};
    struct cpu_tile tile;
    cpu_tile_rows(&tile, s->queries, r->scores, (ptrdiff_t)padded(j, j->key_block), r->sums, head);
    tile.start = NULL;
    tile.has_add = first > 0;
    for (int i = 0; tile.has_add && i < s->queries; i++)
        tile.add[i] = tile.out[i];
    cpu_tile_multiply(j->c->kernels, &tile, &product);
}

static void put_sums(const struct attention_job *j, const struct sequence *s, const struct room *r)
{
    for (int i = 0; i < s->queries; i++)
        r->factors[i] = 1 / r->totals[i];
    const struct cpu_scaling sums = {.x = r->sums,
                                     .x_step = (ptrdiff_t)padded(j, j->head),
                                     .rows = s->queries,
                                     .count = j->head,
                                     .factors = r->factors,
                                     .y = s->y,
                                     .y_step = j->out_step};
    j->c->kernels->scale(&sums);
}

static void attend_sequence(const struct attention_job *j, const struct sequence *s,
                            const struct room *r)
{
    for (int i = 0; i < s->queries; i++) {
        r->tops[i] = -INFINITY;
        r->totals[i] = 0;
    }
    const int last = j->a->causal ? cpu_least(s->keys, s->first_query + s->queries) : s->keys;
    for (int first = 0; first < last; first += j->key_block) {
        const int count = cpu_least(j->key_block, last - first);
        load_keys(j, r, s->k + first * j->key_step, count);
        load_values(j, r, s->v + first * j->value_step, count);
        score(j, s, r, count);
        weigh(j, s, r, first, count);
        gather_values(j, s, r, first, count);
    }
    put_sums(j, s, r);
}

static void space_item(void *arg, int64_t item, int thread)
{
    const struct attention_job *j = arg;
    const struct attention_args *a = j->a;
    const int plane = a->q->height * a->q->width;
    const int block = (int)(item % j->query_blocks);
    item /= j->query_blocks;
    const int channel = (int)(item % a->heads) * j->head;
    const int64_t image = item / a->heads;
    const int64_t key_image = a->k->frames == a->q->frames ? image : image / a->q->frames;
    const int64_t query = image * plane + block * QUERY_BLOCK;
    const struct sequence s = {.q = a->q->data + query * j->query_step + channel,
                               .k = a->k->data + key_image * j->keys * j->key_step + channel,
                               .v = a->v->data + key_image * j->keys * j->value_step + channel,
                               .y = a->y->data + query * j->out_step + channel,
                               .first_query = block * QUERY_BLOCK,
                               .queries = cpu_least(QUERY_BLOCK, plane - block * QUERY_BLOCK),
                               .keys = j->keys};
    const struct room r = room_of(j, thread);
    attend_sequence(j, &s, &r);
}

static void attend_space(struct attention_job *j)
{
    const struct attention_args *a = j->a;
    j->query_step = a->q->stride;
    j->key_step = a->k->stride;
    j->value_step = a->v->stride;
    j->out_step = a->y->stride;
    threads_run(j->c->threads, tensor_images(a->q) * a->heads * j->query_blocks, space_item, j);
}

/* All frames and heads of one pixel; long videos in blocks of queries. */
static void attend_pixel(const struct attention_job *j, const struct room *r, int64_t pixel)
{
    const struct attention_args *a = j->a;
    const int frames = a->q->frames;
    for (int channel = 0; channel < a->q->channels; channel += j->head)
        for (int query = 0; query < frames; query += QUERY_BLOCK) {
            const struct sequence s = {
                .q = a->q->data + pixel * a->q->stride + query * j->query_step + channel,
                .k = a->k->data + pixel * a->k->stride + channel,
                .v = a->v->data + pixel * a->v->stride + channel,
                .y = a->y->data + pixel * a->y->stride + query * j->out_step + channel,
                .first_query = query,
                .queries = cpu_least(QUERY_BLOCK, frames - query),
                .keys = j->keys};
            attend_sequence(j, &s, r);
        }
}

static void time_item(void *arg, int64_t item, int thread)
{
    const struct attention_job *j = arg;
    const int plane = j->a->q->height * j->a->q->width;
    const int first = (int)(item % j->pixel_items) * TIME_ITEM_PIXELS;
    const int64_t video = item / j->pixel_items * j->a->q->frames * plane;
    const struct room r = room_of(j, thread);
    for (int p = first; p < first + TIME_ITEM_PIXELS && p < plane; p++)
        attend_pixel(j, &r, video + p);
}

static void attend_time(struct attention_job *j)
{
    const struct attention_args *a = j->a;
    const ptrdiff_t plane = (ptrdiff_t)a->q->height * a->q->width;
    j->query_step = plane * a->q->stride;
    j->key_step = plane * a->k->stride;
    j->value_step = plane * a->v->stride;
    j->out_step = plane * a->y->stride;
    j->pixel_items = cpu_pieces(plane, TIME_ITEM_PIXELS);
    threads_run(j->c->threads, (int64_t)a->q->batch * j->pixel_items, time_item, j);
}

void cpu_attention(struct backend_context *c, const struct attention_args *a)
{
    ZOE_ASSERT(a->q->channels % a->heads == 0 && a->k->channels == a->q->channels);
    const bool time = a->axis == ATTENTION_TIME;
    struct attention_job job = {.c = c, .a = a, .head = a->q->channels / a->heads};
    job.keys = time ? a->k->frames : a->k->height * a->k->width;
    const int fitting = (int)padded(&job, cpu_pieces(KEY_PANEL_FLOATS, job.head));
    job.key_block = cpu_least(job.keys, cpu_least(fitting, KEY_BLOCK_MOST));
    job.query_blocks = cpu_pieces(a->q->height * a->q->width, QUERY_BLOCK);
    if (cpu_planned(c, room_size(&job), 0)) return;
    if (time)
        attend_time(&job);
    else
        attend_space(&job);
}

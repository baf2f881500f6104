/* Structure and tensor names: docs/engine.md, "UNet3D". */
#include "engine/model/unet3d.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/model/transformer.h"
#include "engine/weights.h"

#define TIME_CONV_EPS 1e-5f
#define TIME_CONVS 4
#define TRANSFORMER_IN_HEADS 8
#define NAME_SIZE 160

enum block_kind {
    BLOCK_RES,
    BLOCK_RES_SKIP, /* takes the last skip as more input channels */
    BLOCK_TIME_CONV,
    BLOCK_SPACE,
    BLOCK_TIME,
    BLOCK_PUSH, /* keeps x as a skip */
    BLOCK_DOWN,
    BLOCK_UP, /* to the size of the last skip */
};

struct block {
    enum block_kind kind;
    int out; /* channels */
    const struct weight *norm1, *conv1, *temb, *norm2, *conv2,
        *shortcut; /* RES; DOWN and UP: conv1 */
    const struct weight *time_norms[TIME_CONVS], *time_convs[TIME_CONVS];
    struct transformer transformer;
    int text_slot; /* SPACE */
};

struct unet3d {
    struct ops *ops;
    struct weight_set set;
    struct unet_config config;
    const struct weight *conv_in, *time1, *time2, *norm_out, *conv_out;
    struct block *blocks;
    int block_count, space_count, push_count;
    struct tensor *skips; /* of the running forward, [push_count] */
    float *wave;          /* sinusoid of the running forward */
};

struct unet3d_text {
    struct unet3d *unet;
    int rows;
    void *memory;
    struct tensor *kv; /* per spatial transformer */
};

/* ---- loading ---- */

struct loader {
    struct unet3d *unet;
    struct weights *weights;
    char name[NAME_SIZE];
    int skips[3 * UNET_LEVELS_MAX + 64 * UNET_LEVELS_MAX]; /* channels */
    int skip_count;
};

__attribute__((format(printf, 2, 3))) static const char *named(struct loader *l, const char *format,
                                                               ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(l->name, sizeof l->name, format, args);
    va_end(args);
    return l->name;
}

static struct block *add_block(struct unet3d *u, enum block_kind kind, int out)
{
    u->blocks = xrealloc_array(u->blocks, (size_t)u->block_count + 1, sizeof *u->blocks);
    struct block *b = &u->blocks[u->block_count++];
    memset(b, 0, sizeof *b);
    b->kind = kind;
    b->out = out;
    return b;
}

static void load_res(struct loader *l, enum block_kind kind, const char *prefix, int in, int out)
{
    struct weights *w = l->weights;
    struct block *b = add_block(l->unet, kind, out);
    b->norm1 = weights_norm(w, named(l, "%s.norm1", prefix), in);
    b->conv1 = weights_conv2d(w, named(l, "%s.conv1", prefix), in, out, 3);
    b->temb = weights_linear(w, named(l, "%s.time_emb_proj", prefix),
                             4 * l->unet->config.channels[0], out, true);
    b->norm2 = weights_norm(w, named(l, "%s.norm2", prefix), out);
    b->conv2 = weights_conv2d(w, named(l, "%s.conv2", prefix), out, out, 3);
    if (in != out)
        b->shortcut = weights_conv2d(w, named(l, "%s.conv_shortcut", prefix), in, out, 1);
}

/* The position of norm and convolution inside their sequence: later ones have a dropout before the
 * convolution. */
static void load_time_conv(struct loader *l, const char *prefix, int channels)
{
    struct block *b = add_block(l->unet, BLOCK_TIME_CONV, channels);
    for (int i = 0; i < TIME_CONVS; i++) {
        b->time_norms[i] =
            weights_norm(l->weights, named(l, "%s.conv%d.0", prefix, i + 1), channels);
        b->time_convs[i] =
            weights_conv_time(l->weights, named(l, "%s.conv%d.%d", prefix, i + 1, i == 0 ? 2 : 3),
                              channels, channels);
    }
}

static void load_transformer(struct loader *l, const char *prefix, bool temporal, int channels,
                             int inner, int heads)
{
    struct unet3d *u = l->unet;
    struct block *b = add_block(u, temporal ? BLOCK_TIME : BLOCK_SPACE, channels);
    const struct transformer_shape shape = {temporal, channels,         inner,
                                            heads,    u->config.groups, u->config.text_channels};
    transformer_load(&b->transformer, l->weights, prefix, &shape);
    if (!temporal) b->text_slot = u->space_count++;
}

/* Residual block, temporal convolution and, where the level has them, both transformers; `where` is
 * "down_blocks.0" and the like. */
static void load_layer(struct loader *l, enum block_kind kind, const char *where, int j, int in,
                       int out, bool attention)
{
    const int heads = out / l->unet->config.head_dim;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s.resnets.%d", where, j);
    load_res(l, kind, prefix, in, out);
    snprintf(prefix, sizeof prefix, "%s.temp_convs.%d", where, j);
    load_time_conv(l, prefix, out);
    if (!attention) return;
    snprintf(prefix, sizeof prefix, "%s.attentions.%d", where, j);
    load_transformer(l, prefix, false, out, out, heads);
    snprintf(prefix, sizeof prefix, "%s.temp_attentions.%d", where, j);
    load_transformer(l, prefix, true, out, out, heads);
}

static void push(struct loader *l, int channels)
{
    add_block(l->unet, BLOCK_PUSH, channels);
    l->unet->push_count++;
    l->skips[l->skip_count++] = channels;
}

static void load_down(struct loader *l)
{
    const struct unet_config *c = &l->unet->config;
    char where[32];
    int in = c->channels[0];
    push(l, in);
    for (int level = 0; level < c->levels; level++) {
        const int out = c->channels[level];
        snprintf(where, sizeof where, "down_blocks.%d", level);
        for (int j = 0; j < c->layers_per_block; j++, in = out) {
            load_layer(l, BLOCK_RES, where, j, in, out, c->attention[level]);
            push(l, out);
        }
        if (level == c->levels - 1) continue;
        struct block *b = add_block(l->unet, BLOCK_DOWN, out);
        b->conv1 =
            weights_conv2d(l->weights, named(l, "%s.downsamplers.0.conv", where), out, out, 3);
        push(l, out);
    }
}

static void load_middle(struct loader *l)
{
    const struct unet_config *c = &l->unet->config;
    const int channels = c->channels[c->levels - 1];
    load_layer(l, BLOCK_RES, "mid_block", 0, channels, channels, true);
    load_layer(l, BLOCK_RES, "mid_block", 1, channels, channels, false);
}

static void load_up(struct loader *l)
{
    const struct unet_config *c = &l->unet->config;
    char where[32];
    int in = c->channels[c->levels - 1];
    for (int i = 0; i < c->levels; i++) {
        const int level = c->levels - 1 - i, out = c->channels[level];
        snprintf(where, sizeof where, "up_blocks.%d", i);
        for (int j = 0; j <= c->layers_per_block; j++, in = out)
            load_layer(l, BLOCK_RES_SKIP, where, j, in + l->skips[--l->skip_count], out,
                       c->attention[level]);
        if (level == 0) continue;
        struct block *b = add_block(l->unet, BLOCK_UP, out);
        b->conv1 = weights_conv2d(l->weights, named(l, "%s.upsamplers.0.conv", where), out, out, 3);
    }
}

static bool load_weights(struct unet3d *u, const char *folder, struct error *err)
{
    static const char *const files[] = {"diffusion_pytorch_model.safetensors",
                                        "diffusion_pytorch_model.fp16.safetensors", NULL};
    const struct unet_config *c = &u->config;
    const int first = c->channels[0], inner = TRANSFORMER_IN_HEADS * c->head_dim;
    struct weights *w = weights_open(folder, files, u->ops, &u->set, err);
    if (w == NULL) return false;
    struct loader *l = xcalloc(1, sizeof *l);
    l->unet = u;
    l->weights = w;
    u->conv_in = weights_conv2d(w, "conv_in", c->in_channels, first, 3);
    u->time1 = weights_linear(w, "time_embedding.linear_1", first, 4 * first, true);
    u->time2 = weights_linear(w, "time_embedding.linear_2", 4 * first, 4 * first, true);
    load_transformer(l, "transformer_in", true, first, inner, TRANSFORMER_IN_HEADS);
    load_down(l);
    load_middle(l);
    load_up(l);
    u->norm_out = weights_norm(w, "conv_norm_out", first);
    u->conv_out = weights_conv2d(w, "conv_out", first, c->out_channels, 3);
    free(l);
    u->skips = xcalloc((size_t)u->push_count, sizeof *u->skips);
    u->wave = xcalloc((size_t)first, sizeof *u->wave);
    return weights_finish(w, err);
}

struct unet3d *unet3d_open(const char *folder, struct ops *ops, struct error *err)
{
    struct unet3d *u = xcalloc(1, sizeof *u);
    u->ops = ops;
    if (unet_config_read(folder, &u->config, err) && load_weights(u, folder, err)) return u;
    unet3d_close(u);
    return NULL;
}

void unet3d_close(struct unet3d *u)
{
    if (u == NULL) return;
    weight_set_release(&u->set, u->ops);
    free(u->blocks);
    free(u->skips);
    free(u->wave);
    free(u);
}

const struct unet_config *unet3d_config(const struct unet3d *u)
{
    return &u->config;
}

/* ---- text ---- */

static void text_forward(struct unet3d_text *t, const float *embeddings, int tokens)
{
    struct unet3d *u = t->unet;
    struct ops *ops = u->ops;
    struct tensor x = ops_take(ops, t->rows, 1, 1, tokens, u->config.text_channels);
    ops->backend->write(ops->context, &x, embeddings);
    for (int i = 0; i < u->block_count; i++) {
        const struct block *b = &u->blocks[i];
        if (b->kind != BLOCK_SPACE) continue;
        const struct linear_args args = {
            .x = &x, .weight = b->transformer.text_kv, .y = &t->kv[b->text_slot]};
        ops_linear(ops, &args);
    }
    ops->backend->sync(ops->context);
    ops_give(ops, &x);
}

/* All keys and values lie in one block of memory of their own, laid out like an arena that only
 * grows. */
static bool text_memory(struct unet3d_text *t, int tokens, struct error *err)
{
    struct unet3d *u = t->unet;
    const struct backend *backend = u->ops->backend;
    struct arena arena;
    arena_init(&arena);
    arena_plan(&arena);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < u->block_count; i++)
            if (u->blocks[i].kind == BLOCK_SPACE)
                t->kv[u->blocks[i].text_slot] =
                    arena_take(&arena, t->rows, 1, 1, tokens, 2 * u->blocks[i].transformer.inner);
        if (pass == 1 || arena.overflow) break;
        t->memory = backend->memory_new(u->ops->context, arena.peak_bytes, err);
        if (t->memory == NULL) break;
        arena_commit(&arena, t->memory, arena.peak_bytes);
    }
    arena_finish(&arena);
    return t->memory != NULL;
}

struct unet3d_text *unet3d_text_new(struct unet3d *u, const float *embeddings, int rows, int tokens,
                                    struct error *err)
{
    struct unet3d_text *t = xcalloc(1, sizeof *t);
    t->unet = u;
    t->rows = rows;
    t->kv = xcalloc((size_t)u->space_count + 1, sizeof *t->kv);
    bool ok = text_memory(t, tokens, err);
    if (ok) {
        ops_plan_begin(u->ops);
        text_forward(t, embeddings, tokens);
        ok = ops_plan_end(u->ops, err);
    }
    if (ok) {
        text_forward(t, embeddings, tokens);
        return t;
    }
    unet3d_text_free(t);
    return NULL;
}

void unet3d_text_free(struct unet3d_text *t)
{
    if (t == NULL) return;
    t->unet->ops->backend->memory_free(t->unet->ops->context, t->memory);
    free(t->kv);
    free(t);
}

/* ---- forward ---- */

struct run {
    const struct unet3d *unet;
    struct ops *ops;
    const struct unet3d_text *text;
    struct tensor x;
    struct tensor temb; /* SiLU of the time embedding, shared by all videos */
    struct tensor *skips;
    int skip_count;
};

static struct norm_args norm_of(const struct unet3d *u, const struct weight *weight)
{
    return (struct norm_args){
        .weight = weight, .groups = u->config.groups, .eps = (float)u->config.eps, .silu = true};
}

static void replace(struct run *r, struct tensor next)
{
    ops_give(r->ops, &r->x);
    r->x = next;
}

static void same_conv(struct run *r, struct conv2d_args args)
{
    const int pad = args.weight->kernel / 2;
    args.stride = 1;
    args.pad_top = args.pad_left = args.pad_bottom = args.pad_right = pad;
    ops_conv2d(r->ops, &args);
}

static void run_res_with(struct run *r, const struct block *b, const struct tensor *skip)
{
    struct ops *ops = r->ops;
    struct tensor add = ops_take(ops, 1, 1, 1, 1, b->out);
    const struct linear_args time = {.x = &r->temb, .weight = b->temb, .y = &add};
    ops_linear(ops, &time);
    struct tensor h = ops_take_like(ops, &r->x, b->out);
    same_conv(r, (struct conv2d_args){.x = &r->x,
                                      .x2 = skip,
                                      .norm = norm_of(r->unet, b->norm1),
                                      .weight = b->conv1,
                                      .channels = &add,
                                      .y = &h});
    ops_give(ops, &add);
    if (b->shortcut != NULL) {
        struct tensor through = ops_take_like(ops, &r->x, b->out);
        same_conv(
            r, (struct conv2d_args){.x = &r->x, .x2 = skip, .weight = b->shortcut, .y = &through});
        replace(r, through);
    }
    same_conv(r, (struct conv2d_args){.x = &h,
                                      .norm = norm_of(r->unet, b->norm2),
                                      .weight = b->conv2,
                                      .residual = &r->x,
                                      .y = &r->x});
    ops_give(ops, &h);
}

static void run_res(struct run *r, const struct block *b)
{
    run_res_with(r, b, NULL);
}

static void run_res_skip(struct run *r, const struct block *b)
{
    struct tensor *skip = &r->skips[--r->skip_count];
    run_res_with(r, b, skip);
    ops_give(r->ops, skip);
}

static void run_time_conv(struct run *r, const struct block *b)
{
    struct ops *ops = r->ops;
    struct tensor from = {0};
    for (int i = 0; i < TIME_CONVS; i++) {
        const bool last = i == TIME_CONVS - 1;
        struct norm_args norm = norm_of(r->unet, b->time_norms[i]);
        norm.eps = TIME_CONV_EPS;
        norm.over_frames = true;
        struct tensor to = last ? r->x : ops_take_like(ops, &r->x, b->out);
        const struct conv_time_args args = {.x = i == 0 ? &r->x : &from,
                                            .norm = norm,
                                            .weight = b->time_convs[i],
                                            .residual = last ? &r->x : NULL,
                                            .y = &to};
        ops_conv_time(ops, &args);
        ops_give(ops, &from);
        if (!last) from = to;
    }
}

static void repeat(struct run *r, struct tensor *t)
{
    struct tensor y = ops_take(r->ops, r->text->rows, t->frames, t->height, t->width, t->channels);
    r->ops->backend->repeat(r->ops->context, t, &y);
    ops_give(r->ops, t);
    *t = y;
}

/* Up to the first cross attention both halves of guidance are the same numbers: they are computed
 * once and repeated there. */
static void run_space(struct run *r, const struct block *b)
{
    struct tensor tokens;
    transformer_begin_space(&b->transformer, r->ops, &r->x, &tokens);
    if (r->x.batch != r->text->rows) {
        repeat(r, &tokens);
        repeat(r, &r->x);
        for (int i = 0; i < r->skip_count; i++)
            repeat(r, &r->skips[i]);
    }
    transformer_end_space(&b->transformer, r->ops, &r->text->kv[b->text_slot], &tokens, &r->x);
}

static void run_time(struct run *r, const struct block *b)
{
    transformer_run_time(&b->transformer, r->ops, &r->x);
}

static void run_push(struct run *r, const struct block *b)
{
    (void)b;
    struct tensor copy = ops_take_like(r->ops, &r->x, r->x.channels);
    r->ops->backend->repeat(r->ops->context, &r->x, &copy);
    r->skips[r->skip_count++] = copy;
}

static void run_down(struct run *r, const struct block *b)
{
    const struct tensor *x = &r->x;
    struct tensor y =
        ops_take(r->ops, x->batch, x->frames, (x->height + 1) / 2, (x->width + 1) / 2, b->out);
    const struct conv2d_args args = {.x = x,
                                     .weight = b->conv1,
                                     .stride = 2,
                                     .pad_top = 1,
                                     .pad_left = 1,
                                     .pad_bottom = 1,
                                     .pad_right = 1,
                                     .y = &y};
    ops_conv2d(r->ops, &args);
    replace(r, y);
}

static void run_up(struct run *r, const struct block *b)
{
    const struct tensor *like = &r->skips[r->skip_count - 1];
    struct tensor y = ops_take(r->ops, r->x.batch, r->x.frames, like->height, like->width, b->out);
    same_conv(r, (struct conv2d_args){.x = &r->x,
                                      .resize_height = like->height,
                                      .resize_width = like->width,
                                      .weight = b->conv1,
                                      .y = &y});
    replace(r, y);
}

typedef void run_block_fn(struct run *r, const struct block *b);

static run_block_fn *const run_block[] = {
    [BLOCK_RES] = run_res,
    [BLOCK_RES_SKIP] = run_res_skip,
    [BLOCK_TIME_CONV] = run_time_conv,
    [BLOCK_SPACE] = run_space,
    [BLOCK_TIME] = run_time,
    [BLOCK_PUSH] = run_push,
    [BLOCK_DOWN] = run_down,
    [BLOCK_UP] = run_up,
};

/* [cos(t f_i), sin(t f_i)], f_i = 10000^(-i / half), every value in float32 as in the reference. */
static void sinusoid(double timestep, int channels, float *out)
{
    const int half = channels / 2;
    for (int i = 0; i < half; i++) {
        const float f = expf((float)-log(10000.0) * (float)i / (float)half);
        const float angle = (float)timestep * f;
        out[i] = cosf(angle);
        out[half + i] = sinf(angle);
    }
}

static void embed_time(struct run *r, double timestep)
{
    struct ops *ops = r->ops;
    const int channels = r->unet->config.channels[0];
    struct tensor wave = ops_take(ops, 1, 1, 1, 1, channels);
    struct tensor middle = ops_take(ops, 1, 1, 1, 1, 4 * channels);
    r->temb = ops_take(ops, 1, 1, 1, 1, 4 * channels);
    sinusoid(timestep, channels, r->unet->wave);
    ops->backend->write(ops->context, &wave, r->unet->wave);
    const struct linear_args first = {
        .x = &wave, .weight = r->unet->time1, .activation = ACTIVATION_SILU, .y = &middle};
    /* Every user of the embedding takes its SiLU, so it is taken here once. */
    const struct linear_args second = {
        .x = &middle, .weight = r->unet->time2, .activation = ACTIVATION_SILU, .y = &r->temb};
    ops_linear(ops, &first);
    ops_linear(ops, &second);
    ops_give(ops, &wave);
    ops_give(ops, &middle);
}

static void enter(struct run *r, const struct unet3d_shape *s, const float *latents)
{
    const struct unet_config *c = &r->unet->config;
    struct tensor z = ops_take(r->ops, s->batch, s->frames, s->height, s->width, c->in_channels);
    r->ops->backend->write(r->ops->context, &z, latents);
    r->x = ops_take_like(r->ops, &z, c->channels[0]);
    same_conv(r, (struct conv2d_args){.x = &z, .weight = r->unet->conv_in, .y = &r->x});
    ops_give(r->ops, &z);
}

static void leave(struct run *r, float *out)
{
    if (r->x.batch != r->text->rows) repeat(r, &r->x);
    struct tensor y = ops_take_like(r->ops, &r->x, r->unet->config.out_channels);
    same_conv(r, (struct conv2d_args){.x = &r->x,
                                      .norm = norm_of(r->unet, r->unet->norm_out),
                                      .weight = r->unet->conv_out,
                                      .y = &y});
    r->ops->backend->read(r->ops->context, &y, out);
    ops_give(r->ops, &y);
    ops_give(r->ops, &r->x);
    ops_give(r->ops, &r->temb);
}

static bool forward(const struct unet3d *u, const struct unet3d_shape *shape,
                    const struct unet3d_text *text, double timestep, const float *latents,
                    float *out, struct error *err)
{
    struct run r = {.unet = u, .ops = u->ops, .text = text, .skips = u->skips};
    bool ok = true;
    embed_time(&r, timestep);
    enter(&r, shape, latents);
    for (int i = 0; ok && i < u->block_count; i++) {
        ok = ops_tick(u->ops, (double)i / u->block_count, err);
        if (ok) run_block[u->blocks[i].kind](&r, &u->blocks[i]);
    }
    if (ok) leave(&r, out);
    return ok;
}

bool unet3d_plan(struct unet3d *u, const struct unet3d_shape *shape, const struct unet3d_text *text,
                 struct error *err)
{
    ops_plan_begin(u->ops);
    forward(u, shape, text, 0, NULL, NULL, NULL);
    return ops_plan_end(u->ops, err);
}

bool unet3d_run(struct unet3d *u, const struct unet3d_shape *shape, const struct unet3d_text *text,
                double timestep, const float *latents, float *out, struct error *err)
{
    ZOE_ASSERT(text->rows % shape->batch == 0);
    ops_run_begin(u->ops);
    return forward(u, shape, text, timestep, latents, out, err);
}

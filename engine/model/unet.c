/* Structure and tensor names: docs/engine.md, "UNet". */
#include "engine/model/unet.h"

#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "engine/model/unet_blocks.h"

#define TIME_CONV_EPS 1e-5f

struct unet_text {
    struct unet *unet;
    struct unet_text_shape shape;
    void *memory;
    size_t memory_bytes;
    struct tensor *kv; /* per spatial transformer */
};

struct unet *unet_open(struct model_parts *parts, struct ops *ops, struct error *err)
{
    struct unet *u = xcalloc(1, sizeof *u);
    u->ops = ops;
    if (unet_config_read(parts, &u->config, err) && unet_load(u, parts, err)) return u;
    unet_close(u);
    return NULL;
}

void unet_close(struct unet *u)
{
    if (u == NULL) return;
    weight_set_release(&u->set, u->ops);
    free(u->blocks);
    free(u->skips);
    free(u->wave);
    free(u);
}

const struct unet_config *unet_config(const struct unet *u)
{
    return &u->config;
}

/* ---- text ---- */

static void text_forward(struct unet_text *t, const float *embeddings)
{
    const struct unet_text_shape *s = &t->shape;
    struct unet *u = t->unet;
    struct ops *ops = u->ops;
    struct tensor x = ops_take(ops, s->rows, s->frames, 1, s->tokens, u->config.text_channels);
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

/* All keys and values lie in one block of memory of their own, an arena to which nothing is given
 * back. */
static void take_text(struct unet_text *t, struct arena *arena)
{
    const struct unet *u = t->unet;
    for (int i = 0; i < u->block_count; i++)
        if (u->blocks[i].kind == BLOCK_SPACE)
            t->kv[u->blocks[i].text_slot] =
                arena_take(arena, t->shape.rows, t->shape.frames, 1, t->shape.tokens,
                           2 * u->blocks[i].transformer.inner);
}

static bool text_memory(struct unet_text *t, struct error *err)
{
    struct ops *ops = t->unet->ops;
    struct arena arena;
    struct arena_plan plan = {0};
    arena_begin(&arena, &plan);
    take_text(t, &arena);
    arena_end(&arena);
    t->memory_bytes = plan.peak_bytes;
    bool ok = plan.overflow
                  ? error_set(err, ERROR_NO_MEMORY, "keys and values of the texts do not fit")
                  : true;
    if (ok && !ops->sketch) {
        t->memory = ops->backend->memory_new(ops->context, plan.peak_bytes, err);
        arena_run(&arena, &plan, t->memory);
        ok = t->memory != NULL;
        if (ok) take_text(t, &arena);
    }
    arena_plan_finish(&plan);
    return ok;
}

struct unet_text *unet_text_new(struct unet *u, const struct unet_text_shape *shape,
                                const float *embeddings, struct error *err)
{
    struct unet_text *t = xcalloc(1, sizeof *t);
    t->unet = u;
    t->shape = *shape;
    t->kv = xcalloc((size_t)u->space_count + 1, sizeof *t->kv);
    bool ok = text_memory(t, err);
    if (ok) {
        const struct ops_key key = {u->blocks, {shape->rows, shape->frames, shape->tokens}};
        ops_plan_begin(u->ops, &key);
        text_forward(t, embeddings);
        ok = ops_plan_end(u->ops, err);
    }
    if (ok && !u->ops->sketch) text_forward(t, embeddings);
    if (ok) return t;
    unet_text_free(t);
    return NULL;
}

size_t unet_text_bytes(const struct unet_text *t)
{
    return t->memory_bytes;
}

void unet_text_free(struct unet_text *t)
{
    if (t == NULL) return;
    t->unet->ops->backend->memory_free(t->unet->ops->context, t->memory);
    free(t->kv);
    free(t);
}

/* ---- forward ---- */

struct run {
    const struct unet *unet;
    struct ops *ops;
    const struct unet_text *text;
    struct tensor x;
    struct tensor temb; /* SiLU of the time embedding, shared by all videos */
    struct tensor *skips;
    int skip_count;
};

static struct norm_args norm_of(const struct unet *u, const struct weight *weight)
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
    struct tensor y =
        ops_take(r->ops, r->text->shape.rows, t->frames, t->height, t->width, t->channels);
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
    if (r->x.batch != r->text->shape.rows) {
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

static void enter(struct run *r, const struct unet_shape *s, const float *latents)
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
    if (r->x.batch != r->text->shape.rows) repeat(r, &r->x);
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

static bool forward(const struct unet *u, const struct unet_shape *shape,
                    const struct unet_text *text, double timestep, const float *latents, float *out,
                    struct error *err)
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

static struct ops_key forward_key(const struct unet *u, const struct unet_shape *s,
                                  const struct unet_text *t)
{
    return (struct ops_key){u,
                            {s->batch, s->frames, s->height, s->width, t->shape.rows,
                             t->shape.frames, t->shape.tokens}};
}

bool unet_plan(struct unet *u, const struct unet_shape *shape, const struct unet_text *text,
               struct error *err)
{
    const struct ops_key key = forward_key(u, shape, text);
    ops_plan_begin(u->ops, &key);
    forward(u, shape, text, 0, NULL, NULL, NULL);
    return ops_plan_end(u->ops, err);
}

bool unet_run(struct unet *u, const struct unet_shape *shape, const struct unet_text *text,
              double timestep, const float *latents, float *out, struct error *err)
{
    ZOE_ASSERT(text->shape.rows % shape->batch == 0);
    const struct ops_key key = forward_key(u, shape, text);
    ops_run_begin(u->ops, &key);
    return forward(u, shape, text, timestep, latents, out, err);
}

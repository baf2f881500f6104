#include "engine/model/vae_half.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/model/vae_bands.h"

#define NAME_SIZE 128
#define NORM_EPS 1e-6f

/* ---- loading ---- */

struct loader {
    struct vae_half *half;
    struct weights *weights;
    char name[WEIGHT_NAME_SIZE];
};

static struct vae_block *add_block(struct vae_half *h, enum vae_block_kind kind, int out)
{
    h->blocks = xrealloc_array(h->blocks, (size_t)h->block_count + 1, sizeof *h->blocks);
    struct vae_block *b = &h->blocks[h->block_count++];
    memset(b, 0, sizeof *b);
    b->kind = kind;
    b->out = out;
    return b;
}

static void load_res(struct loader *l, const char *prefix, int in, int out)
{
    struct weights *w = l->weights;
    struct vae_block *b = add_block(l->half, VAE_BLOCK_RES, out);
    b->norm1 = weights_norm(w, weights_name(l->name, "%s.norm1", prefix), in);
    b->conv1 = weights_conv2d(w, weights_name(l->name, "%s.conv1", prefix), in, out, 3);
    b->norm2 = weights_norm(w, weights_name(l->name, "%s.norm2", prefix), out);
    b->conv2 = weights_conv2d(w, weights_name(l->name, "%s.conv2", prefix), out, out, 3);
    if (in != out)
        b->shortcut =
            weights_conv2d(w, weights_name(l->name, "%s.conv_shortcut", prefix), in, out, 1);
}

static void load_attention(struct loader *l, const char *middle, int channels)
{
    static const char *const qkv[] = {"to_q", "to_k", "to_v", NULL};
    char prefix[NAME_SIZE];
    snprintf(prefix, sizeof prefix, "%s.attentions.0.", middle);
    struct weights *w = l->weights;
    struct vae_block *b = add_block(l->half, VAE_BLOCK_ATTENTION, channels);
    b->norm1 = weights_norm(w, weights_name(l->name, "%sgroup_norm", prefix), channels);
    b->qkv = weights_linear_stack(w, prefix, qkv, channels, channels, true);
    b->proj =
        weights_linear(w, weights_name(l->name, "%sto_out.0", prefix), channels, channels, true);
}

static void load_middle(struct loader *l, const char *half, int channels, bool attention)
{
    char prefix[64], middle[32];
    snprintf(middle, sizeof middle, "%s.mid_block", half);
    snprintf(prefix, sizeof prefix, "%s.resnets.0", middle);
    load_res(l, prefix, channels, channels);
    if (attention) load_attention(l, middle, channels);
    snprintf(prefix, sizeof prefix, "%s.resnets.1", middle);
    load_res(l, prefix, channels, channels);
}

static void load_resize(struct loader *l, enum vae_block_kind kind, const char *name, int channels)
{
    struct vae_block *b = add_block(l->half, kind, channels);
    b->conv1 = weights_conv2d(l->weights, name, channels, channels, 3);
}

void vae_half_load_decoder(struct vae_half *h, struct weights *w, const struct vae_config *c)
{
    struct loader l = {h, w, ""};
    char name[64];
    int in = c->channels[c->levels - 1];
    const int latent = c->latent_channels;
    if (c->post_quant) h->before = weights_conv2d(w, "post_quant_conv", latent, latent, 1);
    h->conv_in = weights_conv2d(w, "decoder.conv_in", latent, in, 3);
    load_middle(&l, "decoder", in, c->mid_attention);
    for (int level = 0; level < c->levels; level++) {
        const int out = c->channels[c->levels - 1 - level];
        for (int j = 0; j <= c->layers_per_block; j++, in = out) {
            snprintf(name, sizeof name, "decoder.up_blocks.%d.resnets.%d", level, j);
            load_res(&l, name, in, out);
        }
        snprintf(name, sizeof name, "decoder.up_blocks.%d.upsamplers.0.conv", level);
        if (level < c->levels - 1) load_resize(&l, VAE_BLOCK_UP, name, out);
    }
    h->norm_out = weights_norm(w, "decoder.conv_norm_out", in);
    h->conv_out = weights_conv2d(w, "decoder.conv_out", in, c->out_channels, 3);
    h->sums = xcalloc(vae_bands_sums(h), sizeof *h->sums);
}

void vae_half_load_encoder(struct vae_half *h, struct weights *w, const struct vae_config *c)
{
    struct loader l = {h, w, ""};
    char name[64];
    int in = c->channels[0];
    const int moments = 2 * c->latent_channels;
    h->conv_in = weights_conv2d(w, "encoder.conv_in", c->out_channels, in, 3);
    for (int level = 0; level < c->levels; level++) {
        const int out = c->channels[level];
        for (int j = 0; j < c->layers_per_block; j++, in = out) {
            snprintf(name, sizeof name, "encoder.down_blocks.%d.resnets.%d", level, j);
            load_res(&l, name, in, out);
        }
        snprintf(name, sizeof name, "encoder.down_blocks.%d.downsamplers.0.conv", level);
        if (level < c->levels - 1) load_resize(&l, VAE_BLOCK_DOWN, name, out);
    }
    load_middle(&l, "encoder", in, c->mid_attention);
    h->norm_out = weights_norm(w, "encoder.conv_norm_out", in);
    h->conv_out = weights_conv2d(w, "encoder.conv_out", in, moments, 3);
    if (c->quant) h->after = weights_conv2d(w, "quant_conv", moments, moments, 1);
}

void vae_half_finish(struct vae_half *h)
{
    free(h->blocks);
    free(h->sums);
}

/* ---- forward ---- */

struct norm_args vae_half_norm(const struct vae_half *h, const struct weight *weight, bool silu)
{
    return (struct norm_args){.weight = weight, .groups = h->groups, .eps = NORM_EPS, .silu = silu};
}

void vae_half_conv(const struct vae_half *h, const struct tensor *x, struct norm_args norm,
                   const struct weight *weight, const struct tensor *residual, struct tensor *y)
{
    const int pad = weight->kernel / 2;
    const struct conv2d_args args = {.x = x,
                                     .norm = norm,
                                     .weight = weight,
                                     .stride = 1,
                                     .pad_top = pad,
                                     .pad_left = pad,
                                     .pad_bottom = pad,
                                     .pad_right = pad,
                                     .residual = residual,
                                     .y = y};
    ops_conv2d(h->ops, &args);
}

static void run_res(const struct vae_half *h, const struct vae_block *b, struct tensor *x)
{
    struct ops *ops = h->ops;
    const struct norm_args none = {0};
    struct tensor y = ops_take_like(ops, x, b->out);
    vae_half_conv(h, x, vae_half_norm(h, b->norm1, true), b->conv1, NULL, &y);
    if (b->shortcut != NULL) {
        struct tensor through = ops_take_like(ops, x, b->out);
        vae_half_conv(h, x, none, b->shortcut, NULL, &through);
        ops_give(ops, x);
        *x = through;
    }
    vae_half_conv(h, &y, vae_half_norm(h, b->norm2, true), b->conv2, x, x);
    ops_give(ops, &y);
}

static void run_attention(const struct vae_half *h, const struct vae_block *b, struct tensor *x)
{
    struct ops *ops = h->ops;
    const int c = b->out;
    struct tensor qkv = ops_take_like(ops, x, 3 * c);
    const struct linear_args in = {
        .x = x, .norm = vae_half_norm(h, b->norm1, false), .weight = b->qkv, .y = &qkv};
    ops_linear(ops, &in);
    const struct tensor q = tensor_slice(&qkv, 0, c), k = tensor_slice(&qkv, c, c),
                        v = tensor_slice(&qkv, 2 * c, c);
    struct tensor y = ops_take_like(ops, x, c);
    const struct attention_args args = {.q = &q,
                                        .k = &k,
                                        .v = &v,
                                        .heads = 1,
                                        .scale = (float)(1 / sqrt((double)c)),
                                        .axis = ATTENTION_SPACE,
                                        .y = &y};
    ops_attention(ops, &args);
    ops_give(ops, &qkv);
    const struct linear_args out = {.x = &y, .weight = b->proj, .residual = x, .y = x};
    ops_linear(ops, &out);
    ops_give(ops, &y);
}

void vae_half_conv_up(const struct vae_half *h, const struct vae_block *b, const struct tensor *x,
                      struct tensor *y)
{
    const struct conv2d_args args = {.x = x,
                                     .resize_height = y->height,
                                     .resize_width = y->width,
                                     .weight = b->conv1,
                                     .stride = 1,
                                     .pad_top = 1,
                                     .pad_left = 1,
                                     .pad_bottom = 1,
                                     .pad_right = 1,
                                     .y = y};
    ops_conv2d(h->ops, &args);
}

static void run_up(const struct vae_half *h, const struct vae_block *b, struct tensor *x)
{
    struct ops *ops = h->ops;
    struct tensor y = ops_take(ops, x->batch, x->frames, 2 * x->height, 2 * x->width, b->out);
    vae_half_conv_up(h, b, x, &y);
    ops_give(ops, x);
    *x = y;
}

/* Half the size: the reference pads right and bottom only. */
static void run_down(const struct vae_half *h, const struct vae_block *b, struct tensor *x)
{
    struct ops *ops = h->ops;
    struct tensor y = ops_take(ops, x->batch, x->frames, x->height / 2, x->width / 2, b->out);
    const struct conv2d_args args = {
        .x = x, .weight = b->conv1, .stride = 2, .pad_bottom = 1, .pad_right = 1, .y = &y};
    ops_conv2d(ops, &args);
    ops_give(ops, x);
    *x = y;
}

typedef void run_block_fn(const struct vae_half *h, const struct vae_block *b, struct tensor *x);

static run_block_fn *const run_block[] = {
    [VAE_BLOCK_RES] = run_res,
    [VAE_BLOCK_ATTENTION] = run_attention,
    [VAE_BLOCK_UP] = run_up,
    [VAE_BLOCK_DOWN] = run_down,
};

/* x is replaced by its convolution; NULL weights leave it. */
static void pass(const struct vae_half *h, struct norm_args norm, const struct weight *weight,
                 struct tensor *x)
{
    if (weight == NULL) return;
    struct tensor y = ops_take_like(h->ops, x, weight->out);
    vae_half_conv(h, x, norm, weight, NULL, &y);
    ops_give(h->ops, x);
    *x = y;
}

/* One block, or the whole level that it begins; the next one, or -1 when canceled. */
static int run_next(const struct vae_half *h, int i, struct tensor *x, struct error *err)
{
    if (vae_bands_wanted(h, i, x)) return vae_bands_run(h, i, x, err);
    run_block[h->blocks[i].kind](h, &h->blocks[i], x);
    return i + 1;
}

bool vae_half_forward(const struct vae_half *h, int height, int width, const float *in, float *out,
                      struct error *err)
{
    struct ops *ops = h->ops;
    const struct norm_args none = {0};
    const struct weight *first = h->before != NULL ? h->before : h->conv_in;
    struct tensor x = ops_take(ops, 1, 1, height, width, first->in);
    ops->backend->write(ops->context, &x, in);
    pass(h, none, h->before, &x);
    pass(h, none, h->conv_in, &x);
    int next = 0;
    while (next < h->block_count) {
        if (!ops_tick(ops, (double)next / h->block_count, err)) return false;
        next = run_next(h, next, &x, err);
        if (next < 0) return false;
    }
    if (next == h->block_count) pass(h, vae_half_norm(h, h->norm_out, true), h->conv_out, &x);
    pass(h, none, h->after, &x);
    ops->backend->read(ops->context, &x, out);
    ops_give(ops, &x);
    return true;
}

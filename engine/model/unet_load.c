/* The list of blocks of a UNet, in the order of its tensors' names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/model/unet_blocks.h"

#define TRANSFORMER_IN_HEADS 8

struct loader {
    struct unet *unet;
    struct weights *weights;
    char name[WEIGHT_NAME_SIZE];
    int skips[3 * UNET_LEVELS_MAX + 64 * UNET_LEVELS_MAX]; /* channels */
    int skip_count;
};

static struct block *add_block(struct unet *u, enum block_kind kind, int out)
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
    b->norm1 = weights_norm(w, weights_name(l->name, "%s.norm1", prefix), in);
    b->conv1 = weights_conv2d(w, weights_name(l->name, "%s.conv1", prefix), in, out, 3);
    b->temb = weights_linear(w, weights_name(l->name, "%s.time_emb_proj", prefix),
                             4 * l->unet->config.channels[0], out, true);
    b->norm2 = weights_norm(w, weights_name(l->name, "%s.norm2", prefix), out);
    b->conv2 = weights_conv2d(w, weights_name(l->name, "%s.conv2", prefix), out, out, 3);
    if (in != out)
        b->shortcut =
            weights_conv2d(w, weights_name(l->name, "%s.conv_shortcut", prefix), in, out, 1);
}

/* The position of norm and convolution inside their sequence: later ones have a dropout before the
 * convolution. */
static void load_time_conv(struct loader *l, const char *prefix, int channels)
{
    struct block *b = add_block(l->unet, BLOCK_TIME_CONV, channels);
    for (int i = 0; i < TIME_CONVS; i++) {
        b->time_norms[i] =
            weights_norm(l->weights, weights_name(l->name, "%s.conv%d.0", prefix, i + 1), channels);
        b->time_convs[i] = weights_conv_time(
            l->weights, weights_name(l->name, "%s.conv%d.%d", prefix, i + 1, i == 0 ? 2 : 3),
            channels, channels);
    }
}

static void load_transformer(struct loader *l, const char *prefix, bool temporal, int channels,
                             int inner, int heads)
{
    struct unet *u = l->unet;
    struct block *b = add_block(u, temporal ? BLOCK_TIME : BLOCK_SPACE, channels);
    const struct transformer_shape shape = {temporal, channels,         inner,
                                            heads,    u->config.groups, u->config.text_channels};
    transformer_load(&b->transformer, l->weights, prefix, &shape);
    if (!temporal) b->text_slot = u->space_count++;
}

/* Residual block and, where the level has it (heads > 0), a spatial transformer; in videos a
 * temporal one after each. `where` is "down_blocks.0" and the like. */
static void load_layer(struct loader *l, enum block_kind kind, const char *where, int j, int in,
                       int out, int heads)
{
    const bool temporal = l->unet->config.temporal;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s.resnets.%d", where, j);
    load_res(l, kind, prefix, in, out);
    snprintf(prefix, sizeof prefix, "%s.temp_convs.%d", where, j);
    if (temporal) load_time_conv(l, prefix, out);
    if (heads == 0) return;
    snprintf(prefix, sizeof prefix, "%s.attentions.%d", where, j);
    load_transformer(l, prefix, false, out, out, heads);
    snprintf(prefix, sizeof prefix, "%s.temp_attentions.%d", where, j);
    if (temporal) load_transformer(l, prefix, true, out, out, heads);
}

static int heads_at(const struct unet_config *c, int level)
{
    return c->attention[level] ? c->heads[level] : 0;
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
            load_layer(l, BLOCK_RES, where, j, in, out, heads_at(c, level));
            push(l, out);
        }
        if (level == c->levels - 1) continue;
        struct block *b = add_block(l->unet, BLOCK_DOWN, out);
        b->conv1 = weights_conv2d(
            l->weights, weights_name(l->name, "%s.downsamplers.0.conv", where), out, out, 3);
        push(l, out);
    }
}

static void load_middle(struct loader *l)
{
    const struct unet_config *c = &l->unet->config;
    const int channels = c->channels[c->levels - 1];
    load_layer(l, BLOCK_RES, "mid_block", 0, channels, channels, c->heads[c->levels - 1]);
    load_layer(l, BLOCK_RES, "mid_block", 1, channels, channels, 0);
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
                       heads_at(c, level));
        if (level == 0) continue;
        struct block *b = add_block(l->unet, BLOCK_UP, out);
        b->conv1 = weights_conv2d(l->weights, weights_name(l->name, "%s.upsamplers.0.conv", where),
                                  out, out, 3);
    }
}

bool unet_load(struct unet *u, struct model_parts *parts, struct error *err)
{
    const struct unet_config *c = &u->config;
    const int first = c->channels[0];
    struct weights *w = weights_open(parts, PART_UNET, u->ops, &u->set, err);
    if (w == NULL) return false;
    struct loader *l = xcalloc(1, sizeof *l);
    l->unet = u;
    l->weights = w;
    u->conv_in = weights_conv2d(w, "conv_in", c->in_channels, first, 3);
    u->time1 = weights_linear(w, "time_embedding.linear_1", first, 4 * first, true);
    u->time2 = weights_linear(w, "time_embedding.linear_2", 4 * first, 4 * first, true);
    if (c->temporal)
        load_transformer(l, "transformer_in", true, first, TRANSFORMER_IN_HEADS * c->first_head_dim,
                         TRANSFORMER_IN_HEADS);
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

/* Structure: docs/engine.md, "VAE". */
#include "engine/model/vae_decoder.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine/model/config_rules.h"
#include "engine/weights.h"

#define CONFIG_LIMIT_BYTES ((size_t)1 << 20)
#define NAME_SIZE 128
#define NORM_EPS 1e-6f

/* The decoder is a list of blocks run in order by one loop. */
enum block_kind { BLOCK_RES, BLOCK_ATTENTION, BLOCK_UP };

struct block {
    enum block_kind kind;
    int out;
    const struct weight *norm1, *conv1, *norm2, *conv2, *shortcut; /* RES; UP has conv1 only */
    const struct weight *qkv, *proj;                               /* ATTENTION, with norm1 */
};

struct vae_decoder {
    struct ops *ops;
    struct weight_set set;
    struct vae_config config;
    const struct weight *post_quant, *conv_in, *norm_out, *conv_out;
    struct block *blocks;
    int block_count;
};

/* ---- config ---- */

static const struct config_rule rules[] = {
    {"block_out_channels", CONFIG_READ, NULL},
    {"layers_per_block", CONFIG_READ, NULL},
    {"latent_channels", CONFIG_READ, NULL},
    {"out_channels", CONFIG_READ, NULL},
    {"norm_num_groups", CONFIG_READ, NULL},
    {"scaling_factor", CONFIG_READ, NULL},
    {"use_post_quant_conv", CONFIG_READ, NULL},
    {"mid_block_add_attention", CONFIG_READ, NULL},
    {"down_block_types", CONFIG_READ, NULL},
    {"up_block_types", CONFIG_READ, NULL},
    {"in_channels", CONFIG_IGNORE, NULL}, /* of the encoder, as the next one */
    {"use_quant_conv", CONFIG_IGNORE, NULL},
    {"sample_size", CONFIG_IGNORE, NULL},  /* tiling only */
    {"force_upcast", CONFIG_IGNORE, NULL}, /* always float32 here */
    {"act_fn", CONFIG_MUST, "[\"silu\"]"},
    {"shift_factor", CONFIG_MUST, "[null]"},
    {"latents_mean", CONFIG_MUST, "[null]"},
    {"latents_std", CONFIG_MUST, "[null]"},
    {NULL, CONFIG_IGNORE, NULL},
};

static bool check_block_types(const json_t *config, const char *key, const char *type, int levels,
                              const char *what, struct error *err)
{
    const json_t *list = json_object_get(config, key);
    if (list == NULL && levels == 1) return true;
    bool ok = json_array_size(list) == (size_t)levels;
    for (int i = 0; ok && i < levels; i++) {
        const char *name = json_string_value(json_array_get(list, (size_t)i));
        ok = name != NULL && strcmp(name, type) == 0;
    }
    return ok ? true
              : error_set(err, ERROR_INVALID, "%s: \"%s\": only %d times \"%s\" is built", what,
                          key, levels, type);
}

static bool check_groups(const struct vae_config *c, const char *what, struct error *err)
{
    for (int i = 0; i < c->levels; i++)
        if (c->channels[i] % c->groups != 0)
            return error_set(err, ERROR_INVALID, "%s: %d channels do not split into %d groups",
                             what, c->channels[i], c->groups);
    return true;
}

static bool parse_config(struct vae_config *c, const json_t *config, const char *what,
                         struct error *err)
{
    return config_rules_check(config, rules, what, err) &&
           config_rules_ints(config, "block_out_channels", VAE_LEVELS_MAX, c->channels, &c->levels,
                             what, err) &&
           config_rules_int(config, "layers_per_block", 1, &c->layers_per_block, what, err) &&
           config_rules_int(config, "latent_channels", 4, &c->latent_channels, what, err) &&
           config_rules_int(config, "out_channels", 3, &c->out_channels, what, err) &&
           config_rules_int(config, "norm_num_groups", 32, &c->groups, what, err) &&
           config_rules_real(config, "scaling_factor", 0.18215, 1e-6, 1e6, &c->scaling_factor, what,
                             err) &&
           json_get_bool_or(config, "use_post_quant_conv", true, &c->post_quant, what, err) &&
           json_get_bool_or(config, "mid_block_add_attention", true, &c->mid_attention, what,
                            err) &&
           check_block_types(config, "down_block_types", "DownEncoderBlock2D", c->levels, what,
                             err) &&
           check_block_types(config, "up_block_types", "UpDecoderBlock2D", c->levels, what, err) &&
           check_groups(c, what, err);
}

bool vae_config_read(const char *folder, struct vae_config *out, struct error *err)
{
    char *path = path_join(folder, "config.json");
    json_t *config = json_parse_file(path, CONFIG_LIMIT_BYTES, err);
    bool ok = config != NULL && parse_config(out, config, path, err);
    if (ok && (out->layers_per_block > 64 || out->out_channels != 3))
        ok = error_set(err, ERROR_INVALID,
                       "%s: layers_per_block must be at most 64, out_channels 3", path);
    json_decref(config);
    free(path);
    return ok;
}

int vae_config_factor(const struct vae_config *c)
{
    return 1 << (c->levels - 1);
}

/* ---- loading ---- */

struct loader {
    struct vae_decoder *decoder;
    struct weights *weights;
    char name[NAME_SIZE];
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

static struct block *add_block(struct vae_decoder *d, enum block_kind kind, int out)
{
    d->blocks = xrealloc_array(d->blocks, (size_t)d->block_count + 1, sizeof *d->blocks);
    struct block *b = &d->blocks[d->block_count++];
    memset(b, 0, sizeof *b);
    b->kind = kind;
    b->out = out;
    return b;
}

static void load_res(struct loader *l, const char *prefix, int in, int out)
{
    struct weights *w = l->weights;
    struct block *b = add_block(l->decoder, BLOCK_RES, out);
    b->norm1 = weights_norm(w, named(l, "%s.norm1", prefix), in);
    b->conv1 = weights_conv2d(w, named(l, "%s.conv1", prefix), in, out, 3);
    b->norm2 = weights_norm(w, named(l, "%s.norm2", prefix), out);
    b->conv2 = weights_conv2d(w, named(l, "%s.conv2", prefix), out, out, 3);
    if (in != out)
        b->shortcut = weights_conv2d(w, named(l, "%s.conv_shortcut", prefix), in, out, 1);
}

/* The names of the attention's matrices changed over the years; both are read. */
static void load_attention(struct loader *l, int channels)
{
    static const char *const now[] = {"to_q", "to_k", "to_v", NULL};
    static const char *const then[] = {"query", "key", "value", NULL};
    const char *prefix = "decoder.mid_block.attentions.0.";
    struct weights *w = l->weights;
    struct block *b = add_block(l->decoder, BLOCK_ATTENTION, channels);
    const bool old = weights_has(w, "decoder.mid_block.attentions.0.query.weight");
    b->norm1 = weights_norm(w, named(l, "%sgroup_norm", prefix), channels);
    b->qkv = weights_linear_stack(w, prefix, old ? then : now, channels, channels, true);
    b->proj = weights_linear(w, named(l, "%s%s", prefix, old ? "proj_attn" : "to_out.0"), channels,
                             channels, true);
}

static void load_blocks(struct loader *l)
{
    const struct vae_config *c = &l->decoder->config;
    char prefix[64];
    int in = c->channels[c->levels - 1];
    load_res(l, "decoder.mid_block.resnets.0", in, in);
    if (c->mid_attention) load_attention(l, in);
    load_res(l, "decoder.mid_block.resnets.1", in, in);
    for (int level = 0; level < c->levels; level++) {
        const int out = c->channels[c->levels - 1 - level];
        for (int j = 0; j <= c->layers_per_block; j++, in = out) {
            snprintf(prefix, sizeof prefix, "decoder.up_blocks.%d.resnets.%d", level, j);
            load_res(l, prefix, in, out);
        }
        if (level == c->levels - 1) continue;
        struct block *b = add_block(l->decoder, BLOCK_UP, out);
        b->conv1 = weights_conv2d(
            l->weights, named(l, "decoder.up_blocks.%d.upsamplers.0.conv", level), out, out, 3);
    }
}

static bool load_weights(struct vae_decoder *d, const char *folder, struct error *err)
{
    static const char *const files[] = {"diffusion_pytorch_model.safetensors",
                                        "diffusion_pytorch_model.fp16.safetensors", NULL};
    const struct vae_config *c = &d->config;
    struct weights *w = weights_open(folder, files, d->ops, &d->set, err);
    if (w == NULL) return false;
    struct loader l = {d, w, ""};
    const int wide = c->channels[c->levels - 1], narrow = c->channels[0];
    if (c->post_quant)
        d->post_quant =
            weights_conv2d(w, "post_quant_conv", c->latent_channels, c->latent_channels, 1);
    d->conv_in = weights_conv2d(w, "decoder.conv_in", c->latent_channels, wide, 3);
    load_blocks(&l);
    d->norm_out = weights_norm(w, "decoder.conv_norm_out", narrow);
    d->conv_out = weights_conv2d(w, "decoder.conv_out", narrow, c->out_channels, 3);
    weights_ignore_prefix(w, "encoder.");
    weights_ignore_prefix(w, "quant_conv.");
    return weights_finish(w, err);
}

struct vae_decoder *vae_decoder_open(const char *folder, struct ops *ops, struct error *err)
{
    struct vae_decoder *d = xcalloc(1, sizeof *d);
    d->ops = ops;
    if (vae_config_read(folder, &d->config, err) && load_weights(d, folder, err)) return d;
    vae_decoder_close(d);
    return NULL;
}

void vae_decoder_close(struct vae_decoder *d)
{
    if (d == NULL) return;
    weight_set_release(&d->set, d->ops);
    free(d->blocks);
    free(d);
}

const struct vae_config *vae_decoder_config(const struct vae_decoder *d)
{
    return &d->config;
}

/* ---- forward ---- */

static struct norm_args norm_of(const struct vae_decoder *d, const struct weight *weight, bool silu)
{
    return (struct norm_args){
        .weight = weight, .groups = d->config.groups, .eps = NORM_EPS, .silu = silu};
}

/* A convolution that keeps the size: 3x3 padded by one, or 1x1. */
static void same_conv(const struct vae_decoder *d, const struct tensor *x, struct norm_args norm,
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
    ops_conv2d(d->ops, &args);
}

static void run_res(const struct vae_decoder *d, const struct block *b, struct tensor *x)
{
    struct ops *ops = d->ops;
    const struct norm_args none = {0};
    struct tensor h = ops_take_like(ops, x, b->out);
    same_conv(d, x, norm_of(d, b->norm1, true), b->conv1, NULL, &h);
    if (b->shortcut != NULL) {
        struct tensor through = ops_take_like(ops, x, b->out);
        same_conv(d, x, none, b->shortcut, NULL, &through);
        ops_give(ops, x);
        *x = through;
    }
    same_conv(d, &h, norm_of(d, b->norm2, true), b->conv2, x, x);
    ops_give(ops, &h);
}

static void run_attention(const struct vae_decoder *d, const struct block *b, struct tensor *x)
{
    struct ops *ops = d->ops;
    const int c = b->out;
    struct tensor qkv = ops_take_like(ops, x, 3 * c);
    const struct linear_args in = {
        .x = x, .norm = norm_of(d, b->norm1, false), .weight = b->qkv, .y = &qkv};
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
    ops->backend->attention(ops->context, &args);
    ops_give(ops, &qkv);
    const struct linear_args out = {.x = &y, .weight = b->proj, .residual = x, .y = x};
    ops_linear(ops, &out);
    ops_give(ops, &y);
}

static void run_up(const struct vae_decoder *d, const struct block *b, struct tensor *x)
{
    struct ops *ops = d->ops;
    struct tensor y = ops_take(ops, x->batch, x->frames, 2 * x->height, 2 * x->width, b->out);
    const struct conv2d_args args = {.x = x,
                                     .resize_height = y.height,
                                     .resize_width = y.width,
                                     .weight = b->conv1,
                                     .stride = 1,
                                     .pad_top = 1,
                                     .pad_left = 1,
                                     .pad_bottom = 1,
                                     .pad_right = 1,
                                     .y = &y};
    ops_conv2d(ops, &args);
    ops_give(ops, x);
    *x = y;
}

typedef void run_block_fn(const struct vae_decoder *d, const struct block *b, struct tensor *x);

static run_block_fn *const run_block[] = {
    [BLOCK_RES] = run_res,
    [BLOCK_ATTENTION] = run_attention,
    [BLOCK_UP] = run_up,
};

static struct tensor take_latents(const struct vae_decoder *d, int height, int width,
                                  const float *latents)
{
    struct ops *ops = d->ops;
    const struct norm_args none = {0};
    struct tensor z = ops_take(ops, 1, 1, height, width, d->config.latent_channels);
    ops->backend->write(ops->context, &z, latents);
    if (d->post_quant != NULL) {
        struct tensor y = ops_take_like(ops, &z, z.channels);
        same_conv(d, &z, none, d->post_quant, NULL, &y);
        ops_give(ops, &z);
        z = y;
    }
    struct tensor x = ops_take_like(ops, &z, d->config.channels[d->config.levels - 1]);
    same_conv(d, &z, none, d->conv_in, NULL, &x);
    ops_give(ops, &z);
    return x;
}

static bool forward(const struct vae_decoder *d, int height, int width, const float *latents,
                    float *pixels, struct error *err)
{
    struct ops *ops = d->ops;
    struct tensor x = take_latents(d, height, width, latents);
    for (int i = 0; i < d->block_count; i++) {
        if (!ops_tick(ops, (double)i / d->block_count, err)) return false;
        run_block[d->blocks[i].kind](d, &d->blocks[i], &x);
    }
    struct tensor y = ops_take_like(ops, &x, d->config.out_channels);
    same_conv(d, &x, norm_of(d, d->norm_out, true), d->conv_out, NULL, &y);
    ops->backend->read(ops->context, &y, pixels);
    ops_give(ops, &x);
    ops_give(ops, &y);
    return true;
}

bool vae_decoder_plan(struct vae_decoder *d, int height, int width, struct error *err)
{
    ops_plan_begin(d->ops);
    forward(d, height, width, NULL, NULL, NULL);
    return ops_plan_end(d->ops, err);
}

bool vae_decoder_run(struct vae_decoder *d, int height, int width, const float *latents,
                     float *pixels, struct error *err)
{
    ops_run_begin(d->ops);
    return forward(d, height, width, latents, pixels, err);
}

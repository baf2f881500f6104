#include <stdio.h>

#include "base/xalloc.h"
#include "engine/forms/ldm.h"

#define LEVELS_MAX 8
#define LAYERS_MAX 64

struct walk {
    const struct tensor_file *file;
    const char *prefix;
    struct name_map *map;
    int levels, blocks; /* residual blocks of a decoder's level: one more than of an encoder's */
};

static const char *const same[] = {"encoder.conv_in",  "encoder.conv_out", "decoder.conv_in",
                                   "decoder.conv_out", "quant_conv",       "post_quant_conv"};

static const struct {
    const char *old, *now;
} middle[] = {
    {"mid.block_1", "mid_block.resnets.0"},
    {"mid.block_1.nin_shortcut", "mid_block.resnets.0.conv_shortcut"},
    {"mid.block_2", "mid_block.resnets.1"},
    {"mid.block_2.nin_shortcut", "mid_block.resnets.1.conv_shortcut"},
    {"mid.attn_1.norm", "mid_block.attentions.0.group_norm"},
    {"norm_out", "conv_norm_out"},
};

/* 1x1 convolutions that diffusers keeps as matrices. */
static const struct {
    const char *old, *now;
} matrices[] = {
    {"mid.attn_1.q", "mid_block.attentions.0.to_q"},
    {"mid.attn_1.k", "mid_block.attentions.0.to_k"},
    {"mid.attn_1.v", "mid_block.attentions.0.to_v"},
    {"mid.attn_1.proj_out", "mid_block.attentions.0.to_out.0"},
};

static void add_half(struct walk *w, const char *half)
{
    char old[NAME_MAP_SIZE], now[NAME_MAP_SIZE];
    for (size_t i = 0; i < sizeof middle / sizeof middle[0]; i++) {
        snprintf(old, sizeof old, "%s.%s", half, middle[i].old);
        snprintf(now, sizeof now, "%s.%s", half, middle[i].now);
        name_map_add(w->map, old, now);
    }
    for (size_t i = 0; i < sizeof matrices / sizeof matrices[0]; i++) {
        snprintf(old, sizeof old, "%s.%s", half, matrices[i].old);
        snprintf(now, sizeof now, "%s.%s", half, matrices[i].now);
        name_map_add_matrix(w->map, old, now);
    }
}

/* The decoder's levels were counted from the finest, diffusers counts in the order of running. */
static void add_level(struct walk *w, int level, bool up)
{
    char old[NAME_MAP_SIZE], now[NAME_MAP_SIZE], from[64], to[64];
    snprintf(from, sizeof from, "%s.%d", up ? "decoder.up" : "encoder.down", level);
    snprintf(to, sizeof to, "%s.%d", up ? "decoder.up_blocks" : "encoder.down_blocks",
             up ? w->levels - 1 - level : level);
    for (int j = 0; j < w->blocks; j++) {
        snprintf(old, sizeof old, "%s.block.%d", from, j);
        snprintf(now, sizeof now, "%s.resnets.%d", to, j);
        name_map_add(w->map, old, now);
        snprintf(old, sizeof old, "%s.block.%d.nin_shortcut", from, j);
        snprintf(now, sizeof now, "%s.resnets.%d.conv_shortcut", to, j);
        name_map_add(w->map, old, now);
    }
    snprintf(old, sizeof old, "%s.%s.conv", from, up ? "upsample" : "downsample");
    snprintf(now, sizeof now, "%s.%s.0.conv", to, up ? "upsamplers" : "downsamplers");
    name_map_add(w->map, old, now);
}

static const struct tensor_entry *level_end(const struct walk *w, int level, int block)
{
    return ldm_find(w->file, w->prefix, "decoder.up.%d.block.%d.conv2.weight", level, block);
}

static json_t *times(int count, const char *text)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_string(text));
    return list;
}

static json_t *vae_config(const struct walk *w)
{
    const struct tensor_entry *in = ldm_find(w->file, w->prefix, "decoder.conv_in.weight");
    const struct tensor_entry *out = ldm_find(w->file, w->prefix, "decoder.conv_out.weight");
    json_t *channels = json_array();
    for (int i = 0; i < w->levels; i++)
        json_array_append_new(channels, json_integer(ldm_dim(level_end(w, i, 0), 0)));
    json_t *config =
        json_pack("{s:s, s:i, s:I, s:I, s:o, s:i, s:o, s:o, s:i, s:s, s:f, s:i}", "_class_name",
                  "AutoencoderKL", "in_channels", 3, "out_channels", (json_int_t)ldm_dim(out, 0),
                  "latent_channels", (json_int_t)ldm_dim(in, 1), "block_out_channels", channels,
                  "layers_per_block", w->blocks - 1, "down_block_types",
                  times(w->levels, "DownEncoderBlock2D"), "up_block_types",
                  times(w->levels, "UpDecoderBlock2D"), "norm_num_groups", 32, "act_fn", "silu",
                  "scaling_factor", 0.18215, "sample_size", 512);
    ZOE_ASSERT(config != NULL);
    return config;
}

json_t *ldm_vae(const struct tensor_file *file, const char *prefix, struct name_map *map,
                struct error *err)
{
    struct walk w = {.file = file, .prefix = prefix, .map = map};
    while (w.levels < LEVELS_MAX && level_end(&w, w.levels, 0) != NULL)
        w.levels++;
    while (w.blocks <= LAYERS_MAX && level_end(&w, 0, w.blocks) != NULL)
        w.blocks++;
    if (w.levels == 0 || w.blocks < 2) {
        error_set(err, ERROR_INVALID, "%s: %sdecoder is not that of an autoencoder",
                  tensor_file_path(file), prefix);
        return NULL;
    }
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        name_map_add(map, same[i], same[i]);
    add_half(&w, "encoder");
    add_half(&w, "decoder");
    for (int i = 0; i < w.levels; i++) {
        add_level(&w, i, false);
        add_level(&w, i, true);
    }
    name_map_drop(map, "loss"); /* of training */
    return vae_config(&w);
}

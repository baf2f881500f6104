#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/forms/ldm.h"

#define LEVELS_MAX 8
#define LAYERS_MAX 64
#define TRANSFORMER_IN_HEADS 8
#define HEAD_DIM 64 /* of Stable Diffusion 2 */
#define HEADS 8     /* of Stable Diffusion 1 */
#define SAMPLE_SIZE_2D 64
#define SAMPLE_SIZE_3D 32

struct walk {
    const struct tensor_file *file;
    const char *prefix;
    struct name_map *map;
    bool temporal;
    int levels, layers;
    int64_t channels[LEVELS_MAX];
    bool attention[LEVELS_MAX];
    const struct tensor_entry *text, *proj; /* of the first attention */
};

const struct tensor_entry *ldm_find(const struct tensor_file *file, const char *prefix,
                                    const char *format, ...)
{
    char name[NAME_MAP_SIZE];
    const int start = snprintf(name, sizeof name, "%s", prefix);
    va_list args;
    if (start < 0 || start >= (int)sizeof name) return NULL;
    va_start(args, format);
    vsnprintf(name + start, sizeof name - (size_t)start, format, args);
    va_end(args);
    return tensor_file_find(file, name);
}

int64_t ldm_dim(const struct tensor_entry *e, int index)
{
    return e != NULL && index < e->rank ? e->dim[index] : 0;
}

/* ---- names ---- */

static const struct {
    const char *old, *now;
} top[] = {
    {"time_embed.0", "time_embedding.linear_1"},
    {"time_embed.2", "time_embedding.linear_2"},
    {"input_blocks.0.0", "conv_in"},
    {"input_blocks.0.1", "transformer_in"},
    {"out.0", "conv_norm_out"},
    {"out.2", "conv_out"},
};

static const struct {
    const char *old, *now;
} res[] = {
    {"in_layers.0", "norm1"},  {"in_layers.2", "conv1"},  {"emb_layers.1", "time_emb_proj"},
    {"out_layers.0", "norm2"}, {"out_layers.3", "conv2"}, {"skip_connection", "conv_shortcut"},
};

static void add(struct walk *w, const char *from, const char *to)
{
    name_map_add(w->map, from, to);
}

/* "temopral" is how the original spells it. */
static void add_res(struct walk *w, const char *from, const char *block, int index)
{
    char old[NAME_MAP_SIZE], now[NAME_MAP_SIZE];
    for (size_t i = 0; i < sizeof res / sizeof res[0]; i++) {
        snprintf(old, sizeof old, "%.80s.%s", from, res[i].old);
        snprintf(now, sizeof now, "%.80s.resnets.%d.%s", block, index, res[i].now);
        add(w, old, now);
    }
    snprintf(old, sizeof old, "%.80s.temopral_conv", from);
    snprintf(now, sizeof now, "%.80s.temp_convs.%d", block, index);
    add(w, old, now);
}

/* Temporal transformers were written with 1x1 convolutions where diffusers has matrices. */
static void add_temporal(struct walk *w, const char *from, const char *to)
{
    static const char *const projections[] = {"proj_in", "proj_out"};
    char old[NAME_MAP_SIZE], now[NAME_MAP_SIZE];
    add(w, from, to);
    for (int i = 0; i < 2; i++) {
        snprintf(old, sizeof old, "%.80s.%s", from, projections[i]);
        snprintf(now, sizeof now, "%.80s.%s", to, projections[i]);
        name_map_add_matrix(w->map, old, now);
    }
}

/* The transformers that follow a residual block as members 1 and 2 of the same sequence. */
static void add_attention(struct walk *w, const char *sequence, const char *block, int index)
{
    char old[NAME_MAP_SIZE], now[NAME_MAP_SIZE];
    snprintf(old, sizeof old, "%.80s.1", sequence);
    snprintf(now, sizeof now, "%.80s.attentions.%d", block, index);
    add(w, old, now);
    if (!w->temporal) return;
    snprintf(old, sizeof old, "%.80s.2", sequence);
    snprintf(now, sizeof now, "%.80s.temp_attentions.%d", block, index);
    add_temporal(w, old, now);
}

/* ---- the walk ---- */

static void note_attention(struct walk *w, const char *sequence)
{
    if (w->text != NULL) return;
    w->text = ldm_find(w->file, w->prefix, "%s.1.transformer_blocks.0.attn2.to_k.weight", sequence);
    w->proj = ldm_find(w->file, w->prefix, "%s.1.proj_in.weight", sequence);
}

static bool add_input_res(struct walk *w, int n, int level, int index)
{
    char sequence[48], from[64], block[48];
    snprintf(sequence, sizeof sequence, "input_blocks.%d", n);
    snprintf(from, sizeof from, "%s.0", sequence);
    snprintf(block, sizeof block, "down_blocks.%d", level);
    const struct tensor_entry *out = ldm_find(w->file, w->prefix, "%s.out_layers.3.weight", from);
    if (out == NULL) return false;
    add_res(w, from, block, index);
    w->channels[level] = ldm_dim(out, 0);
    if (ldm_find(w->file, w->prefix, "%s.1.proj_in.weight", sequence) == NULL) return true;
    w->attention[level] = true;
    note_attention(w, sequence);
    add_attention(w, sequence, block, index);
    return true;
}

/* ModelScope's is the sequence itself, Stable Diffusion's its only member. */
static bool add_downsample(struct walk *w, int n, int level)
{
    char from[64], now[64];
    snprintf(from, sizeof from, "input_blocks.%d.%s", n, w->temporal ? "op" : "0.op");
    if (ldm_find(w->file, w->prefix, "%s.weight", from) == NULL) return false;
    snprintf(now, sizeof now, "down_blocks.%d.downsamplers.0.conv", level);
    add(w, from, now);
    return true;
}

/* Levels of equally many residual blocks, with a downsampling between them. */
static bool walk_input(struct walk *w)
{
    int index = 0;
    for (int n = 1; n < LEVELS_MAX * (LAYERS_MAX + 1); n++) {
        if (index < LAYERS_MAX && add_input_res(w, n, w->levels, index)) {
            index++;
            continue;
        }
        if (w->levels == 0) w->layers = index;
        if (index == 0 || index != w->layers || w->levels == LEVELS_MAX) return false;
        w->levels++;
        index = 0;
        if (w->levels == LEVELS_MAX || !add_downsample(w, n, w->levels - 1)) return true;
    }
    return false;
}

static void walk_middle(struct walk *w)
{
    add_res(w, "middle_block.0", "mid_block", 0);
    add_attention(w, "middle_block", "mid_block", 0);
    add_res(w, w->temporal ? "middle_block.3" : "middle_block.2", "mid_block", 1);
}

static void walk_output(struct walk *w)
{
    char sequence[48], from[64], block[48], now[80];
    for (int b = 0, n = 0; b < w->levels; b++) {
        const bool attention = w->attention[w->levels - 1 - b];
        snprintf(block, sizeof block, "up_blocks.%d", b);
        for (int j = 0; j <= w->layers; j++, n++) {
            snprintf(sequence, sizeof sequence, "output_blocks.%d", n);
            snprintf(from, sizeof from, "%s.0", sequence);
            add_res(w, from, block, j);
            if (attention) add_attention(w, sequence, block, j);
        }
        const int member = !attention ? 1 : w->temporal ? 3 : 2;
        snprintf(from, sizeof from, "output_blocks.%d.%d.conv", n - 1, member);
        snprintf(now, sizeof now, "%.80s.upsamplers.0.conv", block);
        if (b < w->levels - 1) add(w, from, now);
    }
}

/* ---- the config ---- */

static json_t *block_types(const struct walk *w, bool up)
{
    json_t *types = json_array();
    for (int i = 0; i < w->levels; i++) {
        char name[48];
        const bool attention = w->attention[up ? w->levels - 1 - i : i];
        snprintf(name, sizeof name, "%s%sBlock%s", attention ? "CrossAttn" : "", up ? "Up" : "Down",
                 w->temporal ? "3D" : "2D");
        json_array_append_new(types, json_string(name));
    }
    return types;
}

static json_t *heads(const struct walk *w, bool linear)
{
    if (w->temporal)
        return json_integer(
            ldm_dim(ldm_find(w->file, w->prefix, "input_blocks.0.1.proj_in.weight"), 0) /
            TRANSFORMER_IN_HEADS);
    if (!linear) return json_integer(HEADS);
    json_t *list = json_array();
    for (int i = 0; i < w->levels; i++)
        json_array_append_new(
            list, json_integer(w->channels[i] < HEAD_DIM ? 1 : w->channels[i] / HEAD_DIM));
    return list;
}

static json_t *unet_config(const struct walk *w)
{
    const bool linear = w->proj != NULL && w->proj->rank == 2;
    json_t *channels = json_array();
    for (int i = 0; i < w->levels; i++)
        json_array_append_new(channels, json_integer(w->channels[i]));
    json_t *config = json_pack(
        "{s:s, s:I, s:I, s:o, s:i, s:o, s:o, s:I, s:o, s:i, s:f, s:s, s:i, s:i, s:i}",
        "_class_name", w->temporal ? "UNet3DConditionModel" : "UNet2DConditionModel", "in_channels",
        (json_int_t)ldm_dim(ldm_find(w->file, w->prefix, "input_blocks.0.0.weight"), 1),
        "out_channels", (json_int_t)ldm_dim(ldm_find(w->file, w->prefix, "out.2.weight"), 0),
        "block_out_channels", channels, "layers_per_block", w->layers, "down_block_types",
        block_types(w, false), "up_block_types", block_types(w, true), "cross_attention_dim",
        (json_int_t)ldm_dim(w->text, 1), "attention_head_dim", heads(w, linear), "norm_num_groups",
        32, "norm_eps", 1e-5, "act_fn", "silu", "downsample_padding", 1, "mid_block_scale_factor",
        1, "sample_size", w->temporal ? SAMPLE_SIZE_3D : SAMPLE_SIZE_2D);
    ZOE_ASSERT(config != NULL);
    if (!w->temporal) json_object_set_new(config, "use_linear_projection", json_boolean(linear));
    return config;
}

json_t *ldm_unet(const struct tensor_file *file, const char *prefix, struct name_map *map,
                 struct error *err)
{
    struct walk w = {.file = file, .prefix = prefix, .map = map};
    w.temporal = ldm_find(file, prefix, "input_blocks.0.1.proj_in.weight") != NULL;
    for (size_t i = 0; i < sizeof top / sizeof top[0]; i++)
        add(&w, top[i].old, top[i].now);
    if (w.temporal) add_temporal(&w, "input_blocks.0.1", "transformer_in");
    if (!walk_input(&w) || w.text == NULL) {
        error_set(err, ERROR_INVALID,
                  "%s: %sinput_blocks are not those of a UNet of Stable Diffusion or ModelScope",
                  tensor_file_path(file), prefix);
        return NULL;
    }
    walk_middle(&w);
    walk_output(&w);
    return unet_config(&w);
}

#include "engine/lora/lora_original.h"

#include <stdio.h>
#include <string.h>

struct rename {
    const char *ours, *theirs;
};

static const struct rename unet_beginnings[] = {
    {"time_embedding.linear_1", "time_embed.0"},
    {"time_embedding.linear_2", "time_embed.2"},
    {"conv_in", "input_blocks.0.0"},
    {"transformer_in.", "input_blocks.0.1."},
    {"conv_norm_out", "out.0"},
    {"conv_out", "out.2"},
    {NULL, NULL},
};

static const struct rename residual_parts[] = {
    {"norm1", "in_layers.0"},
    {"conv1", "in_layers.2"},
    {"time_emb_proj", "emb_layers.1"},
    {"norm2", "out_layers.0"},
    {"conv2", "out_layers.3"},
    {"conv_shortcut", "skip_connection"},
    {NULL, NULL},
};

static const struct rename text_layer_parts[] = {
    {"self_attn.", "attn."}, {"mlp.fc1", "mlp.c_fc"}, {"mlp.fc2", "mlp.c_proj"},
    {"layer_norm1", "ln_1"}, {"layer_norm2", "ln_2"}, {NULL, NULL},
};

static const struct rename text_beginnings[] = {
    {"text_model.embeddings.token_embedding", "token_embedding"},
    {"text_model.final_layer_norm", "ln_final"},
    {NULL, NULL},
};

/* The row whose `ours` begins `text`: its `theirs` and what follows. */
static bool begin_otherwise(const struct rename *rows, const char *prefix, const char *text,
                            char out[LORA_NAME_SIZE])
{
    for (; rows->ours != NULL; rows++) {
        const size_t length = strlen(rows->ours);
        if (strncmp(text, rows->ours, length) != 0) continue;
        return snprintf(out, LORA_NAME_SIZE, "%s%s%s", prefix, rows->theirs, text + length) <
               LORA_NAME_SIZE;
    }
    return false;
}

struct place { /* KIND.INDEX.REST inside a block */
    char kind[24];
    int index;
    const char *rest;
};

static bool split(const char *text, struct place *p)
{
    int used = 0;
    if (sscanf(text, "%23[a-z_].%4d.%n", p->kind, &p->index, &used) != 2 || used == 0) return false;
    p->rest = text + used;
    return p->index >= 0;
}

/* `block` is where the original keeps residual block, attention and temporal attention as parts
 * 0, 1, 2. */
static bool inside_block(const char *block, const struct place *p, char out[LORA_NAME_SIZE])
{
    char prefix[64];
    if (strcmp(p->kind, "resnets") == 0) {
        snprintf(prefix, sizeof prefix, "%s.0.", block);
        return begin_otherwise(residual_parts, prefix, p->rest, out);
    }
    const char *part = strcmp(p->kind, "temp_convs") == 0        ? "0.temopral_conv"
                       : strcmp(p->kind, "attentions") == 0      ? "1"
                       : strcmp(p->kind, "temp_attentions") == 0 ? "2"
                                                                 : NULL;
    return part != NULL &&
           snprintf(out, LORA_NAME_SIZE, "%s.%s.%s", block, part, p->rest) < LORA_NAME_SIZE;
}

static bool down_name(const struct lora_layout *l, int level, const struct place *p,
                      char out[LORA_NAME_SIZE])
{
    char block[32];
    const int per = l->layers + 1;
    if (strcmp(p->kind, "downsamplers") == 0)
        return snprintf(out, LORA_NAME_SIZE, "input_blocks.%d.op", (level + 1) * per) > 0;
    snprintf(block, sizeof block, "input_blocks.%d", level * per + p->index + 1);
    return inside_block(block, p, out);
}

static bool up_name(const struct lora_layout *l, int level, const struct place *p,
                    char out[LORA_NAME_SIZE])
{
    char block[32];
    const int per = l->layers + 1;
    if (strcmp(p->kind, "upsamplers") == 0) {
        const int parts = l->up_attends >> level & 1 ? 1 + l->temporal : 0;
        return snprintf(out, LORA_NAME_SIZE, "output_blocks.%d.%d.conv", level * per + l->layers,
                        1 + parts) > 0;
    }
    snprintf(block, sizeof block, "output_blocks.%d", level * per + p->index);
    return inside_block(block, p, out);
}

/* The middle is one run of modules: residual block, attentions, residual block. */
static bool middle_name(const struct lora_layout *l, const struct place *p,
                        char out[LORA_NAME_SIZE])
{
    char inner[LORA_NAME_SIZE];
    int part = 0;
    if (!inside_block("", p, inner)) return false;
    const char *rest = inner + 2; /* ".K" */
    if (strcmp(p->kind, "resnets") == 0 || strcmp(p->kind, "temp_convs") == 0)
        part = p->index == 0 ? 0 : 2 + l->temporal;
    else
        part = inner[1] - '0';
    return snprintf(out, LORA_NAME_SIZE, "middle_block.%d%s", part, rest) < LORA_NAME_SIZE;
}

static bool text_name(const char *module, char out[LORA_NAME_SIZE])
{
    int layer, used = 0;
    char prefix[32];
    if (sscanf(module, "text_model.encoder.layers.%4d.%n", &layer, &used) == 1 && used > 0) {
        snprintf(prefix, sizeof prefix, "resblocks.%d.", layer);
        return begin_otherwise(text_layer_parts, prefix, module + used, out);
    }
    return begin_otherwise(text_beginnings, "", module, out);
}

bool lora_original_name(const struct lora_layout *layout, bool text, const char *module,
                        char out[LORA_NAME_SIZE])
{
    int level, used = 0;
    struct place place;
    if (text) return text_name(module, out);
    if (sscanf(module, "down_blocks.%2d.%n", &level, &used) == 1 && used > 0)
        return level >= 0 && split(module + used, &place) && down_name(layout, level, &place, out);
    if (sscanf(module, "up_blocks.%2d.%n", &level, &used) == 1 && used > 0)
        return level >= 0 && level < 32 && split(module + used, &place) &&
               up_name(layout, level, &place, out);
    if (strncmp(module, "mid_block.", strlen("mid_block.")) == 0)
        return split(module + strlen("mid_block."), &place) && middle_name(layout, &place, out);
    return begin_otherwise(unet_beginnings, "", module, out);
}

#include <stdio.h>

#include "base/xalloc.h"
#include "engine/forms/ldm.h"

#define LAYERS_MAX 128
#define HEAD_DIM 64

/* ---- OpenCLIP ---- */

static const struct {
    const char *old, *now;
} top[] = {
    {"token_embedding", "text_model.embeddings.token_embedding"},
    {"positional_embedding", "text_model.embeddings.position_embedding.weight"},
    {"ln_final", "text_model.final_layer_norm"},
};

static const struct {
    const char *old, *now;
} layer[] = {
    {"ln_1", "layer_norm1"}, {"ln_2", "layer_norm2"},   {"attn.out_proj", "self_attn.out_proj"},
    {"mlp.c_fc", "mlp.fc1"}, {"mlp.c_proj", "mlp.fc2"},
};

/* The image tower and what compares both. */
static const char *const unused[] = {"visual",    "text_projection", "logit_scale",
                                     "attn_mask", "logit_bias",      "transformer.attn_mask"};

static void add_layer(struct name_map *map, int index)
{
    char old[NAME_MAP_SIZE], now[NAME_MAP_SIZE];
    for (size_t i = 0; i < sizeof layer / sizeof layer[0]; i++) {
        snprintf(old, sizeof old, "transformer.resblocks.%d.%s", index, layer[i].old);
        snprintf(now, sizeof now, "text_model.encoder.layers.%d.%s", index, layer[i].now);
        name_map_add(map, old, now);
    }
    for (int bias = 0; bias < 2; bias++) {
        const char *const member = bias ? "bias" : "weight";
        snprintf(old, sizeof old, "transformer.resblocks.%d.attn.in_proj_%s", index, member);
        snprintf(now, sizeof now, "text_model.encoder.layers.%d.self_attn.%%c_proj.%s", index,
                 member);
        name_map_add_thirds(map, old, now);
    }
}

static json_t *text_config(const struct tensor_entry *tokens, const struct tensor_entry *places,
                           const struct tensor_entry *inner, int layers, const char *activation)
{
    const int64_t width = ldm_dim(tokens, 1);
    json_t *architectures = json_pack("[s]", "CLIPTextModel");
    json_t *config =
        json_pack("{s:o, s:s, s:I, s:I, s:i, s:I, s:s, s:f, s:I, s:I}", "architectures",
                  architectures, "model_type", "clip_text_model", "hidden_size", (json_int_t)width,
                  "intermediate_size", (json_int_t)ldm_dim(inner, 0), "num_hidden_layers", layers,
                  "num_attention_heads", (json_int_t)(width < HEAD_DIM ? 1 : width / HEAD_DIM),
                  "hidden_act", activation, "layer_norm_eps", 1e-5, "max_position_embeddings",
                  (json_int_t)ldm_dim(places, 0), "vocab_size", (json_int_t)ldm_dim(tokens, 0));
    ZOE_ASSERT(config != NULL);
    return config;
}

json_t *ldm_open_clip(const struct tensor_file *file, const char *prefix, struct name_map *map,
                      struct error *err)
{
    char last[NAME_MAP_SIZE];
    int layers = 0;
    while (layers < LAYERS_MAX &&
           ldm_find(file, prefix, "transformer.resblocks.%d.ln_1.weight", layers) != NULL)
        layers++;
    if (layers < 2) {
        error_set(err, ERROR_INVALID, "%s: %stransformer is not OpenCLIP's text tower",
                  tensor_file_path(file), prefix);
        return NULL;
    }
    for (size_t i = 0; i < sizeof top / sizeof top[0]; i++)
        name_map_add(map, top[i].old, top[i].now);
    for (size_t i = 0; i < sizeof unused / sizeof unused[0]; i++)
        name_map_drop(map, unused[i]);
    for (int i = 0; i < layers - 1; i++)
        add_layer(map, i);
    snprintf(last, sizeof last, "transformer.resblocks.%d", layers - 1);
    name_map_drop(map, last);
    return text_config(ldm_find(file, prefix, "token_embedding.weight"),
                       ldm_find(file, prefix, "positional_embedding"),
                       ldm_find(file, prefix, "transformer.resblocks.0.mlp.c_fc.weight"),
                       layers - 1, "gelu");
}

/* ---- transformers' own ---- */

json_t *ldm_clip(const struct tensor_file *file, const char *prefix, struct error *err)
{
    static const char embeddings[] = "text_model.embeddings.";
    int layers = 0;
    while (layers < LAYERS_MAX &&
           ldm_find(file, prefix, "text_model.encoder.layers.%d.mlp.fc1.weight", layers) != NULL)
        layers++;
    if (layers == 0) {
        error_set(err, ERROR_INVALID, "%s: %stext_model is not CLIP's text encoder",
                  tensor_file_path(file), prefix);
        return NULL;
    }
    return text_config(ldm_find(file, prefix, "%stoken_embedding.weight", embeddings),
                       ldm_find(file, prefix, "%sposition_embedding.weight", embeddings),
                       ldm_find(file, prefix, "text_model.encoder.layers.0.mlp.fc1.weight"), layers,
                       "quick_gelu");
}

/* Structure: docs/engine.md, "Text encoder". */
#include "engine/model/text_encoder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"
#include "engine/model/config_rules.h"
#include "engine/weights.h"

#define LAYERS_MAX 128

struct layer {
    const struct weight *norm1, *qkv, *out, *norm2, *up, *down;
};

struct text_encoder {
    struct ops *ops;
    struct weight_set set;
    int width, inner, heads, layer_count, positions, vocabulary;
    double eps;
    enum activation activation;
    const struct weight *tokens, *places, *final_norm;
    struct layer *layers;
};

static const struct config_rule rules[] = {
    {"hidden_size", CONFIG_READ, NULL},
    {"intermediate_size", CONFIG_READ, NULL},
    {"num_hidden_layers", CONFIG_READ, NULL},
    {"num_attention_heads", CONFIG_READ, NULL},
    {"hidden_act", CONFIG_READ, NULL},
    {"layer_norm_eps", CONFIG_READ, NULL},
    {"max_position_embeddings", CONFIG_READ, NULL},
    {"vocab_size", CONFIG_READ, NULL},
    {"model_type", CONFIG_MUST, "[\"clip_text_model\"]"},
    {"architectures", CONFIG_MUST, "[[\"CLIPTextModel\"]]"},
    {"attention_dropout", CONFIG_IGNORE, NULL}, /* training only, as the next ones */
    {"dropout", CONFIG_IGNORE, NULL},
    {"initializer_factor", CONFIG_IGNORE, NULL},
    {"initializer_range", CONFIG_IGNORE, NULL},
    {"projection_dim", CONFIG_IGNORE, NULL}, /* of a head that is not used */
    {"bos_token_id", CONFIG_IGNORE, NULL},   /* the tokenizer decides */
    {"eos_token_id", CONFIG_IGNORE, NULL},
    {"pad_token_id", CONFIG_IGNORE, NULL},
    {"torch_dtype", CONFIG_IGNORE, NULL},
    {"dtype", CONFIG_IGNORE, NULL},
    {"transformers_version", CONFIG_IGNORE, NULL},
    {"use_cache", CONFIG_IGNORE, NULL},
    {NULL, CONFIG_IGNORE, NULL},
};

static const struct {
    const char *name;
    enum activation activation;
} activations[] = {{"gelu", ACTIVATION_GELU}, {"quick_gelu", ACTIVATION_QUICK_GELU}};

static bool read_activation(struct text_encoder *e, const json_t *config, const char *what,
                            struct error *err)
{
    const char *name;
    if (!json_get_text_or(config, "hidden_act", "quick_gelu", &name, what, err)) return false;
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++)
        if (strcmp(activations[i].name, name) == 0) {
            e->activation = activations[i].activation;
            return true;
        }
    return error_set(err, ERROR_INVALID, "%s: \"hidden_act\": \"%s\" is not built", what, name);
}

static bool read_sizes(struct text_encoder *e, const json_t *config, const char *what,
                       struct error *err)
{
    if (!config_rules_check(config, rules, what, err) || !read_activation(e, config, what, err) ||
        !config_rules_int(config, "hidden_size", 512, &e->width, what, err) ||
        !config_rules_int(config, "intermediate_size", 2048, &e->inner, what, err) ||
        !config_rules_int(config, "num_hidden_layers", 12, &e->layer_count, what, err) ||
        !config_rules_int(config, "num_attention_heads", 8, &e->heads, what, err) ||
        !config_rules_int(config, "max_position_embeddings", 77, &e->positions, what, err) ||
        !config_rules_int(config, "vocab_size", 49408, &e->vocabulary, what, err) ||
        !config_rules_real(config, "layer_norm_eps", 1e-5, 0, 1, &e->eps, what, err))
        return false;
    if (e->layer_count > LAYERS_MAX)
        return error_set(err, ERROR_INVALID, "%s: more than %d layers", what, LAYERS_MAX);
    if (e->width % e->heads != 0)
        return error_set(err, ERROR_INVALID, "%s: %d channels do not split into %d heads", what,
                         e->width, e->heads);
    return true;
}

static bool read_config(struct text_encoder *e, struct model_parts *parts, struct error *err)
{
    const char *what;
    const json_t *config = model_parts_config(parts, PART_TEXT, &what, err);
    return config != NULL && read_sizes(e, config, what, err);
}

int text_encoder_layers_of(struct model_parts *parts, struct error *err)
{
    struct text_encoder e = {0};
    return read_config(&e, parts, err) ? e.layer_count : 0;
}

static void load_layer(struct text_encoder *e, struct weights *w, int index)
{
    static const char *const qkv[] = {"q_proj", "k_proj", "v_proj", NULL};
    struct layer *l = &e->layers[index];
    char name[96];
    char *end = name + snprintf(name, sizeof name, "text_model.encoder.layers.%d.", index);
    const size_t room = sizeof name - (size_t)(end - name);
    snprintf(end, room, "layer_norm1");
    l->norm1 = weights_norm(w, name, e->width);
    snprintf(end, room, "self_attn.");
    l->qkv = weights_linear_stack(w, name, qkv, e->width, e->width, true);
    snprintf(end, room, "self_attn.out_proj");
    l->out = weights_linear(w, name, e->width, e->width, true);
    snprintf(end, room, "layer_norm2");
    l->norm2 = weights_norm(w, name, e->width);
    snprintf(end, room, "mlp.fc1");
    l->up = weights_linear(w, name, e->width, e->inner, true);
    snprintf(end, room, "mlp.fc2");
    l->down = weights_linear(w, name, e->inner, e->width, true);
}

static bool load_weights(struct text_encoder *e, struct model_parts *parts, struct error *err)
{
    struct weights *w = weights_open(parts, PART_TEXT, e->ops, &e->set, err);
    if (w == NULL) return false;
    e->tokens = weights_embedding(w, "text_model.embeddings.token_embedding.weight", e->vocabulary,
                                  e->width);
    e->places = weights_embedding(w, "text_model.embeddings.position_embedding.weight",
                                  e->positions, e->width);
    e->layers = xcalloc((size_t)e->layer_count, sizeof *e->layers);
    for (int i = 0; i < e->layer_count; i++)
        load_layer(e, w, i);
    e->final_norm = weights_norm(w, "text_model.final_layer_norm", e->width);
    weights_ignore_suffix(w, "position_ids");
    return weights_finish(w, err);
}

struct text_encoder *text_encoder_open(struct model_parts *parts, struct ops *ops,
                                       struct error *err)
{
    struct text_encoder *e = xcalloc(1, sizeof *e);
    e->ops = ops;
    if (read_config(e, parts, err) && load_weights(e, parts, err)) return e;
    text_encoder_close(e);
    return NULL;
}

void text_encoder_close(struct text_encoder *e)
{
    if (e == NULL) return;
    weight_set_release(&e->set, e->ops);
    free(e->layers);
    free(e);
}

int text_encoder_width(const struct text_encoder *e)
{
    return e->width;
}

int text_encoder_positions(const struct text_encoder *e)
{
    return e->positions;
}

int text_encoder_vocabulary(const struct text_encoder *e)
{
    return e->vocabulary;
}

/* ---- forward ---- */

static void attend(const struct text_encoder *e, const struct layer *l, struct tensor *x)
{
    struct ops *ops = e->ops;
    const int d = e->width;
    struct tensor qkv = ops_take_like(ops, x, 3 * d);
    const struct linear_args in = {.x = x,
                                   .layer_norm = l->norm1,
                                   .layer_norm_eps = (float)e->eps,
                                   .weight = l->qkv,
                                   .y = &qkv};
    ops_linear(ops, &in);
    const struct tensor q = tensor_slice(&qkv, 0, d), k = tensor_slice(&qkv, d, d),
                        v = tensor_slice(&qkv, 2 * d, d);
    struct tensor y = ops_take_like(ops, x, d);
    const struct attention_args args = {.q = &q,
                                        .k = &k,
                                        .v = &v,
                                        .heads = e->heads,
                                        .scale = (float)(1 / sqrt((double)d / e->heads)),
                                        .axis = ATTENTION_SPACE,
                                        .causal = true,
                                        .y = &y};
    ops_attention(ops, &args);
    ops_give(ops, &qkv);
    const struct linear_args out = {.x = &y, .weight = l->out, .residual = x, .y = x};
    ops_linear(ops, &out);
    ops_give(ops, &y);
}

static void feed_forward(const struct text_encoder *e, const struct layer *l, struct tensor *x)
{
    struct ops *ops = e->ops;
    struct tensor middle = ops_take_like(ops, x, e->inner);
    const struct linear_args up = {.x = x,
                                   .layer_norm = l->norm2,
                                   .layer_norm_eps = (float)e->eps,
                                   .weight = l->up,
                                   .activation = e->activation,
                                   .y = &middle};
    ops_linear(ops, &up);
    const struct linear_args down = {.x = &middle, .weight = l->down, .residual = x, .y = x};
    ops_linear(ops, &down);
    ops_give(ops, &middle);
}

static void forward(const struct text_encoder *e, const int32_t *ids, const int32_t *places,
                    int rows, int tokens, int layers, float *out)
{
    struct ops *ops = e->ops;
    const struct backend *backend = ops->backend;
    struct tensor x = ops_take(ops, rows, 1, 1, tokens, e->width);
    struct tensor y = ops_take_like(ops, &x, e->width);
    backend->embed(ops->context, e->tokens, ids, &x);
    backend->embed(ops->context, e->places, places, &y);
    backend->add(ops->context, &x, &y, &x);
    ops_give(ops, &y);
    for (int i = 0; i < layers; i++) {
        attend(e, &e->layers[i], &x);
        feed_forward(e, &e->layers[i], &x);
    }
    backend->layer_norm(ops->context, &x, e->final_norm, (float)e->eps, &x);
    backend->read(ops->context, &x, out);
    ops_give(ops, &x);
}

bool text_encoder_run(struct text_encoder *e, const int32_t *ids, int rows, int tokens, int skip,
                      float *out, struct error *err)
{
    const int layers = e->layer_count - skip;
    ZOE_ASSERT(tokens <= e->positions && layers >= 0);
    int32_t *places = xcalloc((size_t)rows * (size_t)tokens, sizeof *places);
    for (int i = 0; i < rows * tokens; i++)
        places[i] = i % tokens;
    const struct ops_key key = {e, {rows, tokens, layers}};
    ops_plan_begin(e->ops, &key);
    forward(e, ids, places, rows, tokens, layers, out);
    const bool ok = ops_plan_end(e->ops, err);
    if (ok && !e->ops->sketch) forward(e, ids, places, rows, tokens, layers, out);
    free(places);
    return ok;
}

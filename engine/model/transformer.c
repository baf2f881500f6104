#include "engine/model/transformer.h"

#include <math.h>
#include <stdio.h>

#define GROUP_EPS 1e-6f
#define LAYER_EPS 1e-5f
#define NAME_SIZE 160

struct namer {
    const char *prefix;
    char text[NAME_SIZE];
};

static const char *block_name(struct namer *n, const char *tail)
{
    snprintf(n->text, sizeof n->text, "%s.transformer_blocks.0.%s", n->prefix, tail);
    return n->text;
}

static const char *outer_name(struct namer *n, const char *tail)
{
    snprintf(n->text, sizeof n->text, "%s.%s", n->prefix, tail);
    return n->text;
}

static void load_block(struct transformer *t, struct weights *w, struct namer *n, int text_channels)
{
    static const char *const qkv[] = {"to_q", "to_k", "to_v", NULL};
    const int d = t->inner;
    t->norm1 = weights_norm(w, block_name(n, "norm1"), d);
    t->qkv1 = weights_linear_stack(w, block_name(n, "attn1."), qkv, d, d, false);
    t->out1 = weights_linear(w, block_name(n, "attn1.to_out.0"), d, d, true);
    t->norm2 = weights_norm(w, block_name(n, "norm2"), d);
    if (t->temporal) {
        t->q2 = weights_linear_stack(w, block_name(n, "attn2."), qkv, d, d, false);
    } else {
        t->q2 = weights_linear(w, block_name(n, "attn2.to_q"), d, d, false);
        t->text_kv =
            weights_linear_stack(w, block_name(n, "attn2."), qkv + 1, text_channels, d, false);
    }
    t->out2 = weights_linear(w, block_name(n, "attn2.to_out.0"), d, d, true);
    t->norm3 = weights_norm(w, block_name(n, "norm3"), d);
    t->up = weights_linear(w, block_name(n, "ff.net.0.proj"), d, 8 * d, true);
    t->down = weights_linear(w, block_name(n, "ff.net.2"), 4 * d, d, true);
}

void transformer_load(struct transformer *t, struct weights *w, const char *name,
                      const struct transformer_shape *shape)
{
    struct namer n = {name, ""};
    t->temporal = shape->temporal;
    t->channels = shape->channels;
    t->inner = shape->inner;
    t->heads = shape->heads;
    t->groups = shape->groups;
    t->norm = weights_norm(w, outer_name(&n, "norm"), t->channels);
    t->proj_in = weights_linear(w, outer_name(&n, "proj_in"), t->channels, t->inner, true);
    load_block(t, w, &n, shape->text_channels);
    t->proj_out = weights_linear(w, outer_name(&n, "proj_out"), t->inner, t->channels, true);
}

/* ---- forward ---- */

static struct tensor enter(const struct transformer *t, struct ops *ops, const struct tensor *x)
{
    struct tensor tokens = ops_take_like(ops, x, t->inner);
    const struct linear_args args = {.x = x,
                                     .norm = {.weight = t->norm,
                                              .groups = t->groups,
                                              .eps = GROUP_EPS,
                                              .over_frames = t->temporal},
                                     .weight = t->proj_in,
                                     .y = &tokens};
    ops_linear(ops, &args);
    return tokens;
}

static void leave(const struct transformer *t, struct ops *ops, struct tensor *tokens,
                  struct tensor *x)
{
    const struct linear_args args = {.x = tokens, .weight = t->proj_out, .residual = x, .y = x};
    ops_linear(ops, &args);
    ops_give(ops, tokens);
}

static struct tensor normed_product(struct ops *ops, const struct tensor *tokens,
                                    const struct weight *norm, const struct weight *weight)
{
    struct tensor y = ops_take_like(ops, tokens, weight->out);
    const struct linear_args args = {
        .x = tokens, .layer_norm = norm, .layer_norm_eps = LAYER_EPS, .weight = weight, .y = &y};
    ops_linear(ops, &args);
    return y;
}

/* tokens += out(attention(q, k, v)) */
static void attend(const struct transformer *t, struct ops *ops, const struct tensor *q,
                   const struct tensor *k, const struct tensor *v, const struct weight *out,
                   struct tensor *tokens)
{
    struct tensor y = ops_take_like(ops, tokens, t->inner);
    const struct attention_args args = {.q = q,
                                        .k = k,
                                        .v = v,
                                        .heads = t->heads,
                                        .scale = (float)(1 / sqrt((double)t->inner / t->heads)),
                                        .axis = t->temporal ? ATTENTION_TIME : ATTENTION_SPACE,
                                        .y = &y};
    ops_attention(ops, &args);
    const struct linear_args product = {.x = &y, .weight = out, .residual = tokens, .y = tokens};
    ops_linear(ops, &product);
    ops_give(ops, &y);
}

static void attend_self(const struct transformer *t, struct ops *ops, const struct weight *norm,
                        const struct weight *qkv, const struct weight *out, struct tensor *tokens)
{
    const int d = t->inner;
    struct tensor all = normed_product(ops, tokens, norm, qkv);
    const struct tensor q = tensor_slice(&all, 0, d), k = tensor_slice(&all, d, d),
                        v = tensor_slice(&all, 2 * d, d);
    attend(t, ops, &q, &k, &v, out, tokens);
    ops_give(ops, &all);
}

static void attend_text(const struct transformer *t, struct ops *ops, const struct tensor *text,
                        struct tensor *tokens)
{
    const struct tensor k = tensor_slice(text, 0, t->inner),
                        v = tensor_slice(text, t->inner, t->inner);
    struct tensor q = normed_product(ops, tokens, t->norm2, t->q2);
    attend(t, ops, &q, &k, &v, t->out2, tokens);
    ops_give(ops, &q);
}

static void feed_forward(const struct transformer *t, struct ops *ops, struct tensor *tokens)
{
    const struct feed_forward_args args = {.x = tokens,
                                           .layer_norm = t->norm3,
                                           .layer_norm_eps = LAYER_EPS,
                                           .up = t->up,
                                           .down = t->down,
                                           .y = tokens};
    ops_feed_forward(ops, &args);
}

void transformer_run_time(const struct transformer *t, struct ops *ops, struct tensor *x)
{
    struct tensor tokens = enter(t, ops, x);
    attend_self(t, ops, t->norm1, t->qkv1, t->out1, &tokens);
    attend_self(t, ops, t->norm2, t->q2, t->out2, &tokens);
    feed_forward(t, ops, &tokens);
    leave(t, ops, &tokens, x);
}

void transformer_begin_space(const struct transformer *t, struct ops *ops, const struct tensor *x,
                             struct tensor *tokens)
{
    *tokens = enter(t, ops, x);
    attend_self(t, ops, t->norm1, t->qkv1, t->out1, tokens);
}

void transformer_end_space(const struct transformer *t, struct ops *ops, const struct tensor *text,
                           struct tensor *tokens, struct tensor *x)
{
    attend_text(t, ops, text, tokens);
    feed_forward(t, ops, tokens);
    leave(t, ops, tokens, x);
}

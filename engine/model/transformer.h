/* transformer: the attention blocks of a UNet. A spatial one attends to the pixels of its image,
 * then to the text; a temporal one attends twice to the frames of its pixel. Both: group norm,
 * projection in, block, projection out, residual. */
#ifndef ZOE_ENGINE_MODEL_TRANSFORMER_H
#define ZOE_ENGINE_MODEL_TRANSFORMER_H

#include "engine/ops.h"
#include "engine/weights.h"

struct transformer {
    bool temporal;
    int channels, inner, heads, groups;
    const struct weight *norm, *proj_in, *proj_out;
    const struct weight *norm1, *qkv1, *out1;
    const struct weight *norm2, *q2,
        *out2; /* q2: queries alone (spatial), or queries, keys and values (temporal) */
    const struct weight *text_kv; /* spatial: keys and values of the text, stacked */
    const struct weight *norm3, *up, *down;
};

struct transformer_shape {
    bool temporal;
    int channels, inner, heads, groups;
    int text_channels; /* spatial */
};

/* Tensors NAME.norm, NAME.proj_in, NAME.transformer_blocks.0.… are asked of `w`. */
void transformer_load(struct transformer *t, struct weights *w, const char *name,
                      const struct transformer_shape *shape);

/* Replaces x by the block's output. */
void transformer_run_time(const struct transformer *t, struct ops *ops, struct tensor *x);

/* Spatial, in two halves, because the first does not know the text: between them the caller may
 * repeat `x` and `tokens` for the two halves of guidance. `tokens` is taken by begin and given back
 * by end. `text` holds keys, then values, along channels. */
void transformer_begin_space(const struct transformer *t, struct ops *ops, const struct tensor *x,
                             struct tensor *tokens);
void transformer_end_space(const struct transformer *t, struct ops *ops, const struct tensor *text,
                           struct tensor *tokens, struct tensor *x);

#endif

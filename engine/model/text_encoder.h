/* text_encoder: CLIP's text tower (CLIPTextModel): token and position embeddings, causal pre-norm
 * blocks, final norm. Every width, depth and activation comes from its config.json. */
#ifndef ZOE_ENGINE_MODEL_TEXT_ENCODER_H
#define ZOE_ENGINE_MODEL_TEXT_ENCODER_H

#include <stdint.h>

#include "engine/folder/model_parts.h"
#include "engine/ops.h"

struct text_encoder;

/* `ops` is borrowed for the encoder's life. */
struct text_encoder *text_encoder_open(struct model_parts *parts, struct ops *ops,
                                       struct error *err);
void text_encoder_close(struct text_encoder *e); /* NULL is fine */

int text_encoder_width(const struct text_encoder *e);      /* channels of an embedding */
int text_encoder_positions(const struct text_encoder *e);  /* longest sequence */
int text_encoder_vocabulary(const struct text_encoder *e); /* ids must be below it */

/* The number of layers that a model's config names; 0: err. */
int text_encoder_layers_of(struct model_parts *parts, struct error *err);

/* ids [rows][tokens] -> out [rows][tokens][width], without the last `skip` <= layers layers, but
 * with the final norm. Plans and runs; tokens <= positions. */
bool text_encoder_run(struct text_encoder *e, const int32_t *ids, int rows, int tokens, int skip,
                      float *out, struct error *err);

#endif

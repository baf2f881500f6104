/* weights: the named tensors of one part of a model, handed to a backend as prepared weights.
 *
 * Model code asks for each tensor it needs with the shape its config demands. Problems are
 * collected, not reported one by one: weights_finish names every missing, misshapen and left-over
 * tensor in one error. The prepared weights live in a weight_set, which owns them after loading;
 * the parts may be closed then.
 *
 *     struct weights *w = weights_open(parts, PART_UNET, ops, &set, &err);
 *     m->proj = weights_linear(w, "proj_in", 64, 64, true);   NULL when something was wrong
 *     ok = weights_finish(w, &err);                           frees w */
#ifndef ZOE_ENGINE_WEIGHTS_H
#define ZOE_ENGINE_WEIGHTS_H

#include <stdbool.h>

#include "engine/folder/model_parts.h"
#include "engine/ops.h"

struct weight_set { /* zero-initialised is empty */
    struct weight **items;
    int count, capacity;
};

void weight_set_release(struct weight_set *set, struct ops *ops);

struct weights;

/* `parts`, `ops` and `set` are borrowed. */
struct weights *weights_open(struct model_parts *parts, enum model_part part, struct ops *ops,
                             struct weight_set *set, struct error *err);
bool weights_finish(struct weights *w, struct error *err); /* w == NULL gives false and keeps err */

bool weights_has(const struct weights *w, const char *name); /* the full name */

/* A name put together for the calls below, into `out`; gives `out`. */
#define WEIGHT_NAME_SIZE 160
const char *weights_name(char out[WEIGHT_NAME_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* NAME.weight and NAME.bias. A linear weight may be stored as [out,in], [out,in,1] or [out,in,1,1].
 */
const struct weight *weights_conv2d(struct weights *w, const char *name, int in, int out,
                                    int kernel);
const struct weight *weights_conv_time(struct weights *w, const char *name, int in, int out);
const struct weight *weights_linear(struct weights *w, const char *name, int in, int out,
                                    bool bias);
/* Several of the same input stacked: NAME + each of parts (NULL-terminated, at most WEIGHT_PARTS),
 * `out` rows each. */
const struct weight *weights_linear_stack(struct weights *w, const char *name,
                                          const char *const *parts, int in, int out, bool bias);
const struct weight *weights_norm(struct weights *w, const char *name, int channels);
/* NAME as it stands, e.g. "….token_embedding.weight". */
const struct weight *weights_embedding(struct weights *w, const char *name, int rows, int channels);

/* Left-over tensors whose names begin or end so are fine (position_ids, an encoder that is not
 * used). Borrowed. */
void weights_ignore_prefix(struct weights *w, const char *prefix);
void weights_ignore_suffix(struct weights *w, const char *suffix);

#endif

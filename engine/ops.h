/* ops: what model code calls. It owns one backend context with its memory, chooses between a
 * backend's fused rows and their parts, and runs forwards in two passes: planned (nothing is
 * computed, sizes are noted), then for real.
 *
 *     ops_plan_begin(ops, &key);  forward(ops, ...);  ops_plan_end(ops, &err);   once per shape
 *     ops_run_begin(ops, &key);   forward(ops, ...);                              as often as
 * wanted
 *
 * Tensors taken in one run are void when the next begins. A forward reads its results into host
 * memory before it ends. One thread at a time. */
#ifndef ZOE_ENGINE_OPS_H
#define ZOE_ENGINE_OPS_H

#include <stdatomic.h>

#include "engine/backend.h"
#include "engine/tensor_arena.h"

struct lora_set;

/* Between blocks a forward asks whether to go on; `fraction` is how much of it is done. */
typedef void ops_tick_fn(void *arg, double fraction);

/* Kinds of products, which run at different speeds. */
enum flop_class {
    FLOP_CONV,      /* 3x3 and 3x1x1, narrow enough for transforms that save multiplications */
    FLOP_CONV_WIDE, /* the others */
    FLOP_LINEAR,    /* matrices, 1x1 and attention */
    FLOP_CLASSES
};

/* Tells the plans of an ops apart: whose forward, and of what shape. */
struct ops_key {
    const void *owner;
    int shape[8];
};

struct ops_plan {
    struct ops_key key;
    struct arena_plan tensors;
};

struct ops {
    const struct backend *backend;
    struct backend_context *context;
    struct threads *threads;
    struct arena arena;
    struct ops_plan **plans; /* kept until the end: a few KiB a shape */
    int plan_count;
    void *memory;
    size_t memory_bytes;
    ops_tick_fn *tick; /* or NULL */
    void *tick_arg;
    const atomic_bool *cancel; /* or NULL */
    bool narrow;               /* weights opened now keep their 16 bits (a large model) */
    bool sketch; /* nothing is ever computed: weights are shapes, plans allocate nothing */
    size_t weight_bytes, held_bytes_total; /* of weights in the backend: now; all ever prepared */
    size_t stored_bytes;                   /* the same in their files */
    size_t planned_bytes, live_bytes;      /* largest of all plans: arena, tensors alive together */
    double flops[FLOP_CLASSES];   /* of the last plan; a multiplication and an addition are two */
    const struct lora_set *loras; /* of the model that is being opened (weights.c); or NULL */
};

struct ops *ops_new(const char *backend_name, int threads, struct error *err);
void ops_free(struct ops *ops); /* NULL is fine */

/* A plan of the same key is replaced. */
void ops_plan_begin(struct ops *ops, const struct ops_key *key);
bool ops_plan_end(struct ops *ops, struct error *err); /* ERROR_NO_MEMORY. Ready to run then. */
void ops_run_begin(struct ops *ops, const struct ops_key *key); /* of a plan that was made */
bool ops_planning(const struct ops *ops);

/* False with ERROR_INTERRUPTED when the job was canceled. */
bool ops_tick(struct ops *ops, double fraction, struct error *err);

struct tensor ops_take(struct ops *ops, int batch, int frames, int height, int width, int channels);
struct tensor ops_take_like(struct ops *ops, const struct tensor *like, int channels);
void ops_give(struct ops *ops, struct tensor *t);

/* A forward within a forward: pieces of one shape share a plan of their own, and all pieces live
 * one after the other in a room that the outer forward takes. Planning: each piece is run between
 * begin and end with room NULL (of pieces with the same key the last one counts; the others may
 * stop early, or be the same), then the room is taken. Running: the room comes first. Nothing of a
 * piece outlives it. */
struct ops_nest {
    struct arena outer;
};
struct ops_nest ops_nest_begin(struct ops *ops, const struct ops_key *key,
                               const struct tensor *room);
void ops_nest_end(struct ops *ops, const struct ops_nest *nest);
size_t ops_nest_bytes(const struct ops *ops, const struct ops_key *key); /* of a planned piece */
struct tensor ops_take_room(struct ops *ops, size_t size_bytes); /* a multiple of the alignment */

/* Products with every field of their arguments: fused where the backend can, in parts where not. */
void ops_conv2d(struct ops *ops, const struct conv2d_args *a);
void ops_conv_time(struct ops *ops, const struct conv_time_args *a);
void ops_linear(struct ops *ops, const struct linear_args *a);
void ops_feed_forward(struct ops *ops, const struct feed_forward_args *a);
void ops_attention(struct ops *ops, const struct attention_args *a);

double ops_flops(const struct ops *ops); /* all classes of the last plan together */

#endif

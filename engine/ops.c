#include "engine/ops.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct ops *ops_new(const char *backend_name, int threads, struct error *err)
{
    const struct backend *backend = backend_find(backend_name);
    if (backend == NULL) {
        error_set(err, ERROR_USAGE, "no backend is called \"%s\"", backend_name);
        return NULL;
    }
    struct ops *ops = xcalloc(1, sizeof *ops);
    ops->backend = backend;
    ops->threads = threads_new(threads, err);
    if (ops->threads != NULL) ops->context = backend->open(ops->threads, err);
    if (ops->context != NULL) return ops;
    threads_free(ops->threads);
    free(ops);
    return NULL;
}

void ops_free(struct ops *ops)
{
    if (ops == NULL) return;
    ops->backend->memory_free(ops->context, ops->memory);
    ops->backend->close(ops->context);
    threads_free(ops->threads);
    for (int i = 0; i < ops->plan_count; i++) {
        arena_plan_finish(&ops->plans[i]->tensors);
        free(ops->plans[i]);
    }
    free(ops->plans);
    free(ops);
}

/* Keys are compared member by member: padding may hold anything. */
static bool key_is(const struct ops_key *a, const struct ops_key *b)
{
    return a->owner == b->owner && memcmp(a->shape, b->shape, sizeof a->shape) == 0;
}

static struct ops_plan *find_plan(const struct ops *ops, const struct ops_key *key)
{
    for (int i = 0; i < ops->plan_count; i++)
        if (key_is(&ops->plans[i]->key, key)) return ops->plans[i];
    return NULL;
}

static struct ops_plan *add_plan(struct ops *ops, const struct ops_key *key)
{
    struct ops_plan *plan = xcalloc(1, sizeof *plan);
    plan->key = *key;
    ops->plans = xrealloc_array(ops->plans, (size_t)ops->plan_count + 1, sizeof(struct ops_plan *));
    ops->plans[ops->plan_count++] = plan;
    return plan;
}

void ops_plan_begin(struct ops *ops, const struct ops_key *key)
{
    struct ops_plan *plan = find_plan(ops, key);
    arena_begin(&ops->arena, plan != NULL ? &plan->tensors : &add_plan(ops, key)->tensors);
    memset(ops->flops, 0, sizeof ops->flops);
    ops->backend->plan_begin(ops->context);
}

static bool hold_memory(struct ops *ops, size_t size_bytes, struct error *err)
{
    if (size_bytes <= ops->memory_bytes) return true;
    ops->backend->memory_free(ops->context, ops->memory);
    ops->memory_bytes = 0;
    ops->memory = ops->backend->memory_new(ops->context, size_bytes, err);
    if (ops->memory != NULL) ops->memory_bytes = size_bytes;
    return ops->memory != NULL;
}

bool ops_plan_end(struct ops *ops, struct error *err)
{
    struct arena_plan *plan = ops->arena.plan;
    arena_end(&ops->arena);
    if (plan->peak_bytes > ops->planned_bytes) ops->planned_bytes = plan->peak_bytes;
    if (plan->live_bytes > ops->live_bytes) ops->live_bytes = plan->live_bytes;
    if (!ops->sketch && !ops->backend->plan_end(ops->context, err)) return false;
    if (plan->overflow)
        return error_set(err, ERROR_NO_MEMORY,
                         "the tensors of this size do not fit an address space");
    if (ops->sketch) return true;
    if (!hold_memory(ops, plan->peak_bytes, err)) return false;
    arena_run(&ops->arena, plan, ops->memory);
    return true;
}

void ops_run_begin(struct ops *ops, const struct ops_key *key)
{
    struct ops_plan *plan = find_plan(ops, key);
    ZOE_ASSERT(plan != NULL && plan->tensors.peak_bytes <= ops->memory_bytes);
    arena_run(&ops->arena, &plan->tensors, ops->memory);
}

bool ops_planning(const struct ops *ops)
{
    return ops->arena.planning;
}

bool ops_tick(struct ops *ops, double fraction, struct error *err)
{
    if (ops_planning(ops)) return true;
    if (ops->cancel != NULL && atomic_load(ops->cancel))
        return error_set(err, ERROR_INTERRUPTED, "canceled");
    if (ops->tick != NULL) ops->tick(ops->tick_arg, fraction);
    return true;
}

struct tensor ops_take(struct ops *ops, int batch, int frames, int height, int width, int channels)
{
    return arena_take(&ops->arena, batch, frames, height, width, channels);
}

struct tensor ops_take_like(struct ops *ops, const struct tensor *like, int channels)
{
    return ops_take(ops, like->batch, like->frames, like->height, like->width, channels);
}

void ops_give(struct ops *ops, struct tensor *t)
{
    arena_give(&ops->arena, t);
}

/* ---- forwards within forwards ---- */

struct ops_nest ops_nest_begin(struct ops *ops, const struct ops_key *key,
                               const struct tensor *room)
{
    const struct ops_nest nest = {ops->arena};
    struct ops_plan *plan = find_plan(ops, key);
    if (ops_planning(ops)) {
        arena_begin(&ops->arena, plan != NULL ? &plan->tensors : &add_plan(ops, key)->tensors);
        return nest;
    }
    ZOE_ASSERT(plan != NULL && plan->tensors.peak_bytes <= (size_t)tensor_count(room) * 4);
    arena_run(&ops->arena, &plan->tensors, room->data);
    return nest;
}

void ops_nest_end(struct ops *ops, const struct ops_nest *nest)
{
    struct arena inner = ops->arena;
    ops->arena = nest->outer;
    if (!inner.planning) return;
    arena_end(&inner);
    if (inner.plan->overflow) ops->arena.plan->overflow = true;
}

size_t ops_nest_bytes(const struct ops *ops, const struct ops_key *key)
{
    const struct ops_plan *plan = find_plan(ops, key);
    ZOE_ASSERT(plan != NULL);
    return plan->tensors.peak_bytes;
}

struct tensor ops_take_room(struct ops *ops, size_t size_bytes)
{
    const int lanes = ARENA_ALIGN_BYTES / (int)sizeof(float);
    size_t rows = size_bytes / ARENA_ALIGN_BYTES;
    if (rows > INT_MAX) {
        ops->arena.plan->overflow = true;
        rows = INT_MAX;
    }
    return ops_take(ops, 1, 1, 1, (int)rows, lanes);
}

/* ---- counting ---- */

/* Widest product of channels for which a 3-tap convolution of a published model is transformed. */
#define NARROW_CHANNELS ((int64_t)320 * 320)

static void count_flops(struct ops *ops, enum flop_class class, double products)
{
    if (ops_planning(ops)) ops->flops[class] += 2 * products;
}

static void count_conv(struct ops *ops, const struct weight *w, const struct tensor *y, int taps)
{
    const double products = (double)tensor_pixels(y) * taps * w->in * w->out;
    const bool narrow = (int64_t)w->in * w->out <= NARROW_CHANNELS;
    count_flops(ops, taps == 1 ? FLOP_LINEAR : narrow ? FLOP_CONV : FLOP_CONV_WIDE, products);
}

static void count_linear(struct ops *ops, const struct weight *w, const struct tensor *x)
{
    count_flops(ops, FLOP_LINEAR, (double)tensor_pixels(x) * w->in * w->out);
}

double ops_flops(const struct ops *ops)
{
    double sum = 0;
    for (int i = 0; i < FLOP_CLASSES; i++)
        sum += ops->flops[i];
    return sum;
}

/* ---- products in parts ---- */

/* `from` becomes `to`; what `from` held goes back to the arena when it was a temporary of ours. */
struct chain {
    struct tensor held;       /* temporary, or empty */
    const struct tensor *now; /* input of the next part */
};

static void chain_step(struct ops *ops, struct chain *chain, struct tensor next)
{
    ops_give(ops, &chain->held);
    chain->held = next;
    chain->now = &chain->held;
}

static void chain_norm(struct ops *ops, struct chain *chain, const struct norm_args *norm)
{
    if (norm->weight == NULL) return;
    struct tensor next = ops_take_like(ops, chain->now, chain->now->channels);
    ops->backend->group_norm(ops->context, chain->now, norm, &next);
    chain_step(ops, chain, next);
}

static void add_residual(struct ops *ops, const struct tensor *residual, struct tensor *y)
{
    if (residual != NULL) ops->backend->add(ops->context, y, residual, y);
}

/* A residual that is y itself must survive until the product has been written elsewhere. */
static struct tensor product_target(struct ops *ops, const struct tensor *residual,
                                    const struct tensor *y)
{
    if (residual == NULL || (residual->data != y->data || residual->slot != y->slot)) return *y;
    return ops_take_like(ops, y, y->channels);
}

static void finish_product(struct ops *ops, struct tensor *target, const struct tensor *residual,
                           struct tensor *y)
{
    if (target->slot == y->slot && target->data == y->data) {
        add_residual(ops, residual, y);
        return;
    }
    ops->backend->add(ops->context, target, residual, y);
    ops_give(ops, target);
}

static bool conv2d_is_plain(const struct conv2d_args *a)
{
    return a->x2 == NULL && a->norm.weight == NULL && a->resize_height == 0 &&
           a->channels == NULL && a->residual == NULL;
}

static void conv2d_in_parts(struct ops *ops, const struct conv2d_args *a)
{
    const struct backend *backend = ops->backend;
    struct chain chain = {.now = a->x};
    if (a->x2 != NULL) {
        struct tensor both = ops_take_like(ops, a->x, a->x->channels + a->x2->channels);
        backend->concat(ops->context, a->x, a->x2, &both);
        chain_step(ops, &chain, both);
    }
    chain_norm(ops, &chain, &a->norm);
    if (a->resize_height != 0) {
        const struct tensor *x = chain.now;
        struct tensor big =
            ops_take(ops, x->batch, x->frames, a->resize_height, a->resize_width, x->channels);
        backend->resize(ops->context, x, &big);
        chain_step(ops, &chain, big);
    }
    struct tensor target = product_target(ops, a->residual, a->y);
    const struct conv2d_args plain = {.x = chain.now,
                                      .weight = a->weight,
                                      .stride = a->stride,
                                      .pad_top = a->pad_top,
                                      .pad_left = a->pad_left,
                                      .pad_bottom = a->pad_bottom,
                                      .pad_right = a->pad_right,
                                      .y = &target};
    backend->conv2d(ops->context, &plain);
    ops_give(ops, &chain.held);
    if (a->channels != NULL) backend->add_channels(ops->context, &target, a->channels, &target);
    finish_product(ops, &target, a->residual, a->y);
}

void ops_conv2d(struct ops *ops, const struct conv2d_args *a)
{
    const struct backend *backend = ops->backend;
    count_conv(ops, a->weight, a->y, a->weight->kernel * a->weight->kernel);
    if (conv2d_is_plain(a)) {
        backend->conv2d(ops->context, a);
        return;
    }
    if (backend->conv2d_fused != NULL && backend->conv2d_fused(ops->context, a)) return;
    conv2d_in_parts(ops, a);
}

void ops_conv_time(struct ops *ops, const struct conv_time_args *a)
{
    const struct backend *backend = ops->backend;
    count_conv(ops, a->weight, a->y, a->weight->kernel);
    if (a->norm.weight == NULL && a->residual == NULL) {
        backend->conv_time(ops->context, a);
        return;
    }
    if (backend->conv_time_fused != NULL && backend->conv_time_fused(ops->context, a)) return;
    struct chain chain = {.now = a->x};
    chain_norm(ops, &chain, &a->norm);
    struct tensor target = product_target(ops, a->residual, a->y);
    const struct conv_time_args plain = {.x = chain.now, .weight = a->weight, .y = &target};
    backend->conv_time(ops->context, &plain);
    ops_give(ops, &chain.held);
    finish_product(ops, &target, a->residual, a->y);
}

static void activated_product(struct ops *ops, const struct linear_args *a, const struct tensor *x,
                              struct tensor *target)
{
    const struct backend *backend = ops->backend;
    struct tensor wide = *target;
    if (a->activation == ACTIVATION_GEGLU) wide = ops_take_like(ops, target, a->weight->out);
    const struct linear_args plain = {.x = x, .weight = a->weight, .y = &wide};
    backend->linear(ops->context, &plain);
    if (a->activation != ACTIVATION_NONE)
        backend->activate(ops->context, a->activation, &wide, target);
    if (a->activation == ACTIVATION_GEGLU) ops_give(ops, &wide);
}

static void linear_in_parts(struct ops *ops, const struct linear_args *a)
{
    struct chain chain = {.now = a->x};
    chain_norm(ops, &chain, &a->norm);
    if (a->layer_norm != NULL) {
        struct tensor next = ops_take_like(ops, chain.now, chain.now->channels);
        ops->backend->layer_norm(ops->context, chain.now, a->layer_norm, a->layer_norm_eps, &next);
        chain_step(ops, &chain, next);
    }
    struct tensor target = product_target(ops, a->residual, a->y);
    activated_product(ops, a, chain.now, &target);
    ops_give(ops, &chain.held);
    finish_product(ops, &target, a->residual, a->y);
}

void ops_linear(struct ops *ops, const struct linear_args *a)
{
    const struct backend *backend = ops->backend;
    count_linear(ops, a->weight, a->x);
    if (a->norm.weight == NULL && a->layer_norm == NULL && a->activation == ACTIVATION_NONE &&
        a->residual == NULL) {
        backend->linear(ops->context, a);
        return;
    }
    if (backend->linear_fused != NULL && backend->linear_fused(ops->context, a)) return;
    linear_in_parts(ops, a);
}

void ops_feed_forward(struct ops *ops, const struct feed_forward_args *a)
{
    const struct backend *backend = ops->backend;
    if (backend->feed_forward_fused != NULL && backend->feed_forward_fused(ops->context, a)) {
        count_linear(ops, a->up, a->x);
        count_linear(ops, a->down, a->x);
        return;
    }
    struct tensor middle = ops_take_like(ops, a->x, a->down->in);
    const struct linear_args up = {.x = a->x,
                                   .layer_norm = a->layer_norm,
                                   .layer_norm_eps = a->layer_norm_eps,
                                   .weight = a->up,
                                   .activation = ACTIVATION_GEGLU,
                                   .y = &middle};
    ops_linear(ops, &up);
    const struct linear_args down = {.x = &middle, .weight = a->down, .residual = a->x, .y = a->y};
    ops_linear(ops, &down);
    ops_give(ops, &middle);
}

void ops_attention(struct ops *ops, const struct attention_args *a)
{
    const bool time = a->axis == ATTENTION_TIME;
    const int keys = time ? a->k->frames : a->k->height * a->k->width;
    count_flops(ops, FLOP_LINEAR, 2.0 * (double)tensor_count(a->q) * keys);
    ops->backend->attention(ops->context, a);
}

#include "engine/calibration.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/xalloc.h"

#define RUN_NS INT64_C(150000000)
#define SAMPLE_PIXELS 32 /* each way */

/* One product of a class, of a size that published models have at their outer levels. */
static const struct sample {
    enum weight_kind kind;
    int in, out, kernel;
} samples[FLOP_CLASSES] = {
    [FLOP_CONV] = {WEIGHT_CONV2D, 320, 320, 3},
    [FLOP_CONV_WIDE] = {WEIGHT_CONV2D, 640, 640, 3},
    [FLOP_LINEAR] = {WEIGHT_LINEAR, 640, 2560, 1},
};

static struct weight *sample_weight(struct ops *ops, const struct sample *s, struct error *err)
{
    const size_t count = (size_t)s->in * (size_t)s->out * (size_t)(s->kernel * s->kernel);
    uint16_t *halves = alloc_checked(count, sizeof *halves, "calibration", err);
    if (halves == NULL) return NULL;
    for (size_t i = 0; i < count; i++)
        halves[i] = (uint16_t)(0x2000 | (i * 7919 & 0x83ff)); /* about 0.01, both signs */
    const struct weight_spec spec = {
        .kind = s->kind,
        .name = "calibration",
        .in = s->in,
        .out = s->out,
        .kernel = s->kernel,
        .part_count = 1,
        .narrow = true,
        .parts = {{s->out, {halves, TENSOR_F16, (int64_t)count}, {0}}}};
    struct weight *made = ops->backend->prepare(ops->context, &spec, err);
    free(halves);
    return made;
}

static void multiply(struct ops *ops, const struct weight *w, const float *values)
{
    struct tensor x = ops_take(ops, 1, 1, SAMPLE_PIXELS, SAMPLE_PIXELS, w->in);
    struct tensor y = ops_take_like(ops, &x, w->out);
    ops->backend->write(ops->context, &x, values);
    if (w->kind == WEIGHT_LINEAR) {
        const struct linear_args args = {.x = &x, .weight = w, .y = &y};
        ops_linear(ops, &args);
    } else {
        const struct conv2d_args args = {.x = &x,
                                         .weight = w,
                                         .stride = 1,
                                         .pad_top = 1,
                                         .pad_left = 1,
                                         .pad_bottom = 1,
                                         .pad_right = 1,
                                         .y = &y};
        ops_conv2d(ops, &args);
    }
    ops->backend->sync(ops->context);
    ops_give(ops, &y);
    ops_give(ops, &x);
}

static bool measure(struct ops *ops, const struct sample *s, double *out, struct error *err)
{
    const size_t count = (size_t)SAMPLE_PIXELS * SAMPLE_PIXELS * (size_t)s->in;
    const struct ops_key key = {s, {0}};
    struct weight *w = sample_weight(ops, s, err);
    float *values = w != NULL ? alloc_checked(count, sizeof *values, "calibration", err) : NULL;
    if (values == NULL) {
        ops->backend->release(ops->context, w);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(i % 17) - 8;
    ops_plan_begin(ops, &key);
    multiply(ops, w, values);
    const double flops = ops_flops(ops);
    const bool ok = ops_plan_end(ops, err);
    int runs = 0;
    int64_t begun = 0, now = 0;
    for (; ok && (runs < 2 || now - begun < RUN_NS); runs++) {
        ops_run_begin(ops, &key);
        multiply(ops, w, values);
        now = clock_now_ns();
        if (runs == 0) begun = now; /* the first one warms up */
    }
    if (ok) *out = flops * (runs - 1) / ((double)(now - begun) * 1e-9);
    ops->backend->release(ops->context, w);
    free(values);
    return ok;
}

bool calibration_run(const char *backend, int threads, double out[FLOP_CLASSES], struct error *err)
{
    struct ops *ops = ops_new(backend, threads, err);
    bool ok = ops != NULL;
    for (int i = 0; ok && i < FLOP_CLASSES; i++)
        ok = measure(ops, &samples[i], &out[i], err);
    ops_free(ops);
    return ok;
}

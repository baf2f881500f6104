/* engine_estimate: a model sketched, products timed. */
#include "base/xalloc.h"
#include "engine/calibration.h"
#include "engine/engine.h"
#include "engine/folder/model_folder.h"
#include "engine/model/family.h"

#define ESTIMATE_SCHEMA 1

/* Program, libraries, tables of the tokenizer. */
#define PROGRAM_BYTES ((size_t)24 << 20)

static double sum(const double *flops)
{
    double all = 0;
    for (int i = 0; i < FLOP_CLASSES; i++)
        all += flops[i];
    return all;
}

static double seconds(const double *flops, const double *speed)
{
    double all = 0;
    for (int i = 0; i < FLOP_CLASSES; i++)
        all += flops[i] / speed[i];
    return all;
}

static json_t *number(size_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *memory_facts(const struct ops *ops, size_t other)
{
    const struct backend_usage usage = ops->backend->usage(ops->context);
    const size_t peak = ops->held_bytes_total + usage.transformed_bytes + ops->planned_bytes +
                        usage.workspace_bytes + other + PROGRAM_BYTES;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "stored",
                     number(ops->stored_bytes), "weights", number(ops->held_bytes_total),
                     "transformed", number(usage.transformed_bytes), "tensors",
                     number(ops->planned_bytes), "live", number(ops->live_bytes), "workspace",
                     number(usage.workspace_bytes), "other", number(other), "peak", number(peak));
}

static json_t *phases(double text, double step, double frame, const struct engine_size *size)
{
    return json_pack("{s:f, s:f, s:f, s:f}", "text", text, "step", step, "frame", frame, "total",
                     text + step * size->steps + frame * size->frames);
}

static json_t *report(const struct model_folder *m, const struct engine_options *options,
                      const struct engine_size *size, const struct ops *ops,
                      const struct family_sketch *s, const double *speed)
{
    json_t *facts =
        json_pack("{s:i, s:s, s:s, s:i, s:i, s:i, s:i, s:b, s:i}", "schema", ESTIMATE_SCHEMA,
                  "model", m->name, "weights", s->assumed ? "assumed" : "found", "width",
                  size->width, "height", size->height, "frames", size->frames, "steps", size->steps,
                  "guided", size->guided, "threads", options->threads);
    ZOE_ASSERT(facts != NULL);
    json_object_set_new(facts, "memory", memory_facts(ops, s->other_bytes));
    json_object_set_new(facts, "flops", phases(sum(s->text), sum(s->step), sum(s->frame), size));
    if (size->memory_only) return facts;
    json_object_set_new(facts, "gflops",
                        json_pack("{s:f, s:f, s:f}", "conv", speed[FLOP_CONV] * 1e-9, "conv_wide",
                                  speed[FLOP_CONV_WIDE] * 1e-9, "linear",
                                  speed[FLOP_LINEAR] * 1e-9));
    json_object_set_new(
        facts, "seconds",
        phases(seconds(s->text, speed), seconds(s->step, speed), seconds(s->frame, speed), size));
    return facts;
}

static bool within(json_t *facts, const char *name, int value, struct error *err)
{
    const json_t *range = json_object_get(facts, name);
    const json_int_t least = json_integer_value(json_object_get(range, "min")),
                     most = json_integer_value(json_object_get(range, "max")),
                     step = json_integer_value(json_object_get(range, "step"));
    if (value >= least && value <= most && (value - least) % (step > 0 ? step : 1) == 0)
        return true;
    return error_set(err, ERROR_USAGE, "%s must be within %lld..%lld in steps of %lld, not %d",
                     name, (long long)least, (long long)most, (long long)step, value);
}

static bool check_size(const struct model_folder *m, const struct engine_size *size,
                       struct error *err)
{
    json_t *facts = model_folder_facts(m, err);
    const bool ok = facts != NULL && within(facts, "width", size->width, err) &&
                    within(facts, "height", size->height, err) &&
                    within(facts, "frames", size->frames, err) &&
                    within(facts, "steps", size->steps, err);
    json_decref(facts);
    return ok;
}

static json_t *sketch(const struct model_folder *m, const struct engine_options *options,
                      const struct engine_size *size, struct error *err)
{
    struct family_sketch s = {0};
    double speed[FLOP_CLASSES];
    if (!check_size(m, size, err)) return NULL;
    struct ops *ops = ops_new(options->backend, options->threads, err);
    if (ops == NULL) return NULL;
    ops->sketch = true;
    const bool ok =
        (m->family->sketch == NULL || m->family->sketch(m, ops, size, &s, err)) &&
        (size->memory_only || calibration_run(options->backend, options->threads, speed, err));
    json_t *facts = ok ? report(m, options, size, ops, &s, speed) : NULL;
    ops_free(ops);
    return facts;
}

json_t *engine_estimate(const char *folder, const struct engine_options *options,
                        const struct engine_size *size, struct error *err)
{
    struct model_folder m;
    if (!model_folder_open(&m, folder, err)) return NULL;
    json_t *facts = sketch(&m, options, size, err);
    model_folder_close(&m);
    return facts;
}

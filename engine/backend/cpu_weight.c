/* cpu_weight: stored weights to panels. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/backend/cpu.h"

const struct cpu_weight *cpu_weight_of(const struct weight *w)
{
    return (const struct cpu_weight *)(const void *)w;
}

float cpu_matrix_at(const struct cpu_kernels *k, const struct cpu_matrix *m, int depth, int column)
{
    const size_t width = (size_t)k->width, panel = (size_t)column / width;
    return m->panels[(panel * (size_t)m->depth + (size_t)depth) * width + (size_t)column % width];
}

void cpu_weight_release(struct backend_context *c, struct weight *weight)
{
    (void)c;
    if (weight == NULL) return;
    struct cpu_weight *w = (struct cpu_weight *)(void *)weight;
    if (w->points != NULL) free(w->points->panels);
    free(w->points);
    free(w->matrix.panels);
    free(w->rows);
    free(w->bias);
    free(w);
}

static bool is_product(enum weight_kind kind)
{
    return kind == WEIGHT_CONV2D || kind == WEIGHT_CONV_TIME || kind == WEIGHT_LINEAR;
}

static int tap_count(const struct weight_spec *spec)
{
    return spec->kind == WEIGHT_CONV2D ? spec->kernel * spec->kernel : spec->kernel;
}

/* One stored row [in][taps] to column `column` of the panels, tap by tap. */
static void place_row(const struct cpu_matrix *m, int width, int taps, const float *row, int column)
{
    float *to = m->panels + (size_t)(column / width) * (size_t)m->depth * (size_t)width +
                (size_t)(column % width);
    const int in = m->depth / taps;
    for (int t = 0; t < taps; t++)
        for (int i = 0; i < in; i++, to += width)
            *to = row[(size_t)i * (size_t)taps + (size_t)t];
}

static bool fill_matrix(struct cpu_weight *w, const struct cpu_kernels *k,
                        const struct weight_spec *spec, struct error *err)
{
    const int depth = w->matrix.depth;
    float *row = alloc_checked((size_t)depth, sizeof *row, spec->name, err);
    if (row == NULL) return false;
    int column = 0;
    for (int part = 0; part < spec->part_count; part++)
        for (int r = 0; r < spec->parts[part].out; r++) {
            weight_array_read(&spec->parts[part].weight, (int64_t)r * depth, depth, row);
            place_row(&w->matrix, k->width, tap_count(spec), row, column++);
        }
    free(row);
    return true;
}

static bool prepare_matrix(struct cpu_weight *w, const struct cpu_kernels *k,
                           const struct weight_spec *spec, struct error *err)
{
    const size_t width = (size_t)k->width, columns = cpu_round_up((size_t)spec->out, width);
    size_t depth, count;
    if (!size_mul((size_t)spec->in, (size_t)tap_count(spec), &depth) || depth > INT32_MAX ||
        !size_mul(depth, columns, &count))
        return error_set(err, ERROR_INVALID, "%s is too large", spec->name);
    w->matrix.depth = (int)depth;
    w->matrix.columns = spec->out;
    w->matrix.panels = alloc_checked(count, sizeof(float), spec->name, err);
    if (w->matrix.panels == NULL) return false;
    const bool three_taps = spec->kind != WEIGHT_LINEAR && spec->kernel == 3;
    if (three_taps) {
        w->points = alloc_checked(1, sizeof *w->points, spec->name, err);
        if (w->points == NULL) return false;
    }
    return fill_matrix(w, k, spec, err);
}

static bool prepare_rows(struct cpu_weight *w, const struct weight_spec *spec, struct error *err)
{
    const struct weight_array *stored = &spec->parts[0].weight;
    w->rows = alloc_checked((size_t)stored->count, sizeof(float), spec->name, err);
    if (w->rows == NULL) return false;
    weight_array_read(stored, 0, stored->count, w->rows);
    return true;
}

static bool prepare_bias(struct cpu_weight *w, const struct cpu_kernels *k,
                         const struct weight_spec *spec, struct error *err)
{
    const size_t count = cpu_round_up((size_t)spec->out, (size_t)k->width);
    w->bias = alloc_checked(count, sizeof(float), spec->name, err);
    if (w->bias == NULL) return false;
    float *to = w->bias;
    for (int part = 0; part < spec->part_count; part++) {
        const struct weight_array *b = &spec->parts[part].bias;
        if (b->data != NULL) weight_array_read(b, 0, b->count, to);
        to += spec->parts[part].out;
    }
    return true;
}

struct weight *cpu_weight_prepare(struct backend_context *c, const struct weight_spec *spec,
                                  struct error *err)
{
    struct cpu_weight *w = alloc_checked(1, sizeof *w, spec->name, err);
    if (w == NULL) return NULL;
    w->head = (struct weight){spec->kind, spec->in, spec->out, spec->kernel};
    const bool ok = (is_product(spec->kind) ? prepare_matrix(w, c->kernels, spec, err)
                                            : prepare_rows(w, spec, err)) &&
                    (spec->kind == WEIGHT_EMBEDDING || prepare_bias(w, c->kernels, spec, err));
    if (ok) return &w->head;
    cpu_weight_release(c, &w->head);
    return NULL;
}

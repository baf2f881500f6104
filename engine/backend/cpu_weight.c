/* cpu_weight: stored weights to panels: float32, or the stored 16 bits, widened block by block
 * where a product needs them (cpu_tile.c). */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/backend/cpu.h"

const struct cpu_weight *cpu_weight_of(const struct weight *w)
{
    return (const struct cpu_weight *)(const void *)w;
}

static float widened(enum tensor_dtype dtype, uint16_t bits)
{
    return dtype == TENSOR_F16 ? tensor_half_to_float(bits) : tensor_bfloat_to_float(bits);
}

float cpu_matrix_at(const struct cpu_kernels *k, const struct cpu_matrix *m, int depth, int column)
{
    const size_t width = (size_t)k->width, panel = (size_t)column / width;
    const size_t at = (panel * (size_t)m->depth + (size_t)depth) * width + (size_t)column % width;
    return m->narrow != NULL ? widened(m->dtype, m->narrow[at]) : m->panels[at];
}

void cpu_weight_release(struct backend_context *c, struct weight *weight)
{
    (void)c;
    if (weight == NULL) return;
    struct cpu_weight *w = (struct cpu_weight *)(void *)weight;
    if (w->points != NULL) free(w->points->panels);
    free(w->points);
    free(w->matrix.panels);
    free(w->matrix.narrow);
    free(w->rows);
    free(w->narrow_rows);
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

/* All parts of one 16-bit type, which are to stay so. */
static bool stays_narrow(const struct weight_spec *spec)
{
    const enum tensor_dtype first = spec->parts[0].weight.dtype;
    bool same = spec->narrow && (first == TENSOR_F16 || first == TENSOR_BF16);
    for (int i = 1; i < spec->part_count; i++)
        same = same && spec->parts[i].weight.dtype == first;
    return same;
}

/* ---- products: stored rows become columns of panels ---- */

/* Where element `input` of tap 0 of a column lies; the next input is a panel's width further. */
static size_t column_start(const struct cpu_matrix *m, int width, int column)
{
    return (size_t)(column / width) * (size_t)m->depth * (size_t)width + (size_t)(column % width);
}

/* One stored row [in][taps] to column `column`, tap by tap. */
static void place_row(const struct cpu_matrix *m, int width, int taps, const float *row, int column)
{
    float *to = m->panels + column_start(m, width, column);
    const int in = m->depth / taps;
    for (int t = 0; t < taps; t++)
        for (int i = 0; i < in; i++, to += width)
            *to = row[(size_t)i * (size_t)taps + (size_t)t];
}

/* The same for bytes of a file, which are aligned to nothing. */
static void place_narrow_row(const struct cpu_matrix *m, int width, int taps,
                             const unsigned char *row, int column)
{
    uint16_t *to = m->narrow + column_start(m, width, column);
    const int in = m->depth / taps;
    for (int t = 0; t < taps; t++)
        for (int i = 0; i < in; i++, to += width)
            memcpy(to, row + 2 * ((size_t)i * (size_t)taps + (size_t)t), sizeof *to);
}

static void fill_narrow(struct cpu_weight *w, const struct cpu_kernels *k,
                        const struct weight_spec *spec)
{
    const size_t row_bytes = 2 * (size_t)w->matrix.depth;
    int column = 0;
    for (int part = 0; part < spec->part_count; part++) {
        const unsigned char *from = spec->parts[part].weight.data;
        for (int r = 0; r < spec->parts[part].out; r++, from += row_bytes)
            place_narrow_row(&w->matrix, k->width, tap_count(spec), from, column++);
    }
}

static bool fill_wide(struct cpu_weight *w, const struct cpu_kernels *k,
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

static bool fill_matrix(struct cpu_weight *w, const struct cpu_kernels *k, size_t count,
                        const struct weight_spec *spec, struct error *err)
{
    const bool narrow = stays_narrow(spec);
    w->head.held_bytes = count * (narrow ? sizeof(uint16_t) : sizeof(float));
    if (spec->planned) return true;
    if (!narrow) {
        w->matrix.panels = alloc_checked(count, sizeof(float), spec->name, err);
        return w->matrix.panels != NULL && fill_wide(w, k, spec, err);
    }
    w->matrix.narrow = alloc_checked(count, sizeof(uint16_t), spec->name, err);
    if (w->matrix.narrow == NULL) return false;
    w->matrix.dtype = spec->parts[0].weight.dtype;
    fill_narrow(w, k, spec);
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
    const bool three_taps = spec->kind != WEIGHT_LINEAR && spec->kernel == 3;
    if (three_taps) {
        w->points = alloc_checked(1, sizeof *w->points, spec->name, err);
        if (w->points == NULL) return false;
    }
    return fill_matrix(w, k, count, spec, err);
}

/* ---- rows, shifts and biases ---- */

static bool prepare_rows(struct cpu_weight *w, const struct weight_spec *spec, struct error *err)
{
    const struct weight_array *stored = &spec->parts[0].weight;
    const size_t count = (size_t)stored->count;
    const bool narrow = spec->kind == WEIGHT_EMBEDDING && stays_narrow(spec);
    w->head.held_bytes = count * (narrow ? sizeof(uint16_t) : sizeof(float));
    if (spec->planned) return true;
    if (narrow) {
        w->narrow_rows = alloc_checked(count, sizeof(uint16_t), spec->name, err);
        if (w->narrow_rows == NULL) return false;
        w->dtype = stored->dtype;
        memcpy(w->narrow_rows, stored->data, count * sizeof(uint16_t));
        return true;
    }
    w->rows = alloc_checked(count, sizeof(float), spec->name, err);
    if (w->rows == NULL) return false;
    weight_array_read(stored, 0, stored->count, w->rows);
    return true;
}

static bool prepare_bias(struct cpu_weight *w, const struct cpu_kernels *k,
                         const struct weight_spec *spec, struct error *err)
{
    const size_t count = cpu_round_up((size_t)spec->out, (size_t)k->width);
    w->head.held_bytes += count * sizeof(float);
    if (spec->planned) return true;
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
    w->head = (struct weight){spec->kind, spec->in, spec->out, spec->kernel, 0};
    const bool ok = (is_product(spec->kind) ? prepare_matrix(w, c->kernels, spec, err)
                                            : prepare_rows(w, spec, err)) &&
                    (spec->kind == WEIGHT_EMBEDDING || prepare_bias(w, c->kernels, spec, err));
    if (ok) return &w->head;
    cpu_weight_release(c, &w->head);
    return NULL;
}

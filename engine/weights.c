#include "engine/weights.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/xalloc.h"
#include "engine/lora/lora_set.h"

#define IGNORE_MAX 8
#define NAME_SIZE 256

/* Problems shown in full; the rest is counted. */
#define PROBLEMS_SHOWN 12

struct weights {
    struct tensor_file *file; /* borrowed; NULL when planning without files */
    struct ops *ops;
    struct weight_set *set;
    bool *used; /* per entry of the file */
    struct buf problems;
    int problem_count;
    bool failed; /* a backend refused a weight: `failure` says why */
    struct error failure;
    const char *prefixes[IGNORE_MAX], *suffixes[IGNORE_MAX];
    int prefix_count, suffix_count;
    float *merged[2 * WEIGHT_PARTS]; /* tensors changed by LoRAs, until they are prepared */
    int merged_count;
    const struct tensor_entry *taken[2 * WEIGHT_PARTS]; /* of the weight that comes next */
    int taken_count;
};

void weight_set_release(struct weight_set *set, struct ops *ops)
{
    for (int i = 0; i < set->count; i++) {
        ops->weight_bytes -= set->items[i]->held_bytes;
        ops->backend->release(ops->context, set->items[i]);
    }
    free(set->items);
    memset(set, 0, sizeof *set);
}

static void weight_set_add(struct weight_set *set, struct weight *item)
{
    if (set->count == set->capacity) {
        set->capacity = set->capacity == 0 ? 64 : 2 * set->capacity;
        set->items = xrealloc_array(set->items, (size_t)set->capacity, sizeof *set->items);
    }
    set->items[set->count++] = item;
}

struct weights *weights_open(struct model_parts *parts, enum model_part part, struct ops *ops,
                             struct weight_set *set, struct error *err)
{
    struct error why = {0};
    struct tensor_file *file = model_parts_tensors(parts, part, &why);
    const bool absent = file == NULL && ops->sketch && why.code == ERROR_NOT_FOUND;
    if (file == NULL && !absent) {
        if (err != NULL) *err = why;
        return NULL;
    }
    struct weights *w = xcalloc(1, sizeof *w);
    w->file = file;
    w->ops = ops;
    w->set = set;
    w->used = xcalloc(absent ? 1 : (size_t)tensor_file_count(file) + 1, sizeof *w->used);
    return w;
}

__attribute__((format(printf, 2, 3))) static void problem(struct weights *w, const char *format,
                                                          ...)
{
    char text[NAME_SIZE + 128];
    va_list args;
    if (w->problem_count++ >= PROBLEMS_SHOWN) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_printf(&w->problems, "%s%s", w->problem_count > 1 ? "; " : "", text);
}

static bool ignored(const struct weights *w, const char *name)
{
    for (int i = 0; i < w->prefix_count; i++)
        if (strncmp(name, w->prefixes[i], strlen(w->prefixes[i])) == 0) return true;
    const size_t length = strlen(name);
    for (int i = 0; i < w->suffix_count; i++) {
        const size_t tail = strlen(w->suffixes[i]);
        if (length >= tail && strcmp(name + length - tail, w->suffixes[i]) == 0) return true;
    }
    return false;
}

static void name_left_over(struct weights *w)
{
    for (int i = 0; w->file != NULL && i < tensor_file_count(w->file); i++) {
        const char *name = tensor_file_at(w->file, i)->name;
        if (!w->used[i] && !ignored(w, name)) problem(w, "extra %s", name);
    }
}

static void drop_merged(struct weights *w)
{
    while (w->merged_count > 0)
        free(w->merged[--w->merged_count]);
}

static void weights_free(struct weights *w)
{
    drop_merged(w);
    free(w->used);
    buf_finish(&w->problems);
    free(w);
}

bool weights_finish(struct weights *w, struct error *err)
{
    if (w == NULL) return false;
    bool ok = !w->failed;
    if (!ok && err != NULL) *err = w->failure;
    if (ok) name_left_over(w);
    if (ok && w->problem_count > PROBLEMS_SHOWN)
        buf_printf(&w->problems, "; and %d more", w->problem_count - PROBLEMS_SHOWN);
    if (ok && w->problem_count > 0)
        ok = error_set(err, ERROR_INVALID, "%s: %s", tensor_file_path(w->file),
                       buf_text(&w->problems));
    weights_free(w);
    return ok;
}

bool weights_has(const struct weights *w, const char *name)
{
    return w->file != NULL ? tensor_file_find(w->file, name) != NULL : true;
}

void weights_ignore_prefix(struct weights *w, const char *prefix)
{
    ZOE_ASSERT(w->prefix_count < IGNORE_MAX);
    w->prefixes[w->prefix_count++] = prefix;
}

void weights_ignore_suffix(struct weights *w, const char *suffix)
{
    ZOE_ASSERT(w->suffix_count < IGNORE_MAX);
    w->suffixes[w->suffix_count++] = suffix;
}

/* ---- asking ---- */

const char *weights_name(char out[WEIGHT_NAME_SIZE], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out, WEIGHT_NAME_SIZE, format, args);
    va_end(args);
    return out;
}

/* Trailing ones beyond `rank` in the file are as good as none: [64,64,1,1] is a [64,64]. */
static bool shape_fits(const struct tensor_entry *e, int rank, const int64_t *dim)
{
    if (e->rank < rank) return false;
    for (int i = 0; i < e->rank; i++)
        if (e->dim[i] != (i < rank ? dim[i] : 1)) return false;
    return true;
}

/* The tensor with the model's LoRAs merged into it, as a float32 copy. */
static bool change(struct weights *w, const char *name, struct weight_array *array)
{
    struct error why = {0};
    if (w->failed || w->problem_count > 0) return true; /* nothing will be prepared any more */
    if (w->ops->sketch || !lora_set_changes(w->ops->loras, name)) return true;
    ZOE_ASSERT(w->merged_count < 2 * WEIGHT_PARTS);
    float *merged = lora_set_merge(w->ops->loras, name, array, w->ops->threads, &why);
    if (merged == NULL) {
        problem(w, "%s", why.message);
        return false;
    }
    w->merged[w->merged_count++] = merged;
    *array = (struct weight_array){merged, TENSOR_F32, array->count};
    return true;
}

/* A tensor of a model whose files are not here: published models hold 16 bits. */
static bool imagine(int rank, const int64_t *dim, struct weight_array *out)
{
    *out = (struct weight_array){NULL, TENSOR_F16, 1};
    for (int i = 0; i < rank; i++)
        out->count *= dim[i];
    return true;
}

static void check_finite(struct weights *w, const char *name, const struct weight_array *array)
{
    if (array->data == NULL) return;
    const int64_t at = tensor_find_not_finite(array->dtype, array->data, array->count);
    if (at >= 0) problem(w, "%s: value %lld is not finite", name, (long long)at);
}

static bool take(struct weights *w, const char *name, int rank, const int64_t *dim,
                 struct weight_array *out)
{
    char want[96], have[96];
    if (w->file == NULL) return imagine(rank, dim, out);
    const struct tensor_entry *e = tensor_file_find(w->file, name);
    tensor_shape_text(rank, dim, want, sizeof want);
    if (e == NULL) {
        problem(w, "missing %s %s", name, want);
        return false;
    }
    w->used[e - tensor_file_at(w->file, 0)] = true;
    if (!shape_fits(e, rank, dim)) {
        tensor_shape_text(e->rank, e->dim, have, sizeof have);
        problem(w, "%s is %s, not %s", name, have, want);
        return false;
    }
    if (e->dtype != TENSOR_F32 && e->dtype != TENSOR_F16 && e->dtype != TENSOR_BF16) {
        problem(w, "%s holds %s; F32, F16 and BF16 are read", name, tensor_dtype_name(e->dtype));
        return false;
    }
    *out = (struct weight_array){NULL, e->dtype, e->count};
    if (w->ops->sketch) return true;
    struct error why = {0};
    out->data = tensor_file_data(w->file, e, &why);
    if (out->data == NULL) problem(w, "%s", why.message);
    check_finite(w, name, out);
    ZOE_ASSERT(w->taken_count < 2 * WEIGHT_PARTS);
    w->taken[w->taken_count++] = e;
    return out->data != NULL && change(w, name, out);
}

static bool take_member(struct weights *w, const char *name, const char *member, int rank,
                        const int64_t *dim, struct weight_array *out)
{
    char full[NAME_SIZE];
    if (snprintf(full, sizeof full, "%s.%s", name, member) < (int)sizeof full)
        return take(w, full, rank, dim, out);
    problem(w, "a name is too long: %.64s", name);
    return false;
}

/* What was prepared is the backend's now: the file's pages need not stay in memory. */
static void drop_taken(struct weights *w)
{
    drop_merged(w);
    while (w->taken_count > 0)
        tensor_entry_drop(w->taken[--w->taken_count]);
}

static size_t stored_bytes(const struct weight_spec *spec)
{
    size_t bytes = 0;
    for (int i = 0; i < spec->part_count; i++) {
        const struct weight_array *parts[] = {&spec->parts[i].weight, &spec->parts[i].bias};
        for (int k = 0; k < 2; k++)
            bytes += (size_t)parts[k]->count * tensor_dtype_size(parts[k]->dtype);
    }
    return bytes;
}

/* `found`: all of its tensors were. */
static const struct weight *prepare(struct weights *w, struct weight_spec *spec, bool found)
{
    struct weight *made = NULL;
    struct ops *ops = w->ops;
    spec->narrow = ops->narrow;
    spec->planned = ops->sketch;
    if (found && !w->failed && w->problem_count == 0)
        made = ops->backend->prepare(ops->context, spec, &w->failure);
    drop_taken(w);
    if (!found || w->problem_count > 0) return NULL;
    if (made == NULL) {
        w->failed = true;
        return NULL;
    }
    ops->weight_bytes += made->held_bytes;
    ops->held_bytes_total += made->held_bytes;
    ops->stored_bytes += stored_bytes(spec);
    weight_set_add(w->set, made);
    return made;
}

static const struct weight *convolution(struct weights *w, const char *name, enum weight_kind kind,
                                        int in, int out, int kernel)
{
    const int64_t flat[] = {out, in, kernel, kernel}, deep[] = {out, in, kernel, 1, 1};
    const int64_t bias[] = {out};
    const bool in_time = kind == WEIGHT_CONV_TIME;
    struct weight_spec spec = {.kind = kind,
                               .name = name,
                               .in = in,
                               .out = out,
                               .kernel = kernel,
                               .part_count = 1,
                               .parts = {{.out = out}}};
    const bool found = take_member(w, name, "weight", in_time ? 5 : 4, in_time ? deep : flat,
                                   &spec.parts[0].weight);
    const bool biased = take_member(w, name, "bias", 1, bias, &spec.parts[0].bias);
    return prepare(w, &spec, found && biased);
}

const struct weight *weights_conv2d(struct weights *w, const char *name, int in, int out,
                                    int kernel)
{
    return convolution(w, name, WEIGHT_CONV2D, in, out, kernel);
}

const struct weight *weights_conv_time(struct weights *w, const char *name, int in, int out)
{
    return convolution(w, name, WEIGHT_CONV_TIME, in, out, 3);
}

static bool add_linear_part(struct weights *w, struct weight_spec *spec, const char *name, int out,
                            bool bias)
{
    const int64_t matrix[] = {out, spec->in}, vector[] = {out};
    const int part = spec->part_count++;
    spec->out += out;
    spec->parts[part].out = out;
    const bool found = take_member(w, name, "weight", 2, matrix, &spec->parts[part].weight);
    return (!bias || take_member(w, name, "bias", 1, vector, &spec->parts[part].bias)) && found;
}

const struct weight *weights_linear(struct weights *w, const char *name, int in, int out, bool bias)
{
    struct weight_spec spec = {.kind = WEIGHT_LINEAR, .name = name, .in = in, .kernel = 1};
    const bool found = add_linear_part(w, &spec, name, out, bias);
    return prepare(w, &spec, found);
}

const struct weight *weights_linear_stack(struct weights *w, const char *name,
                                          const char *const *parts, int in, int out, bool bias)
{
    struct weight_spec spec = {.kind = WEIGHT_LINEAR, .name = name, .in = in, .kernel = 1};
    bool ok = true;
    for (int i = 0; parts[i] != NULL; i++) {
        char full[NAME_SIZE];
        ZOE_ASSERT(i < WEIGHT_PARTS);
        snprintf(full, sizeof full, "%s%s", name, parts[i]);
        ok = add_linear_part(w, &spec, full, out, bias) && ok;
    }
    return prepare(w, &spec, ok);
}

const struct weight *weights_norm(struct weights *w, const char *name, int channels)
{
    const int64_t dim[] = {channels};
    struct weight_spec spec = {.kind = WEIGHT_NORM,
                               .name = name,
                               .in = channels,
                               .out = channels,
                               .kernel = 1,
                               .part_count = 1,
                               .parts = {{.out = channels}}};
    const bool scale = take_member(w, name, "weight", 1, dim, &spec.parts[0].weight);
    const bool shift = take_member(w, name, "bias", 1, dim, &spec.parts[0].bias);
    return prepare(w, &spec, scale && shift);
}

const struct weight *weights_embedding(struct weights *w, const char *name, int rows, int channels)
{
    const int64_t dim[] = {rows, channels};
    struct weight_spec spec = {.kind = WEIGHT_EMBEDDING,
                               .name = name,
                               .in = rows,
                               .out = channels,
                               .kernel = 1,
                               .part_count = 1,
                               .parts = {{.out = rows}}};
    const bool found = take(w, name, 2, dim, &spec.parts[0].weight);
    return prepare(w, &spec, found);
}

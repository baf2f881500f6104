/* Keys are sorted into slots, one set a module; then each module's slots become deltas. Files that
 * have an order instead of names fill the slots by walking the base (lora_slots.c). */
#include "engine/lora/lora_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "engine/lora/lora_pair.h"
#include "engine/lora/lora_slots.h"

struct lora_file {
    char *path;
    struct tensor_file *file;
    struct lora_slots slots;
    struct lora_delta *deltas;
    int delta_count;
    int modules[2]; /* changed ones: UNet, text encoder */
    int64_t rank_min, rank_max;
};

/* ---- deltas ---- */

static void keep(struct lora_file *f, const struct lora_delta *d)
{
    f->deltas[f->delta_count++] = *d;
    if (d->kind > LORA_PRODUCT_MEAN) return;
    if (f->rank_min == 0 || d->rank < f->rank_min) f->rank_min = d->rank;
    if (d->rank > f->rank_max) f->rank_max = d->rank;
}

static void take_whole(struct lora_file *f, const struct lora_module *m, int module, int *slots,
                       enum lora_role role)
{
    const bool bias = role == LORA_VALUE_BIAS || role == LORA_ADDED_BIAS;
    const bool sum = role == LORA_ADDED || role == LORA_ADDED_BIAS;
    const int entry = slots[role] - 1;
    if (entry < 0) return;
    const struct tensor_entry *e = tensor_file_at(f->file, entry);
    struct lora_delta d = {
        .kind = sum ? LORA_SUM : LORA_REPLACEMENT, .module = module, .bias = bias, .scale = 1};
    const char *why = e->count != (bias ? m->bias_count : m->count)
                          ? lora_misfit
                          : lora_pair_array(f->file, e, &d.value);
    f->slots.why[entry] = why;
    if (why == NULL) keep(f, &d);
}

static void refuse_pair(struct lora_file *f, const int *slots, const char *why)
{
    static const enum lora_role roles[] = {LORA_DOWN, LORA_UP, LORA_ALPHA};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (slots[roles[i]] > 0) f->slots.why[slots[roles[i]] - 1] = why;
}

static void take_pair(struct lora_file *f, const struct lora_module *m, int module, int *slots)
{
    struct lora_delta d = {.module = module, .scale = 1};
    if (slots[LORA_DOWN] == 0 && slots[LORA_UP] == 0 && slots[LORA_ALPHA] == 0) return;
    if (slots[LORA_DOWN] == 0 || slots[LORA_UP] == 0) {
        refuse_pair(f, slots, "its other half is missing");
        return;
    }
    const struct tensor_entry *alpha =
        slots[LORA_ALPHA] > 0 ? tensor_file_at(f->file, slots[LORA_ALPHA] - 1) : NULL;
    const char *why = lora_pair_fit(m, f->file, tensor_file_at(f->file, slots[LORA_UP] - 1),
                                    tensor_file_at(f->file, slots[LORA_DOWN] - 1), &d);
    if (why == NULL && alpha == NULL)
        d.scale = lora_slots_scale(&f->slots, m->name, d.rank);
    else if (why == NULL && !lora_pair_scale(f->file, alpha, d.rank, &d.scale))
        why = "its alpha is no number";
    if (why != NULL)
        refuse_pair(f, slots, why);
    else
        keep(f, &d);
}

static void take_module(struct lora_file *f, const struct lora_base *base, int module)
{
    const struct lora_module *m = lora_base_at(base, module);
    int *slots = lora_slots_of(&f->slots, module);
    const int before = f->delta_count;
    if (slots[LORA_UNBUILT] != 0) {
        lora_slots_spoil(&f->slots, module, "a method that is not built");
        return;
    }
    take_pair(f, m, module, slots);
    take_whole(f, m, module, slots, LORA_VALUE);
    take_whole(f, m, module, slots, LORA_VALUE_BIAS);
    take_whole(f, m, module, slots, LORA_ADDED);
    take_whole(f, m, module, slots, LORA_ADDED_BIAS);
    if (f->delta_count > before) f->modules[m->text]++;
}

/* ---- opening ---- */

static bool refuse_stranger(const struct lora_file *f, struct error *err)
{
    struct buf some = BUF_INIT;
    const int count = tensor_file_count(f->file);
    for (int i = 0; i < count && i < 3; i++)
        buf_printf(&some, "%s%.80s: %s", i > 0 ? "; " : "", tensor_file_at(f->file, i)->name,
                   f->slots.why[i] != NULL ? f->slots.why[i] : "unused");
    error_set(err, ERROR_USAGE, "%s: none of its %d tensors belongs to this model (%s)", f->path,
              count, buf_text(&some));
    buf_finish(&some);
    return false;
}

static bool match(struct lora_file *f, const struct lora_base *base, struct error *err)
{
    const int count = lora_base_count(base);
    if (!lora_slots_fill(&f->slots, f->file, base, err)) return false;
    f->deltas = xcalloc((size_t)count * 5 + 1, sizeof *f->deltas);
    for (int i = 0; i < count; i++)
        take_module(f, base, i);
    return f->delta_count > 0 || refuse_stranger(f, err);
}

/* Reports name the file. */
static bool check_name(const char *path, struct error *err)
{
    const char *name = path_basename(path);
    if (text_is_utf8(name, strlen(name))) return true;
    return error_set(err, ERROR_INVALID, "a LoRA's file has a name that is not UTF-8; rename it");
}

static struct lora_file *open_file(const char *path, struct error *err)
{
    struct tensor_file *file = check_name(path, err) ? tensor_file_open(path, err) : NULL;
    if (file == NULL) return NULL;
    struct lora_file *f = xcalloc(1, sizeof *f);
    f->file = file;
    f->path = xstrdup(path);
    if (tensor_file_count(file) <= LORA_TENSORS_MAX) return f;
    error_set(err, ERROR_INVALID, "%s: more than %d tensors", path, LORA_TENSORS_MAX);
    lora_file_close(f);
    return NULL;
}

struct lora_file *lora_file_open(const char *path, const struct lora_base *base, struct error *err)
{
    struct lora_file *f = open_file(path, err);
    if (f == NULL || match(f, base, err)) return f;
    lora_file_close(f);
    return NULL;
}

void lora_file_close(struct lora_file *f)
{
    if (f == NULL) return;
    lora_slots_finish(&f->slots);
    tensor_file_close(f->file);
    free(f->deltas);
    free(f->path);
    free(f);
}

int lora_file_count(const struct lora_file *f)
{
    return f->delta_count;
}

const struct lora_delta *lora_file_at(const struct lora_file *f, int index)
{
    return &f->deltas[index];
}

/* ---- telling ---- */

static json_t *strangers(const struct lora_file *f, int *unmatched)
{
    json_t *list = json_array();
    for (int i = 0; i < tensor_file_count(f->file); i++) {
        if (f->slots.why[i] == NULL) continue;
        if ((*unmatched)++ >= LORA_STRANGERS) continue;
        json_array_append_new(
            list, json_sprintf("%s: %s", tensor_file_at(f->file, i)->name, f->slots.why[i]));
    }
    return list;
}

json_t *lora_file_report(const struct lora_file *f)
{
    int unmatched = 0;
    const int count = tensor_file_count(f->file);
    json_t *list = strangers(f, &unmatched);
    json_t *report = json_pack("{ss ss si si si s{si si} so}", "file", path_basename(f->path),
                               "form", lora_form_name(f->slots.form), "tensors", count, "matched",
                               count - unmatched, "unmatched", unmatched, "modules", "unet",
                               f->modules[0], "text_encoder", f->modules[1], "strangers", list);
    ZOE_ASSERT(report != NULL);
    if (f->rank_max > 0)
        json_object_set_new(
            report, "rank",
            json_pack("{sI sI}", "min", (json_int_t)f->rank_min, "max", (json_int_t)f->rank_max));
    return report;
}

json_t *lora_file_describe(const char *path, struct error *err)
{
    int modules[2];
    struct lora_file *f = open_file(path, err);
    if (f == NULL) return NULL;
    json_t *facts = NULL;
    if (lora_slots_count(f->file, &f->slots.form, modules, err))
        facts = json_pack("{ss ss si s{si si}}", "file", path_basename(path), "form",
                          lora_form_name(f->slots.form), "tensors", tensor_file_count(f->file),
                          "modules", "unet", modules[0], "text_encoder", modules[1]);
    lora_file_close(f);
    return facts;
}

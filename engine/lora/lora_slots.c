#include "engine/lora/lora_slots.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/table.h"
#include "base/xalloc.h"

void lora_slots_finish(struct lora_slots *s)
{
    free(s->slots);
    free(s->why);
    json_decref(s->peft);
    memset(s, 0, sizeof *s);
}

int *lora_slots_of(struct lora_slots *s, int module)
{
    return s->slots[module];
}

void lora_slots_spoil(struct lora_slots *s, int module, const char *why)
{
    for (int role = 0; role < LORA_ROLES; role++)
        if (s->slots[module][role] > 0) s->why[s->slots[module][role] - 1] = why;
}

/* Torch files of cloneofsimo's are lists, one a part, whose names say which. */
static bool is_of_text(const struct tensor_file *file)
{
    return strstr(path_basename(tensor_file_path(file)), "text_encoder") != NULL;
}

static bool is_ordered(const struct tensor_file *file)
{
    bool text, up;
    int index;
    for (int i = 0; i < tensor_file_count(file); i++)
        if (lora_key_ordinal(tensor_file_at(file, i)->name, is_of_text(file), &text, &index, &up))
            return true;
    return false;
}

/* ---- by name ---- */

static void put(struct lora_slots *s, int module, enum lora_role role, int entry)
{
    int *slot = &s->slots[module][role];
    if (*slot == 0)
        *slot = entry + 1;
    else if (role == LORA_UNBUILT)
        s->why[entry] = "a method that is not built";
    else
        s->why[entry] = "a second one for the same module";
}

static void fill_by_name(struct lora_slots *s, const struct tensor_file *file,
                         const struct lora_base *base)
{
    struct lora_key key;
    for (int i = 0; i < tensor_file_count(file); i++) {
        if (!lora_key_parse(tensor_file_at(file, i)->name, &key)) {
            s->why[i] = "not the name of a LoRA's tensor";
            continue;
        }
        const int module = lora_base_find(base, key.module);
        if (module < 0)
            s->why[i] = "the model has no such module";
        else
            put(s, module, key.role, i);
        if (s->form == LORA_FORM_NONE) s->form = key.form;
    }
}

/* ---- by order ---- */

struct pair { /* entry + 1 */
    int up, down;
};

struct order {
    const struct tensor_file *file;
    const struct lora_base *base;
    struct pair *pairs; /* of one part */
    int pair_count;
    int *walk; /* module indices */
};

static void collect(struct order *o, struct lora_slots *s, bool text)
{
    bool of_text, up;
    int index;
    const int limit = tensor_file_count(o->file);
    const bool list_of_text = is_of_text(o->file);
    o->pair_count = 0;
    memset(o->pairs, 0, (size_t)limit * sizeof *o->pairs);
    for (int i = 0; i < limit; i++) {
        if (!lora_key_ordinal(tensor_file_at(o->file, i)->name, list_of_text, &of_text, &index,
                              &up)) {
            s->why[i] = "not the name of a LoRA's tensor";
            continue;
        }
        if (of_text != text) continue;
        if (index >= limit) {
            s->why[i] = "its number is larger than the file";
            continue;
        }
        *(up ? &o->pairs[index].up : &o->pairs[index].down) = i + 1;
        if (index >= o->pair_count) o->pair_count = index + 1;
    }
}

/* A pair belongs to the next module of its kind: matrices to linear layers, arrays of rank four
 * and five to convolutions. Returns how many pairs found one that fits; with `s` they are put
 * there. */
static int lay_out(const struct order *o, int walked, struct lora_slots *s)
{
    int at = 0, fitting = 0;
    for (int i = 0; i < o->pair_count && at < walked; i++) {
        const struct pair *p = &o->pairs[i];
        if (p->up == 0 || p->down == 0) continue;
        const struct tensor_entry *up = tensor_file_at(o->file, p->up - 1);
        while (at < walked && lora_base_at(o->base, o->walk[at])->rank != up->rank)
            at++;
        if (at == walked) break;
        const struct lora_module *m = lora_base_at(o->base, o->walk[at]);
        const struct tensor_entry *down = tensor_file_at(o->file, p->down - 1);
        if (up->rank >= 2 && up->dim[0] == m->dim[0] && down->rank >= 2 &&
            down->dim[1] == m->dim[1])
            fitting++;
        if (s != NULL) {
            put(s, o->walk[at], LORA_UP, p->up - 1);
            put(s, o->walk[at], LORA_DOWN, p->down - 1);
            s->why[p->up - 1] = s->why[p->down - 1] = NULL;
        }
        at++;
    }
    return fitting;
}

/* The walk that most pairs fit. */
static void place_part(struct order *o, struct lora_slots *s, bool text, const json_t *classes)
{
    int best = 0, most = -1;
    collect(o, s, text);
    for (int variant = 0; o->pair_count > 0 && variant < LORA_WALKS; variant++) {
        const int walked = lora_base_walk(o->base, text, classes, variant, o->walk);
        const int fitting = lay_out(o, walked, NULL);
        if (fitting > most) most = fitting, best = variant;
    }
    if (o->pair_count == 0) return;
    lay_out(o, lora_base_walk(o->base, text, classes, best, o->walk), s);
}

static json_t *classes_of(const json_t *metadata, const char *part)
{
    const char *text = json_string_value(json_object_get(metadata, part));
    return text != NULL ? json_parse(text, strlen(text), part, NULL) : NULL;
}

static void fill_by_order(struct lora_slots *s, const struct tensor_file *file,
                          const struct lora_base *base)
{
    static const char *const parts[] = {"unet", "text_encoder"};
    const size_t count = (size_t)tensor_file_count(file);
    struct order o = {.file = file, .base = base};
    o.pairs = xcalloc(count + 1, sizeof *o.pairs);
    o.walk = xcalloc((size_t)lora_base_count(base) + 1, sizeof *o.walk);
    s->form = LORA_FORM_CLONEOF;
    for (size_t i = 0; i < count; i++)
        s->why[i] = "the model has no module in this place";
    for (int part = 0; part < 2; part++) {
        json_t *classes = classes_of(tensor_file_metadata(file), parts[part]);
        place_part(&o, s, part == 1, classes);
        json_decref(classes);
    }
    free(o.pairs);
    free(o.walk);
}

/* ---- filling ---- */

static void read_peft(struct lora_slots *s, const struct tensor_file *file)
{
    const char *text =
        json_string_value(json_object_get(tensor_file_metadata(file), "lora_adapter_metadata"));
    if (text != NULL) s->peft = json_parse(text, strlen(text), "lora_adapter_metadata", NULL);
}

bool lora_slots_fill(struct lora_slots *s, const struct tensor_file *file,
                     const struct lora_base *base, struct error *err)
{
    const size_t count = (size_t)tensor_file_count(file);
    if (count == 0)
        return error_set(err, ERROR_INVALID, "%s: it holds no tensor", tensor_file_path(file));
    s->module_count = lora_base_count(base);
    s->slots = xcalloc((size_t)s->module_count + 1, sizeof *s->slots);
    s->why = xcalloc(count, sizeof *s->why);
    read_peft(s, file);
    if (is_ordered(file))
        fill_by_order(s, file, base);
    else
        fill_by_name(s, file, base);
    return true;
}

/* ---- PEFT's metadata ---- */

static const json_t *peft_member(const struct lora_slots *s, const char *part, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "%s.%s", part, name);
    const json_t *value = json_object_get(s->peft, key);
    return value != NULL ? value : json_object_get(s->peft, name);
}

/* A pattern's key is a module or the end of one. */
static const json_t *pattern_value(const json_t *pattern, const char *module)
{
    const char *key;
    json_t *value;
    const size_t length = strlen(module);
    json_object_foreach((json_t *)(uintptr_t)pattern, key, value)
    {
        const size_t tail = strlen(key);
        if (tail > length || strcmp(module + length - tail, key) != 0) continue;
        if (tail == length || module[length - tail - 1] == '.') return value;
    }
    return NULL;
}

float lora_slots_scale(const struct lora_slots *s, const char *module, int64_t rank)
{
    const bool text = strncmp(module, "text_model.", strlen("text_model.")) == 0;
    const char *part = text ? "text_encoder" : "unet";
    const json_t *alpha = pattern_value(peft_member(s, part, "alpha_pattern"), module);
    if (alpha == NULL) alpha = peft_member(s, part, "lora_alpha");
    const double value = json_number_value(alpha);
    if (!json_is_number(alpha) || !isfinite(value)) return 1;
    const bool rooted = json_is_true(peft_member(s, part, "use_rslora"));
    return (float)(value / (rooted ? sqrt((double)rank) : (double)rank));
}

/* ---- without a base ---- */

static bool is_text_module(const char *joined)
{
    return strncmp(joined, "text_model_", strlen("text_model_")) == 0 ||
           strncmp(joined, "resblocks_", strlen("resblocks_")) == 0;
}

static void count_key(const char *name, bool list_of_text, enum lora_form *form, int modules[2])
{
    struct lora_key key;
    bool text, up;
    int index;
    if (lora_key_ordinal(name, list_of_text, &text, &index, &up)) {
        *form = LORA_FORM_CLONEOF;
        modules[text] += up;
    } else if (lora_key_parse(name, &key)) {
        if (key.form != LORA_FORM_NONE) *form = key.form;
        modules[is_text_module(key.module)] += key.role == LORA_UP || key.role == LORA_ADDED;
    }
}

bool lora_slots_count(const struct tensor_file *file, enum lora_form *form, int modules[2],
                      struct error *err)
{
    *form = LORA_FORM_NONE;
    modules[0] = modules[1] = 0;
    for (int i = 0; i < tensor_file_count(file); i++)
        count_key(tensor_file_at(file, i)->name, is_of_text(file), form, modules);
    if (modules[0] + modules[1] > 0) return true;
    return error_set(err, ERROR_INVALID, "%s is no LoRA: no key of it is one%s%.80s",
                     tensor_file_path(file), tensor_file_count(file) > 0 ? ", such as " : "",
                     tensor_file_count(file) > 0 ? tensor_file_at(file, 0)->name : "");
}

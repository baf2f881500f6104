#include "engine/lora/lora_set.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "engine/lora/lora_file.h"
#include "engine/lora/lora_merge.h"

struct change { /* of one tensor */
    const struct lora_delta *delta;
    float strength;
    struct change *next; /* in the order of the LoRAs */
};

struct member {
    struct lora_file *file;
    double strength;
};

struct lora_set {
    const struct lora_base *base;
    struct member *members;
    size_t count;
    struct table by_tensor; /* name -> first struct change */
};

/* ---- files ---- */

static bool is_tensor_file(const char *name)
{
    static const char *const endings[] = {".safetensors", ".pt", ".pth", ".bin", ".ckpt"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof endings[0]; i++)
        if (strcmp(dot, endings[i]) == 0) return true;
    return false;
}

void lora_set_files_free(char **files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(files[i]);
    free(files);
}

bool lora_set_files(const char *path, char ***files, size_t *count, struct error *err)
{
    char **names;
    size_t name_count;
    *count = 0;
    *files = NULL;
    if (!path_is_folder(path)) {
        *files = xcalloc(1, sizeof **files);
        (*files)[(*count)++] = xstrdup(path);
        return true;
    }
    if (!path_list(path, &names, &name_count, err)) return false;
    *files = xcalloc(name_count + 1, sizeof **files);
    for (size_t i = 0; i < name_count; i++)
        if (is_tensor_file(names[i])) (*files)[(*count)++] = path_join(path, names[i]);
    path_list_free(names, name_count);
    if (*count > 0) return true;
    free(*files);
    *files = NULL;
    return error_set(err, ERROR_NOT_FOUND, "%s holds no file of LoRA tensors", path);
}

/* ---- opening ---- */

static void add_change(struct lora_set *s, const struct lora_delta *delta, float strength)
{
    char name[LORA_NAME_SIZE + 8];
    snprintf(name, sizeof name, "%s.%s", lora_base_at(s->base, delta->module)->name,
             delta->bias ? "bias" : "weight");
    struct change *made = xcalloc(1, sizeof *made), *at = table_get_text(&s->by_tensor, name);
    *made = (struct change){delta, strength, NULL};
    if (at == NULL) {
        table_set_text(&s->by_tensor, name, made);
        return;
    }
    while (at->next != NULL)
        at = at->next;
    at->next = made;
}

static bool add_file(struct lora_set *s, const char *path, double strength, struct error *err)
{
    struct lora_file *file = lora_file_open(path, s->base, err);
    if (file == NULL) return false;
    s->members = xrealloc_array(s->members, s->count + 1, sizeof *s->members);
    s->members[s->count++] = (struct member){file, strength};
    for (int i = 0; strength != 0 && i < lora_file_count(file); i++)
        add_change(s, lora_file_at(file, i), (float)strength);
    return true;
}

static bool add_lora(struct lora_set *s, const json_t *lora, struct error *err)
{
    const char *path;
    char **files;
    size_t count;
    double strength;
    if (!json_get_text(lora, "path", &path, "loras", err) ||
        !json_get_real_or(lora, "strength", 1, &strength, "loras", err) ||
        !lora_set_files(path, &files, &count, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = add_file(s, files[i], strength, err);
    lora_set_files_free(files, count);
    return ok;
}

struct lora_set *lora_set_open(const json_t *loras, const struct lora_base *base, struct error *err)
{
    size_t i;
    const json_t *lora;
    struct lora_set *s = xcalloc(1, sizeof *s);
    s->base = base;
    table_init(&s->by_tensor);
    bool ok = json_is_array(loras) || error_set(err, ERROR_USAGE, "loras: not a list");
    json_array_foreach(loras, i, lora)
    {
        ok = ok && add_lora(s, lora, err);
    }
    if (ok) return s;
    lora_set_close(s);
    return NULL;
}

static void free_changes(struct change *first)
{
    while (first != NULL) {
        struct change *next = first->next;
        free(first);
        first = next;
    }
}

void lora_set_close(struct lora_set *s)
{
    void *first;
    if (s == NULL) return;
    for (size_t i = 0; (first = table_next(&s->by_tensor, &i, NULL, NULL)) != NULL;)
        free_changes(first);
    table_finish(&s->by_tensor);
    for (size_t i = 0; i < s->count; i++)
        lora_file_close(s->members[i].file);
    free(s->members);
    free(s);
}

/* ---- asking ---- */

bool lora_set_changes(const struct lora_set *s, const char *tensor)
{
    return s != NULL && table_get_text(&s->by_tensor, tensor) != NULL;
}

float *lora_set_merge(const struct lora_set *s, const char *tensor, const struct weight_array *base,
                      struct threads *threads, struct error *err)
{
    float *merged = alloc_checked((size_t)base->count, sizeof *merged, tensor, err);
    if (merged == NULL) return NULL;
    weight_array_read(base, 0, base->count, merged);
    bool ok = true;
    const struct change *c = table_get_text(&s->by_tensor, tensor);
    for (; ok && c != NULL; c = c->next)
        ok = lora_merge(c->delta, c->strength, merged, base->count, threads, err);
    for (int64_t i = 0; ok && i < base->count; i++)
        if (!isfinite(merged[i]))
            ok = error_set(err, ERROR_INVALID, "%s: not finite with its LoRAs", tensor);
    if (ok) return merged;
    free(merged);
    return NULL;
}

json_t *lora_set_report(const struct lora_set *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->count; i++) {
        json_t *report = lora_file_report(s->members[i].file);
        json_object_set_new(report, "strength", json_real(s->members[i].strength));
        json_array_append_new(list, report);
    }
    return list;
}

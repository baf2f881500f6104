#include "engine/latents.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"

#define SCHEMA 1

/* ---- what a file says of itself ---- */

json_t *latents_facts_json(const struct latents_facts *f)
{
    json_t *facts =
        json_pack("{si ss ss si si si si si si si si ss}", "schema", SCHEMA, "kind", f->kind,
                  "recipe", f->recipe, "task", f->task, "first", f->first, "frames", f->frames,
                  "channels", f->channels, "height", f->height, "width", f->width, "step", f->step,
                  "steps", f->steps, "fingerprint", f->fingerprint);
    ZOE_ASSERT(facts != NULL);
    return facts;
}

static bool read_number(const json_t *state, const char *name, int least, int *out,
                        const char *path, struct error *err)
{
    int64_t value;
    if (!json_get_int(state, name, &value, path, err)) return false;
    if (value < least || value > INT32_MAX)
        return error_set(err, ERROR_INVALID, "%s: %s is %lld", path, name, (long long)value);
    *out = (int)value;
    return true;
}

static bool read_numbers(struct latents_facts *out, const json_t *state, const char *path,
                         struct error *err)
{
    const struct {
        const char *name;
        int least;
        int *to;
    } numbers[] = {{"task", 0, &out->task},     {"first", 0, &out->first},
                   {"frames", 1, &out->frames}, {"channels", 1, &out->channels},
                   {"height", 1, &out->height}, {"width", 1, &out->width},
                   {"step", 0, &out->step},     {"steps", 0, &out->steps}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (!read_number(state, numbers[i].name, numbers[i].least, numbers[i].to, path, err))
            return false;
    return out->step <= out->steps ||
           error_set(err, ERROR_INVALID, "%s: step %d of %d", path, out->step, out->steps);
}

static bool read_word(const json_t *state, const char *name, char *out, size_t size,
                      const char *path, struct error *err)
{
    const char *text;
    if (!json_get_text(state, name, &text, path, err)) return false;
    if (strlen(text) >= size)
        return error_set(err, ERROR_INVALID, "%s: %s is too long", path, name);
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool read_kind(struct latents_facts *out, const json_t *state, const char *path,
                      struct error *err)
{
    const char *kind;
    if (!json_get_text(state, "kind", &kind, path, err)) return false;
    out->kind = strcmp(kind, CHECKPOINT_KIND) == 0 ? CHECKPOINT_KIND : LATENTS_KIND;
    return strcmp(kind, out->kind) == 0 ||
           error_set(err, ERROR_INVALID, "%s: neither latents nor a checkpoint", path);
}

bool latents_facts_read(struct latents_facts *out, const json_t *state, const char *path,
                        struct error *err)
{
    int schema = 0;
    memset(out, 0, sizeof *out);
    if (!read_number(state, "schema", 0, &schema, path, err)) return false;
    if (schema != SCHEMA)
        return error_set(err, ERROR_INVALID, "%s: schema %d, not %d", path, schema, SCHEMA);
    return read_kind(out, state, path, err) && read_numbers(out, state, path, err) &&
           read_word(state, "recipe", out->recipe, sizeof out->recipe, path, err) &&
           read_word(state, "fingerprint", out->fingerprint, sizeof out->fingerprint, path, err);
}

/* ---- tensors ---- */

json_t *latents_read_state(const struct safetensors *file, const char *path, struct error *err)
{
    const struct safetensors_entry *e = safetensors_find(file, "state");
    if (e != NULL && e->dtype == TENSOR_U8) return json_parse(e->data, e->size_bytes, path, err);
    error_set(err, ERROR_INVALID, "%s: neither latents nor a checkpoint: no state", path);
    return NULL;
}

void latents_add_state(struct safetensors_writer *w, const json_t *state)
{
    char *text = json_canonical(state);
    const int64_t size = (int64_t)strlen(text);
    safetensors_writer_add(w, "state", TENSOR_U8, 1, &size, text);
    free(text);
}

void latents_add_floats(struct safetensors_writer *w, const char *name,
                        const struct latents_facts *f, const float *values)
{
    const int64_t dim[] = {f->channels, f->frames, f->height, f->width};
    safetensors_writer_add(w, name, TENSOR_F32, 4, dim, values);
}

static bool has_shape(const struct safetensors_entry *e, const struct latents_facts *f)
{
    const int64_t dim[] = {f->channels, f->frames, f->height, f->width};
    return e->dtype == TENSOR_F32 && e->rank == 4 && memcmp(e->dim, dim, sizeof dim) == 0;
}

bool latents_read_floats(const struct safetensors *file, const char *path, const char *name,
                         const struct latents_facts *f, float *values, struct error *err)
{
    const struct safetensors_entry *e = safetensors_find(file, name);
    if (e == NULL) return error_set(err, ERROR_INVALID, "%s: there is no %s", path, name);
    if (!has_shape(e, f))
        return error_set(err, ERROR_INVALID, "%s: %s is not F32 [%d][%d][%d][%d]", path, name,
                         f->channels, f->frames, f->height, f->width);
    memcpy(values, e->data, e->size_bytes);
    for (int64_t i = 0; i < e->count; i++)
        if (!isfinite(values[i]))
            return error_set(err, ERROR_INVALID, "%s: %s is not finite", path, name);
    return true;
}

/* ---- files of other tasks ---- */

static bool differs(const char *path, const char *what, struct error *err)
{
    return error_set(err, ERROR_INVALID, "%s: latents of another %s", path, what);
}

static bool agrees(const struct latents_facts *f, const struct latents_facts *want,
                   const char *path, struct error *err)
{
    if (strcmp(f->kind, LATENTS_KIND) != 0)
        return error_set(err, ERROR_INVALID, "%s: a %s, not latents", path, f->kind);
    if (want->recipe[0] != '\0' && strcmp(f->recipe, want->recipe) != 0)
        return differs(path, "recipe", err);
    if (want->task >= 0 && f->task != want->task)
        return error_set(err, ERROR_INVALID, "%s: latents of task %d, not %d", path, f->task,
                         want->task);
    if (want->frames > 0 && (f->first != want->first || f->frames != want->frames))
        return error_set(err, ERROR_INVALID, "%s: latents of frames %d to %d, not %d to %d", path,
                         f->first, f->first + f->frames - 1, want->first,
                         want->first + want->frames - 1);
    if (f->channels != want->channels || f->height != want->height || f->width != want->width)
        return error_set(err, ERROR_INVALID, "%s: latents [%d][%d][%d][%d], not [%d][..][%d][%d]",
                         path, f->channels, f->frames, f->height, f->width, want->channels,
                         want->height, want->width);
    if (f->step != (want->steps > 0 ? want->step : f->steps))
        return error_set(err, ERROR_INVALID, "%s: latents after step %d of %d", path, f->step,
                         f->steps);
    if (want->fingerprint[0] != '\0' && strcmp(f->fingerprint, want->fingerprint) != 0)
        return error_set(err, ERROR_INVALID, "%s: latents of another fingerprint: %.80s, not %s",
                         path, f->fingerprint, want->fingerprint);
    return true;
}

/* The size of what is there bounds all that is allocated for it. */
static bool find_latents(struct latents_file *f, struct error *err)
{
    const struct safetensors_entry *e = safetensors_find(f->file, "latents");
    if (e == NULL || !has_shape(e, &f->facts))
        return error_set(err, ERROR_INVALID, "%s: no latents [%d][%d][%d][%d]", f->path,
                         f->facts.channels, f->facts.frames, f->facts.height, f->facts.width);
    f->count = e->count;
    return true;
}

bool latents_open(struct latents_file *out, const char *path, const struct latents_facts *want,
                  struct error *err)
{
    *out = (struct latents_file){.path = xstrdup(path), .file = safetensors_open(path, err)};
    json_t *state = out->file != NULL ? latents_read_state(out->file, path, err) : NULL;
    const bool ok = state != NULL && latents_facts_read(&out->facts, state, path, err) &&
                    agrees(&out->facts, want, path, err) && find_latents(out, err);
    json_decref(state);
    if (!ok) latents_close(out);
    return ok;
}

void latents_close(struct latents_file *f)
{
    safetensors_close(f->file);
    free(f->path);
    *f = (struct latents_file){0};
}

#include "engine/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/recipe.h"
#include "base/xalloc.h"

#define SCHEMA 1
#define NAME_SIZE 64

/* ---- requests ---- */

static void add_images(struct digest_stream *d, const struct engine_images *images, size_t channels)
{
    const size_t pixels =
        (size_t)images->frames * (size_t)images->width * (size_t)images->height * channels;
    if (images->data != NULL) digest_update(d, images->data, pixels);
    if (images->values != NULL) digest_update(d, images->values, pixels * sizeof(float));
}

struct digest checkpoint_request_digest(const struct engine_request *request)
{
    struct digest_stream state;
    char *recipe = recipe_canonical(request->recipe);
    digest_begin(&state);
    digest_update(&state, recipe, strlen(recipe) + 1);
    add_images(&state, &request->init, 3);
    add_images(&state, &request->mask, 1);
    free(recipe);
    return digest_end(&state);
}

/* ---- state ---- */

static json_t *request_list(const struct checkpoint_state *state)
{
    json_t *list = json_array();
    for (int i = 0; i < state->count; i++) {
        char text[DIGEST_TEXT_SIZE];
        digest_text(&state->requests[i], text);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

void checkpoint_add_state(struct safetensors_writer *w, const struct checkpoint_state *state)
{
    json_t *facts =
        json_pack("{si ss so si si}", "schema", SCHEMA, "fingerprint", state->fingerprint,
                  "requests", request_list(state), "step", state->step, "steps", state->steps);
    ZOE_ASSERT(facts != NULL);
    char *text = json_canonical(facts);
    checkpoint_add_bytes(w, "state", 0, text, strlen(text));
    free(text);
    json_decref(facts);
}

static bool differs(const char *path, const char *what, struct error *err)
{
    return error_set(err, ERROR_INVALID, "%s: a checkpoint of another %s", path, what);
}

static bool check_state(const json_t *facts, const char *path, struct checkpoint_state *state,
                        struct error *err)
{
    int64_t schema, step, steps;
    const char *fingerprint;
    if (!json_get_int(facts, "schema", &schema, path, err) ||
        !json_get_int(facts, "step", &step, path, err) ||
        !json_get_int(facts, "steps", &steps, path, err) ||
        !json_get_text(facts, "fingerprint", &fingerprint, path, err))
        return false;
    if (schema != SCHEMA) return differs(path, "version", err);
    if (strcmp(fingerprint, state->fingerprint) != 0)
        return error_set(err, ERROR_INVALID,
                         "%s: a checkpoint of another fingerprint: %.80s, not %s", path,
                         fingerprint, state->fingerprint);
    json_t *requests = request_list(state);
    const bool same = json_equal(requests, json_object_get(facts, "requests")) == 1;
    json_decref(requests);
    if (!same || steps != state->steps) return differs(path, "recipe", err);
    if (step < 0 || step > steps)
        return error_set(err, ERROR_INVALID, "%s: step %lld of %lld", path, (long long)step,
                         (long long)steps);
    state->step = (int)step;
    return true;
}

bool checkpoint_read_state(const struct safetensors *file, const char *path,
                           struct checkpoint_state *state, struct error *err)
{
    size_t size;
    const uint8_t *text = checkpoint_read_bytes(file, path, "state", 0, &size, err);
    json_t *facts = text != NULL ? json_parse((const char *)text, size, path, err) : NULL;
    const bool ok = facts != NULL && check_state(facts, path, state, err);
    json_decref(facts);
    return ok;
}

/* ---- tensors ---- */

static const struct safetensors_entry *find(const struct safetensors *file, const char *path,
                                            const char *name, int index, enum tensor_dtype dtype,
                                            struct error *err)
{
    char full[NAME_SIZE];
    snprintf(full, sizeof full, "%s.%d", name, index);
    const struct safetensors_entry *e = safetensors_find(file, full);
    if (e != NULL && e->dtype == dtype) return e;
    error_set(err, ERROR_INVALID, "%s: not a checkpoint of this job: no %s", path, full);
    return NULL;
}

static void add(struct safetensors_writer *w, const char *name, int index, enum tensor_dtype dtype,
                const void *data, int64_t count)
{
    char full[NAME_SIZE];
    snprintf(full, sizeof full, "%s.%d", name, index);
    safetensors_writer_add(w, full, dtype, 1, &count, data);
}

void checkpoint_add_floats(struct safetensors_writer *w, const char *name, int index,
                           const float *values, int64_t count)
{
    add(w, name, index, TENSOR_F32, values, count);
}

bool checkpoint_read_floats(const struct safetensors *file, const char *path, const char *name,
                            int index, float *values, int64_t count, struct error *err)
{
    const struct safetensors_entry *e = find(file, path, name, index, TENSOR_F32, err);
    if (e == NULL) return false;
    if (e->count != count)
        return error_set(err, ERROR_INVALID, "%s: %s has %lld values, not %lld", path, e->name,
                         (long long)e->count, (long long)count);
    memcpy(values, e->data, e->size_bytes);
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return error_set(err, ERROR_INVALID, "%s: %s is not finite", path, e->name);
    return true;
}

void checkpoint_add_bytes(struct safetensors_writer *w, const char *name, int index,
                          const void *bytes, size_t size)
{
    add(w, name, index, TENSOR_U8, bytes, (int64_t)size);
}

const uint8_t *checkpoint_read_bytes(const struct safetensors *file, const char *path,
                                     const char *name, int index, size_t *size_out,
                                     struct error *err)
{
    const struct safetensors_entry *e = find(file, path, name, index, TENSOR_U8, err);
    if (e == NULL) return NULL;
    *size_out = e->size_bytes;
    return e->data;
}

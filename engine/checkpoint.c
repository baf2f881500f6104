#include "engine/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/recipe.h"
#include "base/xalloc.h"

#define NAME_SIZE 64

/* ---- requests ---- */

static void add_images(struct digest_stream *d, const struct engine_images *images, size_t channels)
{
    const size_t pixels =
        (size_t)images->frames * (size_t)images->width * (size_t)images->height * channels;
    if (images->data != NULL) digest_update(d, images->data, pixels);
    if (images->values != NULL) digest_update(d, images->values, pixels * sizeof(float));
}

static void add_latents(struct digest_stream *d, const struct latents_file *f)
{
    for (int i = 0; f->file != NULL && i < safetensors_count(f->file); i++)
        digest_update(d, safetensors_at(f->file, i)->data, safetensors_at(f->file, i)->size_bytes);
}

struct digest checkpoint_request_digest(const struct engine_request *asked,
                                        const struct request *request)
{
    struct digest_stream state;
    char *recipe = recipe_canonical(asked->recipe);
    digest_begin(&state);
    digest_update(&state, recipe, strlen(recipe) + 1);
    add_images(&state, &asked->init, 3);
    add_images(&state, &asked->mask, 1);
    add_images(&state, &asked->window.before, 3);
    add_images(&state, &asked->window.base, 3);
    for (int i = 0; i < request->window.input_count; i++)
        add_latents(&state, &request->window.inputs[i]);
    add_latents(&state, &request->window.held);
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
    json_t *facts = latents_facts_json(&state->facts);
    json_object_set_new(facts, "requests", request_list(state));
    latents_add_state(w, facts);
    json_decref(facts);
}

static bool differs(const char *path, const char *what, struct error *err)
{
    return error_set(err, ERROR_INVALID, "%s: a checkpoint of another %s", path, what);
}

static bool same_requests(const json_t *facts, const struct checkpoint_state *state)
{
    json_t *requests = request_list(state);
    const bool same = json_equal(requests, json_object_get(facts, "requests")) == 1;
    json_decref(requests);
    return same;
}

static bool check_state(const json_t *json, const char *path, struct checkpoint_state *state,
                        struct error *err)
{
    struct latents_facts *mine = &state->facts, facts;
    if (!latents_facts_read(&facts, json, path, err)) return false;
    if (strcmp(facts.kind, CHECKPOINT_KIND) != 0)
        return error_set(err, ERROR_INVALID, "%s: %s, not a checkpoint", path, facts.kind);
    if (strcmp(facts.fingerprint, mine->fingerprint) != 0)
        return error_set(err, ERROR_INVALID,
                         "%s: a checkpoint of another fingerprint: %.80s, not %s", path,
                         facts.fingerprint, mine->fingerprint);
    if (strcmp(facts.recipe, mine->recipe) != 0 || !same_requests(json, state) ||
        facts.steps != mine->steps)
        return differs(path, "recipe", err);
    if (facts.task != mine->task || facts.first != mine->first || facts.frames != mine->frames)
        return differs(path, "task", err);
    mine->step = facts.step;
    return true;
}

bool checkpoint_read_state(const struct safetensors *file, const char *path,
                           struct checkpoint_state *state, struct error *err)
{
    json_t *facts = latents_read_state(file, path, err);
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

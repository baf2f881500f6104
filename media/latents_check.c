/* Everything that a worker says about its latents, against the bytes. */
#include "media/latents_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/safetensors.h"
#include "base/xalloc.h"

#define SCHEMA 1

/* What may be in the file: NAME or NAME.ANYTHING. */
static const struct tensor_row {
    const char *name;
    enum tensor_dtype dtype;
} rows[] = {
    {"state", TENSOR_U8},       {"latents", TENSOR_F32}, {"history", TENSOR_F32},
    {"prediction", TENSOR_F32}, {"filled", TENSOR_U8},   {"noise", TENSOR_U8},
};

static const char *const kinds[] = {"latents", "checkpoint"};

/* ---- state ---- */

static bool read_kind(const json_t *state, struct latents_info *out, struct error *err)
{
    const char *kind;
    if (!json_get_text(state, "kind", &kind, "state", err)) return false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kind, kinds[i]) != 0) continue;
        (void)snprintf(out->kind, sizeof out->kind, "%s", kind);
        return true;
    }
    return error_set(err, ERROR_INVALID, "state: kind is neither latents nor checkpoint");
}

static bool read_fingerprint(const json_t *state, struct latents_info *out, struct error *err)
{
    const char *text;
    if (!json_get_text(state, "fingerprint", &text, "state", err)) return false;
    size_t length = strlen(text);
    if (length == 0 || length >= sizeof out->fingerprint)
        return error_set(err, ERROR_INVALID, "state: a fingerprint of %zu bytes", length);
    memcpy(out->fingerprint, text, length + 1);
    return true;
}

static bool read_numbers(const json_t *state, struct latents_info *out, struct error *err)
{
    int64_t schema;
    const struct {
        const char *key;
        int64_t least, most, *out;
    } members[] = {
        {"schema", SCHEMA, SCHEMA, &schema},
        {"task", 0, UINT32_MAX, &out->task},
        {"first", 0, UINT32_MAX, &out->first},
        {"frames", 1, LATENTS_FRAMES_MAX, &out->frames},
        {"channels", 1, LATENTS_CHANNELS_MAX, &out->channels},
        {"height", 1, LATENTS_SIDE_MAX, &out->height},
        {"width", 1, LATENTS_SIDE_MAX, &out->width},
        {"steps", 1, LATENTS_STEPS_MAX, &out->steps},
        {"step", 0, LATENTS_STEPS_MAX, &out->step},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (!json_get_int(state, members[i].key, members[i].out, "state", err)) return false;
        if (*members[i].out < members[i].least || *members[i].out > members[i].most)
            return error_set(err, ERROR_INVALID, "state: %s is %" PRId64, members[i].key,
                             *members[i].out);
    }
    return out->step <= out->steps ||
           error_set(err, ERROR_INVALID, "state: step %" PRId64 " of %" PRId64, out->step,
                     out->steps);
}

static bool check_recipe(const json_t *state, const struct latents_wanted *wanted,
                         struct error *err)
{
    const char *recipe;
    if (!json_get_text(state, "recipe", &recipe, "state", err)) return false;
    return strcmp(recipe, wanted->recipe) == 0 ||
           error_set(err, ERROR_INVALID, "of another clip: its recipe is %.64s, not %.64s", recipe,
                     wanted->recipe);
}

struct pair {
    const char *name;
    int64_t have, want;
};

static bool check_pairs(const struct pair *pairs, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++)
        if (pairs[i].have != pairs[i].want)
            return error_set(err, ERROR_INVALID, "its %s is %" PRId64 ", not %" PRId64,
                             pairs[i].name, pairs[i].have, pairs[i].want);
    return true;
}

static bool check_place(const struct latents_info *info, const struct latents_wanted *wanted,
                        struct error *err)
{
    const struct pair pairs[] = {
        {"task", info->task, wanted->task},
        {"first frame", info->first, wanted->first},
        {"number of frames", info->frames, wanted->frames},
        {"step", info->step, wanted->step == LATENTS_STEP_ANY ? info->step : wanted->step},
    };
    return check_pairs(pairs, sizeof pairs / sizeof pairs[0], err);
}

static bool check_shape(const struct latents_info *info, const struct latents_wanted *wanted,
                        struct error *err)
{
    const struct pair pairs[] = {
        {"number of channels", info->channels, wanted->channels},
        {"height", info->height, wanted->height},
        {"width", info->width, wanted->width},
    };
    return wanted->channels == 0 || check_pairs(pairs, sizeof pairs / sizeof pairs[0], err);
}

static bool read_state(const json_t *state, const struct latents_wanted *wanted,
                       struct latents_info *out, struct error *err)
{
    return read_kind(state, out, err) && read_numbers(state, out, err) &&
           read_fingerprint(state, out, err) && check_shape(out, wanted, err) &&
           (wanted->recipe == NULL ||
            (check_recipe(state, wanted, err) && check_place(out, wanted, err)));
}

static bool take_state(const struct safetensors *file, const struct latents_wanted *wanted,
                       struct latents_info *out, struct error *err)
{
    const struct safetensors_entry *e = safetensors_find(file, "state");
    if (e == NULL || e->dtype != TENSOR_U8 || e->size_bytes > LATENTS_TEXT_MAX_BYTES)
        return error_set(err, ERROR_INVALID, "no state of at most %d bytes",
                         LATENTS_TEXT_MAX_BYTES);
    json_t *state = json_parse(e->data, e->size_bytes, "state", err);
    bool ok = state != NULL && (json_is_object(state) ||
                                error_set(err, ERROR_INVALID, "the state is not an object"));
    ok = ok && read_state(state, wanted, out, err);
    json_decref(state);
    return ok;
}

/* ---- tensors ---- */

static const struct tensor_row *row_of(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t length = strlen(rows[i].name);
        if (strncmp(name, rows[i].name, length) != 0) continue;
        if (name[length] == '\0' || name[length] == '.') return &rows[i];
    }
    return NULL;
}

static bool has_shape(const struct safetensors_entry *e, const struct latents_info *info)
{
    const int64_t dim[] = {info->channels, info->frames, info->height, info->width};
    size_t count = 1;
    for (int i = 0; i < 4; i++)
        if (!size_mul(count, (size_t)dim[i], &count)) return false;
    if (e->rank == 1) return (size_t)e->count == count;
    return e->rank == 4 && memcmp(e->dim, dim, sizeof dim) == 0;
}

static bool check_tensor(const struct safetensors_entry *e, const struct latents_info *info,
                         struct error *err)
{
    const struct tensor_row *row = row_of(e->name);
    if (row == NULL) return error_set(err, ERROR_INVALID, "%.64s has no place in it", e->name);
    if (e->dtype != row->dtype)
        return error_set(err, ERROR_INVALID, "%.64s is %s", e->name, tensor_dtype_name(e->dtype));
    if (e->dtype == TENSOR_U8)
        return e->size_bytes <= LATENTS_TEXT_MAX_BYTES ||
               error_set(err, ERROR_INVALID, "%.64s has %zu bytes", e->name, e->size_bytes);
    if (!has_shape(e, info))
        return error_set(err, ERROR_INVALID, "%.64s has another shape than the state says",
                         e->name);
    int64_t at = tensor_find_not_finite(TENSOR_F32, e->data, e->count);
    return at < 0 ||
           error_set(err, ERROR_INVALID, "%.64s is not finite at value %" PRId64, e->name, at);
}

static bool check_tensors(const struct safetensors *file, const struct latents_info *info,
                          struct error *err)
{
    int latents = 0;
    for (int i = 0; i < safetensors_count(file); i++) {
        const struct safetensors_entry *e = safetensors_at(file, i);
        if (!check_tensor(e, info, err)) return false;
        latents += strcmp(row_of(e->name)->name, "latents") == 0;
    }
    return latents > 0 || error_set(err, ERROR_INVALID, "there are no latents in it");
}

bool latents_check(const char *path, const struct latents_wanted *wanted, struct latents_info *out,
                   struct error *err)
{
    struct safetensors *file = safetensors_open(path, err);
    if (file == NULL) return false;
    memset(out, 0, sizeof *out);
    bool ok = take_state(file, wanted, out, err) && check_tensors(file, out, err);
    safetensors_close(file);
    return ok || error_wrap(err, "%s", path);
}

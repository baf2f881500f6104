#include "worker/outbox_record.h"

#include <stdio.h>

#include "base/json.h"
#include "base/xalloc.h"

static void put_digest(json_t *object, const char *key, const struct digest *digest)
{
    char text[DIGEST_TEXT_SIZE];
    digest_text(digest, text);
    json_object_set_new(object, key, json_string(text));
}

static json_t *output_object(const struct slot_output *out)
{
    json_t *o = json_pack("{sssI}", "kind", slot_output_name(out->kind), "size_bytes",
                          (json_int_t)out->size_bytes);
    put_digest(o, "sha256", &out->sha256);
    if (!slot_output_has_frames(out->kind)) return o;
    put_digest(o, "frames_sha256", &out->frames_sha256);
    json_object_set_new(o, "frames", json_integer(out->frames));
    json_object_set_new(o, "width", json_integer(out->width));
    json_object_set_new(o, "height", json_integer(out->height));
    return o;
}

char *outbox_record_text(const struct outbox_entry *e)
{
    const struct slot_result *r = &e->result;
    json_t *outputs = json_array();
    for (size_t i = 0; i < r->output_count; i++)
        json_array_append_new(outputs, output_object(&r->outputs[i]));
    json_t *o = json_pack("{sisssIsIsIsssssIsIso}", "version", RECORD_VERSION, "batch",
                          e->name.batch, "clip", (json_int_t)e->name.clip, "task",
                          (json_int_t)e->name.task, "fence", (json_int_t)e->name.fence, "recipe",
                          e->recipe, "fingerprint", e->fingerprint, "steps", (json_int_t)r->steps,
                          "render_ms", (json_int_t)r->render_ms, "outputs", outputs);
    ZOE_ASSERT(o != NULL);
    put_digest(o, "recipe_digest", &e->recipe_digest);
    put_digest(o, "model_digest", &e->model);
    char *text = json_pretty(o);
    json_decref(o);
    return text;
}

static bool get_digest(const json_t *object, const char *key, struct digest *out, struct error *err)
{
    const char *text;
    if (!json_get_text(object, key, &text, "record", err)) return false;
    return digest_parse(text, out) ||
           error_set(err, ERROR_INVALID, "record: %s is not a digest", key);
}

static bool get_u32(const json_t *object, const char *key, uint32_t *out, struct error *err)
{
    int64_t value;
    if (!json_get_int(object, key, &value, "record", err)) return false;
    if (value < 0 || value > UINT32_MAX)
        return error_set(err, ERROR_INVALID, "record: %s is out of range", key);
    *out = (uint32_t)value;
    return true;
}

static bool get_u64(const json_t *object, const char *key, uint64_t *out, struct error *err)
{
    int64_t value;
    if (!json_get_int(object, key, &value, "record", err)) return false;
    if (value < 0) return error_set(err, ERROR_INVALID, "record: %s is out of range", key);
    *out = (uint64_t)value;
    return true;
}

static bool read_name(const json_t *o, struct attempt_name *name, struct error *err)
{
    const char *batch;
    if (!json_get_text(o, "batch", &batch, "record", err)) return false;
    if (!id_is_batch(batch)) return error_set(err, ERROR_INVALID, "record: no batch");
    snprintf(name->batch, sizeof name->batch, "%s", batch);
    return get_u32(o, "clip", &name->clip, err) && get_u32(o, "task", &name->task, err) &&
           get_u64(o, "fence", &name->fence, err);
}

static bool read_frames(const json_t *o, struct slot_output *out, struct error *err)
{
    return get_u32(o, "frames", &out->frames, err) && get_u32(o, "width", &out->width, err) &&
           get_u32(o, "height", &out->height, err) &&
           get_digest(o, "frames_sha256", &out->frames_sha256, err);
}

static bool read_output(const json_t *o, struct slot_output *out, struct error *err)
{
    const char *kind;
    if (!json_get_text_or(o, "kind", "segment", &kind, "record", err)) return false;
    if (!slot_output_find(kind, &out->kind))
        return error_set(err, ERROR_VERSION, "record: \"%s\" is no kind of output here", kind);
    return get_u64(o, "size_bytes", &out->size_bytes, err) &&
           get_digest(o, "sha256", &out->sha256, err) &&
           (!slot_output_has_frames(out->kind) || read_frames(o, out, err));
}

/* Each kind once at most, in order. */
static bool read_outputs(const json_t *list, struct slot_result *r, struct error *err)
{
    const json_t *o;
    size_t i;
    if (json_array_size(list) < 1 || json_array_size(list) > SLOT_OUTPUT_KINDS)
        return error_set(err, ERROR_INVALID, "record: a bad number of outputs");
    json_array_foreach(list, i, o)
    {
        if (!read_output(o, &r->outputs[i], err)) return false;
        if (i > 0 && r->outputs[i].kind <= r->outputs[i - 1].kind)
            return error_set(err, ERROR_INVALID, "record: an output twice");
    }
    r->output_count = json_array_size(list);
    return true;
}

static bool read_result(const json_t *o, struct slot_result *r, struct error *err)
{
    const json_t *outputs = json_object_get(o, "outputs");
    if (!get_u32(o, "steps", &r->steps, err) || !get_u64(o, "render_ms", &r->render_ms, err))
        return false;
    if (outputs) return read_outputs(outputs, r, err);
    r->output_count = 1; /* version 1 */
    return read_output(o, &r->outputs[0], err);
}

static bool check_version(const json_t *o, struct error *err)
{
    int64_t version;
    if (!json_get_int(o, "version", &version, "record", err)) return false;
    return version <= RECORD_VERSION ||
           error_set(err, ERROR_VERSION, "record: of version %lld, this build reads up to %d",
                     (long long)version, RECORD_VERSION);
}

bool outbox_record_read(const json_t *o, struct outbox_entry *e, struct error *err)
{
    const char *recipe, *fingerprint;
    if (!check_version(o, err) || !read_name(o, &e->name, err) ||
        !read_result(o, &e->result, err) ||
        !get_digest(o, "recipe_digest", &e->recipe_digest, err) ||
        !get_digest(o, "model_digest", &e->model, err) ||
        !json_get_text(o, "recipe", &recipe, "record", err) ||
        !json_get_text(o, "fingerprint", &fingerprint, "record", err))
        return false;
    e->recipe = xstrdup(recipe);
    e->fingerprint = xstrdup(fingerprint);
    return true;
}

/* engine_convert: a model of any form written as a diffusers folder. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine/engine.h"
#include "engine/file/safetensors_stream.h"
#include "engine/folder/model_folder.h"
#include "engine/folder/tokenizer_copy.h"

#define CONVERT_SCHEMA 1
#define CHUNK_ELEMENTS 65536
#define COPIED_LIMIT_BYTES ((size_t)1 << 20)
#define HALF_MAX 65504.0F

struct convert {
    const char *out; /* the folder under way */
    const char *dtype;
    json_t *parts;
    unsigned char *raw, *cooked; /* a chunk as stored, as written */
};

static const char *const weight_files[PART_WITH_TENSORS] = {
    [PART_UNET] = "diffusion_pytorch_model.safetensors",
    [PART_VAE] = "diffusion_pytorch_model.safetensors",
    [PART_TEXT] = "model.safetensors",
};
static const char *const config_files[PART_COUNT] = {
    [PART_UNET] = "config.json",
    [PART_VAE] = "config.json",
    [PART_TEXT] = "config.json",
    [PART_SCHEDULER] = "scheduler_config.json",
};

/* ---- one tensor ---- */

static bool is_weight(const struct tensor_entry *e)
{
    return e->dtype == TENSOR_F32 || e->dtype == TENSOR_F16 || e->dtype == TENSOR_BF16 ||
           e->dtype == TENSOR_F64;
}

/* Integers (position_ids) and what cannot be read are no weights: they stay behind. */
static bool is_written(const struct tensor_entry *e)
{
    return e->problem == NULL && is_weight(e);
}

static enum tensor_dtype target_dtype(const struct convert *c, const struct tensor_entry *e)
{
    static const enum tensor_dtype legal[] = {TENSOR_F32, TENSOR_F16, TENSOR_BF16};
    for (int i = 0; c->dtype != NULL && i < 3; i++)
        if (strcmp(tensor_dtype_name(legal[i]), c->dtype) == 0) return legal[i];
    return e->dtype == TENSOR_F64 ? TENSOR_F32 : e->dtype;
}

static float value_at(enum tensor_dtype dtype, const unsigned char *raw, int64_t i)
{
    uint16_t bits;
    double wide;
    float value;
    if (dtype == TENSOR_F64) {
        memcpy(&wide, raw + i * 8, 8);
        return (float)wide;
    }
    if (dtype == TENSOR_F32) {
        memcpy(&value, raw + i * 4, 4);
        return value;
    }
    memcpy(&bits, raw + i * 2, 2);
    return dtype == TENSOR_F16 ? tensor_half_to_float(bits) : tensor_bfloat_to_float(bits);
}

static void store(enum tensor_dtype dtype, float value, unsigned char *cooked, int64_t i)
{
    if (dtype == TENSOR_F32) {
        memcpy(cooked + i * 4, &value, 4);
        return;
    }
    const uint16_t bits =
        dtype == TENSOR_F16 ? tensor_float_to_half(value) : tensor_float_to_bfloat(value);
    memcpy(cooked + i * 2, &bits, 2);
}

static bool cook(struct convert *c, const char *file, const struct tensor_entry *e,
                 enum tensor_dtype to, int64_t count, struct error *err)
{
    for (int64_t i = 0; i < count; i++) {
        const float value = value_at(e->dtype, c->raw, i);
        if (!isfinite(value))
            return error_set(err, ERROR_INVALID, "%s: tensor %s: not every value is finite", file,
                             e->name);
        if (to == TENSOR_F16 && fabsf(value) > HALF_MAX)
            return error_set(err, ERROR_INVALID,
                             "%s: tensor %s: %g does not fit float16; choose bf16 or f32", file,
                             e->name, (double)value);
        store(to, value, c->cooked, i);
    }
    return true;
}

static bool write_tensor(struct convert *c, struct safetensors_stream *s, const char *file,
                         const struct tensor_entry *e, struct error *err)
{
    const enum tensor_dtype to = target_dtype(c, e);
    for (int64_t at = 0; at < e->count; at += CHUNK_ELEMENTS) {
        const int64_t count = e->count - at < CHUNK_ELEMENTS ? e->count - at : CHUNK_ELEMENTS;
        const size_t bytes = (size_t)count * tensor_dtype_size(to);
        if (!tensor_entry_read(e, at, count, c->raw, err) || !cook(c, file, e, to, count, err) ||
            !safetensors_stream_write(s, c->cooked, bytes, err))
            return false;
    }
    return true;
}

/* ---- one part ---- */

static bool write_text(const char *folder, const char *name, const char *text, struct error *err)
{
    char *path = path_join(folder, name);
    const bool ok = path_write_atomic(path, text, strlen(text), 0644, err);
    free(path);
    return ok;
}

static bool write_json(const char *folder, const char *name, const json_t *value, struct error *err)
{
    char *text = json_pretty(value);
    const bool ok = write_text(folder, name, text, err);
    free(text);
    return ok;
}

static bool write_tensors(struct convert *c, enum model_part part, const char *folder,
                          struct tensor_file *f, struct error *err)
{
    struct safetensors_stream *s = safetensors_stream_new();
    char *path = path_join(folder, weight_files[part]);
    int written = 0;
    json_int_t bytes = 0;
    for (int i = 0; i < tensor_file_count(f); i++) {
        const struct tensor_entry *e = tensor_file_at(f, i);
        if (!is_written(e)) continue;
        safetensors_stream_plan(s, e->name, target_dtype(c, e), e->rank, e->dim);
        bytes += e->count * (json_int_t)tensor_dtype_size(target_dtype(c, e));
        written++;
    }
    bool ok = safetensors_stream_begin(s, path, err);
    for (int i = 0; ok && i < tensor_file_count(f); i++)
        if (is_written(tensor_file_at(f, i)))
            ok = write_tensor(c, s, tensor_file_path(f), tensor_file_at(f, i), err);
    ok = ok && safetensors_stream_end(s, err);
    safetensors_stream_free(s);
    free(path);
    json_array_append_new(c->parts, json_pack("{s:s, s:i, s:I}", "part", model_part_name(part),
                                              "tensors", written, "bytes", bytes));
    return ok;
}

static bool write_part(struct convert *c, struct model_parts *parts, enum model_part part,
                       struct error *err)
{
    char *folder = path_join(c->out, model_part_name(part));
    const json_t *config = model_parts_config(parts, part, NULL, err);
    bool ok = config != NULL && path_make_folders(folder, 0755, err) &&
              write_json(folder, config_files[part], config, err);
    if (ok && part < PART_WITH_TENSORS) {
        struct tensor_file *f = model_parts_tensors(parts, part, err);
        ok = f != NULL && write_tensors(c, part, folder, f, err);
    }
    free(folder);
    return ok;
}

/* ---- what stands around the parts ---- */

static bool write_index(struct convert *c, struct model_parts *parts, struct error *err)
{
    const char *pipeline = model_parts_pipeline(parts, err);
    const char *unet, *scheduler;
    const json_t *config = model_parts_config(parts, PART_UNET, NULL, err);
    const json_t *schedule = model_parts_config(parts, PART_SCHEDULER, NULL, err);
    if (pipeline == NULL || config == NULL || schedule == NULL ||
        !json_get_text_or(config, "_class_name", "UNet3DConditionModel", &unet, "unet", err) ||
        !json_get_text_or(schedule, "_class_name", "DDIMScheduler", &scheduler, "scheduler", err))
        return false;
    json_t *index =
        json_pack("{s:s, s:[s,s], s:[s,s], s:[s,s], s:[s,s], s:[s,s]}", "_class_name", pipeline,
                  "scheduler", "diffusers", scheduler, "text_encoder", "transformers",
                  "CLIPTextModel", "tokenizer", "transformers", "CLIPTokenizer", "unet",
                  "diffusers", unet, "vae", "diffusers", "AutoencoderKL");
    const bool ok = write_json(c->out, "model_index.json", index, err);
    json_decref(index);
    return ok;
}

/* The manifest without what is true of the old form only. */
static bool write_manifest(struct convert *c, const struct model_folder *m, struct error *err)
{
    json_t *manifest = json_copy(m->manifest);
    json_object_del(manifest, "config");
    json_object_del(manifest, "base");
    const bool ok =
        json_object_size(manifest) == 0 || write_json(c->out, "zoetrope.json", manifest, err);
    json_decref(manifest);
    return ok;
}

/* Licences go where the weights go. */
static bool copy_papers(struct convert *c, const char *from, struct error *err)
{
    static const char *const papers[] = {"README.md",   "LICENSE", "LICENSE.md",
                                         "LICENSE.txt", "LICENCE", "LICENCE.md"};
    for (size_t i = 0; i < sizeof papers / sizeof papers[0]; i++) {
        char *source = path_join(from, papers[i]);
        struct buf text = BUF_INIT;
        bool ok = true;
        if (path_exists(source))
            ok = path_read(source, COPIED_LIMIT_BYTES, &text, err) &&
                 write_text(c->out, papers[i], buf_text(&text), err);
        buf_finish(&text);
        free(source);
        if (!ok) return false;
    }
    return true;
}

static bool write_tokenizer(struct convert *c, struct model_parts *parts, struct error *err)
{
    const json_t *config = model_parts_config(parts, PART_TEXT, NULL, err);
    char *folder = path_join(c->out, "tokenizer");
    const bool ok = config != NULL && path_make_folders(folder, 0755, err) &&
                    tokenizer_copy(model_parts_tokenizer(parts), folder,
                                   json_integer_value(json_object_get(config, "hidden_size")), err);
    free(folder);
    return ok;
}

static bool write_all(struct convert *c, struct model_folder *m, struct error *err)
{
    bool ok = path_make_folders(c->out, 0755, err);
    for (int part = 0; ok && part < PART_COUNT; part++)
        ok = write_part(c, m->parts, (enum model_part)part, err);
    return ok && write_tokenizer(c, m->parts, err) && write_index(c, m->parts, err) &&
           write_manifest(c, m, err) && copy_papers(c, m->path, err);
}

/* ---- the whole ---- */

static bool check_request(const struct model_folder *m, const char *out, const char *dtype,
                          struct error *err)
{
    if (m->parts == NULL)
        return error_set(err, ERROR_USAGE, "%s holds no networks that could be converted", m->path);
    if (path_exists(out))
        return error_set(err, ERROR_STATE, "%s exists already; name a new folder", out);
    if (dtype == NULL || strcmp(dtype, "F32") == 0 || strcmp(dtype, "F16") == 0 ||
        strcmp(dtype, "BF16") == 0)
        return true;
    return error_set(err, ERROR_USAGE, "dtype must be f32, f16 or bf16, not \"%.20s\"", dtype);
}

/* Beside the target under a hidden name, so that a folder of models never shows half a model. */
static char *folder_under_way(const char *out)
{
    char *parent = path_dirname(out);
    char *name = xasprintf(".%s.part", path_basename(out));
    char *path = path_join(parent, name);
    free(name);
    free(parent);
    return path;
}

static json_t *convert(struct model_folder *m, const char *out, const char *dtype,
                       struct error *err)
{
    char *under_way = folder_under_way(out);
    struct convert c = {under_way, dtype, json_array(), xmalloc(CHUNK_ELEMENTS * sizeof(double)),
                        xmalloc(CHUNK_ELEMENTS * sizeof(float))};
    const bool ok = path_remove_tree(under_way, err) && write_all(&c, m, err) &&
                    path_rename_durable(under_way, out, err);
    if (!ok) (void)path_remove_tree(under_way, NULL);
    free(c.raw);
    free(c.cooked);
    free(under_way);
    if (!ok) json_decref(c.parts);
    return ok ? json_pack("{s:i, s:s, s:s?, s:s, s:o, s:O}", "schema", CONVERT_SCHEMA, "form",
                          model_parts_form(m->parts), "dtype", dtype, "out", out, "parts", c.parts,
                          "notes", model_parts_notes(m->parts))
              : NULL;
}

/* "new/" is new: a name, not the folder above none. */
static char *without_slashes(const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    return xstrndup(path, size);
}

json_t *engine_convert(const char *path, const char *out, const char *dtype, struct error *err)
{
    struct model_folder m;
    if (!model_folder_open(&m, path, err)) return NULL;
    char *to = without_slashes(out);
    json_t *report = check_request(&m, to, dtype, err) ? convert(&m, to, dtype, err) : NULL;
    free(to);
    model_folder_close(&m);
    return report;
}

/* The folder that diffusers writes: model_index.json and one folder a part. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine/forms/form.h"
#include "engine/forms/tidy.h"
#include "engine/model/config_rules.h"

#define NETWORK_FILES                                                                              \
    "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json",       \
        "diffusion_pytorch_model.fp16.safetensors",                                                \
        "diffusion_pytorch_model.safetensors.index.fp16.json",                                     \
        "diffusion_pytorch_model.fp16.safetensors.index.json", "diffusion_pytorch_model.bin",      \
        "diffusion_pytorch_model.bin.index.json", "diffusion_pytorch_model.fp16.bin",              \
        "diffusion_pytorch_model.bin.index.fp16.json", NULL

static const char *const network_files[] = {NETWORK_FILES};
static const char *const text_files[] = {"model.safetensors",
                                         "model.safetensors.index.json",
                                         "model.fp16.safetensors",
                                         "model.safetensors.index.fp16.json",
                                         "model.fp16.safetensors.index.json",
                                         "pytorch_model.bin",
                                         "pytorch_model.bin.index.json",
                                         "pytorch_model.fp16.bin",
                                         "pytorch_model.bin.index.fp16.json",
                                         NULL};

static const struct {
    const char *config;
    const char *const *files;
} layout[PART_COUNT] = {
    [PART_UNET] = {"config.json", network_files},
    [PART_VAE] = {"config.json", network_files},
    [PART_TEXT] = {"config.json", text_files},
    [PART_SCHEDULER] = {"scheduler_config.json", NULL},
};

struct diffusers {
    json_t *index; /* model_index.json, or an empty object */
};

static bool diffusers_open(const char *path, const json_t *manifest, void **state_out,
                           struct error *err)
{
    (void)manifest;
    char *index = path_join(path, "model_index.json"), *unet = path_join(path, "unet");
    json_t *object = NULL;
    if (path_exists(index))
        object = json_parse_file(index, FORM_CONFIG_LIMIT_BYTES, err);
    else if (path_is_folder(unet))
        object = json_object();
    free(unet);
    free(index);
    if (object == NULL) return false;
    struct diffusers *d = xcalloc(1, sizeof *d);
    d->index = object;
    *state_out = d;
    return true;
}

static void diffusers_close(void *state)
{
    struct diffusers *d = state;
    json_decref(d->index);
    free(d);
}

static const char *diffusers_pipeline(struct model_parts *p, void *state, struct error *err)
{
    const struct diffusers *d = state;
    const char *name = NULL;
    if (json_get_text_or(d->index, "_class_name", NULL, &name, "model_index.json", err) &&
        name == NULL)
        error_set(err, ERROR_NOT_FOUND,
                  "%s: neither zoetrope.json nor model_index.json says what it is",
                  model_parts_path(p));
    return name;
}

static char *part_folder(struct model_parts *p, enum model_part part)
{
    return path_join(model_parts_path(p), model_part_name(part));
}

static json_t *diffusers_config(struct model_parts *p, void *state, enum model_part part,
                                char **what_out, struct error *err)
{
    (void)state;
    char *folder = part_folder(p, part);
    *what_out = path_join(folder, layout[part].config);
    free(folder);
    return config_rules_read(*what_out, FORM_CONFIG_LIMIT_BYTES, err);
}

static void name_candidates(const char *folder, const char *const *files, struct error *err)
{
    struct buf tried = BUF_INIT;
    for (int i = 0; files[i] != NULL; i++)
        if (strstr(files[i], ".index.") == NULL)
            buf_printf(&tried, "%s%s", tried.size > 0 ? ", " : "", files[i]);
    error_set(err, ERROR_NOT_FOUND, "%s holds none of: %s (or their index files)", folder,
              buf_text(&tried));
    buf_finish(&tried);
}

static struct tensor_file *diffusers_tensors(struct model_parts *p, void *state,
                                             enum model_part part, struct error *err)
{
    (void)state;
    char *folder = part_folder(p, part);
    char *path = form_find_file(folder, layout[part].files);
    struct tensor_file *file = NULL;
    if (path == NULL)
        name_candidates(folder, layout[part].files, err);
    else
        file = tensor_file_open(path, err);
    free(path);
    free(folder);
    return file == NULL ? NULL : tidy_names(file, part);
}

static char *diffusers_tokenizer(struct model_parts *p, void *state)
{
    (void)state;
    char *folder = path_join(model_parts_path(p), "tokenizer");
    if (path_is_folder(folder)) return folder;
    free(folder);
    return NULL;
}

extern const struct form form_diffusers;
const struct form form_diffusers = {
    .name = "diffusers",
    .looks_for = "a diffusers folder (model_index.json)",
    .open = diffusers_open,
    .close = diffusers_close,
    .pipeline = diffusers_pipeline,
    .config = diffusers_config,
    .tensors = diffusers_tensors,
    .tokenizer = diffusers_tokenizer,
};

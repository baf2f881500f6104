/* The folder that ModelScope published: configuration.json and one torch file a network. The web
 * interface's form of ZeroScope has only the UNet and the text encoder; VAE and configuration come
 * from a folder beside it, or from the one that zoetrope.json calls "base". */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine/forms/form.h"
#include "engine/forms/ldm_part.h"
#include "engine/forms/ldm_schedule.h"

#define TRAIN_STEPS 1000
#define TRAIN_STEPS_MAX 100000
#define CONFIGURATION "configuration.json"

static const struct {
    const char *argument; /* in configuration.json's model_args */
    const char *usual;
} files[PART_WITH_TENSORS] = {
    [PART_UNET] = {"ckpt_unet", "text2video_pytorch_model.pth"},
    [PART_VAE] = {"ckpt_autoencoder", "VQGAN_autoencoder.pth"},
    [PART_TEXT] = {"ckpt_clip", "open_clip_pytorch_model.bin"},
};

struct modelscope {
    char *folder;
    char *base;     /* zoetrope.json's, or NULL */
    json_t *config; /* configuration.json's model_cfg, or an empty object */
    char *names[PART_WITH_TENSORS];
    struct tensor_file *files[PART_WITH_TENSORS];
    struct ldm_part parts[PART_WITH_TENSORS];
    int train_steps;
};

/* ---- configuration.json ---- */

static bool is_true(const json_t *value)
{
    const char *text = json_string_value(value);
    return value == NULL || json_is_true(value) || (text != NULL && strcmp(text, "True") == 0);
}

static bool check_config(struct modelscope *m, const char *path, struct error *err)
{
    const char *mean;
    int64_t steps;
    if (!json_get_text_or(m->config, "mean_type", "eps", &mean, path, err) ||
        !json_get_int_or(m->config, "num_timesteps", TRAIN_STEPS, &steps, path, err))
        return false;
    if (strcmp(mean, "eps") != 0)
        return error_set(err, ERROR_INVALID, "%s: \"mean_type\": \"%.40s\" is not built", path,
                         mean);
    if (!is_true(json_object_get(m->config, "temporal_attention")))
        return error_set(err, ERROR_INVALID, "%s: \"temporal_attention\" must be true", path);
    if (steps < 2 || steps > TRAIN_STEPS_MAX)
        return error_set(err, ERROR_INVALID, "%s: \"num_timesteps\" must be within 2..%d", path,
                         TRAIN_STEPS_MAX);
    m->train_steps = (int)steps;
    return true;
}

/* Names of files beside the configuration, nowhere else. */
static bool read_names(struct modelscope *m, const json_t *args, const char *path,
                       struct error *err)
{
    for (int i = 0; i < PART_WITH_TENSORS; i++) {
        const char *name;
        if (!json_get_text_or(args, files[i].argument, files[i].usual, &name, path, err))
            return false;
        if (!path_is_safe_relative(name))
            return error_set(err, ERROR_INVALID, "%s: \"%s\" must name a file beside it", path,
                             files[i].argument);
        m->names[i] = xstrdup(name);
    }
    return true;
}

static bool read_configuration(struct modelscope *m, const char *folder, struct error *err)
{
    char *path = path_join(folder, CONFIGURATION);
    json_t *file =
        path_exists(path) ? json_parse_file(path, FORM_CONFIG_LIMIT_BYTES, err) : json_object();
    const json_t *model = json_object_get(file, "model");
    json_t *config = json_object_get(model, "model_cfg");
    m->config = config != NULL ? json_incref(config) : json_object();
    const bool ok = file != NULL && check_config(m, path, err) &&
                    read_names(m, json_object_get(model, "model_args"), path, err);
    json_decref(file);
    free(path);
    return ok;
}

/* ---- recognising ---- */

static void modelscope_close(void *state)
{
    struct modelscope *m = state;
    for (int i = 0; i < PART_WITH_TENSORS; i++) {
        ldm_part_finish(&m->parts[i]);
        tensor_file_close(m->files[i]);
        free(m->names[i]);
    }
    json_decref(m->config);
    free(m->base);
    free(m->folder);
    free(m);
}

static bool holds(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    const bool found = path_exists(path);
    free(path);
    return found;
}

static bool modelscope_open(const char *path, const json_t *manifest, void **state_out,
                            struct error *err)
{
    if (!holds(path, files[PART_UNET].usual) && !holds(path, CONFIGURATION)) return false;
    struct modelscope *m = xcalloc(1, sizeof *m);
    const char *base;
    m->folder = xstrdup(path);
    if (json_get_text_or(manifest, "base", NULL, &base, "zoetrope.json", err) &&
        read_configuration(m, path, err)) {
        m->base = base == NULL ? NULL : base[0] == '/' ? xstrdup(base) : path_join(path, base);
        *state_out = m;
        return true;
    }
    modelscope_close(m);
    return false;
}

/* ---- files ---- */

/* A folder beside this one that has the VAE and the configuration of a whole model. */
static char *find_beside(const struct modelscope *m, const char *name)
{
    char *parent = path_join(m->folder, ".."), **names, *found = NULL;
    size_t count;
    if (path_list(parent, &names, &count, NULL)) {
        for (size_t i = 0; i < count && found == NULL; i++) {
            char *folder = path_join(parent, names[i]);
            if (holds(folder, name) && holds(folder, CONFIGURATION))
                found = path_join(folder, name);
            free(folder);
        }
        path_list_free(names, count);
    }
    free(parent);
    return found;
}

/* Only the VAE may come from elsewhere: UNet and text encoder are what makes the model. */
static char *find_file(struct model_parts *p, const struct modelscope *m, enum model_part part,
                       struct error *err)
{
    const char *name = m->names[part];
    if (holds(m->folder, name)) return path_join(m->folder, name);
    char *found = NULL;
    if (part == PART_VAE && m->base != NULL && holds(m->base, name))
        found = path_join(m->base, name);
    if (part == PART_VAE && m->base == NULL) found = find_beside(m, name);
    if (found != NULL)
        model_parts_note(p, "%s is taken from %s; to give the model to other machines, convert it",
                         name, found);
    else
        error_set(err, ERROR_NOT_FOUND, "%s/%s is missing%s", m->folder, name,
                  part == PART_VAE
                      ? ": put it there, or name the folder of a ModelScope model that has it in "
                        "zoetrope.json: {\"base\": \"../modelscope-1.7b\"}"
                      : "");
    return found;
}

static bool read_part(struct model_parts *p, struct modelscope *m, enum model_part part,
                      struct error *err)
{
    if (m->parts[part].config != NULL) return true;
    if (m->files[part] == NULL) {
        char *path = find_file(p, m, part, err);
        if (path != NULL) m->files[part] = tensor_file_open(path, err);
        free(path);
    }
    return m->files[part] != NULL && ldm_part_read(&m->parts[part], part, m->files[part], err);
}

/* ---- the row ---- */

static const char *modelscope_pipeline(struct model_parts *p, void *state, struct error *err)
{
    (void)p, (void)state, (void)err;
    return "TextToVideoSDPipeline";
}

/* Heads are the one thing that both the configuration and the shapes tell. */
static bool check_heads(const struct modelscope *m, const json_t *config, struct error *err)
{
    const json_t *said = json_object_get(m->config, "unet_head_dim");
    const json_t *seen = json_object_get(config, "attention_head_dim");
    if (said == NULL || json_integer_value(said) == json_integer_value(seen)) return true;
    return error_set(err, ERROR_INVALID,
                     "%s/" CONFIGURATION ": \"unet_head_dim\" is not the %lld of the weights",
                     m->folder, (long long)json_integer_value(seen));
}

static json_t *modelscope_config(struct model_parts *p, void *state, enum model_part part,
                                 char **what_out, struct error *err)
{
    struct modelscope *m = state;
    if (part == PART_SCHEDULER) {
        *what_out = xasprintf("%s (scheduler)", m->folder);
        return ldm_schedule(m->train_steps);
    }
    *what_out = xasprintf("%s/%s (its shapes)", m->folder, m->names[part]);
    if (!read_part(p, m, part, err)) return NULL;
    if (part == PART_UNET && !check_heads(m, m->parts[part].config, err)) return NULL;
    return json_deep_copy(m->parts[part].config);
}

static struct tensor_file *modelscope_tensors(struct model_parts *p, void *state,
                                              enum model_part part, struct error *err)
{
    struct modelscope *m = state;
    return read_part(p, m, part, err) ? ldm_part_view(&m->parts[part], err) : NULL;
}

static char *modelscope_tokenizer(struct model_parts *p, void *state)
{
    (void)p;
    const struct modelscope *m = state;
    char *folder = path_join(m->folder, "tokenizer");
    if (path_is_folder(folder)) return folder;
    free(folder);
    return NULL;
}

extern const struct form form_modelscope;
const struct form form_modelscope = {
    .name = "modelscope",
    .looks_for = "an original ModelScope folder (text2video_pytorch_model.pth)",
    .open = modelscope_open,
    .close = modelscope_close,
    .pipeline = modelscope_pipeline,
    .config = modelscope_config,
    .tensors = modelscope_tensors,
    .tokenizer = modelscope_tokenizer,
};

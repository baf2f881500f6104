/* A Stable Diffusion checkpoint: all networks in one file, of safetensors or torch; alone, or as
 * the only such file of its folder. Scheduler and tokenizer are those every such file was trained
 * with; whether a network predicts noise or velocity no file says. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine/forms/form.h"
#include "engine/forms/ldm_part.h"
#include "engine/forms/ldm_schedule.h"

#define TRAIN_STEPS 1000

struct checkpoint {
    struct tensor_file *file;
    char *path, *tokenizer;
    struct ldm_part parts[PART_WITH_TENSORS];
};

static bool is_checkpoint_name(const char *name)
{
    static const char *const endings[] = {".safetensors", ".ckpt", ".pth", ".pt", ".bin"};
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending != NULL && i < sizeof endings / sizeof endings[0]; i++)
        if (strcmp(ending, endings[i]) == 0) return true;
    return false;
}

/* The only checkpoint of a folder, or NULL. */
static char *only_file(const char *folder)
{
    char **names, *found = NULL;
    size_t count;
    if (!path_list(folder, &names, &count, NULL)) return NULL;
    int matches = 0;
    for (size_t i = 0; i < count; i++) {
        if (names[i][0] == '.' || !is_checkpoint_name(names[i])) continue;
        free(found);
        found = path_join(folder, names[i]);
        matches++;
    }
    path_list_free(names, count);
    if (matches == 1) return found;
    free(found);
    return NULL;
}

static void checkpoint_close(void *state)
{
    struct checkpoint *c = state;
    for (int i = 0; i < PART_WITH_TENSORS; i++)
        ldm_part_finish(&c->parts[i]);
    tensor_file_close(c->file);
    free(c->tokenizer);
    free(c->path);
    free(c);
}

static bool checkpoint_open(const char *path, const json_t *manifest, void **state_out,
                            struct error *err)
{
    (void)manifest;
    const bool folder = path_is_folder(path);
    char *file = folder ? only_file(path) : xstrdup(path);
    if (file == NULL) return false;
    struct checkpoint *c = xcalloc(1, sizeof *c);
    c->path = file;
    c->tokenizer = folder ? path_join(path, "tokenizer") : NULL;
    c->file = tensor_file_open(file, err);
    if (c->file != NULL && ldm_part_read(&c->parts[PART_UNET], PART_UNET, c->file, err)) {
        *state_out = c;
        return true;
    }
    checkpoint_close(c);
    return false;
}

static bool is_temporal(const struct checkpoint *c)
{
    const char *class =
        json_string_value(json_object_get(c->parts[PART_UNET].config, "_class_name"));
    return class != NULL && strcmp(class, "UNet3DConditionModel") == 0;
}

static const char *checkpoint_pipeline(struct model_parts *p, void *state, struct error *err)
{
    (void)p, (void)err;
    return is_temporal(state) ? "TextToVideoSDPipeline" : "StableDiffusionPipeline";
}

static bool read_part(struct checkpoint *c, enum model_part part, struct error *err)
{
    return c->parts[part].config != NULL || ldm_part_read(&c->parts[part], part, c->file, err);
}

static json_t *schedule(struct model_parts *p, const struct checkpoint *c)
{
    const json_t *linear = json_object_get(c->parts[PART_UNET].config, "use_linear_projection");
    if (json_is_true(linear))
        model_parts_note(p, "a checkpoint of Stable Diffusion 2 does not say what it predicts; "
                            "epsilon is assumed. For a 768-v model set prediction_type to "
                            "v_prediction, in recipes or in zoetrope.json: {\"config\": "
                            "{\"scheduler\": {\"prediction_type\": \"v_prediction\"}}}");
    return ldm_schedule(TRAIN_STEPS);
}

static json_t *checkpoint_config(struct model_parts *p, void *state, enum model_part part,
                                 char **what_out, struct error *err)
{
    struct checkpoint *c = state;
    *what_out = xasprintf("%s (%s, from its shapes)", c->path, model_part_name(part));
    if (part == PART_SCHEDULER) return schedule(p, c);
    return read_part(c, part, err) ? json_deep_copy(c->parts[part].config) : NULL;
}

static struct tensor_file *checkpoint_tensors(struct model_parts *p, void *state,
                                              enum model_part part, struct error *err)
{
    (void)p;
    struct checkpoint *c = state;
    return read_part(c, part, err) ? ldm_part_view(&c->parts[part], err) : NULL;
}

static char *checkpoint_tokenizer(struct model_parts *p, void *state)
{
    (void)p;
    const struct checkpoint *c = state;
    return c->tokenizer != NULL && path_is_folder(c->tokenizer) ? xstrdup(c->tokenizer) : NULL;
}

extern const struct form form_checkpoint;
const struct form form_checkpoint = {
    .name = "checkpoint",
    .looks_for = "one checkpoint file (.safetensors, .ckpt)",
    .open = checkpoint_open,
    .close = checkpoint_close,
    .pipeline = checkpoint_pipeline,
    .config = checkpoint_config,
    .tensors = checkpoint_tensors,
    .tokenizer = checkpoint_tokenizer,
};

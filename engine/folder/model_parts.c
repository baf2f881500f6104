#include "engine/folder/model_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine/forms/form.h"

extern const struct form form_diffusers, form_modelscope, form_checkpoint;

/* One row a form, the most telling first. */
static const struct form *const forms[] = {
    &form_diffusers,
    &form_modelscope,
    &form_checkpoint,
};

#define FORM_COUNT (sizeof forms / sizeof forms[0])

struct part {
    json_t *config;
    char *what;
    struct tensor_file *tensors;
};

struct model_parts {
    char *path;
    const struct form *form;
    void *state;
    struct part parts[PART_COUNT];
    char *tokenizer;
    json_t *said; /* zoetrope.json's "config", or NULL */
    json_t *notes;
};

static const char *const part_names[PART_COUNT] = {
    [PART_UNET] = "unet",
    [PART_VAE] = "vae",
    [PART_TEXT] = "text_encoder",
    [PART_SCHEDULER] = "scheduler",
};

const char *model_part_name(enum model_part part)
{
    return part_names[part];
}

static bool refuse(const char *path, struct error *err)
{
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < FORM_COUNT; i++)
        buf_printf(&text, "%s%s", i > 0 ? "; " : "", forms[i]->looks_for);
    error_set(err, ERROR_NOT_FOUND, "%s is no model: looked for %s", path, buf_text(&text));
    buf_finish(&text);
    return false;
}

static bool recognise(struct model_parts *p, const json_t *manifest, struct error *err)
{
    for (size_t i = 0; i < FORM_COUNT; i++) {
        struct error why = {0};
        if (forms[i]->open(p->path, manifest, &p->state, &why)) {
            p->form = forms[i];
            return true;
        }
        if (why.code != ERROR_NONE) return error_set(err, why.code, "%s", why.message);
    }
    return refuse(p->path, err);
}

static bool is_part_name(const char *name)
{
    for (int i = 0; i < PART_COUNT; i++)
        if (strcmp(part_names[i], name) == 0) return true;
    return false;
}

/* A part that is misspelt would be as good as not said. */
static bool check_said(struct model_parts *p, struct error *err)
{
    const char *name;
    json_t *value;
    if (p->said != NULL && !json_is_object(p->said))
        return error_set(err, ERROR_INVALID, "%s/zoetrope.json: \"config\" must be an object",
                         p->path);
    json_object_foreach(p->said, name, value)
    {
        if (!is_part_name(name) || !json_is_object(value))
            return error_set(err, ERROR_INVALID,
                             "%s/zoetrope.json: \"config\": \"%.40s\" must be an object called "
                             "unet, vae, text_encoder or scheduler",
                             p->path, name);
    }
    return true;
}

struct model_parts *model_parts_open(const char *path, const json_t *manifest, struct error *err)
{
    struct model_parts *p = xcalloc(1, sizeof *p);
    p->path = xstrdup(path);
    p->notes = json_array();
    p->said = json_incref(json_object_get(manifest, "config"));
    if (check_said(p, err) && recognise(p, manifest, err)) return p;
    model_parts_close(p);
    return NULL;
}

void model_parts_close(struct model_parts *p)
{
    if (p == NULL) return;
    for (int i = 0; i < PART_COUNT; i++) {
        json_decref(p->parts[i].config);
        free(p->parts[i].what);
        tensor_file_close(p->parts[i].tensors);
    }
    if (p->form != NULL) p->form->close(p->state);
    json_decref(p->notes);
    json_decref(p->said);
    free(p->tokenizer);
    free(p->path);
    free(p);
}

const char *model_parts_path(const struct model_parts *p)
{
    return p->path;
}

const char *model_parts_form(const struct model_parts *p)
{
    return p->form->name;
}

const char *model_parts_pipeline(struct model_parts *p, struct error *err)
{
    return p->form->pipeline(p, p->state, err);
}

/* What files cannot say of themselves, or say wrongly, zoetrope.json does. */
static bool overlay(const struct model_parts *p, enum model_part part, json_t *config,
                    struct error *err)
{
    if (!json_is_object(config))
        return error_set(err, ERROR_INVALID, "%s: not an object", p->parts[part].what);
    json_t *said = json_object_get(p->said, part_names[part]);
    if (said != NULL) json_object_update(config, said);
    return true;
}

const json_t *model_parts_config(struct model_parts *p, enum model_part part, const char **what,
                                 struct error *err)
{
    struct part *kept = &p->parts[part];
    if (kept->config == NULL) {
        free(kept->what);
        kept->what = NULL;
        kept->config = p->form->config(p, p->state, part, &kept->what, err);
        if (kept->config != NULL && !overlay(p, part, kept->config, err)) {
            json_decref(kept->config);
            kept->config = NULL;
        }
    }
    if (what != NULL) *what = kept->what;
    return kept->config;
}

struct tensor_file *model_parts_tensors(struct model_parts *p, enum model_part part,
                                        struct error *err)
{
    struct part *kept = &p->parts[part];
    ZOE_ASSERT(part < PART_WITH_TENSORS);
    if (kept->tensors == NULL) kept->tensors = p->form->tensors(p, p->state, part, err);
    return kept->tensors;
}

/* The merges lie beside the program, in a build folder as in an installation. */
static char *shipped_tokenizer(void)
{
    char *bin = path_own_folder();
    char *folder = xasprintf("%s/../share/zoetrope/tokenizers/clip", bin);
    free(bin);
    return folder;
}

const char *model_parts_tokenizer(struct model_parts *p)
{
    if (p->tokenizer == NULL) p->tokenizer = p->form->tokenizer(p, p->state);
    if (p->tokenizer == NULL) p->tokenizer = shipped_tokenizer();
    return p->tokenizer;
}

const json_t *model_parts_notes(const struct model_parts *p)
{
    return p->notes;
}

void model_parts_note(struct model_parts *p, const char *format, ...)
{
    char text[512];
    va_list args;
    const json_t *said;
    size_t i;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_array_foreach(p->notes, i, said)
    {
        if (strcmp(json_string_value(said), text) == 0) return;
    }
    json_array_append_new(p->notes, json_string(text));
}

char *form_find_file(const char *folder, const char *const *candidates)
{
    for (int i = 0; candidates[i] != NULL; i++) {
        char *path = path_join(folder, candidates[i]);
        if (path_exists(path)) return path;
        free(path);
    }
    return NULL;
}

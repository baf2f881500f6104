/* model_parts: a model as its parts, whatever form its files have: each part's tensors under
 * diffusers' names, its configuration as diffusers writes it.
 *
 * Forms (engine/forms/, one row each): a diffusers folder; the original ModelScope folder, also as
 * shipped for a web interface, with VAE and configuration from another; a Stable Diffusion
 * checkpoint of one file. Configurations that a form lacks are made from the shapes of its tensors.
 *
 * Everything is opened when it is first asked for and kept until the parts are closed; weights are
 * only mapped. Belongs to one thread at a time. */
#ifndef ZOE_ENGINE_FOLDER_MODEL_PARTS_H
#define ZOE_ENGINE_FOLDER_MODEL_PARTS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "engine/file/tensor_file.h"

enum model_part { PART_UNET, PART_VAE, PART_TEXT, PART_SCHEDULER, PART_COUNT };
#define PART_WITH_TENSORS PART_SCHEDULER /* the parts before it */

struct model_parts;

/* `path` is a folder, or a checkpoint file. `manifest` is its zoetrope.json or NULL; borrowed
 * during the call. NULL with ERROR_NOT_FOUND when no form is recognised; the message says which
 * were looked for. */
struct model_parts *model_parts_open(const char *path, const json_t *manifest, struct error *err);
void model_parts_close(struct model_parts *p); /* NULL is fine */

const char *model_parts_path(const struct model_parts *p);
const char *model_parts_form(const struct model_parts *p); /* the row's name: "diffusers" */

const char *model_part_name(enum model_part part); /* diffusers' folder of it: "text_encoder" */

/* The _class_name of the pipeline that diffusers would choose; borrowed. */
const char *model_parts_pipeline(struct model_parts *p, struct error *err);

/* A part's config.json (scheduler_config.json); borrowed. `*what` names it in errors. */
const json_t *model_parts_config(struct model_parts *p, enum model_part part, const char **what,
                                 struct error *err);
/* A part's tensors; borrowed, PART_SCHEDULER has none. */
struct tensor_file *model_parts_tensors(struct model_parts *p, enum model_part part,
                                        struct error *err);

/* The folder for tokenizer_open: the model's own, or CLIP's merges as shipped. */
const char *model_parts_tokenizer(struct model_parts *p);

/* Sentences for a person about what was assumed; a borrowed array of strings. */
const json_t *model_parts_notes(const struct model_parts *p);

#endif

/* recipe: everything needed to render a clip again, as JSON with diffusers' names: the field table
 * (recipe_fields.c: name, alias, type, limits), the parser and the canonical form. It knows no
 * model: defaults that a model decides are filled by recipe_fill from its zoetrope.json.
 *
 * The same fields stand in a submit line, on the wire, in a sidecar and in an MP4's comment tag. */
#ifndef ZOE_BASE_RECIPE_H
#define ZOE_BASE_RECIPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"

#define RECIPE_PROMPT_MAX_BYTES 8192
#define RECIPE_SEED_MAX INT64_MAX

#define RECIPE_NAME_MAX_BYTES 255
#define RECIPE_PATH_MAX_BYTES 4096
#define RECIPE_BATCH_MAX 64
#define RECIPE_SECONDS_MAX 100000
#define RECIPE_PLACE_MAX 99999 /* of a track: frames and steps count from 0 */

enum recipe_type {
    RECIPE_TEXT,
    RECIPE_INT,
    RECIPE_REAL,
    RECIPE_CHOICE,
    RECIPE_BOOL,
    RECIPE_LIST,       /* [0, 15]: numbers; on a command line "0,15" */
    RECIPE_TRACK,      /* {"0": 12, "10": 6}: numbers at places, straight lines between */
    RECIPE_TEXT_TRACK, /* the same with texts */
    RECIPE_LORAS,      /* [{"name": "x", "strength": 0.8}]; on a command line "x:0.8,y" */
    RECIPE_OBJECT,     /* the pattern's */
};

struct recipe_field {
    const char *name;  /* canonical, diffusers' */
    const char *alias; /* short flag ("steps"), or NULL */
    enum recipe_type type;
    /* Inclusive: of INT and REAL (a seed goes to 2^63-1 exactly), of each number of LIST and
     * TRACK, of a LoRA's strength, and bytes of a TEXT. */
    double min, max;
    int64_t multiple;           /* an INT must be divisible by it; 0 = any */
    const char *const *choices; /* NULL-terminated, for CHOICE */
    bool whole;                 /* LIST: integers only */
    int count_min, count_max;   /* members of LIST, TRACK and LORAS; count_min 0 = 1 */
    bool shapes_group;   /* lines that differ in it form groups (model, size, frames, steps, fps) */
    const char *summary; /* one line for --help and docs */
};

/* Row 0 .. count-1 of the field table, in canonical documentation order. */
const struct recipe_field *recipe_fields(int *count_out);
/* By name or alias; NULL when unknown. */
const struct recipe_field *recipe_field_find(const char *name);
/* Nearest legal name for an unknown one, or NULL. */
const char *recipe_field_nearest(const char *name);

/* All errors of this file are ERROR_USAGE, except that a text that is no JSON is ERROR_INVALID.
 *
 * Checks one value against its field; the error names field, value and range. */
bool recipe_check_value(const struct recipe_field *field, const json_t *value, struct error *err);
/* Parses a command-line text into the field's JSON type and checks it. New reference or NULL. */
json_t *recipe_value_from_text(const struct recipe_field *field, const char *text,
                               struct error *err);

/* Names for people, which never stand in a stored recipe: size, output_size and upscale_size
 * ("256x256") are two fields each, seconds is num_frames once fps is known (recipe_fill). */
bool recipe_is_shorthand(const char *name);
/* Puts what such a member means into `recipe`. ERROR_USAGE when it is given both ways. */
bool recipe_expand(json_t *recipe, const char *name, const json_t *value, struct error *err);

/* Checks a whole recipe object: known fields only (aliases are renamed in place; sizes become width
 * and height, seconds stay; integers in REAL fields become reals; a LoRA without strength gets 1),
 * types, ranges. Fields may be absent, null is an error. A LoRA's "digest" is its model digest
 * (base/model_digest.h): who accepts a recipe adds it, and who is given one must use that very
 * LoRA. After an error the object may be half renamed. A LoRA's "digest" is that of its folder
 * (base/model_digest.h): whoever accepts a recipe adds it, and whoever is given one uses that very
 * LoRA. */
bool recipe_check(json_t *recipe, struct error *err);

/* Checks, then fills what is absent from `defaults` (zoetrope.json "defaults" object, may be NULL;
 * never model, prompt or seed), then from the built-in defaults; sets "model" to `model_name` when
 * absent (NULL: then it must be there). After it every field that a render needs is present: model
 * prompt negative_prompt seed num_inference_steps guidance_scale scheduler eta width height
 * num_frames fps noise; seconds have become num_frames. Everything else stays absent: off, or as
 * the model's own files say. An absent prompt or seed is an error. */
bool recipe_fill(json_t *recipe, const char *model_name, const json_t *defaults, struct error *err);

/* Fields that name a file: init_video, init_image, mask, extend_video, extend_latents, audio. In a
 * stored recipe and on the wire the file is "sha256:" and 64 lower-case digits. */
#define RECIPE_FILES_MAX 6
bool recipe_is_file(const char *name);
bool recipe_file_digest(const char *text, struct digest *out);
/* Those that a stored recipe names; how many. */
uint32_t recipe_files(json_t *recipe, struct digest out[RECIPE_FILES_MAX]);
#define RECIPE_FILE_PREFIX "sha256:"

/* Canonical text (json_canonical) and its SHA-256. Caller frees. */
char *recipe_canonical(const json_t *recipe);
struct digest recipe_digest(const json_t *recipe);

/* Members of a checked recipe, for those who only read: the fallback when absent. Text is borrowed.
 */
int64_t recipe_int(const json_t *recipe, const char *name, int64_t fallback);
double recipe_real(const json_t *recipe, const char *name, double fallback);
const char *recipe_text(const json_t *recipe, const char *name, const char *fallback);

#endif

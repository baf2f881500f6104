/* recipe: everything needed to render a clip again, as JSON with diffusers' names. This file holds
 * the field table (name, alias, type, limits), the parser and the canonical form. It knows no
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

enum recipe_type { RECIPE_TEXT, RECIPE_INT, RECIPE_REAL, RECIPE_CHOICE, RECIPE_OBJECT };

struct recipe_field {
    const char *name;  /* canonical, diffusers' */
    const char *alias; /* short flag ("steps"), or NULL */
    enum recipe_type type;
    double min, max;            /* inclusive; for INT and REAL (seed is checked apart, to 2^63-1) */
    const char *const *choices; /* NULL-terminated, for CHOICE */
    bool shapes_group;   /* lines that differ in it form groups (model, size, frames, steps, fps) */
    const char *summary; /* one line for --help and docs */
};

/* Row 0 .. count-1 of the field table, in canonical documentation order. */
const struct recipe_field *recipe_fields(int *count_out);
/* By name or alias; NULL when unknown. */
const struct recipe_field *recipe_field_find(const char *name);
/* Nearest legal name for an unknown one, or NULL. */
const char *recipe_field_nearest(const char *name);

/* Checks one value against its field; the error names field, value and range. */
bool recipe_check_value(const struct recipe_field *field, const json_t *value, struct error *err);
/* Parses a command-line text into the field's JSON type. New reference or NULL. */
json_t *recipe_value_from_text(const struct recipe_field *field, const char *text,
                               struct error *err);

/* Checks a whole recipe object: known fields only (aliases are renamed in place; "size" becomes
 * width and height), types, ranges. `seed` must be one non-negative integer if present. Fields may
 * be absent. */
bool recipe_check(json_t *recipe, struct error *err);

/* Fills what is absent from `defaults` (zoetrope.json "defaults" object, may be NULL), then from
 * the built-in defaults; sets "model" to `model_name` when absent. After it, every field that a
 * render needs is present: prompt negative_prompt seed num_inference_steps guidance_scale scheduler
 * eta width height num_frames fps noise. */
bool recipe_fill(json_t *recipe, const char *model_name, const json_t *defaults, struct error *err);

/* Canonical text (sorted keys, no spaces, %.17g) and its SHA-256. Caller frees. */
char *recipe_canonical(const json_t *recipe);
struct digest recipe_digest(const json_t *recipe);

#endif

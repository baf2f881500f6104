/* request: one recipe, checked against a model's facts and turned into what a job works with. Text
 * is borrowed from the recipe. */
#ifndef ZOE_ENGINE_REQUEST_REQUEST_H
#define ZOE_ENGINE_REQUEST_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/recipe_start.h"
#include "engine/engine.h"
#include "engine/guidance.h"
#include "engine/request/request_noise.h"
#include "engine/request/request_sampling.h"
#include "engine/request/request_text.h"
#include "engine/request/request_window.h"

/* Steps count from 1; 0 = never. */
struct request_pattern {
    int64_t step_ms;
    int64_t fail_step;    /* this step fails */
    int64_t hang_step;    /* this step never ends, and reports nothing */
    int64_t crash_step;   /* this step kills the process */
    int64_t garbage_step; /* from this step on the frames are wrong */
};

struct request {
    const char *prompt, *negative;
    struct request_text text;
    int steps, width, height;
    int frames; /* of the clip */
    struct request_window window;
    struct guidance guidance;
    struct request_sampling sampling;
    struct request_noise noise;
    struct recipe_start start;
    struct request_pattern pattern;
    struct engine_images init, mask; /* of the window; data NULL: none */
};

/* `facts` as engine_describe gives them. The recipe is filled (recipe_fill). ERROR_USAGE names
 * field and range. */
bool request_parse_recipe(struct request *r, const json_t *facts, const json_t *recipe,
                          struct error *err);
/* The same with its window and its pictures, which must be there when the recipe names them and the
 * window needs them, and of the recipe's size. `fingerprint` is the model's. request_finish is
 * right afterwards in any case. */
bool request_parse(struct request *r, const json_t *facts, const struct engine_request *asked,
                   const char *fingerprint, struct error *err);
void request_finish(struct request *r);

/* Does it need what its recipe starts from? */
bool request_needs_init(const struct request *r);

/* Can they be one job? ERROR_USAGE names the field that differs. */
bool request_same_shape(const struct request *a, const struct request *b, struct error *err);

#endif

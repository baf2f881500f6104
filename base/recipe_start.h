/* recipe_start: what a recipe says of the pictures a clip starts from, and what of them stays.
 * Pure. */
#ifndef ZOE_BASE_RECIPE_START_H
#define ZOE_BASE_RECIPE_START_H

#include <jansson.h>
#include <stdbool.h>

struct recipe_start {
    bool init;   /* init_video or init_image is there */
    bool masked; /* a mask says what is made anew */
    bool kept;   /* by a mask or as held frames, something of the init stays */
    bool mixed;  /* the first latents are those of the init, noised; else noise alone */
    bool drawn;  /* latents of the init are drawn from what the encoder says, not its mean */
    bool loop;
    double strength;    /* this share of the steps is run */
    bool hold_first;    /* frame 0 is held, though hold_frames says nothing */
    const json_t *hold; /* hold_frames, or NULL; borrowed from the recipe */
};

/* Of a checked recipe (recipe_check); whether all of it can be is recipe_rules_check's question.
 * `frames` of the clip. Defaults: a picture that a clip of several frames begins with holds frame
 * 0; strength is 1 where frames are held or a mask is given, else 0.6 for videos and 0.8 for
 * images, as diffusers has it. */
void recipe_start_read(struct recipe_start *s, const json_t *recipe, int frames);

/* Of `steps`, how many are left out at the beginning: those of more noise than the start has. */
int recipe_start_skipped(const struct recipe_start *s, int steps);

#endif

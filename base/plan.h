/* plan: what a clip needs, as a pure function of its recipe: its tasks, and for each of them which
 * frames it sees, which it makes, which steps it runs and whose results it takes.
 *
 * Frames count from 0 in the whole clip; cuts divide it into scenes that know nothing of one
 * another. In a scene [a, b) window k begins at a + k * (window - overlap); the last one is moved
 * back so that it ends at b. A scene that is no longer than a window has one window of its length.
 *
 *   whole    one task. A clip that one window holds, whatever its method says
 *   chain    a task a window; frames that exist already are held to the latents of the task before
 *   seam     a task a window, and one a joint: its outer frames are held, its inner ones made anew
 *   windows  co-denoising: tasks (round, window). A round is `sync_every` evaluations; its tasks
 *            hand over latents, solver history and last prediction before the last solver step. A
 *            task of the next round averages those of all windows that overlap its own, does that
 *            step and goes on. After the last round it decodes
 *   upscale  a chain, then `windows` with a second model over it: stage 1
 *
 * The methods are compared in docs/long-videos.md. Input numbers are always below a task's own. No
 * state, no I/O; every function is a few additions for each scene. */
#ifndef ZOE_BASE_PLAN_H
#define ZOE_BASE_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define PLAN_CUTS_MAX 63
#define PLAN_SCENES_MAX (PLAN_CUTS_MAX + 1)
#define PLAN_TASKS_MAX 65536
#define PLAN_INPUTS_MAX 8

enum plan_method {
    PLAN_WHOLE,
    PLAN_CHAIN,
    PLAN_SEAM,
    PLAN_WINDOWS,
    PLAN_UPSCALE,
    PLAN_METHOD_COUNT
};
const char *plan_method_name(enum plan_method method);

/* 32-bit numbers only, so that plans can be compared and hashed as bytes. */
struct plan {
    uint32_t method;         /* enum plan_method */
    uint32_t frames;         /* of the whole clip */
    uint32_t window;         /* frames that a task sees; = frames when method is PLAN_WHOLE */
    uint32_t overlap;        /* of neighbouring windows; at most half a window */
    uint32_t steps;          /* evaluations of the network */
    uint32_t seam_steps;     /* the last ones, which joints run; 1 .. steps */
    uint32_t sync_every;     /* evaluations of a round */
    uint32_t upscale_steps;  /* evaluations in stage 1 */
    uint32_t resample_times; /* how often tasks with held frames run each stretch of steps; >= 1 */
    uint32_t resample_jump;  /* steps of a stretch; >= 1 */
    uint32_t keeps;          /* 1: with such stretches; a mask or hold_frames hold something, too */
    uint32_t start;          /* the first frame that is made: those before it exist already */
    uint32_t cut_count;
    uint32_t cuts[PLAN_CUTS_MAX]; /* first frames of the second and later scenes, ascending */
};

/* One window that holds the clip. */
struct plan plan_whole(uint32_t frames, uint32_t steps);
/* Of a filled and checked recipe (base/recipe.h; plan_fill). ERROR_USAGE says why it cannot be;
 * *field is the one at fault (static; `field` NULL: not wanted). */
bool plan_of_recipe(struct plan *out, const json_t *recipe, const char **field, struct error *err);

enum plan_kind {
    PLAN_RENDER, /* all steps, then frames */
    PLAN_JOIN,   /* a seam */
    PLAN_ROUND,  /* some of the steps of `windows`, no frames */
    PLAN_DECODE, /* after the last round: frames */
    PLAN_KIND_COUNT
};
const char *plan_kind_name(enum plan_kind kind); /* for people: "render", "join", .. */

enum plan_output { PLAN_SEGMENT, PLAN_LATENTS };

struct plan_input {
    uint32_t task;
    enum plan_output output;
};

struct plan_task {
    uint32_t number;
    enum plan_kind kind;
    uint32_t stage;                 /* 1: with the second model */
    uint32_t first, frames;         /* the window it sees */
    uint32_t held_first, held_last; /* of these, held at either end: they exist already */
    bool extends;                   /* the held ones are the end of what the clip extends */
    /* It runs step_end - step_first evaluations: of all 0 .. steps - 1 those from step_first on,
     * each of them `repeats` times (RePaint; 1: no repetition). */
    uint32_t step_first, step_end, repeats;
    uint32_t made_first, made_frames; /* the segment it delivers; 0 frames: none */
    bool published;                   /* its segment is part of the video */
    bool latents;                     /* it hands its latents over */
    uint32_t input_count;
    struct plan_input inputs[PLAN_INPUTS_MAX]; /* ascending; no task twice */
};

uint32_t plan_task_count(const struct plan *p); /* 1 .. PLAN_TASKS_MAX */
/* number < plan_task_count. */
void plan_task(const struct plan *p, uint32_t number, struct plan_task *out);
/* Who takes something of `number`: fills at most `room`, ascending, and returns how many there are.
 */
uint32_t plan_dependents(const struct plan *p, uint32_t number, uint32_t *out, uint32_t room);
/* The last window of the clip, whose latents an extension goes on from; its task's number. */
uint32_t plan_last(const struct plan *p);
/* The task that makes frame `frame` of the video; frame >= p->start. */
uint32_t plan_maker(const struct plan *p, uint32_t frame);
/* Stages: 1, or 2 with a second model. */
uint32_t plan_stages(const struct plan *p);

/* The weight of a frame in the average of overlapping windows: 1 at the edges of a window, growing
 * to its middle (a pyramid). 0 <= place < frames. */
float plan_weight(uint32_t place, uint32_t frames);

/* ---- recipes ---- */

/* Completes a filled recipe for a model whose window holds `window` frames (0: any number): absent
 * segment_frames, method, overlap become those of the defaults, and noise `indexed` when
 * `noise_given` is false. Recipes of one window stay as they are. ERROR_USAGE, naming the field in
 * *field, for what cannot be. */
bool plan_fill(json_t *recipe, int64_t window, bool noise_given, const char **field,
               struct error *err);
/* What a task of the stage renders: the recipe itself, or for stage 1 that of the second model,
 * whose init_video is PLAN_BASE_VIDEO: the frames of stage 0. New reference. */
#define PLAN_BASE_VIDEO "stage:0"
json_t *plan_stage_recipe(const json_t *recipe, uint32_t stage);

/* The text that a segment carries to tell its place: "DIGEST TASK FIRST COUNT". */
#define PLAN_PLACE_SIZE 128
void plan_place(const char *recipe_digest, const struct plan_task *task, char out[PLAN_PLACE_SIZE]);

#endif

/* request_window: which frames and steps of a clip a request is about, and what it takes from other
 * tasks. A clip of one window is a window like any other. */
#ifndef ZOE_ENGINE_REQUEST_REQUEST_WINDOW_H
#define ZOE_ENGINE_REQUEST_REQUEST_WINDOW_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/plan.h"
#include "engine/engine.h"
#include "engine/latents.h"

struct request_window {
    struct plan_task task;
    int first, frames, clip_frames; /* counted in the clip */
    int held_first, held_last;
    int step_first;  /* evaluations before the first one, of those that the clip's stage runs */
    int evaluations; /* that it runs, each of them `repeats` times */
    int repeats, jump;
    bool reanchors; /* new frames follow the contrast of the held ones */
    char clip[DIGEST_TEXT_SIZE];
    struct latents_file *inputs; /* [input_count], of its input tasks */
    int input_count;
    struct latents_file held;    /* of the clip that is extended, or none: then */
    struct engine_images before; /* borrowed */
};

/* Does it go on from what a round before it left? */
bool request_window_resumes(const struct request_window *w);

/* Files that are there are opened and checked. `facts` as engine_describe gives them, `fingerprint`
 * the model's. ERROR_USAGE for a task that does not suit the recipe or misses something,
 * ERROR_INVALID for files of another task. request_window_finish is right afterwards in any case.
 */
bool request_window_read(struct request_window *w, const json_t *facts,
                         const struct engine_request *asked, const char *fingerprint,
                         struct error *err);
void request_window_finish(struct request_window *w);

#endif

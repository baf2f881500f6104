/* plan_scene: where the windows of a scene stand. Internal to base/plan*.c.
 *
 * All numbers are frames of the clip, tasks of the plan, or counts of them. */
#ifndef ZOE_BASE_PLAN_SCENE_H
#define ZOE_BASE_PLAN_SCENE_H

#include "base/plan.h"

struct plan_scene {
    uint32_t first, end; /* frames of it that tasks see */
    uint32_t held;       /* of these, at the beginning, that exist already */
    uint32_t window, stride;
    uint32_t windows; /* >= 1 */
    uint32_t steps, seam_steps, sync_every;
    uint32_t stage;
    uint32_t task, tasks; /* its tasks */
    bool is_last;         /* of the clip */
};

/* Scenes of stage 0, then those of stage 1; false past the last one. */
bool plan_scene_at(const struct plan *p, uint32_t index, struct plan_scene *out);

uint32_t plan_window_first(const struct plan_scene *scene, uint32_t window);
uint32_t plan_window_frames(const struct plan_scene *scene);

/* The joint between window `joint` and the next one: the window that sees it, and of its frames
 * those that are made anew. They lie in the middle of what both windows have, are at most half a
 * window, and leave at least 2 frames a side, and 2 between two joints where there is room. */
struct plan_seam {
    uint32_t first;
    uint32_t inner_first, inner_end;
};
struct plan_seam plan_seam_of(const struct plan_scene *scene, uint32_t joint);

#endif

#include "base/plan_scene.h"

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* ---- scenes ---- */

static uint32_t count_windows(const struct plan_scene *s)
{
    const uint32_t length = s->end - s->first;
    if (length <= s->window) return 1;
    return (length - s->window + s->stride - 1) / s->stride + 1;
}

static uint32_t count_tasks(const struct plan *p, const struct plan_scene *s)
{
    const uint32_t rounds = (s->steps + s->sync_every - 1) / s->sync_every;
    if (s->windows == 1) return 1;
    if (p->method == PLAN_SEAM) return 2 * s->windows - 1;
    if (p->method == PLAN_WINDOWS || s->stage == 1) return s->windows * (rounds + 1);
    return s->windows;
}

/* Frames before p->start exist; the scene that goes on from them sees the last few. */
static bool place_scene(const struct plan *p, uint32_t index, struct plan_scene *s)
{
    const uint32_t begin = index > 0 ? p->cuts[index - 1] : 0;
    s->end = index < p->cut_count ? p->cuts[index] : p->frames;
    s->held = p->start > begin ? smaller(p->overlap, p->start - begin) : 0;
    s->first = (p->start > begin ? p->start : begin) - s->held;
    return s->end > p->start && s->end > begin;
}

bool plan_scene_at(const struct plan *p, uint32_t index, struct plan_scene *out)
{
    uint32_t task = 0, found = 0;
    for (uint32_t stage = 0; stage < plan_stages(p); stage++) {
        for (uint32_t i = 0; i <= p->cut_count; i++) {
            struct plan_scene s = {.window = p->window,
                                   .stride = p->window - p->overlap,
                                   .steps = stage == 0 ? p->steps : p->upscale_steps,
                                   .seam_steps = p->seam_steps,
                                   .sync_every = p->sync_every,
                                   .stage = stage,
                                   .task = task,
                                   .is_last = i == p->cut_count};
            if (!place_scene(p, i, &s)) continue;
            s.windows = count_windows(&s);
            s.tasks = count_tasks(p, &s);
            *out = s;
            if (found++ == index) return true;
            task += s.tasks;
        }
    }
    return false;
}

/* ---- windows ---- */

uint32_t plan_window_frames(const struct plan_scene *scene)
{
    return smaller(scene->window, scene->end - scene->first);
}

uint32_t plan_window_first(const struct plan_scene *scene, uint32_t window)
{
    if (window + 1 >= scene->windows) return scene->end - plan_window_frames(scene);
    return scene->first + window * scene->stride;
}

/* ---- joints ---- */

#define SEAM_HELD_MIN 2

/* Twice the middle of what the windows beside a joint share. */
static uint32_t middle_twice(const struct plan_scene *s, uint32_t joint)
{
    return plan_window_first(s, joint + 1) + plan_window_first(s, joint) + plan_window_frames(s);
}

static uint32_t room_beside(const struct plan_scene *s, uint32_t joint)
{
    const uint32_t apart = (middle_twice(s, joint + 1) - middle_twice(s, joint)) / 2;
    return apart > SEAM_HELD_MIN + 1 ? apart - SEAM_HELD_MIN : 1;
}

static uint32_t inner_frames(const struct plan_scene *s, uint32_t joint)
{
    const uint32_t frames = plan_window_frames(s);
    const uint32_t held = frames / 4 > SEAM_HELD_MIN ? frames / 4 : SEAM_HELD_MIN;
    uint32_t inner = frames > 2 * held ? frames - 2 * held : 1;
    if (joint > 0) inner = smaller(inner, room_beside(s, joint - 1));
    if (joint + 2 < s->windows) inner = smaller(inner, room_beside(s, joint));
    return inner;
}

struct plan_seam plan_seam_of(const struct plan_scene *scene, uint32_t joint)
{
    if (joint + 1 >= scene->windows) return (struct plan_seam){0};
    const uint32_t twice = middle_twice(scene, joint), inner = inner_frames(scene, joint);
    const uint32_t first = (twice - inner) / 2;
    return (struct plan_seam){(twice - plan_window_frames(scene)) / 2, first, first + inner};
}

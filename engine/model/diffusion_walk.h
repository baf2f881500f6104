/* diffusion_walk: which evaluation of the schedule a job's next step is. Without repetition they
 * come one after the other. With it each stretch of `jump` of them is run `times` times: after its
 * end the latents get back the noise of its beginning (A. Lugmayr et al., "RePaint: Inpainting
 * using Denoising Diffusion Probabilistic Models", 2022, section 4.2). Pure. */
#ifndef ZOE_ENGINE_MODEL_DIFFUSION_WALK_H
#define ZOE_ENGINE_MODEL_DIFFUSION_WALK_H

#include <stdbool.h>

struct diffusion_walk {
    int from, count; /* evaluations of the schedule */
    int jump, times; /* >= 1; times 1: no repetition */
};

struct diffusion_turn {
    int index;      /* in the schedule */
    int repetition; /* of its stretch, from 0 */
    int back;       /* after it everything from here on is run again; -1: on to the next */
    int since;      /* where history was last forgotten; -1: never */
    bool last;      /* of the walk */
};

int diffusion_walk_steps(const struct diffusion_walk *w);
/* 0 <= step < diffusion_walk_steps, or there when the walk has an end: `since` alone counts then.
 */
struct diffusion_turn diffusion_walk_at(const struct diffusion_walk *w, int step);

#endif

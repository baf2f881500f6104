/* diffusion_job: a denoising job from inside: what the files diffusion_*.c share. Internal to
 * them. One thread at a time. */
#ifndef ZOE_ENGINE_MODEL_DIFFUSION_JOB_H
#define ZOE_ENGINE_MODEL_DIFFUSION_JOB_H

#include "engine/model/diffusion.h"
#include "engine/model/diffusion_walk.h"

struct family_job {
    struct diffusion_model *model;
    int count, rows; /* requests; texts: uncond of each first, then cond of each; cond alone without
                        guidance */
    struct diffusion_size size;
    int64_t latent_count; /* floats of one request */
    int first_frame;      /* of the clip */
    int held_first, held_last;
    int steps, first; /* of the whole schedule; the one at which solvers began */
    struct diffusion_walk walk;
    bool loop;
    bool leaves;               /* its last solver step is another round's */
    struct sampler_path *path; /* timesteps and noise levels of all requests */
    const struct sampler *sampler;
    struct sampler_run **samplers; /* per request, as the next two */
    const struct noise *noise;
    struct noise_state **noises;
    struct request_noise *noise_requests;
    double *scales;                    /* of guidance, [count][steps]; 1 = none */
    double *rescales;                  /* [count] */
    struct conditioning *conditioning; /* diffusion_text.c */
    float *latents;                    /* [count][C][F][h][w] */
    float *prediction;                 /* the same shape */
    float *input;                      /* [count][F][h][w][C] */
    float *output;                     /* [rows][F][h][w][C] */
    float *frame, *pixels;             /* of one decoded frame, channels last */
    float *clean, *fixed; /* as latents: of the pictures a job starts from or what it holds, and
                             the noise they are held with; or NULL */
    struct diffusion_anchor *anchors; /* [channels]; NULL: new frames follow nothing */
    float *batch; /* noise of the largest batch that shares a generator; or NULL */
    float *fresh; /* [count][F][h][w]: the share that is made anew; NULL: everything */
    bool stepped;
    char **warnings; /* [warning_count] */
    int warning_count;
};

/* What a person should hear of; the same only once. */
void diffusion_warn(struct family_job *j, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- layouts: [F][h][w][C] -> [C][F][h][w]; plane = F * h * w ---- */

void diffusion_channels_first(const float *from, int channels, int64_t plane, float *to);
int64_t diffusion_plane(const struct family_job *j);

struct latents_facts diffusion_latents_shape(const struct family_job *j); /* that alone */

/* ---- diffusion_step.c ---- */

/* The solver's step from a prediction to less noisy latents. */
void diffusion_solve(struct family_job *j, int request, int index, int repetition);

/* ---- diffusion_return.c ---- */

/* After turn->index, back to turn->back. */
void diffusion_return(struct family_job *j, int request, const struct diffusion_turn *turn);

/* ---- diffusion_anchor.c: one a channel ---- */

struct diffusion_anchor {
    float gain, offset;
};
/* Before the solver's last step. */
void diffusion_anchor_measure(struct family_job *j, int request, int index);
/* After it, to the frames that are not held. */
void diffusion_anchor_apply(struct family_job *j, int request);

/* ---- diffusion_window.c: what comes from other tasks ---- */

/* Clean latents of held frames and of both sides of a joint. */
bool diffusion_window_known(struct family_job *j, int request, const struct request *r,
                            struct error *err);
/* The averaged state of the round before, and its last solver step. */
bool diffusion_window_resume(struct family_job *j, int request, const struct request *r,
                             struct error *err);

/* ---- diffusion_text.c: what the prompts say ---- */

bool diffusion_text_begin(struct family_job *j, const struct request *requests, struct error *err);
void diffusion_text_end(struct family_job *j);
/* What the network is told at a step that sees frame `turn` first: [negative.., prompt..], or the
 * prompts alone. NULL: err. */
const void *diffusion_text_at(struct family_job *j, int index, int turn, struct error *err);

/* ---- diffusion_guidance.c ---- */

void diffusion_guidance_begin(struct family_job *j, const struct request *requests); /* sets rows */
void diffusion_guidance_end(struct family_job *j);
bool diffusion_guided_at(const struct family_job *j, int index);
/* From output, what the network said of all rows, to the request's prediction. Its frame 0 is the
 * clip's frame `turn`. */
void diffusion_guide(struct family_job *j, int request, int index, int turn);

/* ---- diffusion_start.c: schedules, samplers, noise, first latents ---- */

bool diffusion_start(struct family_job *j, const struct request *requests, struct error *err);
void diffusion_start_end(struct family_job *j);

/* ---- diffusion_noise.c: fresh noise in the layout of the latents ---- */

bool diffusion_noise_begin(struct family_job *j, const struct request *requests, struct error *err);
void diffusion_noise_end(struct family_job *j);
void diffusion_draw_start(struct family_job *j, int request, float *out);
void diffusion_draw_frames(struct family_job *j, int request, struct noise_place place, float *out);

/* ---- diffusion_init.c: a request's pictures to clean latents ---- */

bool diffusion_init(struct family_job *j, int request, const struct request *r, struct error *err);
/* The same of the pictures before the window, which are its first frames. */
bool diffusion_encode_before(struct family_job *j, int request, const struct request *r,
                             struct error *err);

/* ---- diffusion_hold.c: what stays of them ---- */

bool diffusion_hold_begin(struct family_job *j, const struct request *requests, struct error *err);
void diffusion_hold_end(struct family_job *j);
/* Puts it in place as it is before step `index`; steps = after the last. */
void diffusion_hold(struct family_job *j, int request, int index);

#endif

/* One denoising step of a job. */
#include "engine/model/diffusion_job.h"

struct noise_source {
    struct family_job *job;
    int request, index, repetition;
};

static void draw(void *arg, float *out)
{
    const struct noise_source *source = arg;
    const struct noise_place place = {
        .purpose = NOISE_STEP, .step = source->index, .repetition = source->repetition};
    diffusion_draw_frames(source->job, source->request, place, out);
}

/* A clip that shall loop is shown to the network from another frame in every step, so that no seam
 * has a place to be. The golden section spreads these places evenly over any number of steps. */
static int frame_turn(const struct family_job *j, int index)
{
    const double golden = 0.6180339887498949, turns = (index + 1) * golden;
    return j->loop ? (int)((turns - (int)turns) * j->size.frames) : 0;
}

/* Latents [C][F][h][w] to what the network sees: scaled, channels last, frame `turn` first. */
static void show(struct family_job *j, int request, double gain, int turn)
{
    const int channels = j->model->latent_channels, frames = j->size.frames;
    const int64_t cells = (int64_t)j->size.height * j->size.width;
    const float *latents = j->latents + request * j->latent_count;
    float *out = j->input + request * j->latent_count;
    for (int f = 0; f < frames; f++) {
        const int from = (f + turn) % frames;
        for (int64_t p = 0; p < cells; p++)
            for (int c = 0; c < channels; c++)
                *out++ = (float)gain * latents[(c * frames + from) * cells + p];
    }
}

static bool predict(struct family_job *j, int index, int turn, struct error *err)
{
    struct diffusion_model *m = j->model;
    const double gain = sampler_scale_input(j->path, index);
    const void *condition = diffusion_text_at(j, index, turn, err);
    if (condition == NULL) return false;
    for (int i = 0; i < j->count; i++)
        show(j, i, gain, turn);
    return m->denoise(m, &j->size, condition, j->path->timesteps[index], j->input, j->output, err);
}

void diffusion_solve(struct family_job *j, int request, int index, int repetition)
{
    struct noise_source source = {j, request, index, repetition};
    sampler_step(j->samplers[request], index, j->latents + request * j->latent_count,
                 j->prediction + request * j->latent_count, draw, &source);
}

static void advance(struct family_job *j, int request, const struct diffusion_turn *turn)
{
    const bool anchors_now = j->anchors != NULL && turn->last && turn->index + 1 == j->steps;
    if (anchors_now) diffusion_anchor_measure(j, request, turn->index);
    diffusion_solve(j, request, turn->index, turn->repetition);
    if (anchors_now) diffusion_anchor_apply(j, request);
    diffusion_hold(j, request, turn->index + 1);
    if (turn->back >= 0) diffusion_return(j, request, turn);
}

bool diffusion_job_step(struct family_job *j, int step, struct ops *ops, struct error *err)
{
    const struct diffusion_turn turn = diffusion_walk_at(&j->walk, step);
    const int shown_first = frame_turn(j, turn.index);
    (void)ops;
    if (!predict(j, turn.index, shown_first, err)) return false;
    for (int i = 0; i < j->count; i++) {
        diffusion_guide(j, i, turn.index, shown_first);
        if (!j->leaves || !turn.last) advance(j, i, &turn);
    }
    j->stepped = true;
    return true;
}

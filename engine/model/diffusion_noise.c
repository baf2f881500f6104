/* The order in which a job draws noise is the reference's: the start of a clip that is all new as
 * one [C][F][h][w], everything else frame by frame, because its schedulers see frames as a batch.
 * Clips of a batch that share a generator are drawn together, and each takes its part. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/model/diffusion_job.h"

/* One frame of [C][h][w] to its places in [C][F][h][w]. */
static void place_frame(const struct family_job *j, const float *drawn, int frame, float *out)
{
    const int channels = j->model->latent_channels, frames = j->size.frames;
    const size_t cells = (size_t)j->size.height * (size_t)j->size.width;
    for (int c = 0; c < channels; c++)
        memcpy(out + (size_t)(c * frames + frame) * cells, drawn + (size_t)c * cells,
               cells * sizeof *out);
}

static void draw_placed(struct family_job *j, int request, struct noise_place place, float *out)
{
    const size_t count = (size_t)(j->latent_count / j->size.frames);
    float *drawn = j->input; /* free between denoising and the next step; one request fits */
    for (int f = 0; f < j->size.frames; f++) {
        place.frame = j->first_frame + f;
        j->noise->frame(j->noises[request], &place, drawn, count);
        place_frame(j, drawn, f, out);
    }
}

/* The request's part of what its batch draws, in the order of drawing. */
static void draw_stream(struct family_job *j, int request, bool in_float, float *out)
{
    const struct request_noise *n = &j->noise_requests[request];
    const size_t count = (size_t)j->latent_count;
    float *whole = n->batch_size > 1 ? j->batch : out;
    if (in_float && j->noise->normal_float != NULL)
        j->noise->normal_float(j->noises[request], whole, count * (size_t)n->batch_size);
    else
        j->noise->normal(j->noises[request], whole, count * (size_t)n->batch_size);
    if (whole != out) memcpy(out, whole + (size_t)n->batch_index * count, count * sizeof *out);
}

bool diffusion_noise_begin(struct family_job *j, const struct request *requests, struct error *err)
{
    size_t largest = 1, count;
    for (int i = 0; i < j->count; i++)
        if ((size_t)requests[i].noise.batch_size > largest)
            largest = (size_t)requests[i].noise.batch_size;
    if (largest == 1) return true;
    if (!size_mul(largest, (size_t)j->latent_count, &count))
        return error_set(err, ERROR_NO_MEMORY, "batch_size: noise of this size does not fit");
    j->batch = alloc_checked(count, sizeof *j->batch, "noise of a batch", err);
    return j->batch != NULL;
}

void diffusion_noise_end(struct family_job *j)
{
    free(j->batch);
}

void diffusion_draw_start(struct family_job *j, int request, float *out)
{
    if (j->noise->frame != NULL)
        draw_placed(j, request, (struct noise_place){.purpose = NOISE_START}, out);
    else
        draw_stream(j, request, false, out);
}

void diffusion_draw_frames(struct family_job *j, int request, struct noise_place place, float *out)
{
    const bool in_float = place.purpose == NOISE_STEP && j->sampler->draws_float;
    if (j->noise->frame != NULL) {
        draw_placed(j, request, place, out);
        return;
    }
    float *drawn = j->input; /* as above */
    draw_stream(j, request, in_float, drawn);
    for (int f = 0; f < j->size.frames; f++)
        place_frame(j, drawn + f * (j->latent_count / j->size.frames), f, out);
}

/* How a job's two predictions become one, at each step. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "engine/model/diffusion_job.h"

void diffusion_guidance_begin(struct family_job *j, const struct request *requests)
{
    j->rows = j->count;
    j->scales = xcalloc((size_t)j->count * (size_t)j->steps, sizeof *j->scales);
    j->rescales = xcalloc((size_t)j->count, sizeof *j->rescales);
    for (int i = 0; i < j->count; i++) {
        j->rescales[i] = requests[i].guidance.rescale;
        for (int k = 0; k < j->steps; k++) {
            const double scale = guidance_at(&requests[i].guidance, k, j->steps);
            j->scales[i * j->steps + k] = scale;
            if (scale > 1) j->rows = 2 * j->count;
        }
    }
}

void diffusion_guidance_end(struct family_job *j)
{
    free(j->scales);
    free(j->rescales);
}

bool diffusion_guided_at(const struct family_job *j, int index)
{
    for (int i = 0; i < j->count; i++)
        if (j->scales[i * j->steps + index] > 1) return true;
    return false;
}

/* Back to the latents' layout and order of frames. */
static void put_back(const struct family_job *j, const float *from, int turn, float *to)
{
    const int channels = j->model->latent_channels, frames = j->size.frames;
    const int64_t cells = (int64_t)j->size.height * j->size.width;
    for (int f = 0; f < frames; f++) {
        const int at = (f + turn) % frames;
        for (int64_t p = 0; p < cells; p++)
            for (int c = 0; c < channels; c++)
                to[(c * frames + at) * cells + p] = *from++;
    }
}

void diffusion_guide(struct family_job *j, int request, int index, int turn)
{
    const int64_t count = j->latent_count;
    const double scale = j->scales[request * j->steps + index];
    float *guided = j->output + request * count;
    if (diffusion_guided_at(j, index)) {
        const float *positive = guided + j->count * count;
        if (scale > 1) {
            guidance_mix(scale, guided, positive, count, guided);
            guidance_rescale(j->rescales[request], positive, count, guided);
        } else {
            guided = j->output + (j->count + request) * count;
        }
    }
    put_back(j, guided, turn, j->prediction + request * count);
}

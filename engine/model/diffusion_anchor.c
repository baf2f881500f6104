/* Long chains of windows drift in contrast and colour. What the network says of the held frames in
 * its last evaluation, next to what they are, tells how far it is off in this window; the new
 * frames are corrected by that, each channel by itself, and never by anything of their own. */
#include <math.h>

#include "engine/model/diffusion_job.h"

#define GAIN_MIN 0.9
#define GAIN_MAX 1.1

struct moments {
    double mean, deviation;
};

struct sums {
    double count, sum, squares;
};

static void add(struct sums *s, double value)
{
    s->count++;
    s->sum += value;
    s->squares += value * value;
}

static struct moments moments_of(const struct sums *s)
{
    const double mean = s->sum / s->count;
    return (struct moments){mean, sqrt(fmax(s->squares / s->count - mean * mean, 0))};
}

static bool is_held(const struct family_job *j, int frame)
{
    return frame < j->held_first || frame >= j->size.frames - j->held_last;
}

static struct diffusion_anchor anchor_of(const struct sums *said, const struct sums *true_ones)
{
    const struct moments s = moments_of(said), t = moments_of(true_ones);
    const double gain = s.deviation > 0 ? t.deviation / s.deviation : 1;
    const double clamped = fmin(fmax(gain, GAIN_MIN), GAIN_MAX);
    return (struct diffusion_anchor){(float)clamped, (float)(t.mean - clamped * s.mean)};
}

void diffusion_anchor_measure(struct family_job *j, int request, int index)
{
    const struct sampler_clean say = sampler_clean_at(j->path, index);
    const int64_t cells = (int64_t)j->size.height * j->size.width;
    const int64_t offset = request * j->latent_count;
    for (int c = 0; c < j->model->latent_channels; c++) {
        struct sums said = {0}, true_ones = {0};
        for (int f = 0; f < j->size.frames; f++)
            for (int64_t p = 0; is_held(j, f) && p < cells; p++) {
                const int64_t at = offset + (c * j->size.frames + f) * cells + p;
                add(&said, sampler_clean(&say, j->latents[at], j->prediction[at]));
                add(&true_ones, j->clean[at]);
            }
        j->anchors[c] = anchor_of(&said, &true_ones);
    }
}

void diffusion_anchor_apply(struct family_job *j, int request)
{
    const int64_t cells = (int64_t)j->size.height * j->size.width;
    float *latents = j->latents + request * j->latent_count;
    for (int c = 0; c < j->model->latent_channels; c++)
        for (int f = 0; f < j->size.frames; f++)
            for (int64_t p = 0; !is_held(j, f) && p < cells; p++) {
                float *value = &latents[(c * j->size.frames + f) * cells + p];
                *value = j->anchors[c].gain * *value + j->anchors[c].offset;
            }
}

/* What stays of the pictures a job starts from, and of the frames that other windows made: latents
 * of held frames, and of what a mask keeps, are put in place again before every evaluation, the
 * first included, with the schedule's own noise level and always the same noise: a_i clean + s_i
 * noise. After the last step they are clean. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/model/diffusion_job.h"

/* The mean of the mask's pixels that a latent covers, 0 .. 1. */
static float mask_at(const struct engine_images *mask, int frame, int row, int column, int factor)
{
    const uint8_t *bytes =
        mask->data + (int64_t)(frame < mask->frames ? frame : 0) * mask->width * mask->height;
    int sum = 0;
    for (int y = 0; y < factor; y++)
        for (int x = 0; x < factor; x++)
            sum += bytes[(int64_t)(row * factor + y) * mask->width + column * factor + x];
    return (float)sum / (float)(255 * factor * factor);
}

static void take_mask(const struct family_job *j, const struct engine_images *mask, float *fresh)
{
    for (int f = 0; f < j->size.frames; f++)
        for (int y = 0; y < j->size.height; y++)
            for (int x = 0; x < j->size.width; x++)
                *fresh++ = mask_at(mask, f, y, x, j->model->spatial_factor);
}

/* Frames count in the clip; those of other windows are theirs. */
static void hold(const struct family_job *j, int frame, float *fresh)
{
    frame -= j->first_frame;
    if (frame < 0 || frame >= j->size.frames) return;
    const size_t cells = (size_t)j->size.height * (size_t)j->size.width;
    memset(fresh + (size_t)frame * cells, 0, cells * sizeof *fresh);
}

/* Everything is new, but what the mask keeps and the frames that are held. */
static void fill(const struct family_job *j, const struct request *r, float *fresh)
{
    const json_t *frame;
    size_t i;
    for (int64_t p = 0; p < diffusion_plane(j); p++)
        fresh[p] = 1;
    if (r->start.masked) take_mask(j, &r->mask, fresh);
    if (r->start.hold_first) hold(j, 0, fresh);
    json_array_foreach(r->start.hold, i, frame) hold(j, (int)json_integer_value(frame), fresh);
    for (int f = 0; f < j->held_first; f++)
        hold(j, j->first_frame + f, fresh);
    for (int f = 0; f < j->held_last; f++)
        hold(j, j->first_frame + j->size.frames - 1 - f, fresh);
}

bool diffusion_hold_begin(struct family_job *j, const struct request *requests, struct error *err)
{
    const size_t plane = (size_t)diffusion_plane(j), count = (size_t)j->count;
    bool kept = j->held_first + j->held_last > 0;
    for (int i = 0; i < j->count; i++)
        kept = kept || requests[i].start.kept;
    if (!kept) return true;
    j->fresh = alloc_checked(count * plane, sizeof *j->fresh, "mask", err);
    j->fixed = alloc_checked(count * (size_t)j->latent_count, sizeof *j->fixed, "noise", err);
    if (j->fresh == NULL || j->fixed == NULL) return false;
    for (int i = 0; i < j->count; i++)
        fill(j, &requests[i], j->fresh + (size_t)i * plane);
    return true;
}

void diffusion_hold_end(struct family_job *j)
{
    free(j->fresh);
    free(j->fixed);
}

void diffusion_hold(struct family_job *j, int request, int index)
{
    double clean_gain, noise_gain;
    if (j->fresh == NULL) return;
    const int64_t plane = diffusion_plane(j), offset = request * j->latent_count;
    const float *fresh = j->fresh + request * plane;
    sampler_mix(&j->samplers[request]->setup, index, &clean_gain, &noise_gain);
    const bool exact = clean_gain == 1 && noise_gain == 0; /* keeps the sign of 0, too */
    for (int64_t i = 0; i < j->latent_count; i++) {
        const float share = fresh[i % plane];
        const float clean = j->clean[offset + i];
        const float old =
            exact ? clean : (float)clean_gain * clean + (float)noise_gain * j->fixed[offset + i];
        if (share <= 0)
            j->latents[offset + i] = old;
        else if (share < 1)
            j->latents[offset + i] = share * j->latents[offset + i] + (1 - share) * old;
    }
}

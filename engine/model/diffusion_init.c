/* The pictures a job starts from, as latents. */
#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "engine/model/diffusion_job.h"

/* Of the logarithm of the variance, as the reference clamps it. */
#define LOG_VARIANCE_MIN (-30.0f)
#define LOG_VARIANCE_MAX 20.0f

struct encoder { /* of one request's pictures */
    struct family_job *job;
    const struct engine_images *images;
    float *pixels;  /* [H][W][3] */
    float *moments; /* [h][w][2C] */
    float *noise;   /* [C][F][h][w] when latents are drawn */
};

static bool encoder_begin(struct encoder *e, struct family_job *j,
                          const struct engine_images *images, bool drawn, struct error *err)
{
    struct diffusion_model *m = j->model;
    const size_t cells = (size_t)j->size.height * (size_t)j->size.width;
    const size_t factor = (size_t)m->spatial_factor;
    *e = (struct encoder){.job = j, .images = images};
    e->pixels = alloc_checked(cells * factor * factor, 3 * sizeof(float), "pixels", err);
    e->moments =
        alloc_checked(cells, 2 * sizeof(float) * (size_t)m->latent_channels, "moments", err);
    if (drawn) e->noise = alloc_checked((size_t)j->latent_count, sizeof(float), "noise", err);
    return e->pixels != NULL && e->moments != NULL && (!drawn || e->noise != NULL);
}

static void encoder_end(struct encoder *e)
{
    free(e->pixels);
    free(e->moments);
    free(e->noise);
}

/* One picture to moments. */
static bool encode(struct encoder *e, int frame, struct error *err)
{
    const struct family_job *j = e->job;
    const int64_t values = (int64_t)3 * e->images->width * e->images->height;
    const float *pixels = e->pixels;
    if (e->images->values != NULL)
        pixels = e->images->values + frame * values;
    else
        for (int64_t i = 0; i < values; i++)
            e->pixels[i] = (float)e->images->data[frame * values + i] / 255 * 2 - 1;
    return j->model->encode_pixels(j->model, j->size.height, j->size.width, pixels, e->moments,
                                   err);
}

static float clamp(float value)
{
    return fminf(fmaxf(value, LOG_VARIANCE_MIN), LOG_VARIANCE_MAX);
}

/* Moments to one frame of latents, scaled as the denoiser wants them. */
static void place(const struct encoder *e, int frame, float *clean)
{
    const struct family_job *j = e->job;
    const int channels = j->model->latent_channels;
    const int64_t cells = (int64_t)j->size.height * j->size.width;
    const float scale = (float)(1 / j->model->latent_scale);
    for (int c = 0; c < channels; c++)
        for (int64_t p = 0; p < cells; p++) {
            const int64_t at = (c * j->size.frames + frame) * cells + p;
            const float *moment = e->moments + p * 2 * channels + c;
            const float spread = e->noise != NULL ? expf(0.5f * clamp(moment[channels])) : 0;
            const float drawn = e->noise != NULL ? spread * e->noise[at] : 0;
            clean[at] = (moment[0] + drawn) * scale;
        }
}

/* The first `frames` of the window; of one picture all are the same. */
static bool encode_frames(struct encoder *e, int frames, float *clean, struct error *err)
{
    for (int f = 0; f < frames; f++) {
        if (f < e->images->frames && !encode(e, f, err)) return false;
        place(e, f, clean);
    }
    return true;
}

bool diffusion_init(struct family_job *j, int request, const struct request *r, struct error *err)
{
    struct encoder e;
    bool ok = encoder_begin(&e, j, &r->init, r->start.drawn, err);
    if (ok && r->start.drawn)
        diffusion_draw_frames(j, request, (struct noise_place){.purpose = NOISE_ENCODE}, e.noise);
    ok = ok && encode_frames(&e, j->size.frames, j->clean + request * j->latent_count, err);
    encoder_end(&e);
    return ok;
}

bool diffusion_encode_before(struct family_job *j, int request, const struct request *r,
                             struct error *err)
{
    struct encoder e;
    const bool ok = encoder_begin(&e, j, &r->window.before, false, err) &&
                    encode_frames(&e, j->held_first, j->clean + request * j->latent_count, err);
    encoder_end(&e);
    return ok;
}

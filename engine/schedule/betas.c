#include <math.h>

#include "engine/schedule/noise_schedule.h"

/* As torch spaces float32: from both ends towards the middle. */
static void linspace(float start, float end, int count, float *out)
{
    const float stride = count > 1 ? (end - start) / (float)(count - 1) : 0;
    for (int i = 0; i < count; i++)
        out[i] = i < count / 2 ? start + stride * (float)i : end - stride * (float)(count - 1 - i);
}

static void fill_linear(double start, double end, int count, float *betas)
{
    linspace((float)start, (float)end, count, betas);
}

static void fill_scaled_linear(double start, double end, int count, float *betas)
{
    linspace((float)sqrt(start), (float)sqrt(end), count, betas);
    for (int i = 0; i < count; i++)
        betas[i] *= betas[i];
}

extern const struct noise_schedule_betas noise_schedule_linear, noise_schedule_scaled_linear;
const struct noise_schedule_betas noise_schedule_linear = {"linear", fill_linear};
const struct noise_schedule_betas noise_schedule_scaled_linear = {"scaled_linear",
                                                                  fill_scaled_linear};

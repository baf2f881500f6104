/* torch-cpu: what torch.randn draws from torch.Generator("cpu"). For 16 numbers and more uniforms
 * fill the tensor and Box-Muller works on blocks of 16; fewer come in pairs. A tensor of half or
 * bfloat is drawn in its own precision, uniforms of 11 or 8 bits and every operation rounded:
 * another stream altogether. */
#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "engine/noise/mt19937.h"
#include "engine/noise/noise.h"
#include "engine/tensor.h"

#define BLOCK 16
#define TWO_PI 6.283185307179586

struct noise_state {
    struct mt19937 generator;
};

/* A precision that torch draws in. */
struct precision {
    int bits; /* of a uniform number */
    float (*round)(float value);
};

static float keep(float value)
{
    return value;
}

static float round_to_half(float value)
{
    return tensor_half_to_float(tensor_float_to_half(value));
}

static float round_to_bfloat(float value)
{
    return tensor_bfloat_to_float(tensor_float_to_bfloat(value));
}

static const struct precision single = {24, keep}, half = {11, round_to_half},
                              bfloat = {8, round_to_bfloat};

static struct noise_state *torch_begin(const struct noise_setup *setup)
{
    struct noise_state *s = xcalloc(1, sizeof *s);
    mt19937_begin(&s->generator, setup->seed);
    return s;
}

static void torch_end(struct noise_state *s)
{
    free(s);
}

static void fill(struct noise_state *s, const struct precision *p, float *out, size_t count)
{
    const uint32_t mask = (UINT32_C(1) << p->bits) - 1;
    const float unit = ldexpf(1, -p->bits);
    for (size_t i = 0; i < count; i++)
        out[i] = (float)(mt19937_next(&s->generator) & mask) * unit;
}

static void transform_block(const struct precision *p, float *d)
{
    for (int j = 0; j < BLOCK / 2; j++) {
        const float log_u = p->round(logf(p->round(1 - d[j])));
        const float radius = p->round(sqrtf(p->round(-2 * log_u)));
        const float angle = p->round((float)TWO_PI * d[j + BLOCK / 2]);
        d[j] = p->round(radius * p->round(cosf(angle)));
        d[j + BLOCK / 2] = p->round(radius * p->round(sinf(angle)));
    }
}

/* What does not fill a block is drawn anew together with the end of the last one. */
static void draw(struct noise_state *s, const struct precision *p, float *out, size_t count)
{
    if (count < BLOCK) {
        for (size_t i = 0; i < count; i++)
            out[i] = p->round((float)mt19937_normal(&s->generator));
        return;
    }
    fill(s, p, out, count);
    for (size_t i = 0; i + BLOCK <= count; i += BLOCK)
        transform_block(p, out + i);
    if (count % BLOCK == 0) return;
    fill(s, p, out + count - BLOCK, BLOCK);
    transform_block(p, out + count - BLOCK);
}

static void normal_single(struct noise_state *s, float *out, size_t count)
{
    draw(s, &single, out, count);
}

static void normal_half(struct noise_state *s, float *out, size_t count)
{
    draw(s, &half, out, count);
}

static void normal_bfloat(struct noise_state *s, float *out, size_t count)
{
    draw(s, &bfloat, out, count);
}

static void torch_save(const struct noise_state *s, struct buf *out)
{
    mt19937_save(&s->generator, out);
}

static bool torch_load(struct noise_state *s, const uint8_t *bytes, size_t size)
{
    return mt19937_load(&s->generator, bytes, size);
}

extern const struct noise noise_torch_cpu, noise_torch_cpu_f16, noise_torch_cpu_bf16;
const struct noise noise_torch_cpu = {.name = "torch-cpu",
                                      .begin = torch_begin,
                                      .end = torch_end,
                                      .normal = normal_single,
                                      .save = torch_save,
                                      .load = torch_load};
const struct noise noise_torch_cpu_f16 = {.name = "torch-cpu-f16",
                                          .begin = torch_begin,
                                          .end = torch_end,
                                          .normal = normal_half,
                                          .normal_float = normal_single,
                                          .save = torch_save,
                                          .load = torch_load};
const struct noise noise_torch_cpu_bf16 = {.name = "torch-cpu-bf16",
                                           .begin = torch_begin,
                                           .end = torch_end,
                                           .normal = normal_bfloat,
                                           .normal_float = normal_single,
                                           .save = torch_save,
                                           .load = torch_load};

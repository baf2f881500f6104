/* A clip planned without weights. */
#include <string.h>

#include "engine/model/pipeline.h"
#include "engine/model/text_encoder.h"
#include "engine/model/unet.h"
#include "engine/model/vae.h"

/* Copies of a clip's latents that a job holds, the sampler's history included, beside one of each
 * row of the prediction. */
#define LATENT_COPIES 8

static void add_flops(const struct ops *ops, double *sum)
{
    for (int i = 0; i < FLOP_CLASSES; i++)
        sum[i] += ops->flops[i];
}

static bool sketch_text(struct model_parts *parts, struct ops *ops, int rows,
                        struct family_sketch *out, int *tokens_out, struct error *err)
{
    struct text_encoder *e = text_encoder_open(parts, ops, err);
    if (e == NULL) return false;
    *tokens_out = text_encoder_positions(e);
    const bool ok = text_encoder_run(e, NULL, 1, *tokens_out, 0, NULL, err);
    for (int i = 0; i < rows; i++)
        add_flops(ops, out->text);
    text_encoder_close(e);
    return ok;
}

static bool sketch_unet(struct model_parts *parts, struct ops *ops, const struct unet_shape *shape,
                        int rows, int tokens, struct family_sketch *out, struct error *err)
{
    struct unet *u = unet_open(parts, ops, err);
    if (u == NULL) return false;
    const struct unet_text_shape text = {rows, 1, tokens};
    struct unet_text *t = unet_text_new(u, &text, NULL, err);
    bool ok = t != NULL;
    if (ok) {
        add_flops(ops, out->text);
        ok = unet_plan(u, shape, t, err);
        add_flops(ops, out->step);
        out->other_bytes += unet_text_bytes(t);
    }
    unet_text_free(t);
    unet_close(u);
    return ok;
}

static bool sketch_vae(struct model_parts *parts, struct ops *ops, const struct unet_shape *shape,
                       struct family_sketch *out, struct error *err)
{
    struct vae *v = vae_open(parts, ops, err);
    const bool ok = v != NULL && vae_plan_decode(v, shape->height, shape->width, err);
    if (ok) add_flops(ops, out->frame);
    vae_close(v);
    return ok;
}

static bool has_weights(struct model_parts *parts)
{
    bool all = true;
    for (int part = 0; part < PART_WITH_TENSORS; part++)
        all = all && model_parts_tensors(parts, (enum model_part)part, NULL) != NULL;
    return all;
}

bool pipeline_sketch(const struct model_folder *folder, struct ops *ops,
                     const struct engine_size *size, struct family_sketch *out, struct error *err)
{
    struct model_parts *parts = folder->parts;
    struct vae_config vae;
    int tokens = 0;
    if (!vae_config_read(parts, &vae, err)) return false;
    const int factor = vae_config_factor(&vae), rows = size->guided ? 2 : 1;
    const struct unet_shape shape = {1, size->frames, size->height / factor, size->width / factor};
    const size_t latents = (size_t)vae.latent_channels * (size_t)size->frames *
                           (size_t)shape.height * (size_t)shape.width * sizeof(float);
    out->assumed = !has_weights(parts);
    out->other_bytes = latents * (size_t)(LATENT_COPIES + rows) +
                       (size_t)size->width * (size_t)size->height * 3 * 2 * sizeof(float);
    ops->narrow = pipeline_is_large(parts);
    return sketch_text(parts, ops, rows, out, &tokens, err) &&
           sketch_unet(parts, ops, &shape, rows, tokens, out, err) &&
           sketch_vae(parts, ops, &shape, out, err);
}

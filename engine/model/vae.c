#include "engine/model/vae.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "engine/model/vae_half.h"

struct vae {
    struct ops *ops;
    struct weight_set set;
    struct vae_config config;
    struct vae_half decoder, encoder;
    bool has_encoder;
};

static bool load_weights(struct vae *v, struct model_parts *parts, struct error *err)
{
    struct weights *w = weights_open(parts, PART_VAE, v->ops, &v->set, err);
    if (w == NULL) return false;
    v->has_encoder = weights_has(w, "encoder.conv_in.weight");
    vae_half_load_decoder(&v->decoder, w, &v->config);
    if (v->has_encoder) vae_half_load_encoder(&v->encoder, w, &v->config);
    if (!v->has_encoder) weights_ignore_prefix(w, "quant_conv.");
    return weights_finish(w, err);
}

struct vae *vae_open(struct model_parts *parts, struct ops *ops, struct error *err)
{
    struct vae *v = xcalloc(1, sizeof *v);
    v->ops = v->decoder.ops = v->encoder.ops = ops;
    bool ok = vae_config_read(parts, &v->config, err);
    v->decoder.groups = v->encoder.groups = v->config.groups;
    if (ok && load_weights(v, parts, err)) return v;
    vae_close(v);
    return NULL;
}

void vae_close(struct vae *v)
{
    if (v == NULL) return;
    weight_set_release(&v->set, v->ops);
    vae_half_finish(&v->decoder);
    vae_half_finish(&v->encoder);
    free(v);
}

const struct vae_config *vae_config_of(const struct vae *v)
{
    return &v->config;
}

bool vae_has_encoder(const struct vae *v)
{
    return v->has_encoder;
}

void vae_set_bands(struct vae *v, int rows)
{
    v->decoder.band_rows = rows;
}

static struct ops_key decoder_key(const struct vae *v, int height, int width)
{
    return (struct ops_key){&v->decoder, {height, width, v->decoder.band_rows}};
}

bool vae_plan_decode(struct vae *v, int height, int width, struct error *err)
{
    const struct ops_key key = decoder_key(v, height, width);
    ops_plan_begin(v->ops, &key);
    vae_half_forward(&v->decoder, height, width, NULL, NULL, NULL);
    return ops_plan_end(v->ops, err);
}

bool vae_decode(struct vae *v, int height, int width, const float *latents, float *pixels,
                struct error *err)
{
    const struct ops_key key = decoder_key(v, height, width);
    ops_run_begin(v->ops, &key);
    return vae_half_forward(&v->decoder, height, width, latents, pixels, err);
}

bool vae_plan_encode(struct vae *v, int height, int width, struct error *err)
{
    const int factor = vae_config_factor(&v->config);
    const struct ops_key key = {&v->encoder, {height, width}};
    ops_plan_begin(v->ops, &key);
    vae_half_forward(&v->encoder, height * factor, width * factor, NULL, NULL, NULL);
    return ops_plan_end(v->ops, err);
}

bool vae_encode(struct vae *v, int height, int width, const float *pixels, float *moments,
                struct error *err)
{
    const int factor = vae_config_factor(&v->config);
    const struct ops_key key = {&v->encoder, {height, width}};
    ops_run_begin(v->ops, &key);
    return vae_half_forward(&v->encoder, height * factor, width * factor, pixels, moments, err);
}

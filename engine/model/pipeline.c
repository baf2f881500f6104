/* The parts of a folder, put together. */
#include "engine/model/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"
#include "engine/folder/tokenizer_copy.h"
#include "engine/model/diffusion.h"
#include "engine/model/text_encoder.h"
#include "engine/model/unet.h"
#include "engine/model/vae.h"
#include "engine/text/tokenizer.h"

#define FRAMES_MAX 1024
#define PIXELS_MAX 4096
#define LARGE_BYTES ((size_t)256 << 20)

struct pipeline {
    struct diffusion_model diffusion; /* first: hooks get this pointer */
    struct unet *unet;
    struct vae *vae;
};

static struct pipeline *pipeline_of(struct diffusion_model *m)
{
    return (struct pipeline *)(void *)m;
}

/* ---- hooks ---- */

static void *condition(struct diffusion_model *d, const struct diffusion_texts *texts,
                       struct error *err)
{
    const struct unet_text_shape shape = {texts->rows, texts->frames, texts->tokens};
    return unet_text_new(pipeline_of(d)->unet, &shape, texts->values, err);
}

static void condition_free(struct diffusion_model *d, void *condition)
{
    (void)d;
    unet_text_free(condition);
}

static struct unet_shape unet_shape(const struct diffusion_size *size)
{
    return (struct unet_shape){size->batch, size->frames, size->height, size->width};
}

static bool plan(struct diffusion_model *d, const struct diffusion_size *size,
                 const void *condition, struct error *err)
{
    struct pipeline *m = pipeline_of(d);
    const struct unet_shape shape = unet_shape(size);
    return unet_plan(m->unet, &shape, condition, err) &&
           vae_plan_decode(m->vae, size->height, size->width, err);
}

static bool denoise(struct diffusion_model *d, const struct diffusion_size *size,
                    const void *condition, double timestep, const float *latents, float *out,
                    struct error *err)
{
    const struct unet_shape shape = unet_shape(size);
    return unet_run(pipeline_of(d)->unet, &shape, condition, timestep, latents, out, err);
}

static bool encode_pixels(struct diffusion_model *d, int height, int width, const float *pixels,
                          float *moments, struct error *err)
{
    struct vae *vae = pipeline_of(d)->vae;
    return vae_plan_encode(vae, height, width, err) &&
           vae_encode(vae, height, width, pixels, moments, err);
}

static bool decode(struct diffusion_model *d, int height, int width, const float *latents,
                   float *pixels, struct error *err)
{
    return vae_decode(pipeline_of(d)->vae, height, width, latents, pixels, err);
}

/* ---- opening ---- */

void pipeline_close(void *model)
{
    struct pipeline *m = model;
    if (m == NULL) return;
    vae_close(m->vae);
    unet_close(m->unet);
    text_model_close(m->diffusion.text);
    noise_schedule_finish(&m->diffusion.schedule);
    free(m);
}

static bool open_schedule(struct noise_schedule *s, struct model_parts *parts, struct error *err)
{
    const char *what;
    const json_t *config = model_parts_config(parts, PART_SCHEDULER, &what, err);
    return config != NULL && noise_schedule_parse(config, what, s, err);
}

static bool open_text(struct pipeline *m, const char *folder, struct model_parts *parts,
                      struct ops *ops, struct error *err)
{
    struct text_encoder *encoder = text_encoder_open(parts, ops, err);
    struct tokenizer *tokenizer = NULL;
    if (encoder != NULL)
        tokenizer = tokenizer_open(model_parts_tokenizer(parts),
                                   tokenizer_default_pad(text_encoder_width(encoder)), err);
    m->diffusion.text = text_model_new(tokenizer, encoder, folder, err);
    return m->diffusion.text != NULL;
}

static bool open_networks(struct pipeline *m, struct model_parts *parts, struct ops *ops,
                          struct error *err)
{
    m->unet = unet_open(parts, ops, err);
    if (m->unet != NULL) m->vae = vae_open(parts, ops, err);
    return m->vae != NULL;
}

static bool parts_fit(const struct pipeline *m, const char *folder, struct error *err)
{
    const struct unet_config *unet = unet_config(m->unet);
    const struct vae_config *vae = vae_config_of(m->vae);
    const int text_channels = text_model_width(m->diffusion.text);
    if (unet->text_channels != text_channels)
        return error_set(err, ERROR_INVALID,
                         "%s: the UNet wants texts of %d channels, the encoder makes %d", folder,
                         unet->text_channels, text_channels);
    if (unet->in_channels != vae->latent_channels || unet->out_channels != vae->latent_channels)
        return error_set(err, ERROR_INVALID, "%s: UNet and VAE disagree on the channels of latents",
                         folder);
    return true;
}

static void fill_hooks(struct pipeline *m, struct ops *ops)
{
    struct diffusion_model *d = &m->diffusion;
    d->ops = ops;
    d->latent_scale = 1 / vae_config_of(m->vae)->scaling_factor;
    d->latent_channels = vae_config_of(m->vae)->latent_channels;
    d->spatial_factor = vae_config_factor(vae_config_of(m->vae));
    d->condition = condition;
    d->condition_free = condition_free;
    d->plan = plan;
    d->denoise = denoise;
    d->decode = decode;
    if (vae_has_encoder(m->vae)) d->encode_pixels = encode_pixels;
}

/* Small models are widened when they are opened, which makes products a little faster. */
bool pipeline_is_large(struct model_parts *parts)
{
    size_t bytes = 0;
    for (int part = 0; part < PART_WITH_TENSORS; part++) {
        struct tensor_file *f = model_parts_tensors(parts, (enum model_part)part, NULL);
        if (f == NULL) return true;
        for (int i = 0; i < tensor_file_count(f); i++)
            bytes += tensor_entry_bytes(tensor_file_at(f, i));
    }
    return bytes >= LARGE_BYTES;
}

void *pipeline_open(const struct model_folder *folder, struct ops *ops, struct error *err)
{
    struct pipeline *m = xcalloc(1, sizeof *m);
    struct model_parts *parts = folder->parts;
    ops->narrow = ops->narrow || pipeline_is_large(parts);
    if (open_schedule(&m->diffusion.schedule, parts, err) &&
        open_text(m, folder->path, parts, ops, err) && open_networks(m, parts, ops, err) &&
        parts_fit(m, folder->path, err)) {
        fill_hooks(m, ops);
        return m;
    }
    pipeline_close(m);
    return NULL;
}

/* ---- describing ---- */

/* What the folder's scheduler allows; its scheduler and size as defaults, where the manifest names
 * none. */
static bool describe_schedule(struct model_parts *parts, json_t *facts, int factor,
                              struct error *err)
{
    json_t *defaults = json_object_get(facts, "defaults");
    struct noise_schedule schedule;
    int sample;
    if (!open_schedule(&schedule, parts, err)) return false;
    json_object_set_new(facts, "steps", family_range(1, schedule.train_steps - 1, 1));
    if (json_object_get(defaults, "scheduler") == NULL)
        json_object_set_new(defaults, "scheduler", json_string(schedule.sampler));
    if (schedule.note != NULL) family_note(facts, schedule.note);
    noise_schedule_finish(&schedule);
    const json_t *config = model_parts_config(parts, PART_UNET, NULL, err);
    const json_t *size = json_object_get(config, "sample_size");
    sample = json_is_integer(size) ? (int)json_integer_value(size) : 0;
    if (sample < 1 || sample > PIXELS_MAX / factor) return true;
    if (json_object_get(defaults, "width") == NULL)
        json_object_set_new(defaults, "width", json_integer(sample * factor));
    if (json_object_get(defaults, "height") == NULL)
        json_object_set_new(defaults, "height", json_integer(sample * factor));
    return true;
}

/* A family is for images or for videos, and so is a UNet. */
static bool suits(const struct unet_config *unet, const struct model_folder *folder,
                  struct error *err)
{
    if (unet->temporal != folder->family->image) return true;
    return error_set(err, ERROR_INVALID, "%s: its UNet is for %s, its pipeline for %s",
                     folder->path, unet->temporal ? "videos" : "images",
                     unet->temporal ? "images" : "videos");
}

/* What the parts assumed. */
static void add_notes(struct model_parts *parts, json_t *facts)
{
    const json_t *notes = model_parts_notes(parts), *note;
    size_t i;
    json_array_foreach(notes, i, note) family_note(facts, json_string_value(note));
}

bool pipeline_describe(const struct model_folder *folder, json_t *facts, struct error *err)
{
    struct unet_config unet;
    struct vae_config vae;
    if (!unet_config_read(folder->parts, &unet, err) ||
        !vae_config_read(folder->parts, &vae, err) || !suits(&unet, folder, err))
        return false;
    const int text_layers = text_encoder_layers_of(folder->parts, err);
    if (text_layers == 0) return false;
    const int factor = vae_config_factor(&vae);
    json_object_set_new(facts, "spatial_factor", json_integer(factor));
    json_object_set_new(facts, "latent_channels", json_integer(vae.latent_channels));
    json_object_set_new(facts, "frames",
                        family_range(1, folder->family->image ? 1 : FRAMES_MAX, 1));
    json_object_set_new(facts, "width", family_range(factor, PIXELS_MAX, factor));
    json_object_set_new(facts, "height", family_range(factor, PIXELS_MAX, factor));
    json_object_set_new(facts, "schedulers", family_samplers());
    json_object_set_new(facts, "noises", family_noises());
    json_object_set_new(facts, "samplers", family_sampler_traits());
    json_object_set_new(facts, "noise_kinds", family_noise_traits());
    json_object_set_new(facts, "guidance", json_true());
    json_object_set_new(facts, "init", json_true());
    json_object_set_new(facts, "clip_skip", family_range(0, text_layers, 1));
    if (folder->family->image)
        json_object_set_new(json_object_get(facts, "defaults"), "num_frames", json_integer(1));
    if (!describe_schedule(folder->parts, facts, factor, err)) return false;
    add_notes(folder->parts, facts);
    return true;
}

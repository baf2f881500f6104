/* family: the code that runs a kind of model. One row a family: engine.c and job.c know nothing
 * else of them. */
#ifndef ZOE_ENGINE_MODEL_FAMILY_H
#define ZOE_ENGINE_MODEL_FAMILY_H

#include <jansson.h>

#include "base/safetensors.h"
#include "engine/engine.h"
#include "engine/folder/model_folder.h"
#include "engine/ops.h"
#include "engine/request/request.h"

struct family_job; /* a family's own state of a job */

/* What a clip takes, planned without weights; memory that is not planned there stands in `ops`. */
struct family_sketch {
    double text[FLOP_CLASSES], step[FLOP_CLASSES], frame[FLOP_CLASSES];
    size_t other_bytes; /* texts, latents and pictures */
    bool assumed;       /* a file of weights was not there */
};

struct family {
    const char *name;
    const char *const
        *pipelines;    /* diffusers' _class_name values that mean this family, NULL-terminated */
    bool image;        /* a clip is one picture, not a video */
    bool has_parts;    /* its folders are model_parts: opened with the folder */
    bool uses_backend; /* false: results are exact integers everywhere, the fingerprint says so */
    bool takes_loras;  /* its unet/ and text_encoder/ can be changed by LoRAs */

    /* Adds spatial_factor, latent_channels, steps, frames, width, height, schedulers, noises,
     * guidance; may complete defaults. */
    bool (*describe)(const struct model_folder *folder, json_t *facts, struct error *err);

    void *(*open)(const struct model_folder *folder, struct ops *ops, struct error *err);
    void (*close)(void *model);

    /* Optional: plans one clip of that size. `ops` is a sketch (ops.h). */
    bool (*sketch)(const struct model_folder *folder, struct ops *ops,
                   const struct engine_size *size, struct family_sketch *out, struct error *err);

    /* Requests agree in shape and window; they, their text and their files may vanish afterwards.
     * ERROR_INVALID names a file. */
    struct family_job *(*job_new)(void *model, const struct request *requests, int count,
                                  struct error *err);
    void (*job_free)(struct family_job *job);
    struct engine_shape (*job_shape)(const struct family_job *job);
    int (*job_steps)(const struct family_job *job);
    double (*job_timestep)(const struct family_job *job, int step);
    /* Latents of one request, [channels][frames][h][w], the job's own memory. */
    float *(*job_latents)(struct family_job *job, int request);
    /* One step, all requests. `ops` carries tick and cancel. */
    bool (*job_step)(struct family_job *job, int index, struct ops *ops, struct error *err);
    /* One frame as float32 [3][height][width]. */
    bool (*job_decode)(struct family_job *job, int request, int frame, struct ops *ops, float *out,
                       struct error *err);

    /* What the steps left behind besides the latents, into and from a checkpoint of `step` steps
     * (engine/checkpoint.h). ERROR_INVALID names the file. */
    void (*job_save)(const struct family_job *job, struct safetensors_writer *out);
    bool (*job_load)(struct family_job *job, const struct safetensors *file, const char *path,
                     int step, struct error *err);

    /* Optional (NULL): adds what a round of co-denoising leaves besides its latents. */
    void (*job_hand_over)(const struct family_job *job, struct safetensors_writer *out);

    /* Optional (NULL): see engine_job_text, engine_job_prediction, engine_job_warning. */
    bool (*job_text)(const struct family_job *job, struct engine_text *out);
    const float *(*job_prediction)(const struct family_job *job);
    const char *(*job_warning)(const struct family_job *job, int index);
};

const struct family *family_find(const char *name);              /* NULL when unknown */
const struct family *family_find_pipeline(const char *pipeline); /* NULL when unknown */

/* {"min": ..., "max": ..., "step": ...}; new reference. */
json_t *family_range(int min, int max, int step);

/* Adds a sentence that a user of the model should read to the facts' notes, once. */
void family_note(json_t *facts, const char *text);

/* Names of every sampler and every noise that is built; new references. */
json_t *family_samplers(void);
json_t *family_noises(void);
/* What each of them can: facts "samplers" and "noise_kinds" (engine/engine.h); new references. */
json_t *family_sampler_traits(void);
json_t *family_noise_traits(void);

#endif

/* engine: the public face of the diffusion engine. Nothing outside engine/ includes any other
 * header of it, tests and traces apart.
 *
 * A model is opened from a folder; a job renders B requests of the same shape together and is
 * stepped by its caller:
 *
 *     model = engine_open("models/shapes", &options, &err);
 *     job = engine_job_new(model, requests, B, &err);
 *     while (engine_job_step_index(job) < engine_job_step_count(job))
 *         if (!engine_job_step(job, &err)) ...
 *     engine_job_decode(job, 0, 0, frames, rgb, &err);
 *
 * Threads: a model and its jobs belong to one thread at a time; engine_job_cancel may be called
 * from any thread and from signal handlers. One job of a model computes at a time. Results do not
 * depend on `threads`. No global state. */
#ifndef ZOE_ENGINE_ENGINE_H
#define ZOE_ENGINE_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/plan.h"

/* Raised whenever the bits of any result may change: part of the fingerprint. */
#define ENGINE_NUMERIC_VERSION 2

struct engine_model;
struct engine_job;

struct engine_options {
    const char *backend; /* NULL: the best one built for this machine */
    int threads;         /* >= 1 */
    const json_t *loras; /* [{"path": a LoRA's file or folder, "strength": 0.8}, ..] merged into the
                            model's weights in this order; NULL: none */
};

/* Facts of a model folder as JSON (new reference), from its small files only; no weights are read.
 * Members: schema 1, name, family, output ("video" or "image"), summary, licence, window,
 * spatial_factor, latent_channels, steps, frames, width and height {min max step} each, schedulers
 * [..], samplers {name: {eta, karras, spacing: whether it takes the field}}, noises [..],
 * noise_kinds {name: {cuda_threads: whether it needs them, generator: whether a batch can share
 * one}}, guidance (bool), init (bool: starts from pictures), clip_skip {min max step}, loras (bool:
 * takes some), defaults {..}, words [..], notes [sentences a user should read]. Absent facts are
 * null. A folder of the family "lora" has files [engine_lora_describe] instead of those from
 * spatial_factor on. */
json_t *engine_describe(const char *folder, struct error *err);

/* Reads every tensor of a model once and opens it: {schema 1, form, name, family, licence, parts
 * [{part, file, tensors, bytes, dtype}], missing [parts that are not there], problems [what makes
 * it unusable: files, tensors that are not finite, of a wrong name or shape; at most 20], notes
 * [what was assumed]}. Usable when missing and problems are empty. Never NULL; new reference. */
json_t *engine_check(const char *folder, int threads);

/* Writes the model in `path`, whatever its form, as a diffusers folder `out`, which must not exist
 * yet and appears complete or not at all. `dtype` is "F32", "F16", "BF16", or NULL for the tensors'
 * own. Weights pass through in small pieces. A report as JSON (new reference): schema 1, form,
 * dtype, out, parts [{part, tensors, bytes}], notes [..]; NULL with ERROR_STATE when `out` exists,
 * ERROR_INVALID naming file and tensor when a value does not fit the dtype. */
json_t *engine_convert(const char *path, const char *out, const char *dtype, struct error *err);

/* NULL with ERROR_NOT_FOUND, ERROR_INVALID (names every missing, extra and misshapen tensor and
 * every config value that is not built) or ERROR_NO_MEMORY. The folder is not needed after opening.
 */
struct engine_model *engine_open(const char *folder, const struct engine_options *options,
                                 struct error *err);
void engine_close(struct engine_model *model); /* after all its jobs; NULL is fine */

/* What decides the bits of a result, as one word without spaces:
 * "zoe2/cpu/avx2/openblas-0.3.21-Haswell/glibc-2.36". */
#define ENGINE_FINGERPRINT_SIZE 160
void engine_fingerprint(const struct engine_model *model, char out[ENGINE_FINGERPRINT_SIZE]);

/* The same without a model: what engine_open with these options would report for models that use a
 * backend. */
bool engine_fingerprint_of(const struct engine_options *options, char out[ENGINE_FINGERPRINT_SIZE],
                           struct error *err);

/* Memory of an open model, in bytes. */
struct engine_memory {
    size_t stored;      /* its weights as they lie in the files */
    size_t weights;     /* the same as they are held */
    size_t transformed; /* some of them once more, for faster products */
    size_t tensors;   /* the block in which all tensors of a forward live, for the largest so far */
    size_t live;      /* most that tensors of a forward hold at one time */
    size_t workspace; /* of operations, all threads together */
};
struct engine_memory engine_memory(const struct engine_model *model);

/* What a clip would take, from small files and headers alone: no weight is read, and none need be
 * there (16 bits are taken for granted then). Counts of operations are those of the products, a
 * multiplication and an addition being two. Seconds follow from products that are timed here and
 * now, for about half a second; memory_only leaves them and gflops out. New reference:
 * {"schema": 1, model, weights ("found" or "assumed"), width, height, frames, steps, guided,
 * threads, "memory": {stored, weights, transformed, tensors, live, workspace, other, peak} bytes,
 *  "flops": {text, step, frame, total}, "gflops": {conv, conv_wide, linear},
 *  "seconds": {text, step, frame, total}}                   frame: one frame through the decoder */
struct engine_size {
    int width, height, frames, steps;
    bool guided;
    bool memory_only;
};
json_t *engine_estimate(const char *folder, const struct engine_options *options,
                        const struct engine_size *size, struct error *err);

/* Checks a filled recipe (base/recipe.h) against a model's facts (engine_describe): the same checks
 * that engine_job_new makes. */
bool engine_check_recipe(const json_t *facts, const json_t *recipe, struct error *err);

/* ---- LoRAs ---- */

/* What kind of LoRA the files at `path` (a file, or a folder of them) are, from their headers:
 * [{file, form, tensors, modules {unet, text_encoder}}, ..]. NULL with ERROR_INVALID for what is
 * none. New reference. */
json_t *engine_lora_describe(const char *path, struct error *err);

/* Which of their tensors a model takes: [{file, form, strength, tensors, matched, unmatched,
 * modules, rank {min, max}, strangers ["key: why", ..]}, ..], one a file, at most 32 strangers
 * each. No weights are read. NULL with ERROR_USAGE, naming a few keys, when a file has none that
 * fits. New reference. */
json_t *engine_lora_match(const char *folder, const json_t *loras, struct error *err);

/* The same of an open model, borrowed; NULL when it has no LoRAs. */
const json_t *engine_lora_report(const struct engine_model *model);

/* ---- jobs ---- */

enum engine_phase { ENGINE_STEP, ENGINE_DECODE };

/* Called in the job's thread whenever something was completed, and at least once a denoising step
 * and once a decoded frame; within long steps too, so that a watcher can tell slow from hung.
 * Texts and pictures are encoded by engine_job_new, before anybody can watch or cancel. */
struct engine_progress {
    enum engine_phase phase;
    int done, total; /* steps; frames: those before and including this one, of the window's */
    double fraction; /* of the current step or frame, 0..1 */
};
typedef void engine_progress_fn(void *arg, const struct engine_progress *progress);

struct engine_shape {
    int requests;
    int latent_channels, frames, latent_height,
        latent_width;     /* latents of a request: [channels][frames][h][w]; frames: the window's */
    int width, height;    /* of a decoded frame */
    int64_t latent_count; /* floats of one request's latents */
};

/* Pictures that a recipe starts from, of the recipe's width and height, borrowed for the call;
 * neither data nor values: none. Rows run top-down. */
struct engine_images {
    int frames; /* those of the window, never more of a longer clip, or 1: for all of them */
    int width, height;
    const uint8_t *data; /* RGB24 [frames][height][width][3]; of a mask one byte a pixel
                            [frames][height][width], 255 = made anew, 0 = kept */
    const float *values; /* in place of data, not for masks: [frames][height][width][3] in -1..1 */
};

/* Which task of a clip of several windows is rendered, and what it takes (base/plan.h). A job of a
 * task has the task's frames and its steps step_first .. step_end - 1; what names a frame within
 * the recipe (hold_frames, prompts_by_frame) and noise count in the whole clip. All is borrowed for
 * the call of engine_job_new.
 *
 *   held frames        are the given latents under the noise that each evaluation expects, and the
 *                      latents themselves at the end
 *   PLAN_JOIN          begins with what both sides have, one faded into the other and noised
 *   PLAN_ROUND         averages what its inputs handed over, does the last one's solver step, goes
 *                      on, and leaves its own last solver step to the next round
 *   PLAN_DECODE        the same with no evaluation of its own */
struct engine_window {
    const struct plan *plan;      /* of the whole clip; needed with a task */
    const struct plan_task *task; /* NULL: the whole clip in one window */
    const char *const *latents;   /* files of the task's inputs that are latents, in their order */
    int latents_count;
    const char *held; /* of a task that extends: latents of the clip that is extended (its last
                         window, counted in frames of this clip), or NULL: then */
    struct engine_images before; /* pictures of the task's held_first first frames */
    struct engine_images base;   /* of stage 1, while step_first is 0: the window's frames that
                                    stage 0 made, scaled to the recipe's size */
};

struct engine_request {
    /* Filled (base/recipe.h); of a task of stage 1, plan_stage_recipe of the clip's. */
    const json_t *recipe;
    /* What init_video or init_image names; needed by tasks whose first step is 0, and by all with a
     * mask or held frames. */
    struct engine_images init;
    struct engine_images mask; /* what mask names */
    struct engine_window window;
    const char *clip_digest; /* recipe_digest of the clip's whole recipe as text; NULL: of
                                `recipe` */
};

/* Recipes have the same width, height, num_frames, num_inference_steps, scheduler and
 * guidance_scale, and their windows are the same task. Texts and pictures are encoded here.
 * ERROR_USAGE for a recipe that the model cannot do, naming field and range; ERROR_INVALID, naming
 * file and difference, for latents of another recipe, task, range or fingerprint. */
struct engine_job *engine_job_new(struct engine_model *model, const struct engine_request *requests,
                                  int count, struct error *err);
void engine_job_free(struct engine_job *job); /* NULL is fine */

void engine_job_watch(struct engine_job *job, engine_progress_fn *progress, void *arg);
/* Asks the job to stop: the running or next call returns ERROR_INTERRUPTED. Any thread,
 * async-signal-safe, cannot be undone. */
void engine_job_cancel(struct engine_job *job);

struct engine_shape engine_job_shape(const struct engine_job *job);
/* Steps really run: step_end - step_first of a task. With resample_times they count each time. */
int engine_job_step_count(const struct engine_job *job);
int engine_job_step_index(const struct engine_job *job); /* steps done: 0 .. step_count */
double engine_job_timestep(const struct engine_job *job,
                           int step); /* what the network sees at that step */

/* What a person should hear of about the recipes, as "prompt: only 75 tokens fit; ..", one after
 * the other from index 0; borrowed, valid as long as the job. NULL past the last. */
const char *engine_job_warning(const struct engine_job *job, int index);

/* Advances every request by one denoising step. ERROR_FAILED naming the step when a latent is not
 * finite; ERROR_STATE past the end. */
bool engine_job_step(struct engine_job *job, struct error *err);

/* Latents of one request as float32 [channels][frames][h][w]: the start noise at step 0, the result
 * after the last step. */
void engine_job_latents_get(const struct engine_job *job, int request, float *out);
/* Replaces them, e.g. to blend windows between steps; solver history is kept. ERROR_INVALID when
 * not finite. */
bool engine_job_latents_set(struct engine_job *job, int request, const float *latents,
                            struct error *err);

/* Writes what a rest of the steps needs (latents, solver history, step, positions of generators,
 * digests of recipes and pictures, fingerprint), by rename but not synced: it is expendable;
 * between any two steps. The file is a safetensors file, see docs/engine.md. */
bool engine_job_save(const struct engine_job *job, const char *path, struct error *err);
/* Brings a new job of the same requests to where the file's job was: what follows is bit for bit
 * what would have followed there. ERROR_INVALID, naming what differs, for a checkpoint of another
 * recipe, picture or fingerprint or a damaged one; the job is of no use then. */
bool engine_job_load(struct engine_job *job, const char *path, struct error *err);

/* Writes what other tasks and later clips take of a job of one request, after its last step: its
 * latents, and of a PLAN_ROUND history and prediction too. Durably and by rename; a safetensors
 * file, see docs/engine.md. ERROR_STATE before the last step. */
bool engine_job_hand_over(const struct engine_job *job, const char *path, struct error *err);

/* Decodes frames first .. first + count - 1 of one request's window after any step: RGB24, rows
 * top-down, count * height * width * 3 bytes, rounded half to even from clamp(x / 2 + 1/2, 0, 1) *
 * 255. ERROR_FAILED naming frame and step when a value is not finite. */
bool engine_job_decode(struct engine_job *job, int request, int first, int count, uint8_t *rgb,
                       struct error *err);
/* The same as the decoder gave it: float32 [count][3][height][width], nominal [-1, 1], not clamped.
 */
bool engine_job_decode_float(struct engine_job *job, int request, int first, int count, float *out,
                             struct error *err);

/* ---- looking inside, for traces and tests ---- */

/* Token ids and embeddings of a job's one request at its first step: row 0 is the negative prompt
 * and row 1 the prompt, or the prompt alone with guidance at most 1. All borrowed, valid as long as
 * the job. False for families without text. */
struct engine_text {
    int rows, frames, tokens, channels; /* frames: 1 when the text is the same for all of them */
    const int32_t *ids;                 /* of the first frame, [rows][tokens] */
    const float *embedding;             /* [rows][frames][tokens][channels] */
    int64_t encoded; /* chunks of text that the open model's encoder has computed so far */
};
bool engine_job_text(const struct engine_job *job, struct engine_text *out);

/* The guided noise prediction of request 0 in the last step, [channels][frames][h][w]; NULL before
 * the first step and for families without. */
const float *engine_job_prediction(const struct engine_job *job);

#endif

/* latents: files of latents that one task leaves for another one, or for its own rest: what they
 * say of themselves, and how several of them become the latents of a window.
 *
 * A file is a safetensors file. Tensor `state` (U8) is JSON with the members of struct
 * latents_facts and "schema" 1; `latents` is F32 [channels][frames][height][width], as are
 * `history.K` and `prediction` of a co-denoising round. Everything in it is checked before it is
 * believed; errors name the file. Pure but for the files. Internal to engine/. */
#ifndef ZOE_ENGINE_LATENTS_H
#define ZOE_ENGINE_LATENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/safetensors.h"
#include "engine/engine.h"

#define LATENTS_KIND "latents"
#define CHECKPOINT_KIND "checkpoint"

struct latents_facts {
    const char *kind;              /* one of the two above */
    char recipe[DIGEST_TEXT_SIZE]; /* of the whole clip */
    int task;
    int first, frames; /* counted in the clip */
    int channels, height, width;
    int step, steps; /* evaluations done, of all that the file's task counts */
    char fingerprint[ENGINE_FINGERPRINT_SIZE];
};

json_t *latents_facts_json(const struct latents_facts *facts); /* new reference */
bool latents_facts_read(struct latents_facts *out, const json_t *state, const char *path,
                        struct error *err);

/* The JSON of a file's `state`; new reference. */
json_t *latents_read_state(const struct safetensors *file, const char *path, struct error *err);
void latents_add_state(struct safetensors_writer *w, const json_t *state);

/* Floats of the facts' shape under `name`; reading checks shape and finiteness. */
void latents_add_floats(struct safetensors_writer *w, const char *name,
                        const struct latents_facts *facts, const float *values);
bool latents_read_floats(const struct safetensors *file, const char *path, const char *name,
                         const struct latents_facts *facts, float *values, struct error *err);

/* ---- files of other tasks ---- */

struct latents_file { /* zero-initialised: none */
    char *path;
    struct safetensors *file;
    struct latents_facts facts;
    int64_t count; /* floats of a tensor */
};

/* A file of the kind "latents" that says the same as `want`. Of `want`, an empty recipe or
 * fingerprint, a negative task and 0 frames or steps mean any; without steps all must be done.
 * ERROR_INVALID names the difference. */
bool latents_open(struct latents_file *out, const char *path, const struct latents_facts *want,
                  struct error *err);
void latents_close(struct latents_file *f);

/* ---- to the latents of a window ---- */

struct latents_window {
    int first, frames; /* counted in the clip */
    int channels, height, width;
};

/* Copies frames from .. from + count - 1 of the clip to their places in out [C][F][h][w]; the rest
 * of `out` is left alone. ERROR_INVALID when the file has not all of them. */
bool latents_take(const struct latents_file *f, const struct latents_window *window, int from,
                  int count, float *out, struct error *err);

/* What files of neighbouring windows say of a window: the average of their tensors `name`, weighted
 * with plan_weight, in the files' order (that of their windows), in float32. Where all say the same
 * it is that, to the bit. ERROR_INVALID when a frame is in none of them. */
bool latents_average(const struct latents_file *files, int count, const char *name,
                     const struct latents_window *window, float *out, struct error *err);

/* One file's frames before another's, faded into one another over those that both have: a straight
 * line. Where both say the same it is that, to the bit. */
bool latents_fade(const struct latents_file *before, const struct latents_file *after,
                  const struct latents_window *window, float *out, struct error *err);

#endif

/* What a denoising job leaves behind between two steps besides its latents: solver history and
 * where its generators are. Everything else follows from the recipe. */
#include <stdio.h>

#include "base/buf.h"
#include "engine/checkpoint.h"
#include "engine/model/diffusion_job.h"

#define NAME_SIZE 32

void diffusion_job_save(const struct family_job *j, struct safetensors_writer *w)
{
    const struct latents_facts shape = diffusion_latents_shape(j);
    struct buf noise = BUF_INIT;
    char name[NAME_SIZE];
    for (int i = 0; i < j->count; i++) {
        const int32_t filled = j->samplers[i]->filled;
        for (int k = 0; k < j->sampler->kept; k++) {
            snprintf(name, sizeof name, "history.%d.%d", i, k);
            latents_add_floats(w, name, &shape, j->samplers[i]->kept[k]);
        }
        const uint8_t bytes[] = {(uint8_t)filled, (uint8_t)(filled >> 8)};
        checkpoint_add_bytes(w, "filled", i, bytes, sizeof bytes);
        buf_clear(&noise);
        j->noise->save(j->noises[i], &noise);
        checkpoint_add_bytes(w, "noise", i, noise.data, noise.size);
        snprintf(name, sizeof name, "prediction.%d", i);
        if (j->leaves && j->stepped)
            latents_add_floats(w, name, &shape, j->prediction + i * j->latent_count);
    }
    buf_finish(&noise);
}

static bool load_history(struct family_job *j, int request, const struct safetensors *file,
                         const char *path, struct error *err)
{
    const struct latents_facts shape = diffusion_latents_shape(j);
    struct sampler_run *run = j->samplers[request];
    char name[NAME_SIZE];
    size_t size;
    for (int k = 0; k < j->sampler->kept; k++) {
        snprintf(name, sizeof name, "history.%d.%d", request, k);
        if (!latents_read_floats(file, path, name, &shape, run->kept[k], err)) return false;
    }
    const uint8_t *filled = checkpoint_read_bytes(file, path, "filled", request, &size, err);
    if (filled == NULL) return false;
    if (size != 2 || (run->filled = filled[0] | filled[1] << 8) > j->steps)
        return error_set(err, ERROR_INVALID, "%s: filled.%d is not a number of steps", path,
                         request);
    return true;
}

/* What a round hands over when all its steps are done. */
static bool load_prediction(struct family_job *j, int request, const struct safetensors *file,
                            const char *path, struct error *err)
{
    const struct latents_facts shape = diffusion_latents_shape(j);
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "prediction.%d", request);
    return latents_read_floats(file, path, name, &shape, j->prediction + request * j->latent_count,
                               err);
}

static bool load_request(struct family_job *j, int request, const struct safetensors *file,
                         const char *path, int step, struct error *err)
{
    size_t size;
    const uint8_t *bytes = checkpoint_read_bytes(file, path, "noise", request, &size, err);
    if (bytes == NULL || !load_history(j, request, file, path, err)) return false;
    if (!j->noise->load(j->noises[request], bytes, size))
        return error_set(err, ERROR_INVALID, "%s: noise.%d is no position of this generator", path,
                         request);
    return !j->leaves || step == 0 || load_prediction(j, request, file, path, err);
}

bool diffusion_job_load(struct family_job *j, const struct safetensors *file, const char *path,
                        int step, struct error *err)
{
    const int since = diffusion_walk_at(&j->walk, step).since;
    for (int i = 0; i < j->count; i++) {
        if (!load_request(j, i, file, path, step, err)) return false;
        if (since >= 0) j->samplers[i]->setup.first = since;
    }
    j->stepped = j->leaves && step > 0;
    return true;
}

/* What a denoising job leaves behind between two steps besides its latents: solver history and
 * where its generators are. Everything else follows from the recipe. */
#include <stdio.h>

#include "base/buf.h"
#include "engine/checkpoint.h"
#include "engine/model/diffusion_job.h"

#define NAME_SIZE 32

void diffusion_job_save(const struct family_job *j, struct safetensors_writer *w)
{
    struct buf noise = BUF_INIT;
    char name[NAME_SIZE];
    for (int i = 0; i < j->count; i++) {
        const int32_t filled = j->samplers[i]->filled;
        for (int k = 0; k < j->sampler->kept; k++) {
            snprintf(name, sizeof name, "history.%d", i);
            checkpoint_add_floats(w, name, k, j->samplers[i]->kept[k], j->latent_count);
        }
        const uint8_t bytes[] = {(uint8_t)filled, (uint8_t)(filled >> 8)};
        checkpoint_add_bytes(w, "filled", i, bytes, sizeof bytes);
        buf_clear(&noise);
        j->noise->save(j->noises[i], &noise);
        checkpoint_add_bytes(w, "noise", i, noise.data, noise.size);
    }
    buf_finish(&noise);
}

static bool load_history(struct family_job *j, int request, const struct safetensors *file,
                         const char *path, struct error *err)
{
    struct sampler_run *run = j->samplers[request];
    char name[NAME_SIZE];
    size_t size;
    snprintf(name, sizeof name, "history.%d", request);
    for (int k = 0; k < j->sampler->kept; k++)
        if (!checkpoint_read_floats(file, path, name, k, run->kept[k], j->latent_count, err))
            return false;
    const uint8_t *filled = checkpoint_read_bytes(file, path, "filled", request, &size, err);
    if (filled == NULL) return false;
    if (size != 2 || (run->filled = filled[0] | filled[1] << 8) > j->steps)
        return error_set(err, ERROR_INVALID, "%s: filled.%d is not a number of steps", path,
                         request);
    return true;
}

bool diffusion_job_load(struct family_job *j, const struct safetensors *file, const char *path,
                        int step, struct error *err)
{
    size_t size;
    for (int i = 0; i < j->count; i++) {
        const uint8_t *bytes = checkpoint_read_bytes(file, path, "noise", i, &size, err);
        if (bytes == NULL || !load_history(j, i, file, path, err)) return false;
        if (!j->noise->load(j->noises[i], bytes, size))
            return error_set(err, ERROR_INVALID, "%s: noise.%d is no position of this generator",
                             path, i);
    }
    (void)step;
    return true;
}

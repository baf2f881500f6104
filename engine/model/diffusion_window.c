/* What a task takes from others: clean latents of the frames that it holds, both sides of a joint,
 * and the state in which a round of co-denoising left its window and those beside it. */
#include <stdio.h>
#include <string.h>

#include "engine/model/diffusion_job.h"

#define NAME_SIZE 32

static struct latents_window window_of(const struct family_job *j)
{
    return (struct latents_window){.first = j->first_frame,
                                   .frames = j->size.frames,
                                   .channels = j->model->latent_channels,
                                   .height = j->size.height,
                                   .width = j->size.width};
}

/* ---- held frames ---- */

/* A joint begins with both sides, faded; its outer frames are those of their own side. */
static bool take_sides(struct family_job *j, const struct request_window *w, float *clean,
                       struct error *err)
{
    const struct latents_window window = window_of(j);
    const int end = w->first + w->frames;
    if (w->input_count != 2)
        return error_set(err, ERROR_USAGE, "task %u joins 2 tasks, not %d", w->task.number,
                         w->input_count);
    return latents_fade(&w->inputs[0], &w->inputs[1], &window, clean, err) &&
           latents_take(&w->inputs[0], &window, w->first, w->held_first, clean, err) &&
           latents_take(&w->inputs[1], &window, end - w->held_last, w->held_last, clean, err);
}

bool diffusion_window_known(struct family_job *j, int request, const struct request *r,
                            struct error *err)
{
    const struct request_window *w = &r->window;
    const struct latents_window window = window_of(j);
    float *clean = j->clean + request * j->latent_count;
    if (w->task.kind == PLAN_JOIN) return take_sides(j, w, clean, err);
    if (w->held_first == 0) return true;
    if (w->held.file != NULL)
        return latents_take(&w->held, &window, w->first, w->held_first, clean, err);
    if (w->task.extends) return diffusion_encode_before(j, request, r, err);
    if (w->input_count > 0)
        return latents_take(&w->inputs[w->input_count - 1], &window, w->first, w->held_first, clean,
                            err);
    return error_set(err, ERROR_USAGE, "task %u holds frames of no other", w->task.number);
}

/* ---- co-denoising ---- */

static bool read_filled(const struct latents_file *f, int most, int *out, struct error *err)
{
    const struct safetensors_entry *e = safetensors_find(f->file, "filled");
    const uint8_t *bytes = e != NULL ? e->data : NULL;
    if (e != NULL && e->dtype == TENSOR_U8 && e->count == 2 &&
        (*out = bytes[0] | bytes[1] << 8) <= most)
        return true;
    return error_set(err, ERROR_INVALID, "%s: filled is not a number of steps", f->path);
}

static bool average_filled(struct family_job *j, int request, const struct request_window *w,
                           struct error *err)
{
    for (int i = 0; i < w->input_count; i++) {
        int filled = 0;
        if (!read_filled(&w->inputs[i], j->steps, &filled, err)) return false;
        if (i > 0 && filled != j->samplers[request]->filled)
            return error_set(err, ERROR_INVALID, "%s: filled is %d, in the file before it %d",
                             w->inputs[i].path, filled, j->samplers[request]->filled);
        j->samplers[request]->filled = filled;
    }
    return true;
}

static bool average(struct family_job *j, const struct request_window *w, const char *name,
                    float *out, struct error *err)
{
    const struct latents_window window = window_of(j);
    return latents_average(w->inputs, w->input_count, name, &window, out, err);
}

bool diffusion_window_resume(struct family_job *j, int request, const struct request *r,
                             struct error *err)
{
    const int64_t offset = request * j->latent_count;
    char name[NAME_SIZE];
    for (int k = 0; k < j->sampler->kept; k++) {
        snprintf(name, sizeof name, "history.%d", k);
        if (!average(j, &r->window, name, j->samplers[request]->kept[k], err)) return false;
    }
    if (!average(j, &r->window, "latents", j->latents + offset, err) ||
        !average(j, &r->window, "prediction", j->prediction + offset, err) ||
        !average_filled(j, request, &r->window, err))
        return false;
    diffusion_solve(j, request, j->walk.from - 1, 0);
    return true;
}

void diffusion_job_hand_over(const struct family_job *j, struct safetensors_writer *w)
{
    const struct latents_facts shape = diffusion_latents_shape(j);
    const int filled = j->samplers[0]->filled;
    const uint8_t bytes[] = {(uint8_t)filled, (uint8_t)(filled >> 8)};
    const int64_t size = sizeof bytes;
    char name[NAME_SIZE];
    if (!j->leaves) return;
    for (int k = 0; k < j->sampler->kept; k++) {
        snprintf(name, sizeof name, "history.%d", k);
        latents_add_floats(w, name, &shape, j->samplers[0]->kept[k]);
    }
    safetensors_writer_add(w, "filled", TENSOR_U8, 1, &size, bytes);
    latents_add_floats(w, "prediction", &shape, j->prediction);
}

/* What the prompts of a job say to the network. */
#include "engine/model/diffusion_job.h"

#include <stdlib.h>

#include "base/xalloc.h"

static bool allocate(struct family_job *j, struct error *err)
{
    const struct diffusion_model *m = j->model;
    const size_t tokens = (size_t)j->rows * (size_t)m->tokens;
    j->ids = alloc_checked(tokens, sizeof *j->ids, "tokens", err);
    if (j->ids == NULL) return false;
    j->embeddings =
        alloc_checked(tokens * (size_t)m->text_channels, sizeof *j->embeddings, "embeddings", err);
    return j->embeddings != NULL;
}

static bool encode_text(struct family_job *j, int row, const char *text, struct error *err)
{
    struct diffusion_model *m = j->model;
    const size_t tokens = (size_t)row * (size_t)m->tokens;
    return m->encode(m, text, j->ids + tokens, j->embeddings + tokens * (size_t)m->text_channels,
                     err);
}

bool diffusion_text_begin(struct family_job *j, const struct request *requests, struct error *err)
{
    const bool guided = j->rows > j->count;
    if (!allocate(j, err)) return false;
    for (int i = 0; i < j->count; i++) {
        if (guided && !encode_text(j, i, requests[i].negative, err)) return false;
        if (!encode_text(j, guided ? j->count + i : i, requests[i].prompt, err)) return false;
    }
    j->condition = j->model->condition(j->model, j->embeddings, j->rows, err);
    return j->condition != NULL;
}

/* Steps without guidance want the prompts alone: the second half of the rows. */
const void *diffusion_text_at(struct family_job *j, int index, struct error *err)
{
    const size_t row = (size_t)j->model->tokens * (size_t)j->model->text_channels;
    const float *prompts = j->embeddings + (size_t)(j->rows - j->count) * row;
    if (j->rows == j->count || diffusion_guided_at(j, index)) return j->condition;
    if (j->unguided != NULL) return j->unguided;
    j->unguided = j->model->condition(j->model, prompts, j->count, err);
    if (j->unguided == NULL || !j->model->plan(j->model, &j->size, j->unguided, err)) return NULL;
    return j->unguided;
}

void diffusion_text_end(struct family_job *j)
{
    if (j->condition != NULL) j->model->condition_free(j->model, j->condition);
    if (j->unguided != NULL) j->model->condition_free(j->model, j->unguided);
    free(j->ids);
    free(j->embeddings);
}

bool diffusion_job_text(const struct family_job *j, struct engine_text *out)
{
    if (j->count != 1) return false;
    *out = (struct engine_text){j->rows, j->model->tokens, j->model->text_channels, j->ids,
                                j->embeddings};
    return true;
}

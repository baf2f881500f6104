/* Stable Diffusion 1 and 2: text to image, one frame a clip. The safety checker and the feature
 * extractor that folders name are no part of rendering. */
#include "engine/model/pipeline.h"

static const char *const pipelines[] = {"StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline",
                                        NULL};

extern const struct family family_stable_diffusion;
const struct family family_stable_diffusion = {
    .name = "stable-diffusion",
    .pipelines = pipelines,
    .image = true,
    PIPELINE_FAMILY_ROWS,
};

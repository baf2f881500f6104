/* ModelScope text-to-video and its relatives (ZeroScope, shapes): a UNet whose frames see each
 * other. */
#include "engine/model/pipeline.h"

static const char *const pipelines[] = {"TextToVideoSDPipeline", "VideoToVideoSDPipeline", NULL};

extern const struct family family_modelscope;
const struct family family_modelscope = {
    .name = "modelscope",
    .pipelines = pipelines,
    PIPELINE_FAMILY_ROWS,
};

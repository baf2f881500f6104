/* zoe-media concat: segments in, one lossless file out. */
#include <limits.h>

#include "media/concat.h"
#include "media/media_commands.h"

bool media_concat_run(struct media_call *call, struct error *err)
{
    const char *out_path = NULL;
    const struct media_option options[] = {
        media_args_text("out", true, &out_path, "FILE", "the .mkv to write"),
        {.name = NULL},
    };
    if (!media_call_parse(call, options, 1, INT_MAX, err)) return false;
    struct frames_shape shape;
    struct segment_result result;
    const char *const *segments = (const char *const *)call->argv;
    if (!concat_run(segments, call->argc, out_path, &shape, &result, err)) return false;
    media_reply_int(call, "frames", result.frames);
    media_reply_int(call, "width", shape.width);
    media_reply_int(call, "height", shape.height);
    media_reply_rate(call, "fps", shape.rate);
    media_reply_digest(call, "frames_sha256", &result.frames_sha256);
    media_reply_digest(call, "sha256", &result.sha256);
    media_reply_int(call, "size", (int64_t)result.size_bytes);
    return true;
}

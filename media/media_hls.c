/* zoe-media hls: a published MP4 becomes the next part of a growing stream. */
#include <stdlib.h>

#include "base/path.h"
#include "media/hls.h"
#include "media/media_commands.h"

bool media_hls_run(struct media_call *call, struct error *err)
{
    const char *part = NULL, *folder = NULL;
    int64_t index = 0, offset = 0;
    const struct media_option options[] = {
        media_args_text("part", true, &part, "FILE", "the MP4"),
        media_args_text("out", true, &folder, "FOLDER", "of the stream"),
        media_args_int("index", true, 0, HLS_INDEX_MAX, &index, "N", "of the part"),
        media_args_int("offset-frames", true, 0, INT64_C(1000000000), &offset, "F",
                       "frames of the stream before it"),
        {.name = NULL},
    };
    if (!media_call_parse(call, options, 0, 0, err)) return false;
    struct hls_part made;
    if (!hls_write(part, folder, index, offset, &made, err)) return false;
    char *path = path_join(folder, made.name);
    media_reply_text(call, "path", path);
    media_reply_real(call, "seconds", frames_seconds(made.rate, made.frames));
    media_reply_int(call, "frames", made.frames);
    media_reply_rate(call, "fps", made.rate);
    free(path);
    return true;
}

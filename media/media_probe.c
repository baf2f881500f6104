/* zoe-media probe: what an MP4 of ours holds, by decoding all of it. */
#include "media/media_commands.h"
#include "media/mp4_check.h"

static void reply(struct media_call *call, const struct mp4_info *info)
{
    media_reply_text(call, "codec", "h264");
    media_reply_text(call, "pix_fmt", "yuv420p");
    media_reply_int(call, "frames", info->shape.count);
    media_reply_int(call, "width", info->shape.width);
    media_reply_int(call, "height", info->shape.height);
    media_reply_rate(call, "fps", info->shape.rate);
    media_reply_real(call, "duration_s", frames_seconds(info->shape.rate, info->shape.count));
    media_reply_text(call, "title", info->title);
    media_reply_text(call, "comment", info->comment);
    media_reply_digest(call, "sha256", &info->sha256);
    media_reply_int(call, "size", (int64_t)info->size_bytes);
}

bool media_probe_run(struct media_call *call, struct error *err)
{
    const char *path = NULL;
    const struct media_option options[] = {
        {"mp4", MEDIA_ARGS_TEXT, true, 0, 0, {.text = &path}, "FILE", "the MP4"},
        {.name = NULL},
    };
    if (!media_call_parse(call, options, 0, 0, err)) return false;
    struct mp4_info info;
    if (!mp4_check_read(path, &info, err)) return false;
    reply(call, &info);
    mp4_info_finish(&info);
    return true;
}

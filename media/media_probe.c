/* zoe-media probe: what an MP4 or a PNG of ours holds, by decoding all of it. */
#include "media/media_commands.h"
#include "media/mp4_check.h"
#include "media/png_check.h"

static bool probe_mp4(struct media_call *call, const char *path, struct error *err)
{
    struct mp4_info info;
    if (!mp4_check_read(path, &info, err)) return false;
    media_reply_text(call, "codec", "h264");
    media_reply_text(call, "pix_fmt", "yuv420p");
    media_reply_int(call, "frames", info.shape.count);
    media_reply_int(call, "width", info.shape.width);
    media_reply_int(call, "height", info.shape.height);
    media_reply_rate(call, "fps", info.shape.rate);
    media_reply_real(call, "duration_s", frames_seconds(info.shape.rate, info.shape.count));
    media_reply_text(call, "title", info.title);
    media_reply_text(call, "comment", info.comment);
    if (info.sound_samples > 0)
        media_reply_audio(call, info.sound_rate, info.sound_channels, info.sound_samples);
    media_reply_digest(call, "sha256", &info.sha256);
    media_reply_int(call, "size", (int64_t)info.size_bytes);
    mp4_info_finish(&info);
    return true;
}

static bool probe_png(struct media_call *call, const char *path, struct error *err)
{
    struct png_info info;
    if (!png_check_read(path, &info, err)) return false;
    const struct digest pixels = png_check_pixels(&info);
    media_reply_text(call, "codec", "png");
    media_reply_text(call, "pix_fmt", "rgb24");
    media_reply_int(call, "frames", 1);
    media_reply_int(call, "width", info.width);
    media_reply_int(call, "height", info.height);
    media_reply_text(call, "title", info.title);
    media_reply_text(call, "comment", info.comment);
    media_reply_digest(call, "frames_sha256", &pixels);
    media_reply_digest(call, "sha256", &info.sha256);
    media_reply_int(call, "size", (int64_t)info.size_bytes);
    png_info_finish(&info);
    return true;
}

bool media_probe_run(struct media_call *call, struct error *err)
{
    const char *mp4 = NULL, *png = NULL;
    const struct media_option options[] = {
        media_args_text("mp4", false, &mp4, "FILE", "the MP4"),
        media_args_text("png", false, &png, "FILE", "or the PNG"),
        {.name = NULL},
    };
    if (!media_call_parse(call, options, 0, 0, err)) return false;
    if ((mp4 == NULL) == (png == NULL))
        return error_set(err, ERROR_USAGE, "probe needs either --mp4 or --png");
    return mp4 != NULL ? probe_mp4(call, mp4, err) : probe_png(call, png, err);
}

/* zoe-media versions: this build and the FFmpeg libraries that it runs with, for `zoe doctor`. */
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libswscale/swscale.h>
#include <stdio.h>

#include "media/media_commands.h"

static void add(json_t *reply, const char *name, unsigned version)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%u.%u.%u", AV_VERSION_MAJOR(version),
                   AV_VERSION_MINOR(version), AV_VERSION_MICRO(version));
    (void)json_object_set_new(reply, name, json_string(text));
}

bool media_versions_run(struct media_call *call, struct error *err)
{
    const struct media_option options[] = {{.name = NULL}};
    if (!media_call_parse(call, options, 0, 0, err)) return false;
    (void)json_object_set_new(call->reply, "version", json_string(ZOE_VERSION));
    add(call->reply, "libavcodec", avcodec_version());
    add(call->reply, "libavformat", avformat_version());
    add(call->reply, "libavutil", avutil_version());
    add(call->reply, "libswscale", swscale_version());
    (void)json_object_set_new(call->reply, "h264",
                              json_boolean(avcodec_find_encoder_by_name("libx264") != NULL));
    (void)json_object_set_new(call->reply, "ffv1",
                              json_boolean(avcodec_find_decoder(AV_CODEC_ID_FFV1) != NULL));
    return true;
}

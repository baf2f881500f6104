/* Restricted demuxing. */
#include "media/container.h"

#include <stdlib.h>

#include "media/libav.h"

static int refuse_nested_file(AVFormatContext *file, AVIOContext **pb, const char *url, int flags,
                              AVDictionary **options)
{
    (void)file, (void)pb, (void)url, (void)flags, (void)options;
    return AVERROR(EPERM);
}

int container_open(struct container *c, const char *path, const char *demuxer,
                   int error_recognition)
{
    const AVInputFormat *input = av_find_input_format(demuxer);
    if (input == NULL) return AVERROR_DEMUXER_NOT_FOUND;
    c->file = avformat_alloc_context();
    if (c->file == NULL) return AVERROR(ENOMEM);
    char *url = libav_file_url(path);
    AVDictionary *options = NULL;
    int code = av_dict_set(&options, "protocol_whitelist", "file", 0);
    if (code >= 0) code = avio_open2(&c->bytes, url, AVIO_FLAG_READ, NULL, &options);
    c->file->pb = c->bytes;
    c->file->io_open = refuse_nested_file;
    c->file->error_recognition = error_recognition;
    if (code >= 0) code = avformat_open_input(&c->file, "", input, &options);
    av_dict_free(&options);
    free(url);
    return code;
}

bool container_failed_to_read(const struct container *c)
{
    return c->bytes == NULL || (c->bytes->error < 0 && c->bytes->error != AVERROR_EOF);
}

int container_read(struct container *c, AVPacket *packet)
{
    int code = av_read_frame(c->file, packet);
    if (code == AVERROR_EOF && c->bytes->error < 0) return c->bytes->error;
    return code;
}

void container_close(struct container *c)
{
    avformat_close_input(&c->file);
    (void)avio_closep(&c->bytes);
}

/* container: a file opened by exactly one demuxer, as a file and nothing else: no network, no
 * nested files, nothing guessed. Internal to the room. One thread. */
#ifndef ZOE_MEDIA_CONTAINER_H
#define ZOE_MEDIA_CONTAINER_H

#include <libavformat/avformat.h>
#include <stdbool.h>

struct container {
    AVFormatContext *file;
    AVIOContext *bytes; /* ours, since avformat_open_input frees only what it opened itself */
};

/* 0 or a libav code; AVERROR_DEMUXER_NOT_FOUND when the installed libavformat has no such demuxer.
 * `error_recognition`: AV_EF_*. To be closed whatever comes back; `c` starts zeroed. */
int container_open(struct container *c, const char *path, const char *demuxer,
                   int error_recognition);
/* Was it the machine, and not the file, that failed last? */
bool container_failed_to_read(const struct container *c);
/* The next packet: 0, AVERROR_EOF at the file's true end, or another code. */
int container_read(struct container *c, AVPacket *packet);
void container_close(struct container *c);

#endif

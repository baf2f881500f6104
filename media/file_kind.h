/* file_kind: what a person's file is, by its first bytes and nothing else; libavformat's own probes
 * would try every demuxer there is. */
#ifndef ZOE_MEDIA_FILE_KIND_H
#define ZOE_MEDIA_FILE_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define FILE_KIND_MAGIC_BYTES 16

struct file_kind {
    const char *demuxer, *words; /* libavformat's name; for people */
    size_t offset;               /* of the mark */
    const char *mark;
    const char *also; /* at the file's beginning, or NULL */
    bool pictures, sound;
};

/* Static, or NULL for none of the known ones. Pure. */
const struct file_kind *file_kind_of(const uint8_t *head, size_t size);
/* The same of a file; *out is NULL when it is none of them. ERROR_NOT_FOUND, ERROR_IO. */
bool file_kind_read(const char *path, const struct file_kind **out, struct error *err);

#endif

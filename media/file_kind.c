/* The table of what may be brought. */
#include "media/file_kind.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const struct file_kind kinds[] = {
    {"png_pipe", "PNG", 0, "\x89PNG\r\n\x1a\n", NULL, true, false},
    {"jpeg_pipe", "JPEG", 0, "\xff\xd8\xff", NULL, true, false},
    {"gif", "GIF", 0, "GIF87a", NULL, true, false},
    {"gif", "GIF", 0, "GIF89a", NULL, true, false},
    {"webp_pipe", "WebP", 8, "WEBP", "RIFF", true, false},
    {"avi", "AVI", 8, "AVI ", "RIFF", true, true},
    {"matroska", "Matroska or WebM", 0, "\x1a\x45\xdf\xa3", NULL, true, true},
    {"mov", "MP4", 4, "ftyp", NULL, true, true},
    {"mov", "QuickTime", 4, "moov", NULL, true, true},
    {"mov", "QuickTime", 4, "mdat", NULL, true, true},
    {"mov", "QuickTime", 4, "wide", NULL, true, true},
    {"wav", "WAV", 8, "WAVE", "RIFF", false, true},
    {"flac", "FLAC", 0, "fLaC", NULL, false, true},
    {"ogg", "Ogg", 0, "OggS", NULL, false, true},
    {"mp3", "MP3", 0, "ID3", NULL, false, true},
    {"mp3", "MP3", 0, "\xff\xfb", NULL, false, true},
    {"mp3", "MP3", 0, "\xff\xf3", NULL, false, true},
    {"mp3", "MP3", 0, "\xff\xf2", NULL, false, true},
    {"aac", "AAC", 0, "\xff\xf1", NULL, false, true},
    {"aac", "AAC", 0, "\xff\xf9", NULL, false, true},
};

const struct file_kind *file_kind_of(const uint8_t *head, size_t size)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct file_kind *k = &kinds[i];
        size_t length = strlen(k->mark);
        if (k->offset + length > size || memcmp(head + k->offset, k->mark, length) != 0) continue;
        if (k->also == NULL || memcmp(head, k->also, strlen(k->also)) == 0) return k;
    }
    return NULL;
}

bool file_kind_read(const char *path, const struct file_kind **out, struct error *err)
{
    uint8_t head[FILE_KIND_MAGIC_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_IO, "%s: %s", path,
                         strerror(errno));
    }
    ssize_t size = pread(fd, head, sizeof(head), 0);
    int reason = errno;
    (void)close(fd);
    if (size < 0) return error_set_errno(err, reason, "cannot read %s", path);
    *out = file_kind_of(head, (size_t)size);
    return true;
}

/* sound: the sound of a file that a person brings: WAV, FLAC, MP3, AAC, Ogg, or the first track of
 * a video. The file's first bytes choose the one demuxer that may look at it, its stream the one
 * decoder. A damaged packet is skipped, as players do. One thread, no network, no nested files.
 * Internal to the room. */
#ifndef ZOE_MEDIA_SOUND_H
#define ZOE_MEDIA_SOUND_H

#include <libavutil/frame.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define SOUND_RATE_MIN 8000
#define SOUND_RATE_MAX 192000
#define SOUND_CHANNELS_MAX 8
#define SOUND_SECONDS_MAX (3 * 3600)

struct sound;

/* ERROR_INVALID: none of the known kinds, damaged, or no sound in it; ERROR_NOT_FOUND, ERROR_IO,
 * ERROR_NO_MEMORY. */
struct sound *sound_open(const char *path, struct error *err);
void sound_destroy(struct sound *s); /* NULL is fine */

const char *sound_kind(const struct sound *s); /* for people: "WAV" */

/* The next piece, borrowed until the next call; all have one rate, one format, one layout. NULL at
 * the end (*end true, there was at least one) and on errors. */
const AVFrame *sound_next(struct sound *s, bool *end, struct error *err);

struct sound_info {
    const char *kind; /* static */
    int rate, channels;
    int64_t samples; /* of each channel, counted by decoding */
};
/* Decodes all of it. ERROR_INVALID also for what lasts longer than SOUND_SECONDS_MAX. */
bool sound_measure(const char *path, struct sound_info *out, struct error *err);

#endif

/* sound_track: a person's sound as the sound of a clip: AAC (LC, 48 kHz, mono stays mono, else
 * stereo), cut to the clip's length or followed by silence. Packets are made as far as the pictures
 * have come, so memory is independent of the length. Every stage runs on one thread and without the
 * processor's vector instructions: the same file gives the same bytes with the same libraries.
 * Internal to the room. */
#ifndef ZOE_MEDIA_SOUND_TRACK_H
#define ZOE_MEDIA_SOUND_TRACK_H

#include <libavcodec/avcodec.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "media/frames.h"

#define SOUND_TRACK_RATE 48000
#define SOUND_TRACK_PACKET 1024 /* samples of an AAC packet */

struct sound_track;

/* Samples of `count` pictures. */
int64_t sound_track_samples(struct frames_rate rate, int64_t count);

/* `samples` of each channel will be made of the file at `path`. Errors as sound_open;
 * ERROR_REFUSED: the installed libraries have no AAC. */
struct sound_track *sound_track_open(const char *path, int64_t samples, struct error *err);
void sound_track_destroy(struct sound_track *t); /* NULL is fine */

/* For the muxer: parameters and time base (1 / SOUND_TRACK_RATE); borrowed. */
const AVCodecContext *sound_track_codec(const struct sound_track *t);

/* Takes a packet with times in the codec's time base; the packet's reference may be moved. */
typedef bool (*sound_track_sink)(void *context, AVPacket *packet, struct error *err);

/* Packets up to the given sample; beyond the end: all that is left, and the codec is drained. */
bool sound_track_until(struct sound_track *t, int64_t sample, sound_track_sink sink, void *context,
                       struct error *err);

#endif

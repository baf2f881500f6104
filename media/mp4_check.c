/* The last look at a file before it is published, and the first at one found. */
#include "media/mp4_check.h"

#include <libavutil/mathematics.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "media/decoder.h"
#include "media/mp4_writer.h"
#include "media/sound.h"

static char *copy_tag(const struct decoder *d, const char *name)
{
    const char *value = decoder_tag(d, name);
    if (value == NULL || !text_is_utf8(value, strlen(value))) value = "";
    return xstrdup(value);
}

static bool check_time(const struct decoder *d, const AVFrame *picture, int64_t index,
                       struct error *err)
{
    int64_t want = av_rescale_q(index, av_inv_q(decoder_rate(d)), decoder_time_base(d));
    if (picture->pts == want) return true;
    return error_set(err, ERROR_INVALID, "frame %lld is not at its time", (long long)index);
}

static bool count_pictures(struct decoder *d, int64_t *count, struct error *err)
{
    bool end = false;
    *count = 0;
    for (;;) {
        const AVFrame *picture = decoder_next(d, &end, err);
        if (picture == NULL) return end;
        if (!check_time(d, picture, *count, err)) return false;
        if (++*count > FRAMES_COUNT_MAX) {
            return error_set(err, ERROR_INVALID, "it holds more than %lld frames",
                             (long long)FRAMES_COUNT_MAX);
        }
    }
}

static bool read_all(struct decoder *d, struct mp4_info *out, struct error *err)
{
    AVRational rate = decoder_rate(d);
    out->shape.width = decoder_width(d);
    out->shape.height = decoder_height(d);
    out->shape.rate = (struct frames_rate){rate.num, rate.den};
    out->shape.count = 1;
    if (!frames_shape_check(&out->shape, err)) return false;
    return count_pictures(d, &out->shape.count, err) && frames_shape_check(&out->shape, err);
}

static bool read_sound(const char *path, struct mp4_info *out, struct error *err)
{
    struct sound_info sound;
    if (!sound_measure(path, &sound, err)) return false;
    out->sound_samples = sound.samples;
    out->sound_rate = sound.rate;
    out->sound_channels = sound.channels;
    return true;
}

bool mp4_check_read(const char *path, struct mp4_info *out, struct error *err)
{
    memset(out, 0, sizeof(*out));
    struct decoder *d = decoder_open(path, &decoder_mp4, err);
    if (d == NULL) return false;
    bool ok = read_all(d, out, err) && digest_of_file(path, &out->sha256, &out->size_bytes, err);
    if (ok && decoder_has_sound(d)) ok = read_sound(path, out, err);
    if (ok) {
        out->announced_seconds = decoder_announced_seconds(d);
        out->title = copy_tag(d, "title");
        out->comment = copy_tag(d, "comment");
    }
    decoder_destroy(d);
    return ok;
}

bool mp4_check_against(const struct mp4_info *info, const struct frames_shape *want,
                       struct error *err)
{
    const struct frames_shape *have = &info->shape;
    if (have->width != mp4_even(want->width) || have->height != mp4_even(want->height)) {
        return error_set(err, ERROR_CORRUPT, "the MP4 is %dx%d, %dx%d was encoded", have->width,
                         have->height, mp4_even(want->width), mp4_even(want->height));
    }
    if (have->count != want->count) {
        return error_set(err, ERROR_CORRUPT, "the MP4 holds %lld frames, %lld were encoded",
                         (long long)have->count, (long long)want->count);
    }
    if (have->rate.num != want->rate.num || have->rate.den != want->rate.den) {
        return error_set(err, ERROR_CORRUPT, "the MP4 runs at %d/%d frames per second, not %d/%d",
                         have->rate.num, have->rate.den, want->rate.num, want->rate.den);
    }
    double seconds = frames_seconds(want->rate, want->count);
    if (fabs(info->announced_seconds - seconds) <= 0.5 / frames_rate_value(want->rate)) return true;
    return error_set(err, ERROR_CORRUPT, "the MP4 says it lasts %g s, it should %g s",
                     info->announced_seconds, seconds);
}

bool mp4_check_sound(const struct mp4_info *info, int64_t samples, struct error *err)
{
    int64_t off = llabs(info->sound_samples - samples);
    bool none = samples == 0 && info->sound_samples == 0;
    if (none || (samples > 0 && info->sound_samples > 0 && off < SOUND_TRACK_PACKET &&
                 info->sound_rate == SOUND_TRACK_RATE))
        return true;
    return error_set(err, ERROR_CORRUPT, "the MP4 has %lld samples of sound, %lld were encoded",
                     (long long)info->sound_samples, (long long)samples);
}

void mp4_info_finish(struct mp4_info *info)
{
    free(info->title);
    free(info->comment);
    info->title = NULL;
    info->comment = NULL;
}

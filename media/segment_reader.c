/* FFV1 into RGB24, with the counts and times checked on the way. */
#include "media/segment_reader.h"

#include <libavutil/mathematics.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "media/decoder.h"
#include "media/matroska.h"
#include "media/segment_writer.h"

struct segment_reader {
    struct frames_shape shape;
    struct decoder *decoder;
    char *path;
    int64_t count;
};

/* Matroska keeps the length of a frame in nanoseconds, so the rate comes back a little off. */
static bool same_rate(AVRational have, struct frames_rate want)
{
    if (have.num <= 0 || have.den <= 0) return false;
    double ratio = av_q2d(have) / frames_rate_value(want);
    return ratio > 0.9999 && ratio < 1.0001;
}

static bool check_announced(const struct segment_reader *r, struct error *err)
{
    int width = decoder_width(r->decoder);
    int height = decoder_height(r->decoder);
    if (width != r->shape.width || height != r->shape.height) {
        return error_set(err, ERROR_INVALID, "%s: frames are %dx%d, %dx%d were expected", r->path,
                         width, height, r->shape.width, r->shape.height);
    }
    if (same_rate(decoder_rate(r->decoder), r->shape.rate)) return true;
    return error_set(err, ERROR_INVALID, "%s: %g frames per second, %g were expected", r->path,
                     av_q2d(decoder_rate(r->decoder)), frames_rate_value(r->shape.rate));
}

struct segment_reader *segment_reader_open(const char *path, const struct frames_shape *shape,
                                           struct error *err)
{
    if (!frames_shape_check(shape, err)) return NULL;
    struct segment_reader *r = xcalloc(1, sizeof(*r));
    r->shape = *shape;
    r->path = xstrdup(path);
    if (!matroska_check(path, err)) {
        (void)error_wrap(err, "%s", path);
    } else {
        r->decoder = decoder_open(path, &decoder_segment, err);
        if (r->decoder != NULL && check_announced(r, err)) return r;
    }
    segment_reader_destroy(r);
    return NULL;
}

bool segment_reader_measure(const char *path, struct frames_shape *out, struct error *err)
{
    struct decoder *d = decoder_open(path, &decoder_segment, err);
    if (d == NULL) return false;
    *out = (struct frames_shape){.width = decoder_width(d),
                                 .height = decoder_height(d),
                                 .rate = {decoder_rate(d).num, decoder_rate(d).den},
                                 .count = FRAMES_COUNT_ANY};
    decoder_destroy(d);
    return frames_shape_check(out, err) || error_wrap(err, "%s", path);
}

static void read_picture(const AVFrame *picture, uint8_t *rgb)
{
    for (int y = 0; y < picture->height; y++) {
        const uint8_t *row = picture->data[0] + (ptrdiff_t)y * picture->linesize[0];
        for (int x = 0; x < picture->width; x++, rgb += 3, row += 4) {
            rgb[0] = row[2];
            rgb[1] = row[1];
            rgb[2] = row[0];
        }
    }
}

static bool check_time(const struct segment_reader *r, const AVFrame *picture, struct error *err)
{
    const AVRational frame = {r->shape.rate.den, r->shape.rate.num};
    int64_t want = av_rescale_q(r->count, frame, decoder_time_base(r->decoder));
    if (picture->pts == want) return true;
    return error_set(err, ERROR_INVALID, "%s: frame %lld is not at its time", r->path,
                     (long long)r->count);
}

static bool check_count(const struct segment_reader *r, struct error *err)
{
    bool any = r->shape.count == FRAMES_COUNT_ANY;
    if (any ? r->count > 0 : r->count == r->shape.count) return true;
    return error_set(err, ERROR_INVALID, "%s: holds %lld frames, %lld were expected", r->path,
                     (long long)r->count, (long long)r->shape.count);
}

static bool room_for_more(const struct segment_reader *r, struct error *err)
{
    bool any = r->shape.count == FRAMES_COUNT_ANY;
    int64_t most = any ? FRAMES_COUNT_MAX : r->shape.count;
    if (r->count < most) return true;
    return error_set(err, ERROR_INVALID, "%s: holds more than the %lld frames expected", r->path,
                     (long long)most);
}

bool segment_reader_next(struct segment_reader *r, uint8_t *rgb, bool *end, struct error *err)
{
    const AVFrame *picture = decoder_next(r->decoder, end, err);
    if (picture == NULL) return *end && check_count(r, err);
    if (!room_for_more(r, err) || !check_time(r, picture, err)) return false;
    read_picture(picture, rgb);
    r->count++;
    return true;
}

const char *segment_reader_place(const struct segment_reader *r)
{
    const char *place = decoder_tag(r->decoder, SEGMENT_PLACE_TAG);
    return place != NULL ? place : "";
}

bool segment_reader_is_at(const struct segment_reader *r, const char *place, struct error *err)
{
    const char *have = segment_reader_place(r);
    if (strcmp(have, place) == 0) return true;
    return error_set(err, ERROR_INVALID, "%s: it is segment \"%.*s\", not \"%s\"", r->path,
                     SEGMENT_PLACE_MAX, *have != '\0' ? have : "of no place", place);
}

void segment_reader_destroy(struct segment_reader *r)
{
    if (r == NULL) return;
    decoder_destroy(r->decoder);
    free(r->path);
    free(r);
}

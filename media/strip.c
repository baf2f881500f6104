/* Thumbnails of an MP4 or a PNG. */
#include "media/strip.h"

#include <libswscale/swscale.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "media/decoder.h"
#include "media/libav.h"
#include "media/png_check.h"

#define SWS_EXACT (SWS_ACCURATE_RND | SWS_BITEXACT | SWS_FULL_CHR_H_INT)

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* A whole factor is taken when it fills at least three quarters of the box. */
static int whole_factor(const struct frames_shape *source, int box_width, int box_height)
{
    int factor = least(box_width / source->width, box_height / source->height);
    if (factor < 1) return 0;
    bool fills = factor * source->width * 4 >= box_width * 3 ||
                 factor * source->height * 4 >= box_height * 3;
    return fills ? factor : 0;
}

static void choose_size(struct strip *s, int box_width, int box_height)
{
    int factor = whole_factor(&s->source, box_width, box_height);
    int width = s->source.width;
    int height = s->source.height;
    if (factor > 0) {
        s->width = width * factor;
        s->height = height * factor;
    } else if (width * box_height > height * box_width) {
        s->width = box_width;
        s->height = (height * box_width + width / 2) / width;
    } else {
        s->height = box_height;
        s->width = (width * box_height + height / 2) / height;
    }
    if (s->width < 1) s->width = 1;
    if (s->height < 1) s->height = 1;
}

/* A picture has no rate; any will do. */
static bool measure_picture(int width, int height, int box_width, int box_height, struct strip *out,
                            struct error *err)
{
    out->source =
        (struct frames_shape){.width = width, .height = height, .rate = {1, 1}, .count = 1};
    if (!frames_shape_check(&out->source, err)) return false;
    choose_size(out, box_width, box_height);
    out->count = 1;
    return true;
}

static bool is_picture(const char *path)
{
    const char *extension = strrchr(path, '.');
    return extension != NULL && strcmp(extension, ".png") == 0;
}

static bool measure(const struct decoder *d, int count, int box_width, int box_height,
                    struct strip *out, struct error *err)
{
    AVRational rate = decoder_rate(d);
    out->source.width = decoder_width(d);
    out->source.height = decoder_height(d);
    out->source.rate = (struct frames_rate){rate.num, rate.den};
    out->source.count = decoder_announced_frames(d);
    if (!frames_shape_check(&out->source, err)) return false;
    choose_size(out, box_width, box_height);
    out->count = out->source.count < count ? (int)out->source.count : count;
    return true;
}

bool strip_measure(const char *path, int count, int box_width, int box_height, struct strip *out,
                   struct error *err)
{
    int width, height;
    memset(out, 0, sizeof(*out));
    if (is_picture(path))
        return png_check_measure(path, &width, &height, err) &&
               measure_picture(width, height, box_width, box_height, out, err);
    struct decoder *d = decoder_open(path, &decoder_mp4, err);
    if (d == NULL) return false;
    bool ok = measure(d, count, box_width, box_height, out, err);
    decoder_destroy(d);
    return ok;
}

/* Where in the clip the i-th picture stands. */
static int64_t place(const struct strip *s, int i)
{
    if (s->places != NULL) return s->places[i];
    if (s->count == 1) return 0;
    int64_t steps = s->count - 1;
    return ((s->source.count - 1) * i + steps / 2) / steps;
}

static struct SwsContext *open_scaler(const struct strip *s, int width, int height,
                                      enum AVPixelFormat from, struct error *err)
{
    struct SwsContext *scaler =
        sws_getContext(s->source.width, s->source.height, from, width, height, AV_PIX_FMT_BGR0,
                       SWS_LANCZOS | SWS_EXACT, NULL, NULL, NULL);
    const int *bt709 = sws_getCoefficients(SWS_CS_ITU709);
    if (scaler != NULL &&
        sws_setColorspaceDetails(scaler, bt709, 0, bt709, 1, 0, 1 << 16, 1 << 16) >= 0) {
        return scaler;
    }
    sws_freeContext(scaler);
    (void)error_set(err, ERROR_NO_MEMORY, "scaler for %dx%d", s->source.width, s->source.height);
    return NULL;
}

static void repeat_pixels(const uint8_t *from, const struct strip *s, uint8_t *to)
{
    int across = s->width / s->source.width;
    int down = s->height / s->source.height;
    for (int y = 0; y < s->height; y++) {
        const uint8_t *row = from + (size_t)(y / down) * (size_t)s->source.width * 4;
        for (int x = 0; x < s->width; x++, to += 4) {
            memcpy(to, row + (size_t)(x / across) * 4, 4);
        }
    }
}

static bool convert(const struct strip *s, const AVFrame *picture, int width, int height,
                    uint8_t *out, struct error *err)
{
    struct SwsContext *scaler = open_scaler(s, width, height, picture->format, err);
    if (scaler == NULL) return false;
    uint8_t *const planes[4] = {out};
    const int strides[4] = {width * 4};
    int rows = sws_scale(scaler, (const uint8_t *const *)picture->data, picture->linesize, 0,
                         picture->height, planes, strides);
    sws_freeContext(scaler);
    return rows == height || error_set(err, ERROR_INTERNAL, "a picture could not be scaled");
}

static bool take_picture(struct strip *s, const AVFrame *picture, int index, struct error *err)
{
    size_t size = (size_t)s->width * (size_t)s->height * 4;
    s->pictures[index] = alloc_checked(size, 1, "a thumbnail", err);
    if (s->pictures[index] == NULL) return false;
    bool whole = s->width % s->source.width == 0 && s->height % s->source.height == 0;
    if (!whole) return convert(s, picture, s->width, s->height, s->pictures[index], err);
    size_t source = (size_t)s->source.width * (size_t)s->source.height * 4;
    uint8_t *native = alloc_checked(source, 1, "a picture", err);
    bool ok = native != NULL && convert(s, picture, s->source.width, s->source.height, native, err);
    if (ok) repeat_pixels(native, s, s->pictures[index]);
    free(native);
    return ok;
}

static bool take_pictures(struct strip *s, struct decoder *d, struct error *err)
{
    int taken = 0;
    for (int64_t at = 0; taken < s->count; at++) {
        bool end = false;
        const AVFrame *picture = decoder_next(d, &end, err);
        if (picture == NULL && end) {
            return error_set(err, ERROR_INVALID, "it ends after %lld of %lld frames", (long long)at,
                             (long long)s->source.count);
        }
        if (picture == NULL) return false;
        while (taken < s->count && place(s, taken) == at) {
            if (!take_picture(s, picture, taken, err)) return false;
            taken++;
        }
    }
    return true;
}

static bool load_picture(const char *path, int box_width, int box_height, struct strip *out,
                         struct error *err)
{
    struct png_info info;
    if (!png_check_read(path, &info, err)) return false;
    bool ok = measure_picture(info.width, info.height, box_width, box_height, out, err);
    if (ok) out->pictures = xcalloc(1, sizeof(*out->pictures));
    ok = ok && take_picture(out, info.picture, 0, err);
    png_info_finish(&info);
    if (!ok) strip_finish(out);
    return ok;
}

static bool load_video(const char *path, const int64_t *places, int count, int box_width,
                       int box_height, struct strip *out, struct error *err)
{
    struct decoder *d = decoder_open(path, &decoder_mp4, err);
    if (d == NULL) return false;
    bool ok = measure(d, count, box_width, box_height, out, err);
    if (ok && places != NULL) {
        out->places = places;
        out->count = count;
    }
    if (ok) out->pictures = xcalloc((size_t)out->count, sizeof(*out->pictures));
    ok = ok && take_pictures(out, d, err);
    decoder_destroy(d);
    out->places = NULL;
    if (!ok) strip_finish(out);
    return ok;
}

bool strip_load(const char *path, int count, int box_width, int box_height, struct strip *out,
                struct error *err)
{
    memset(out, 0, sizeof(*out));
    if (is_picture(path)) return load_picture(path, box_width, box_height, out, err);
    return load_video(path, NULL, count, box_width, box_height, out, err);
}

bool strip_load_at(const char *path, const int64_t *frames, int count, int box_width,
                   int box_height, struct strip *out, struct error *err)
{
    memset(out, 0, sizeof(*out));
    return load_video(path, frames, count, box_width, box_height, out, err);
}

void strip_finish(struct strip *s)
{
    for (int i = 0; s->pictures != NULL && i < s->count; i++) {
        free(s->pictures[i]);
    }
    free(s->pictures);
    s->pictures = NULL;
}

/* swscale takes RGB apart into luma and chroma when it scales, and loses bits on the way: here each
 * channel goes through it as a gray picture. */
#include "media/fit.h"

#include <libavutil/mem.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "media/libav.h"

#define PLANES 3
#define ALIGN 64
#define FLAGS                                                                                      \
    (SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_BITEXACT)
#define HD_LINES 720

struct fit {
    int width, height;
    int planes; /* 1: gray */
    struct SwsContext *convert, *scale;
    uint8_t *pixels; /* the whole picture, RGB24 or RGBA */
    size_t pixel_bytes;
    uint8_t *cut; /* one plane of the box */
    size_t cut_bytes;
    uint8_t *scaled; /* one plane of the result */
};

static int at_most(int64_t a, int64_t b)
{
    return (int)(a < b ? a : b);
}

static int64_t share(int64_t side, int64_t times, int64_t parts)
{
    int64_t value = (2 * side * times + parts) / (2 * parts);
    return value < 1 ? 1 : value;
}

struct fit_box fit_crop(int w, int h, int wanted_width, int wanted_height)
{
    struct fit_box box = {.width = at_most(w, share(h, wanted_width, wanted_height)),
                          .height = at_most(h, share(w, wanted_height, wanted_width))};
    box.left = (w - box.width) / 2;
    box.top = (h - box.height) / 2;
    return box;
}

static size_t stride_of(int width)
{
    return ((size_t)width + ALIGN - 1) / ALIGN * ALIGN;
}

struct fit *fit_create(int width, int height, bool gray)
{
    struct fit *f = xcalloc(1, sizeof(*f));
    f->width = width;
    f->height = height;
    f->planes = gray ? 1 : PLANES;
    return f;
}

void fit_destroy(struct fit *f)
{
    if (f == NULL) return;
    sws_freeContext(f->convert);
    sws_freeContext(f->scale);
    av_freep(&f->pixels);
    av_freep(&f->cut);
    av_freep(&f->scaled);
    free(f);
}

static bool room(uint8_t **memory, size_t *have, size_t want, struct error *err)
{
    if (*memory != NULL && *have >= want) return true;
    av_freep(memory);
    *memory = av_malloc(want + ALIGN);
    *have = want;
    return *memory != NULL || error_set(err, ERROR_NO_MEMORY, "a picture of %zu bytes", want);
}

/* ---- any format -> RGB ---- */

/* libavcodec still hands out the old full-range formats. */
static enum AVPixelFormat plain_format(enum AVPixelFormat format, bool *full)
{
    static const enum AVPixelFormat old[][2] = {{AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUV420P},
                                                {AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUV422P},
                                                {AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUV444P},
                                                {AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUV440P},
                                                {AV_PIX_FMT_YUVJ411P, AV_PIX_FMT_YUV411P}};
    for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
        if (old[i][0] != format) continue;
        *full = true;
        return old[i][1];
    }
    return format;
}

static const int *coefficients_of(const AVFrame *p)
{
    if (p->colorspace == AVCOL_SPC_UNSPECIFIED || p->colorspace == AVCOL_SPC_RGB) {
        return sws_getCoefficients(p->height >= HD_LINES ? SWS_CS_ITU709 : SWS_CS_ITU601);
    }
    return sws_getCoefficients((int)p->colorspace);
}

static bool is_transparent(const AVPixFmtDescriptor *format)
{
    return (format->flags & (AV_PIX_FMT_FLAG_ALPHA | AV_PIX_FMT_FLAG_PAL)) != 0;
}

static bool convert(struct fit *f, const AVFrame *p, int bytes, struct error *err)
{
    bool full = p->color_range == AVCOL_RANGE_JPEG;
    enum AVPixelFormat from = plain_format((enum AVPixelFormat)p->format, &full);
    enum AVPixelFormat to = bytes == 4 ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24;
    f->convert = sws_getCachedContext(f->convert, p->width, p->height, from, p->width, p->height,
                                      to, FLAGS, NULL, NULL, NULL);
    if (f->convert == NULL) {
        return error_set(err, ERROR_INVALID, "pixels of the kind %s are not taken",
                         av_get_pix_fmt_name(from));
    }
    const int *coefficients = coefficients_of(p);
    (void)sws_setColorspaceDetails(f->convert, coefficients, full, coefficients, 1, 0, 1 << 16,
                                   1 << 16);
    uint8_t *const out[4] = {f->pixels};
    const int strides[4] = {p->width * bytes};
    int lines = sws_scale(f->convert, (const uint8_t *const *)p->data, p->linesize, 0, p->height,
                          out, strides);
    return lines == p->height || error_set(err, ERROR_INVALID, "the pixels cannot be converted");
}

/* On black. */
static uint8_t covered(uint8_t value, uint8_t alpha)
{
    return (uint8_t)((value * alpha + 127) / 255);
}

static void read_pixel(const uint8_t *at, int bytes, uint8_t rgb[PLANES])
{
    for (int c = 0; c < PLANES; c++)
        rgb[c] = bytes == 4 ? covered(at[c], at[3]) : at[c];
}

static uint8_t luma(const uint8_t rgb[PLANES])
{
    return (uint8_t)((77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2] + 128) >> 8);
}

/* ---- one plane ---- */

static void cut_plane(struct fit *f, const AVFrame *p, const struct fit_box *box, int bytes,
                      int plane)
{
    size_t stride = stride_of(box->width);
    for (int y = 0; y < box->height; y++) {
        const uint8_t *from =
            f->pixels +
            ((size_t)(box->top + y) * (size_t)p->width + (size_t)box->left) * (size_t)bytes;
        uint8_t *to = f->cut + (size_t)y * stride;
        for (int x = 0; x < box->width; x++, from += bytes) {
            uint8_t rgb[PLANES];
            read_pixel(from, bytes, rgb);
            to[x] = f->planes == 1 ? luma(rgb) : rgb[plane];
        }
    }
}

static bool scale_plane(struct fit *f, const struct fit_box *box, struct error *err)
{
    f->scale = sws_getCachedContext(f->scale, box->width, box->height, AV_PIX_FMT_GRAY8, f->width,
                                    f->height, AV_PIX_FMT_GRAY8, FLAGS, NULL, NULL, NULL);
    if (f->scale == NULL) {
        return error_set(err, ERROR_NO_MEMORY, "scaling %dx%d", box->width, box->height);
    }
    const uint8_t *const in[4] = {f->cut};
    uint8_t *const out[4] = {f->scaled};
    const int from[4] = {(int)stride_of(box->width)}, to[4] = {(int)stride_of(f->width)};
    int lines = sws_scale(f->scale, in, from, 0, box->height, out, to);
    return lines == f->height || error_set(err, ERROR_INVALID, "the picture cannot be scaled");
}

static void put_plane(const struct fit *f, const uint8_t *plane, int index, uint8_t *out)
{
    size_t stride = stride_of(f->width);
    for (int y = 0; y < f->height; y++) {
        const uint8_t *from = plane + (size_t)y * stride;
        uint8_t *to = out + (size_t)y * (size_t)f->width * (size_t)f->planes + index;
        for (int x = 0; x < f->width; x++)
            to[x * f->planes] = from[x];
    }
}

bool fit_picture(struct fit *f, const AVFrame *p, uint8_t *out, struct error *err)
{
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get((enum AVPixelFormat)p->format);
    if (format == NULL) return error_set(err, ERROR_INVALID, "unknown pixels");
    int bytes = is_transparent(format) ? 4 : 3;
    struct fit_box box = fit_crop(p->width, p->height, f->width, f->height);
    bool same = box.width == f->width && box.height == f->height;
    size_t scaled_bytes = 0;
    if (!room(&f->pixels, &f->pixel_bytes, (size_t)p->width * (size_t)p->height * (size_t)bytes,
              err) ||
        !room(&f->cut, &f->cut_bytes, stride_of(box.width) * (size_t)box.height, err) ||
        (f->scaled == NULL &&
         !room(&f->scaled, &scaled_bytes, stride_of(f->width) * (size_t)f->height, err)) ||
        !convert(f, p, bytes, err))
        return false;
    for (int i = 0; i < f->planes; i++) {
        cut_plane(f, p, &box, bytes, i);
        if (!same && !scale_plane(f, &box, err)) return false;
        put_plane(f, same ? f->cut : f->scaled, i, out);
    }
    return true;
}

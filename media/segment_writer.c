/* RGB24 into FFV1. */
#include "media/segment_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "media/encoder.h"
#include "media/survey.h"

struct segment_writer {
    struct frames_shape shape;
    struct encoder *encoder;
    struct survey survey;
    char *path;
};

/* Four slices confine damage and let a reader decode in parallel; tiny pictures have no room for
 * them. */
static const struct encoder_option four_slices[] = {
    {"slicecrc", "1"}, {"coder", "range_def"}, {"slices", "4"}, {NULL, NULL}};
static const struct encoder_option one_slice[] = {
    {"slicecrc", "1"}, {"coder", "range_def"}, {"slices", "1"}, {NULL, NULL}};

#define FOUR_SLICES_SIDE_MIN 16

static struct encoder_format format_for(const struct frames_shape *shape)
{
    bool large = shape->width >= FOUR_SLICES_SIDE_MIN && shape->height >= FOUR_SLICES_SIDE_MIN;
    return (struct encoder_format){
        .container = "matroska",
        .codec = "ffv1",
        .pixels = AV_PIX_FMT_BGR0,
        .level = 3,
        .gop_pictures = 1,
        .range = AVCOL_RANGE_JPEG,
        .space = AVCOL_SPC_RGB,
        .codec_options = large ? four_slices : one_slice,
    };
}

static struct segment_writer *open_with(const char *path, const struct frames_shape *shape,
                                        const struct encoder_option *tags, struct error *err)
{
    if (!frames_shape_check(shape, err)) return NULL;
    struct segment_writer *w = xcalloc(1, sizeof(*w));
    w->shape = *shape;
    w->path = xstrdup(path);
    const struct encoder_format format = format_for(shape);
    if (survey_init(&w->survey, shape, err)) {
        w->encoder = encoder_open(path, &format, shape, tags, NULL, err);
    }
    if (w->encoder != NULL) return w;
    segment_writer_destroy(w);
    return NULL;
}

struct segment_writer *segment_writer_open(const char *path, const struct frames_shape *shape,
                                           struct error *err)
{
    return open_with(path, shape, NULL, err);
}

struct segment_writer *segment_writer_open_at(const char *path, const struct frames_shape *shape,
                                              const char *place, struct error *err)
{
    const struct encoder_option tags[] = {{SEGMENT_PLACE_TAG, place}, {NULL, NULL}};
    size_t length = strlen(place);
    if (length > 0 && length <= SEGMENT_PLACE_MAX) return open_with(path, shape, tags, err);
    error_set(err, ERROR_INVALID, "%s: a place of %zu bytes", path, length);
    return NULL;
}

static void fill_picture(AVFrame *picture, const uint8_t *rgb)
{
    for (int y = 0; y < picture->height; y++) {
        uint8_t *row = picture->data[0] + (ptrdiff_t)y * picture->linesize[0];
        for (int x = 0; x < picture->width; x++, rgb += 3, row += 4) {
            row[0] = rgb[2];
            row[1] = rgb[1];
            row[2] = rgb[0];
            row[3] = 0;
        }
    }
}

bool segment_writer_push(struct segment_writer *w, const uint8_t *rgb, struct error *err)
{
    if (w->shape.count != FRAMES_COUNT_ANY && w->survey.count >= w->shape.count) {
        return error_set(err, ERROR_STATE, "%s: more than the %lld frames announced", w->path,
                         (long long)w->shape.count);
    }
    AVFrame *picture = encoder_picture(w->encoder, err);
    if (picture == NULL) return false;
    fill_picture(picture, rgb);
    survey_add(&w->survey, rgb);
    return encoder_push(w->encoder, err);
}

static bool check_count(const struct segment_writer *w, struct error *err)
{
    int64_t want = w->shape.count;
    int64_t have = w->survey.count;
    if (have > 0 && (want == FRAMES_COUNT_ANY || want == have)) return true;
    return error_set(err, ERROR_STATE, "%s: %lld frames were written, %lld announced", w->path,
                     (long long)have, (long long)want);
}

bool segment_writer_finish(struct segment_writer *w, struct segment_result *out, struct error *err)
{
    if (!check_count(w, err) || !encoder_finish(w->encoder, err)) return false;
    const struct survey_result seen = survey_end(&w->survey);
    *out = (struct segment_result){
        .frames = seen.count,
        .frames_sha256 = seen.frames_sha256,
        .luma_max = seen.luma_max,
        .suspect = seen.suspect,
    };
    return digest_of_file(w->path, &out->sha256, &out->size_bytes, err);
}

void segment_writer_destroy(struct segment_writer *w)
{
    if (w == NULL) return;
    encoder_destroy(w->encoder);
    survey_finish(&w->survey);
    free(w->path);
    free(w);
}

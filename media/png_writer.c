/* RGB24 into a PNG. */
#include "media/png_writer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "media/encoder.h"
#include "media/png_chunks.h"

struct png_writer {
    struct frames_shape shape;
    const struct clip_tags *tags;
    struct encoder *encoder;
    char *path;
    bool encoded, finished;
};

static const struct encoder_option png_options[] = {{"pred", "mixed"}, {NULL, NULL}};

/* A muxer that only strings packets together: one packet is one PNG. */
static const struct encoder_format png_format = {
    .container = "image2pipe",
    .codec = "png",
    .pixels = AV_PIX_FMT_RGB24,
    .range = AVCOL_RANGE_JPEG,
    .space = AVCOL_SPC_RGB,
    .codec_options = png_options,
};

#define FILE_BYTES_SPARE ((size_t)1 << 20) /* what noise grows by when it is compressed */

struct png_writer *png_writer_open(const char *path, const struct frames_shape *shape,
                                   const struct clip_tags *tags, struct error *err)
{
    if (!frames_shape_check(shape, err)) return NULL;
    if (shape->count != 1) {
        error_set(err, ERROR_INVALID, "a PNG holds one frame, not %lld", (long long)shape->count);
        return NULL;
    }
    struct png_writer *w = xcalloc(1, sizeof(*w));
    w->shape = *shape;
    w->tags = tags;
    w->path = xstrdup(path);
    w->encoder = encoder_open(path, &png_format, shape, NULL, NULL, err);
    if (w->encoder != NULL) return w;
    png_writer_destroy(w);
    return NULL;
}

bool png_writer_push(struct png_writer *w, const uint8_t *rgb, struct error *err)
{
    AVFrame *picture = encoder_picture(w->encoder, err);
    if (picture == NULL) return false;
    const size_t row = (size_t)w->shape.width * 3;
    for (int y = 0; y < w->shape.height; y++)
        memcpy(picture->data[0] + (ptrdiff_t)y * picture->linesize[0], rgb + (size_t)y * row, row);
    return encoder_push(w->encoder, err);
}

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static struct bytes view(const struct buf *b)
{
    return (struct bytes){b->data, b->size};
}

/* Each text goes behind IHDR, so the one added last comes first. */
static bool add_texts(const struct png_writer *w, struct error *err)
{
    struct buf plain = BUF_INIT, commented = BUF_INIT, whole = BUF_INIT;
    bool ok =
        path_read(w->path, frames_size_bytes(&w->shape) * 2 + FILE_BYTES_SPARE, &plain, err) &&
        png_chunks_check(view(&plain), err) &&
        png_chunks_add_text(view(&plain), PNG_CHUNKS_COMMENT, bytes_of(w->tags->comment),
                            &commented, err) &&
        png_chunks_add_text(view(&commented), PNG_CHUNKS_TITLE, bytes_of(w->tags->title), &whole,
                            err) &&
        path_write_atomic(w->path, whole.data, whole.size, 0644, err);
    buf_finish(&plain);
    buf_finish(&commented);
    buf_finish(&whole);
    return ok;
}

bool png_writer_finish(struct png_writer *w, struct error *err)
{
    w->encoded = encoder_finish(w->encoder, err);
    w->finished = w->encoded && add_texts(w, err);
    return w->finished;
}

void png_writer_destroy(struct png_writer *w)
{
    if (w == NULL) return;
    encoder_destroy(w->encoder);
    if (w->encoded && !w->finished) (void)unlink(w->path);
    free(w->path);
    free(w);
}

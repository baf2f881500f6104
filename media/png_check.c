/* The last look at a picture before it is published, and the first at one found. */
#include "media/png_check.h"

#include <libavcodec/avcodec.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "media/libav.h"
#include "media/png_chunks.h"

#define FILE_BYTES_MAX ((size_t)512 * 1024 * 1024)

#define PNG_RGB 2 /* colour type */

static bool check_head(const struct png_head *h, struct error *err)
{
    if (h->bit_depth != 8 || h->colour_type != PNG_RGB || h->interlace != 0)
        return error_set(err, ERROR_INVALID, "it is no PNG of 8-bit RGB, row by row");
    if (h->width >= FRAMES_SIDE_MIN && h->width <= FRAMES_SIDE_MAX &&
        h->height >= FRAMES_SIDE_MIN && h->height <= FRAMES_SIDE_MAX)
        return true;
    return error_set(err, ERROR_INVALID, "a PNG of %dx%d is out of range", h->width, h->height);
}

bool png_check_measure(const char *path, int *width, int *height, struct error *err)
{
    uint8_t head[PNG_HEAD_BYTES];
    struct png_head h;
    FILE *file = fopen(path, "rbe");
    if (file == NULL) return error_set(err, ERROR_NOT_FOUND, "%s cannot be opened", path);
    const struct bytes bytes = {head, fread(head, 1, sizeof head, file)};
    (void)fclose(file);
    if (!png_chunks_head(bytes, &h, err) || !check_head(&h, err))
        return error_wrap(err, "%s", path);
    *width = h.width;
    *height = h.height;
    return true;
}

/* The decoder sees a whole, checked file as one packet and nothing else. */
static bool run_decoder(AVCodecContext *codec, const struct buf *png, AVFrame *picture,
                        struct error *err)
{
    AVPacket *packet = av_packet_alloc();
    int code = packet != NULL ? av_new_packet(packet, (int)png->size) : AVERROR(ENOMEM);
    if (code >= 0) {
        memcpy(packet->data, png->data, png->size);
        code = avcodec_send_packet(codec, packet);
    }
    if (code >= 0) code = avcodec_receive_frame(codec, picture);
    av_packet_free(&packet);
    if (code >= 0) return true;
    (void)libav_error(err, code, "decoding");
    if (err != NULL && code != AVERROR(ENOMEM)) err->code = ERROR_INVALID;
    return false;
}

static bool decode(const struct buf *png, const struct png_head *head, AVFrame *picture,
                   struct error *err)
{
    const AVCodec *found = avcodec_find_decoder(AV_CODEC_ID_PNG);
    if (found == NULL) return error_set(err, ERROR_REFUSED, "the installed libavcodec has no PNG");
    AVCodecContext *codec = avcodec_alloc_context3(found);
    if (codec == NULL) return error_set(err, ERROR_NO_MEMORY, "decoder");
    codec->thread_count = 1;
    codec->err_recognition = AV_EF_CRCCHECK | AV_EF_EXPLODE;
    codec->max_pixels = (int64_t)FRAMES_SIDE_MAX * FRAMES_SIDE_MAX;
    const int code = avcodec_open2(codec, found, NULL);
    bool ok = code >= 0 ? run_decoder(codec, png, picture, err)
                        : libav_error(err, code, "opening the codec");
    avcodec_free_context(&codec);
    if (!ok) return false;
    if (picture->format == AV_PIX_FMT_RGB24 && picture->width == head->width &&
        picture->height == head->height && picture->decode_error_flags == 0)
        return true;
    return error_set(err, ERROR_INVALID, "another picture than its head says");
}

static char *copy_text(const struct buf *png, const char *keyword)
{
    const struct bytes text = png_chunks_find_text((struct bytes){png->data, png->size}, keyword);
    const bool sound = text.size > 0 && memchr(text.data, 0, text.size) == NULL &&
                       text_is_utf8((const char *)text.data, text.size);
    return sound ? xstrndup((const char *)text.data, text.size) : xstrdup("");
}

static bool read_file(const struct buf *png, struct png_info *out, struct error *err)
{
    const struct bytes bytes = {png->data, png->size};
    struct png_head head;
    if (!png_chunks_head(bytes, &head, err) || !check_head(&head, err) ||
        !png_chunks_check(bytes, err))
        return false;
    out->picture = av_frame_alloc();
    if (out->picture == NULL) return error_set(err, ERROR_NO_MEMORY, "picture");
    if (!decode(png, &head, out->picture, err)) return false;
    out->width = head.width;
    out->height = head.height;
    out->sha256 = digest_of(png->data, png->size);
    out->size_bytes = png->size;
    out->title = copy_text(png, PNG_CHUNKS_TITLE);
    out->comment = copy_text(png, PNG_CHUNKS_COMMENT);
    return true;
}

bool png_check_read(const char *path, struct png_info *out, struct error *err)
{
    struct buf png = BUF_INIT;
    memset(out, 0, sizeof(*out));
    const bool ok = path_read(path, FILE_BYTES_MAX, &png, err) && read_file(&png, out, err);
    buf_finish(&png);
    if (ok) return true;
    png_info_finish(out);
    return error_wrap(err, "%s", path);
}

struct digest png_check_pixels(const struct png_info *info)
{
    struct digest_stream stream;
    digest_begin(&stream);
    for (int y = 0; y < info->height; y++)
        digest_update(&stream, info->picture->data[0] + (ptrdiff_t)y * info->picture->linesize[0],
                      (size_t)info->width * 3);
    return digest_end(&stream);
}

void png_info_finish(struct png_info *info)
{
    av_frame_free(&info->picture);
    free(info->title);
    free(info->comment);
    info->title = NULL;
    info->comment = NULL;
}

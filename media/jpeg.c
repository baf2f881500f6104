/* One picture through libavcodec's mjpeg. */
#include "media/jpeg.h"

#include <libavcodec/avcodec.h>
#include <libswscale/swscale.h>

#include "media/libav.h"

#define QUALITY 3 /* of 1 (best) to 31: edges of flat colour stay clean */
#define EXACT (SWS_ACCURATE_RND | SWS_BITEXACT | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP)

static bool convert(const uint8_t *bgr0, AVFrame *to, struct error *err)
{
    const int *bt601 = sws_getCoefficients(SWS_CS_ITU601);
    struct SwsContext *s =
        sws_getContext(to->width, to->height, AV_PIX_FMT_BGR0, to->width, to->height,
                       AV_PIX_FMT_YUV444P, SWS_POINT | EXACT, NULL, NULL, NULL);
    bool ok =
        s != NULL && sws_setColorspaceDetails(s, bt601, 1, bt601, 1, 0, 1 << 16, 1 << 16) >= 0;
    const uint8_t *const planes[4] = {bgr0};
    const int strides[4] = {to->width * 4};
    ok = ok && sws_scale(s, planes, strides, 0, to->height, to->data, to->linesize) == to->height;
    sws_freeContext(s);
    return ok || error_set(err, ERROR_NO_MEMORY, "a picture of %dx%d", to->width, to->height);
}

static AVCodecContext *open_codec(int width, int height, struct error *err)
{
    const AVCodec *codec = avcodec_find_encoder_by_name("mjpeg");
    AVCodecContext *c = codec != NULL ? avcodec_alloc_context3(codec) : NULL;
    if (c == NULL) {
        error_set(err, ERROR_REFUSED, "the installed libavcodec has no mjpeg");
        return NULL;
    }
    c->width = width;
    c->height = height;
    c->pix_fmt = AV_PIX_FMT_YUVJ444P;
    c->color_range = AVCOL_RANGE_JPEG;
    c->time_base = (AVRational){1, 1};
    c->thread_count = 1;
    c->flags |= AV_CODEC_FLAG_BITEXACT | AV_CODEC_FLAG_QSCALE;
    c->global_quality = QUALITY * FF_QP2LAMBDA;
    int code = avcodec_open2(c, codec, NULL);
    if (code >= 0) return c;
    (void)libav_error(err, code, "opening mjpeg");
    avcodec_free_context(&c);
    return NULL;
}

static bool encode(AVCodecContext *c, AVFrame *frame, struct buf *out, struct error *err)
{
    AVPacket *packet = av_packet_alloc();
    int code = packet != NULL ? avcodec_send_frame(c, frame) : AVERROR(ENOMEM);
    if (code >= 0) code = avcodec_receive_packet(c, packet);
    if (code >= 0) buf_append(out, packet->data, (size_t)packet->size);
    av_packet_free(&packet);
    return code >= 0 || libav_error(err, code, "encoding a picture");
}

bool jpeg_append(const uint8_t *bgr0, int width, int height, struct buf *out, struct error *err)
{
    AVCodecContext *c = open_codec(width, height, err);
    AVFrame *frame = av_frame_alloc();
    bool ok = c != NULL && (frame != NULL || error_set(err, ERROR_NO_MEMORY, "a picture"));
    if (ok) {
        frame->format = c->pix_fmt;
        frame->width = width;
        frame->height = height;
        frame->quality = c->global_quality;
        int code = av_frame_get_buffer(frame, 0);
        ok = code >= 0 || libav_error(err, code, "a picture of %dx%d", width, height);
    }
    ok = ok && convert(bgr0, frame, err) && encode(c, frame, out, err);
    av_frame_free(&frame);
    avcodec_free_context(&c);
    return ok;
}

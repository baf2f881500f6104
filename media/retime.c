/* minterpolate holds four pictures and makes those between the middle two, so the last source
 * picture is pushed a few times more; what goes beyond the end is not taken. */
#include "media/retime.h"

#include <libavutil/mathematics.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "media/filter_graph.h"
#include "media/libav.h"

#define EXTRA_PICTURES 3
#define EXACT "flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"

struct retime {
    struct frames_shape in, out;
    bool interpolates;
    retime_sink sink;
    void *context;
    struct filter_graph *graph;
    AVFrame *frame;         /* from the graph */
    uint8_t *last, *packed; /* the last source picture; a result without padding */
    int64_t pushed, made;
};

int64_t retime_count(int64_t count, struct frames_rate from, struct frames_rate to)
{
    int64_t made =
        av_rescale_q(count, (AVRational){from.den, from.num}, (AVRational){to.den, to.num});
    return made < 1 ? 1 : made;
}

static bool fail(struct error *err, int code, const char *what)
{
    return libav_error(err, code, "%s", what);
}

/* Motion is looked for in luma, and chroma follows at full size. */
static void describe(const struct retime *r, char *out, size_t room)
{
    char interpolate[256] = "";
    if (r->interpolates)
        (void)snprintf(interpolate, sizeof interpolate,
                       "scale=" EXACT ":out_color_matrix=bt709:out_range=full,format=yuv444p,"
                       "minterpolate=fps=%d/%d:mi_mode=mci,",
                       r->out.rate.num, r->out.rate.den);
    (void)snprintf(out, room,
                   "%sscale=%d:%d:" EXACT ":in_color_matrix=bt709:in_range=full:"
                   "out_color_matrix=bt709:out_range=full,format=rgb24",
                   interpolate, r->out.width, r->out.height);
}

static bool open_graph(struct retime *r, struct error *err)
{
    char arguments[160], text[768];
    (void)snprintf(arguments, sizeof arguments,
                   "video_size=%dx%d:pix_fmt=rgb24:time_base=%d/%d:frame_rate=%d/%d:"
                   "pixel_aspect=1/1",
                   r->in.width, r->in.height, r->in.rate.den, r->in.rate.num, r->in.rate.num,
                   r->in.rate.den);
    describe(r, text, sizeof text);
    r->graph = filter_graph_open(FILTER_GRAPH_VIDEO, arguments, text, "another rate or size", err);
    return r->graph != NULL;
}

static bool check_size(const struct retime *r, struct error *err)
{
    if (!r->interpolates || (r->in.width >= RETIME_SIDE_MIN && r->in.height >= RETIME_SIDE_MIN))
        return true;
    return error_set(err, ERROR_REFUSED,
                     "frames of %dx%d are too small for another rate: %d at "
                     "least",
                     r->in.width, r->in.height, RETIME_SIDE_MIN);
}

static bool alloc_pictures(struct retime *r, struct error *err)
{
    r->frame = av_frame_alloc();
    r->last = alloc_checked(frames_size_bytes(&r->in), 1, "a frame", err);
    r->packed = alloc_checked(frames_size_bytes(&r->out), 1, "a frame", err);
    if (r->frame == NULL) return error_set(err, ERROR_NO_MEMORY, "a frame");
    return r->last != NULL && r->packed != NULL;
}

struct retime *retime_create(const struct frames_shape *in, const struct frames_shape *out,
                             retime_sink sink, void *context, struct error *err)
{
    struct retime *r = xcalloc(1, sizeof *r);
    r->in = *in;
    r->out = *out;
    r->interpolates = in->rate.num != out->rate.num || in->rate.den != out->rate.den;
    r->sink = sink;
    r->context = context;
    if (check_size(r, err) && alloc_pictures(r, err) && open_graph(r, err)) return r;
    retime_destroy(r);
    return NULL;
}

static bool deliver(struct retime *r, struct error *err)
{
    const size_t row = (size_t)r->out.width * 3;
    if (r->made >= r->out.count) return true;
    for (int y = 0; y < r->out.height; y++)
        memcpy(r->packed + (size_t)y * row,
               r->frame->data[0] + (ptrdiff_t)y * r->frame->linesize[0], row);
    r->made++;
    return r->sink(r->context, r->packed, err);
}

/* Whatever the graph has finished. */
static bool drain(struct retime *r, struct error *err)
{
    for (;;) {
        int code = filter_graph_take(r->graph, r->frame);
        if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return true;
        if (code < 0) return fail(err, code, "filtering");
        bool ok = deliver(r, err);
        av_frame_unref(r->frame);
        if (!ok) return false;
    }
}

static AVFrame *picture_of(const struct retime *r, const uint8_t *rgb)
{
    const size_t row = (size_t)r->in.width * 3;
    AVFrame *f = av_frame_alloc();
    if (f == NULL) return NULL;
    f->format = AV_PIX_FMT_RGB24;
    f->width = r->in.width;
    f->height = r->in.height;
    f->pts = r->pushed;
    f->sample_aspect_ratio = (AVRational){1, 1};
    if (av_frame_get_buffer(f, 0) < 0) {
        av_frame_free(&f);
        return NULL;
    }
    for (int y = 0; y < r->in.height; y++)
        memcpy(f->data[0] + (ptrdiff_t)y * f->linesize[0], rgb + (size_t)y * row, row);
    return f;
}

static bool feed(struct retime *r, const uint8_t *rgb, struct error *err)
{
    AVFrame *f = picture_of(r, rgb);
    if (f == NULL) return error_set(err, ERROR_NO_MEMORY, "a picture");
    int code = filter_graph_push(r->graph, f);
    av_frame_free(&f);
    if (code < 0) return fail(err, code, "filtering");
    r->pushed++;
    return drain(r, err);
}

bool retime_push(struct retime *r, const uint8_t *rgb, struct error *err)
{
    memcpy(r->last, rgb, frames_size_bytes(&r->in));
    return feed(r, rgb, err);
}

bool retime_finish(struct retime *r, struct error *err)
{
    for (int i = 0; r->interpolates && i < EXTRA_PICTURES; i++)
        if (!feed(r, r->last, err)) return false;
    int code = filter_graph_push(r->graph, NULL);
    if (code < 0) return fail(err, code, "filtering");
    if (!drain(r, err)) return false;
    return r->made == r->out.count ||
           error_set(err, ERROR_INTERNAL, "%lld frames were made of %lld", (long long)r->made,
                     (long long)r->out.count);
}

void retime_destroy(struct retime *r)
{
    if (r == NULL) return;
    filter_graph_close(r->graph);
    av_frame_free(&r->frame);
    free(r->last);
    free(r->packed);
    free(r);
}

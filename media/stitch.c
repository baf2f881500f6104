/* Segments into the file that people see. */
#include "media/stitch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "media/mp4_check.h"
#include "media/mp4_writer.h"
#include "media/png_check.h"
#include "media/png_writer.h"
#include "media/segment_reader.h"
#include "media/survey.h"

/* How a kind of file is written and looked at again: one row each. */
struct format {
    const char *extension;
    void *(*open)(const struct stitch_job *job, struct error *err);
    bool (*push)(void *writer, const uint8_t *rgb, struct error *err);
    bool (*finish)(void *writer, struct error *err);
    void (*destroy)(void *writer);
    bool (*verify)(const struct stitch_job *job, struct stitch_result *out, struct error *err);
};

struct stitch {
    const struct stitch_job *job;
    const struct format *format;
    void *writer; /* the format's */
    struct survey survey;
    uint8_t *rgb; /* one picture */
};

static bool append_frame(struct stitch *s, const char *path, struct error *err)
{
    if (s->survey.count >= s->job->shape.count) {
        return error_set(err, ERROR_INVALID,
                         "%s: the segments hold more than the %lld frames of "
                         "the clip",
                         path, (long long)s->job->shape.count);
    }
    survey_add(&s->survey, s->rgb);
    return s->format->push(s->writer, s->rgb, err);
}

static bool append_segment(struct stitch *s, const char *path, struct error *err)
{
    struct frames_shape shape = s->job->shape;
    shape.count = FRAMES_COUNT_ANY;
    struct segment_reader *r = segment_reader_open(path, &shape, err);
    if (r == NULL) return false;
    bool end = false;
    bool ok = true;
    while (ok && !end) {
        ok = segment_reader_next(r, s->rgb, &end, err);
        if (ok && !end) ok = append_frame(s, path, err);
    }
    segment_reader_destroy(r);
    return ok;
}

static bool append_all(struct stitch *s, struct error *err)
{
    for (int i = 0; i < s->job->segment_count; i++) {
        if (!append_segment(s, s->job->segments[i], err)) return false;
    }
    if (s->survey.count == s->job->shape.count) return true;
    return error_set(err, ERROR_INVALID, "the segments hold %lld frames, the clip has %lld",
                     (long long)s->survey.count, (long long)s->job->shape.count);
}

static bool encode(struct stitch *s, struct error *err)
{
    const struct stitch_job *job = s->job;
    if (!survey_init(&s->survey, &job->shape, err)) return false;
    s->rgb = alloc_checked(frames_size_bytes(&job->shape), 1, "a frame", err);
    if (s->rgb == NULL) return false;
    s->writer = s->format->open(job, err);
    if (s->writer == NULL) return false;
    return append_all(s, err) && s->format->finish(s->writer, err);
}

/* ---- MP4 ---- */

static void *open_mp4(const struct stitch_job *job, struct error *err)
{
    return mp4_writer_open(job->out_path, &job->shape, &job->tags, err);
}

static bool push_mp4(void *writer, const uint8_t *rgb, struct error *err)
{
    return mp4_writer_push(writer, rgb, err);
}

static bool finish_mp4(void *writer, struct error *err)
{
    return mp4_writer_finish(writer, err);
}

static void destroy_mp4(void *writer)
{
    mp4_writer_destroy(writer);
}

static bool verify_mp4(const struct stitch_job *job, struct stitch_result *out, struct error *err)
{
    struct mp4_info info;
    if (!mp4_check_read(job->out_path, &info, err)) return false;
    bool ok = mp4_check_against(&info, &job->shape, err);
    out->sha256 = info.sha256;
    out->size_bytes = info.size_bytes;
    out->width = info.shape.width;
    out->height = info.shape.height;
    mp4_info_finish(&info);
    return ok;
}

/* ---- PNG ---- */

static void *open_png(const struct stitch_job *job, struct error *err)
{
    return png_writer_open(job->out_path, &job->shape, &job->tags, err);
}

static bool push_png(void *writer, const uint8_t *rgb, struct error *err)
{
    return png_writer_push(writer, rgb, err);
}

static bool finish_png(void *writer, struct error *err)
{
    return png_writer_finish(writer, err);
}

static void destroy_png(void *writer)
{
    png_writer_destroy(writer);
}

/* Nothing is lost in a PNG, so its pixels are those of the segment. */
static bool verify_png(const struct stitch_job *job, struct stitch_result *out, struct error *err)
{
    struct png_info info;
    if (!png_check_read(job->out_path, &info, err)) return false;
    const struct digest pixels = png_check_pixels(&info);
    out->sha256 = info.sha256;
    out->size_bytes = info.size_bytes;
    out->width = info.width;
    out->height = info.height;
    png_info_finish(&info);
    if (digest_equal(&pixels, &out->frames_sha256)) return true;
    return error_set(err, ERROR_CORRUPT, "the PNG holds other pixels than were encoded");
}

/* ---- which ---- */

static const struct format formats[] = {
    {".mp4", open_mp4, push_mp4, finish_mp4, destroy_mp4, verify_mp4},
    {".png", open_png, push_png, finish_png, destroy_png, verify_png},
};

static const struct format *find_format(const char *path, struct error *err)
{
    const char *extension = strrchr(path, '.');
    for (size_t i = 0; extension != NULL && i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(formats[i].extension, extension) == 0) return &formats[i];
    error_set(err, ERROR_USAGE, "%s ends in neither .mp4 nor .png", path);
    return NULL;
}

/* A file that our own encoder just wrote is never the worker's fault. */
static bool verify(const struct stitch *s, struct stitch_result *out, struct error *err)
{
    if (s->format->verify(s->job, out, err)) return true;
    if (err != NULL && err->code == ERROR_INVALID) err->code = ERROR_CORRUPT;
    return error_wrap(err, "checking the finished file");
}

bool stitch_run(const struct stitch_job *job, struct stitch_result *out, struct error *err)
{
    if (!frames_shape_check(&job->shape, err)) return false;
    struct stitch s = {.job = job, .format = find_format(job->out_path, err)};
    if (s.format == NULL) return false;
    bool ok = encode(&s, err);
    if (ok) {
        const struct survey_result seen = survey_end(&s.survey);
        out->frames_sha256 = seen.frames_sha256;
        out->luma_max = seen.luma_max;
        out->suspect = seen.suspect;
    }
    if (s.writer != NULL) s.format->destroy(s.writer);
    survey_finish(&s.survey);
    free(s.rgb);
    if (!ok) return false;
    if (verify(&s, out, err)) return true;
    (void)unlink(job->out_path);
    return false;
}

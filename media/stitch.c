/* Segments into an MP4. */
#include "media/stitch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "media/mp4_check.h"
#include "media/segment_reader.h"
#include "media/survey.h"

struct stitch {
    const struct stitch_job *job;
    struct mp4_writer *writer;
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
    return mp4_writer_push(s->writer, s->rgb, err);
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
    s->writer = mp4_writer_open(job->out_path, &job->shape, &job->tags, err);
    if (s->writer == NULL) return false;
    return append_all(s, err) && mp4_writer_finish(s->writer, err);
}

/* A file that our own encoder just wrote is never the worker's fault. */
static bool verify(const struct stitch_job *job, struct stitch_result *out, struct error *err)
{
    struct mp4_info info;
    if (!mp4_check_read(job->out_path, &info, err)) {
        if (err != NULL && err->code == ERROR_INVALID) err->code = ERROR_CORRUPT;
        return error_wrap(err, "checking the finished MP4");
    }
    bool ok = mp4_check_against(&info, &job->shape, err);
    out->sha256 = info.sha256;
    out->size_bytes = info.size_bytes;
    mp4_info_finish(&info);
    return ok;
}

bool stitch_run(const struct stitch_job *job, struct stitch_result *out, struct error *err)
{
    if (!frames_shape_check(&job->shape, err)) return false;
    struct stitch s = {.job = job};
    bool ok = encode(&s, err);
    if (ok) {
        const struct survey_result seen = survey_end(&s.survey);
        out->frames_sha256 = seen.frames_sha256;
        out->luma_max = seen.luma_max;
        out->suspect = seen.suspect;
    }
    mp4_writer_destroy(s.writer);
    survey_finish(&s.survey);
    free(s.rgb);
    if (!ok) return false;
    if (verify(job, out, err)) return true;
    (void)unlink(job->out_path);
    return false;
}

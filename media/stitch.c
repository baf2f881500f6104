/* Segments into the file that people see. */
#include "media/stitch.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "media/fit.h"
#include "media/mp4_writer.h"
#include "media/segment_reader.h"
#include "media/source.h"
#include "media/stitch_output.h"
#include "media/survey.h"

struct stitch {
    const struct stitch_job *job;
    struct stitch_result *result;
    struct stitch_output *output;
    struct survey survey;
    uint8_t *rgb; /* one picture */
    int64_t next; /* where the next segment has to begin, or STITCH_FIRST_ANY */
    bool broken;  /* our own side failed: no use in looking at the rest */
};

static const struct stitch_fact nothing_known = {
    .frames = FRAMES_COUNT_ANY, .first = STITCH_FIRST_ANY, .place = NULL};

static const struct stitch_fact *fact_of(const struct stitch_job *job, int index)
{
    return job->facts != NULL ? &job->facts[index] : &nothing_known;
}

/* ---- one frame ---- */

static bool push(struct stitch *s, struct error *err)
{
    survey_add(&s->survey, s->rgb);
    s->broken = !stitch_output_push(s->output, s->rgb, err);
    return !s->broken;
}

/* After a bad segment the others are read, but nothing is made of them. */
static bool append_frame(struct stitch *s, const char *path, struct error *err)
{
    if (s->result->bad_count > 0) return true;
    if (s->survey.count < s->job->shape.count) return push(s, err);
    return error_set(err, ERROR_INVALID,
                     "%s: the segments hold more than the %lld frames of the clip", path,
                     (long long)s->job->shape.count);
}

/* ---- one segment ---- */

/* Each begins where those before it end, whatever they say of themselves. */
static bool check_order(const struct stitch *s, int index, struct error *err)
{
    int64_t first = fact_of(s->job, index)->first;
    if (s->next == STITCH_FIRST_ANY || first == STITCH_FIRST_ANY || first == s->next) return true;
    return error_set(err, ERROR_INVALID, "%s: it begins at frame %lld of the clip, not at %lld",
                     s->job->segments[index], (long long)first, (long long)s->next);
}

static bool check_digest(struct digest_stream *stream, const struct stitch_fact *fact,
                         const char *path, struct error *err)
{
    const struct digest seen = digest_end(stream);
    if (digest_is_zero(&fact->frames_sha256) || digest_equal(&seen, &fact->frames_sha256))
        return true;
    return error_set(err, ERROR_INVALID, "%s: its frames are other ones than were stored", path);
}

static bool read_frames(struct stitch *s, struct segment_reader *r, int index, struct error *err)
{
    struct digest_stream stream;
    bool end = false;
    digest_begin(&stream);
    for (;;) {
        if (!segment_reader_next(r, s->rgb, &end, err)) return false;
        if (end) break;
        digest_update(&stream, s->rgb, s->survey.picture_bytes);
        if (!append_frame(s, s->job->segments[index], err)) return false;
    }
    return check_digest(&stream, fact_of(s->job, index), s->job->segments[index], err);
}

static bool append_segment(struct stitch *s, int index, struct error *err)
{
    const struct stitch_fact *fact = fact_of(s->job, index);
    struct frames_shape shape = s->job->shape;
    shape.count = fact->frames;
    if (!check_order(s, index, err)) return false;
    struct segment_reader *r = segment_reader_open(s->job->segments[index], &shape, err);
    if (r == NULL) return false;
    bool ok = fact->place == NULL || segment_reader_is_at(r, fact->place, err);
    ok = ok && read_frames(s, r, index, err);
    segment_reader_destroy(r);
    return ok;
}

/* ---- all segments ---- */

/* What cannot be read is as bad as what is damaged: it has to be made again. */
static bool is_bad(const struct stitch *s, const struct error *err)
{
    return !s->broken &&
           (err->code == ERROR_INVALID || err->code == ERROR_NOT_FOUND || err->code == ERROR_IO);
}

static void note_bad(struct stitch *s, int index)
{
    if (s->result->bad_count < STITCH_BAD_MAX) s->result->bad[s->result->bad_count++] = index;
}

static bool append_segments(struct stitch *s, struct error *err)
{
    struct error first = {.code = ERROR_NONE}, now = {.code = ERROR_NONE};
    for (int i = 0; i < s->job->segment_count; i++) {
        bool ok = append_segment(s, i, &now);
        if (s->next != STITCH_FIRST_ANY) s->next += fact_of(s->job, i)->frames;
        if (ok) continue;
        if (first.code == ERROR_NONE) first = now;
        if (!is_bad(s, &now)) break;
        note_bad(s, i);
    }
    if (err != NULL && first.code != ERROR_NONE) *err = first;
    return first.code == ERROR_NONE;
}

/* ---- what comes before ---- */

static bool has_size(const struct frames_shape *shape, const AVFrame *p, const char *path,
                     struct error *err)
{
    bool same = p->width == shape->width && p->height == shape->height;
    bool padded = p->width == mp4_even(shape->width) && p->height == mp4_even(shape->height);
    return same || padded ||
           error_set(err, ERROR_INVALID, "%s: its pictures are %dx%d, those of the clip %dx%d",
                     path, p->width, p->height, shape->width, shape->height);
}

static bool append_pictures(struct stitch *s, struct source *video, struct fit *fit,
                            struct error *err)
{
    const char *path = s->job->before;
    for (int64_t i = 0; i < s->job->before_frames; i++) {
        bool end = false;
        const AVFrame *picture = source_next(video, &end, err);
        if (end)
            return error_set(err, ERROR_INVALID, "%s: it ends after %lld of %lld frames", path,
                             (long long)i, (long long)s->job->before_frames);
        if (picture == NULL || !has_size(&s->job->shape, picture, path, err) ||
            !fit_picture(fit, picture, s->rgb, err) || !append_frame(s, path, err))
            return false;
    }
    return true;
}

static bool append_before(struct stitch *s, struct error *err)
{
    if (s->job->before == NULL) return true;
    struct source *video = source_open(s->job->before, err);
    struct fit *fit = fit_create(s->job->shape.width, s->job->shape.height, false);
    bool ok = video != NULL && append_pictures(s, video, fit, err);
    fit_destroy(fit);
    source_destroy(video);
    return ok || error_wrap(err, "the video before the segments");
}

/* ---- the clip ---- */

static bool append_all(struct stitch *s, struct error *err)
{
    if (!append_before(s, err) || !append_segments(s, err)) return false;
    if (s->survey.count == s->job->shape.count) return true;
    return error_set(err, ERROR_INVALID, "the segments hold %lld frames, the clip has %lld",
                     (long long)s->survey.count, (long long)s->job->shape.count);
}

static void keep_survey(struct stitch *s)
{
    const struct survey_result seen = survey_end(&s->survey);
    s->result->frames_sha256 = seen.frames_sha256;
    s->result->luma_max = seen.luma_max;
    s->result->suspect = seen.suspect;
}

static bool encode(struct stitch *s, struct error *err)
{
    const struct stitch_job *job = s->job;
    if (!survey_init(&s->survey, &job->shape, err)) return false;
    s->rgb = alloc_checked(frames_size_bytes(&job->shape), 1, "a frame", err);
    if (s->rgb == NULL) return false;
    s->output = stitch_output_open(job, err);
    if (s->output == NULL || !append_all(s, err) || !stitch_output_finish(s->output, err))
        return false;
    keep_survey(s);
    return stitch_output_verify(s->output, s->result, err);
}

bool stitch_run(const struct stitch_job *job, struct stitch_result *out, struct error *err)
{
    memset(out, 0, sizeof *out);
    out->suspect = "";
    if (!frames_shape_check(&job->shape, err)) return false;
    struct stitch s = {.job = job, .result = out};
    s.next = job->before != NULL ? job->before_frames : fact_of(job, 0)->first;
    bool ok = encode(&s, err);
    stitch_output_destroy(s.output);
    survey_finish(&s.survey);
    free(s.rgb);
    return ok;
}

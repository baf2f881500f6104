/* zoe-media check: is a segment file what its worker said? */
#include <stdlib.h>

#include "base/xalloc.h"
#include "media/media_commands.h"
#include "media/segment_reader.h"
#include "media/survey.h"

static bool survey_frames(struct segment_reader *r, struct survey *s, uint8_t *rgb,
                          struct error *err)
{
    for (;;) {
        bool end = false;
        if (!segment_reader_next(r, rgb, &end, err)) return false;
        if (end) return true;
        survey_add(s, rgb);
    }
}

/* `place` NULL: it need not have one. */
static bool survey_segment(const char *path, const struct frames_shape *shape, const char *place,
                           struct survey_result *out, struct error *err)
{
    struct survey survey = {.first = NULL};
    uint8_t *rgb = NULL;
    struct segment_reader *r = segment_reader_open(path, shape, err);
    bool ok = r != NULL && (place == NULL || segment_reader_is_at(r, place, err));
    ok = ok && survey_init(&survey, shape, err);
    if (ok) rgb = alloc_checked(frames_size_bytes(shape), 1, "a frame", err);
    ok = ok && rgb != NULL && survey_frames(r, &survey, rgb, err);
    if (ok) *out = survey_end(&survey);
    survey_finish(&survey);
    segment_reader_destroy(r);
    free(rgb);
    return ok;
}

bool media_check_run(struct media_call *call, struct error *err)
{
    const char *path = NULL, *place = NULL;
    int64_t width = 0, height = 0;
    struct frames_shape shape = {.count = 0};
    const struct media_option options[] = {
        media_args_text("segment", true, &path, "FILE", "the segment"),
        media_args_int("frames", true, 1, FRAMES_COUNT_MAX, &shape.count, "N",
                       "frames it has to hold"),
        media_args_int("width", true, FRAMES_SIDE_MIN, FRAMES_SIDE_MAX, &width, "W", "in pixels"),
        media_args_int("height", true, FRAMES_SIDE_MIN, FRAMES_SIDE_MAX, &height, "H", "in pixels"),
        media_args_rate("fps", true, &shape.rate, "R", "frames per second"),
        media_args_text("place", false, &place, "TEXT", "which segment of which clip it has to be"),
        {.name = NULL},
    };
    if (!media_call_parse(call, options, 0, 0, err)) return false;
    shape.width = (int)width;
    shape.height = (int)height;
    struct survey_result seen;
    if (!survey_segment(path, &shape, place, &seen, err)) return false;
    media_reply_int(call, "frames", seen.count);
    media_reply_int(call, "width", shape.width);
    media_reply_int(call, "height", shape.height);
    media_reply_digest(call, "frames_sha256", &seen.frames_sha256);
    media_reply_text(call, "suspect", seen.suspect);
    media_reply_int(call, "luma_max", seen.luma_max);
    return true;
}

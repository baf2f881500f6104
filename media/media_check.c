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
        {"segment", MEDIA_ARGS_TEXT, true, 0, 0, {.text = &path}, "FILE", "the segment"},
        {"frames",
         MEDIA_ARGS_INT,
         true,
         1,
         FRAMES_COUNT_MAX,
         {.number = &shape.count},
         "N",
         "frames it has to hold"},
        {"width",
         MEDIA_ARGS_INT,
         true,
         FRAMES_SIDE_MIN,
         FRAMES_SIDE_MAX,
         {.number = &width},
         "W",
         "in pixels"},
        {"height",
         MEDIA_ARGS_INT,
         true,
         FRAMES_SIDE_MIN,
         FRAMES_SIDE_MAX,
         {.number = &height},
         "H",
         "in pixels"},
        {"fps", MEDIA_ARGS_RATE, true, 0, 0, {.rate = &shape.rate}, "R", "frames per second"},
        {"place",
         MEDIA_ARGS_TEXT,
         false,
         0,
         0,
         {.text = &place},
         "TEXT",
         "which segment of which clip it has to be"},
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

/* zoe-media stitch: segments in, one checked MP4 or PNG out. */
#include <limits.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "media/media_commands.h"
#include "media/stitch.h"
#include "media/stitch_manifest.h"

#define COMMENT_MAX_BYTES ((size_t)256 * 1024)

static bool read_comment(const char *path, struct buf *out, struct error *err)
{
    if (path == NULL) return true;
    if (!path_read(path, COMMENT_MAX_BYTES, out, err)) return false;
    if (text_is_utf8(buf_text(out), out->size)) return true;
    return error_set(err, ERROR_USAGE, "%s is not UTF-8 text", path);
}

static void reply(struct media_call *call, const struct stitch_job *job,
                  const struct stitch_result *result)
{
    const struct frames_shape *shape = &job->shape, *output = &result->output;
    media_reply_digest(call, "sha256", &result->sha256);
    media_reply_int(call, "size", (int64_t)result->size_bytes);
    media_reply_int(call, "frames", shape->count);
    media_reply_digest(call, "frames_sha256", &result->frames_sha256);
    media_reply_real(call, "duration_s", frames_seconds(output->rate, output->count));
    media_reply_int(call, "width", result->width);
    media_reply_int(call, "height", result->height);
    media_reply_int(call, "pad_right", result->width - output->width);
    media_reply_int(call, "pad_bottom", result->height - output->height);
    media_reply_rate(call, "fps", shape->rate);
    media_reply_text(call, "suspect", result->suspect);
    media_reply_int(call, "luma_max", result->luma_max);
    if (result->audio_seconds > 0) media_reply_real(call, "audio_seconds", result->audio_seconds);
    media_reply_int(call, "output_frames", output->count);
    media_reply_int(call, "output_width", output->width);
    media_reply_int(call, "output_height", output->height);
    media_reply_rate(call, "output_fps", output->rate);
}

/* Which segments have to be made again: a missing one is a verdict on it, too. They have names with
 * a manifest only. */
static void report_bad(struct media_call *call, const struct stitch_result *result, bool named,
                       struct error *err)
{
    if (result->bad_count == 0) return;
    err->code = ERROR_INVALID;
    if (!named) return;
    json_t *list = json_array();
    for (int i = 0; i < result->bad_count; i++)
        ZOE_ASSERT(json_array_append_new(list, json_integer(result->bad[i])) == 0);
    call->details = json_pack("{s:i, s:o}", "segment", result->bad[0], "bad_segments", list);
    ZOE_ASSERT(call->details != NULL);
}

static bool stitch(struct media_call *call, struct stitch_job *job, const char *comment_path,
                   struct error *err)
{
    struct buf comment = BUF_INIT;
    struct stitch_result *result = xcalloc(1, sizeof *result);
    bool ok = read_comment(comment_path, &comment, err);
    job->tags.comment = buf_text(&comment);
    ok = ok && stitch_run(job, result, err);
    if (ok) reply(call, job, result);
    if (!ok) report_bad(call, result, job->facts != NULL, err);
    buf_finish(&comment);
    free(result);
    return ok;
}

static bool stitch_manifest(struct media_call *call, struct stitch_job *job,
                            const char *manifest_path, const char *comment_path, struct error *err)
{
    struct stitch_manifest m;
    if (!stitch_manifest_load(&m, manifest_path, err)) return false;
    job->segments = m.paths;
    job->facts = m.facts;
    job->segment_count = m.count;
    job->before = m.before;
    job->before_frames = m.before_frames;
    bool ok = m.frames == job->shape.count ||
              error_set(err, ERROR_USAGE, "%s: its parts have %lld frames, --frames is %lld",
                        manifest_path, (long long)m.frames, (long long)job->shape.count);
    ok = ok && stitch(call, job, comment_path, err);
    stitch_manifest_finish(&m);
    return ok;
}

static bool stitch_words(struct media_call *call, struct stitch_job *job, const char *comment_path,
                         struct error *err)
{
    const char *const *segments = (const char *const *)call->argv;
    job->segments = segments;
    job->segment_count = call->argc;
    return stitch(call, job, comment_path, err);
}

static bool read_size(const char *text, struct stitch_job *job, struct error *err)
{
    int64_t width = 0, height = 0;
    if (text == NULL) return true;
    if (!text_parse_size(text, &width, &height) || width % 2 != 0 || height % 2 != 0 ||
        width > FRAMES_SIDE_MAX || height > FRAMES_SIDE_MAX)
        return error_set(err, ERROR_USAGE, "--output-size %s: even WIDTHxHEIGHT is needed", text);
    job->output_width = (int)width;
    job->output_height = (int)height;
    return true;
}

bool media_stitch_run(struct media_call *call, struct error *err)
{
    const char *comment_path = NULL, *manifest_path = NULL, *size = NULL;
    int64_t width = 0, height = 0;
    struct stitch_job job = {.tags = {.title = "", .comment = ""}};
    struct frames_shape *shape = &job.shape;
    const struct media_option options[] = {
        {"out",
         MEDIA_ARGS_TEXT,
         true,
         0,
         0,
         {.text = &job.out_path},
         "FILE",
         "the .mp4 or .png to write"},
        {"fps", MEDIA_ARGS_RATE, true, 0, 0, {.rate = &shape->rate}, "R", "frames per second"},
        {"frames",
         MEDIA_ARGS_INT,
         true,
         1,
         FRAMES_COUNT_MAX,
         {.number = &shape->count},
         "N",
         "frames of the whole clip"},
        {"width",
         MEDIA_ARGS_INT,
         true,
         1,
         FRAMES_SIDE_MAX,
         {.number = &width},
         "W",
         "of the segments, in pixels"},
        {"height",
         MEDIA_ARGS_INT,
         true,
         1,
         FRAMES_SIDE_MAX,
         {.number = &height},
         "H",
         "of the segments, in pixels"},
        {"manifest",
         MEDIA_ARGS_TEXT,
         false,
         0,
         0,
         {.text = &manifest_path},
         "FILE",
         "which segments, instead of words"},
        {"audio",
         MEDIA_ARGS_TEXT,
         false,
         0,
         0,
         {.text = &job.audio},
         "FILE",
         "whose sound the clip gets"},
        {"output-fps",
         MEDIA_ARGS_RATE,
         false,
         0,
         0,
         {.rate = &job.output_rate},
         "R",
         "of the file: frames are interpolated"},
        {"output-size",
         MEDIA_ARGS_TEXT,
         false,
         0,
         0,
         {.text = &size},
         "WxH",
         "of the file, even: frames are scaled"},
        {"comment-file",
         MEDIA_ARGS_TEXT,
         false,
         0,
         0,
         {.text = &comment_path},
         "FILE",
         "text for the comment"},
        {"title",
         MEDIA_ARGS_TEXT,
         false,
         0,
         0,
         {.text = &job.tags.title},
         "TEXT",
         "text for the title tag"},
        {.name = NULL},
    };
    if (!media_call_parse(call, options, 0, INT_MAX, err)) return false;
    if ((call->argc > 0) == (manifest_path != NULL))
        return error_set(err, ERROR_USAGE, "stitch needs either SEGMENT... or --manifest");
    if (!read_size(size, &job, err)) return false;
    shape->width = (int)width;
    shape->height = (int)height;
    if (manifest_path == NULL) return stitch_words(call, &job, comment_path, err);
    return stitch_manifest(call, &job, manifest_path, comment_path, err);
}

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

/* ---- options ---- */

struct stitch_options { /* of the command line, as they came */
    const char *comment_path, *manifest_path, *size;
    int64_t width, height;
};

static bool read_options(struct media_call *call, struct stitch_job *job, struct stitch_options *o,
                         struct error *err)
{
    struct frames_shape *shape = &job->shape;
    const struct media_option options[] = {
        media_args_text("out", true, &job->out_path, "FILE", "the .mp4 or .png to write"),
        media_args_rate("fps", true, &shape->rate, "R", "frames per second"),
        media_args_int("frames", true, 1, FRAMES_COUNT_MAX, &shape->count, "N",
                       "frames of the whole clip"),
        media_args_int("width", true, 1, FRAMES_SIDE_MAX, &o->width, "W",
                       "of the segments, in pixels"),
        media_args_int("height", true, 1, FRAMES_SIDE_MAX, &o->height, "H",
                       "of the segments, in pixels"),
        media_args_text("manifest", false, &o->manifest_path, "FILE",
                        "which segments, instead of words"),
        media_args_text("audio", false, &job->audio, "FILE", "whose sound the clip gets"),
        media_args_rate("output-fps", false, &job->output_rate, "R",
                        "of the file: frames are interpolated"),
        media_args_text("output-size", false, &o->size, "WxH",
                        "of the file, even: frames are scaled"),
        media_args_text("comment-file", false, &o->comment_path, "FILE", "text for the comment"),
        media_args_text("title", false, &job->tags.title, "TEXT", "text for the title tag"),
        {.name = NULL},
    };
    return media_call_parse(call, options, 0, INT_MAX, err);
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

static bool set_job(const struct media_call *call, struct stitch_job *job,
                    const struct stitch_options *o, struct error *err)
{
    if ((call->argc > 0) == (o->manifest_path != NULL))
        return error_set(err, ERROR_USAGE, "stitch needs either SEGMENT... or --manifest");
    if (!read_size(o->size, job, err)) return false;
    job->shape.width = (int)o->width;
    job->shape.height = (int)o->height;
    return true;
}

bool media_stitch_run(struct media_call *call, struct error *err)
{
    struct stitch_job job = {.tags = {.title = "", .comment = ""}};
    struct stitch_options o = {.size = NULL};
    if (!read_options(call, &job, &o, err) || !set_job(call, &job, &o, err)) return false;
    if (o.manifest_path == NULL) return stitch_words(call, &job, o.comment_path, err);
    return stitch_manifest(call, &job, o.manifest_path, o.comment_path, err);
}

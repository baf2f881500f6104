/* zoe-media frames: a person's video or image becomes the raw pictures that the engine takes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "media/fit.h"
#include "media/media_commands.h"
#include "media/source.h"

struct frames_job {
    const char *out_path;
    struct frames_shape shape;
    int64_t first; /* frame of the source's time that comes first */
    bool gray;
    int fd;
    uint8_t *now; /* the fitted picture that is shown */
    size_t size;
    struct digest_stream digest;
    struct fit *fit;
    AVFrame *held; /* the picture that is shown, as it came */
    int64_t used;  /* pictures of the source that were shown */
};

/* Is the source's picture still to come when frame `index` of the clip is shown? Files round their
 * times to their clock's unit (a millisecond in WebM): half a unit early is in time. */
static bool is_later(const struct source *s, const struct frames_job *job, int64_t index)
{
    AVRational frame = {job->shape.rate.den, job->shape.rate.num};
    return av_compare_ts(2 * source_time(s) - 1, source_time_base(s), 2 * index, frame) > 0;
}

static bool put(struct frames_job *job, struct error *err)
{
    digest_update(&job->digest, job->now, job->size);
    return path_write_fd(job->fd, job->now, job->size, job->out_path, err);
}

/* The last picture that is not later than frame `index`, if one came since: fitted. */
static bool show(struct frames_job *job, struct source *s, const AVFrame **coming, int64_t index,
                 struct error *err)
{
    bool fresh = false, end = false;
    while (*coming != NULL && !is_later(s, job, index)) {
        fresh = true;
        av_frame_unref(job->held);
        if (av_frame_ref(job->held, *coming) < 0)
            return error_set(err, ERROR_NO_MEMORY, "a picture");
        *coming = source_next(s, &end, err);
        if (*coming == NULL && !end) return false;
    }
    job->used += fresh;
    return !fresh || fit_picture(job->fit, job->held, job->now, err);
}

/* Frame i shows what the source shows at time (first + i) / fps: its last picture that is not
 * later. Beyond the source's end its last picture stays. Pictures that no frame shows are not
 * fitted. */
static bool fill(struct frames_job *job, struct source *s, struct error *err)
{
    bool end = false;
    const AVFrame *coming = source_next(s, &end, err);
    if (coming == NULL) return false;
    for (int64_t i = 0; i < job->shape.count; i++)
        if (!show(job, s, &coming, job->first + i, err) || !put(job, err)) return false;
    return true;
}

static bool convert_file(struct frames_job *job, const char *path, struct error *err)
{
    struct source *s = source_open(path, err);
    job->fit = fit_create(job->shape.width, job->shape.height, job->gray);
    job->held = av_frame_alloc();
    bool ok = s != NULL && (job->held != NULL || error_set(err, ERROR_NO_MEMORY, "a picture"));
    if (ok) {
        job->fd = open(job->out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        ok = job->fd >= 0 || error_set_errno(err, errno, "cannot write %s", job->out_path);
    }
    digest_begin(&job->digest);
    /* whoever asked gives it a name that is believed from then on, power cut or not */
    ok = ok && fill(job, s, err) && path_fsync_fd(job->fd, job->out_path, err);
    if (job->fd >= 0 && close(job->fd) != 0 && ok)
        ok = error_set_errno(err, errno, "cannot write %s", job->out_path);
    if (!ok && job->fd >= 0) (void)unlink(job->out_path);
    av_frame_free(&job->held);
    fit_destroy(job->fit);
    source_destroy(s);
    return ok;
}

static bool read_options(struct media_call *call, struct frames_job *job, struct error *err)
{
    const char *size = NULL;
    int64_t width, height;
    job->shape.rate = (struct frames_rate){8, 1};
    const struct media_option options[] = {
        media_args_text("size", true, &size, "WxH", "of the pictures made"),
        media_args_int("first", false, 0, FRAMES_COUNT_MAX, &job->first, "N",
                       "of the source's frames, at R a second (0)"),
        media_args_int("frames", true, 1, FRAMES_COUNT_MAX, &job->shape.count, "N", "how many"),
        media_args_rate("fps", false, &job->shape.rate, "R", "of the clip (8)"),
        media_args_flag("gray", &job->gray, "luma only: a mask"),
        media_args_text("out", true, &job->out_path, "RAW", "file to write"),
        {.name = NULL},
    };
    if (!media_call_parse(call, options, 1, 1, err)) return false;
    if (!text_parse_size(size, &width, &height) || width > FRAMES_SIDE_MAX ||
        height > FRAMES_SIDE_MAX)
        return error_set(err, ERROR_USAGE, "--size %s: WIDTHxHEIGHT is needed", size);
    job->shape.width = (int)width;
    job->shape.height = (int)height;
    job->size = frames_size_bytes(&job->shape) / (job->gray ? 3 : 1);
    return frames_shape_check(&job->shape, err);
}

bool media_frames_run(struct media_call *call, struct error *err)
{
    struct frames_job job = {.fd = -1};
    if (!read_options(call, &job, err)) return false;
    job.now = alloc_checked(job.size, 1, "a picture", err);
    bool ok = job.now != NULL && convert_file(&job, call->argv[0], err);
    free(job.now);
    if (!ok) return false;
    struct digest digest = digest_end(&job.digest);
    media_reply_int(call, "frames", job.shape.count);
    media_reply_int(call, "width", job.shape.width);
    media_reply_int(call, "height", job.shape.height);
    media_reply_text(call, "pixels", job.gray ? "gray8" : "rgb24");
    media_reply_int(call, "pictures", job.used);
    media_reply_digest(call, "sha256", &digest);
    return true;
}

/* zoe-media inspect: may a person's file be the start or the mask of a clip? */
#include "media/media_commands.h"
#include "media/source.h"

struct survey {
    int64_t frames;
    int width, height;
    double seconds; /* from the first picture to the last */
};

static bool is_too_long(const struct source *s, const struct survey *seen, struct error *err)
{
    AVRational second = {1, 1};
    if (seen->frames > SOURCE_FRAMES_MAX) {
        error_set(err, ERROR_INVALID, "%s: more than %lld pictures: cut it", source_kind(s),
                  (long long)SOURCE_FRAMES_MAX);
        return true;
    }
    if (av_compare_ts(source_time(s), source_time_base(s), SOURCE_SECONDS_MAX, second) > 0) {
        error_set(err, ERROR_INVALID, "%s: longer than %lld s: cut it", source_kind(s),
                  (long long)SOURCE_SECONDS_MAX);
        return true;
    }
    return false;
}

/* Every picture is decoded: what is damaged is found now and not on a worker. */
static bool look(struct source *s, struct survey *seen, struct error *err)
{
    for (;;) {
        bool end = false;
        const AVFrame *p = source_next(s, &end, err);
        if (p == NULL) return end;
        seen->frames++;
        seen->width = p->width;
        seen->height = p->height;
        if (is_too_long(s, seen, err)) return false;
        seen->seconds = (double)source_time(s) * av_q2d(source_time_base(s));
    }
}

bool media_inspect_run(struct media_call *call, struct error *err)
{
    const struct media_option options[] = {{.name = NULL}};
    if (!media_call_parse(call, options, 1, 1, err)) return false;
    struct survey seen = {0};
    struct source *s = source_open(call->argv[0], err);
    bool ok = s != NULL && look(s, &seen, err);
    if (ok) {
        media_reply_text(call, "format", source_kind(s));
        media_reply_int(call, "frames", seen.frames);
        media_reply_int(call, "width", seen.width);
        media_reply_int(call, "height", seen.height);
        media_reply_real(call, "seconds", seen.seconds);
    }
    source_destroy(s);
    return ok;
}

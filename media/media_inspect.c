/* zoe-media inspect: may a person's file be the start, the mask or the sound of a clip? */
#include "media/file_kind.h"
#include "media/media_commands.h"
#include "media/sound.h"
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

static bool look_at_pictures(struct media_call *call, const char *path, struct error *err)
{
    struct survey seen = {0};
    struct source *s = source_open(path, err);
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

/* A file with both counts as both; what is wrong with the pictures of one that has some counts. */
bool media_inspect_run(struct media_call *call, struct error *err)
{
    const struct media_option options[] = {{.name = NULL}};
    const struct file_kind *kind = NULL;
    if (!media_call_parse(call, options, 1, 1, err)) return false;
    const char *path = call->argv[0];
    if (!file_kind_read(path, &kind, err)) return false;
    if (kind == NULL)
        return error_set(err, ERROR_INVALID,
                         "the file: neither a video (MP4, WebM, Matroska, AVI, GIF) nor an image "
                         "(PNG, JPEG, WebP) nor sound (WAV, FLAC, MP3, AAC, Ogg) by its first "
                         "bytes");
    struct sound_info sound;
    bool heard = kind->sound && sound_measure(path, &sound, kind->pictures ? NULL : err);
    if (!kind->pictures && !heard) return false;
    bool seen = kind->pictures && look_at_pictures(call, path, err);
    if (kind->pictures && !seen && (!heard || source_has_pictures(path))) return false;
    if (!seen) media_reply_text(call, "format", sound.kind);
    if (heard) media_reply_audio(call, sound.rate, sound.channels, sound.samples);
    return true;
}

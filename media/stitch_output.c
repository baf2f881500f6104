/* The kinds of files: one row each. */
#include "media/stitch_output.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "media/mp4_check.h"
#include "media/mp4_writer.h"
#include "media/png_check.h"
#include "media/png_writer.h"
#include "media/retime.h"
#include "media/sound_track.h"

/* How a kind of file is written and looked at again: one row each. */
struct format {
    const char *extension;
    bool is_video; /* another rate or size, and sound, make sense */
    void *(*open)(const struct stitch_output *o, struct error *err);
    bool (*push)(void *writer, const uint8_t *rgb, struct error *err);
    bool (*finish)(void *writer, struct error *err);
    void (*destroy)(void *writer);
    bool (*verify)(const struct stitch_output *o, struct stitch_result *out, struct error *err);
};

struct stitch_output {
    const struct stitch_job *job;
    const struct format *format;
    void *writer;              /* the format's */
    struct frames_shape shape; /* of what is written */
    struct retime *retime;     /* NULL: frames are written as they come */
    struct sound_track *sound; /* NULL: none */
};

static int64_t samples_of(const struct stitch_output *o)
{
    return sound_track_samples(o->shape.rate, o->shape.count);
}

/* ---- MP4 ---- */

static void *open_mp4(const struct stitch_output *o, struct error *err)
{
    return mp4_writer_open(o->job->out_path, &o->shape, &o->job->tags, o->sound, err);
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

static bool verify_mp4(const struct stitch_output *o, struct stitch_result *out, struct error *err)
{
    struct mp4_info info;
    if (!mp4_check_read(o->job->out_path, &info, err)) return false;
    bool ok = mp4_check_against(&info, &o->shape, err) &&
              mp4_check_sound(&info, o->sound != NULL ? samples_of(o) : 0, err);
    out->audio_seconds = (double)info.sound_samples / SOUND_TRACK_RATE;
    out->sha256 = info.sha256;
    out->size_bytes = info.size_bytes;
    out->width = info.shape.width;
    out->height = info.shape.height;
    mp4_info_finish(&info);
    return ok;
}

/* ---- PNG ---- */

static void *open_png(const struct stitch_output *o, struct error *err)
{
    return png_writer_open(o->job->out_path, &o->shape, &o->job->tags, err);
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
static bool verify_png(const struct stitch_output *o, struct stitch_result *out, struct error *err)
{
    struct png_info info;
    if (!png_check_read(o->job->out_path, &info, err)) return false;
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
    {".mp4", true, open_mp4, push_mp4, finish_mp4, destroy_mp4, verify_mp4},
    {".png", false, open_png, push_png, finish_png, destroy_png, verify_png},
};

static const struct format *find_format(const char *path, struct error *err)
{
    const char *extension = strrchr(path, '.');
    for (size_t i = 0; extension != NULL && i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(formats[i].extension, extension) == 0) return &formats[i];
    error_set(err, ERROR_USAGE, "%s ends in neither .mp4 nor .png", path);
    return NULL;
}

/* ---- the output ---- */

struct frames_shape stitch_output_shape(const struct stitch_job *job)
{
    struct frames_shape shape = job->shape;
    if (job->output_rate.num > 0) shape.rate = job->output_rate;
    if (job->output_width > 0) shape.width = job->output_width;
    if (job->output_height > 0) shape.height = job->output_height;
    shape.count = retime_count(job->shape.count, job->shape.rate, shape.rate);
    return shape;
}

static bool changes(const struct frames_shape *a, const struct frames_shape *b)
{
    return a->width != b->width || a->height != b->height || a->rate.num != b->rate.num ||
           a->rate.den != b->rate.den;
}

static bool write_frame(void *context, const uint8_t *rgb, struct error *err)
{
    struct stitch_output *o = context;
    return o->format->push(o->writer, rgb, err);
}

static bool open_sound(struct stitch_output *o, struct error *err)
{
    if (o->job->audio == NULL) return true;
    if (!o->format->is_video) return error_set(err, ERROR_USAGE, "a picture has no sound");
    o->sound = sound_track_open(o->job->audio, samples_of(o), err);
    return o->sound != NULL || error_wrap(err, "the sound");
}

static bool open_retime(struct stitch_output *o, struct error *err)
{
    if (!changes(&o->job->shape, &o->shape)) return true;
    if (!o->format->is_video)
        return error_set(err, ERROR_USAGE, "another size or rate is for MP4 only");
    o->retime = retime_create(&o->job->shape, &o->shape, write_frame, o, err);
    return o->retime != NULL;
}

struct stitch_output *stitch_output_open(const struct stitch_job *job, struct error *err)
{
    const struct format *format = find_format(job->out_path, err);
    if (format == NULL) return NULL;
    struct stitch_output *o = xcalloc(1, sizeof *o);
    o->job = job;
    o->format = format;
    o->shape = stitch_output_shape(job);
    if (frames_shape_check(&o->shape, err) && open_retime(o, err) && open_sound(o, err))
        o->writer = format->open(o, err);
    if (o->writer != NULL) return o;
    stitch_output_destroy(o);
    return NULL;
}

bool stitch_output_push(struct stitch_output *o, const uint8_t *rgb, struct error *err)
{
    return o->retime != NULL ? retime_push(o->retime, rgb, err) : write_frame(o, rgb, err);
}

bool stitch_output_finish(struct stitch_output *o, struct error *err)
{
    return (o->retime == NULL || retime_finish(o->retime, err)) &&
           o->format->finish(o->writer, err);
}

/* A file that our own encoder just wrote is never the worker's fault. */
bool stitch_output_verify(const struct stitch_output *o, struct stitch_result *out,
                          struct error *err)
{
    out->output = o->shape;
    if (o->format->verify(o, out, err)) return true;
    (void)unlink(o->job->out_path);
    if (err != NULL && err->code == ERROR_INVALID) err->code = ERROR_CORRUPT;
    return error_wrap(err, "checking the finished file");
}

void stitch_output_destroy(struct stitch_output *o)
{
    if (o == NULL) return;
    retime_destroy(o->retime);
    if (o->writer != NULL) o->format->destroy(o->writer);
    sound_track_destroy(o->sound);
    free(o);
}

/* What zoe-media can be asked: one function a command. */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "coordinator/media_child_run.h"
#include "proto/limits.h"

#define ARGUMENTS_MAX 40
#define INSPECT_CPU_S "300" /* other people's files wait for it */
#define LATENTS_MEMORY_MIB ((LIMIT_LATENTS_BYTES >> 20) + 512) /* the file is mapped whole */
#define STITCH_FRAME_MS 1000 /* of a long clip, on a busy machine */
#define STITCH_CPU_S 3600    /* zoe-media's own limit */

struct words {
    char **items;
    int count;
};

static void add_word(struct words *w, char *text)
{
    w->items[w->count++] = text;
}

static void add_option(struct words *w, const char *name, char *value)
{
    add_word(w, xstrdup(name));
    add_word(w, value);
}

static void add_number(struct words *w, const char *name, int64_t value)
{
    add_option(w, name, xasprintf("%" PRId64, value));
}

static struct words begin_words(int room)
{
    struct words w = {.items = xcalloc((size_t)room + ARGUMENTS_MAX, sizeof(char *))};
    add_word(&w, xstrdup("zoe-media"));
    add_number(&w, "--parent", getpid());
    return w;
}

static void add_shape(struct words *w, int64_t frames, int64_t width, int64_t height, double fps)
{
    add_number(w, "--frames", frames);
    add_number(w, "--width", width);
    add_number(w, "--height", height);
    add_option(w, "--fps", xasprintf("%.6g", fps));
}

static struct media_run *start(struct media_children *c, enum media_kind kind, struct words *w,
                               media_done done, void *context)
{
    struct media_run *r = media_run_add(c, kind, w->items, done, context);
    media_run_ready(r);
    return r;
}

struct media_run *media_check_start(struct media_children *c, const struct media_check *check,
                                    media_done done, void *context)
{
    struct words w = begin_words(0);
    add_word(&w, xstrdup("check"));
    add_option(&w, "--segment", xstrdup(check->segment));
    add_shape(&w, check->frames, check->width, check->height, check->fps);
    if (check->place != NULL && check->place[0] != '\0')
        add_option(&w, "--place", xstrdup(check->place));
    return start(c, MEDIA_RESULT, &w, done, context);
}

struct media_run *media_latents_start(struct media_children *c, const struct media_latents *latents,
                                      media_done done, void *context)
{
    struct words w = begin_words(0);
    add_number(&w, "--memory-mib", LATENTS_MEMORY_MIB);
    add_word(&w, xstrdup("latents"));
    if (latents->recipe != NULL) {
        add_option(&w, "--recipe", xstrdup(latents->recipe));
        add_number(&w, "--task", latents->task);
        add_number(&w, "--first", latents->first);
        add_number(&w, "--frames", latents->frames);
    }
    if (latents->channels > 0) {
        add_number(&w, "--channels", latents->channels);
        add_number(&w, "--height", latents->height);
        add_number(&w, "--width", latents->width);
    }
    if (latents->step > 0) add_number(&w, "--step", latents->step);
    add_word(&w, xstrdup("--"));
    add_word(&w, xstrdup(latents->path));
    return start(c, MEDIA_RESULT, &w, done, context);
}

struct media_run *media_inspect_start(struct media_children *c, const char *path, media_done done,
                                      void *context)
{
    struct words w = begin_words(0);
    add_option(&w, "--cpu-s", xstrdup(INSPECT_CPU_S));
    add_word(&w, xstrdup("inspect"));
    add_word(&w, xstrdup("--"));
    add_word(&w, xstrdup(path));
    return start(c, MEDIA_FILE, &w, done, context);
}

static void add_output(struct words *w, const struct media_stitch *stitch)
{
    if (stitch->audio != NULL) add_option(w, "--audio", xstrdup(stitch->audio));
    if (stitch->output_fps > 0) add_number(w, "--output-fps", stitch->output_fps);
    if (stitch->output_width > 0)
        add_option(w, "--output-size",
                   xasprintf("%" PRId64 "x%" PRId64, stitch->output_width, stitch->output_height));
}

struct media_run *media_stitch_start(struct media_children *c, const struct media_stitch *stitch,
                                     media_done done, void *context)
{
    struct words w = begin_words(stitch->segment_count);
    char *comment = xasprintf("%s.comment", stitch->out);
    char *manifest = xasprintf("%s.manifest", stitch->out);
    add_number(&w, "--cpu-s", STITCH_CPU_S + stitch->frames * STITCH_FRAME_MS / 1000);
    add_word(&w, xstrdup("stitch"));
    add_option(&w, "--out", xstrdup(stitch->out));
    add_shape(&w, stitch->frames, stitch->width, stitch->height, stitch->fps);
    add_output(&w, stitch);
    if (stitch->comment != NULL) add_option(&w, "--comment-file", xstrdup(comment));
    if (stitch->title != NULL) add_option(&w, "--title", xstrdup(stitch->title));
    if (stitch->manifest != NULL) add_option(&w, "--manifest", xstrdup(manifest));
    for (int i = 0; i < stitch->segment_count; i++)
        add_word(&w, xstrdup(stitch->segments[i]));
    (void)unlink(stitch->out); /* one that was killed may not be gone yet, and writes to it */
    struct media_run *r = media_run_add(c, MEDIA_VIDEO, w.items, done, context);
    if (stitch->comment != NULL) media_run_file(r, comment, stitch->comment);
    if (stitch->manifest != NULL) media_run_file(r, manifest, stitch->manifest);
    media_run_more_time(r, stitch->frames * STITCH_FRAME_MS);
    media_run_ready(r);
    free(comment);
    free(manifest);
    return r;
}

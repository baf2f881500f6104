/* media_child: runs zoe-media, so that a hostile file kills a child and not the farm.
 *
 * Each run is one process beside this binary: files in, files out, one JSON line on its stdout. At
 * most `at_once` run. Videos to be made come first: each is one clip's last run, and frees the
 * files of all before it. People's files and results to be checked take turns, and files never have
 * the last child: neither waits for all of the other kind. Within a kind in submit order. A run
 * past its limit is killed. Loop thread.
 */
#ifndef ZOE_COORDINATOR_MEDIA_CHILD_H
#define ZOE_COORDINATOR_MEDIA_CHILD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/digest.h"
#include "base/error.h"

#define MEDIA_AT_ONCE 2
#define MEDIA_LIMIT_MS (10 * 60 * 1000)

enum media_outcome {
    MEDIA_OK,       /* `report` says what was found or made */
    MEDIA_REJECTED, /* the input is not what it should be: T3 rejected */
    MEDIA_DIED,     /* killed, crashed, over its limit, or no answer: M1 counts these */
    MEDIA_FULL,     /* no space, or no process to be had: wait and run it again */
    MEDIA_FAILED    /* an honest failure of another kind (I/O, our own bug) */
};

struct media_result {
    enum media_outcome outcome;
    const json_t *report; /* borrowed during the callback; NULL unless the child answered */
    char message[512];
};

/* Whether the frames that the child decoded are those of `wanted`; a zero digest asks for nothing.
 */
bool media_report_has_frames(const json_t *report, const struct digest *wanted);

typedef void (*media_done)(void *context, const struct media_result *result);

struct media_children;
struct media_run;

/* `program` is the path of zoe-media. */
struct media_children *media_children_create(uv_loop_t *loop, const char *program, int at_once,
                                             int64_t limit_ms);
/* Kills what runs (callbacks never come); the memory lives until the loop has closed the handles.
 */
void media_children_destroy(struct media_children *c);
int media_children_running(const struct media_children *c);
int media_children_waiting(const struct media_children *c);

struct media_check {
    const char *segment;
    int64_t frames, width, height;
    double fps;
    const char *place; /* that its tag must name; NULL or "": its tag is not looked at */
};
/* Both copy what they are given. Never NULL: a spawn that fails calls `done` on a later turn. */
struct media_run *media_check_start(struct media_children *c, const struct media_check *check,
                                    media_done done, void *context);

struct media_latents { /* of a task, or its checkpoint */
    const char *path;
    const char *recipe; /* digest of the clip's, 64 hex digits; NULL: of any clip and place */
    int64_t task, first, frames;
    int64_t step;                    /* 0: whichever */
    int64_t channels, height, width; /* of one frame's latents; channels 0: not known */
};
/* Report has kind, step, frames, channels, height, width. */
struct media_run *media_latents_start(struct media_children *c, const struct media_latents *latents,
                                      media_done done, void *context);

/* What a person's video, image or sound holds: report has frames, width, height, format, and audio
 * when there is some. */
struct media_run *media_inspect_start(struct media_children *c, const char *path, media_done done,
                                      void *context);

struct media_stitch {
    const char *out;             /* temporary file; its extension says its kind */
    const char *const *segments; /* none with a manifest */
    int segment_count;
    const char *manifest; /* JSON text (media/stitch_manifest.h), or NULL */
    int64_t frames, width, height;
    double fps;
    const char *comment; /* text of the tag; handed over in a temporary file beside `out` */
    const char *title;
    const char *audio;                               /* file, or NULL */
    int64_t output_fps, output_width, output_height; /* 0: as the segments are */
};
struct media_run *media_stitch_start(struct media_children *c, const struct media_stitch *stitch,
                                     media_done done, void *context);

/* Takes it out of the queue or kills it; `done` never runs. */
void media_run_cancel(struct media_run *run);

#endif

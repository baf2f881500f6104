/* zoe stream: a story told again and again, as HLS that grows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/recipe.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/recipe_flags.h"
#include "cli/stream.h"

#define PART_SECONDS 4

/* ---- reading ---- */

/* "live/NAME", as the story's file is called. */
static char *default_folder(const char *file)
{
    const char *name = path_basename(file), *dot = strrchr(name, '.');
    const int stem = dot != NULL && dot != name ? (int)(dot - name) : (int)strlen(name);
    return xasprintf("live/%.*s", stem, name);
}

static bool read_part_frames(const struct call *call, int64_t fps, int64_t *out, struct error *err)
{
    const char *text = call_option(call, "part-seconds");
    double seconds = PART_SECONDS;
    if (text &&
        (!text_parse_double(text, &seconds) || !(seconds > 0) || seconds > RECIPE_SECONDS_MAX))
        return error_set(err, ERROR_USAGE, "--part-seconds: '%s' is not a number above 0", text);
    const double frames = seconds * (double)fps + 0.5;
    if (frames < 1 || frames >= STREAM_PART_FRAMES_MAX + 1)
        return error_set(err, ERROR_USAGE, "--part-seconds: parts have 1 to %d frames",
                         STREAM_PART_FRAMES_MAX);
    *out = (int64_t)frames;
    return true;
}

/* What belongs to the beginning or the end of one video. */
static bool refuse_fields(const json_t *fields, struct error *err)
{
    static const char *const ends[] = {"init_video", "init_image", "mask", "hold_frames", "audio"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (json_object_get(fields, ends[i]) != NULL)
            return error_set(err, ERROR_USAGE, "a stream cannot have %s", ends[i]);
    return true;
}

static bool open_stream(struct stream *s, struct error *err)
{
    int64_t fps;
    const char *out = call_option(s->call, "out");
    s->folder = out ? xstrdup(out) : default_folder(s->whole->file);
    s->lock = -1;
    return submission_read_story(s->whole, &s->story, s->client, &fps, err) &&
           refuse_fields(s->whole->options, err) && refuse_fields(s->story.fields, err) &&
           read_part_frames(s->call, fps, &s->state.part_frames, err) && stream_open(s, fps, err);
}

/* ---- running ---- */

static void say_part(const struct stream *s)
{
    const long long part = (long long)s->state.next - 1;
    if (s->call->json)
        output_print_line(json_pack("{sI ss sf sI}", "part", (json_int_t)part, "folder", s->folder,
                                    "seconds", s->state.seconds, "frames",
                                    (json_int_t)s->state.shown_frames),
                          "zoe.stream_part.v1");
    else if (!s->call->quiet)
        fprintf(stderr, "part %lld: %s/%06lld.ts, %.1f s in all\n", part, s->folder, part,
                s->state.seconds * (double)s->state.next);
}

static bool run_parts(struct stream *s, int64_t parts, struct error *err)
{
    if (!stream_playlist_write(&s->state, s->folder, false, err)) return false;
    while (parts == 0 || s->state.next < parts) {
        if (client_interrupted()) return error_set(err, ERROR_INTERRUPTED, "interrupted");
        if (!stream_advance(s, err)) return false;
        say_part(s);
    }
    return stream_playlist_write(&s->state, s->folder, true, err);
}

/* A child that Ctrl-C ended too is no failure. */
static int end(const struct stream *s, struct error *err)
{
    if (client_interrupted()) {
        fprintf(stderr, "Stopped after %lld parts; the same command goes on from there.\n",
                (long long)s->state.next);
        return error_exit_code(ERROR_INTERRUPTED);
    }
    return err->code == ERROR_NONE ? s->whole->code : call_fail(s->call, err);
}

static int run(struct stream *s)
{
    struct error err = {0};
    int64_t parts = 0;
    if (!call_number(s->call, "parts", 1, STREAM_PARTS_MAX, &parts, &err) || !open_stream(s, &err))
        return call_fail(s->call, &err);
    if (!s->call->json && !s->call->quiet) printf("%s/%s\n", s->folder, STREAM_PLAYLIST_FILE);
    fflush(stdout);
    client_stop_on_termination();
    return run_parts(s, parts, &err) ? 0 : end(s, &err);
}

static int run_stream(struct call *call)
{
    struct error err = {0};
    struct submission whole = {.call = call, .file = call->arguments[0]};
    struct stream s = {.call = call, .whole = &whole, .lock = -1, .keep = call_has(call, "keep")};
    if (submission_load(whole.file, &whole.content, &err))
        whole.options = submission_options(call, &whole.inputs, &err);
    if (whole.options) s.client = client_connect(call, TARGET_START_ALWAYS, &err);
    const int code = s.client ? run(&s) : call_fail(call, &err);
    stream_close(&s);
    if (s.client) zclient_close(s.client);
    submission_finish(&whole);
    return code;
}

static const struct option STREAM_OPTIONS[] = {
    RECIPE_OPTIONS,
    {"priority", 0, "N", "higher goes first (-1000 to 1000, default 0)"},
    {"out", 'o', "DIR", "folder of the stream (default live/NAME, as the story's file is called)"},
    {"part-seconds", 0, "S", "length of a part (default 4)"},
    {"parts", 0, "N", "end the video after N parts in all"},
    {"keep", 0, NULL, "leave the batches of published parts at the farm"},
    {0}};

const struct command command_stream = {
    "stream",
    NULL,
    "STORY.json",
    1,
    1,
    "tell a story endlessly, as HLS that grows",
    "Renders part after part, each going on from the one before, and publishes them in DIR: "
    "index.m3u8 can be opened while it grows.\n"
    "Ctrl-C stops; the same command goes on where it was, and no part is doubled or missing.",
    STREAM_OPTIONS,
    run_stream,
    false};

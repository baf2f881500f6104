/* stream: an endless video: a story told again and again, part by part; each part is a clip that
 * goes on from the one before, and is published as HLS in a folder that players read while it
 * grows.
 *
 * A part is submitted under a key of its own, published by rename, then noted in state.json;
 * whatever interrupts that, the next run does again what was not noted, with the same result. */
#ifndef ZOE_CLI_STREAM_H
#define ZOE_CLI_STREAM_H

#include <stdint.h>

#include "base/story.h"
#include "cli/stream_state.h"
#include "cli/submission.h"

struct stream {
    const struct call *call;
    struct zclient *client;
    struct submission *whole; /* the story as it was given, with the options of all parts */
    struct story story;       /* placed */
    char *folder;
    struct stream_state state;
    int lock;  /* descriptor; -1 = none */
    bool keep; /* batches of published parts stay at the farm */
};

/* Makes or goes on with the stream in s->folder; `story`, `client`, `whole` and `folder` are set,
 * and state.part_frames to what is wished. ERROR_STATE when the folder holds another stream, or
 * another process works on it. stream_close is right afterwards in any case. */
bool stream_open(struct stream *s, int64_t fps, struct error *err);
void stream_close(struct stream *s);

/* Renders, publishes and notes one more part. False with `err`; ERROR_NONE there: s->whole->code
 * holds the exit code and the words are said. */
bool stream_advance(struct stream *s, struct error *err);

#endif

/* stream_state: how far an endless video is: what stands in its state.json, and the playlist that
 * follows from it. Parts all have the same number of frames.
 *
 * Frames of the story count from the stream's beginning. The clips that the parts are made of count
 * their own frames from `base`, so that each goes on from the one before; where that cannot be, or
 * would count too far, a new base is taken (stream_place_next). */
#ifndef ZOE_CLI_STREAM_STATE_H
#define ZOE_CLI_STREAM_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"

#define STREAM_STATE_FILE "state.json"
#define STREAM_PLAYLIST_FILE "index.m3u8"
#define STREAM_PARTS_MAX 1000000 /* of six digits */
#define STREAM_NUMBER_MAX 60000  /* frames that a clip counts before numbers begin anew */
#define STREAM_PART_FRAMES_MAX 20000
#define STREAM_ID_SIZE 33

struct stream_state {
    char id[STREAM_ID_SIZE]; /* hex: names the parts' submissions */
    char story[65];          /* digest of what the stream tells, hex */
    int64_t part_frames;     /* rendered frames of a part */
    int64_t next;            /* number of the next part */
    int64_t base;            /* of the part before; 0 at first */
    int64_t seed;
    char previous[ID_BATCH_SIZE]; /* batch of the part before; "" at first */
    char stale[ID_BATCH_SIZE];    /* batch that may go; "" = none */
    char pending[ID_BATCH_SIZE];  /* batch of the next part, if it is submitted; "" = it is not */
    int64_t pending_base, pending_seed;
    int64_t shown_frames; /* of a published part; 0 until there is one */
    double seconds;       /* of it */
};

/* ERROR_INVALID names the member. */
bool stream_state_parse(struct stream_state *s, const char *text, size_t size_bytes,
                        struct error *err);
/* ERROR_NOT_FOUND when the folder holds none. */
bool stream_state_load(struct stream_state *s, const char *folder, struct error *err);
/* Durable when it returns. */
bool stream_state_save(const struct stream_state *s, const char *folder, struct error *err);

/* Where the next part stands. */
struct stream_place {
    int64_t base, seed;
    int64_t first, end;    /* frames of the story */
    int64_t extend_frames; /* of the clip; 0: it goes on from nothing */
    bool from_latents;     /* else from the frames of the part before */
};
struct stream_place stream_place_next(const struct stream_state *s, bool has_latents);

/* Replaces the playlist at once: an EVENT list of all published parts, ended or growing. */
bool stream_playlist_write(const struct stream_state *s, const char *folder, bool ended,
                           struct error *err);

#endif

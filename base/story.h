/* story: a small movie: scenes, each with a prompt and a length, that become one recipe.
 *
 *     {"title": "..", "model": "shapes", "size": "64x64", .., "scenes": [
 *         {"prompt": "a red circle growing", "seconds": 2},
 *         {"prompt": "a blue square moving left", "frames": 24, "join": "cut"},
 *         {"prompt": "a blue square spinning", "seconds": 2, "blend_seconds": 1}]}
 *
 * Every member beside `title` and `scenes` is a recipe field; a flag of the command line goes
 * before it. `join` says how a scene follows the one before: "blend" (default): the prompts pass
 * into each other, half of the blend before the joint and half after it; "cut": the pictures begin
 * anew. The first scene's join counts where a story is repeated (zoe stream).
 *
 * Frames count from 0; a repeated story goes on counting, so that frame `story_length` is the first
 * of its second telling. No I/O. Parses outside bytes: fuzzed. All errors are ERROR_USAGE and name
 * the scene and the member ("scenes[2].prompt"); text that is no JSON is ERROR_INVALID. */
#ifndef ZOE_BASE_STORY_H
#define ZOE_BASE_STORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define STORY_MAX_BYTES ((size_t)256 * 1024)
#define STORY_SCENES_MAX 32 /* two keys of prompts_by_frame each */
#define STORY_TITLE_MAX_BYTES 200
#define STORY_BLEND_S 0.5 /* when nothing is said, and half of a short scene at most */

struct story_scene {
    const char *prompt;   /* borrowed from the document */
    double seconds;       /* 0: frames are given */
    double blend_seconds; /* of its join; below 0: not said */
    bool cut;             /* it begins anew */
    int64_t frames;       /* after story_place */
    int64_t first;        /* in the first telling */
    int64_t blend;        /* frames between the two prompts */
};

struct story {
    json_t *document;
    const char *title; /* borrowed; NULL without one */
    json_t *fields;    /* recipe fields, checked, under their canonical names */
    struct story_scene scenes[STORY_SCENES_MAX];
    int scene_count; /* >= 1 */
};

/* Whether the text is one JSON object with `scenes`, be they right or wrong. */
bool story_is(const char *text, size_t size_bytes);

/* story_finish is right afterwards in any case. */
bool story_parse(struct story *s, const char *text, size_t size_bytes, struct error *err);
void story_finish(struct story *s);

/* Gives the scenes their frames; seconds add up before they are rounded, so that no scene drifts.
 * 1 <= fps. Before story_length and what follows. */
bool story_place(struct story *s, double fps, struct error *err);
int64_t story_length(const struct story *s); /* frames of one telling */

/* The whole story, told once: `fields` with prompt, num_frames and, as far as they say something,
 * prompts_by_frame and cuts. The prompt is the title, or the first scene's: it names the file. New
 * reference, or NULL. */
json_t *story_recipe(const struct story *s, struct error *err);

/* Of the endless story the frames [first, end), in a clip whose frame 0 is the story's frame
 * `base`: sets prompt, num_frames (end - base), prompts_by_frame and cuts of `recipe`. What lies
 * more than STORY_CONTEXT frames before `first` is not told. base <= first < end. ERROR_USAGE when
 * there are more joints than a recipe can tell. */
#define STORY_CONTEXT 64
bool story_part(const struct story *s, int64_t base, int64_t first, int64_t end, json_t *recipe,
                struct error *err);

/* What a recipe tells, for a storyboard: an array of {"frame", "prompt", "seconds"}, NULL when it
 * has one scene. Scenes end where prompts_by_frame goes to another text, and at cuts; neighbours
 * that say the same without a cut are one. `frame` is in the middle of a scene's own prompt, and
 * counts in the published file (output_fps, extend_keep). */
json_t *story_scenes(const json_t *recipe);

#endif

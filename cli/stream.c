#include "cli/stream.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/path.h"
#include "base/recipe.h"
#include "base/xalloc.h"
#include "cli/batch_action.h"
#include "cli/clip_source.h"
#include "cli/follow.h"
#include "cli/media_tool.h"
#include "cli/only_clip.h"

#define PART_FILE ".part.mp4"

/* ---- opening ---- */

/* What all parts are made of: a stream cannot change it on the way. */
static void tell_digest(const struct stream *s, int64_t fps, char out[65])
{
    json_t *all =
        json_pack("{sO sO sO sI sI}", "fields", s->story.fields, "scenes",
                  json_object_get(s->story.document, "scenes"), "options", s->whole->options, "fps",
                  (json_int_t)fps, "part_frames", (json_int_t)s->state.part_frames);
    char *text = json_canonical(all);
    const struct digest digest = digest_of(text, strlen(text));
    digest_text(&digest, out);
    free(text);
    json_decref(all);
}

static void begin(struct stream *s, const char *story)
{
    uint8_t random[(STREAM_ID_SIZE - 1) / 2];
    const int64_t option = recipe_int(s->whole->options, "seed", 0);
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(s->state.id, sizeof s->state.id, random, sizeof random);
    memcpy(s->state.story, story, sizeof s->state.story);
    s->state.seed = recipe_int(s->story.fields, "seed", option);
}

static bool take_up(struct stream *s, const char *story, struct error *err)
{
    struct stream_state there;
    struct error why = {0};
    if (!stream_state_load(&there, s->folder, &why)) {
        if (why.code != ERROR_NOT_FOUND) return error_set(err, why.code, "%s", why.message);
        begin(s, story);
        return stream_state_save(&s->state, s->folder, err);
    }
    if (strcmp(there.story, story) != 0)
        return error_set(err, ERROR_STATE,
                         "%s was begun with another story or other flags: choose another --out, or "
                         "give the same",
                         s->folder);
    s->state = there;
    return true;
}

static bool lock(struct stream *s, struct error *err)
{
    char *path = path_join(s->folder, ".lock");
    s->lock = path_lock(path, err);
    free(path);
    return s->lock >= 0 || error_wrap(err, "%s: another `zoe stream` works on it", s->folder);
}

bool stream_open(struct stream *s, int64_t fps, struct error *err)
{
    char story[65];
    s->lock = -1;
    tell_digest(s, fps, story);
    return path_make_folders(s->folder, 0777, err) && lock(s, err) && take_up(s, story, err);
}

void stream_close(struct stream *s)
{
    if (s->lock >= 0) (void)close(s->lock);
    story_finish(&s->story);
    free(s->folder);
}

/* ---- batches ---- */

static bool act(struct zclient *client, const char *batch, Farm__BatchVerb verb, struct error *err)
{
    Farm__BatchAction action = FARM__BATCH_ACTION__INIT;
    action.verb = verb;
    struct message *answer = batch_action(client, batch, action, err);
    message_free(answer);
    return answer != NULL;
}

/* Where nothing goes on from any more. What cannot be removed now is tried again after the next
 * part. */
static void drop_stale(struct stream *s)
{
    struct error err = {0};
    if (*s->state.stale == '\0' || s->keep) return;
    if (act(s->client, s->state.stale, FARM__BATCH_VERB__BATCH_REMOVE, &err) ||
        err.code == ERROR_NOT_FOUND)
        *s->state.stale = '\0';
}

/* A part that failed before is what the user wants to try again. */
static bool try_again(struct stream *s, const char *batch, struct error *err)
{
    struct message *answer = client_batch(s->client, batch, err);
    if (answer == NULL) return false;
    const char *state = answer->envelope->batch->state;
    const bool failed = strcmp(state, "failed") == 0 || strcmp(state, "canceled") == 0;
    message_free(answer);
    return !failed || act(s->client, batch, FARM__BATCH_VERB__BATCH_RETRY, err);
}

static bool await(struct stream *s, const char *batch, struct error *err)
{
    struct follow_options options = {.quiet = s->call->quiet || s->call->json, .unnamed = true};
    char *state = NULL;
    if (!try_again(s, batch, err) || !follow_batch(s->client, batch, &options, &state, err))
        return false;
    const bool done = follow_exit_code(state) == 0;
    free(state);
    return done || error_set(err, ERROR_FAILED,
                             "part %lld was not rendered: `zoe batch show %s` tells why; the same "
                             "command tries it again",
                             (long long)s->state.next, batch);
}

/* ---- a part's recipe ---- */

static void set_file(json_t *recipe, const char *field, const struct digest *digest)
{
    char text[sizeof RECIPE_FILE_PREFIX + DIGEST_TEXT_SIZE] = RECIPE_FILE_PREFIX;
    digest_text(digest, text + sizeof RECIPE_FILE_PREFIX - 1);
    ZOE_ASSERT(json_object_set_new(recipe, field, json_string(text)) == 0);
}

static bool name_frames(struct stream *s, struct clip_source *before, json_t *recipe,
                        struct error *err)
{
    const char *path;
    int64_t frames;
    if (!clip_source_video(before, s->client, &path, &frames, err)) return false;
    return json_object_set_new(recipe, "extend_video", json_string(path)) == 0 ||
           error_set(err, ERROR_INVALID, "%s is no UTF-8", path);
}

static bool go_on(struct stream *s, struct clip_source *before, json_t *recipe,
                  const struct stream_place *place, const struct digest *latents, struct error *err)
{
    json_object_set_new(recipe, "extend_frames", json_integer(place->extend_frames));
    json_object_set_new(recipe, "extend_keep", json_false());
    if (!place->from_latents) return name_frames(s, before, recipe, err);
    set_file(recipe, "extend_latents", latents);
    return true;
}

static void fill(json_t *recipe, const json_t *options, const char *field, const char *text)
{
    if (json_object_get(recipe, field) == NULL && json_object_get(options, field) == NULL)
        json_object_set_new(recipe, field, json_string(text));
}

static json_t *part_recipe(struct stream *s, struct clip_source *before, struct stream_place *place,
                           struct error *err)
{
    struct digest latents;
    json_t *recipe = json_deep_copy(s->story.fields);
    const int64_t overlap = before ? recipe_int(before->recipe, "overlap", 1) : 0;
    *place = stream_place_next(&s->state,
                               before && clip_source_latents(before, s->client, overlap, &latents));
    fill(recipe, s->whole->options, "method", "chain");
    fill(recipe, s->whole->options, "noise", "indexed");
    json_object_set_new(recipe, "seed", json_integer(place->seed));
    if (story_part(&s->story, place->base, place->first, place->end, recipe, err) &&
        (before == NULL || go_on(s, before, recipe, place, &latents, err)))
        return recipe;
    json_decref(recipe);
    return NULL;
}

/* ---- a part ---- */

static bool write_line(struct submission *part, const json_t *recipe, struct error *err)
{
    char *text = json_canonical(recipe);
    buf_append_text(&part->content, text);
    buf_append_char(&part->content, '\n');
    free(text);
    return submission_replace_paths(part, err);
}

/* Its batch (heap), or NULL: with `err`, or with words already said. */
static char *submit(struct stream *s, const json_t *recipe, struct error *err)
{
    char *key = xasprintf("stream-%s-%lld", s->state.id, (long long)s->state.next);
    char *name = xasprintf("%.80s part %lld", path_basename(s->folder), (long long)s->state.next);
    struct submission part = {.call = s->call,
                              .file = s->whole->file,
                              .format = "jsonl",
                              .options = json_incref(s->whole->options),
                              .key = key,
                              .name = name,
                              .silent = true};
    char *batch = NULL;
    if (write_line(&part, recipe, err)) {
        if (submission_send(s->client, &part)) batch = xstrdup(part.batch);
        s->whole->code = part.code;
    }
    submission_finish(&part);
    free(key);
    free(name);
    return batch;
}

/* The MP4 as the next piece of the stream; what it is goes into the state. */
static bool publish(struct stream *s, const char *batch, struct error *err)
{
    json_t *answer = NULL;
    char *mp4 = path_join(s->folder, PART_FILE), *file = NULL;
    char *index = xasprintf("%lld", (long long)s->state.next);
    char *offset = xasprintf("%lld", (long long)(s->state.next * s->state.shown_frames));
    const char *const arguments[] = {"hls",     "--part",  mp4,   "--out",
                                     s->folder, "--index", index, "--offset-frames",
                                     offset,    NULL};
    bool ok = only_clip_fetch(s->client, batch, mp4, &file, err) &&
              media_tool_run(arguments, &answer, err);
    const int64_t frames = recipe_int(answer, "frames", 0);
    if (ok && (frames < 1 || (s->state.next > 0 && frames != s->state.shown_frames)))
        ok = error_set(err, ERROR_INVALID, "part %s has %lld frames, those before have %lld", index,
                       (long long)frames, (long long)s->state.shown_frames);
    if (ok) s->state.shown_frames = frames;
    if (ok) s->state.seconds = recipe_real(answer, "seconds", 0);
    (void)unlink(mp4);
    json_decref(answer);
    free(file);
    free(mp4);
    free(index);
    free(offset);
    return ok;
}

/* A removal that did not succeed leaves the older batch to the user: one place is enough. */
static bool note(struct stream *s, struct error *err)
{
    memcpy(s->state.stale, s->state.previous, sizeof s->state.stale);
    memcpy(s->state.previous, s->state.pending, sizeof s->state.previous);
    s->state.base = s->state.pending_base;
    s->state.seed = s->state.pending_seed;
    *s->state.pending = '\0';
    s->state.next++;
    if (!stream_state_save(&s->state, s->folder, err) ||
        !stream_playlist_write(&s->state, s->folder, false, err))
        return false;
    drop_stale(s);
    return true;
}

/* What a part goes on from may be gone before it is done: its recipe could not be made once more.
 */
static bool order_part(struct stream *s, struct clip_source *before, struct error *err)
{
    struct stream_place place;
    json_t *recipe = part_recipe(s, before, &place, err);
    char *batch = recipe ? submit(s, recipe, err) : NULL;
    if (batch) {
        snprintf(s->state.pending, sizeof s->state.pending, "%s", batch);
        s->state.pending_base = place.base;
        s->state.pending_seed = place.seed;
    }
    const bool ok = batch && stream_state_save(&s->state, s->folder, err);
    free(batch);
    json_decref(recipe);
    return ok;
}

static bool finish_part(struct stream *s, struct error *err)
{
    return await(s, s->state.pending, err) && publish(s, s->state.pending, err) && note(s, err);
}

/* One that a person removed is made again. */
static bool is_ordered(struct stream *s, bool *ordered, struct error *err)
{
    *ordered = false;
    if (*s->state.pending == '\0') return true;
    struct message *answer = client_batch(s->client, s->state.pending, err);
    *ordered = answer != NULL;
    message_free(answer);
    if (!*ordered && err->code != ERROR_NOT_FOUND) return false;
    error_clear(err);
    return true;
}

static bool open_before(struct stream *s, struct clip_source *before, struct error *err)
{
    char *name = xasprintf("%s/0", s->state.previous);
    const bool ok = clip_source_open(before, s->client, name, err);
    free(name);
    if (ok || err->code != ERROR_NOT_FOUND) return ok;
    return error_wrap(err, "part %lld is gone from the farm, and nothing can go on from it",
                      (long long)(s->state.next - 1));
}

bool stream_advance(struct stream *s, struct error *err)
{
    struct clip_source before = {0};
    drop_stale(s);
    if (s->state.next == STREAM_PARTS_MAX)
        return error_set(err, ERROR_REFUSED, "a stream has at most %d parts", STREAM_PARTS_MAX);
    bool ordered;
    if (!is_ordered(s, &ordered, err)) return false;
    if (ordered) return finish_part(s, err);
    const bool first = s->state.next == 0;
    const bool ok =
        (first || open_before(s, &before, err)) && order_part(s, first ? NULL : &before, err);
    clip_source_finish(&before);
    return ok && finish_part(s, err);
}

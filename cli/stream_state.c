#include "cli/stream_state.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/recipe.h"

#define SCHEMA "zoe.stream.v1"
#define STATE_MAX_BYTES 65536
#define SECONDS_MAX 100000

/* ---- state ---- */

static bool take_text(const json_t *object, const char *name, char *out, size_t size,
                      struct error *err)
{
    const char *text;
    if (!json_get_text(object, name, &text, STREAM_STATE_FILE, err)) return false;
    if (strlen(text) >= size ||
        strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz") != strlen(text))
        return error_set(err, ERROR_INVALID, "%s: %s is wrong", STREAM_STATE_FILE, name);
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool take_number(const json_t *object, const char *name, int64_t min, int64_t max,
                        int64_t *out, struct error *err)
{
    if (!json_get_int(object, name, out, STREAM_STATE_FILE, err)) return false;
    return (*out >= min && *out <= max) ||
           error_set(err, ERROR_INVALID, "%s: %s is not from %lld to %lld", STREAM_STATE_FILE, name,
                     (long long)min, (long long)max);
}

static bool take_seconds(const json_t *object, double *out, struct error *err)
{
    if (!json_get_real_or(object, "seconds", 0, out, STREAM_STATE_FILE, err)) return false;
    return (*out >= 0 && *out <= SECONDS_MAX) ||
           error_set(err, ERROR_INVALID, "%s: seconds is wrong", STREAM_STATE_FILE);
}

/* States that were written before there was one have none. */
static bool take_pending(struct stream_state *s, const json_t *o, int64_t frames_max,
                         struct error *err)
{
    if (json_object_get(o, "pending") == NULL) return true;
    return take_text(o, "pending", s->pending, sizeof s->pending, err) &&
           take_number(o, "pending_base", 0, frames_max, &s->pending_base, err) &&
           take_number(o, "pending_seed", 0, RECIPE_SEED_MAX, &s->pending_seed, err);
}

static bool take_members(struct stream_state *s, const json_t *o, struct error *err)
{
    const int64_t frames_max = (int64_t)STREAM_PARTS_MAX * STREAM_PART_FRAMES_MAX;
    return take_text(o, "id", s->id, sizeof s->id, err) &&
           take_text(o, "story", s->story, sizeof s->story, err) &&
           take_text(o, "previous", s->previous, sizeof s->previous, err) &&
           take_text(o, "stale", s->stale, sizeof s->stale, err) &&
           take_number(o, "part_frames", 1, STREAM_PART_FRAMES_MAX, &s->part_frames, err) &&
           take_number(o, "next", 0, STREAM_PARTS_MAX, &s->next, err) &&
           take_number(o, "base", 0, frames_max, &s->base, err) &&
           take_number(o, "seed", 0, RECIPE_SEED_MAX, &s->seed, err) &&
           take_number(o, "shown_frames", 0, frames_max, &s->shown_frames, err) &&
           take_pending(s, o, frames_max, err) && take_seconds(o, &s->seconds, err);
}

/* Members that cannot stand beside one another. */
static bool agree(const struct stream_state *s, struct error *err)
{
    const bool begun = s->next > 0;
    if ((*s->previous != '\0') == begun && (s->shown_frames > 0) == begun &&
        s->base <= s->next * s->part_frames && s->pending_base <= s->next * s->part_frames &&
        *s->id != '\0')
        return true;
    return error_set(err, ERROR_INVALID, "%s: next, previous and base do not agree",
                     STREAM_STATE_FILE);
}

bool stream_state_parse(struct stream_state *s, const char *text, size_t size_bytes,
                        struct error *err)
{
    *s = (struct stream_state){0};
    const char *schema;
    json_t *object = json_parse(text, size_bytes, STREAM_STATE_FILE, err);
    bool ok = object != NULL && json_get_text(object, "schema", &schema, STREAM_STATE_FILE, err);
    if (ok && strcmp(schema, SCHEMA) != 0)
        ok = error_set(err, ERROR_INVALID, "%s: not of this version", STREAM_STATE_FILE);
    ok = ok && take_members(s, object, err) && agree(s, err);
    json_decref(object);
    return ok;
}

bool stream_state_load(struct stream_state *s, const char *folder, struct error *err)
{
    struct buf text = BUF_INIT;
    char *path = path_join(folder, STREAM_STATE_FILE);
    const bool ok =
        path_read(path, STATE_MAX_BYTES, &text, err) &&
        (stream_state_parse(s, buf_text(&text), text.size, err) || error_wrap(err, "%s", folder));
    free(path);
    buf_finish(&text);
    return ok;
}

bool stream_state_save(const struct stream_state *s, const char *folder, struct error *err)
{
    json_t *object =
        json_pack("{ss ss ss sI sI sI sI ss ss ss sI sI sI sf}", "schema", SCHEMA, "id", s->id,
                  "story", s->story, "part_frames", (json_int_t)s->part_frames, "next",
                  (json_int_t)s->next, "base", (json_int_t)s->base, "seed", (json_int_t)s->seed,
                  "previous", s->previous, "stale", s->stale, "pending", s->pending, "pending_base",
                  (json_int_t)s->pending_base, "pending_seed", (json_int_t)s->pending_seed,
                  "shown_frames", (json_int_t)s->shown_frames, "seconds", s->seconds);
    char *path = path_join(folder, STREAM_STATE_FILE), *text = json_pretty(object);
    const bool ok = path_write_atomic(path, text, strlen(text), 0666, err);
    free(text);
    free(path);
    json_decref(object);
    return ok;
}

/* ---- places ---- */

/* With another base frames get numbers that an earlier part had: another seed gives them noise of
 * their own. */
struct stream_place stream_place_next(const struct stream_state *s, bool has_latents)
{
    struct stream_place p = {.base = s->base, .seed = s->seed, .first = s->next * s->part_frames};
    p.end = p.first + s->part_frames;
    p.from_latents = has_latents && p.end - p.base <= STREAM_NUMBER_MAX;
    if (s->next == 0) return p;
    if (!p.from_latents) p.base = p.first - s->part_frames;
    if (p.base != s->base) p.seed = s->seed < RECIPE_SEED_MAX ? s->seed + 1 : 0;
    p.extend_frames = p.first - p.base;
    return p;
}

/* ---- playlist ---- */

bool stream_playlist_write(const struct stream_state *s, const char *folder, bool ended,
                           struct error *err)
{
    struct buf text = BUF_INIT;
    const int64_t longest = (int64_t)(s->seconds + 0.999999);
    buf_append_text(&text, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-PLAYLIST-TYPE:EVENT\n");
    buf_printf(&text, "#EXT-X-TARGETDURATION:%lld\n#EXT-X-MEDIA-SEQUENCE:0\n",
               (long long)(longest > 0 ? longest : 1));
    for (int64_t i = 0; i < s->next; i++)
        buf_printf(&text, "#EXTINF:%.6f,\n%06lld.ts\n", s->seconds, (long long)i);
    if (ended) buf_append_text(&text, "#EXT-X-ENDLIST\n");
    char *path = path_join(folder, STREAM_PLAYLIST_FILE);
    const bool ok = path_write_atomic(path, text.data, text.size, 0666, err);
    free(path);
    buf_finish(&text);
    return ok;
}

/* Written for people and for a rebuild of the database from the tree. */
#include "coordinator/publish_sidecar.h"

#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/json.h"

#define SCHEMA "zoe.clip.v1"
#define READ_LIMIT_BYTES ((size_t)32 * 1024 * 1024) /* of very many segments */

/* ---- writing ---- */

/* A text that is no UTF-8 is left out: never a reason not to publish. */
static void add_text(json_t *object, const char *key, const char *text)
{
    (void)json_object_set_new(object, key, json_string(text));
}

static void add_int(json_t *object, const char *key, int64_t number)
{
    (void)json_object_set_new(object, key, json_integer(number));
}

static void add_digest(json_t *object, const char *key, const struct digest *digest)
{
    char hex[DIGEST_TEXT_SIZE];
    digest_text(digest, hex);
    add_text(object, key, hex);
}

static void add_time(json_t *object, const char *key, int64_t wall_ms)
{
    char text[CLOCK_TEXT_SIZE];
    if (wall_ms == 0) return;
    clock_wall_text(wall_ms, text);
    add_text(object, key, text);
}

static json_t *about_model(const struct publish_record *r)
{
    json_t *model = json_object();
    add_text(model, "name", r->model);
    add_digest(model, "digest", &r->model_digest);
    return model;
}

static json_t *about_file(const struct publish_target *t, const struct publish_record *r,
                          const struct publish_sealed *sealed)
{
    json_t *video = json_object();
    add_digest(video, "sha256", &sealed->sha256);
    add_int(video, "size_bytes", (int64_t)sealed->size_bytes);
    if (t->output == OUTPUT_IMAGE) return video;
    const bool faster = r->output_fps > 0;
    add_int(video, "frames", faster && r->output_frames > 0 ? r->output_frames : r->frames);
    (void)json_object_set_new(video, "fps", json_real(faster ? (double)r->output_fps : r->fps));
    if (r->output_width > 0) add_int(video, "width", r->output_width);
    if (r->output_height > 0) add_int(video, "height", r->output_height);
    return video;
}

static json_t *about_second(const struct publish_record *r)
{
    json_t *model = json_object();
    add_text(model, "name", r->second_model);
    add_digest(model, "digest", &r->second_digest);
    return model;
}

/* What the media child found when it decoded the stored segment and the finished video. */
static json_t *about_checks(const struct publish_record *r)
{
    json_t *checks = json_object();
    add_int(checks, "frames_decoded", r->frames);
    add_int(checks, "width", r->width);
    add_int(checks, "height", r->height);
    add_digest(checks, "frames_sha256", &r->frames_sha256);
    return checks;
}

static json_t *about_steps(const struct publish_record *r)
{
    json_t *steps = json_object();
    add_int(steps, "computed", r->steps_computed);
    add_int(steps, "wasted", r->steps_wasted);
    return steps;
}

static json_t *about_times(const struct publish_record *r)
{
    json_t *times = json_object();
    add_time(times, "submitted", r->submitted_ms);
    add_time(times, "started", r->started_ms);
    add_time(times, "rendered", r->rendered_ms);
    add_time(times, "published", r->published_ms);
    return times;
}

char *publish_sidecar_text(const struct publish_target *t, const struct publish_record *r,
                           const struct publish_sealed *video)
{
    json_t *o = json_object();
    add_text(o, "schema", SCHEMA);
    add_text(o, "batch", t->batch);
    add_int(o, "clip", (int64_t)t->clip);
    (void)json_object_set_new(o, "recipe", json_deep_copy(r->recipe));
    (void)json_object_set_new(o, "model", about_model(r));
    if (r->second_model != NULL) (void)json_object_set_new(o, "second_model", about_second(r));
    add_text(o, "fingerprint", r->fingerprint);
    (void)json_object_set_new(o, output_kind_name(t->output), about_file(t, r, video));
    (void)json_object_set_new(o, "checks", about_checks(r));
    (void)json_object_set_new(o, "suspect", r->suspect ? json_string(r->suspect) : json_null());
    add_text(o, "worker", r->worker);
    add_int(o, "attempts", r->attempts);
    (void)json_object_set_new(o, "steps", about_steps(r));
    if (r->method != NULL) add_text(o, "method", r->method);
    if (r->segments != NULL) (void)json_object_set(o, "segments", r->segments);
    (void)json_object_set_new(o, "times", about_times(r));
    char *text = json_pretty(o);
    json_decref(o);
    return text;
}

/* ---- reading ---- */

static bool text_is(const json_t *object, const char *key, const char *wanted)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL && strcmp(text, wanted) == 0;
}

static enum sidecar_kind kind_of(const json_t *o, const struct publish_target *t,
                                 const struct digest *video)
{
    char hex[DIGEST_TEXT_SIZE];
    const json_t *clip = json_object_get(o, "clip");
    digest_text(video, hex);
    if (!text_is(o, "schema", SCHEMA) || !text_is(o, "batch", t->batch)) return SIDECAR_FOREIGN;
    if (!json_is_integer(clip) || json_integer_value(clip) != (json_int_t)t->clip) {
        return SIDECAR_FOREIGN;
    }
    const json_t *file = json_object_get(o, output_kind_name(t->output));
    return text_is(file, "sha256", hex) ? SIDECAR_OURS : SIDECAR_STALE;
}

bool publish_sidecar_look(const char *path, const struct publish_target *t,
                          const struct digest *video, enum sidecar_kind *out, struct error *err)
{
    struct stat info;
    struct error why = {0};
    *out = SIDECAR_NONE;
    if (lstat(path, &info) != 0) return true;
    *out = SIDECAR_FOREIGN;
    if (!S_ISREG(info.st_mode)) return true;
    json_t *o = json_parse_file(path, READ_LIMIT_BYTES, &why);
    if (o != NULL) *out = kind_of(o, t, video);
    if (o == NULL && why.code == ERROR_NOT_FOUND) *out = SIDECAR_NONE;
    bool ok = o != NULL || why.code != ERROR_IO;
    json_decref(o);
    return ok || error_set(err, why.code, "%s", why.message);
}

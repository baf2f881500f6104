/* Reading a story and placing its scenes. */
#include "base/story.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/recipe.h"
#include "base/xalloc.h"

/* What a story says itself by its scenes. */
static const char *const told[] = {
    "prompt",        "prompts_by_frame", "cuts",           "num_frames",  "frames", "seconds",
    "extend_frames", "extend_video",     "extend_latents", "extend_keep", "loop"};

bool story_is(const char *text, size_t size_bytes)
{
    json_t *document =
        size_bytes <= STORY_MAX_BYTES ? json_parse(text, size_bytes, "", NULL) : NULL;
    const bool is = json_is_object(document) && json_object_get(document, "scenes") != NULL;
    json_decref(document);
    return is;
}

/* ---- reading ---- */

struct place { /* of what is read, for errors */
    int scene;
    struct error *err;
};

static bool wrong(const struct place *p, const char *member, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool wrong(const struct place *p, const char *member, const char *format, ...)
{
    char why[256];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return error_set(p->err, ERROR_USAGE, "scenes[%d].%.64s: %s", p->scene, member, why);
}

static bool read_text(const struct place *p, const char *member, const json_t *value, int64_t max,
                      const char **out)
{
    *out = json_string_value(value);
    if (*out == NULL) return wrong(p, member, "it must be a text");
    if (**out != '\0' && (int64_t)json_string_length(value) <= max) return true;
    return wrong(p, member, "it must have from 1 to %lld bytes", (long long)max);
}

static bool read_number(const struct place *p, const char *member, const json_t *value, double min,
                        double max, double *out)
{
    char shown[JSON_SHOWN_SIZE];
    *out = json_number_value(value);
    if (json_is_number(value) && *out >= min && *out <= max) return true;
    return wrong(p, member, "%s; it must be a number from %g to %g", json_shown(value, shown), min,
                 max);
}

static bool take_prompt(const struct place *p, const json_t *value, struct story_scene *scene)
{
    return read_text(p, "prompt", value, RECIPE_PROMPT_MAX_BYTES, &scene->prompt);
}

static bool take_seconds(const struct place *p, const json_t *value, struct story_scene *scene)
{
    return read_number(p, "seconds", value, 0.001, RECIPE_SECONDS_MAX, &scene->seconds);
}

static bool take_frames(const struct place *p, const json_t *value, struct story_scene *scene)
{
    double frames;
    if (!read_number(p, "frames", value, 1, RECIPE_PLACE_MAX, &frames)) return false;
    if (!json_is_integer(value)) return wrong(p, "frames", "it must be a whole number");
    scene->frames = (int64_t)frames;
    return true;
}

static bool take_join(const struct place *p, const json_t *value, struct story_scene *scene)
{
    const char *join;
    if (!read_text(p, "join", value, 16, &join)) return false;
    scene->cut = strcmp(join, "cut") == 0;
    return scene->cut || strcmp(join, "blend") == 0 ||
           wrong(p, "join", "\"%s\"; it must be \"cut\" or \"blend\"", join);
}

static bool take_blend(const struct place *p, const json_t *value, struct story_scene *scene)
{
    return read_number(p, "blend_seconds", value, 0, RECIPE_SECONDS_MAX, &scene->blend_seconds);
}

static const struct {
    const char *name;
    bool (*take)(const struct place *p, const json_t *value, struct story_scene *scene);
} members[] = {{"prompt", take_prompt},
               {"seconds", take_seconds},
               {"frames", take_frames},
               {"join", take_join},
               {"blend_seconds", take_blend}};
#define MEMBER_COUNT (sizeof members / sizeof members[0])

static bool take_member(const struct place *p, const char *name, const json_t *value,
                        struct story_scene *scene)
{
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        if (strcmp(members[i].name, name) == 0) return members[i].take(p, value, scene);
    if (recipe_field_find(name) != NULL)
        return wrong(p, name, "it is said once for all scenes, beside \"scenes\"");
    return wrong(p, name, "a scene has prompt, seconds or frames, join and blend_seconds");
}

static bool read_scene(const struct place *p, json_t *object, struct story_scene *scene)
{
    const char *name;
    json_t *value;
    *scene = (struct story_scene){.blend_seconds = -1};
    if (!json_is_object(object))
        return error_set(p->err, ERROR_USAGE, "scenes[%d]: it must be an object", p->scene);
    json_object_foreach(object, name, value) if (!take_member(p, name, value, scene)) return false;
    if (scene->prompt == NULL) return wrong(p, "prompt", "it is missing");
    if ((scene->frames > 0) == (scene->seconds > 0))
        return wrong(p, "seconds", "give either seconds or frames");
    return !scene->cut || scene->blend_seconds <= 0 ||
           wrong(p, "blend_seconds", "a cut does not blend");
}

static bool read_scenes(struct story *s, struct error *err)
{
    struct place p = {.err = err};
    json_t *scenes = json_object_get(s->document, "scenes");
    const size_t count = json_array_size(scenes);
    if (count == 0 || count > STORY_SCENES_MAX)
        return error_set(err, ERROR_USAGE, "scenes: it must be a list of 1 to %d scenes",
                         STORY_SCENES_MAX);
    for (p.scene = 0; (size_t)p.scene < count; p.scene++) {
        json_t *object = json_array_get(scenes, (size_t)p.scene);
        if (!read_scene(&p, object, &s->scenes[p.scene])) return false;
    }
    s->scene_count = (int)count;
    return true;
}

static bool read_title(struct story *s, struct error *err)
{
    const json_t *title = json_object_get(s->document, "title");
    if (title == NULL) return true;
    s->title = json_string_value(title);
    const size_t size = json_string_length(title);
    return (size > 0 && size <= STORY_TITLE_MAX_BYTES) ||
           error_set(err, ERROR_USAGE, "title: it must be a text of 1 to %d bytes",
                     STORY_TITLE_MAX_BYTES);
}

static bool read_fields(struct story *s, struct error *err)
{
    s->fields = json_copy(s->document);
    (void)json_object_del(s->fields, "title");
    (void)json_object_del(s->fields, "scenes");
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
        if (json_object_get(s->fields, told[i]) != NULL)
            return error_set(err, ERROR_USAGE, "%s: a story says it by its scenes", told[i]);
    return recipe_check(s->fields, err);
}

bool story_parse(struct story *s, const char *text, size_t size_bytes, struct error *err)
{
    *s = (struct story){0};
    if (size_bytes > STORY_MAX_BYTES)
        return error_set(err, ERROR_USAGE, "a story has at most %zu bytes", STORY_MAX_BYTES);
    s->document = json_parse(text, size_bytes, "the story", err);
    if (s->document == NULL) return false;
    if (!json_is_object(s->document))
        return error_set(err, ERROR_USAGE, "a story is one JSON object with \"scenes\"");
    return read_title(s, err) && read_fields(s, err) && read_scenes(s, err);
}

void story_finish(struct story *s)
{
    json_decref(s->fields);
    json_decref(s->document);
    *s = (struct story){0};
}

/* ---- placing ---- */

static int64_t rounded(double frames)
{
    return (int64_t)(frames + 0.5);
}

static bool place_scenes(struct story *s, double fps, struct error *err)
{
    const double most = recipe_field_find("num_frames")->max;
    double end = 0;
    for (int i = 0; i < s->scene_count; i++) {
        struct story_scene *scene = &s->scenes[i];
        const struct place p = {i, err};
        scene->first = rounded(end);
        end += scene->seconds > 0 ? scene->seconds * fps : (double)scene->frames;
        if (end > most) return wrong(&p, "seconds", "the story has more than %g frames", most);
        scene->frames = rounded(end) - scene->first;
        if (scene->frames == 0) return wrong(&p, "seconds", "no frame at %g frames a second", fps);
    }
    return true;
}

/* A blend takes at most half of the shorter of its scenes: each has frames of its own prompt. */
static bool place_blend(struct story *s, int i, double fps, struct error *err)
{
    struct story_scene *scene = &s->scenes[i];
    const struct story_scene *before = &s->scenes[i > 0 ? i - 1 : s->scene_count - 1];
    const struct place p = {i, err};
    const int64_t room = (scene->frames < before->frames ? scene->frames : before->frames) / 2;
    const bool said = scene->blend_seconds >= 0;
    const double wanted = (said ? scene->blend_seconds : STORY_BLEND_S) * fps;
    scene->blend = 0;
    if (scene->cut) return true;
    scene->blend = wanted < (double)room ? rounded(wanted) : room;
    if (!said || rounded(wanted) <= room) return true;
    return wrong(&p, "blend_seconds", "at most %.3g: half of the shorter scene beside it",
                 (double)room / fps);
}

bool story_place(struct story *s, double fps, struct error *err)
{
    if (!place_scenes(s, fps, err)) return false;
    for (int i = 0; i < s->scene_count; i++)
        if (!place_blend(s, i, fps, err)) return false;
    return true;
}

int64_t story_length(const struct story *s)
{
    const struct story_scene *last = &s->scenes[s->scene_count - 1];
    return last->first + last->frames;
}

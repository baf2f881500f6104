/* From scenes to recipes. */
#include <stdio.h>
#include <string.h>

#include "base/recipe.h"
#include "base/story.h"
#include "base/xalloc.h"

#define KEY_SIZE 24

/* A scene of the endless story, by its number in all tellings. */
struct telling {
    const struct story_scene *scene, *before;
    int64_t first, end;
};

static struct telling telling_at(const struct story *s, int64_t number)
{
    const int count = s->scene_count, index = (int)(number % count);
    const struct story_scene *scene = &s->scenes[index];
    const int64_t first = number / count * story_length(s) + scene->first;
    return (struct telling){.scene = scene,
                            .before = &s->scenes[index > 0 ? index - 1 : count - 1],
                            .first = first,
                            .end = first + scene->frames};
}

/* Of the scene that holds the frame. */
static int64_t number_at(const struct story *s, int64_t frame)
{
    int64_t number = frame / story_length(s) * s->scene_count;
    while (telling_at(s, number).end <= frame)
        number++;
    return number;
}

/* The last frame before the joint that says the old prompt alone, and the first of the new one. */
static int64_t old_until(const struct telling *t)
{
    return t->first - 1 - t->scene->blend / 2;
}

static int64_t new_from(const struct telling *t)
{
    return old_until(t) + 1 + t->scene->blend;
}

/* ---- parts ---- */

struct part {
    int64_t base, from, end; /* from: where its telling begins */
    int64_t last;            /* number of the last scene that there is */
    json_t *track, *cuts;
};

static void set_new(json_t *object, const char *name, json_t *value)
{
    ZOE_ASSERT(json_object_set_new(object, name, value) == 0);
}

/* A blend that began before the clip did begins with it. */
static void add_key(struct part *p, int64_t frame, const char *prompt)
{
    char name[KEY_SIZE];
    snprintf(name, sizeof name, "%lld", (long long)(frame > p->base ? frame - p->base : 0));
    set_new(p->track, name, json_string(prompt));
}

static void add_joint(struct part *p, const struct telling *t)
{
    const bool heard = new_from(t) > p->from && old_until(t) < p->end;
    if (t->scene->cut && t->first > p->base && t->first >= p->from && t->first < p->end)
        ZOE_ASSERT(json_array_append_new(p->cuts, json_integer(t->first - p->base)) == 0);
    if (!heard || strcmp(t->before->prompt, t->scene->prompt) == 0) return;
    add_key(p, old_until(t), t->before->prompt);
    add_key(p, new_from(t), t->scene->prompt);
}

/* The joint before the scene at the beginning may still be heard, and so may the one at the end. */
static void add_joints(const struct story *s, struct part *p)
{
    const int64_t next = number_at(s, p->end - 1) + 1, last = next < p->last ? next : p->last;
    for (int64_t n = number_at(s, p->from); n <= last; n++) {
        const struct telling t = telling_at(s, n);
        if (n > 0) add_joint(p, &t);
    }
}

static const char *first_prompt(const struct story *s, const struct part *p)
{
    return telling_at(s, number_at(s, p->from)).scene->prompt;
}

static bool fits(const struct part *p, struct error *err)
{
    const size_t keys = json_object_size(p->track), cuts = json_array_size(p->cuts);
    if (keys <= (size_t)recipe_field_find("prompts_by_frame")->count_max &&
        cuts <= (size_t)recipe_field_find("cuts")->count_max)
        return true;
    return error_set(err, ERROR_USAGE, "%lld frames tell more than %d scenes: make it shorter",
                     (long long)(p->end - p->from), STORY_SCENES_MAX);
}

/* Empty ones say nothing. */
static void set_list(json_t *recipe, const char *name, json_t *list, size_t size)
{
    if (size > 0)
        set_new(recipe, name, json_incref(list));
    else
        (void)json_object_del(recipe, name);
}

static bool tell(const struct story *s, struct part *p, json_t *recipe, struct error *err)
{
    p->track = json_object();
    p->cuts = json_array();
    add_joints(s, p);
    const bool ok = fits(p, err);
    const char *first = first_prompt(s, p);
    if (json_object_size(p->track) == 0 && s->title != NULL) add_key(p, p->base, first);
    set_new(recipe, "prompt", json_string(s->title != NULL ? s->title : first));
    set_new(recipe, "num_frames", json_integer(p->end - p->base));
    set_list(recipe, "prompts_by_frame", p->track, json_object_size(p->track));
    set_list(recipe, "cuts", p->cuts, json_array_size(p->cuts));
    json_decref(p->track);
    json_decref(p->cuts);
    return ok;
}

bool story_part(const struct story *s, int64_t base, int64_t first, int64_t end, json_t *recipe,
                struct error *err)
{
    struct part p = {.base = base,
                     .from = first - base > STORY_CONTEXT ? first - STORY_CONTEXT : base,
                     .end = end,
                     .last = INT64_MAX};
    return tell(s, &p, recipe, err);
}

json_t *story_recipe(const struct story *s, struct error *err)
{
    struct part p = {.end = story_length(s), .last = s->scene_count - 1};
    json_t *recipe = json_deep_copy(s->fields);
    if (tell(s, &p, recipe, err)) return recipe;
    json_decref(recipe);
    return NULL;
}

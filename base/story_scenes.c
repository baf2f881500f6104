/* What a recipe tells: the way back from prompts_by_frame and cuts to scenes. */
#include <stdlib.h>
#include <string.h>

#include "base/recipe.h"
#include "base/story.h"
#include "base/xalloc.h"

struct key {
    int64_t frame;
    const char *text; /* borrowed */
};

struct telling {
    struct key *keys; /* by frame; at least one */
    size_t key_count;
    int64_t *starts; /* of scenes, ascending; at least one */
    size_t start_count;
    int64_t frames;   /* of the clip */
    int64_t begin;    /* of these, the first one that is published */
    double rate, fps; /* published frames a frame, and a second */
};

/* ---- reading ---- */

static int by_frame(const void *a, const void *b)
{
    const int64_t x = ((const struct key *)a)->frame, y = ((const struct key *)b)->frame;
    return (x > y) - (x < y);
}

static int by_number(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void read_keys(struct telling *t, const json_t *recipe)
{
    json_t *track = json_object_get(recipe, "prompts_by_frame"), *text;
    const char *name;
    t->keys = xcalloc(json_object_size(track) + 1, sizeof *t->keys);
    json_object_foreach(track, name, text)
    {
        t->keys[t->key_count++] = (struct key){atoll(name), json_string_value(text)};
    }
    if (t->key_count == 0)
        t->keys[t->key_count++] = (struct key){0, recipe_text(recipe, "prompt", "")};
    qsort(t->keys, t->key_count, sizeof *t->keys, by_frame);
}

static void add_start(struct telling *t, int64_t frame)
{
    if (frame >= t->begin && frame < t->frames) t->starts[t->start_count++] = frame;
}

static void drop_doubles(struct telling *t)
{
    size_t kept = 1;
    qsort(t->starts, t->start_count, sizeof *t->starts, by_number);
    for (size_t i = 1; i < t->start_count; i++)
        if (t->starts[i] != t->starts[kept - 1]) t->starts[kept++] = t->starts[i];
    t->start_count = kept;
}

/* A scene begins in the middle of the way from one text to another, where story_recipe.c put it. */
static void read_starts(struct telling *t, const json_t *cuts)
{
    t->starts = xcalloc(t->key_count + json_array_size(cuts) + 1, sizeof *t->starts);
    add_start(t, t->begin);
    for (size_t i = 1; i < t->key_count; i++) {
        const struct key *a = &t->keys[i - 1], *b = &t->keys[i];
        if (strcmp(a->text, b->text) != 0)
            add_start(t, a->frame + 1 + (b->frame - a->frame - 1) / 2);
    }
    for (size_t i = 0; i < json_array_size(cuts); i++)
        add_start(t, json_integer_value(json_array_get(cuts, i)));
    drop_doubles(t);
}

static void read_rates(struct telling *t, const json_t *recipe)
{
    const double fps = (double)recipe_int(recipe, "fps", 1);
    const json_t *keep = json_object_get(recipe, "extend_keep");
    t->fps = (double)recipe_int(recipe, "output_fps", (int64_t)fps);
    t->rate = t->fps / fps;
    t->frames = recipe_int(recipe, "num_frames", 1);
    t->begin = json_is_false(keep) ? recipe_int(recipe, "extend_frames", 0) : 0;
}

/* ---- telling ---- */

/* The middle of [start, end), or of what lies between the scene's own keys: there its prompt stands
 * alone. *text: what it says there. */
static int64_t middle(const struct telling *t, size_t scene, const char **text)
{
    const bool is_last = scene + 1 == t->start_count;
    const int64_t start = t->starts[scene], end = is_last ? t->frames : t->starts[scene + 1];
    const struct key *low = NULL, *high = NULL, *before = &t->keys[0];
    for (size_t i = 0; t->key_count > 1 && i < t->key_count; i++) {
        const struct key *key = &t->keys[i];
        if (key->frame < end) before = key;
        if (key->frame < start || key->frame >= end) continue;
        if (low == NULL) low = key;
        high = key;
    }
    *text = before->text;
    const int64_t from = scene > 0 && low != NULL ? low->frame : start;
    const int64_t to = !is_last && high != NULL ? high->frame : end - 1;
    return from + (to - from) / 2;
}

static json_t *scene_of(const struct telling *t, size_t scene)
{
    const char *text;
    const int64_t end = scene + 1 < t->start_count ? t->starts[scene + 1] : t->frames;
    const int64_t frame = middle(t, scene, &text) - t->begin;
    const double seconds = (double)(end - t->starts[scene]) * t->rate / t->fps;
    return json_pack("{sI ss sf}", "frame", (json_int_t)((double)frame * t->rate + 0.5), "prompt",
                     text, "seconds", seconds);
}

json_t *story_scenes(const json_t *recipe)
{
    struct telling t = {0};
    json_t *scenes = NULL;
    read_rates(&t, recipe);
    read_keys(&t, recipe);
    read_starts(&t, json_object_get(recipe, "cuts"));
    if (t.start_count > 1) scenes = json_array();
    for (size_t i = 0; i < t.start_count && scenes != NULL; i++)
        ZOE_ASSERT(json_array_append_new(scenes, scene_of(&t, i)) == 0);
    free(t.keys);
    free(t.starts);
    return scenes;
}

#include "cli/extension.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/recipe.h"
#include "base/xalloc.h"

/* What only the beginning of a clip has. */
static const char *const beginnings[] = {
    "init_video", "init_image", "mask",        "hold_frames",  "strength",     "encode",
    "loop",       "batch_size", "batch_index", "cuda_threads", "extend_video", "extend_latents"};

static void set_new(json_t *object, const char *name, json_t *value)
{
    ZOE_ASSERT(json_object_set_new(object, name, value) == 0);
}

static void set_key(json_t *track, int64_t frame, const char *text)
{
    char name[24];
    snprintf(name, sizeof name, "%lld", (long long)frame);
    set_new(track, name, json_string(text));
}

/* Said in the last frame that exists. */
static const char *last_said(const json_t *recipe, const json_t *track, int64_t frame)
{
    const char *name, *text = recipe_text(recipe, "prompt", "");
    int64_t nearest = -1;
    json_t *value, *walked = (json_t *)(uintptr_t)track; /* jansson's loop wants it so */
    json_object_foreach(walked, name, value)
    {
        const int64_t at = atoll(name);
        if (at > frame || at < nearest) continue;
        nearest = at;
        text = json_string_value(value);
    }
    return text;
}

/* Keys beyond the old end were never heard. */
static json_t *old_track(const json_t *recipe, int64_t end)
{
    const char *name;
    json_t *value, *track = json_object();
    json_object_foreach(json_object_get(recipe, "prompts_by_frame"), name, value)
    {
        if (atoll(name) < end) ZOE_ASSERT(json_object_set(track, name, value) == 0);
    }
    return track;
}

static void add_prompt(json_t *recipe, int64_t end, const char *prompt)
{
    json_t *track = old_track(recipe, end);
    const char *before = last_said(recipe, track, end - 1);
    set_key(track, end - 1, before);
    set_key(track, end, prompt);
    set_new(recipe, "prompts_by_frame", track);
}

json_t *extension_recipe(const json_t *old, int64_t more, const char *prompt)
{
    json_t *recipe = json_deep_copy(old);
    const int64_t end = recipe_int(old, "num_frames", 1);
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
        (void)json_object_del(recipe, beginnings[i]);
    if (json_object_get(recipe, "method") == NULL) set_new(recipe, "method", json_string("chain"));
    set_new(recipe, "noise", json_string("indexed"));
    set_new(recipe, "extend_frames", json_integer(end));
    set_new(recipe, "num_frames", json_integer(end + more));
    if (prompt != NULL) add_prompt(recipe, end, prompt);
    return recipe;
}

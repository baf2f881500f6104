#include "worker/input_wanted.h"

#include <stdio.h>
#include <string.h>

#include "base/recipe.h"
#include "base/xalloc.h"
#include "proto/codec.h"

/* ---- one ---- */

void input_wanted_file(struct input_wanted *w, const struct digest *file)
{
    w->file = w->key = *file;
    w->as_it_is = true;
}

void input_wanted_pictures(struct input_wanted *w, const struct digest *file,
                           const struct input_shape *shape)
{
    char hex[DIGEST_TEXT_SIZE], text[256];
    digest_text(file, hex);
    snprintf(text, sizeof text, "input %s %lldx%lld %lld+%lld at %lld %s", hex,
             (long long)shape->width, (long long)shape->height, (long long)shape->first,
             (long long)shape->frames, (long long)shape->fps, shape->gray ? "gray8" : "rgb24");
    w->file = *file;
    w->as_it_is = false;
    w->shape = *shape;
    w->key = digest_of(text, strlen(text));
}

/* ---- of a task ---- */

struct reading {
    struct input_list *out;
    const json_t *recipe;
    const struct plan *plan;
    const struct plan_task *task;
    Farm__TaskInput *const *inputs;
    size_t count;
    struct error *err;
};

static struct input_wanted *add(const struct reading *r, enum slot_part_kind kind)
{
    ZOE_ASSERT(r->out->count < INPUT_LIST_MAX);
    struct input_wanted *w = &r->out->items[r->out->count++];
    memset(w, 0, sizeof *w);
    w->kind = kind;
    return w;
}

static bool read_name(const struct reading *r, const char *field, const char *name,
                      struct digest *out)
{
    return recipe_file_digest(name, out) ||
           error_set(r->err, ERROR_USAGE, "%s is no sha256: the file was never sent", field);
}

static struct input_shape shape_of(const struct reading *r, uint32_t first, uint32_t frames)
{
    return (struct input_shape){.width = recipe_int(r->recipe, "width", 0),
                                .height = recipe_int(r->recipe, "height", 0),
                                .first = first,
                                .frames = frames,
                                .fps = recipe_int(r->recipe, "fps", 0)};
}

/* The frames of the window; an image is one picture for all of them (struct engine_images). */
static bool take_pictures(const struct reading *r, const char *field, enum slot_part_kind kind)
{
    const char *name = recipe_text(r->recipe, field, NULL);
    const bool image = strcmp(field, "init_image") == 0;
    struct digest file;
    if (!name || strcmp(name, PLAN_BASE_VIDEO) == 0) return true;
    if (!read_name(r, field, name, &file)) return false;
    struct input_shape shape =
        image ? shape_of(r, 0, 1) : shape_of(r, r->task->first, r->task->frames);
    shape.gray = kind == PART_MASK;
    input_wanted_pictures(add(r, kind), &file, &shape);
    return true;
}

static bool take_start(const struct reading *r)
{
    if (recipe_text(r->recipe, "init_video", NULL) && recipe_text(r->recipe, "init_image", NULL))
        return error_set(r->err, ERROR_USAGE, "init_video and init_image are both given");
    return take_pictures(r, "init_video", PART_INIT) && take_pictures(r, "init_image", PART_INIT) &&
           take_pictures(r, "mask", PART_MASK);
}

/* ---- what tasks before it made ---- */

static const Farm__TaskInput *find(const struct reading *r, uint32_t task, const char *kind)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->inputs[i]->task == task && strcmp(r->inputs[i]->kind, kind) == 0)
            return r->inputs[i];
    return NULL;
}

static void add_latents(const struct reading *r, const struct plan_input *input,
                        const struct digest *file)
{
    (void)input;
    input_wanted_file(add(r, PART_LATENTS), file);
}

/* The frames that the window shares with it: segments do not overlap. */
static void add_base(const struct reading *r, const struct plan_input *input,
                     const struct digest *file)
{
    const struct plan_task *t = r->task;
    struct plan_task base;
    plan_task(r->plan, input->task, &base);
    const uint32_t base_end = base.made_first + base.made_frames, end = t->first + t->frames;
    const uint32_t from = base.made_first > t->first ? base.made_first : t->first;
    const uint32_t to = base_end < end ? base_end : end;
    const struct input_shape shape = shape_of(r, from - base.made_first, to - from);
    if (to > from) input_wanted_pictures(add(r, PART_BASE), file, &shape);
}

static const struct {
    const char *kind; /* on the wire */
    void (*add)(const struct reading *r, const struct plan_input *input, const struct digest *file);
} takes[] = {
    [PLAN_SEGMENT] = {"segment", add_base},
    [PLAN_LATENTS] = {"latents", add_latents},
};

static bool take_results(const struct reading *r)
{
    for (uint32_t i = 0; i < r->task->input_count; i++) {
        const struct plan_input *input = &r->task->inputs[i];
        const char *kind = takes[input->output].kind;
        const Farm__TaskInput *named = find(r, input->task, kind);
        struct digest file;
        if (!named || !codec_digest_get(&named->sha256, &file))
            return error_set(r->err, ERROR_STATE, "the coordinator named no %s of task %u", kind,
                             input->task);
        takes[input->output].add(r, input, &file);
    }
    return true;
}

/* Latents are better than pictures, which have been through the decoder. */
static bool take_extended(const struct reading *r)
{
    const char *latents = recipe_text(r->recipe, "extend_latents", NULL);
    const char *video = recipe_text(r->recipe, "extend_video", NULL);
    struct digest file;
    if (!r->task->extends) return true;
    if (latents) {
        if (!read_name(r, "extend_latents", latents, &file)) return false;
        input_wanted_file(add(r, PART_HELD), &file);
        return true;
    }
    if (!video) return error_set(r->err, ERROR_USAGE, "there is nothing to extend");
    if (!read_name(r, "extend_video", video, &file)) return false;
    const struct input_shape shape = shape_of(r, r->task->first, r->task->held_first);
    input_wanted_pictures(add(r, PART_BEFORE), &file, &shape);
    return true;
}

static void take_checkpoint(const struct reading *r)
{
    const Farm__TaskInput *named = find(r, r->task->number, "checkpoint");
    struct digest file;
    if (named && codec_digest_get(&named->sha256, &file))
        input_wanted_file(add(r, PART_RESUME), &file);
}

bool input_list_of_task(struct input_list *out, const json_t *recipe, const struct plan *plan,
                        const struct plan_task *task, Farm__TaskInput *const *inputs, size_t count,
                        struct error *err)
{
    const struct reading r = {out, recipe, plan, task, inputs, count, err};
    out->count = 0;
    if (!take_start(&r) || !take_results(&r) || !take_extended(&r)) return false;
    take_checkpoint(&r);
    return true;
}

#include "coordinator/store_shape.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"

/* ---- plans ---- */

static const struct {
    const char *name;
    size_t offset;
} plan_numbers[] = {
    {"window", offsetof(struct plan, window)},
    {"overlap", offsetof(struct plan, overlap)},
    {"steps", offsetof(struct plan, steps)},
    {"seam_steps", offsetof(struct plan, seam_steps)},
    {"sync_every", offsetof(struct plan, sync_every)},
    {"upscale_steps", offsetof(struct plan, upscale_steps)},
    {"resample_times", offsetof(struct plan, resample_times)},
    {"resample_jump", offsetof(struct plan, resample_jump)},
    {"keeps", offsetof(struct plan, keeps)},
    {"start", offsetof(struct plan, start)},
};
#define PLAN_NUMBERS (sizeof plan_numbers / sizeof plan_numbers[0])
_Static_assert(sizeof(struct plan) == (PLAN_NUMBERS + 3 + PLAN_CUTS_MAX) * sizeof(uint32_t),
               "each number of a plan but method, frames and cut_count has its row here");

static bool is_whole(const struct shape *s)
{
    const struct plan whole = plan_whole(s->frames, s->steps);
    return memcmp(&s->plan, &whole, sizeof whole) == 0;
}

static json_t *pack_plan(const struct plan *p)
{
    json_t *object = json_object();
    json_object_set_new(object, "method",
                        json_string(plan_method_name((enum plan_method)p->method)));
    for (size_t i = 0; i < PLAN_NUMBERS; i++) {
        uint32_t number;
        memcpy(&number, (const char *)p + plan_numbers[i].offset, sizeof number);
        json_object_set_new(object, plan_numbers[i].name, json_integer(number));
    }
    json_t *cuts = json_array();
    for (uint32_t i = 0; i < p->cut_count; i++)
        json_array_append_new(cuts, json_integer(p->cuts[i]));
    json_object_set_new(object, "cuts", cuts);
    return object;
}

static bool take_number(const json_t *value, uint32_t max, uint32_t *out)
{
    const json_int_t number = json_integer_value(value);
    *out = (uint32_t)number;
    return json_is_integer(value) && number >= 0 && number <= max;
}

static bool unpack_cuts(const json_t *list, struct plan *p)
{
    const json_t *cut;
    size_t i;
    if (json_array_size(list) > PLAN_CUTS_MAX) return false;
    json_array_foreach(list, i, cut)
    {
        const uint32_t before = i > 0 ? p->cuts[i - 1] : 0;
        if (!take_number(cut, p->frames - 1, &p->cuts[i]) || p->cuts[i] <= before) return false;
        p->cut_count++;
    }
    return true;
}

static bool unpack_method(const json_t *object, struct plan *p)
{
    const char *name = json_string_value(json_object_get(object, "method"));
    for (uint32_t m = 0; name != NULL && m < PLAN_METHOD_COUNT; m++) {
        if (strcmp(name, plan_method_name((enum plan_method)m)) != 0) continue;
        p->method = m;
        return true;
    }
    return false;
}

/* What the functions of a plan divide by or count down from. */
static bool is_sound(const struct plan *p)
{
    return p->window > 0 && p->window <= p->frames && p->overlap < p->window && p->sync_every > 0 &&
           p->resample_times > 0 && p->resample_jump > 0 && p->start < p->frames &&
           (p->method == PLAN_WHOLE || plan_task_count(p) <= PLAN_TASKS_MAX);
}

static bool unpack_plan(const json_t *object, struct shape *s)
{
    struct plan *p = &s->plan;
    *p = plan_whole(s->frames, s->steps);
    if (object == NULL) return true;
    if (!unpack_method(object, p)) return false;
    for (size_t i = 0; i < PLAN_NUMBERS; i++) {
        const json_t *value = json_object_get(object, plan_numbers[i].name);
        uint32_t number;
        if (value == NULL) continue; /* as before it was there */
        if (!take_number(value, INT32_MAX, &number)) return false;
        memcpy((char *)p + plan_numbers[i].offset, &number, sizeof number);
    }
    return unpack_cuts(json_object_get(object, "cuts"), p) && is_sound(p);
}

/* ---- the second model ---- */

static json_t *pack_second(const struct shape *s)
{
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&s->second_model, digest);
    return json_pack("{s:s, s:s, s:i, s:i, s:i}", "name", s->second_name, "model", digest, "width",
                     (int)s->second_width, "height", (int)s->second_height, "steps",
                     (int)s->second_steps);
}

static bool unpack_second(json_t *object, struct shape *s)
{
    const char *name, *model;
    int width, height, steps;
    if (object == NULL) return true;
    if (json_unpack(object, "{s:s, s:s, s:i, s:i, s:i}", "name", &name, "model", &model, "width",
                    &width, "height", &height, "steps", &steps) != 0 ||
        strlen(name) > LIMIT_NAME_BYTES || !digest_parse(model, &s->second_model))
        return false;
    memcpy(s->second_name, name, strlen(name) + 1);
    s->second_width = (uint32_t)width;
    s->second_height = (uint32_t)height;
    s->second_steps = (uint32_t)steps;
    return true;
}

/* ---- shapes ---- */

/* Left out while nobody knows, as before it was there. */
static void pack_memory(json_t *object, const char *name, uint64_t bytes)
{
    if (bytes > 0 && bytes <= INT64_MAX)
        json_object_set_new(object, name, json_integer((json_int_t)bytes));
}

static uint64_t unpack_memory(const json_t *object, const char *name)
{
    const json_int_t bytes = json_integer_value(json_object_get(object, name));
    return bytes > 0 ? (uint64_t)bytes : 0;
}

static json_t *pack_shape(const struct shape *s)
{
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&s->model, digest);
    json_t *object = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:s}", "name", s->model_name,
                               "model", digest, "width", (int)s->width, "height", (int)s->height,
                               "frames", (int)s->frames, "steps", (int)s->steps, "fps", (int)s->fps,
                               "output", output_kind_name(s->output));
    digest_text(&s->loras, digest);
    if (!digest_is_zero(&s->loras)) json_object_set_new(object, "loras", json_string(digest));
    if (!is_whole(s)) json_object_set_new(object, "plan", pack_plan(&s->plan));
    if (!digest_is_zero(&s->second_model)) json_object_set_new(object, "second", pack_second(s));
    pack_memory(object, "memory_bytes", s->memory_bytes);
    pack_memory(object, "second_memory_bytes", s->second_memory_bytes);
    return object;
}

char *store_shapes_pack(const struct shape *shapes, uint32_t count)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(list, pack_shape(&shapes[i]));
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

static bool unpack_shape(json_t *object, struct shape *out)
{
    const char *name, *model, *loras = NULL;
    const char *output = output_kind_name(OUTPUT_VIDEO); /* as before there were others */
    int width, height, frames, steps, fps;
    memset(out, 0, sizeof *out);
    if (json_unpack(object, "{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s?s, s?s}", "name", &name, "model",
                    &model, "width", &width, "height", &height, "frames", &frames, "steps", &steps,
                    "fps", &fps, "loras", &loras, "output", &output) != 0 ||
        strlen(name) > LIMIT_NAME_BYTES || !digest_parse(model, &out->model) ||
        (loras != NULL && !digest_parse(loras, &out->loras)) ||
        !output_kind_find(output, &out->output))
        return false;
    memcpy(out->model_name, name, strlen(name) + 1);
    out->width = (uint32_t)width;
    out->height = (uint32_t)height;
    out->frames = (uint32_t)frames;
    out->steps = (uint32_t)steps;
    out->fps = (uint32_t)fps;
    out->memory_bytes = unpack_memory(object, "memory_bytes");
    out->second_memory_bytes = unpack_memory(object, "second_memory_bytes");
    return unpack_plan(json_object_get(object, "plan"), out) &&
           unpack_second(json_object_get(object, "second"), out);
}

struct shape *store_shapes_unpack(const char *text, uint32_t *count_out)
{
    json_t *list = json_parse(text, strlen(text), "shapes", NULL);
    size_t count = json_array_size(list);
    struct shape *shapes = NULL;
    if (count > 0 && count <= LIMIT_GROUPS) {
        shapes = xcalloc(count, sizeof *shapes);
        for (size_t i = 0; i < count && shapes != NULL; i++) {
            if (unpack_shape(json_array_get(list, i), &shapes[i])) continue;
            free(shapes);
            shapes = NULL;
        }
    }
    json_decref(list);
    *count_out = (uint32_t)count;
    return shapes;
}

/* What is known of an input: from zoe-media, or from the task that stored it. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "coordinator/inputs.h"
#include "coordinator/shell.h"
#include "coordinator/task_place.h"

/* ---- from zoe-media ---- */

static bool read_sound(struct input_record *r, const json_t *report, struct error *err)
{
    double seconds = 0;
    const json_t *audio = json_object_get(report, "audio");
    if (!json_is_object(audio)) return true;
    if (!json_get_real_or(audio, "seconds", 0, &seconds, "zoe-media", err)) return false;
    r->audio_ms = seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds * 1000 + 0.5) : 0;
    if (r->audio_ms == 0) r->audio_ms = 1; /* there is some */
    return true;
}

/* Pictures may be missing when there is sound. */
static bool read_pictures(struct input_record *r, const json_t *report, struct error *err)
{
    int64_t frames, width, height;
    if (r->audio_ms > 0 && json_object_get(report, "frames") == NULL) return true;
    if (!json_get_int(report, "frames", &frames, "zoe-media", err) ||
        !json_get_int(report, "width", &width, "zoe-media", err) ||
        !json_get_int(report, "height", &height, "zoe-media", err))
        return false;
    r->frames = (uint64_t)frames;
    r->width = (uint32_t)width;
    r->height = (uint32_t)height;
    return true;
}

bool inputs_read_report(struct input_record *r, const json_t *report, struct error *err)
{
    const char *format = "latents";
    if (!read_sound(r, report, err) || !read_pictures(r, report, err)) return false;
    if (r->kind == INPUT_MEDIA && !json_get_text(report, "format", &format, "zoe-media", err))
        return false;
    (void)snprintf(r->format, sizeof(r->format), "%s", format);
    return true;
}

/* ---- from a task ---- */

struct adoption {
    const char *kind; /* of output */
    struct output_record found;
    bool is_found;
};

static void look(void *context, const struct output_record *row)
{
    struct adoption *a = context;
    if (row->index == CHECKPOINT_OUTPUT || strcmp(row->output.kind, a->kind) != 0) return;
    a->found = *row;
    a->is_found = true;
}

/* Of latents the plan knows best. */
static uint32_t frames_of(struct coordinator *c, const struct output_record *row)
{
    struct shape shape;
    struct plan_task task;
    if (strcmp(row->output.kind, "latents") != 0 ||
        !task_place_shape(c, row->task.batch, row->task.clip, &shape, NULL))
        return row->output.frames;
    plan_task(&shape.plan, row->task.task, &task);
    return task.frames;
}

bool inputs_adopt(struct coordinator *c, const struct input_record *wanted,
                  struct input_record *out)
{
    const bool latents = wanted->kind == INPUT_LATENTS;
    struct adoption a = {.kind = latents ? "latents" : "segment"};
    if (!store_each_use(c->store, &wanted->sha256, look, &a, NULL) || !a.is_found ||
        a.found.output.size_bytes != wanted->size_bytes ||
        !artifacts_has(c->artifacts, &wanted->sha256, wanted->size_bytes))
        return false;
    *out = (struct input_record){.sha256 = wanted->sha256,
                                 .size_bytes = wanted->size_bytes,
                                 .kind = wanted->kind,
                                 .frames = frames_of(c, &a.found),
                                 .seen_ms = clock_wall_ms()};
    if (!latents) { /* what a worker says of its latents' sides was not compared */
        out->width = a.found.output.width;
        out->height = a.found.output.height;
    }
    (void)snprintf(out->format, sizeof(out->format), "%s", latents ? "latents" : "Matroska");
    store_input_add(c->store, out);
    shell_stir(c);
    return true;
}

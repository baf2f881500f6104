/* An Assign becomes work for a slot: what the task renders and takes follows from its recipe. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/recipe.h"
#include "base/xalloc.h"
#include "proto/codec.h"
#include "proto/limits.h"
#include "worker/report.h"
#include "worker/worker_parts.h"

#define RESULT_EXTRA_BYTES (UINT64_C(1) << 20)

/* What the recipe says of the task. */
struct reading {
    struct plan plan;
    struct plan_task task;
    struct input_list inputs;
    uint64_t latents_bytes; /* about so many */
    uint64_t result_bytes;  /* at most; 0 = the recipe does not say */
    bool report;            /* what the frames are is kept, not they */
};

/* ---- sizes ---- */

/* Lossless video, with latents. Latents are an eighth of a side with four
 * channels, and history and prediction come with them. */
static void estimate(struct reading *r, const json_t *recipe)
{
    const int64_t width = recipe_int(recipe, "width", 0), height = recipe_int(recipe, "height", 0);
    const uint64_t frames = r->task.frames, made = r->task.made_frames;
    r->report = json_is_true(json_object_get(recipe, "report"));
    if (width < 1 || width > LIMIT_SIDE || height < 1 || height > LIMIT_SIDE ||
        frames > LIMIT_FRAMES)
        return;
    const uint64_t pixels = (uint64_t)width * (uint64_t)height;
    r->latents_bytes = pixels * frames * 3 / 4;
    r->result_bytes = pixels * made * 4 + RESULT_EXTRA_BYTES;
    if (r->task.latents) r->result_bytes += r->latents_bytes;
}

/* What is too large for this disk is refused, and that is remembered; what is so beside other work
 * only fits when that is done. */
static Farm__HandBackReason check_room(const struct worker *w, uint64_t result_bytes)
{
    const struct room empty = {0}, held = worker_held(w);
    uint64_t available;
    if (outbox_has_room(&w->outbox, room_bytes(&held, result_bytes), &available))
        return FARM__HAND_BACK_REASON__HAND_BACK_NONE;
    return available < room_bytes(&empty, result_bytes)
               ? FARM__HAND_BACK_REASON__HAND_BACK_DISK
               : FARM__HAND_BACK_REASON__HAND_BACK_RECALLED;
}

/* ---- reading ---- */

/* The pipe carries the canonical form, which must fit. */
static bool check_length(const json_t *recipe, struct error *err)
{
    char *text = json_canonical(recipe);
    const bool fits = strlen(text) <= LIMIT_RECIPE_BYTES;
    free(text);
    return fits || error_set(err, ERROR_USAGE, "the recipe is too long");
}

static bool read_task(struct reading *r, const json_t *recipe, const Farm__Assign *assign,
                      struct error *err)
{
    const uint32_t number = assign->attempt->task;
    if (!plan_of_recipe(&r->plan, recipe, NULL, err)) return false;
    if (number >= plan_task_count(&r->plan))
        return error_set(err, ERROR_USAGE, "the recipe has no task %u", number);
    plan_task(&r->plan, number, &r->task);
    json_t *stage = plan_stage_recipe(recipe, r->task.stage);
    estimate(r, stage);
    const bool ok = input_list_of_task(&r->inputs, stage, &r->plan, &r->task, assign->inputs,
                                       assign->n_inputs, err);
    json_decref(stage);
    return ok;
}

static bool read_assign(struct reading *r, const Farm__Assign *assign, struct error *err)
{
    json_t *recipe = json_parse(assign->recipe, strlen(assign->recipe), "recipe", err);
    const bool ok = recipe && check_length(recipe, err) && read_task(r, recipe, assign, err);
    json_decref(recipe);
    return ok;
}

/* ---- work ---- */

static void add_model(struct worker *w, struct slot_work *work, enum slot_part_kind kind,
                      const ProtobufCBinaryData *wire)
{
    struct digest digest;
    (void)codec_digest_get(wire, &digest);
    const char *folder = model_cache_find(w->cache, &digest);
    struct slot_part *part = slot_work_add(work, kind, &digest);
    part->path = folder ? xstrdup(folder) : NULL;
}

static void add_input(struct worker *w, struct slot_work *work, const struct input_wanted *wanted)
{
    input_pool_hold(w->inputs, wanted, &work->name);
    struct slot_part *part = slot_work_add(work, wanted->kind, &wanted->key);
    part->path = input_pool_find(w->inputs, &wanted->key);
}

/* What is not part of the video is there for other tasks only. */
static void set_outputs(struct slot_work *work, const struct plan_task *task, bool report)
{
    work->makes[SLOT_FRAMES] = work->own;
    work->makes[SLOT_REPORT] = report && !work->own;
    work->makes[SLOT_SEGMENT] = task->made_frames > 0 && !report && !work->own;
    work->makes[SLOT_LATENTS] = task->latents;
    work->keeps[SLOT_SEGMENT] = !task->published;
    work->keeps[SLOT_LATENTS] = true;
}

static struct slot_work *work_of(struct worker *w, const Farm__Assign *assign,
                                 const struct reading *r)
{
    struct slot_work *work = xcalloc(1, sizeof *work);
    work->name = attempt_name_read(assign->attempt);
    work->canary = assign->canary;
    work->own = assign->canary && assign->own;
    work->recipe = xstrdup(assign->recipe);
    work->recipe_digest = digest_of(assign->recipe, strlen(assign->recipe));
    work->limit_ns = (int64_t)assign->limit_ms * NS_PER_MS;
    work->around_limit_ns = (int64_t)assign->around_limit_ms * NS_PER_MS;
    work->checkpoint_bytes = r->latents_bytes;
    work->result_bytes = r->result_bytes;
    set_outputs(work, &r->task, r->report);
    add_model(w, work, PART_MODEL, &assign->model_digest);
    for (size_t i = 0; i < assign->n_loras; i++)
        add_model(w, work, PART_LORA, &assign->loras[i]);
    for (size_t i = 0; i < r->inputs.count; i++)
        add_input(w, work, &r->inputs.items[i]);
    return work;
}

/* The recipe cannot be, or the coordinator forgot something: then another Assign may be right. */
static void refuse(struct worker *w, const struct attempt_name *name, const struct error *err)
{
    if (err->code == ERROR_STATE)
        report_handed_back(name, FARM__HAND_BACK_REASON__HAND_BACK_RECALLED, err->message,
                           worker_report, w);
    else
        report_ended(name, FARM__END_KIND__END_RECIPE, err->message, NULL, 0, worker_report, w);
}

void worker_assign(struct worker *w, const Farm__Assign *assign)
{
    struct error err = {0};
    struct reading reading = {.latents_bytes = 0};
    const struct attempt_name name = attempt_name_read(assign->attempt);
    struct outbox_entry *finished = outbox_find(&w->outbox, &name);
    struct slot *slot = assign->slot < w->slot_count ? w->slots[assign->slot] : NULL;
    if (finished) {
        upload_offer(w->upload, finished);
    } else if (!slot) {
        report_handed_back(&name, FARM__HAND_BACK_REASON__HAND_BACK_UNKNOWN,
                           "there is no such slot", worker_report, w);
    } else if (w->closing || !read_assign(&reading, assign, &err)) {
        refuse(w, &name, &err);
    } else {
        slot_assign(slot, work_of(w, assign, &reading), check_room(w, reading.result_bytes));
    }
}

#include "coordinator/assign_inputs.h"

#include <stdlib.h>
#include <string.h>

#include "base/log_pace.h"
#include "base/xalloc.h"
#include "coordinator/input_doubts.h"
#include "coordinator/inputs.h"
#include "coordinator/returns.h"
#include "coordinator/shell.h"

static const char *const kinds[] = {[PLAN_SEGMENT] = "segment", [PLAN_LATENTS] = "latents"};

struct search { /* among a task's outputs */
    const char *kind;
    struct output_record found;
    bool is_found;
};

static void look(void *context, const struct output_record *row)
{
    struct search *s = context;
    const bool is_checkpoint = strcmp(s->kind, "checkpoint") == 0;
    if (strcmp(row->output.kind, s->kind) != 0) return;
    if (is_checkpoint != (row->index == CHECKPOINT_OUTPUT)) return;
    s->found = *row;
    s->found.fingerprint = "";
    s->is_found = true;
}

static void note(struct coordinator *c, const struct missing_input *item)
{
    struct missing_inputs *list = &c->missing;
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 8 : 2 * list->capacity;
        list->items = xrealloc_array(list->items, list->capacity, sizeof(*list->items));
    }
    list->items[list->count++] = *item;
    shell_stir(c);
}

static void note_missing(struct coordinator *c, const struct effect_message *message,
                         const struct task_key *maker, bool checkpoint)
{
    note(c, &(struct missing_input){.session = message->session,
                                    .attempt = message->attempt,
                                    .maker = *maker,
                                    .checkpoint = checkpoint});
}

static void note_unmade(struct coordinator *c, const struct effect_message *message, uint64_t lacks,
                        const char *why)
{
    note(c, &(struct missing_input){.session = message->session,
                                    .attempt = message->attempt,
                                    .lacks = lacks,
                                    .why = xstrdup(why)});
}

void assign_inputs_note_unmade(struct coordinator *c, const struct effect_message *message,
                               const char *why)
{
    note_unmade(c, message, RETURNS_PROMPT, why);
}

static void add(struct reply *memory, Farm__Assign *m, const struct output_record *row)
{
    Farm__TaskInput *input = reply_alloc(memory, 1, sizeof(*input));
    *input = (Farm__TaskInput)FARM__TASK_INPUT__INIT;
    input->task = row->task.task;
    input->kind = reply_copy(memory, row->output.kind);
    input->sha256 = reply_digest(memory, &row->output.sha256);
    input->size_bytes = row->output.size_bytes;
    if (row->index == CHECKPOINT_OUTPUT) input->step = row->output.frames;
    m->inputs[m->n_inputs++] = input;
}

/* False without err: it is missing, and noted. */
static bool take(struct coordinator *c, const struct effect_message *message, uint32_t maker,
                 const char *kind, struct reply *memory, Farm__Assign *m, struct error *err)
{
    struct search s = {.kind = kind};
    struct task_key key = message->attempt.task;
    key.task = maker;
    if (!store_each_output(c->store, &key, look, &s, err)) return false;
    if (s.is_found &&
        artifacts_has(c->artifacts, &s.found.output.sha256, s.found.output.size_bytes)) {
        add(memory, m, &s.found);
        return true;
    }
    note_missing(c, message, &key, strcmp(kind, "checkpoint") == 0);
    return error_set(err, ERROR_NOT_FOUND, "the %s of task %u is missing", kind, maker);
}

/* What begins a clip needs them; that a later task lacks one shows where it is needed. */
static bool has_files(struct coordinator *c, const struct effect_message *message,
                      const struct task_place *place, struct error *err)
{
    struct input_record input;
    char hex[DIGEST_TEXT_SIZE];
    for (uint32_t i = 0; i < place->recipe.file_count && place->task.stage == 0; i++) {
        if (inputs_find(c, &place->recipe.files[i], &input)) continue;
        digest_text(&place->recipe.files[i], hex);
        error_set(err, ERROR_NOT_FOUND,
                  "the file sha256:%.12s... that it starts from is lost or damaged: submit the "
                  "same files again",
                  hex);
        note_unmade(c, message, returns_file(&place->recipe.files[i]), err->message);
        return false;
    }
    return true;
}

bool assign_inputs_fill(struct coordinator *c, const struct effect_message *message,
                        const struct task_place *place, struct reply *memory, Farm__Assign *m,
                        struct error *err)
{
    const struct plan_task *task = &place->task;
    bool ok = true;
    if (!has_files(c, message, place, err)) return false;
    m->inputs = reply_alloc(memory, LIMIT_TASK_INPUTS, sizeof(*m->inputs));
    for (uint32_t i = 0; i < task->input_count;
         i++) /* all of them: each that is missing is noted */
        ok =
            take(c, message, task->inputs[i].task, kinds[task->inputs[i].output], memory, m, err) &&
            ok;
    if (message->resume) ok = take(c, message, task->number, "checkpoint", memory, m, err) && ok;
    return ok;
}

void assign_inputs_report(struct coordinator *c)
{
    struct missing_inputs *list = &c->missing;
    for (size_t i = 0; i < list->count; i++) {
        const struct missing_input *missing = &list->items[i];
        const char *why = missing->why;
        if (missing->lacks == RETURNS_NOTHING) {
            farm_output_missing(c->farm, &missing->maker, missing->checkpoint, shell_now(c));
            why = "something that it goes on from is missing";
        }
        farm_not_sent(c->farm, missing->session, &missing->attempt, missing->lacks, why,
                      shell_now(c));
        free(missing->why);
    }
    list->count = 0;
}

/* ---- damaged ---- */

static bool is_sound(struct coordinator *c, const struct output_record *row)
{
    struct digest seen;
    char *path = artifacts_path(c->artifacts, &row->output.sha256);
    const bool sound = path != NULL && digest_of_file(path, &seen, NULL, NULL) &&
                       digest_equal(&seen, &row->output.sha256);
    free(path);
    return sound;
}

static void check_input(struct coordinator *c, const struct task_key *maker, const char *kind)
{
    struct error err = {0};
    struct search s = {.kind = kind};
    if (!store_each_output(c->store, maker, look, &s, &err)) {
        log_error("%s", err.message);
        return;
    }
    if (!s.is_found || is_sound(c, &s.found)) return;
    log_paced(&c->paces.damaged, shell_now(c), LOG_WARN,
              "the stored %s of %s/%u.%u is damaged: it is made again", kind, maker->batch,
              maker->clip, maker->task);
    farm_output_missing(c->farm, maker, false, shell_now(c));
}

/* Small files, on the loop's thread: it is rare that a worker cannot have one. */
void assign_inputs_check(struct coordinator *c, const struct task_key *task)
{
    struct task_place place;
    struct error err = {0};
    if (task_place_find(&place, c, task, &err)) {
        for (uint32_t i = 0; i < place.task.input_count; i++) {
            struct task_key maker = *task;
            maker.task = place.task.inputs[i].task;
            check_input(c, &maker, kinds[place.task.inputs[i].output]);
        }
        input_doubts_look(c, place.recipe.files, place.recipe.file_count);
    }
    task_place_finish(&place);
}

void assign_inputs_finish(struct missing_inputs *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].why);
    free(list->items);
    *list = (struct missing_inputs){.items = NULL};
}

#include "coordinator/clip_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "coordinator/shell.h"

struct filling {
    struct clip_parts *parts;
    struct coordinator *c;
    uint32_t tasks;
    int64_t steps;   /* that all tasks need */
    uint32_t *place; /* task -> index in parts + 1; 0: it makes no part of the video */
};

static int by_first(const void *a, const void *b)
{
    const struct clip_part *x = a, *y = b;
    return x->task.made_first < y->task.made_first   ? -1
           : x->task.made_first > y->task.made_first ? 1
                                                     : 0;
}

static void list_parts(struct filling *f, const struct plan *plan)
{
    struct clip_parts *p = f->parts;
    p->items = xcalloc(f->tasks, sizeof(*p->items));
    for (uint32_t i = 0; i < f->tasks; i++) {
        struct plan_task task;
        plan_task(plan, i, &task);
        f->steps += task.step_end - task.step_first;
        if (task.published && task.made_frames > 0) p->items[p->count++].task = task;
    }
    qsort(p->items, p->count, sizeof(*p->items), by_first);
    for (uint32_t i = 0; i < p->count; i++)
        f->place[p->items[i].task.number] = i + 1;
}

static struct clip_part *part_of(const struct filling *f, uint32_t task)
{
    const uint32_t place = task < f->tasks ? f->place[task] : 0;
    return place > 0 ? &f->parts->items[place - 1] : NULL;
}

static void take_output(void *context, const struct output_record *row)
{
    struct filling *f = context;
    struct clip_part *part = part_of(f, row->task.task);
    if (part == NULL || strcmp(row->output.kind, "segment") != 0) return;
    part->output = row->output;
    part->stored = artifacts_has(f->c->artifacts, &row->output.sha256, row->output.size_bytes);
    if (f->parts->fingerprint == NULL) f->parts->fingerprint = xstrdup(row->fingerprint);
}

static void replace(char **text, const char *with)
{
    free(*text);
    *text = xstrdup(with);
}

static void take_attempt(void *context, const struct store_attempt *a)
{
    struct filling *f = context;
    struct clip_parts *p = f->parts;
    struct clip_part *part = part_of(f, a->task);
    p->attempts++;
    p->steps_computed += a->steps_computed;
    p->steps_wasted += a->steps_wasted;
    if (part != NULL) part->attempts++;
    if (a->end != END_DONE) return;
    if (part != NULL) replace(&part->worker, a->worker);
    if (p->started_ms == 0 || a->begun_ms < p->started_ms) p->started_ms = a->begun_ms;
    if (a->ended_ms < p->rendered_ms) return;
    p->rendered_ms = a->ended_ms;
    replace(&p->worker, a->worker);
}

/* A checkpoint whose steps were needed no more was nobody's waste when its attempt ended. */
static void add_dropped(const struct filling *f)
{
    struct clip_parts *p = f->parts;
    int64_t beyond = p->steps_computed - f->steps;
    if (p->steps_wasted < beyond) p->steps_wasted = beyond;
}

static void list_missing(struct clip_parts *p)
{
    p->missing = xcalloc(p->count + 1, sizeof(*p->missing));
    for (uint32_t i = 0; i < p->count; i++)
        if (!p->items[i].stored) p->missing[p->missing_count++] = p->items[i].task.number;
}

bool clip_parts_fill(struct clip_parts *p, struct coordinator *c, const struct task_key *clip,
                     const struct plan *plan, struct error *err)
{
    struct filling f = {.parts = p, .c = c, .tasks = plan_task_count(plan)};
    memset(p, 0, sizeof(*p));
    f.place = xcalloc(f.tasks, sizeof(*f.place));
    list_parts(&f, plan);
    const bool ok =
        store_each_clip_output(c->store, clip->batch, clip->clip, take_output, &f, err) &&
        store_each_clip_attempt(c->store, clip->batch, clip->clip, take_attempt, &f, err);
    add_dropped(&f);
    list_missing(p);
    free(f.place);
    return ok;
}

void clip_parts_finish(struct clip_parts *p)
{
    for (uint32_t i = 0; i < p->count; i++)
        free(p->items[i].worker);
    free(p->items);
    free(p->missing);
    free(p->fingerprint);
    free(p->worker);
    memset(p, 0, sizeof(*p));
}

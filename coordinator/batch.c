#include "coordinator/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "coordinator/returns.h"
#include "coordinator/work.h"

#define SEQUENCE_BITS 48

struct batch *batch_find(const struct farm *f, const char *id)
{
    return table_get_text(&f->batches, id);
}

/* ---- making ---- */

static bool check_runs(const struct batch_spec *spec, struct error *err)
{
    if (spec->run_count == 0 || spec->runs[0].first_clip != 0)
        return error_set(err, ERROR_INVALID, "batch %s: its clips belong to no group", spec->id);
    for (uint32_t i = 0; i < spec->run_count; i++) {
        const struct clip_run *run = &spec->runs[i];
        bool ascending = i == 0 || run->first_clip > spec->runs[i - 1].first_clip;
        if (!ascending || run->first_clip >= spec->clips || run->group >= spec->groups)
            return error_set(err, ERROR_INVALID, "batch %s: bad range of clips %u", spec->id, i);
    }
    return true;
}

static bool check_spec(const struct farm *f, const struct batch_spec *spec, struct error *err)
{
    if (!id_is_batch(spec->id)) return error_set(err, ERROR_INVALID, "not a batch id");
    if (batch_find(f, spec->id) != NULL)
        return error_set(err, ERROR_STATE, "batch %s exists already", spec->id);
    if (spec->clips == 0 || spec->clips > LIMIT_SUBMIT_CLIPS)
        return error_set(err, ERROR_REFUSED, "a batch has 1 to %d clips", LIMIT_SUBMIT_CLIPS);
    if (spec->groups == 0 || spec->groups > LIMIT_GROUPS)
        return error_set(err, ERROR_REFUSED, "a batch has 1 to %d groups", LIMIT_GROUPS);
    if (spec->priority < -BATCH_PRIORITY_MAX || spec->priority > BATCH_PRIORITY_MAX)
        return error_set(err, ERROR_REFUSED, "priority is -%d to %d", BATCH_PRIORITY_MAX,
                         BATCH_PRIORITY_MAX);
    if (spec->sequence == 0 || spec->sequence >> SEQUENCE_BITS != 0)
        return error_set(err, ERROR_INVALID, "batch %s: bad place in submit order", spec->id);
    return check_runs(spec, err);
}

/* The number of the plan's first task of stage 1: tasks stand in the order of their stages. */
static uint32_t first_stage_tasks(const struct plan *plan, uint32_t tasks)
{
    uint32_t low = 0, high = tasks;
    if (plan_stages(plan) == 1) return tasks;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct plan_task task;
        plan_task(plan, middle, &task);
        if (task.stage == 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void plan_group(struct farm *f, struct group *g, const struct shape *shape)
{
    g->shape = *shape;
    if (shape->plan.frames == 0) g->shape.plan = plan_whole(shape->frames, shape->steps);
    const struct plan *plan = &g->shape.plan;
    g->tasks = plan_task_count(plan);
    g->stages = plan_stages(plan);
    uint32_t first = first_stage_tasks(plan, g->tasks);
    for (uint32_t i = 0; i < g->stages; i++) {
        struct stand *s = &g->stands[i];
        s->group = g;
        s->lane = lane_of(f, &g->shape, i);
        s->each = i == 0 ? first : g->tasks - first;
        heap_node_init(&s->ready, s);
        chain_init(&s->tasks);
    }
}

static void make_groups(struct farm *f, struct batch *b, const struct batch_spec *spec)
{
    b->group_count = spec->groups;
    b->groups = xcalloc(spec->groups, sizeof(b->groups[0]));
    b->group_counts = xcalloc(spec->groups, sizeof(b->group_counts[0]));
    for (uint32_t i = 0; i < spec->groups; i++) {
        struct group *g = &b->groups[i];
        g->batch = b;
        plan_group(f, g, &spec->shapes[i]);
        g->first_run = spec->run_count;
    }
}

/* From the last to the first, so that each run knows the next one of its group. */
static void make_runs(struct batch *b, const struct batch_spec *spec)
{
    b->run_count = spec->run_count;
    b->runs = xcalloc(spec->run_count, sizeof(b->runs[0]));
    uint32_t end = spec->clips;
    for (uint32_t i = spec->run_count; i-- > 0;) {
        const struct clip_run *run = &spec->runs[i];
        struct group *g = &b->groups[run->group];
        b->runs[i] = (struct run){run->first_clip, run->group, g->first_run};
        g->first_run = i;
        g->counts.by_state[CLIP_WAITING] += end - run->first_clip;
        end = run->first_clip;
    }
}

static void make_pages(struct batch *b)
{
    b->page_count = (b->clips + CLIPS_PER_PAGE - 1) / CLIPS_PER_PAGE;
    b->pages = xcalloc(b->page_count, sizeof(b->pages[0]));
    for (uint32_t i = 0; i < b->page_count; i++)
        b->pages[i].waiting = CLIPS_PER_PAGE;
    uint32_t rest = b->clips % CLIPS_PER_PAGE;
    if (rest != 0) b->pages[b->page_count - 1].waiting = (uint16_t)rest;
}

/* Submit order is nearly always the order of arrival: the new one goes last. */
static void list_in_order(struct farm *f, struct batch *b)
{
    if (f->batches.count == f->order_capacity) {
        f->order_capacity = f->order_capacity > 0 ? f->order_capacity * 2 : 16;
        f->order = xrealloc_array(f->order, f->order_capacity, sizeof(struct batch *));
    }
    size_t at = f->batches.count;
    for (; at > 0 && f->order[at - 1]->sequence > b->sequence; at--)
        f->order[at] = f->order[at - 1];
    f->order[at] = b;
    (void)table_set_text(&f->batches, b->id, b);
}

struct batch *batch_new(struct farm *f, const struct batch_spec *spec, struct error *err)
{
    if (!check_spec(f, spec, err)) return NULL;
    struct batch *b = xcalloc(1, sizeof(*b));
    memcpy(b->id, spec->id, sizeof(b->id));
    b->name = xstrdup(spec->name != NULL ? spec->name : "");
    b->owner = xstrdup(spec->owner != NULL ? spec->owner : "");
    b->of_owner = lane_owner(f, b->owner);
    b->priority = spec->priority;
    b->key = (uint32_t)spec->sequence;
    b->sequence = spec->sequence;
    b->created_ms = spec->created_ms;
    b->prompts = spec->prompts;
    b->clips = spec->clips;
    make_groups(f, b, spec);
    make_runs(b, spec);
    make_pages(b);
    batch_rewind(b);
    returns_init(b);
    b->counts.by_state[CLIP_WAITING] = b->clips;
    f->counts.by_state[CLIP_WAITING] += b->clips;
    f->batches_unfinished++;
    list_in_order(f, b);
    return b;
}

static size_t place_in_order(const struct farm *f, const struct batch *b)
{
    size_t low = 0, high = f->batches.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->order[middle]->sequence < b->sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void forget(struct farm *f, struct batch *b)
{
    size_t at = place_in_order(f, b);
    size_t after = f->batches.count - at - 1;
    memmove(&f->order[at], &f->order[at + 1], after * sizeof(struct batch *));
    (void)table_remove_text(&f->batches, b->id);
    for (int s = 0; s < CLIP_STATE_COUNT; s++)
        f->counts.by_state[s] -= b->counts.by_state[s];
    f->counts.suspect -= b->counts.suspect;
    if (!batch_state_is_terminal(b->state)) f->batches_unfinished--;
}

static void leave_lanes(struct group *g)
{
    for (uint32_t i = 0; i < g->stages; i++)
        lane_take(&g->stands[i]);
}

void batch_free(struct farm *f, struct batch *b)
{
    forget(f, b);
    returns_finish(f, b);
    struct work *w = NULL;
    for (size_t i = 0; (w = table_next(&b->works, &i, NULL, NULL)) != NULL;)
        work_free(f, w);
    for (uint32_t i = 0; i < b->group_count; i++)
        leave_lanes(&b->groups[i]);
    for (uint32_t i = 0; i < b->page_count; i++)
        free(b->pages[i].states);
    table_finish(&b->works);
    table_finish(&b->tasks);
    free(b->pages);
    free(b->runs);
    free(b->groups);
    free(b->group_counts);
    free(b->name);
    free(b->owner);
    free(b);
}

/* ---- state and counters ---- */

void batch_dirty(struct farm *f, struct batch *b)
{
    if (b->dirty_turn == f->effects.turn) return;
    b->dirty_turn = f->effects.turn;
    memcpy(effects_add(&f->effects, EFFECT_SAVE_BATCH)->batch, b->id, sizeof(b->id));
}

static enum batch_state state_of(const struct batch *b)
{
    const uint64_t *counts = b->counts.by_state;
    if (b->state == BATCH_CANCELED) return BATCH_CANCELED;
    if (counts[CLIP_PUBLISHED] == b->clips) return BATCH_DONE;
    if (counts[CLIP_PUBLISHED] + counts[CLIP_FAILED] == b->clips) return BATCH_FAILED;
    if (b->paused) return BATCH_PAUSED;
    return b->started ? BATCH_RUNNING : BATCH_QUEUED;
}

static void tell_end(struct farm *f, struct batch *b)
{
    char text[96];
    const uint64_t *counts = b->counts.by_state;
    (void)snprintf(text, sizeof(text), "%llu published, %llu failed",
                   (unsigned long long)counts[CLIP_PUBLISHED],
                   (unsigned long long)counts[CLIP_FAILED]);
    farm_event(f, b->state == BATCH_DONE ? "batch.done" : "batch.failed", b->id, -1, NULL, text);
}

void batch_settle(struct farm *f, struct batch *b)
{
    enum batch_state state = state_of(b);
    if (state == b->state) return;
    bool was_over = batch_state_is_terminal(b->state);
    bool is_over = batch_state_is_terminal(state);
    b->state = state;
    if (!was_over && is_over) f->batches_unfinished--;
    if (was_over && !is_over) f->batches_unfinished++;
    b->finished_ms = is_over ? f->wall_ms : 0;
    if (is_over) tell_end(f, b);
    batch_dirty(f, b);
    batch_refresh(f, b);
}

void batch_cancel_waiting(struct farm *f, struct batch *b)
{
    if (!batch_state_is_terminal(b->state)) f->batches_unfinished--;
    b->state = BATCH_CANCELED;
    b->finished_ms = f->wall_ms;
    for (uint32_t i = 0; i < b->group_count; i++) {
        struct group *g = &b->groups[i];
        batch_count(f, g, CLIP_WAITING, CLIP_CANCELED, g->counts.by_state[CLIP_WAITING]);
    }
    batch_dirty(f, b);
    batch_refresh(f, b);
}

static void move(struct clip_counts *counts, enum clip_state from, enum clip_state to,
                 uint64_t count)
{
    ZOE_ASSERT(counts->by_state[from] >= count);
    counts->by_state[from] -= count;
    counts->by_state[to] += count;
}

void batch_count(struct farm *f, struct group *g, enum clip_state from, enum clip_state to,
                 uint64_t count)
{
    move(&g->counts, from, to, count);
    move(&g->batch->counts, from, to, count);
    move(&f->counts, from, to, count);
    batch_dirty(f, g->batch);
}

/* ---- what can be picked ---- */

bool batch_is_open(const struct batch *b)
{
    return b->state == BATCH_QUEUED || b->state == BATCH_RUNNING;
}

bool batch_gives_fresh(const struct stand *s)
{
    return s == &s->group->stands[0] && s->group->counts.by_state[CLIP_WAITING] > 0 &&
           !returns_hold(s->group->batch);
}

static bool has_work(const struct stand *s)
{
    return !chain_is_empty(&s->tasks) || batch_gives_fresh(s);
}

static void refresh_stand(struct farm *f, struct stand *s)
{
    if (!has_work(s) || !batch_is_open(s->group->batch)) {
        lane_take(s);
        return;
    }
    if (lane_put(f, s)) f->dispatch_wanted = true;
}

void batch_refresh_group(struct farm *f, struct group *g)
{
    for (uint32_t i = 0; i < g->stages; i++)
        refresh_stand(f, &g->stands[i]);
}

void batch_refresh(struct farm *f, struct batch *b)
{
    for (uint32_t i = 0; i < b->group_count; i++)
        batch_refresh_group(f, &b->groups[i]);
    f->dispatch_wanted = true; /* clips may wait anew */
}

void batch_set_priority(struct farm *f, struct batch *b, int32_t priority)
{
    for (uint32_t i = 0; i < b->group_count; i++)
        leave_lanes(&b->groups[i]);
    b->priority = priority;
    batch_refresh(f, b);
}

/* ---- fair share (S2) ---- */

void batch_pay(struct batch *b, int64_t duration_ns, int64_t now_ns)
{
    struct owner *owner = b->of_owner;
    usage_pay(&b->usage, duration_ns, now_ns);
    usage_pay(&owner->usage, duration_ns, now_ns);
    b->key = share_key(&b->usage, SHARE_DEFAULT, now_ns, (uint32_t)b->sequence);
    owner->key = share_key(&owner->usage, owner->share, now_ns, owner->number);
}

void batch_give_back(struct batch *b, int64_t duration_ns)
{
    usage_give_back(&b->usage, duration_ns);
    usage_give_back(&b->of_owner->usage, duration_ns);
}

void batch_rewind(struct batch *b)
{
    for (uint32_t i = 0; i < b->group_count; i++) {
        struct group *g = &b->groups[i];
        g->cursor_run = g->first_run;
        g->cursor_clip = g->first_run < b->run_count ? b->runs[g->first_run].first : b->clips;
    }
}

/* Batches: listed, shown, acted upon. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "coordinator/client_requests.h"
#include "coordinator/quota.h"
#include "coordinator/scope.h"
#include "coordinator/shell.h"

#define PAGE_DEFAULT 50

Farm__Counts *client_requests_counts(struct reply *r, const struct clip_counts *counts)
{
    const uint64_t *n = counts->by_state;
    Farm__Counts *m = reply_alloc(r, 1, sizeof(*m));
    *m = (Farm__Counts)FARM__COUNTS__INIT;
    for (int i = 0; i < CLIP_STATE_COUNT; i++)
        m->total += n[i];
    m->waiting = n[CLIP_WAITING] + n[CLIP_RETRY];
    m->running = n[CLIP_LEASED];
    m->publishing = n[CLIP_STITCHING] + n[CLIP_PUBLISHING];
    m->published = n[CLIP_PUBLISHED];
    m->failed = n[CLIP_FAILED];
    m->canceled = n[CLIP_CANCELED];
    m->suspect = counts->suspect;
    return m;
}

Farm__Running **client_requests_running(struct reply *r, const struct running_info *list,
                                        uint32_t count)
{
    Farm__Running **out = reply_alloc(r, count + 1, sizeof(*out));
    for (uint32_t i = 0; i < count; i++) {
        const struct running_info *in = &list[i];
        Farm__Attempt *a = reply_alloc(r, 1, sizeof(*a));
        Farm__Running *m = reply_alloc(r, 1, sizeof(*m));
        *a = (Farm__Attempt)FARM__ATTEMPT__INIT;
        *m = (Farm__Running)FARM__RUNNING__INIT;
        a->batch = reply_name(r, in->attempt.task.batch, ID_BATCH_LENGTH);
        a->clip = in->attempt.task.clip;
        a->task = in->attempt.task.task;
        a->fence = in->attempt.fence;
        m->attempt = a;
        m->worker = reply_name(r, in->worker, LIMIT_NAME_BYTES);
        m->phase = (Farm__Phase)in->phase;
        m->step = in->step;
        m->steps = in->steps;
        m->age_ms = in->age_ns > 0 ? (uint64_t)(in->age_ns / NS_PER_MS) : 0;
        out[i] = m;
    }
    return out;
}

bool client_requests_find(struct dispatch *d, const char *text, struct batch_info *out)
{
    struct error err = {0};
    if (scope_find(d, text, out, &err)) {
        (void)snprintf(d->subject, sizeof(d->subject), "%s", out->id);
        return true;
    }
    dispatch_problem(d, &err);
    return false;
}

/* ---- one batch
 * ------------------------------------------------------------------------------------ */

static uint64_t wall(int64_t ms)
{
    return ms > 0 ? (uint64_t)ms : 0;
}

static void fill_batch(struct coordinator *c, struct reply *r, const struct batch_info *info,
                       Farm__Batch *m)
{
    const struct catalog_entry *entry = catalog_find(&c->catalog, info->id);
    *m = (Farm__Batch)FARM__BATCH__INIT;
    m->id = reply_name(r, info->id, ID_BATCH_LENGTH);
    m->name = reply_name(r, info->name, LIMIT_NAME_BYTES);
    m->owner = reply_name(r, info->owner, LIMIT_NAME_BYTES);
    m->state = reply_name(r, batch_state_name(info->state), LIMIT_BACKEND_BYTES);
    m->priority = info->priority;
    m->created_ms = wall(info->created_ms);
    m->finished_ms = wall(info->finished_ms);
    m->prompts = info->prompts;
    m->clips = client_requests_counts(r, &info->counts);
    m->attempts = info->attempts;
    m->steps_computed = info->steps_computed;
    m->steps_wasted = info->steps_wasted;
    m->eta_ms = info->eta_ns > 0 ? (uint64_t)(info->eta_ns / NS_PER_MS) : 0;
    m->goes_ms = wall(retention_goes_ms(c, info));
    if (entry == NULL) return;
    char *path = xasprintf("%s/%s", c->renders, entry->folder);
    m->folder = reply_name(r, entry->folder, LIMIT_NAME_BYTES);
    m->key = reply_name(r, entry->key, LIMIT_KEY_BYTES);
    m->path = reply_text(r, path, LIMIT_FOLDER_BYTES);
    free(path);
}

static void fill_groups(struct coordinator *c, struct reply *r, Farm__Batch *m, uint32_t count)
{
    struct group_info info;
    m->groups = reply_alloc(r, count + 1, sizeof(*m->groups));
    for (uint32_t i = 0; i < count && farm_group_info(c->farm, m->id, i, &info); i++) {
        Farm__Group *g = reply_alloc(r, 1, sizeof(*g));
        *g = (Farm__Group)FARM__GROUP__INIT;
        g->model = reply_name(r, info.shape.model_name, LIMIT_NAME_BYTES);
        g->width = info.shape.width;
        g->height = info.shape.height;
        g->frames = info.shape.frames;
        g->steps = info.shape.steps;
        g->fps = info.shape.fps;
        g->clips = client_requests_counts(r, &info.counts);
        g->tasks = plan_task_count(&info.shape.plan);
        if (g->tasks > 1)
            g->method = reply_name(r, plan_method_name((enum plan_method)info.shape.plan.method),
                                   LIMIT_BACKEND_BYTES);
        m->groups[m->n_groups++] = g;
    }
}

static void fill_reasons(struct coordinator *c, struct reply *r, Farm__Batch *m, int64_t now_ns)
{
    struct reason_info list[REASONS_MAX];
    uint32_t count = farm_batch_reasons(c->farm, m->id, now_ns, list);
    m->reasons = reply_alloc(r, count + 1, sizeof(*m->reasons));
    for (uint32_t i = 0; i < count; i++) {
        Farm__Reason *reason = reply_alloc(r, 1, sizeof(*reason));
        *reason = (Farm__Reason)FARM__REASON__INIT;
        reason->code = reply_name(r, list[i].code, 64);
        reason->count = list[i].count;
        reason->message = reply_text(r, list[i].message, LIMIT_TEXT_BYTES);
        m->reasons[m->n_reasons++] = reason;
    }
}

static void answer_batch(struct dispatch *d, const char *id)
{
    struct coordinator *c = d->c;
    struct batch_info info;
    struct reply r;
    Farm__Batch m;
    struct running_info running[LIMIT_RUNNING];
    if (!farm_batch_info(c->farm, id, &info)) return;
    reply_init(&r);
    fill_batch(c, &r, &info, &m);
    fill_groups(c, &r, &m, info.groups);
    fill_reasons(c, &r, &m, d->now_ns);
    uint32_t count = farm_batch_running(c->farm, m.id, d->now_ns, running, LIMIT_RUNNING);
    m.running = client_requests_running(&r, running, count);
    m.n_running = count;
    dispatch_reply(d, FARM__ENVELOPE__BODY_BATCH, &m.base);
    reply_finish(&r);
}

void client_requests_batch(struct dispatch *d)
{
    struct batch_info info;
    char id[ID_BATCH_SIZE];
    if (!client_requests_find(d, d->envelope->batch_wanted->batch, &info)) return;
    memcpy(id, info.id, sizeof(id));
    answer_batch(d, id);
}

/* ---- lists
 * ------------------------------------------------------------------------------------------ */

/* Submit order position just after the first one to show; newest first. */
static bool first_index(struct dispatch *d, const char *before, uint64_t *out)
{
    struct farm_totals totals;
    struct error err = {0};
    farm_totals(d->c->farm, &totals);
    *out = totals.batches;
    struct batch_info info;
    if (before[0] == '\0') return true;
    if (farm_batch_info(d->c->farm, before, &info) && scope_sees_batch(d, before, info.owner) &&
        farm_batch_index(d->c->farm, before, out))
        return true;
    error_set(&err, ERROR_NOT_FOUND, "there is no batch %s", before);
    dispatch_problem(d, &err);
    return false;
}

static bool check_state(struct dispatch *d, const char *state)
{
    struct error err = {0};
    if (state[0] == '\0') return true;
    for (int i = 0; i < BATCH_STATE_COUNT; i++) {
        if (strcmp(state, batch_state_name((enum batch_state)i)) == 0) return true;
    }
    error_set(&err, ERROR_INVALID,
              "no batch is ever %s: queued, running, paused, done, failed or canceled", state);
    dispatch_problem(d, &err);
    return false;
}

void client_requests_batches(struct dispatch *d)
{
    const Farm__BatchesWanted *asked = d->envelope->batches_wanted;
    uint32_t limit = asked->limit == 0 ? PAGE_DEFAULT : asked->limit;
    struct batch_info info;
    struct reply r;
    uint64_t index = 0;
    Farm__Batches m = FARM__BATCHES__INIT;
    if (!check_state(d, asked->state) || !first_index(d, asked->before, &index)) return;
    reply_init(&r);
    m.batches = reply_alloc(&r, limit, sizeof(*m.batches));
    while (index > 0 && farm_batch_at(d->c->farm, index - 1, &info)) {
        index--;
        if (!scope_sees(d, info.owner)) continue;
        if (asked->state[0] != '\0' && strcmp(asked->state, batch_state_name(info.state)) != 0) {
            continue;
        }
        if (m.n_batches == limit || r.size_bytes > CLIENT_PAGE_BYTES / 2) {
            m.truncated = true;
            break;
        }
        Farm__Batch *batch = reply_alloc(&r, 1, sizeof(*batch));
        fill_batch(d->c, &r, &info, batch);
        m.batches[m.n_batches++] = batch;
    }
    dispatch_reply(d, FARM__ENVELOPE__BODY_BATCHES, &m.base);
    reply_finish(&r);
}

/* ---- actions
 * ------------------------------------------------------------------------------------------ */

static bool prioritize(struct dispatch *d, const char *id, int32_t priority, struct error *err)
{
    struct batch_info info = {.priority = 0};
    (void)farm_batch_info(d->c->farm, id, &info);
    return (scope_sees_all(d) || quota_allows_priority(priority, info.priority, err)) &&
           farm_batch_priority(d->c->farm, id, priority, err);
}

static bool steer(struct dispatch *d, const char *id, const Farm__BatchAction *m, struct error *err)
{
    struct farm *farm = d->c->farm;
    switch (m->verb) {
    case FARM__BATCH_VERB__BATCH_PAUSE:
        return farm_batch_pause(farm, id, err);
    case FARM__BATCH_VERB__BATCH_RESUME:
        return farm_batch_resume(farm, id, err);
    case FARM__BATCH_VERB__BATCH_CANCEL:
        return farm_batch_cancel(farm, id, d->now_ns, err);
    case FARM__BATCH_VERB__BATCH_RETRY:
        return (scope_sees_all(d) || quota_allows_retry(d->c, id, err)) &&
               farm_batch_retry(farm, id, err);
    case FARM__BATCH_VERB__BATCH_PRIORITY:
        return prioritize(d, id, m->priority, err);
    default:
        return error_set(err, ERROR_INVALID, "unknown action");
    }
}

/* Each change of a batch has an effect, be it the event that tells of it. */
static bool act(struct dispatch *d, const char *id, const Farm__BatchAction *m, struct error *err)
{
    const struct effects *effects = farm_effects(d->c->farm);
    const size_t before = effects->count;
    const bool ok = steer(d, id, m, err);
    d->unchanged = ok && effects->count == before;
    return ok;
}

/* The answer shows what was there a moment ago. */
static void remove_batch(struct dispatch *d, const struct batch_info *info, const char *id)
{
    struct error err = {0};
    struct reply r;
    Farm__Batch m;
    reply_init(&r);
    fill_batch(d->c, &r, info, &m);
    if (farm_batch_remove(d->c->farm, id, &err)) {
        dispatch_reply(d, FARM__ENVELOPE__BODY_BATCH, &m.base);
    } else {
        dispatch_problem(d, &err);
    }
    reply_finish(&r);
}

void client_requests_batch_action(struct dispatch *d)
{
    const Farm__BatchAction *m = d->envelope->batch_action;
    struct batch_info info;
    struct error err = {0};
    char id[ID_BATCH_SIZE];
    if (!client_requests_find(d, m->batch, &info)) return;
    memcpy(id, info.id, sizeof(id));
    if (m->verb == FARM__BATCH_VERB__BATCH_REMOVE) {
        remove_batch(d, &info, id);
    } else if (m->verb == FARM__BATCH_VERB__BATCH_KEEP) {
        d->unchanged = !retention_keep(d->c, id, (int64_t)m->keep_s);
        answer_batch(d, id);
    } else if (act(d, id, m, &err)) {
        answer_batch(d, id);
    } else {
        dispatch_problem(d, &err);
    }
}

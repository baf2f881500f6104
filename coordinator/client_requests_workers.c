/* Workers: listed, shown, drained. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "coordinator/client_requests.h"
#include "coordinator/scope.h"
#include "coordinator/shell.h"

#define RUNNING_SHOWN 64

static void fill_slots(struct reply *r, Farm__Worker *m, const struct worker_info *info)
{
    m->slots = reply_alloc(r, info->slot_count + 1, sizeof(*m->slots));
    for (uint32_t i = 0; i < info->slot_count; i++) {
        Farm__Slot *s = reply_alloc(r, 1, sizeof(*s));
        *s = (Farm__Slot)FARM__SLOT__INIT;
        s->index = i;
        s->backend = reply_name(r, info->slots[i].backend, LIMIT_BACKEND_BYTES);
        s->fingerprint = reply_name(r, info->slots[i].fingerprint, LIMIT_TEXT_BYTES);
        s->threads = info->slots[i].threads;
        s->memory_bytes = info->slots[i].memory_bytes;
        m->slots[m->n_slots++] = s;
    }
}

static void fill_worker(struct dispatch *d, struct reply *r, const struct worker_info *info,
                        Farm__Worker *m)
{
    struct running_info running[RUNNING_SHOWN];
    char key[KEY_TEXT_SIZE] = "";
    *m = (Farm__Worker)FARM__WORKER__INIT;
    m->name = reply_name(r, info->name, LIMIT_NAME_BYTES);
    m->state = reply_name(r, worker_state_name(info->state), LIMIT_BACKEND_BYTES);
    m->reason = reply_text(r, info->reason, LIMIT_TEXT_BYTES);
    m->by = reply_name(r, info->by, LIMIT_NAME_BYTES);
    m->host = reply_name(r, info->host, LIMIT_TEXT_BYTES);
    m->build = reply_name(r, info->build, LIMIT_NAME_BYTES);
    m->since_ms = info->since_ms > 0 ? (uint64_t)info->since_ms : 0;
    m->seen_ms_ago = info->silent_ns > 0 ? (uint64_t)(info->silent_ns / NS_PER_MS) : 0;
    m->finished = info->finished;
    m->failed = info->failed;
    m->lost = info->lost;
    m->memory_bytes = info->memory_bytes;
    m->outbox_count = info->outbox_count;
    fill_slots(r, m, info);
    uint32_t count = farm_worker_running(d->c->farm, m->name, d->now_ns, running, RUNNING_SHOWN);
    count = scope_filter(d, running, count);
    m->running = client_requests_running(r, running, count);
    m->n_running = count;
    (void)keyring_worker_key(&d->c->keyring, m->name, key);
    m->key = reply_text(r, key, KEY_TEXT_SIZE - 1);
}

/* Names of all workers, sorted; borrowed texts. */
static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **sorted_names(struct dispatch *d, struct reply *r, uint32_t *count_out)
{
    struct worker_info info;
    uint32_t count = 0;
    while (farm_worker_at(d->c->farm, count, d->now_ns, &info))
        count++;
    const char **names = reply_alloc(r, count + 1, sizeof(*names));
    for (uint32_t i = 0; i < count; i++) {
        (void)farm_worker_at(d->c->farm, i, d->now_ns, &info);
        names[i] = info.name;
    }
    qsort(names, count, sizeof(*names), compare_names);
    *count_out = count;
    return names;
}

static void fill_list(struct dispatch *d, struct reply *r, Farm__Workers *m)
{
    const Farm__WorkersWanted *asked = d->envelope->workers_wanted;
    struct worker_info info;
    uint32_t count = 0;
    const char **names = sorted_names(d, r, &count);
    m->workers = reply_alloc(r, LIMIT_PAGE, sizeof(*m->workers));
    for (uint32_t i = 0; i < count; i++) {
        if (asked->name[0] != '\0' && strcmp(asked->name, names[i]) != 0) continue;
        if (asked->after[0] != '\0' && strcmp(names[i], asked->after) <= 0) continue;
        if (m->n_workers == LIMIT_PAGE || r->size_bytes > CLIENT_PAGE_BYTES / 2) {
            m->truncated = true;
            return;
        }
        if (!farm_worker_info(d->c->farm, names[i], d->now_ns, &info)) continue;
        Farm__Worker *worker = reply_alloc(r, 1, sizeof(*worker));
        fill_worker(d, r, &info, worker);
        m->workers[m->n_workers++] = worker;
    }
}

void client_requests_workers(struct dispatch *d)
{
    const char *name = d->envelope->workers_wanted->name;
    struct error err = {0};
    struct reply r;
    Farm__Workers m = FARM__WORKERS__INIT;
    reply_init(&r);
    fill_list(d, &r, &m);
    if (name[0] != '\0' && m.n_workers == 0) {
        error_set(&err, ERROR_NOT_FOUND, "there is no worker %s", name);
        dispatch_problem(d, &err);
    } else {
        dispatch_reply(d, FARM__ENVELOPE__BODY_WORKERS, &m.base);
    }
    reply_finish(&r);
}

/* Each quarantine that is new, or has a new reason, has an event. */
static bool quarantine(struct dispatch *d, const Farm__WorkerAction *asked, struct error *err)
{
    const struct effects *effects = farm_effects(d->c->farm);
    const size_t before = effects->count;
    const bool ok =
        farm_quarantine(d->c->farm, asked->name, asked->reason, d->sender->name, d->now_ns, err);
    d->unchanged = ok && effects->count == before;
    return ok;
}

static bool drain(struct dispatch *d, const Farm__WorkerAction *asked, struct error *err)
{
    const int64_t grace_ns = (int64_t)asked->grace_ms * NS_PER_MS;
    d->unchanged = !farm_drain_is_news(d->c->farm, asked->name, grace_ns, d->now_ns);
    return farm_drain(d->c->farm, asked->name, grace_ns, d->sender->name, d->now_ns, err);
}

static bool act(struct dispatch *d, const Farm__WorkerAction *asked, struct error *err)
{
    switch (asked->verb) {
    case FARM__WORKER_VERB__WORKER_DRAIN:
        return drain(d, asked, err);
    case FARM__WORKER_VERB__WORKER_QUARANTINE:
        return quarantine(d, asked, err);
    case FARM__WORKER_VERB__WORKER_READMIT:
        return farm_readmit(d->c->farm, asked->name, d->sender->name, err);
    default:
        return error_set(err, ERROR_INVALID, "a worker's key is revoked with KeyRevoke");
    }
}

void client_requests_worker_action(struct dispatch *d)
{
    const Farm__WorkerAction *asked = d->envelope->worker_action;
    struct worker_info info;
    struct error err = {0};
    struct reply r;
    Farm__Worker m;
    if (!act(d, asked, &err) || !farm_worker_info(d->c->farm, asked->name, d->now_ns, &info)) {
        dispatch_problem(d, &err);
        return;
    }
    reply_init(&r);
    fill_worker(d, &r, &info, &m);
    dispatch_reply(d, FARM__ENVELOPE__BODY_WORKER, &m.base);
    reply_finish(&r);
}

/* The farm as a whole: hello, status, models, events. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "coordinator/client_requests.h"
#include "coordinator/mail.h"
#include "coordinator/scope.h"
#include "coordinator/shell.h"
#include "proto/codec.h"

#define EVENTS_DEFAULT 100

void client_requests_hello(struct dispatch *d)
{
    const Farm__ClientHello *hello = d->envelope->client_hello;
    struct error err = {0};
    struct reply r;
    Farm__ClientWelcome m = FARM__CLIENT_WELCOME__INIT;
    unsigned version = codec_version_choose(hello->version_min, hello->version_max);
    if (version == 0) {
        (void)codec_version_refuse("client", hello->version_min, hello->version_max, &err);
        mail_bye(d->c, true, d->peer, d->envelope->request, &err);
        return;
    }
    audience_greet(&d->c->audience, d->peer, d->sender->key, d->now_ns);
    reply_init(&r);
    m.version = version;
    m.build = reply_name(&r, ZOE_VERSION, LIMIT_NAME_BYTES);
    m.owner = reply_name(&r, d->sender->name, LIMIT_NAME_BYTES);
    m.role = reply_name(&r, d->sender->role_name, LIMIT_BACKEND_BYTES);
    /* It promises nothing that could fail to be stored, and a client waits for nothing else. */
    (void)outbound_reply(&d->c->outbound, true, d->peer, d->envelope->request,
                         FARM__ENVELOPE__BODY_CLIENT_WELCOME, &m.base, OUTBOUND_ALWAYS);
    reply_finish(&r);
}

/* ---- status
 * --------------------------------------------------------------------------------------- */

/* Resident memory of this process. */
static uint64_t memory_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) return 0;
    if (fscanf(file, "%*u %lu", &pages) != 1) pages = 0;
    (void)fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t refused_messages(const struct coordinator *c)
{
    return c->bad_messages + zsock_counts(c->workers).malformed +
           zsock_counts(c->clients).malformed;
}

static void fill_totals(Farm__Status *m, const struct farm_totals *t)
{
    m->batches = t->batches;
    m->batches_unfinished = t->batches_unfinished;
    m->workers = t->workers;
    m->workers_busy = t->workers_in[WORKER_BUSY];
    m->workers_idle = t->workers_in[WORKER_IDLE];
    m->workers_away = t->workers_in[WORKER_UNREACHABLE];
    m->workers_joining = t->workers_in[WORKER_JOINING] + t->workers_in[WORKER_CANARY];
    m->workers_quarantined = t->workers_in[WORKER_QUARANTINED];
    m->workers_draining = t->workers_in[WORKER_DRAINING];
    m->workers_drained = t->workers_in[WORKER_DRAINED];
    m->slots = t->slots;
    m->attempts = t->attempts;
    m->attempts_lost = t->attempts_lost;
    m->offers_dropped = t->offers_dropped;
    m->disk_low = t->disk_low;
    m->disk_free_bytes = t->disk_free_bytes;
}

void client_requests_status(struct dispatch *d)
{
    struct coordinator *c = d->c;
    struct farm_totals totals;
    struct reply r;
    Farm__Status m = FARM__STATUS__INIT;
    reply_init(&r);
    farm_totals(c->farm, &totals);
    fill_totals(&m, &totals);
    m.clips = client_requests_counts(&r, &totals.clips);
    m.build = reply_name(&r, ZOE_VERSION, LIMIT_NAME_BYTES);
    m.state_folder = reply_text(&r, c->state, LIMIT_FOLDER_BYTES);
    m.uptime_s = (uint64_t)((d->now_ns - c->started_ns) / NS_PER_S);
    m.memory_bytes = memory_bytes();
    m.clients = audience_count(&c->audience);
    m.refused_keys = zap_refused(c->zap);
    m.bad_messages = refused_messages(c);
    m.cut_connections = zsock_counts(c->workers).cut + zsock_counts(c->clients).cut;
    m.at_ms = (uint64_t)clock_wall_ms();
    m.store_state = reply_name(&r, store_state_name(store_health(c->store)), LIMIT_BACKEND_BYTES);
    dispatch_reply(d, FARM__ENVELOPE__BODY_STATUS, &m.base);
    reply_finish(&r);
}

/* ---- models
 * ----------------------------------------------------------------------------------------- */

struct models_question { /* waits for the scan */
    struct models_question *next;
    struct coordinator *c;
    zsock_peer peer;
    uint64_t request;
    char name[LIMIT_NAME_BYTES + 1];
};

static Farm__Model *model_message(struct reply *r, const struct model *model)
{
    Farm__Model *m = reply_alloc(r, 1, sizeof(*m));
    *m = (Farm__Model)FARM__MODEL__INIT;
    m->name = reply_name(r, model->name, LIMIT_NAME_BYTES);
    m->path = reply_text(r, model->folder, LIMIT_FOLDER_BYTES);
    m->problem = reply_text(r, model->problem, LIMIT_TEXT_BYTES);
    m->description = reply_text(r, model->description, LIMIT_OPTIONS_BYTES);
    m->size_bytes = model->size_bytes;
    m->digest = reply_digest(r, &model->digest);
    return m;
}

static void fill_models(struct reply *r, const struct model_list *list, const char *name,
                        Farm__Models *m)
{
    m->models = reply_alloc(r, LIMIT_MODELS, sizeof(*m->models));
    for (size_t i = 0; i < list->count && m->n_models < LIMIT_MODELS; i++) {
        if (name[0] != '\0' && strcmp(name, list->models[i]->name) != 0) continue;
        if (r->size_bytes > CLIENT_PAGE_BYTES / 2) return;
        m->models[m->n_models++] = model_message(r, list->models[i]);
    }
}

static void forget_question(struct models_question *q)
{
    struct models_question **at = &q->c->questions;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    free(q);
}

void client_requests_finish(struct coordinator *c)
{
    while (c->questions != NULL)
        forget_question(c->questions);
}

static void on_scanned(void *context)
{
    struct models_question *q = context;
    struct coordinator *c = q->c;
    struct model_list *list = models_list(c->models);
    struct error err = {0};
    struct reply r;
    Farm__Models m = FARM__MODELS__INIT;
    reply_init(&r);
    fill_models(&r, list, q->name, &m);
    if (q->name[0] != '\0' && m.n_models == 0) {
        const char *nearest = model_list_nearest(list, q->name);
        if (nearest == NULL) nearest = model_list_nearest_lora(list, q->name);
        error_set(&err, ERROR_NOT_FOUND,
                  nearest ? "there is no model %s; did you mean %s?" : "there is no model %s",
                  q->name, nearest);
        (void)outbound_problem(&c->outbound, true, q->peer, q->request, &err, OUTBOUND_ALWAYS);
    } else {
        (void)outbound_reply(&c->outbound, true, q->peer, q->request, FARM__ENVELOPE__BODY_MODELS,
                             &m.base, OUTBOUND_ALWAYS);
    }
    reply_finish(&r);
    model_list_unref(list);
    forget_question(q);
    shell_stir(c);
}

static bool may_ask_models(struct dispatch *d)
{
    struct error err = {0};
    int count = 0;
    for (const struct models_question *q = d->c->questions; q != NULL; q = q->next)
        count++;
    if (count < CLIENT_MODELS_QUESTIONS_MAX) return true;
    error_set(&err, ERROR_REFUSED, "too many ask for the models at once: try again");
    dispatch_problem(d, &err);
    return false;
}

void client_requests_models(struct dispatch *d)
{
    if (!may_ask_models(d)) return;
    struct models_question *q = xcalloc(1, sizeof(*q));
    q->c = d->c;
    q->peer = d->peer;
    q->request = d->envelope->request;
    (void)snprintf(q->name, sizeof(q->name), "%s", d->envelope->models_wanted->name);
    q->next = d->c->questions;
    d->c->questions = q;
    models_scan(d->c->models, on_scanned, q);
}

/* ---- events
 * ----------------------------------------------------------------------------------------- */

void client_requests_events(struct dispatch *d)
{
    const Farm__EventsWanted *m = d->envelope->events_wanted;
    struct feed_question q = {.peer = d->peer,
                              .request = d->envelope->request,
                              .after = m->after,
                              .limit = m->limit == 0 ? EVENTS_DEFAULT : m->limit,
                              .deadline_ns = d->now_ns + (int64_t)m->wait_ms * NS_PER_MS};
    struct batch_info info;
    (void)snprintf(q.owner, sizeof(q.owner), "%s", scope_owner(d));
    if (m->batch[0] != '\0') {
        if (!client_requests_find(d, m->batch, &info)) return;
        memcpy(q.batch, info.id, sizeof(q.batch));
    }
    if (m->tail) q.after = store_last_event(d->c->store);
    feed_ask(&d->c->feed, &q, d->c->store, &d->c->outbound, d->now_ns);
}

/* How much who may do, and who did what: owners and the audit log. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/client_requests.h"
#include "coordinator/quota.h"
#include "coordinator/scope.h"
#include "coordinator/shell.h"

#define AUDIT_DEFAULT 100

/* ---- owners ---- */

static Farm__Owner *owner_message(struct dispatch *d, struct reply *r, const char *name)
{
    struct quota_use use;
    const struct owner_entry *o = owners_get(&d->c->owners, name);
    Farm__Owner *m = reply_alloc(r, 1, sizeof(*m));
    quota_used(d->c, name, &use);
    *m = (Farm__Owner)FARM__OWNER__INIT;
    m->name = reply_name(r, name, LIMIT_NAME_BYTES);
    m->share = o->share == 0 ? 1 : o->share;
    m->max_batches = o->max_batches;
    m->max_tasks = o->max_tasks;
    m->max_bytes = o->max_bytes;
    m->batches = use.batches;
    m->tasks = use.tasks;
    m->bytes = quota_bytes(d->c, name);
    m->running = use.running;
    return m;
}

void client_requests_owner_set(struct dispatch *d)
{
    const Farm__OwnerSet *m = d->envelope->owner_set;
    struct reply r;
    struct store_owner row = {.name = m->name,
                              .share = m->share,
                              .max_batches = m->max_batches,
                              .max_tasks = m->max_tasks,
                              .max_bytes = m->max_bytes};
    d->unchanged = owners_are(&d->c->owners, &row);
    store_owner_save(d->c->store, &row);
    owners_set(&d->c->owners, &row);
    farm_owner_share(d->c->farm, m->name, m->share > 0 ? m->share : 1, d->now_ns);
    reply_init(&r);
    dispatch_reply(d, FARM__ENVELOPE__BODY_OWNER, &owner_message(d, &r, m->name)->base);
    reply_finish(&r);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Of clients' keys, and whoever has limits or published something; sorted, some twice. */
static size_t gather(struct dispatch *d, struct reply *r, const char ***names_out)
{
    const struct table *keys = &d->c->keyring.entries, *owners = &d->c->owners.by_name;
    const char **names = reply_alloc(r, keys->count + owners->count + 1, sizeof(*names));
    const struct keyring_entry *entry = NULL;
    const struct owner_entry *owner = NULL;
    size_t count = 0;
    for (size_t i = 0; (entry = table_next(keys, &i, NULL, NULL)) != NULL;) {
        if (entry->role != MESSAGE_FROM_WORKER) names[count++] = entry->name;
    }
    for (size_t i = 0; (owner = table_next(owners, &i, NULL, NULL)) != NULL;)
        names[count++] = owner->name;
    qsort(names, count, sizeof(*names), compare_names);
    *names_out = names;
    return count;
}

static bool is_wanted(struct dispatch *d, const char *name)
{
    const Farm__OwnersWanted *m = d->envelope->owners_wanted;
    if (!scope_sees(d, name)) return false;
    if (m->name[0] != '\0' && strcmp(m->name, name) != 0) return false;
    return m->after[0] == '\0' || strcmp(name, m->after) > 0;
}

void client_requests_owners(struct dispatch *d)
{
    struct reply r;
    const char **names = NULL, *last = "";
    struct error err = {0};
    Farm__Owners m = FARM__OWNERS__INIT;
    reply_init(&r);
    const size_t count = gather(d, &r, &names);
    m.owners = reply_alloc(&r, LIMIT_PAGE, sizeof(*m.owners));
    for (size_t i = 0; i < count; i++) {
        if (!is_wanted(d, names[i]) || strcmp(names[i], last) == 0) continue;
        m.truncated = m.n_owners == LIMIT_PAGE;
        if (m.truncated) break;
        m.owners[m.n_owners] = owner_message(d, &r, names[i]);
        last = m.owners[m.n_owners++]->name;
    }
    const char *asked = d->envelope->owners_wanted->name;
    if (asked[0] != '\0' && m.n_owners == 0) {
        error_set(&err, ERROR_NOT_FOUND, "there is no owner %s", asked);
        dispatch_problem(d, &err);
    } else {
        dispatch_reply(d, FARM__ENVELOPE__BODY_OWNERS, &m.base);
    }
    reply_finish(&r);
}

/* ---- audit ---- */

struct page {
    struct reply reply;
    Farm__Audit m;
    uint32_t limit;
};

static void add_entry(void *context, uint64_t sequence, const struct store_audit *entry)
{
    struct page *p = context;
    if (p->m.n_entries == p->limit || p->reply.size_bytes > CLIENT_PAGE_BYTES / 2) {
        p->m.truncated = true;
        return;
    }
    Farm__AuditEntry *m = reply_alloc(&p->reply, 1, sizeof(*m));
    *m = (Farm__AuditEntry)FARM__AUDIT_ENTRY__INIT;
    m->sequence = sequence;
    m->at_ms = entry->at_ms > 0 ? (uint64_t)entry->at_ms : 0;
    m->by = reply_name(&p->reply, entry->by, LIMIT_NAME_BYTES);
    m->role = reply_name(&p->reply, entry->role, LIMIT_BACKEND_BYTES);
    m->action = reply_name(&p->reply, entry->action, 64);
    m->subject = reply_name(&p->reply, entry->subject, LIMIT_NAME_BYTES);
    m->detail = reply_text(&p->reply, entry->detail, LIMIT_TEXT_BYTES);
    m->allowed = entry->allowed;
    p->m.entries[p->m.n_entries++] = m;
}

static bool first_of_page(struct dispatch *d, uint32_t limit, uint64_t *after, struct error *err)
{
    const Farm__AuditWanted *asked = d->envelope->audit_wanted;
    uint64_t before = 0;
    if (asked->newest && !store_audit_before(d->c->store, limit, &before, err)) return false;
    *after = before > asked->after ? before : asked->after;
    return true;
}

void client_requests_audit(struct dispatch *d)
{
    const Farm__AuditWanted *asked = d->envelope->audit_wanted;
    uint64_t after = 0;
    struct error err = {0};
    struct page p = {.m = FARM__AUDIT__INIT};
    p.limit = asked->limit == 0 ? AUDIT_DEFAULT : asked->limit;
    reply_init(&p.reply);
    p.m.entries = reply_alloc(&p.reply, p.limit, sizeof(*p.m.entries));
    if (first_of_page(d, p.limit, &after, &err) &&
        store_each_audit(d->c->store, after, p.limit + 1, add_entry, &p, &err)) {
        dispatch_reply(d, FARM__ENVELOPE__BODY_AUDIT, &p.m.base);
    } else {
        dispatch_problem(d, &err);
    }
    reply_finish(&p.reply);
}

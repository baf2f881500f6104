/* One row of a table a message. */
#include "coordinator/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "coordinator/dispatch.h"
#include "coordinator/shell.h"
#include "coordinator/store_access.h"
#include "proto/codec.h"

#define PRUNE_ROWS 10000
#define WORDS 256

struct words { /* of one entry */
    char action[64];
    char subject[LIMIT_NAME_BYTES + 1];
    char detail[WORDS];
};

void audit_init(struct audit *a)
{
    bucket_init(&a->refusals, AUDIT_REFUSALS_BURST, AUDIT_REFUSALS_PER_S, 0);
}

void audit_note(struct coordinator *c, const struct audit_note *note)
{
    char detail[LIMIT_TEXT_BYTES];
    if (c->unwell) return; /* nothing can be stored, so nothing was changed */
    if (!note->allowed && !bucket_take(&c->audit.refusals, shell_now(c))) {
        c->audit.left_out++;
        return;
    }
    (void)snprintf(detail, sizeof(detail), "%.*s", (int)sizeof(detail) - 64, note->detail);
    if (c->audit.left_out > 0) {
        (void)snprintf(detail + strlen(detail), sizeof(detail) - strlen(detail),
                       " (%" PRIu64 " refusals before it are not listed)", c->audit.left_out);
        c->audit.left_out = 0;
    }
    store_audit_add(c->store, &(struct store_audit){.at_ms = clock_wall_ms(),
                                                    .by = note->by,
                                                    .role = note->role,
                                                    .action = note->action,
                                                    .subject = note->subject,
                                                    .detail = detail,
                                                    .allowed = note->allowed});
    shell_stir(c);
}

bool audit_prune(struct coordinator *c)
{
    return store_audit_prune(c->store, clock_wall_ms() - AUDIT_KEEP_MS, LIMIT_AUDIT_ROWS,
                             PRUNE_ROWS);
}

/* ---- what requests are called ---- */

#define SAY(field, ...) ((void)snprintf(w->field, sizeof(w->field), __VA_ARGS__))

static void batch_action(const Farm__Envelope *e, struct words *w)
{
    static const char *const verbs[] = {"?",     "pause",  "resume",   "cancel",
                                        "retry", "remove", "priority", "keep"};
    const Farm__BatchAction *m = e->batch_action;
    const size_t verb = (size_t)m->verb;
    SAY(action, "batch.%s", verb < sizeof(verbs) / sizeof(verbs[0]) ? verbs[verb] : "?");
    SAY(subject, "%s", m->batch);
    if (m->verb == FARM__BATCH_VERB__BATCH_PRIORITY) SAY(detail, "to %d", (int)m->priority);
    if (m->verb == FARM__BATCH_VERB__BATCH_KEEP) SAY(detail, "for %" PRIu64 " s", m->keep_s);
}

static void worker_action(const Farm__Envelope *e, struct words *w)
{
    static const char *const verbs[] = {"?", "drain", "quarantine", "readmit", "revoke"};
    const Farm__WorkerAction *m = e->worker_action;
    const size_t verb = (size_t)m->verb;
    SAY(action, "worker.%s", verb < sizeof(verbs) / sizeof(verbs[0]) ? verbs[verb] : "?");
    SAY(subject, "%s", m->name);
    SAY(detail, "%.200s", m->reason);
}

static void key_allow(const Farm__Envelope *e, struct words *w)
{
    char key[2 * 32 + 1] = "";
    if (e->key_allow->key.len == KEY_BYTES) keys_text(e->key_allow->key.data, key);
    SAY(action, "key.allow");
    SAY(subject, "%s", e->key_allow->name);
    SAY(detail, "%s, key %s", e->key_allow->role, key);
}

static void key_revoke(const Farm__Envelope *e, struct words *w)
{
    SAY(action, "key.revoke");
    SAY(subject, "%s", e->key_revoke->key);
}

static void token_create(const Farm__Envelope *e, struct words *w)
{
    const Farm__TokenCreate *m = e->token_create;
    SAY(action, "token.create");
    SAY(detail, "%s, %u uses within %" PRIu64 " s%s%s%.80s", m->role, (unsigned)m->uses, m->ttl_s,
        m->ephemeral ? ", ephemeral" : "", m->name[0] != '\0' ? ", named " : "", m->name);
}

static void token_revoke(const Farm__Envelope *e, struct words *w)
{
    SAY(action, "token.revoke");
    SAY(subject, "%s", e->token_revoke->id);
}

static void owner_set(const Farm__Envelope *e, struct words *w)
{
    const Farm__OwnerSet *m = e->owner_set;
    SAY(action, "owner.set");
    SAY(subject, "%s", m->name);
    SAY(detail, "share %u, at most %" PRIu64 " batches, %" PRIu64 " tasks, %" PRIu64 " bytes",
        (unsigned)m->share, m->max_batches, m->max_tasks, m->max_bytes);
}

static void backup(const Farm__Envelope *e, struct words *w)
{
    SAY(action, "backup");
    SAY(detail, "to %.200s", e->backup_wanted->path);
}

static const struct row {
    Farm__Envelope__BodyCase body;
    void (*describe)(const Farm__Envelope *e, struct words *w);
} rows[] = {
    {FARM__ENVELOPE__BODY_BATCH_ACTION, batch_action},
    {FARM__ENVELOPE__BODY_WORKER_ACTION, worker_action},
    {FARM__ENVELOPE__BODY_KEY_ALLOW, key_allow},
    {FARM__ENVELOPE__BODY_KEY_REVOKE, key_revoke},
    {FARM__ENVELOPE__BODY_TOKEN_CREATE, token_create},
    {FARM__ENVELOPE__BODY_TOKEN_REVOKE, token_revoke},
    {FARM__ENVELOPE__BODY_OWNER_SET, owner_set},
    {FARM__ENVELOPE__BODY_BACKUP_WANTED, backup},
};

static const struct row *find_row(Farm__Envelope__BodyCase body)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].body == body) return &rows[i];
    }
    return NULL;
}

bool audit_counts(const struct dispatch *d)
{
    return find_row(d->envelope->body_case) != NULL;
}

void audit_request(struct dispatch *d)
{
    struct words w = {.detail = ""};
    const struct row *row = find_row(d->envelope->body_case);
    const bool refused = d->problem == ERROR_AUTH || d->hidden;
    if (!refused && (row == NULL || d->problem != ERROR_NONE || d->unchanged)) return;
    if (row != NULL) {
        row->describe(d->envelope, &w);
    } else {
        (void)snprintf(w.action, sizeof(w.action), "%s", d->message->kind->name);
    }
    audit_note(d->c, &(struct audit_note){.by = d->sender->name,
                                          .role = d->sender->role_name,
                                          .action = w.action,
                                          .subject = d->subject[0] != '\0' ? d->subject : w.subject,
                                          .detail = w.detail,
                                          .allowed = !refused});
}

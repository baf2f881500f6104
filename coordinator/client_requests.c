/* The rows, and what is passed on to other files. */
#include "coordinator/client_requests.h"

#include "coordinator/backup.h"
#include "coordinator/file_server.h"
#include "coordinator/intake.h"
#include "coordinator/joining.h"
#include "coordinator/scope.h"
#include "coordinator/shell.h"

static void submit_open(struct dispatch *d)
{
    intake_open(d->c->intake, d->peer, d->envelope->request, d->sender, scope_sees_all(d),
                d->envelope->submit_open);
}

static void input_open(struct dispatch *d)
{
    intake_input(d->c->intake, d->peer, d->envelope->request, d->sender, scope_sees_all(d),
                 d->envelope->input_open);
}

static void chunk(struct dispatch *d)
{
    const Farm__Chunk *m = d->envelope->chunk;
    if (m->attempt != NULL) return; /* a worker's, on the wrong socket */
    intake_chunk(d->c->intake, d->peer, d->envelope->request, d->sender->name, m,
                 d->message->payload);
}

static void file_wanted(struct dispatch *d)
{
    file_server_batch_part(d, d->envelope->file_wanted);
}

static const struct dispatch_row rows[] = {
    {FARM__ENVELOPE__BODY_CLIENT_HELLO, client_requests_hello, false},
    {FARM__ENVELOPE__BODY_JOIN, joining_again, false},
    {FARM__ENVELOPE__BODY_SUBMIT_OPEN, submit_open, false}, /* a dry run changes nothing */
    {FARM__ENVELOPE__BODY_INPUT_OPEN, input_open, false},
    {FARM__ENVELOPE__BODY_CHUNK, chunk, false},
    {FARM__ENVELOPE__BODY_STATUS_WANTED, client_requests_status, false},
    {FARM__ENVELOPE__BODY_BATCHES_WANTED, client_requests_batches, false},
    {FARM__ENVELOPE__BODY_BATCH_WANTED, client_requests_batch, false},
    {FARM__ENVELOPE__BODY_BATCH_ACTION, client_requests_batch_action, true},
    {FARM__ENVELOPE__BODY_CLIPS_WANTED, client_requests_clips, false},
    {FARM__ENVELOPE__BODY_CLIP_WANTED, client_requests_clip, false},
    {FARM__ENVELOPE__BODY_WORKERS_WANTED, client_requests_workers, false},
    {FARM__ENVELOPE__BODY_WORKER_ACTION, client_requests_worker_action, true},
    {FARM__ENVELOPE__BODY_KEY_ALLOW, client_requests_key_allow, true},
    {FARM__ENVELOPE__BODY_KEYS_WANTED, client_requests_keys, false},
    {FARM__ENVELOPE__BODY_KEY_REVOKE, client_requests_key_revoke, true},
    {FARM__ENVELOPE__BODY_TOKEN_CREATE, client_requests_token_create, true},
    {FARM__ENVELOPE__BODY_TOKENS_WANTED, client_requests_tokens, false},
    {FARM__ENVELOPE__BODY_TOKEN_REVOKE, client_requests_token_revoke, true},
    {FARM__ENVELOPE__BODY_OWNER_SET, client_requests_owner_set, true},
    {FARM__ENVELOPE__BODY_OWNERS_WANTED, client_requests_owners, false},
    {FARM__ENVELOPE__BODY_AUDIT_WANTED, client_requests_audit, false},
    {FARM__ENVELOPE__BODY_MODELS_WANTED, client_requests_models, false},
    {FARM__ENVELOPE__BODY_EVENTS_WANTED, client_requests_events, false},
    {FARM__ENVELOPE__BODY_FILE_WANTED, file_wanted, false},
    {FARM__ENVELOPE__BODY_TASK_WANTED, client_requests_task, false},
    {FARM__ENVELOPE__BODY_EXPLAIN_WANTED, client_requests_explain, false},
    {FARM__ENVELOPE__BODY_BACKUP_WANTED, backup_wanted, false}, /* the farm stays as it is */
};

const struct dispatch_row *client_requests_rows(size_t *count_out)
{
    *count_out = sizeof(rows) / sizeof(rows[0]);
    return rows;
}

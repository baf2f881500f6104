/* The table of messages. */
#include "proto/message.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "proto/limits.h"

#define WORKER MESSAGE_FROM_WORKER
#define ADMIN MESSAGE_FROM_ADMIN
#define OPERATE (MESSAGE_FROM_OPERATE | MESSAGE_FROM_ADMIN)
#define CLIENT (MESSAGE_FROM_SUBMIT | MESSAGE_FROM_OPERATE | MESSAGE_FROM_ADMIN)
#define JOINER MESSAGE_FROM_JOINER
#define TO_WORKER MESSAGE_TO_WORKER
#define TO_CLIENT MESSAGE_TO_CLIENT
#define SMALL 4096
#define CONTROL LIMIT_ENVELOPE_BYTES
#define REPLY LIMIT_REPLY_BYTES

#define ROW(upper, lower, from, limit, payload)                                                    \
    {                                                                                              \
        FARM__ENVELOPE__BODY_##upper, #lower, from, limit, payload                                 \
    }

/* In the order of the numbers. What is answered to a request must fit, whatever the farm holds:
 * rows with lists in them have room for the longest ones. */
static const struct message_kind kinds[] = {
    ROW(PROBLEM, problem, TO_WORKER | TO_CLIENT, CONTROL, false),
    ROW(WHO_ARE_YOU, who_are_you, TO_WORKER | TO_CLIENT, SMALL, false),
    ROW(BYE, bye, TO_WORKER | TO_CLIENT, SMALL, false),

    ROW(HELLO, hello, WORKER, CONTROL, false),
    ROW(HEARTBEAT, heartbeat, WORKER, CONTROL, false),
    ROW(PROGRESS, progress, WORKER, SMALL, false),
    ROW(STARTED, started, WORKER, SMALL, false),
    ROW(HANDED_BACK, handed_back, WORKER, SMALL, false),
    ROW(ENDED, ended, WORKER, CONTROL, false),
    ROW(OFFER, offer, WORKER, CONTROL, false),
    ROW(CHUNK, chunk, WORKER | CLIENT, SMALL, true),
    ROW(CANARY_DONE, canary_done, WORKER, CONTROL, false),
    ROW(MODEL_WANTED, model_wanted, WORKER, SMALL, false),
    ROW(FILE_WANTED, file_wanted, WORKER | CLIENT, SMALL, false),
    ROW(LEAVING, leaving, WORKER, SMALL, false),
    ROW(CHECKPOINT, checkpoint, WORKER, SMALL, false),
    ROW(JOIN, join, JOINER | WORKER | CLIENT, SMALL, false), /* who is in already is told so */

    ROW(WELCOME, welcome, TO_WORKER, SMALL, false),
    ROW(HEARTBEAT_SEEN, heartbeat_seen, TO_WORKER, SMALL, false),
    ROW(ASSIGN, assign, TO_WORKER, CONTROL, false),
    ROW(CANCEL, cancel, TO_WORKER, SMALL, false),
    ROW(RECALL, recall, TO_WORKER, SMALL, false),
    ROW(DRAIN, drain, TO_WORKER, SMALL, false),
    ROW(CREDIT, credit, TO_WORKER | TO_CLIENT, SMALL, false),
    ROW(STORED, stored, TO_WORKER, SMALL, false),
    ROW(DROPPED, dropped, TO_WORKER, SMALL, false),
    ROW(MODEL_FILES, model_files, TO_WORKER, LIMIT_MODEL_LIST_BYTES, false),
    ROW(FILE_DATA, file_data, TO_WORKER | TO_CLIENT, SMALL, true),
    ROW(CHECKPOINT_SEEN, checkpoint_seen, TO_WORKER, SMALL, false),
    ROW(JOINED, joined, TO_WORKER | TO_CLIENT, SMALL, false),

    ROW(CLIENT_HELLO, client_hello, CLIENT, SMALL, false),
    ROW(SUBMIT_OPEN, submit_open, CLIENT, CONTROL, false),
    ROW(STATUS_WANTED, status_wanted, CLIENT, SMALL, false),
    ROW(BATCHES_WANTED, batches_wanted, CLIENT, SMALL, false),
    ROW(BATCH_WANTED, batch_wanted, CLIENT, SMALL, false),
    ROW(BATCH_ACTION, batch_action, CLIENT, SMALL, false),
    ROW(CLIPS_WANTED, clips_wanted, CLIENT, SMALL, false),
    ROW(WORKERS_WANTED, workers_wanted, CLIENT, SMALL, false),
    ROW(WORKER_ACTION, worker_action, OPERATE, SMALL, false),
    ROW(KEY_ALLOW, key_allow, ADMIN, SMALL, false),
    ROW(MODELS_WANTED, models_wanted, CLIENT, SMALL, false),
    ROW(EVENTS_WANTED, events_wanted, CLIENT, SMALL, false),
    ROW(INPUT_OPEN, input_open, CLIENT, SMALL, false),
    ROW(CLIP_WANTED, clip_wanted, CLIENT, SMALL, false),
    ROW(TASK_WANTED, task_wanted, CLIENT, SMALL, false),

    ROW(TOKEN_CREATE, token_create, ADMIN, SMALL, false),
    ROW(TOKENS_WANTED, tokens_wanted, ADMIN, SMALL, false),
    ROW(TOKEN_REVOKE, token_revoke, ADMIN, SMALL, false),
    ROW(KEYS_WANTED, keys_wanted, ADMIN, SMALL, false),
    ROW(KEY_REVOKE, key_revoke, ADMIN, SMALL, false),
    ROW(OWNER_SET, owner_set, ADMIN, SMALL, false),
    ROW(OWNERS_WANTED, owners_wanted, CLIENT, SMALL, false),
    ROW(AUDIT_WANTED, audit_wanted, OPERATE, SMALL, false),
    ROW(EXPLAIN_WANTED, explain_wanted, CLIENT, SMALL, false),
    ROW(BACKUP_WANTED, backup_wanted, ADMIN, SMALL + LIMIT_FOLDER_BYTES, false),

    ROW(CLIENT_WELCOME, client_welcome, TO_CLIENT, SMALL, false),
    ROW(ACCEPTED, accepted, TO_CLIENT, REPLY, false),
    ROW(STATUS, status, TO_CLIENT, CONTROL, false),
    ROW(BATCHES, batches, TO_CLIENT, REPLY, false),
    ROW(BATCH, batch, TO_CLIENT, REPLY, false),
    ROW(CLIPS, clips, TO_CLIENT, REPLY, false),
    ROW(WORKERS, workers, TO_CLIENT, REPLY, false),
    ROW(WORKER, worker, TO_CLIENT, REPLY, false),
    ROW(KEY_ALLOWED, key_allowed, TO_CLIENT, SMALL, false),
    ROW(MODELS, models, TO_CLIENT, REPLY, false),
    ROW(EVENTS, events, TO_CLIENT, REPLY, false),
    ROW(INPUT_STORED, input_stored, TO_CLIENT, SMALL, false),
    ROW(CLIP_PARTS, clip_parts, TO_CLIENT, REPLY, false),
    ROW(TASK_SHOWN, task_shown, TO_CLIENT, REPLY, false),
    ROW(TOKEN_CREATED, token_created, TO_CLIENT, CONTROL, false),
    ROW(TOKENS, tokens, TO_CLIENT, REPLY, false),
    ROW(KEYS, keys, TO_CLIENT, REPLY, false),
    ROW(KEY_REVOKED, key_revoked, TO_CLIENT, SMALL, false),
    ROW(OWNER, owner, TO_CLIENT, SMALL, false),
    ROW(OWNERS, owners, TO_CLIENT, REPLY, false),
    ROW(AUDIT, audit, TO_CLIENT, REPLY, false),
    ROW(EXPLAINED, explained, TO_CLIENT, REPLY, false),
    ROW(BACKUP_MADE, backup_made, TO_CLIENT, SMALL + LIMIT_FOLDER_BYTES, false),
};

const struct message_kind *message_kinds(size_t *count_out)
{
    *count_out = sizeof(kinds) / sizeof(kinds[0]);
    return kinds;
}

const struct message_kind *message_kind_find(Farm__Envelope__BodyCase body)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].body == body) return &kinds[i];
    }
    return NULL;
}

const char *message_name(const Farm__Envelope *envelope)
{
    const struct message_kind *kind = message_kind_find(envelope->body_case);
    return kind == NULL ? "nothing" : kind->name;
}

bool message_may_send(const struct message_kind *kind, enum message_from from)
{
    return (kind->from & (unsigned)from) != 0;
}

size_t message_limit_bytes(enum message_from from)
{
    size_t limit = 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!message_may_send(&kinds[i], from)) continue;
        if (kinds[i].limit_bytes > limit) limit = kinds[i].limit_bytes;
    }
    return limit;
}

/* Of clients each may more than the one before. */
static const struct {
    const char *name;
    enum message_from from;
} roles[] = {
    {"worker", MESSAGE_FROM_WORKER},
    {"submit", MESSAGE_FROM_SUBMIT},
    {"operate", MESSAGE_FROM_OPERATE},
    {"admin", MESSAGE_FROM_ADMIN},
};

const char *message_least_role(const struct message_kind *kind)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (roles[i].from != WORKER && message_may_send(kind, roles[i].from)) return roles[i].name;
    }
    return "";
}

bool message_role_parse(const char *role, enum message_from *out)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (strcmp(roles[i].name, role) != 0) continue;
        *out = roles[i].from;
        return true;
    }
    return false;
}

const char *message_role_name(enum message_from role)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (roles[i].from == role) return roles[i].name;
    }
    return "";
}

void message_keep_payload(struct message *m)
{
    if (m->payload.size == 0 || m->kept != NULL) return;
    m->kept = xmalloc(m->payload.size);
    memcpy(m->kept, m->payload.data, m->payload.size);
    m->payload.data = m->kept;
}

void message_free(struct message *m)
{
    if (m == NULL) return;
    arena_finish(&m->arena);
    free(m->kept);
    free(m);
}

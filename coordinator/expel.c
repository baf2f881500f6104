/* In the database and in memory, in one turn. */
#include "coordinator/expel.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "coordinator/audit.h"
#include "coordinator/intake.h"
#include "coordinator/shell.h"

static void end_questions(struct coordinator *c, const uint8_t key[KEY_BYTES])
{
    zsock_peer gone = 0;
    intake_expel(c->intake, key);
    while (audience_dismiss(&c->audience, key, &gone)) {
        intake_gone(c->intake, gone);
        feed_gone(&c->feed, gone);
        zsock_forget(c->clients, gone);
    }
}

void expel_key(struct coordinator *c, const struct keyring_entry *entry)
{
    const struct keyring_entry copy = *entry;
    store_key_revoke(c->store, copy.key);
    keyring_remove(&c->keyring, copy.key);
    if (copy.role == MESSAGE_FROM_WORKER) {
        farm_revoke(c->farm, copy.name, shell_now(c));
    } else {
        end_questions(c, copy.key);
    }
    log_info("the key of %s %s is not allowed any more", copy.role_name, copy.name);
    shell_stir(c);
}

/* A result that is all here needs its worker no more: its verdict is owed, and would go with the
 * key. */
static bool owes_a_verdict(struct coordinator *c, const char *worker)
{
    struct running_info any;
    return farm_worker_running(c->farm, worker, shell_now(c), &any, 1) > 0;
}

/* Drained, or not seen for an hour; one that never said Hello is as good as away. */
static bool is_gone(struct coordinator *c, const struct keyring_entry *entry, int64_t wall_ms)
{
    struct worker_info info;
    int64_t since_ms = entry->allowed_ms;
    if (farm_worker_info(c->farm, entry->name, shell_now(c), &info)) {
        if (info.state == WORKER_DRAINED) return true;
        if (info.state != WORKER_OFFLINE) return false;
        if (info.since_ms > since_ms) since_ms = info.since_ms;
    }
    return since_ms <= wall_ms - EPHEMERAL_AWAY_MS; /* a damaged row says any time */
}

static bool has_left(struct coordinator *c, const struct keyring_entry *entry, int64_t wall_ms)
{
    return is_gone(c, entry, wall_ms) && !owes_a_verdict(c, entry->name);
}

static void forget(struct coordinator *c, const struct keyring_entry *entry)
{
    char name[LIMIT_NAME_BYTES + 1];
    (void)snprintf(name, sizeof(name), "%s", entry->name);
    expel_key(c, entry);
    audit_note(c, &(struct audit_note){.by = "",
                                       .role = "",
                                       .action = "key.forget",
                                       .subject = name,
                                       .detail = "ephemeral, and its worker has left",
                                       .allowed = true});
}

bool expel_tick(struct coordinator *c)
{
    bool left = false;
    const struct keyring_entry *entry = NULL;
    const int64_t wall_ms = clock_wall_ms();
    if (c->unwell) return true;
    for (size_t i = 0; (entry = table_next(&c->keyring.entries, &i, NULL, NULL)) != NULL;) {
        if (!entry->ephemeral || entry->role != MESSAGE_FROM_WORKER) continue;
        if (has_left(c, entry, wall_ms)) {
            forget(c, entry);
        } else {
            left = true;
        }
    }
    return left;
}

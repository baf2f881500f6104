/* Counters of the core, added up by owner. */
#include "coordinator/quota.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "coordinator/shell.h"

static uint64_t unfinished(const struct clip_counts *counts)
{
    const uint64_t *n = counts->by_state;
    return n[CLIP_WAITING] + n[CLIP_RETRY] + n[CLIP_LEASED];
}

static uint64_t failed(const struct clip_counts *counts)
{
    return counts->by_state[CLIP_FAILED];
}

/* Tasks of the clips that `which` counts. */
static uint64_t tasks_in(struct coordinator *c, const struct batch_info *info,
                         uint64_t (*which)(const struct clip_counts *counts))
{
    struct group_info group;
    uint64_t tasks = 0;
    for (uint32_t i = 0; i < info->groups && farm_group_info(c->farm, info->id, i, &group); i++)
        tasks += which(&group.counts) * plan_task_count(&group.shape.plan);
    return tasks;
}

static void add_batch(struct coordinator *c, const struct batch_info *info, struct quota_use *out)
{
    out->batches++;
    out->running += (uint32_t)info->counts.by_state[CLIP_LEASED];
    out->tasks += tasks_in(c, info, unfinished);
}

struct files { /* that an owner keeps here */
    const struct coordinator *c;
    const char *owner;
    uint64_t bytes;
};

static void add_sent(void *context, const struct digest *sha256, uint64_t size_bytes)
{
    struct files *f = context;
    if (possessions_has(&f->c->possessions, f->owner, sha256)) f->bytes += size_bytes;
}

/* What a batch of his names, and what he has sent and nobody names yet. */
static uint64_t bytes_of_files(struct coordinator *c, const char *owner)
{
    struct error err = {0};
    struct files f = {.c = c, .owner = owner};
    if (!store_owner_input_bytes(c->store, owner, &f.bytes, &err) ||
        !store_each_unnamed_input(c->store, add_sent, &f, &err))
        log_error("files of %s: %s", owner, err.message);
    return f.bytes;
}

/* Files are counted where they are limited. */
uint64_t quota_bytes(struct coordinator *c, const char *owner)
{
    const struct owner_entry *o = owners_get(&c->owners, owner);
    return o->max_bytes == 0 ? o->bytes : o->bytes + bytes_of_files(c, owner);
}

void quota_used(struct coordinator *c, const char *owner, struct quota_use *out)
{
    struct batch_info info;
    *out = (struct quota_use){.batches = 0};
    for (uint64_t i = 0; farm_batch_at(c->farm, i, &info); i++) {
        if (batch_state_is_terminal(info.state) || strcmp(info.owner, owner) != 0) continue;
        add_batch(c, &info, out);
    }
}

static uint64_t tasks_of(const struct submit_result *wanted)
{
    uint64_t tasks = 0;
    for (uint32_t i = 0; i < wanted->group_count; i++)
        tasks += wanted->groups[i].clips * plan_task_count(&wanted->groups[i].plan);
    return tasks;
}

static bool has_bytes(struct coordinator *c, const struct owner_entry *o, uint64_t more,
                      struct error *err)
{
    char have[32], allowed[32];
    if (o->max_bytes == 0) return true;
    const uint64_t used = quota_bytes(c, o->name);
    if (used < o->max_bytes && more < o->max_bytes - used) return true; /* a video wants some too */
    text_size(used, have, sizeof(have));
    text_size(o->max_bytes, allowed, sizeof(allowed));
    return error_set(err, ERROR_REFUSED,
                     "%s has %s of published videos and files to start from here, %s are allowed: "
                     "fetch and remove some (`zoe batch remove`)",
                     o->name, have, allowed);
}

/* So many more. */
static bool has_room(struct coordinator *c, const struct owner_entry *o, uint64_t batches,
                     uint64_t tasks, struct error *err)
{
    struct quota_use use;
    const char *owner = o->name;
    if (o->max_batches == 0 && o->max_tasks == 0) return true;
    quota_used(c, owner, &use);
    if (o->max_batches > 0 && use.batches + batches > o->max_batches)
        return error_set(err, ERROR_REFUSED,
                         "%s has %" PRIu64 " unfinished batches, %" PRIu64
                         " are allowed: wait for one or cancel one",
                         owner, use.batches, o->max_batches);
    if (o->max_tasks > 0 && (use.tasks > o->max_tasks || tasks > o->max_tasks - use.tasks))
        return error_set(err, ERROR_REFUSED,
                         "%s has %" PRIu64 " unfinished tasks, %" PRIu64 " are allowed: %" PRIu64
                         " more are too many",
                         owner, use.tasks, o->max_tasks, tasks);
    return true;
}

bool quota_allows(struct coordinator *c, const char *owner, const struct submit_result *wanted,
                  struct error *err)
{
    const struct owner_entry *o = owners_get(&c->owners, owner);
    return has_bytes(c, o, 0, err) && has_room(c, o, 1, tasks_of(wanted), err);
}

bool quota_allows_file(struct coordinator *c, const char *owner, uint64_t size_bytes,
                       struct error *err)
{
    return has_bytes(c, owners_get(&c->owners, owner), size_bytes, err);
}

bool quota_allows_priority(int32_t wanted, int32_t now, struct error *err)
{
    if (wanted <= 0 || wanted <= now) return true;
    return error_set(err, ERROR_REFUSED,
                     "priority %d goes before everybody's: an operator gives it (`zoe batch "
                     "priority`); yours are 0 and below",
                     (int)wanted);
}

bool quota_allows_retry(struct coordinator *c, const char *batch, struct error *err)
{
    struct batch_info info;
    if (!farm_batch_info(c->farm, batch, &info)) return true;
    return has_room(c, owners_get(&c->owners, info.owner), batch_state_is_terminal(info.state),
                    tasks_in(c, &info, failed), err);
}

bool quota_pace(struct coordinator *c, const char *owner, struct error *err)
{
    struct owner_entry *o = owners_get(&c->owners, owner);
    if (bucket_take(&o->submits, shell_now(c))) return true;
    return error_set(err, ERROR_REFUSED,
                     "%s submits too often: at most %d at once and %d a second in the long run; "
                     "put more prompts into one file",
                     owner, SUBMITS_BURST, SUBMITS_PER_S);
}

bool quota_change(struct coordinator *c, const char *owner, struct error *err)
{
    struct owner_entry *o = owners_get(&c->owners, owner);
    if (bucket_take(&o->changes, shell_now(c))) return true;
    return error_set(err, ERROR_REFUSED,
                     "%s changes batches too often: at most %d at once and %d a second in the "
                     "long run; try again in a moment",
                     owner, CHANGES_BURST, CHANGES_PER_S);
}

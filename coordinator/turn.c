/* What must happen in order, once a turn. */
#include "coordinator/turn.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/disk.h"
#include "base/log.h"
#include "base/mutation.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/assign_inputs.h"
#include "coordinator/backup.h"
#include "coordinator/checkpoint_uploads.h"
#include "coordinator/checks.h"
#include "coordinator/expel.h"
#include "coordinator/intake.h"
#include "coordinator/loading.h"
#include "coordinator/mail.h"
#include "coordinator/publisher.h"
#include "coordinator/retention.h"
#include "coordinator/shell.h"
#include "coordinator/uploads.h"
#include "coordinator/writes.h"

#define STORE_RETRY_NS (5 * NS_PER_S)
#define DISK_LOOK_NS NS_PER_S
#define DISK_LOOK_LOW_NS (2 * NS_PER_S)
#define PRUNE_NS (3600 * NS_PER_S)
#define PRUNE_OLD_EVENTS 1000
#define PRUNE_MANY_EVENTS 10000 /* of those beyond the limit: as fast as they can come */
#define PRUNE_LOGS_NS (60 * NS_PER_S)
#define PRUNE_SOON_NS (100 * NS_PER_MS)
#define LATE_CHECK_NS NS_PER_S
#define EXPEL_NS (10 * NS_PER_S)

/* ---- a failed commit (D2)
 * ------------------------------------------------------------------------- */

static bool load_access(struct keyring *keyring, struct tokens *tokens, struct owners *owners,
                        struct store *store, struct error *err)
{
    keyring_init(keyring);
    tokens_init(tokens);
    owners_init(owners);
    return keyring_load(keyring, store, err) && tokens_load(tokens, store, err) &&
           owners_load(owners, store, err);
}

static void finish_access(struct keyring *keyring, struct tokens *tokens, struct owners *owners)
{
    keyring_finish(keyring);
    tokens_finish(tokens);
    owners_finish(owners);
}

/* What cannot be read stays as it is. */
static void reload_access(struct coordinator *c)
{
    struct keyring keyring;
    struct tokens tokens;
    struct owners owners;
    struct error err = {0};
    if (load_access(&keyring, &tokens, &owners, c->store, &err)) {
        finish_access(&c->keyring, &c->tokens, &c->owners);
        c->keyring = keyring;
        c->tokens = tokens;
        c->owners = owners;
    } else {
        log_error("%s", err.message);
        finish_access(&keyring, &tokens, &owners);
    }
}

/* Memory is what the database says. Whoever had a session says hello again. */
static void start_anew(struct coordinator *c)
{
    struct error err = {0};
    checks_clear(c->checks);
    publisher_clear(c->publisher);
    uploads_clear(c->uploads);
    checkpoint_uploads_clear(c->checkpoints);
    c->missing.count = 0;
    sessions_clear(&c->sessions);
    reload_access(c);
    if (!loading_load(c, &err)) shell_stop(c, &err);
}

/* False: there is no going on with this database. */
static bool can_go_on(struct coordinator *c, const struct error *why)
{
    struct error err = {0};
    if (store_health(c->store) != STORE_CORRUPT) return true;
    error_set(&err, ERROR_CORRUPT, "%s/farm.db is damaged: %s", c->state, why->message);
    shell_stop(c, &err);
    return false;
}

static void commit_failed(struct coordinator *c, const struct error *why)
{
    enum store_state state = store_health(c->store);
    log_error("nothing of this turn is stored state=%s: %s", store_state_name(state), why->message);
    intake_failed(c->intake, why);
    outbound_fail(&c->outbound, why);
    if (!can_go_on(c, why)) return;
    c->unwell = true;
    c->unwell_why = *why;
    c->retry_at_ns = shell_now(c) + STORE_RETRY_NS;
    start_anew(c);
}

static void resume_removals(struct coordinator *c)
{
    struct error err = {0};
    if (!retention_resume(c, &err)) log_error("%s", err.message);
}

static void try_store(struct coordinator *c)
{
    struct error err = {0};
    if (!c->unwell || shell_now(c) < c->retry_at_ns) return;
    c->retry_at_ns = shell_now(c) + STORE_RETRY_NS;
    if (!store_retry(c->store, &err)) {
        c->unwell_why = err;
        (void)can_go_on(c, &err);
        return;
    }
    log_info("the database can be written again");
    c->unwell = false;
    start_anew(c);
    resume_removals(c);
}

/* ---- what is due by time
 * ---------------------------------------------------------------------------- */

struct space {
    uint64_t free_bytes;
    uint64_t total_bytes;
};

static double room(const struct space *s)
{
    return (double)s->free_bytes / ((double)disk_low_bytes(s->total_bytes) + 1.0);
}

/* The disk that is closest to being low counts: the database, the published tree and the artifacts
 * may stand on three. */
static bool tightest(struct coordinator *c, struct space *out)
{
    struct space found[3] = {{0}};
    const bool known[] = {
        path_free_bytes(c->state, &found[0].free_bytes, &found[0].total_bytes, NULL),
        path_free_bytes(c->renders, &found[1].free_bytes, &found[1].total_bytes, NULL),
        artifacts_free(c->artifacts, &found[2].free_bytes, &found[2].total_bytes, NULL),
    };
    bool any = false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i] && (!any || room(&found[i]) < room(out))) *out = found[i];
        any = any || known[i];
    }
    return any;
}

static void look_at_disk(struct coordinator *c)
{
    struct space space = {0};
    int64_t now_ns = shell_now(c);
    if (c->disk_seen_ns != 0 && now_ns - c->disk_seen_ns < DISK_LOOK_NS) return;
    c->disk_seen_ns = now_ns;
    if (tightest(c, &space)) farm_disk(c->farm, space.free_bytes, space.total_bytes);
}

static void expire_clients(struct coordinator *c)
{
    zsock_peer gone = 0;
    while (audience_expire(&c->audience, shell_now(c), &gone)) {
        intake_gone(c->intake, gone);
        feed_gone(&c->feed, gone);
        zsock_forget(c->clients, gone);
    }
}

static bool prune_events(struct coordinator *c)
{
    const int64_t before_ms = clock_wall_ms() - STORE_EVENTS_KEEP_MS;
    const bool older = store_events_prune(c->store, before_ms, PRUNE_OLD_EVENTS);
    return store_events_cap(c->store, LIMIT_EVENT_ROWS, PRUNE_MANY_EVENTS) || older;
}

/* A bounded step a turn; while there is more to go, soon again. */
static void prune_logs(struct coordinator *c, int64_t now_ns)
{
    if (c->unwell || (c->logs_pruned_ns != 0 && now_ns < c->logs_pruned_ns)) return;
    const bool events = prune_events(c);
    const bool more = audit_prune(c) || events;
    c->logs_pruned_ns = now_ns + (more ? PRUNE_SOON_NS : PRUNE_LOGS_NS);
}

static void prune(struct coordinator *c)
{
    int64_t now_ns = shell_now(c);
    prune_logs(c, now_ns);
    if (c->unwell || (c->pruned_ns != 0 && now_ns - c->pruned_ns < PRUNE_NS)) return;
    c->pruned_ns = now_ns;
    tokens_prune(&c->tokens, clock_wall_ms() - TOKEN_KEEP_MS);
    store_tokens_prune(c->store, clock_wall_ms() - TOKEN_KEEP_MS);
    const bool expired = store_outputs_expire(c->store, clock_wall_ms());
    if (expired) c->pruned_ns = 0; /* there may be more */
    if (store_inputs_prune(c->store, clock_wall_ms() - INPUT_KEEP_MS) || expired)
        c->sweep_anew = true;
}

static void expel(struct coordinator *c)
{
    int64_t now_ns = shell_now(c);
    if (now_ns - c->expelled_ns < EXPEL_NS) return;
    c->expelled_ns = now_ns;
    c->expel_again = expel_tick(c);
}

/* Large databases are checked after an unclean stop, a table at a time. */
static void check_late(struct coordinator *c)
{
    struct error err = {0};
    bool done = false;
    int64_t now_ns = shell_now(c);
    if (!c->late_check || now_ns - c->late_check_ns < LATE_CHECK_NS) return;
    c->late_check_ns = now_ns;
    if (!store_check_some(c->store, &done, &err)) {
        log_error("checking the database: %s", err.message);
        (void)can_go_on(c, &err);
    }
    c->late_check = !done && !c->stopping;
}

static void note_idleness(struct coordinator *c)
{
    int64_t now_ns = shell_now(c);
    if (!farm_is_idle(c->farm) || audience_count(&c->audience) > 0) c->busy_ns = now_ns;
    if (c->options.leave_after_ns == 0 || now_ns - c->busy_ns < c->options.leave_after_ns) return;
    log_info("nothing to do for a while: leaving");
    shell_stop(c, NULL);
}

static void tick(struct coordinator *c)
{
    int64_t now_ns = shell_now(c);
    try_store(c);
    look_at_disk(c);
    expire_clients(c);
    uploads_tick(c->uploads, now_ns);
    checkpoint_uploads_tick(c->checkpoints);
    publisher_tick(c->publisher, now_ns);
    intake_tick(c->intake, now_ns);
    prune(c);
    retention_tick(c);
    expel(c);
    check_late(c);
    note_idleness(c);
}

/* ---- jobs
 * -----------------------------------------------------------------------------------------------
 */

struct task_job {
    enum effect_kind kind;
    struct effect_job job;
    char *worker;
};

/* Jobs may fail at once and tell the core so: they are started from a copy, when the list of
 * effects is free for what they cause. */
static struct task_job *copy_jobs(const struct effects *list, size_t *count_out)
{
    struct task_job *jobs = xcalloc(list->count + 1, sizeof(*jobs));
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct effect *e = &list->items[i];
        if (!effect_is_job(e->kind)) continue;
        struct task_job *j = &jobs[count++];
        j->kind = e->kind;
        j->job = e->job;
        j->worker = xstrdup(e->job.worker != NULL ? e->job.worker : "");
        j->job.worker = j->worker;
    }
    *count_out = count;
    return jobs;
}

static void start_job(struct coordinator *c, const struct task_job *j)
{
    struct attempt_key key = {.task = j->job.task, .fence = j->job.worker_fence};
    switch (j->kind) {
    case EFFECT_VERIFY:
        checks_start(c->checks, &j->job);
        break;
    case EFFECT_DISCARD_UPLOAD:
        uploads_discard(c->uploads, j->worker, &key);
        break;
    case EFFECT_VERIFY_CHECKPOINT:
        checks_start_checkpoint(c->checks, &j->job);
        break;
    case EFFECT_DISCARD_CHECKPOINT:
        if (farm_has_checkpoint(c->farm, j->worker, &key)) break; /* another came in this turn */
        checks_drop_checkpoint(c->checks, j->worker, &key);
        checkpoint_uploads_end(c->checkpoints, j->worker, &key, j->job.outputs[0].frames);
        break;
    case EFFECT_STITCH:
        publisher_stitch(c->publisher, &j->job);
        break;
    case EFFECT_RENAME:
        publisher_rename(c->publisher, &j->job);
        break;
    default:
        break;
    }
}

static void start_jobs(struct coordinator *c, struct task_job *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        start_job(c, &jobs[i]);
        free(jobs[i].worker);
    }
    free(jobs);
}

/* ---- the turn
 * -----------------------------------------------------------------------------------------------
 */

static void committed(struct coordinator *c)
{
    size_t count = 0;
    writes_committed(c);
    mail_pack(c);
    struct task_job *jobs = copy_jobs(farm_effects(c->farm), &count);
    effects_clear(farm_effects(c->farm));
    assign_inputs_report(c);
    start_jobs(c, jobs, count);
    intake_committed(c->intake);
}

/* A worker that cannot be reached is found by its silence; a client is gone. */
static void on_unreachable(void *context, bool to_client, zsock_peer peer)
{
    struct coordinator *c = context;
    if (!to_client) return;
    feed_gone(&c->feed, peer);
    intake_gone(c->intake, peer);
}

void turn_answer(struct coordinator *c)
{
    if (c->unwell || farm_effects(c->farm)->count > 0 || store_is_dirty(c->store)) return;
    outbound_flush(&c->outbound, c->workers, c->clients, on_unreachable, c);
    c->only_asked = true;
}

/* What a test must notice: the answers are out before anything is stored. */
static void answer_too_early(struct coordinator *c)
{
    committed(c);
    outbound_flush(&c->outbound, c->workers, c->clients, on_unreachable, c);
}

static void decide_and_store(struct coordinator *c)
{
    struct error err = {0};
    bool empty = zsock_is_drained(c->workers) && zsock_is_drained(c->clients);
    farm_wall(c->farm, clock_wall_ms());
    farm_turn(c->farm, shell_now(c), empty);
    writes_apply(c);
    bool early = mutated(MUTATION_ACK_BEFORE_COMMIT);
    if (early) answer_too_early(c);
    if (store_commit(c->store, &err)) {
        if (!early) committed(c);
    } else {
        commit_failed(c, &err);
    }
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_deadline(const struct coordinator *c, int64_t now_ns)
{
    int64_t next = least(feed_next(&c->feed), audience_next(&c->audience));
    next = least(next, least(uploads_next(c->uploads), publisher_next(c->publisher)));
    next = least(next, checkpoint_uploads_next(c->checkpoints));
    next = least(next, intake_next(c->intake, now_ns));
    next = least(next, least(backup_next(c, now_ns), retention_next(c)));
    next = least(next, c->unwell ? c->retry_at_ns : farm_next_deadline(c->farm));
    if (c->expel_again) next = least(next, c->expelled_ns + EXPEL_NS);
    if (c->late_check) next = least(next, c->late_check_ns + LATE_CHECK_NS);
    if (farm_disk_is_low(c->farm)) next = least(next, c->disk_seen_ns + DISK_LOOK_LOW_NS);
    if (c->options.leave_after_ns > 0 && farm_is_idle(c->farm)) {
        next = least(next, c->busy_ns + c->options.leave_after_ns);
    }
    return next;
}

static void on_wake(uv_timer_t *timer)
{
    shell_stir(timer->data);
}

/* Without a deadline nothing turns the loop but a message. */
static void sleep_until_due(struct coordinator *c)
{
    int64_t now_ns = clock_now_ns();
    int64_t next = c->stirred ? now_ns : next_deadline(c, now_ns);
    uv_update_time(&c->loop);
    if (next == INT64_MAX) {
        (void)uv_timer_stop(&c->wake);
        return;
    }
    int64_t left_ns = next > now_ns ? next - now_ns : 0;
    (void)uv_timer_start(&c->wake, on_wake, (uint64_t)((left_ns + NS_PER_MS - 1) / NS_PER_MS), 0);
}

/* What was promised in this turn is not stored: it is not said either. */
static void take_back(struct coordinator *c)
{
    struct error why = {0};
    error_set(&why, ERROR_UNREACHABLE, "the coordinator is stopping: ask again when it is back");
    outbound_fail(&c->outbound, &why);
}

static void full_turn(struct coordinator *c)
{
    c->stirred = false;
    tick(c);
    if (c->stopping) {
        take_back(c);
    } else if (!c->unwell) {
        decide_and_store(c);
    }
    feed_answer(&c->feed, c->store, &c->outbound, shell_now(c));
    reports_clear(&c->reports);
    outbound_flush(&c->outbound, c->workers, c->clients, on_unreachable, c);
    if (!c->stopping) backup_step(c);
    c->now_ns = 0;
    sleep_until_due(c);
}

void turn_end(struct coordinator *c)
{
    if (!c->up || c->closed) return;
    if (c->stirred) full_turn(c);
    zsock_poll_events(c->workers);
    zsock_poll_events(c->clients);
}

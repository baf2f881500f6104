#include "coordinator/credit.h"

#include "base/clock.h"
#include "coordinator/lease.h"
#include "coordinator/worker_core.h"

#define BYTE_WORTH_NS (NS_PER_S / 1000)
#define SESSION_COST_NS (5 * NS_PER_S)

static uint64_t under_way(const struct upload *u)
{
    return u->granted - u->received[u->current];
}

void credit_withdraw(struct farm *f, struct upload *u)
{
    f->credit_bytes += under_way(u);
    u->granted = u->received[u->current];
}

static struct chain *place_of(struct farm *f, const struct upload *u)
{
    if (!u->is_checkpoint) return f->transfers.prev; /* behind the last */
    return u->leaving ? &f->transfers : f->spare.prev;
}

void credit_join(struct farm *f, struct upload *u, int64_t now_ns)
{
    (void)now_ns;
    if (!chain_is_empty(&u->in_transfers)) return;
    struct chain *before = place_of(f, u);
    chain_append(before->next, &u->in_transfers);
}

int64_t credit_patience(const struct upload *u)
{
    int64_t left = CREDIT_IDLE_NS - u->spent_ns;
    return left > 0 ? left : 0;
}

void credit_rest(struct upload *u, int64_t now_ns)
{
    if (u->awaited) u->spent_ns += now_ns - u->awaited_ns;
    u->awaited = false;
}

void credit_part(struct upload *u)
{
    u->spent_ns += SESSION_COST_NS;
    u->awaited = false;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Some bytes come twice; who sends the same or ever others over and over gets nowhere. */
static uint64_t worth_left(const struct upload *u)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < u->output_count; i++)
        all += 2 * u->outputs[i].size_bytes;
    return all > u->worth_bytes ? all - u->worth_bytes : 0;
}

static void refund(struct upload *u, uint64_t size_bytes)
{
    uint64_t counted = least(size_bytes, worth_left(u));
    int64_t worth = (int64_t)least(counted, CREDIT_IDLE_NS / BYTE_WORTH_NS) * BYTE_WORTH_NS;
    u->worth_bytes += counted;
    u->spent_ns = u->spent_ns > worth ? u->spent_ns - worth : 0;
}

/* A checkpoint never touches the lease of its attempt. */
static void await_bytes(struct farm *f, struct upload *u, int64_t now_ns)
{
    credit_rest(u, now_ns);
    u->awaited = true;
    u->awaited_ns = now_ns;
    if (u->is_checkpoint)
        deadline_set(&f->timers, &u->idle, now_ns + credit_patience(u));
    else
        lease_await_bytes(f, u->attempt, now_ns);
}

/* The next move is ours. */
static void stand(struct farm *f, struct upload *u)
{
    if (u->is_checkpoint)
        deadline_clear(&f->timers, &u->idle);
    else
        lease_stand(f, u->attempt);
}

/* The next output that is not all here; the last one when all are. */
static void advance(struct upload *u)
{
    while (u->current + 1 < u->output_count &&
           u->received[u->current] == u->outputs[u->current].size_bytes) {
        u->current++;
        u->granted = u->received[u->current];
    }
}

void credit_used(struct farm *f, struct upload *u, uint64_t offset, int64_t now_ns)
{
    const uint64_t size_bytes = offset - u->received[u->current];
    f->credit_bytes += size_bytes;
    credit_rest(u, now_ns);
    refund(u, size_bytes);
    u->received[u->current] = offset;
    if (under_way(u) > 0)
        await_bytes(f, u, now_ns);
    else
        stand(f, u);
    advance(u);
}

static uint64_t wanted(const struct upload *u)
{
    uint64_t missing = u->outputs[u->current].size_bytes - u->granted;
    uint64_t window = CREDIT_WINDOW_BYTES - least(CREDIT_WINDOW_BYTES, under_way(u));
    return least(missing, window);
}

static void grant(struct farm *f, struct upload *u, uint64_t size_bytes, int64_t now_ns)
{
    struct attempt_key key = attempt_key(u->attempt);
    struct effect_message *m = worker_answer(f, u->attempt->worker, EFFECT_CREDIT, &key);
    m->output = u->is_checkpoint ? CHECKPOINT_OUTPUT : u->current;
    m->offset = u->granted;
    m->size_bytes = size_bytes;
    u->granted += size_bytes;
    f->credit_bytes -= size_bytes;
    await_bytes(f, u, now_ns);
}

static void distribute(struct farm *f, struct chain *list, int64_t now_ns)
{
    CHAIN_EACH(link, list)
    {
        struct upload *u = CHAIN_OWNER(link, struct upload, in_transfers);
        if (f->credit_bytes == 0) return;
        if (u->attempt->worker->session == 0) continue;
        uint64_t size_bytes = least(wanted(u), f->credit_bytes);
        if (size_bytes > 0) grant(f, u, size_bytes, now_ns);
    }
}

void credit_distribute(struct farm *f, int64_t now_ns)
{
    if (f->disk_low) return;
    distribute(f, &f->transfers, now_ns);
    distribute(f, &f->spare, now_ns);
}

#include "coordinator/credit.h"

#include "coordinator/lease.h"
#include "coordinator/worker_core.h"

static uint64_t under_way(const struct upload *u)
{
    return u->granted - u->received[u->current];
}

void credit_withdraw(struct farm *f, struct attempt *a)
{
    struct upload *u = a->upload;
    f->credit_bytes += under_way(u);
    u->granted = u->received[u->current];
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

void credit_used(struct farm *f, struct attempt *a, uint64_t offset, int64_t now_ns)
{
    struct upload *u = a->upload;
    f->credit_bytes += offset - u->received[u->current];
    u->received[u->current] = offset;
    if (under_way(u) > 0)
        lease_await_bytes(f, a, now_ns);
    else
        lease_stand(f, a); /* the next move is ours */
    advance(u);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t wanted(const struct upload *u)
{
    uint64_t missing = u->outputs[u->current].size_bytes - u->granted;
    uint64_t window = CREDIT_WINDOW_BYTES - least(CREDIT_WINDOW_BYTES, under_way(u));
    return least(missing, window);
}

static void grant(struct farm *f, struct attempt *a, uint64_t size_bytes, int64_t now_ns)
{
    struct upload *u = a->upload;
    struct attempt_key key = attempt_key(a);
    struct effect_message *m = worker_answer(f, a->worker, EFFECT_CREDIT, &key);
    m->output = u->current;
    m->offset = u->granted;
    m->size_bytes = size_bytes;
    u->granted += size_bytes;
    f->credit_bytes -= size_bytes;
    lease_await_bytes(f, a, now_ns);
}

void credit_distribute(struct farm *f, int64_t now_ns)
{
    if (f->disk_low) return;
    CHAIN_EACH(link, &f->transfers)
    {
        struct upload *u = CHAIN_OWNER(link, struct upload, in_transfers);
        struct attempt *a = u->attempt;
        if (f->credit_bytes == 0) return;
        if (a->worker->session == 0) continue;
        uint64_t size_bytes = least(wanted(u), f->credit_bytes);
        if (size_bytes > 0) grant(f, a, size_bytes, now_ns);
    }
}

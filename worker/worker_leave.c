/* When and how a worker goes: W6, W7. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "proto/codec.h"
#include "worker/worker_parts.h"

static void say_leaving(struct worker *w, const char *reason, int64_t grace_ns, bool drained)
{
    char *text = codec_clean_text(reason, strlen(reason), LIMIT_TEXT_BYTES, false);
    Farm__Leaving leaving = FARM__LEAVING__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    leaving.reason = text;
    leaving.grace_ms = (uint64_t)(grace_ns / NS_PER_MS);
    leaving.drained = drained;
    envelope.body_case = FARM__ENVELOPE__BODY_LEAVING;
    envelope.leaving = &leaving;
    if (w->link) (void)link_send(w->link, &envelope);
    free(text);
}

static bool is_idle(const struct worker *w)
{
    for (size_t i = 0; i < w->slot_count; i++)
        if (!slot_is_idle(w->slots[i])) return false;
    return true;
}

static bool has_leaving(const struct worker *w)
{
    struct attempt_name name;
    struct slot_saved saved;
    size_t at = 0;
    return w->checkpoints && checkpoint_box_next(w->checkpoints, &at, &name, &saved);
}

/* Everything is told that must be told, or nobody is there to hear it. */
static bool is_drained(const struct worker *w)
{
    if (!is_idle(w) || has_leaving(w)) return false;
    if (w->over) return true;
    return w->outbox.count == 0 && (!w->link || !link_has_unsent(w->link));
}

void worker_look(struct worker *w)
{
    if (!w->draining || w->closing) return;
    if (!w->over && clock_now_ns() >= w->leave_by_ns) {
        w->over = true;
        for (size_t i = 0; i < w->slot_count; i++)
            slot_preempt(w->slots[i]);
    }
    if (!w->closing && is_drained(w)) worker_finish_now(w, 0);
}

static void leave_slot(struct slot *slot, int64_t leave_by_ns)
{
    if (leave_by_ns == INT64_MAX)
        slot_drain(slot);
    else
        slot_leave(slot, leave_by_ns);
}

void worker_drain(struct worker *w, const char *why, int64_t leave_by_ns)
{
    if (w->closing) return;
    if (!w->draining) log_info("draining: %s", why);
    if (!w->draining || leave_by_ns < w->leave_by_ns) w->leave_by_ns = leave_by_ns;
    w->draining = true;
    for (size_t i = 0; i < w->slot_count; i++)
        leave_slot(w->slots[i], w->leave_by_ns);
    if (w->link) link_beat(w->link);
    worker_look(w);
}

void worker_stop(struct worker *w)
{
    if (w->closing) return;
    int64_t grace_ns = w->stopped ? 0 : w->options.grace_ns;
    w->hurried = w->stopped;
    w->stopped = true;
    if (w->hurried && w->checkpoints) checkpoint_box_hurry(w->checkpoints);
    say_leaving(w, "it was asked to stop", grace_ns, false);
    worker_drain(w, "asked to stop", clock_now_ns() + grace_ns);
}

void worker_check_alone(struct worker *w)
{
    int64_t limit_ns = w->options.leave_after_ns;
    const bool leaves = w->draining && w->leave_by_ns != INT64_MAX;
    if (limit_ns == 0 || leaves || !w->link || link_alone_ns(w->link) < limit_ns) return;
    log_info("no coordinator for %" PRId64 " s", limit_ns / NS_PER_S);
    worker_drain(w, "nobody is there", clock_now_ns());
}

void worker_finish_now(struct worker *w, int exit_code)
{
    if (w->closing) return;
    w->closing = true;
    w->exit_code = exit_code;
    if (w->draining) say_leaving(w, "drained", 0, true);
    uv_close((uv_handle_t *)&w->timer, NULL);
    for (size_t i = 0; i < w->slot_count; i++)
        slot_close(w->slots[i], NULL, NULL);
    model_cache_stop(w->cache);
    model_fetch_close(w->fetch, NULL, NULL);
    input_pool_close(w->inputs);
    w->inputs = NULL;
    if (!w->link) return;
    upload_close(w->upload, NULL, NULL);
    if (w->checkpoints) checkpoint_box_close(w->checkpoints);
    w->checkpoints = NULL;
    bulk_close(w->bulk, NULL, NULL);
    link_close(w->link, NULL, NULL);
    w->link = NULL;
}

#include "coordinator/record.h"

#define ENTRY(table, index)                                                                        \
    ((size_t)(index) < sizeof(table) / sizeof((table)[0]) && (table)[index] != NULL                \
         ? (table)[index]                                                                          \
         : "unknown")

const char *batch_state_name(enum batch_state state)
{
    static const char *const names[BATCH_STATE_COUNT] = {"queued", "running", "paused",
                                                         "done",   "failed",  "canceled"};
    return ENTRY(names, state);
}

const char *clip_state_name(enum clip_state state)
{
    static const char *const names[CLIP_STATE_COUNT] = {
        [CLIP_WAITING] = "rendering",     [CLIP_RETRY] = "rendering",
        [CLIP_LEASED] = "rendering",      [CLIP_STITCHING] = "publishing",
        [CLIP_PUBLISHING] = "publishing", [CLIP_PUBLISHED] = "published",
        [CLIP_FAILED] = "failed",         [CLIP_CANCELED] = "canceled"};
    return ENTRY(names, state);
}

const char *task_state_name(enum task_state state)
{
    static const char *const names[TASK_STATE_COUNT] = {"waiting", "leased", "done", "failed",
                                                        "canceled"};
    return ENTRY(names, state);
}

const char *attempt_end_name(enum attempt_end end)
{
    static const char *const names[END_COUNT] = {[END_LIVE] = "live",
                                                 [END_DONE] = "done",
                                                 [END_HANDED_BACK] = "handed_back",
                                                 [END_PREEMPTED] = "preempted",
                                                 [END_LOST] = "lost",
                                                 [END_HUNG] = "hung",
                                                 [END_FAILED] = "failed",
                                                 [END_REJECTED] = "rejected",
                                                 [END_RECIPE] = "recipe",
                                                 [END_CANCELED] = "canceled",
                                                 [END_SUPERSEDED] = "superseded",
                                                 [END_SUSPECT] = "suspect",
                                                 [END_COMPARED] = "compared"};
    return ENTRY(names, end);
}

const char *worker_state_name(enum worker_state state)
{
    static const char *const names[WORKER_STATE_COUNT] = {"joining",     "canary",      "idle",
                                                          "busy",        "draining",    "drained",
                                                          "unreachable", "quarantined", "offline"};
    return ENTRY(names, state);
}

const char *suspect_name(enum suspect suspect)
{
    static const char *const names[] = {"", "black", "still"};
    return ENTRY(names, suspect);
}

bool batch_state_is_terminal(enum batch_state state)
{
    return state == BATCH_DONE || state == BATCH_FAILED || state == BATCH_CANCELED;
}

bool outputs_are_same(const struct output *a, uint32_t a_count, const struct output *b,
                      uint32_t b_count)
{
    if (a_count != b_count) return false;
    for (uint32_t i = 0; i < a_count; i++) {
        if (!digest_equal(&a[i].sha256, &b[i].sha256)) return false;
        if (a[i].size_bytes != b[i].size_bytes) return false;
    }
    return true;
}

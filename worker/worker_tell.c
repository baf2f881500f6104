/* What a worker says of itself. */
#include <unistd.h>

#include "worker/worker_parts.h"

uint64_t worker_slot_share(const struct worker *w)
{
    uint64_t all = w->options.memory_bytes ? w->options.memory_bytes : w->probe.memory_bytes;
    return all / w->slot_count;
}

static void tell_slots(struct worker *w, struct truth *truth)
{
    uint64_t share = worker_slot_share(w);
    truth->memory_bytes = probe_resident_bytes((int)getpid());
    for (size_t i = 0; i < w->slot_count; i++) {
        struct slot_held held[2];
        size_t count = slot_held(w->slots[i], held);
        truth_add_slot(truth, slot_backend(w->slots[i]), slot_fingerprint(w->slots[i]),
                       (uint32_t)w->threads, share);
        for (size_t k = 0; k < count; k++)
            truth_add_held(truth, (uint32_t)i, &held[k]);
        int pid = slot_engine_pid(w->slots[i]);
        if (pid > 0) truth->memory_bytes += probe_resident_bytes(pid);
    }
}

/* Attempts that had to stop are held until what was saved of them is stored; no slot has them. */
static void tell_leaving(const struct worker *w, struct truth *truth)
{
    struct slot_held held = {.place = {.phase = FARM__PHASE__PHASE_UPLOADING}};
    struct slot_saved saved;
    for (size_t at = 0;
         w->checkpoints && checkpoint_box_next(w->checkpoints, &at, &held.name, &saved);) {
        held.place.step = saved.step;
        held.place.steps = saved.steps;
        truth_add_held(truth, 0, &held);
    }
}

struct room worker_held(const struct worker *w)
{
    struct room room = {0};
    for (size_t i = 0; i < w->slot_count; i++)
        slot_add_results(w->slots[i], &room);
    return room;
}

/* What comes next is most often like what runs. */
static void tell_disk(const struct worker *w, struct truth *truth)
{
    const struct room held = worker_held(w);
    truth->disk_low = !outbox_has_room(&w->outbox, room_bytes(&held, held.largest_bytes),
                                       &truth->disk_free_bytes);
}

void worker_tell(void *context, struct truth *truth)
{
    struct worker *w = context;
    tell_slots(w, truth);
    tell_leaving(w, truth);
    for (size_t i = 0; i < w->outbox.count; i++) {
        const struct outbox_entry *e = w->outbox.entries[i];
        struct slot_held held = {e->name,
                                 {.phase = FARM__PHASE__PHASE_UPLOADING,
                                  .step = e->result.steps,
                                  .steps = e->result.steps}};
        truth_add_held(truth, 0, &held);
    }
    for (size_t i = 0; i < model_cache_count(w->cache); i++)
        truth_add_model(truth, model_cache_digest(w->cache, i));
    truth->outbox_count = (uint32_t)w->outbox.count;
    truth->outbox_bytes = w->outbox.size_bytes;
    tell_disk(w, truth);
    truth->draining = w->draining;
}

#include "worker/truth.h"

#include <string.h>

#include "proto/codec.h"

void truth_clear(struct truth *t)
{
    memset(t, 0, sizeof *t);
}

/* protobuf-c has no const texts; nothing writes through them. */
static char *borrow(const char *text)
{
    union {
        const char *in;
        char *out;
    } same = {.in = text};
    return same.out;
}

void truth_add_slot(struct truth *t, const char *backend, const char *fingerprint, uint32_t threads,
                    uint64_t memory_bytes)
{
    if (t->slot_count == LIMIT_SLOTS) return;
    Farm__Slot *slot = &t->slots[t->slot_count];
    farm__slot__init(slot);
    slot->index = (uint32_t)t->slot_count++;
    slot->backend = borrow(backend);
    slot->fingerprint = borrow(fingerprint);
    slot->threads = threads;
    slot->memory_bytes = memory_bytes;
}

static bool lists(const struct truth *t, const struct attempt_name *name)
{
    for (size_t i = 0; i < t->held_count; i++)
        if (attempt_name_equal(&t->held[i].name, name)) return true;
    return false;
}

void truth_add_held(struct truth *t, uint32_t slot, const struct slot_held *held)
{
    if (t->held_count == LIMIT_HELD || lists(t, &held->name)) return;
    t->held[t->held_count] = *held;
    t->held_slots[t->held_count++] = slot;
}

void truth_add_model(struct truth *t, const struct digest *model)
{
    if (t->model_count < LIMIT_MODELS) t->models[t->model_count++] = *model;
}

static void wire_held(struct truth *t)
{
    for (size_t i = 0; i < t->held_count; i++) {
        const struct slot_place *place = &t->held[i].place;
        Farm__Held *held = &t->wire_held[i];
        farm__held__init(held);
        t->wire_attempts[i] = attempt_name_wire(&t->held[i].name);
        held->attempt = &t->wire_attempts[i];
        held->slot = t->held_slots[i];
        held->phase = place->phase;
        held->step = place->step;
        held->steps = place->steps;
        t->held_refs[i] = held;
    }
}

static void wire_models(struct truth *t)
{
    for (size_t i = 0; i < t->model_count; i++)
        t->wire_models[i] = codec_digest(&t->models[i]);
}

void truth_fill_hello(struct truth *t, Farm__Hello *hello)
{
    wire_held(t);
    wire_models(t);
    for (size_t i = 0; i < t->slot_count; i++)
        t->slot_refs[i] = &t->slots[i];
    hello->slots = t->slot_refs;
    hello->n_slots = t->slot_count;
    hello->held = t->held_refs;
    hello->n_held = t->held_count;
    hello->models = t->wire_models;
    hello->n_models = t->model_count;
    hello->draining = t->draining;
}

void truth_fill_heartbeat(struct truth *t, Farm__Heartbeat *beat)
{
    wire_held(t);
    wire_models(t);
    beat->held = t->held_refs;
    beat->n_held = t->held_count;
    beat->models = t->wire_models;
    beat->n_models = t->model_count;
    beat->memory_bytes = t->memory_bytes;
    beat->outbox_count = t->outbox_count;
    beat->outbox_bytes = t->outbox_bytes;
    beat->disk_free_bytes = t->disk_free_bytes;
    beat->draining = t->draining;
    beat->disk_low = t->disk_low;
}

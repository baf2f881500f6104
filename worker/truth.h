/* truth: what a worker says of itself in Hello and Heartbeat: its slots, what it holds, its models,
 * memory, outbox. Filled by its owner, then put into a message that borrows it. */
#ifndef ZOE_WORKER_TRUTH_H
#define ZOE_WORKER_TRUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "proto/limits.h"
#include "worker/slot_core.h"

struct truth {
    Farm__Slot slots[LIMIT_SLOTS];
    size_t slot_count;
    struct slot_held held[LIMIT_HELD];
    uint32_t held_slots[LIMIT_HELD];
    size_t held_count;
    struct digest models[LIMIT_MODELS];
    size_t model_count;
    uint64_t memory_bytes;
    uint64_t outbox_bytes;
    uint64_t disk_free_bytes;
    uint32_t outbox_count;
    bool draining;
    bool disk_low;
    /* what the messages point to */
    Farm__Slot *slot_refs[LIMIT_SLOTS];
    Farm__Attempt wire_attempts[LIMIT_HELD];
    Farm__Held wire_held[LIMIT_HELD];
    Farm__Held *held_refs[LIMIT_HELD];
    ProtobufCBinaryData wire_models[LIMIT_MODELS];
};

void truth_clear(struct truth *t);
/* Beyond the limits of the protocol nothing is added; an attempt is listed once. Texts are
 * borrowed. */
void truth_add_slot(struct truth *t, const char *backend, const char *fingerprint, uint32_t threads,
                    uint64_t memory_bytes);
void truth_add_held(struct truth *t, uint32_t slot, const struct slot_held *held);
void truth_add_model(struct truth *t, const struct digest *model);

void truth_fill_hello(struct truth *t, Farm__Hello *hello);
void truth_fill_heartbeat(struct truth *t, Farm__Heartbeat *beat);

#endif

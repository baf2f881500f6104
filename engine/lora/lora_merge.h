/* lora_merge: adds one change to a float32 weight. Room-internal: lora_set.c. */
#ifndef ZOE_ENGINE_LORA_MERGE_H
#define ZOE_ENGINE_LORA_MERGE_H

#include "engine/lora/lora_file.h"
#include "engine/threads.h"

/* `weight`: `count` floats in the tensor's own order. ERROR_NO_MEMORY. */
bool lora_merge(const struct lora_delta *d, float strength, float *weight, int64_t count,
                struct threads *threads, struct error *err);

#endif

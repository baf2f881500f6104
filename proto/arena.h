/* arena: bump allocator for one decoded message, with a byte budget, so that a small hostile
 * message cannot unpack into a large tree. Memory comes zeroed; nothing is freed singly. One
 * thread. */
#ifndef ZOE_PROTO_ARENA_H
#define ZOE_PROTO_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used_bytes; /* headers included */
    size_t budget_bytes;
};

void arena_init(struct arena *a, size_t budget_bytes);
void arena_finish(struct arena *a);

/* NULL when the budget or the memory is gone. */
void *arena_alloc(struct arena *a, size_t size_bytes);
/* Size asked for when `memory` was allocated. `memory` must be a result of arena_alloc. */
size_t arena_size_of(const void *memory);

#endif

/* Blocks of growing size; each allocation has its size in front of it. */
#include "proto/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/xalloc.h"

#define FIRST_BLOCK_BYTES 2048
#define LAST_BLOCK_BYTES ((size_t)256 * 1024)
#define ALIGN alignof(max_align_t)

struct arena_block {
    struct arena_block *next;
    size_t capacity; /* of what follows this header */
    size_t used;
};

/* Sizes of both headers keep what follows them aligned. */
#define BLOCK_HEADER ((sizeof(struct arena_block) + ALIGN - 1) / ALIGN * ALIGN)
#define SIZE_HEADER ((sizeof(size_t) + ALIGN - 1) / ALIGN * ALIGN)

void arena_init(struct arena *a, size_t budget_bytes)
{
    *a = (struct arena){.budget_bytes = budget_bytes};
}

void arena_finish(struct arena *a)
{
    struct arena_block *block = a->blocks;
    while (block != NULL) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    *a = (struct arena){.budget_bytes = a->budget_bytes};
}

static struct arena_block *add_block(struct arena *a, size_t need)
{
    size_t capacity = a->blocks == NULL ? FIRST_BLOCK_BYTES : 2 * a->blocks->capacity;
    if (capacity > LAST_BLOCK_BYTES) capacity = LAST_BLOCK_BYTES;
    if (capacity < need) capacity = need;
    struct arena_block *block = calloc(1, BLOCK_HEADER + capacity);
    if (block == NULL) return NULL;
    block->next = a->blocks;
    block->capacity = capacity;
    a->blocks = block;
    return block;
}

void *arena_alloc(struct arena *a, size_t size_bytes)
{
    size_t padded = 0;
    if (!size_add(size_bytes, SIZE_HEADER + ALIGN - 1, &padded)) return NULL;
    padded = padded / ALIGN * ALIGN;
    if (padded > a->budget_bytes - a->used_bytes) return NULL;
    struct arena_block *block = a->blocks;
    if (block == NULL || block->capacity - block->used < padded) block = add_block(a, padded);
    if (block == NULL) return NULL;
    unsigned char *place = (unsigned char *)block + BLOCK_HEADER + block->used;
    block->used += padded;
    a->used_bytes += padded;
    *(size_t *)(void *)place = size_bytes;
    return place + SIZE_HEADER;
}

size_t arena_size_of(const void *memory)
{
    return *(const size_t *)(const void *)((const unsigned char *)memory - SIZE_HEADER);
}

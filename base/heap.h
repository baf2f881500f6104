/* heap: binary heap of deadlines whose elements know their own place, so that any of them can be
 * moved or removed in O(log n).
 *
 * The caller embeds a heap_node; node->index is maintained by the heap, HEAP_OUT when outside. */
#ifndef ZOE_BASE_HEAP_H
#define ZOE_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

#define HEAP_OUT ((size_t)-1)

struct heap_node {
    int64_t deadline_ns;
    size_t index;
    void *owner; /* borrowed back-pointer, set by the caller */
};

struct heap {
    struct heap_node **nodes;
    size_t count;
    size_t capacity;
};

void heap_init(struct heap *h);
void heap_finish(struct heap *h);
void heap_node_init(struct heap_node *n, void *owner);
void heap_set(struct heap *h, struct heap_node *n, int64_t deadline_ns); /* inserts or moves */
void heap_remove(struct heap *h, struct heap_node *n);                   /* no-op when outside */
struct heap_node *heap_first(const struct heap *h);                      /* borrowed or NULL */

#endif

/* Binary heap of embedded nodes, least deadline first. */
#include "base/heap.h"

#include <stdlib.h>

#include "base/xalloc.h"

void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

void heap_finish(struct heap *h)
{
    free(h->nodes);
    heap_init(h);
}

void heap_node_init(struct heap_node *n, void *owner)
{
    *n = (struct heap_node){.deadline_ns = 0, .index = HEAP_OUT, .owner = owner};
}

static void put(struct heap *h, size_t index, struct heap_node *n)
{
    h->nodes[index] = n;
    n->index = index;
}

static void rise(struct heap *h, struct heap_node *n)
{
    size_t at = n->index;
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (h->nodes[parent]->deadline_ns <= n->deadline_ns) break;
        put(h, at, h->nodes[parent]);
        at = parent;
    }
    put(h, at, n);
}

static void sink(struct heap *h, struct heap_node *n)
{
    size_t at = n->index;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= h->count) break;
        bool right_first =
            child + 1 < h->count && h->nodes[child + 1]->deadline_ns < h->nodes[child]->deadline_ns;
        if (right_first) child++;
        if (h->nodes[child]->deadline_ns >= n->deadline_ns) break;
        put(h, at, h->nodes[child]);
        at = child;
    }
    put(h, at, n);
}

static bool is_inside(const struct heap *h, const struct heap_node *n)
{
    if (n->index == HEAP_OUT) return false;
    ZOE_ASSERT(n->index < h->count && h->nodes[n->index] == n); /* else another heap's node */
    return true;
}

void heap_set(struct heap *h, struct heap_node *n, int64_t deadline_ns)
{
    bool inside = is_inside(h, n);
    n->deadline_ns = deadline_ns;
    if (!inside) {
        if (h->count == h->capacity) {
            h->capacity = h->capacity > 0 ? h->capacity * 2 : 16;
            h->nodes = xrealloc_array(h->nodes, h->capacity, sizeof(struct heap_node *));
        }
        put(h, h->count++, n);
    }
    rise(h, n);
    sink(h, n);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    if (!is_inside(h, n)) return;
    size_t hole = n->index;
    struct heap_node *last = h->nodes[--h->count];
    n->index = HEAP_OUT;
    if (last == n) return;
    put(h, hole, last);
    rise(h, last);
    sink(h, last);
}

struct heap_node *heap_first(const struct heap *h)
{
    return h->count > 0 ? h->nodes[0] : NULL;
}

#include "coordinator/deadline.h"

void deadline_init(struct deadline *d, void *subject,
                   void (*due)(struct farm *f, void *subject, int64_t now_ns))
{
    heap_node_init(&d->node, d);
    d->subject = subject;
    d->due = due;
}

void deadline_set(struct deadline_queue *q, struct deadline *d, int64_t at_ns)
{
    heap_set(&q->heap, &d->node, at_ns - q->stretched_ns);
}

void deadline_clear(struct deadline_queue *q, struct deadline *d)
{
    heap_remove(&q->heap, &d->node);
}

bool deadline_is_set(const struct deadline *d)
{
    return d->node.index != HEAP_OUT;
}

void deadline_queue_init(struct deadline_queue *q)
{
    heap_init(&q->heap);
    q->stretched_ns = 0;
}

void deadline_queue_finish(struct deadline_queue *q)
{
    heap_finish(&q->heap);
}

void deadline_queue_stretch(struct deadline_queue *q, int64_t by_ns)
{
    q->stretched_ns += by_ns;
}

int64_t deadline_queue_first(const struct deadline_queue *q)
{
    const struct heap_node *first = heap_first(&q->heap);
    return first != NULL ? first->deadline_ns + q->stretched_ns : INT64_MAX;
}

void deadline_queue_run(struct deadline_queue *q, struct farm *f, int64_t until_ns, int64_t now_ns)
{
    while (deadline_queue_first(q) <= until_ns) {
        struct deadline *d = heap_first(&q->heap)->owner;
        heap_remove(&q->heap, &d->node);
        d->due(f, d->subject, now_ns);
    }
}

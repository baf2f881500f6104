#include "engine/tensor_arena.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

void arena_plan_finish(struct arena_plan *p)
{
    free(p->spans);
    memset(p, 0, sizeof *p);
}

void arena_begin(struct arena *a, struct arena_plan *plan)
{
    arena_plan_finish(plan);
    *a = (struct arena){.plan = plan, .planning = true};
}

void arena_run(struct arena *a, struct arena_plan *plan, void *base)
{
    *a = (struct arena){.plan = plan, .base = base};
}

/* ---- places ---- */

static int by_size(const void *a, const void *b)
{
    const struct arena_span *x = *(struct arena_span *const *)a,
                            *y = *(struct arena_span *const *)b;
    if (x->size_bytes != y->size_bytes) return x->size_bytes > y->size_bytes ? -1 : 1;
    return x->born < y->born ? -1 : 1;
}

static bool meet(const struct arena_span *a, const struct arena_span *b)
{
    return a->born < b->died && b->born < a->died;
}

/* The lowest gap among those it meets; `placed` is sorted by offset. */
static bool place(struct arena_span *s, struct arena_span *const *placed, int count)
{
    size_t at = 0, end;
    for (int i = 0; i < count; i++) {
        const struct arena_span *other = placed[i];
        if (!meet(s, other)) continue;
        if (!size_add(at, s->size_bytes, &end)) return false;
        if (end <= other->offset_bytes) break;
        const size_t behind = other->offset_bytes + other->size_bytes;
        if (behind > at) at = behind;
    }
    s->offset_bytes = at;
    return size_add(at, s->size_bytes, &end);
}

static void insert(struct arena_span **placed, int count, struct arena_span *s)
{
    int at = count;
    while (at > 0 && placed[at - 1]->offset_bytes > s->offset_bytes)
        at--;
    memmove(&placed[at + 1], &placed[at], (size_t)(count - at) * sizeof(struct arena_span *));
    placed[at] = s;
}

void arena_end(struct arena *a)
{
    struct arena_plan *p = a->plan;
    a->planning = false;
    const size_t room = (size_t)p->count + 1;
    struct arena_span **order = xcalloc(room, sizeof(struct arena_span *));
    struct arena_span **placed = xcalloc(room, sizeof(struct arena_span *));
    for (int i = 0; i < p->count; i++)
        order[i] = &p->spans[i];
    qsort(order, (size_t)p->count, sizeof(struct arena_span *), by_size);
    for (int i = 0; !p->overflow && i < p->count; i++) {
        p->overflow = !place(order[i], placed, i);
        insert(placed, i, order[i]);
        const size_t end = order[i]->offset_bytes + order[i]->size_bytes;
        if (end > p->peak_bytes) p->peak_bytes = end;
    }
    free(order);
    free(placed);
}

/* ---- taking and giving ---- */

static bool tensor_size(const struct tensor *t, size_t *out)
{
    size_t size = sizeof(float);
    const int dims[] = {t->batch, t->frames, t->height, t->width, t->channels};
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        ZOE_ASSERT(dims[i] > 0);
        if (!size_mul(size, (size_t)dims[i], &size)) return false;
    }
    if (!size_add(size, ARENA_ALIGN_BYTES - 1, &size)) return false;
    *out = size & ~(size_t)(ARENA_ALIGN_BYTES - 1);
    return true;
}

static void note(struct arena *a, size_t size)
{
    struct arena_plan *p = a->plan;
    if (p->count == p->capacity) {
        p->capacity = p->capacity == 0 ? 64 : 2 * p->capacity;
        p->spans = xrealloc_array(p->spans, (size_t)p->capacity, sizeof *p->spans);
    }
    p->spans[p->count++] =
        (struct arena_span){.size_bytes = size, .born = a->clock++, .died = INT_MAX};
    if (!size_add(a->live_bytes, size, &a->live_bytes)) p->overflow = true;
    if (a->live_bytes > p->live_bytes) p->live_bytes = a->live_bytes;
}

struct tensor arena_take(struct arena *a, int batch, int frames, int height, int width,
                         int channels)
{
    struct tensor t = {TENSOR_F32, batch, frames, height, width, channels, channels, NULL, 0};
    size_t size;
    if (!tensor_size(&t, &size)) {
        a->plan->overflow = true;
        return t;
    }
    if (a->planning) {
        note(a, size);
    } else {
        ZOE_ASSERT(a->base != NULL && a->next < a->plan->count);
        const struct arena_span *span = &a->plan->spans[a->next];
        ZOE_ASSERT(span->size_bytes == size); /* the same calls as were planned */
        t.data = (float *)(void *)(a->base + span->offset_bytes);
    }
    t.slot = ++a->next;
    return t;
}

void arena_give(struct arena *a, struct tensor *t)
{
    if (a->planning && t->slot > 0 && t->slot <= a->plan->count) {
        struct arena_span *span = &a->plan->spans[t->slot - 1];
        if (span->died == INT_MAX) {
            span->died = a->clock++;
            a->live_bytes -= span->size_bytes;
        }
    }
    memset(t, 0, sizeof *t);
}

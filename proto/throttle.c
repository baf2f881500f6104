/* Numbers are in limits.h. */
#include "proto/throttle.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "proto/limits.h"

#define SWEEP_NS NS_PER_S /* a full table is walked at most so often */

void throttle_init(struct throttle *t, int64_t now_ns)
{
    bucket_init(&t->all, HANDSHAKES_ALL_BURST, HANDSHAKES_ALL_PER_S, now_ns);
    bucket_init(&t->others, HANDSHAKES_BURST, HANDSHAKES_PER_S, now_ns);
    table_init(&t->places);
    t->swept_ns = now_ns - SWEEP_NS;
}

void throttle_finish(struct throttle *t)
{
    table_finish_all(&t->places);
}

/* A full bucket says no more than none. */
static void sweep(struct throttle *t, int64_t now_ns)
{
    const void *key = NULL;
    size_t size = 0;
    struct bucket *b = NULL;
    if (now_ns - t->swept_ns < SWEEP_NS) return;
    t->swept_ns = now_ns;
    for (size_t i = 0; (b = table_next(&t->places, &i, &key, &size)) != NULL;) {
        if (!bucket_is_full(b, now_ns)) continue;
        (void)table_remove(&t->places, key, size);
        free(b);
    }
}

static struct bucket *place_of(struct throttle *t, const char *address, int64_t now_ns)
{
    struct bucket *b = table_get_text(&t->places, address);
    if (b != NULL) return b;
    if (t->places.count >= LIMIT_HANDSHAKE_ADDRESSES) sweep(t, now_ns);
    if (t->places.count >= LIMIT_HANDSHAKE_ADDRESSES) return &t->others;
    b = xcalloc(1, sizeof(*b));
    bucket_init(b, HANDSHAKES_BURST, HANDSHAKES_PER_S, now_ns);
    (void)table_set_text(&t->places, address, b);
    return b;
}

/* The address first: who is too eager takes nothing from the others. */
bool throttle_allows(struct throttle *t, const char *address, int64_t now_ns)
{
    return bucket_take(place_of(t, address, now_ns), now_ns) && bucket_take(&t->all, now_ns);
}

/* Few at a time: walked when somebody may have left. */
#include "coordinator/audience.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

void audience_init(struct audience *a)
{
    table_init(&a->members);
}

void audience_finish(struct audience *a)
{
    table_finish_all(&a->members);
}

void audience_greet(struct audience *a, zsock_peer peer, const uint8_t key[KEY_BYTES],
                    int64_t now_ns)
{
    struct member *m = table_get_u64(&a->members, peer);
    if (m == NULL) {
        m = xcalloc(1, sizeof(*m));
        m->peer = peer;
        (void)table_set_u64(&a->members, peer, m);
    }
    memcpy(m->key, key, KEY_BYTES);
    m->heard_ns = now_ns;
}

bool audience_heard(struct audience *a, zsock_peer peer, int64_t now_ns)
{
    struct member *m = table_get_u64(&a->members, peer);
    if (m == NULL) return false;
    m->heard_ns = now_ns;
    return true;
}

uint32_t audience_count(const struct audience *a)
{
    return (uint32_t)a->members.count;
}

bool audience_expire(struct audience *a, int64_t now_ns, zsock_peer *gone_out)
{
    struct member *m = NULL;
    for (size_t i = 0; (m = table_next(&a->members, &i, NULL, NULL)) != NULL;) {
        if (now_ns - m->heard_ns < AUDIENCE_SILENCE_NS) continue;
        *gone_out = m->peer;
        (void)table_remove_u64(&a->members, m->peer);
        free(m);
        return true;
    }
    return false;
}

bool audience_dismiss(struct audience *a, const uint8_t key[KEY_BYTES], zsock_peer *gone_out)
{
    struct member *m = NULL;
    for (size_t i = 0; (m = table_next(&a->members, &i, NULL, NULL)) != NULL;) {
        if (memcmp(m->key, key, KEY_BYTES) != 0) continue;
        *gone_out = m->peer;
        (void)table_remove_u64(&a->members, m->peer);
        free(m);
        return true;
    }
    return false;
}

int64_t audience_next(const struct audience *a)
{
    int64_t next_ns = INT64_MAX;
    const struct member *m = NULL;
    for (size_t i = 0; (m = table_next(&a->members, &i, NULL, NULL)) != NULL;) {
        if (m->heard_ns + AUDIENCE_SILENCE_NS < next_ns)
            next_ns = m->heard_ns + AUDIENCE_SILENCE_NS;
    }
    return next_ns;
}

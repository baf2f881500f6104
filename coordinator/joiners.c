/* Numbers are in limits.h. */
#include "coordinator/joiners.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct joiner_address {
    size_t count; /* of places; never 0 */
    char text[];
};

struct joiner {
    int64_t until_ns;
    struct joiner_address *address;
};

void joiners_init(struct joiners *j)
{
    table_init(&j->places);
    table_init(&j->addresses);
}

void joiners_finish(struct joiners *j)
{
    table_finish_all(&j->places);
    table_finish_all(&j->addresses);
}

static void leave(struct joiners *j, struct joiner_address *a)
{
    if (--a->count > 0) return;
    (void)table_remove_text(&j->addresses, a->text);
    free(a);
}

bool joiners_take(struct joiners *j, const uint8_t key[KEY_BYTES], int64_t now_ns)
{
    struct joiner *joiner = table_remove(&j->places, key, KEY_BYTES);
    if (joiner == NULL) return false;
    const bool in_time = now_ns < joiner->until_ns;
    leave(j, joiner->address);
    free(joiner);
    return in_time;
}

/* The table is in the order in which they came, and all have the same time. */
static void forget_late(struct joiners *j, int64_t now_ns)
{
    const void *key = NULL;
    struct joiner *joiner = NULL;
    for (size_t i = 0; (joiner = table_next(&j->places, &i, &key, NULL)) != NULL;) {
        if (now_ns < joiner->until_ns) return;
        (void)joiners_take(j, key, now_ns);
    }
}

static bool is_full(const struct joiners *j, const char *address)
{
    const struct joiner_address *a = table_get_text(&j->addresses, address);
    return j->places.count >= LIMIT_JOINERS || (a != NULL && a->count >= LIMIT_JOINERS_ADDRESS);
}

static struct joiner_address *enter(struct joiners *j, const char *text)
{
    struct joiner_address *a = table_get_text(&j->addresses, text);
    if (a == NULL) {
        const size_t size = strlen(text) + 1;
        a = xcalloc(1, sizeof(*a) + size);
        memcpy(a->text, text, size);
        (void)table_set_text(&j->addresses, text, a);
    }
    a->count++;
    return a;
}

bool joiners_add(struct joiners *j, const uint8_t key[KEY_BYTES], const char *address,
                 int64_t now_ns)
{
    (void)joiners_take(j, key, now_ns);
    if (is_full(j, address)) forget_late(j, now_ns);
    if (is_full(j, address)) return false;
    struct joiner *joiner = xcalloc(1, sizeof(*joiner));
    joiner->until_ns = now_ns + JOIN_WITHIN_NS;
    joiner->address = enter(j, address);
    (void)table_set(&j->places, key, KEY_BYTES, joiner);
    return true;
}

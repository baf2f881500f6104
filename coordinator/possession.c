/* possession: see the header. */
#include "coordinator/possession.h"

#include <string.h>

#include "proto/limits.h"

struct key {
    uint8_t bytes[DIGEST_BYTES + LIMIT_NAME_BYTES];
    size_t size;
};

static struct key key_of(const char *owner, const struct digest *sha256)
{
    struct key key;
    const size_t size = strnlen(owner, LIMIT_NAME_BYTES);
    memcpy(key.bytes, sha256->bytes, DIGEST_BYTES);
    memcpy(key.bytes + DIGEST_BYTES, owner, size);
    key.size = DIGEST_BYTES + size;
    return key;
}

void possessions_init(struct possessions *p)
{
    table_init(&p->shown);
}

void possessions_finish(struct possessions *p)
{
    table_finish(&p->shown);
}

static void forget_first(struct possessions *p)
{
    size_t cursor = 0, size = 0;
    const void *key = NULL;
    if (table_next(&p->shown, &cursor, &key, &size) != NULL)
        (void)table_remove(&p->shown, key, size);
}

void possessions_add(struct possessions *p, const char *owner, const struct digest *sha256)
{
    const struct key key = key_of(owner, sha256);
    if (possessions_has(p, owner, sha256)) return;
    if (p->shown.count >= LIMIT_POSSESSIONS) forget_first(p);
    (void)table_set(&p->shown, key.bytes, key.size, p);
}

bool possessions_has(const struct possessions *p, const char *owner, const struct digest *sha256)
{
    const struct key key = key_of(owner, sha256);
    return table_get(&p->shown, key.bytes, key.size) != NULL;
}

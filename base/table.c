/* Hash table: a dense array of entries in order of insertion and an index of slot numbers (open
 * addressing, linear probing).
 *
 * A removal only empties its entry; index and array are rebuilt when the array is full, which makes
 * every operation O(1) amortised and lets entries be removed during a walk. */
#include "base/table.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/xalloc.h"

#define SMALL_KEY 24 /* with its NUL: ids, numbers and most names need no allocation */
#define FIRST_CAPACITY 8

struct table_slot {
    void *value; /* NULL = removed */
    uint64_t hash;
    size_t key_size;
    union {
        char small[SMALL_KEY];
        char *large;
    } key;
};

_Static_assert(sizeof(((struct table *)0)->hash_key) == crypto_shorthash_KEYBYTES, "SipHash key");

void table_init(struct table *t)
{
    *t = (struct table){0};
}

static void free_key(struct table_slot *slot)
{
    if (slot->key_size >= SMALL_KEY) free(slot->key.large);
}

static const char *key_of(const struct table_slot *slot)
{
    return slot->key_size >= SMALL_KEY ? slot->key.large : slot->key.small;
}

void table_finish(struct table *t)
{
    for (size_t i = 0; i < t->used; i++) {
        if (t->slots[i].value != NULL) free_key(&t->slots[i]);
    }
    free(t->slots);
    free(t->index);
    table_init(t);
}

void table_finish_all(struct table *t)
{
    for (size_t i = 0; i < t->used; i++)
        free(t->slots[i].value);
    table_finish(t);
}

static uint64_t hash_of(const struct table *t, const void *key, size_t key_size)
{
    unsigned char out[crypto_shorthash_BYTES];
    uint64_t hash = 0;
    (void)crypto_shorthash(out, key, key_size, t->hash_key);
    memcpy(&hash, out, sizeof(hash));
    return hash;
}

/* The load of the index stays at or below one half, so that a free place always ends the probe. */
static struct table_slot *find(const struct table *t, uint64_t hash, const void *key,
                               size_t key_size)
{
    if (t->index == NULL) return NULL;
    for (size_t at = (size_t)hash & t->index_mask; t->index[at] != 0;
         at = (at + 1) & t->index_mask) {
        struct table_slot *slot = &t->slots[t->index[at] - 1];
        if (slot->value == NULL || slot->hash != hash || slot->key_size != key_size) continue;
        if (key_size == 0 || memcmp(key_of(slot), key, key_size) == 0) return slot;
    }
    return NULL;
}

static void enter_index(struct table *t, size_t slot_number)
{
    size_t at = (size_t)t->slots[slot_number].hash & t->index_mask;
    while (t->index[at] != 0) {
        at = (at + 1) & t->index_mask;
    }
    t->index[at] = slot_number + 1;
}

/* Drops removed entries and makes room for as many again as are live. */
static void rebuild(struct table *t)
{
    if (t->index == NULL) id_random(t->hash_key, sizeof(t->hash_key));
    size_t live = 0;
    for (size_t i = 0; i < t->used; i++) {
        if (t->slots[i].value != NULL) t->slots[live++] = t->slots[i];
    }
    size_t capacity = FIRST_CAPACITY;
    while (capacity < live * 2) {
        capacity *= 2;
    }
    t->slots = xrealloc_array(t->slots, capacity, sizeof(*t->slots));
    t->capacity = capacity;
    t->used = live;
    free(t->index);
    t->index = xcalloc(capacity * 2, sizeof(*t->index));
    t->index_mask = capacity * 2 - 1;
    for (size_t i = 0; i < live; i++) {
        enter_index(t, i);
    }
}

static void copy_key(struct table_slot *slot, const void *key, size_t key_size)
{
    slot->key_size = key_size;
    if (key_size >= SMALL_KEY) slot->key.large = xmalloc(key_size + 1);
    char *copy = key_size >= SMALL_KEY ? slot->key.large : slot->key.small;
    if (key_size > 0) memcpy(copy, key, key_size);
    copy[key_size] = '\0';
}

void *table_get(const struct table *t, const void *key, size_t key_size)
{
    if (t->count == 0) return NULL;
    const struct table_slot *slot = find(t, hash_of(t, key, key_size), key, key_size);
    return slot != NULL ? slot->value : NULL;
}

void *table_set(struct table *t, const void *key, size_t key_size, void *value)
{
    ZOE_ASSERT(value != NULL);
    struct table_slot *slot = find(t, hash_of(t, key, key_size), key, key_size);
    if (slot != NULL) {
        void *old = slot->value;
        slot->value = value;
        return old;
    }
    if (t->used == t->capacity) rebuild(t);
    slot = &t->slots[t->used];
    slot->value = value;
    slot->hash = hash_of(t, key, key_size); /* the first rebuild has drawn the hash key */
    copy_key(slot, key, key_size);
    enter_index(t, t->used);
    t->used++;
    t->count++;
    return NULL;
}

void *table_remove(struct table *t, const void *key, size_t key_size)
{
    if (t->count == 0) return NULL;
    struct table_slot *slot = find(t, hash_of(t, key, key_size), key, key_size);
    if (slot == NULL) return NULL;
    void *old = slot->value;
    free_key(slot);
    slot->value = NULL;
    t->count--;
    return old;
}

void *table_get_text(const struct table *t, const char *key)
{
    return table_get(t, key, strlen(key));
}

void *table_set_text(struct table *t, const char *key, void *value)
{
    return table_set(t, key, strlen(key), value);
}

void *table_remove_text(struct table *t, const char *key)
{
    return table_remove(t, key, strlen(key));
}

void *table_get_u64(const struct table *t, uint64_t key)
{
    return table_get(t, &key, sizeof(key));
}

void *table_set_u64(struct table *t, uint64_t key, void *value)
{
    return table_set(t, &key, sizeof(key), value);
}

void *table_remove_u64(struct table *t, uint64_t key)
{
    return table_remove(t, &key, sizeof(key));
}

void *table_next(const struct table *t, size_t *cursor, const void **key_out, size_t *key_size_out)
{
    while (*cursor < t->used && t->slots[*cursor].value == NULL) {
        (*cursor)++;
    }
    if (*cursor >= t->used) return NULL;
    const struct table_slot *slot = &t->slots[(*cursor)++];
    if (key_out != NULL) *key_out = key_of(slot);
    if (key_size_out != NULL) *key_size_out = slot->key_size;
    return slot->value;
}

/* table: hash table from byte-string keys to void pointers. Keys are copied; values are borrowed.
 * Iteration order is unspecified but stable between changes. */
#ifndef ZOE_BASE_TABLE_H
#define ZOE_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot;
struct table {
    struct table_slot *slots;
    size_t capacity;
    size_t count;
    size_t used; /* live + tombstones */
};

void table_init(struct table *t);
void table_finish(struct table *t); /* frees keys, not values */

void *table_get(const struct table *t, const void *key, size_t key_size);
void *table_set(struct table *t, const void *key, size_t key_size,
                void *value); /* value != NULL; returns the old one or NULL */
void *table_remove(struct table *t, const void *key,
                   size_t key_size); /* returns the old one or NULL */

void *table_get_text(const struct table *t, const char *key);
void *table_set_text(struct table *t, const char *key, void *value);
void *table_remove_text(struct table *t, const char *key);
void *table_get_u64(const struct table *t, uint64_t key);
void *table_set_u64(struct table *t, uint64_t key, void *value);
void *table_remove_u64(struct table *t, uint64_t key);

/* for (size_t i = 0; (value = table_next(&t, &i, NULL, NULL)) != NULL;) ...  Removing the current
 * entry meanwhile is allowed. */
void *table_next(const struct table *t, size_t *cursor, const void **key_out, size_t *key_size_out);

#endif

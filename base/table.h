/* table: hash table from byte-string keys to void pointers. Keys are copied; values are borrowed.
 * Iteration is in the order of insertion (setting an existing key keeps its place), so that runs
 * can be repeated. The hash is SipHash with a random key of each table: peers cannot choose keys
 * that collide. A zeroed struct is an empty table. */
#ifndef ZOE_BASE_TABLE_H
#define ZOE_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot;
struct table {
    struct table_slot *slots; /* dense, in order of insertion; removed ones stay until a rebuild */
    size_t capacity;
    size_t count;  /* live */
    size_t used;   /* live + removed */
    size_t *index; /* hash -> slot number + 1; 0 = free */
    size_t index_mask;
    uint8_t hash_key[16];
};

void table_init(struct table *t);
void table_finish(struct table *t);     /* frees keys, not values */
void table_finish_all(struct table *t); /* values too, which are the table's and free() ends */

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

/* for (size_t i = 0; (value = table_next(&t, &i, NULL, NULL)) != NULL;) ...
 * Removing any entry meanwhile is allowed; adding one is not. *key_out lives until the next
 * addition or the removal of its entry, and has a NUL after its last byte, so that text keys can be
 * used as strings. */
void *table_next(const struct table *t, size_t *cursor, const void **key_out, size_t *key_size_out);

#endif

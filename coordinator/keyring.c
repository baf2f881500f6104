/* A table by key. Names are looked up by walking it: that happens when a key is allowed and when a
 * person asks for workers. */
#include "coordinator/keyring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/xalloc.h"
#include "coordinator/store.h"

void keyring_init(struct keyring *k)
{
    table_init(&k->entries);
}

void keyring_finish(struct keyring *k)
{
    table_finish_all(&k->entries);
}

static void load_one(void *context, const struct store_key *row)
{
    keyring_put(context, row);
}

bool keyring_load(struct keyring *k, struct store *store, struct error *err)
{
    return store_each_key(store, load_one, k, err);
}

const struct keyring_entry *keyring_find(const struct keyring *k, const uint8_t key[KEY_BYTES])
{
    return table_get(&k->entries, key, KEY_BYTES);
}

const struct keyring_entry *keyring_find_text(const struct keyring *k, const char *hex)
{
    uint8_t key[KEY_BYTES];
    if (strlen(hex) != 2 * KEY_BYTES || !hex_decode(hex, key, KEY_BYTES)) return NULL;
    return keyring_find(k, key);
}

static const struct keyring_entry *find_worker(const struct keyring *k, const char *name)
{
    const struct keyring_entry *entry = NULL;
    for (size_t i = 0; (entry = table_next(&k->entries, &i, NULL, NULL)) != NULL;) {
        if (entry->role == MESSAGE_FROM_WORKER && strcmp(entry->name, name) == 0) return entry;
    }
    return NULL;
}

bool keyring_worker_key(const struct keyring *k, const char *name, char out[KEY_TEXT_SIZE])
{
    const struct keyring_entry *entry = find_worker(k, name);
    if (entry == NULL) return false;
    keys_text(entry->key, out);
    return true;
}

bool keyring_check(const struct keyring *k, const uint8_t key[KEY_BYTES], const char *role,
                   const char *name, bool *existed, struct error *err)
{
    enum message_from from = MESSAGE_FROM_WORKER;
    *existed = false;
    if (!message_role_parse(role, &from)) {
        return error_set(err, ERROR_INVALID,
                         "there is no role %s: worker, submit, operate or admin", role);
    }
    if (strncmp(name, KEYRING_JOINER, strlen(KEYRING_JOINER)) == 0) {
        return error_set(err, ERROR_INVALID, "nobody is called " KEYRING_JOINER "...");
    }
    const struct keyring_entry *entry = keyring_find(k, key);
    if (entry != NULL) {
        *existed = entry->role == from && strcmp(entry->name, name) == 0;
        if (*existed) return true;
        return error_set(err, ERROR_STATE, "this key is allowed already, as %s %s",
                         entry->role_name, entry->name);
    }
    if (from == MESSAGE_FROM_WORKER && find_worker(k, name) != NULL) {
        return error_set(err, ERROR_STATE, "another key is the worker %s: choose another name",
                         name);
    }
    return true;
}

void keyring_put(struct keyring *k, const struct store_key *row)
{
    enum message_from from = MESSAGE_FROM_WORKER;
    if (!message_role_parse(row->role, &from)) return; /* a row of a newer build: nobody here */
    struct keyring_entry *entry = xcalloc(1, sizeof(*entry));
    memcpy(entry->key, row->key, KEY_BYTES);
    entry->role = from;
    entry->allowed_ms = row->allowed_ms;
    entry->ephemeral = row->ephemeral;
    entry->role_name = message_role_name(from);
    (void)snprintf(entry->name, sizeof(entry->name), "%s", row->name);
    (void)snprintf(entry->token, sizeof(entry->token), "%s", row->token ? row->token : "");
    free(table_set(&k->entries, row->key, KEY_BYTES, entry));
}

void keyring_set(struct keyring *k, const uint8_t key[KEY_BYTES], const char *role,
                 const char *name)
{
    struct store_key row = {.role = role, .name = name};
    memcpy(row.key, key, KEY_BYTES);
    keyring_put(k, &row);
}

void keyring_remove(struct keyring *k, const uint8_t key[KEY_BYTES])
{
    free(table_remove(&k->entries, key, KEY_BYTES));
}

static bool has_role(const struct keyring_entry *entry, const char *role)
{
    return role[0] == '\0' || strcmp(entry->role_name, role) == 0;
}

static const struct keyring_entry *find_name(const struct keyring *k, const char *name,
                                             const char *role, size_t *count_out)
{
    const struct keyring_entry *entry = NULL, *found = NULL;
    *count_out = 0;
    for (size_t i = 0; (entry = table_next(&k->entries, &i, NULL, NULL)) != NULL;) {
        if (strcmp(entry->name, name) != 0 || !has_role(entry, role)) continue;
        found = entry;
        (*count_out)++;
    }
    return found;
}

const struct keyring_entry *keyring_choose(const struct keyring *k, const char *text,
                                           const char *role, struct error *err)
{
    size_t count = 0;
    const struct keyring_entry *entry = keyring_find_text(k, text);
    if (entry == NULL || !has_role(entry, role)) entry = find_name(k, text, role, &count);
    if (count <= 1 && entry != NULL) return entry;
    if (count > 1) {
        error_set(err, ERROR_USAGE, "%zu keys are called %s: name one by its 64 digits", count,
                  text);
    } else {
        error_set(err, ERROR_NOT_FOUND, "no key %s%s%s is allowed; see zoe key list", text,
                  role[0] != '\0' ? " of the role " : "", role);
    }
    return NULL;
}

bool keyring_is_last_admin(const struct keyring *k, const struct keyring_entry *entry)
{
    const struct keyring_entry *other = NULL;
    if (entry->role != MESSAGE_FROM_ADMIN) return false;
    for (size_t i = 0; (other = table_next(&k->entries, &i, NULL, NULL)) != NULL;) {
        if (other != entry && other->role == MESSAGE_FROM_ADMIN) return false;
    }
    return true;
}

#define NUMBER_ROOM 24 /* of a number behind a name */

void keyring_free_name(const struct keyring *k, const char *wanted, bool numbered,
                       keyring_taken taken, void *context, char out[LIMIT_NAME_BYTES + 1])
{
    size_t count = 0;
    (void)snprintf(out, LIMIT_NAME_BYTES + 1, "%s", wanted);
    if (!numbered && find_name(k, out, "", &count) == NULL && !taken(context, out)) return;
    for (size_t number = numbered ? 1 : 2;; number++) {
        (void)snprintf(out, LIMIT_NAME_BYTES + 1, "%.*s-%zu", LIMIT_NAME_BYTES - NUMBER_ROOM,
                       wanted, number);
        if (find_name(k, out, "", &count) == NULL && !taken(context, out)) return;
    }
}

static int compare_keys(const void *a, const void *b)
{
    const struct keyring_entry *const *one = a, *const *two = b;
    return memcmp((*one)->key, (*two)->key, KEY_BYTES);
}

size_t keyring_page(const struct keyring *k, const uint8_t *after, const struct keyring_entry **out,
                    size_t room)
{
    const struct keyring_entry *entry = NULL;
    const struct keyring_entry **all = xcalloc(k->entries.count + 1, sizeof(*all));
    size_t count = 0;
    for (size_t i = 0; (entry = table_next(&k->entries, &i, NULL, NULL)) != NULL;) {
        if (after == NULL || memcmp(entry->key, after, KEY_BYTES) > 0) all[count++] = entry;
    }
    qsort(all, count, sizeof(*all), compare_keys);
    if (count > room) count = room;
    memcpy(out, all, count * sizeof(*all));
    free(all);
    return count;
}

/* A table by key. Names are looked up by walking it: that happens when a key is allowed and when a
 * person asks for workers. */
#include "coordinator/keyring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/xalloc.h"
#include "coordinator/store.h"

static const char *const role_names[] = {"worker", "submit", "admin"};

void keyring_init(struct keyring *k)
{
    table_init(&k->entries);
}

void keyring_finish(struct keyring *k)
{
    struct keyring_entry *entry = NULL;
    for (size_t i = 0; (entry = table_next(&k->entries, &i, NULL, NULL)) != NULL;)
        free(entry);
    table_finish(&k->entries);
}

static void load_one(void *context, const struct store_key *row)
{
    keyring_set(context, row->key, row->role, row->name);
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
        return error_set(err, ERROR_INVALID, "there is no role %s: worker, submit or admin", role);
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

void keyring_set(struct keyring *k, const uint8_t key[KEY_BYTES], const char *role,
                 const char *name)
{
    enum message_from from = MESSAGE_FROM_WORKER;
    if (!message_role_parse(role, &from)) return; /* a row of a newer build: nobody here */
    struct keyring_entry *entry = xcalloc(1, sizeof(*entry));
    memcpy(entry->key, key, KEY_BYTES);
    entry->role = from;
    for (size_t i = 0; i < sizeof(role_names) / sizeof(role_names[0]); i++) {
        if (strcmp(role_names[i], role) == 0) entry->role_name = role_names[i];
    }
    (void)snprintf(entry->name, sizeof(entry->name), "%s", name);
    free(table_set(&k->entries, key, KEY_BYTES, entry));
}

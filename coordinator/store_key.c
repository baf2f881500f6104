/* store_key: rows of allowed keys. */
#include <string.h>

#include "coordinator/store_db.h"

void store_key_allow(struct store *s, const struct store_key *key)
{
    static const char sql[] = "INSERT OR REPLACE INTO key VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
    STORE_WRITE(s, sql, store_blob(key->key, sizeof key->key), store_text(key->role),
                store_text(key->name), store_int(key->allowed_ms), store_words(key->token),
                store_int(key->ephemeral));
}

void store_key_revoke(struct store *s, const uint8_t key[32])
{
    static const char sql[] = "DELETE FROM key WHERE key = ?1";
    STORE_WRITE(s, sql, store_blob(key, 32));
}

bool store_each_key(struct store *s, void (*each)(void *context, const struct store_key *key),
                    void *context, struct error *err)
{
    static const char sql[] =
        "SELECT key, role, name, allowed_ms, token, ephemeral FROM key ORDER BY name, key";
    int row = -1;
    sqlite3_stmt *stmt = store_db_query(s, sql, NULL, 0, err);
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        struct store_key key = {.role = store_db_text(stmt, 1),
                                .name = store_db_text(stmt, 2),
                                .allowed_ms = sqlite3_column_int64(stmt, 3),
                                .token = store_db_text(stmt, 4),
                                .ephemeral = sqlite3_column_int(stmt, 5) != 0};
        /* A CHECK says 32 bytes; in a damaged row others may stand, and nobody has that key. */
        if (sqlite3_column_bytes(stmt, 0) != (int)sizeof key.key) continue;
        memcpy(key.key, sqlite3_column_blob(stmt, 0), sizeof key.key);
        each(context, &key);
    }
    return row == 0;
}

/* Rows of token, owner and published. */
#include "coordinator/store_access.h"

#include <stdio.h>
#include <string.h>

#include "coordinator/store_db.h"

/* ---- tokens ---- */

void store_token_save(struct store *s, const struct store_token *t)
{
    static const char sql[] =
        "INSERT OR REPLACE INTO token VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    STORE_WRITE(s, sql, store_text(t->id), store_blob(t->key, sizeof t->key), store_text(t->role),
                store_int(t->created_ms), store_int(t->expires_ms), store_int(t->uses),
                store_int(t->used), store_int(t->ephemeral), store_text(t->name),
                store_text(t->by));
}

void store_token_revoke(struct store *s, const char *id)
{
    static const char sql[] = "DELETE FROM token WHERE id = ?1";
    STORE_WRITE(s, sql, store_text(id));
}

bool store_each_token(struct store *s, void (*each)(void *context, const struct store_token *token),
                      void *context, struct error *err)
{
    static const char sql[] = "SELECT id, key, role, created_ms, expires_ms, uses, used, ephemeral,"
                              " name, by FROM token ORDER BY id";
    int row = -1;
    sqlite3_stmt *stmt = store_db_query(s, sql, NULL, 0, err);
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        struct store_token t = {.role = store_db_text(stmt, 2),
                                .created_ms = sqlite3_column_int64(stmt, 3),
                                .expires_ms = sqlite3_column_int64(stmt, 4),
                                .uses = store_db_u32(stmt, 5),
                                .used = store_db_u32(stmt, 6),
                                .ephemeral = sqlite3_column_int(stmt, 7) != 0,
                                .name = store_db_text(stmt, 8),
                                .by = store_db_text(stmt, 9)};
        (void)snprintf(t.id, sizeof t.id, "%s", store_db_text(stmt, 0));
        /* As of keys: a damaged row lets nobody in. */
        if (sqlite3_column_bytes(stmt, 1) != (int)sizeof t.key) continue;
        memcpy(t.key, sqlite3_column_blob(stmt, 1), sizeof t.key);
        each(context, &t);
    }
    return row == 0;
}

void store_tokens_prune(struct store *s, int64_t before_ms)
{
    static const char sql[] = "DELETE FROM token WHERE expires_ms < ?1";
    STORE_WRITE(s, sql, store_int(before_ms));
}

/* ---- owners ---- */

void store_owner_save(struct store *s, const struct store_owner *o)
{
    static const char sql[] = "INSERT OR REPLACE INTO owner VALUES(?1, ?2, ?3, ?4, ?5)";
    STORE_WRITE(s, sql, store_text(o->name), store_int(o->share), store_u64(o->max_batches),
                store_u64(o->max_tasks), store_u64(o->max_bytes));
}

bool store_each_owner(struct store *s, void (*each)(void *context, const struct store_owner *owner),
                      void *context, struct error *err)
{
    static const char sql[] =
        "SELECT name, share, max_batches, max_tasks, max_bytes FROM owner ORDER BY name";
    int row = -1;
    sqlite3_stmt *stmt = store_db_query(s, sql, NULL, 0, err);
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        struct store_owner o = {.name = store_db_text(stmt, 0),
                                .share = store_db_u32(stmt, 1),
                                .max_batches = store_db_u64(stmt, 2),
                                .max_tasks = store_db_u64(stmt, 3),
                                .max_bytes = store_db_u64(stmt, 4)};
        each(context, &o);
    }
    return row == 0;
}

void store_published_add(struct store *s, const char *batch, uint64_t bytes)
{
    static const char sql[] = "INSERT INTO published SELECT sequence, ?2 FROM batch WHERE id = ?1"
                              " ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes";
    STORE_WRITE(s, sql, store_text(batch), store_u64(bytes));
}

void store_published_recount(struct store *s)
{
    static const char forget[] = "DELETE FROM published";
    static const char count[] =
        "INSERT INTO published SELECT batch, sum(size) FROM clip WHERE state = ?1"
        " AND size IS NOT NULL AND batch IN (SELECT sequence FROM batch) GROUP BY batch";
    store_db_write(s, forget, NULL, 0);
    STORE_WRITE(s, count, store_int(CLIP_PUBLISHED));
}

bool store_each_published(struct store *s,
                          void (*each)(void *context, const char *batch, const char *owner,
                                       uint64_t bytes),
                          void *context, struct error *err)
{
    static const char sql[] =
        "SELECT b.id, b.owner, p.bytes FROM published p JOIN batch b ON b.sequence = p.batch";
    int row = -1;
    sqlite3_stmt *stmt = store_db_query(s, sql, NULL, 0, err);
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1)
        each(context, store_db_text(stmt, 0), store_db_text(stmt, 1), store_db_u64(stmt, 2));
    return row == 0;
}

bool store_owner_uses(struct store *s, const char *owner, const struct digest *digest)
{
    static const char sql[] =
        "SELECT 1 FROM output o JOIN batch b ON b.sequence = o.batch WHERE o.sha256 = ?1"
        " AND b.owner = ?2 UNION ALL SELECT 1 FROM batch_input i JOIN batch b"
        " ON b.sequence = i.batch WHERE i.sha256 = ?1 AND b.owner = ?2 LIMIT 1";
    sqlite3_stmt *stmt = STORE_QUERY(s, NULL, sql, store_digest(digest), store_text(owner));
    const bool found = stmt != NULL && store_db_next(s, stmt, NULL) == 1;
    if (found) store_db_done(stmt);
    return found;
}

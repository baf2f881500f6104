/* store_input: rows of inputs, and which batches name them. Triggers count an input's row as one
 * use of its artifact, and drop the row with the last batch that named it. */
#include <stdio.h>

#include "coordinator/store_db.h"

/* A row that stands is left as it is: the digest is of the same bytes. */
void store_input_add(struct store *s, const struct input_record *r)
{
    static const char sql[] = "INSERT INTO input VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
                              " ON CONFLICT DO UPDATE SET seen_ms = max(seen_ms, excluded.seen_ms)";
    STORE_WRITE(s, sql, store_digest(&r->sha256), store_u64(r->size_bytes), store_u64(r->frames),
                store_int(r->width), store_int(r->height), store_text(r->format),
                store_int(r->seen_ms), store_int(r->kind), store_u64(r->audio_ms));
}

void store_input_seen(struct store *s, const struct digest *sha256, int64_t seen_ms)
{
    static const char sql[] = "UPDATE input SET seen_ms = max(seen_ms, ?2) WHERE sha256 = ?1";
    STORE_WRITE(s, sql, store_digest(sha256), store_int(seen_ms));
}

bool store_input(struct store *s, const struct digest *sha256, struct input_record *out,
                 struct error *err)
{
    static const char sql[] =
        "SELECT size, frames, width, height, format, seen_ms, kind, audio_ms FROM input"
        " WHERE sha256 = ?1";
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_digest(sha256));
    int row = stmt != NULL ? store_db_next(s, stmt, err) : -1;
    if (row == 0) return error_set(err, ERROR_NOT_FOUND, "no such input");
    if (row < 0) return false;
    *out = (struct input_record){.sha256 = *sha256,
                                 .size_bytes = store_db_u64(stmt, 0),
                                 .frames = store_db_u64(stmt, 1),
                                 .width = store_db_u32(stmt, 2),
                                 .height = store_db_u32(stmt, 3),
                                 .seen_ms = (int64_t)store_db_u64(stmt, 5),
                                 .kind = (enum input_kind)sqlite3_column_int(stmt, 6),
                                 .audio_ms = store_db_u64(stmt, 7)};
    (void)snprintf(out->format, sizeof(out->format), "%s", store_db_text(stmt, 4));
    store_db_done(stmt);
    return true;
}

bool store_input_is_named(struct store *s, const struct digest *sha256)
{
    static const char sql[] = "SELECT 1 FROM batch_input WHERE sha256 = ?1 LIMIT 1";
    sqlite3_stmt *stmt = STORE_QUERY(s, NULL, sql, store_digest(sha256));
    const int row = stmt != NULL ? store_db_next(s, stmt, NULL) : -1;
    if (row == 1) store_db_done(stmt);
    return row != 0; /* when it cannot be told, it may well be */
}

bool store_each_batch_of_input(struct store *s, const struct digest *sha256,
                               void (*each)(void *context, const char *batch), void *context,
                               struct error *err)
{
    static const char sql[] = "SELECT b.id FROM batch_input i JOIN batch b ON b.sequence = i.batch"
                              " WHERE i.sha256 = ?1";
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_digest(sha256));
    int row = -1;
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1)
        each(context, store_db_text(stmt, 0));
    return row == 0;
}

bool store_owner_input_bytes(struct store *s, const char *owner, uint64_t *out, struct error *err)
{
    static const char sql[] =
        "SELECT ifnull(sum(size), 0) FROM input WHERE sha256 IN (SELECT i.sha256 FROM batch_input i"
        " JOIN batch b ON b.sequence = i.batch WHERE b.owner = ?1)";
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_text(owner));
    const int row = stmt != NULL ? store_db_next(s, stmt, err) : -1;
    *out = row == 1 ? store_db_u64(stmt, 0) : 0;
    if (row == 1) store_db_done(stmt);
    return row == 1;
}

bool store_each_unnamed_input(struct store *s,
                              void (*each)(void *context, const struct digest *sha256,
                                           uint64_t size_bytes),
                              void *context, struct error *err)
{
    static const char sql[] =
        "SELECT sha256, size FROM input"
        " WHERE NOT EXISTS(SELECT 1 FROM batch_input b WHERE b.sha256 = input.sha256)";
    struct digest sha256;
    int row = -1;
    sqlite3_stmt *stmt = store_db_query(s, sql, NULL, 0, err);
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        store_db_digest(stmt, 0, &sha256);
        each(context, &sha256, store_db_u64(stmt, 1));
    }
    return row == 0;
}

void store_batch_input_add(struct store *s, const char *batch, const struct digest *sha256)
{
    static const char sql[] =
        "INSERT INTO batch_input VALUES(" BATCH_NUMBER ", ?2) ON CONFLICT DO NOTHING";
    STORE_WRITE(s, sql, store_text(batch), store_digest(sha256));
}

bool store_inputs_prune(struct store *s, int64_t before_ms)
{
    static const char sql[] =
        "DELETE FROM input WHERE seen_ms < ?1"
        " AND NOT EXISTS(SELECT 1 FROM batch_input b WHERE b.sha256 = input.sha256)";
    STORE_WRITE(s, sql, store_int(before_ms));
    return store_db_changes(s) > 0;
}

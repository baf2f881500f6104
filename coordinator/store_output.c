/* store_output: rows of stored outputs, and the counts of the artifacts behind them. Triggers keep
 * artifact.uses equal to the number of output rows, whoever deletes them. */
#include <string.h>

#include "coordinator/store_db.h"

#define BATCH_NUMBER "(SELECT sequence FROM batch WHERE id = ?1)"
#define WORD(n) "(SELECT id FROM word WHERE text = " n ")"

void store_output_save(struct store *s, const struct output_record *o)
{
    /* REPLACE would skip the trigger of the deleted row */
    static const char drop[] = "DELETE FROM output WHERE batch = " BATCH_NUMBER
                               " AND clip = ?2 AND task = ?3 AND number = ?4";
    static const char sql[] =
        "INSERT INTO output VALUES(" BATCH_NUMBER
        ", ?2, ?3, ?4, " WORD("?5") ", ?6, ?7, ?8, ?9, ?10, ?11, " WORD("?12") ")";
    const struct output *out = &o->output;
    const char *fingerprint = o->fingerprint && o->fingerprint[0] ? o->fingerprint : "unknown";
    store_db_word(s, out->kind);
    store_db_word(s, fingerprint);
    STORE_WRITE(s, drop, store_text(o->task.batch), store_int(o->task.clip),
                store_int(o->task.task), store_int(o->index));
    STORE_WRITE(s, sql, store_text(o->task.batch), store_int(o->task.clip), store_int(o->task.task),
                store_int(o->index), store_text(out->kind),
                store_blob(out->sha256.bytes, DIGEST_BYTES), store_u64(out->size_bytes),
                store_blob(out->frames_sha256.bytes, DIGEST_BYTES), store_int(out->frames),
                store_int(out->width), store_int(out->height), store_text(fingerprint));
}

void store_outputs_drop(struct store *s, const struct task_key *key)
{
    static const char sql[] =
        "DELETE FROM output WHERE batch = " BATCH_NUMBER " AND clip = ?2 AND task = ?3";
    STORE_WRITE(s, sql, store_text(key->batch), store_int(key->clip), store_int(key->task));
}

static void read_output(sqlite3_stmt *stmt, const struct task_key *key, struct output_record *o)
{
    memset(o, 0, sizeof *o);
    o->task = *key;
    o->index = store_db_u32(stmt, 0);
    const char *kind = store_db_text(stmt, 1);
    size_t length = strlen(kind);
    memcpy(o->output.kind, kind, length < sizeof o->output.kind ? length : 0);
    store_db_digest(stmt, 2, &o->output.sha256);
    o->output.size_bytes = store_db_u64(stmt, 3);
    store_db_digest(stmt, 4, &o->output.frames_sha256);
    o->output.frames = store_db_u32(stmt, 5);
    o->output.width = store_db_u32(stmt, 6);
    o->output.height = store_db_u32(stmt, 7);
    o->fingerprint = store_db_text(stmt, 8);
}

bool store_each_output(struct store *s, const struct task_key *key,
                       void (*each)(void *context, const struct output_record *output),
                       void *context, struct error *err)
{
    static const char sql[] =
        "SELECT number, k.text, sha256, size, frames_sha256, frames, width, height, f.text"
        " FROM output JOIN word k ON k.id = kind JOIN word f ON f.id = fingerprint"
        " WHERE batch = " BATCH_NUMBER " AND clip = ?2 AND task = ?3 ORDER BY number";
    int row = -1;
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_text(key->batch), store_int(key->clip),
                                     store_int(key->task));
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        struct output_record output;
        read_output(stmt, key, &output);
        each(context, &output);
    }
    return row == 0;
}

bool store_each_use(struct store *s, const struct digest *digest,
                    void (*each)(void *context, const struct task_key *key), void *context,
                    struct error *err)
{
    static const char sql[] = "SELECT DISTINCT b.id, clip, task FROM output o"
                              " JOIN batch b ON b.sequence = o.batch WHERE sha256 = ?1";
    int row = -1;
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_digest(digest));
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        struct task_key key;
        store_db_task(stmt, 0, &key);
        each(context, &key);
    }
    return row == 0;
}

bool store_artifact_uses(struct store *s, const struct digest *digest, uint64_t *uses_out,
                         struct error *err)
{
    static const char sql[] = "SELECT uses FROM artifact WHERE sha256 = ?1";
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_digest(digest));
    int row = stmt != NULL ? store_db_next(s, stmt, err) : -1;
    *uses_out = row == 1 ? store_db_u64(stmt, 0) : 0;
    if (row == 1) store_db_done(stmt);
    return row >= 0;
}

bool store_each_artifact(struct store *s,
                         void (*each)(void *context, const struct digest *digest,
                                      uint64_t size_bytes, uint64_t uses),
                         void *context, struct error *err)
{
    static const char sql[] = "SELECT sha256, size, uses FROM artifact ORDER BY sha256";
    int row = -1;
    sqlite3_stmt *stmt = store_db_query(s, sql, NULL, 0, err);
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        struct digest digest;
        store_db_digest(stmt, 0, &digest);
        each(context, &digest, store_db_u64(stmt, 1), store_db_u64(stmt, 2));
    }
    return row == 0;
}

bool store_each_unused(struct store *s, void (*each)(void *context, const struct digest *digest),
                       void *context, struct error *err)
{
    static const char sql[] = "SELECT sha256 FROM artifact WHERE uses = 0";
    int row = -1;
    sqlite3_stmt *stmt = store_db_query(s, sql, NULL, 0, err);
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        struct digest digest;
        store_db_digest(stmt, 0, &digest);
        each(context, &digest);
    }
    return row == 0;
}

void store_artifact_forget(struct store *s, const struct digest *digest)
{
    static const char sql[] = "DELETE FROM artifact WHERE sha256 = ?1 AND uses = 0";
    STORE_WRITE(s, sql, store_digest(digest));
}

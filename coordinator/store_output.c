/* store_output: rows of stored outputs, and the counts of the artifacts behind them. Triggers keep
 * artifact.uses equal to the number of output rows, whoever deletes them. */
#include <string.h>

#include "coordinator/store_db.h"

void store_output_save(struct store *s, const struct output_record *o)
{
    /* REPLACE would skip the trigger of the deleted row */
    static const char drop[] = "DELETE FROM output WHERE batch = " BATCH_NUMBER
                               " AND clip = ?2 AND task = ?3 AND number = ?4";
    static const char sql[] =
        "INSERT INTO output VALUES(" BATCH_NUMBER
        ", ?2, ?3, ?4, " WORD("?5") ", ?6, ?7, ?8, ?9, ?10, ?11, " WORD("?12") ", NULL)";
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

void store_checkpoint_drop(struct store *s, const struct task_key *key)
{
    static const char sql[] = "DELETE FROM output WHERE batch = " BATCH_NUMBER
                              " AND clip = ?2 AND task = ?3 AND number = ?4";
    STORE_WRITE(s, sql, store_text(key->batch), store_int(key->clip), store_int(key->task),
                store_int(CHECKPOINT_OUTPUT));
}

/* ---- published clips ---- */

void store_clip_retire(struct store *s, const char *batch, uint32_t clip,
                       const struct store_retirement *kept)
{
    static const char drop[] =
        "DELETE FROM output WHERE batch = " BATCH_NUMBER " AND clip = ?2"
        " AND NOT (kind = " WORD("'segment'") " AND task >= ?3)"
                                              " AND NOT (kind = " WORD(
                                                  "'latents'") " AND task = ?4)";
    static const char keep[] = "UPDATE output SET keep_until_ms = iif(kind = " WORD(
        "'segment'") ", ?3, ?4)"
                     " WHERE batch = " BATCH_NUMBER " AND clip = ?2";
    store_db_word(s, "segment");
    store_db_word(s, "latents");
    STORE_WRITE(s, drop, store_text(batch), store_int(clip), store_int(kept->first_segment),
                store_int(kept->latents));
    STORE_WRITE(s, keep, store_text(batch), store_int(clip), store_some(kept->segments_until_ms),
                store_some(kept->latents_until_ms));
}

/* A few milliseconds; whoever calls comes again while there were some. */
#define EXPIRE_ROWS 1000

bool store_outputs_expire(struct store *s, int64_t now_ms)
{
    static const char sql[] = "DELETE FROM output WHERE (batch, clip, task, number) IN (SELECT"
                              " batch, clip, task, number FROM output WHERE keep_until_ms < ?1"
                              " LIMIT ?2)";
    STORE_WRITE(s, sql, store_int(now_ms), store_int(EXPIRE_ROWS));
    return store_db_changes(s) > 0;
}

/* ---- reading ---- */

#define OUTPUT_COLUMNS                                                                             \
    "SELECT b.id, clip, task, number, k.text, sha256, size, frames_sha256, frames, width, height," \
    " f.text FROM output o JOIN batch b ON b.sequence = o.batch JOIN word k ON k.id = kind"        \
    " JOIN word f ON f.id = fingerprint"

static void read_output(sqlite3_stmt *stmt, struct output_record *o)
{
    memset(o, 0, sizeof *o);
    store_db_task(stmt, 0, &o->task);
    o->index = store_db_u32(stmt, 3);
    const char *kind = store_db_text(stmt, 4);
    size_t length = strlen(kind);
    memcpy(o->output.kind, kind, length < sizeof o->output.kind ? length : 0);
    store_db_digest(stmt, 5, &o->output.sha256);
    o->output.size_bytes = store_db_u64(stmt, 6);
    store_db_digest(stmt, 7, &o->output.frames_sha256);
    o->output.frames = store_db_u32(stmt, 8);
    o->output.width = store_db_u32(stmt, 9);
    o->output.height = store_db_u32(stmt, 10);
    o->fingerprint = store_db_text(stmt, 11);
}

static bool give_outputs(struct store *s, sqlite3_stmt *stmt,
                         void (*each)(void *context, const struct output_record *output),
                         void *context, struct error *err)
{
    int row = -1;
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        struct output_record output;
        read_output(stmt, &output);
        each(context, &output);
    }
    return row == 0;
}

bool store_each_output(struct store *s, const struct task_key *key,
                       void (*each)(void *context, const struct output_record *output),
                       void *context, struct error *err)
{
    static const char sql[] = OUTPUT_COLUMNS " WHERE o.batch = " BATCH_NUMBER
                                             " AND clip = ?2 AND task = ?3 ORDER BY number";
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_text(key->batch), store_int(key->clip),
                                     store_int(key->task));
    return give_outputs(s, stmt, each, context, err);
}

bool store_each_clip_output(struct store *s, const char *batch, uint32_t clip,
                            void (*each)(void *context, const struct output_record *output),
                            void *context, struct error *err)
{
    static const char sql[] =
        OUTPUT_COLUMNS " WHERE o.batch = " BATCH_NUMBER " AND clip = ?2 ORDER BY task, number";
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_text(batch), store_int(clip));
    return give_outputs(s, stmt, each, context, err);
}

bool store_each_use(struct store *s, const struct digest *digest,
                    void (*each)(void *context, const struct output_record *output), void *context,
                    struct error *err)
{
    static const char sql[] = OUTPUT_COLUMNS " WHERE sha256 = ?1";
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_digest(digest));
    return give_outputs(s, stmt, each, context, err);
}

/* ---- artifacts ---- */

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

bool store_each_unused(struct store *s, const struct digest *after, uint32_t limit,
                       void (*each)(void *context, const struct digest *digest), void *context,
                       struct error *err)
{
    static const char sql[] =
        "SELECT sha256 FROM artifact WHERE uses = 0 AND sha256 > ifnull(?1, x'')"
        " ORDER BY sha256 LIMIT ?2";
    int row = -1;
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_digest(after), store_int(limit));
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

/* migrate: the schema, step by step. docs/storage.md tells what the columns mean. */
#include "coordinator/migrate.h"

#include <stdlib.h>

#include "base/xalloc.h"

/* What was started or finished has a row, what waits has none. Numbers of states are those of
 * record.h. `word` holds every text that repeats (workers, kinds, fingerprints), so that a finished
 * task stays small. Rows of task, attempt, clip and output outlive a removed batch for a while:
 * `removal` names it and each commit takes some of them away. */
static const char first_work[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE word(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;"

    "CREATE TABLE key(key BLOB PRIMARY KEY CHECK(length(key) = 32),"
    " role TEXT NOT NULL CHECK(role IN ('worker', 'submit', 'admin')),"
    " name TEXT NOT NULL, allowed_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"

    "CREATE TABLE batch(sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " owner TEXT NOT NULL, idempotency TEXT NOT NULL, default_key INTEGER NOT NULL,"
    " content BLOB NOT NULL, state INTEGER NOT NULL, round INTEGER NOT NULL,"
    " started INTEGER NOT NULL, finished_ms INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " steps_computed INTEGER NOT NULL, steps_wasted INTEGER NOT NULL, counts BLOB NOT NULL) STRICT;"
    "CREATE INDEX batch_key ON batch(owner, idempotency);"
    "CREATE TABLE spec(batch INTEGER PRIMARY KEY REFERENCES batch ON DELETE CASCADE,"
    " name TEXT NOT NULL, folder TEXT NOT NULL, priority INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, prompts INTEGER NOT NULL, clips INTEGER NOT NULL,"
    " options TEXT NOT NULL, shapes TEXT NOT NULL, runs BLOB NOT NULL) STRICT;"
    "CREATE TABLE page(batch INTEGER NOT NULL REFERENCES batch ON DELETE CASCADE,"
    " number INTEGER NOT NULL, states BLOB NOT NULL, PRIMARY KEY(batch, number)) STRICT;"
    "CREATE TABLE removal(batch INTEGER PRIMARY KEY) STRICT;"

    "CREATE TABLE task(batch INTEGER NOT NULL, clip INTEGER NOT NULL, task INTEGER NOT NULL,"
    " state INTEGER NOT NULL, open INTEGER NOT NULL, fence INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, counted INTEGER, losses INTEGER, blamed TEXT, winner INTEGER,"
    " winner_fence INTEGER, output_bytes INTEGER, suspect INTEGER, why TEXT, message TEXT,"
    " PRIMARY KEY(batch, clip, task)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX task_open ON task(batch, clip, task) WHERE open = 1;"

    "CREATE TABLE attempt(batch INTEGER NOT NULL, clip INTEGER NOT NULL, task INTEGER NOT NULL,"
    " fence INTEGER NOT NULL, worker_fence INTEGER, worker INTEGER NOT NULL, boot BLOB,"
    " slot INTEGER, end INTEGER NOT NULL, begun_ms INTEGER NOT NULL, lasted_ms INTEGER,"
    " render_ms INTEGER, computed INTEGER, wasted INTEGER, message TEXT, log_tail TEXT,"
    " PRIMARY KEY(batch, clip, task, fence)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX attempt_live ON attempt(batch, clip, task, fence) WHERE end = 0;";

static const char first_files[] =
    "CREATE TABLE artifact(sha256 BLOB PRIMARY KEY CHECK(length(sha256) = 32),"
    " size INTEGER NOT NULL, uses INTEGER NOT NULL CHECK(uses >= 0)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX artifact_unused ON artifact(sha256) WHERE uses = 0;"
    "CREATE TABLE output(batch INTEGER NOT NULL REFERENCES batch ON DELETE CASCADE,"
    " clip INTEGER NOT NULL, task INTEGER NOT NULL, number INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, sha256 BLOB NOT NULL, size INTEGER NOT NULL,"
    " frames_sha256 BLOB NOT NULL, frames INTEGER NOT NULL, width INTEGER NOT NULL,"
    " height INTEGER NOT NULL, fingerprint INTEGER NOT NULL,"
    " PRIMARY KEY(batch, clip, task, number)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX output_sha256 ON output(sha256);"
    "CREATE TRIGGER output_kept AFTER INSERT ON output BEGIN"
    " INSERT INTO artifact VALUES(new.sha256, new.size, 1)"
    " ON CONFLICT DO UPDATE SET uses = uses + 1, size = new.size; END;"
    "CREATE TRIGGER output_dropped AFTER DELETE ON output BEGIN"
    " UPDATE artifact SET uses = uses - 1 WHERE sha256 = old.sha256; END;"

    "CREATE TABLE clip(batch INTEGER NOT NULL, clip INTEGER NOT NULL, state INTEGER NOT NULL,"
    " sha256 BLOB, size INTEGER, sidecar INTEGER, file TEXT, suspect INTEGER, worker INTEGER,"
    " attempts INTEGER NOT NULL, why TEXT, message TEXT,"
    " PRIMARY KEY(batch, clip)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX clip_publishing ON clip(batch, clip) WHERE state = 4;"

    "CREATE TABLE worker(name INTEGER PRIMARY KEY, boot BLOB NOT NULL, machine TEXT NOT NULL,"
    " host TEXT NOT NULL, build TEXT NOT NULL, admitted INTEGER NOT NULL,"
    " state INTEGER NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL, since_ms INTEGER NOT NULL,"
    " finished INTEGER NOT NULL, failed INTEGER NOT NULL, lost INTEGER NOT NULL) STRICT;"

    "CREATE TABLE event(sequence INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, batch TEXT, clip INTEGER, worker INTEGER, message TEXT) STRICT;"
    "CREATE INDEX event_batch ON event(batch, sequence) WHERE batch IS NOT NULL;";

/* Files that recipes start from. A row is one use of its artifact. */
static const char inputs[] =
    "CREATE TABLE input(sha256 BLOB PRIMARY KEY CHECK(length(sha256) = 32),"
    " size INTEGER NOT NULL, frames INTEGER NOT NULL, width INTEGER NOT NULL,"
    " height INTEGER NOT NULL, format TEXT NOT NULL, seen_ms INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE batch_input(batch INTEGER NOT NULL REFERENCES batch ON DELETE CASCADE,"
    " sha256 BLOB NOT NULL, PRIMARY KEY(batch, sha256)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX batch_input_sha256 ON batch_input(sha256);"
    "CREATE TRIGGER input_kept AFTER INSERT ON input BEGIN"
    " INSERT INTO artifact VALUES(new.sha256, new.size, 1)"
    " ON CONFLICT DO UPDATE SET uses = uses + 1, size = new.size; END;"
    "CREATE TRIGGER input_dropped AFTER DELETE ON input BEGIN"
    " UPDATE artifact SET uses = uses - 1 WHERE sha256 = old.sha256; END;"
    "CREATE TRIGGER batch_input_dropped AFTER DELETE ON batch_input BEGIN"
    " DELETE FROM input WHERE sha256 = old.sha256"
    " AND NOT EXISTS(SELECT 1 FROM batch_input b WHERE b.sha256 = old.sha256); END;";

/* Clips of several tasks: what their parts were made with, where a checkpoint stands, and how long
 * what was published may still be asked for. */
static const char plans[] =
    "ALTER TABLE task ADD COLUMN fingerprint INTEGER;"
    "ALTER TABLE task ADD COLUMN checkpoint_step INTEGER;"
    "ALTER TABLE task ADD COLUMN checkpoint_fingerprint INTEGER;"
    "ALTER TABLE task ADD COLUMN checkpoint_fence INTEGER;"
    "ALTER TABLE attempt ADD COLUMN resumed_step INTEGER;"
    "ALTER TABLE output ADD COLUMN keep_until_ms INTEGER;"
    "CREATE INDEX output_kept_until ON output(keep_until_ms) WHERE keep_until_ms IS NOT NULL;"
    "ALTER TABLE input ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE input ADD COLUMN audio_ms INTEGER NOT NULL DEFAULT 0;";

/* How long an ended batch stays when it is not as the coordinator was told, and what of a removed
 * one is still on the disk: `folder` until its files are gone. */
static const char retention[] =
    "CREATE TABLE retention(batch INTEGER PRIMARY KEY REFERENCES batch ON DELETE CASCADE,"
    " keep_s INTEGER NOT NULL) STRICT;"
    "ALTER TABLE removal ADD COLUMN id TEXT;"
    "ALTER TABLE removal ADD COLUMN folder TEXT;";

/* Small results that are rows: they go with their batch, some at each commit. With a rowid: without
 * one, what is larger than a quarter of a page takes a page of its own. */
static const char reports[] =
    "CREATE TABLE report(batch INTEGER NOT NULL, clip INTEGER NOT NULL, data BLOB NOT NULL,"
    " PRIMARY KEY(batch, clip)) STRICT;";

/* Who may come in and do how much: keys may be operators and know the token they joined with.
 * `published` holds the bytes of a batch's videos, kept as they are published. */
static const char access_keys[] =
    "CREATE TABLE key_2(key BLOB PRIMARY KEY CHECK(length(key) = 32),"
    " role TEXT NOT NULL CHECK(role IN ('worker', 'submit', 'operate', 'admin')),"
    " name TEXT NOT NULL, allowed_ms INTEGER NOT NULL, token TEXT,"
    " ephemeral INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;"
    "INSERT INTO key_2(key, role, name, allowed_ms) SELECT key, role, name, allowed_ms FROM key;"
    "DROP TABLE key;"
    "ALTER TABLE key_2 RENAME TO key;"
    "CREATE TABLE token(id TEXT PRIMARY KEY CHECK(length(id) = 12),"
    " key BLOB NOT NULL CHECK(length(key) = 32),"
    " role TEXT NOT NULL CHECK(role IN ('worker', 'submit', 'operate', 'admin')),"
    " created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, uses INTEGER NOT NULL,"
    " used INTEGER NOT NULL, ephemeral INTEGER NOT NULL, name TEXT NOT NULL, by TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID;";

static const char access_owners[] =
    "CREATE TABLE owner(name TEXT PRIMARY KEY, share INTEGER NOT NULL,"
    " max_batches INTEGER NOT NULL, max_tasks INTEGER NOT NULL, max_bytes INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE published(batch INTEGER PRIMARY KEY REFERENCES batch ON DELETE CASCADE,"
    " bytes INTEGER NOT NULL) STRICT;"
    "INSERT INTO published SELECT batch, sum(size) FROM clip WHERE state = 5"
    " AND size IS NOT NULL AND batch IN (SELECT sequence FROM batch) GROUP BY batch;"
    "CREATE TABLE audit(sequence INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL,"
    " by TEXT NOT NULL, role TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL,"
    " detail TEXT NOT NULL, allowed INTEGER NOT NULL) STRICT;";

/* Reports in pieces, which fill their pages, in the order in which they come; the clip's row names
 * the first. 0 <= part.n < 4096 / 256. */
static const char report_pieces[] =
    "CREATE TABLE piece(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
    "ALTER TABLE clip ADD COLUMN report INTEGER;"
    "CREATE TABLE cut(batch INTEGER, clip INTEGER, first INTEGER, PRIMARY KEY(batch, clip))"
    " WITHOUT ROWID;"
    "INSERT INTO cut SELECT batch, clip, 1 + sum(parts) OVER (ORDER BY batch, clip) - parts FROM"
    " (SELECT batch, clip, (length(data) + 255) / 256 AS parts FROM report JOIN clip"
    " USING(batch, clip));"
    "WITH RECURSIVE part(n) AS (VALUES(0) UNION ALL SELECT n + 1 FROM part WHERE n < 15)"
    " INSERT INTO piece SELECT first + n, substr(data, 256 * n + 1, 256) FROM cut JOIN report"
    " USING(batch, clip) JOIN part ON 256 * n < length(data);"
    "UPDATE clip SET sha256 = NULL, report = (SELECT first FROM cut WHERE cut.batch = clip.batch"
    " AND cut.clip = clip.clip) WHERE (batch, clip) IN (SELECT batch, clip FROM cut);"
    "DROP TABLE cut;"
    "DROP TABLE report;";

/* A new row also needs a database of its schema in tests/data/store (make_version.py). */
static const struct migration steps[] = {
    {"first schema", {first_work, first_files}},
    {"inputs", {inputs, NULL}},
    {"plans", {plans, NULL}},
    {"retention", {retention, NULL}},
    {"reports", {reports, NULL}},
    {"access", {access_keys, access_owners}},
    {"report pieces", {report_pieces, NULL}},
};

const struct migration *migrate_steps(int *count_out)
{
    *count_out = (int)(sizeof steps / sizeof steps[0]);
    return steps;
}

static bool run(sqlite3 *db, const char *sql, const char *what, struct error *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK) return true;
    int code = sqlite3_errcode(db) & 0xff; /* primary */
    enum error_code kind = code == SQLITE_FULL                               ? ERROR_FULL
                           : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? ERROR_CORRUPT
                                                                             : ERROR_IO;
    return error_set(err, kind, "%s: %s", what, sqlite3_errmsg(db));
}

int migrate_version(sqlite3 *db, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    int version = -1;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW)
        error_set(err, ERROR_CORRUPT, "reading the version of the database: %s",
                  sqlite3_errmsg(db));
    else if ((version = sqlite3_column_int(stmt, 0)) < 0)
        error_set(err, ERROR_CORRUPT, "the database is damaged: it says that it has schema %d",
                  version);
    sqlite3_finalize(stmt);
    return version;
}

static bool run_step(sqlite3 *db, const struct migration *step, int version, struct error *err)
{
    char *sql =
        xasprintf("BEGIN IMMEDIATE; %s %s PRAGMA application_id = %d;"
                  " PRAGMA user_version = %d; COMMIT;",
                  step->sql[0], step->sql[1] ? step->sql[1] : "", MIGRATE_APPLICATION_ID, version);
    bool ok = run(db, sql, step->name, err);
    free(sql);
    if (!ok && !sqlite3_get_autocommit(db)) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return ok;
}

bool migrate_run(sqlite3 *db, const struct migration *table, int count, struct error *err)
{
    int version = migrate_version(db, err);
    if (version < 0) return false;
    if (version > count)
        return error_set(
            err, ERROR_VERSION,
            "the database has schema %d, this build knows up to %d: start the newer build "
            "that wrote it; or go back to the copy it made (farm.db.v%d) with `zoe "
            "coordinator restore`",
            version, count, count);
    for (int i = version; i < count; i++)
        if (!run_step(db, &table[i], i + 1, err)) return error_wrap(err, "migration %d", i + 1);
    return true;
}

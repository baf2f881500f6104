/* store: the life of the database file: opening, migrating, the turn's transaction, health. */
#include "coordinator/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mutation.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/migrate.h"
#include "coordinator/store_db.h"

#define CHECK_AT_START_BYTES (UINT64_C(256) << 20)
#define BUSY_MS 5000
/* 24 MiB of 4 KiB pages: a page that changes in many commits is written to the database once. The
 * log stays below 64 MiB, for a turn's transaction is a few MiB at most. */
#define CHECKPOINT_PAGES "6144"

const char *store_state_name(enum store_state state)
{
    static const char *const names[] = {"ok", "full", "io", "corrupt"};
    return names[state];
}

/* ---- opening ---- */

/* SQLite gives its log and index the mode of the file, so that this decides for all. */
static bool touch(const char *path, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return error_set_errno(err, errno, "%s", path);
    close(fd);
    return true;
}

static bool pragma_is(struct store *s, const char *sql, const char *wanted, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    bool ok = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
              sqlite3_step(stmt) == SQLITE_ROW;
    if (!ok)
        store_db_error(s, err);
    else if (strcmp(store_db_text(stmt, 0), wanted) != 0)
        ok = error_set(err, ERROR_IO, "%s: '%s' gives '%s', not '%s'", s->path, sql,
                       store_db_text(stmt, 0), wanted);
    sqlite3_finalize(stmt);
    return ok;
}

static bool check_application(struct store *s, struct error *err)
{
    int version = migrate_version(s->db, err);
    if (version < 0) return false;
    int64_t application = store_db_number(s, "PRAGMA application_id", -1);
    int64_t tables = store_db_number(s, "SELECT count(*) FROM sqlite_schema", -1);
    if (tables == 0 && version == 0 && application == 0) return true;
    if (application == MIGRATE_APPLICATION_ID) return true;
    return error_set(err, ERROR_CORRUPT, "%s: not a database of this program", s->path);
}

/* Rows do not follow their batch by themselves: a million outputs would in one statement
 * (store_batch_remove). */
static bool configure(struct store *s, struct error *err)
{
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
    return check_application(s, err) && pragma_is(s, "PRAGMA journal_mode = WAL", "wal", err) &&
           store_db_exec(s,
                         "PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;"
                         "PRAGMA secure_delete = OFF; PRAGMA journal_size_limit = 33554432;"
                         "PRAGMA wal_autocheckpoint = " CHECKPOINT_PAGES,
                         err) &&
           pragma_is(s, "PRAGMA synchronous", "2", err) &&
           (!mutated(MUTATION_NO_FSYNC) || store_db_exec(s, "PRAGMA synchronous = OFF", err));
}

static bool quick_check(struct store *s, const char *sql, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    bool ok = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
              sqlite3_step(stmt) == SQLITE_ROW;
    if (!ok) {
        store_db_health(s, store_db_error(s, err));
    } else if (strcmp(store_db_text(stmt, 0), "ok") != 0) {
        ok = error_set(err, ERROR_CORRUPT, "%s is damaged: %s", s->path, store_db_text(stmt, 0));
    }
    if (err->code == ERROR_CORRUPT && !ok) store_db_fail(s, STORE_CORRUPT, err);
    sqlite3_finalize(stmt);
    return ok;
}

static bool check_after_crash(struct store *s, struct error *err)
{
    if (store_db_number(s, "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'", 0) == 0)
        return true; /* nothing in it yet */
    char *clean = store_meta(s, "clean");
    s->was_clean = clean != NULL && strcmp(clean, "1") == 0;
    free(clean);
    if (s->was_clean || store_size_bytes(s) >= CHECK_AT_START_BYTES) return true;
    log_info("the last stop was not clean: checking %s", s->path);
    return quick_check(s, "PRAGMA quick_check(1)", err);
}

/* ---- what an older build can go back to ---- */

#define OLDER_KEPT_S (7 * 24 * 3600)

static char *older_path(const char *path, int version)
{
    return xasprintf("%s.v%d", path, version);
}

static char *older_part(const char *path, int version)
{
    return xasprintf("%s.v%d.part", path, version);
}

static bool copy_all(struct store *s, const char *path, struct error *err)
{
    bool done = false, ok = true;
    (void)unlink(path);
    struct store_backup *copy = store_backup_begin(s, path, err);
    while (copy != NULL && ok && !done)
        ok = store_backup_step(copy, NS_PER_S, &done, err);
    store_backup_end(copy);
    return copy != NULL && ok && path_fsync_file(path, err);
}

/* A copy of the file as it was before it is raised: FILE.vN. */
static bool keep_older(struct store *s, int version, struct error *err)
{
    char *path = older_path(s->path, version), *part = older_part(s->path, version);
    bool ok = copy_all(s, part, err) && path_rename_durable(part, path, err);
    if (!ok) error_wrap(err, "no copy of the database could be made before it is raised");
    free(path);
    free(part);
    return ok;
}

static void drop_older(const struct store *s, int version)
{
    struct stat info;
    for (int v = 1; v < version; v++) {
        char *path = older_path(s->path, v);
        if (stat(path, &info) == 0 && clock_wall_ms() / 1000 - info.st_mtime > OLDER_KEPT_S)
            (void)unlink(path);
        free(path);
    }
}

void store_older_drop(const char *path)
{
    int count;
    (void)migrate_steps(&count);
    for (int v = 1; v < count; v++) {
        char *older = older_path(path, v), *part = older_part(path, v);
        (void)unlink(older);
        (void)unlink(part);
        free(older);
        free(part);
    }
}

static bool raise_schema(struct store *s, struct error *err)
{
    int count;
    const struct migration *steps = migrate_steps(&count);
    int version = migrate_version(s->db, err);
    if (version < 0) return false;
    if (version > 0 && version < count && !keep_older(s, version, err)) return false;
    if (!migrate_run(s->db, steps, count, err)) return error_wrap(err, "%s", s->path);
    drop_older(s, count);
    return true;
}

static bool open_database(struct store *s, struct error *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (!touch(s->path, err)) return false;
    if (sqlite3_open_v2(s->path, &s->db, flags, NULL) != SQLITE_OK) {
        if (s->db == NULL) return error_set(err, ERROR_NO_MEMORY, "opening %s", s->path);
        store_db_error(s, err);
        return false;
    }
    if (!configure(s, err) || !check_after_crash(s, err) || !raise_schema(s, err)) return false;
    store_event_begin(s);
    s->removing = store_db_number(s, "SELECT count(*) FROM removal WHERE folder IS NULL", 0) > 0;
    store_meta_set(s, "clean", "0");
    return store_commit(s, err);
}

static void close_database(struct store *s)
{
    sqlite3_stmt *stmt;
    for (size_t i = 0; (stmt = table_next(&s->statements, &i, NULL, NULL)) != NULL;)
        sqlite3_finalize(stmt);
    table_finish(&s->statements);
    if (s->db != NULL && sqlite3_close(s->db) != SQLITE_OK)
        log_error("%s: left open: %s", s->path, sqlite3_errmsg(s->db));
    buf_finish(&s->known_texts);
    buf_finish(&s->task_texts);
    buf_finish(&s->clip_texts);
    free(s->path);
    free(s);
}

struct store *store_open(const char *path, const struct store_hooks *hooks, struct error *err)
{
    struct store *s = xcalloc(1, sizeof *s);
    s->path = xstrdup(path);
    s->was_clean = true;
    table_init(&s->statements);
    if (!open_database(s, err)) {
        close_database(s);
        return NULL;
    }
    if (hooks != NULL) s->hooks = *hooks;
    return s;
}

static bool open_for_reading(struct store *s, struct error *err)
{
    int count;
    (void)migrate_steps(&count);
    if (store_db_open_still(s->path, &s->db) != SQLITE_OK) {
        if (s->db == NULL) return error_set(err, ERROR_NO_MEMORY, "opening %s", s->path);
        store_db_error(s, err);
        return false;
    }
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    if (!check_application(s, err)) return false;
    int version = migrate_version(s->db, err);
    if (version < 0 || version == count) return version == count;
    return error_set(err, ERROR_VERSION, "%s has schema %d, this build reads %d", s->path, version,
                     count);
}

struct store *store_open_reading(const char *path, struct error *err)
{
    struct store *s = xcalloc(1, sizeof *s);
    s->path = xstrdup(path);
    s->reading = true;
    table_init(&s->statements);
    if (open_for_reading(s, err)) return s;
    close_database(s);
    return NULL;
}

static bool mark_clean(struct store *s, struct error *err)
{
    store_rollback(s);
    bool damaged = s->health == STORE_CORRUPT; /* the next start must look again */
    if (!damaged) store_meta_set(s, "clean", "1");
    return store_commit(s, err);
}

void store_close(struct store *s)
{
    struct error err;
    if (s == NULL) return;
    if (!s->reading && !mark_clean(s, &err))
        log_warn("the database is not marked clean: %s", err.message);
    close_database(s);
}

/* A row tells how it went: another connection that reads is no error of the statement. */
static bool empty_log(struct store *s, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    bool ok = sqlite3_prepare_v2(s->db, "PRAGMA wal_checkpoint(TRUNCATE)", -1, &stmt, NULL) ==
                  SQLITE_OK &&
              sqlite3_step(stmt) == SQLITE_ROW;
    const bool busy = ok && sqlite3_column_int(stmt, 0) != 0;
    if (!ok) store_db_error(s, err);
    sqlite3_finalize(stmt);
    if (!ok) return false;
    return !busy ||
           error_set(err, ERROR_STATE, "%s: its log cannot be emptied: somebody reads it", s->path);
}

bool store_close_whole(struct store *s, struct error *err)
{
    bool ok = mark_clean(s, err) && empty_log(s, err);
    if (ok && s->health == STORE_CORRUPT)
        ok = error_set(err, ERROR_CORRUPT, "%s is damaged", s->path);
    close_database(s);
    return ok;
}

bool store_was_clean(const struct store *s)
{
    return s->was_clean;
}

/* ---- the turn's transaction ---- */

bool store_is_dirty(const struct store *s)
{
    return s->in_transaction || s->failed;
}

void store_rollback(struct store *s)
{
    /* some failures have rolled back already */
    if (!sqlite3_get_autocommit(s->db)) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    s->in_transaction = false;
    s->failed = false;
    store_event_lost(s);
}

static void end_transaction(struct store *s)
{
    struct error err;
    enum store_state state = STORE_OK;
    if (s->hooks.before_commit) state = s->hooks.before_commit(s->hooks.context);
    if (state != STORE_OK)
        error_set(&err, state == STORE_FULL ? ERROR_FULL : ERROR_IO, "%s: the commit failed (%s)",
                  s->path, store_state_name(state));
    else if (sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        state = store_db_error(s, &err);
    if (state != STORE_OK) store_db_fail(s, state, &err);
}

bool store_commit(struct store *s, struct error *err)
{
    if (!store_is_dirty(s)) return true;
    fault_point("store.before_commit");
    if (s->removing && !s->failed) store_batch_clean(s);
    if (!s->failed) end_transaction(s);
    if (s->failed) {
        if (err != NULL) *err = s->failure;
        store_rollback(s);
        return false;
    }
    s->in_transaction = false;
    store_event_kept(s);
    store_db_health(s, STORE_OK);
    fault_point("store.after_commit");
    return true;
}

enum store_state store_health(const struct store *s)
{
    return s->health;
}

bool store_retry(struct store *s, struct error *err)
{
    if (store_is_dirty(s)) store_rollback(s);
    if (s->health == STORE_CORRUPT) {
        *err = s->failure;
        return false;
    }
    store_meta_set(s, "retried", "1");
    return store_commit(s, err);
}

/* ---- care ---- */

bool store_check_some(struct store *s, bool *done_out, struct error *err)
{
    static const char next[] = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name > ?1"
                               " AND name NOT LIKE 'sqlite_%' ORDER BY name LIMIT 1";
    *done_out = false;
    sqlite3_stmt *stmt = STORE_QUERY(s, err, next, store_text(s->checked));
    if (stmt == NULL) return false;
    int found = store_db_next(s, stmt, err);
    if (found < 0) return false;
    if (found == 0) {
        *done_out = true;
        s->checked[0] = '\0';
        return true;
    }
    size_t size = strlen(store_db_text(stmt, 0));
    if (size >= sizeof s->checked) size = sizeof s->checked - 1;
    memcpy(s->checked, store_db_text(stmt, 0), size);
    s->checked[size] = '\0';
    store_db_done(stmt);
    char *sql = sqlite3_mprintf("PRAGMA quick_check(%Q)", s->checked);
    bool ok = sql != NULL ? quick_check(s, sql, err)
                          : error_set(err, ERROR_NO_MEMORY, "checking %s", s->path);
    sqlite3_free(sql);
    return ok;
}

static uint64_t file_size(const char *path, const char *suffix)
{
    struct stat st;
    char *name = xasprintf("%s%s", path, suffix);
    uint64_t size = stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
    free(name);
    return size;
}

uint64_t store_size_bytes(const struct store *s)
{
    return file_size(s->path, "") + file_size(s->path, "-wal");
}

/* ---- settings ---- */

void store_meta_set(struct store *s, const char *key, const char *value)
{
    static const char sql[] = "INSERT OR REPLACE INTO meta VALUES(?1, ?2)";
    STORE_WRITE(s, sql, store_text(key), store_text(value));
}

char *store_meta(struct store *s, const char *key)
{
    static const char sql[] = "SELECT value FROM meta WHERE key = ?1";
    sqlite3_stmt *stmt = STORE_QUERY(s, NULL, sql, store_text(key));
    if (stmt == NULL || store_db_next(s, stmt, NULL) != 1) return NULL;
    char *value = xstrdup(store_db_text(stmt, 0));
    store_db_done(stmt);
    return value;
}

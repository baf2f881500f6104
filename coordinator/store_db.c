/* store_db: see the header. */
#include "coordinator/store_db.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/xalloc.h"

struct store_value store_int(int64_t number)
{
    return (struct store_value){.type = STORE_INT, .number = number};
}

struct store_value store_u64(uint64_t number)
{
    return store_int((int64_t)number);
}

struct store_value store_some(int64_t number)
{
    return (struct store_value){.type = number ? STORE_INT : STORE_NULL, .number = number};
}

struct store_value store_text(const char *text)
{
    if (text == NULL) text = "";
    return (struct store_value){.type = STORE_TEXT, .data = text, .size = strlen(text)};
}

struct store_value store_words(const char *text)
{
    if (text == NULL || text[0] == '\0') return (struct store_value){.type = STORE_NULL};
    return store_text(text);
}

struct store_value store_blob(const void *data, size_t size)
{
    return (struct store_value){.type = STORE_BLOB, .data = size ? data : "", .size = size};
}

struct store_value store_digest(const struct digest *digest)
{
    if (digest_is_zero(digest)) return (struct store_value){.type = STORE_NULL};
    return store_blob(digest->bytes, DIGEST_BYTES);
}

/* ---- errors ---- */

static const struct {
    int code; /* primary */
    enum store_state state;
    enum error_code error;
} kinds[] = {
    {SQLITE_FULL, STORE_FULL, ERROR_FULL},         {SQLITE_CORRUPT, STORE_CORRUPT, ERROR_CORRUPT},
    {SQLITE_NOTADB, STORE_CORRUPT, ERROR_CORRUPT}, {SQLITE_NOMEM, STORE_IO, ERROR_NO_MEMORY},
    {SQLITE_CONSTRAINT, STORE_IO, ERROR_INTERNAL}, {SQLITE_MISUSE, STORE_IO, ERROR_INTERNAL},
    {SQLITE_ERROR, STORE_IO, ERROR_INTERNAL},      {SQLITE_RANGE, STORE_IO, ERROR_INTERNAL},
    {SQLITE_MISMATCH, STORE_IO, ERROR_INTERNAL},
};

enum error_code store_db_error_code(int code)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if ((code & 0xff) == kinds[i].code) return kinds[i].error;
    return ERROR_IO;
}

enum store_state store_db_error(struct store *s, struct error *err)
{
    int code = sqlite3_extended_errcode(s->db);
    enum store_state state = STORE_IO;
    enum error_code kind = store_db_error_code(code);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if ((code & 0xff) == kinds[i].code) state = kinds[i].state;
    int system = sqlite3_system_errno(s->db);
    if ((code & 0xff) == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT)) {
        state = STORE_FULL;
        kind = ERROR_FULL;
    }
    error_set(err, kind, "%s: %s (%d)", s->path, sqlite3_errmsg(s->db), code);
    return state;
}

void store_db_health(struct store *s, enum store_state state)
{
    if (s->health != STORE_CORRUPT) s->health = state;
}

void store_db_fail(struct store *s, enum store_state state, const struct error *failure)
{
    bool worse = state == STORE_CORRUPT && s->health != STORE_CORRUPT;
    if (s->failed && !worse) return;
    s->failed = true;
    s->failure = *failure;
    store_db_health(s, state);
}

static void fail_now(struct store *s)
{
    struct error err;
    enum store_state state = store_db_error(s, &err);
    store_db_fail(s, state, &err);
}

/* ---- files that nobody writes ---- */

static bool has_beside(const char *path, const char *suffix)
{
    char *name = xasprintf("%s%s", path, suffix);
    bool there = path_exists(name);
    free(name);
    return there;
}

static char *immutable_uri(const char *path)
{
    struct buf uri = BUF_INIT;
    buf_append_text(&uri, path[0] == '/' ? "file://" : "file:");
    for (; *path != '\0'; path++) {
        if (strchr("%?#", *path) != NULL)
            buf_printf(&uri, "%%%02X", (unsigned)*path);
        else
            buf_append_char(&uri, *path);
    }
    buf_append_text(&uri, "?immutable=1");
    return buf_take_text(&uri);
}

int store_db_open_still(const char *path, sqlite3 **db_out)
{
    const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    if (has_beside(path, "-wal") || has_beside(path, "-journal"))
        return sqlite3_open_v2(path, db_out, flags, NULL);
    char *uri = immutable_uri(path);
    int code = sqlite3_open_v2(uri, db_out, flags | SQLITE_OPEN_URI, NULL);
    free(uri);
    return code;
}

/* ---- statements ---- */

static sqlite3_stmt *prepared(struct store *s, const char *sql)
{
    sqlite3_stmt *stmt = table_get(&s->statements, &sql, sizeof sql);
    if (stmt != NULL) return stmt;
    if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
        return NULL;
    table_set(&s->statements, &sql, sizeof sql, stmt);
    return stmt;
}

static int bind_one(sqlite3_stmt *stmt, int at, const struct store_value *value)
{
    switch (value->type) {
    case STORE_INT:
        return sqlite3_bind_int64(stmt, at, value->number);
    case STORE_TEXT:
        return sqlite3_bind_text64(stmt, at, value->data, value->size, SQLITE_STATIC, SQLITE_UTF8);
    case STORE_BLOB:
        return sqlite3_bind_blob64(stmt, at, value->data, value->size, SQLITE_STATIC);
    case STORE_NULL:
        break;
    }
    return sqlite3_bind_null(stmt, at);
}

static sqlite3_stmt *bound(struct store *s, const char *sql, const struct store_value *values,
                           int count)
{
    sqlite3_stmt *stmt = prepared(s, sql);
    for (int i = 0; stmt != NULL && i < count; i++)
        if (bind_one(stmt, i + 1, &values[i]) != SQLITE_OK) return NULL;
    return stmt;
}

void store_db_done(sqlite3_stmt *stmt)
{
    sqlite3_reset(stmt); /* an unfinished SELECT would pin the log */
    sqlite3_clear_bindings(stmt);
}

/* ---- writing ---- */

static bool asked(struct store *s, enum store_state (*hook)(void *context), const char *what)
{
    enum store_state state = hook ? hook(s->hooks.context) : STORE_OK;
    if (state == STORE_OK) return true;
    struct error err;
    error_set(&err, state == STORE_FULL ? ERROR_FULL : ERROR_IO, "%s: %s failed (%s)", s->path,
              what, store_state_name(state));
    store_db_fail(s, state, &err);
    return false;
}

static bool begin(struct store *s)
{
    if (s->failed) return false;
    if (s->in_transaction) return true;
    if (sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
        fail_now(s);
        return false;
    }
    s->in_transaction = true;
    return true;
}

void store_db_write(struct store *s, const char *sql, const struct store_value *values, int count)
{
    if (!begin(s) || !asked(s, s->hooks.before_write, "a write")) return;
    sqlite3_stmt *stmt = bound(s, sql, values, count);
    if (stmt == NULL || sqlite3_step(stmt) != SQLITE_DONE) fail_now(s);
    if (stmt != NULL) store_db_done(stmt);
}

static const char word_exists[] = "SELECT 1 FROM word WHERE text = ?1";
static const char word_add[] = "INSERT OR IGNORE INTO word(text) VALUES(?1)";

void store_db_word(struct store *s, const char *text)
{
    if (text == NULL || text[0] == '\0' || s->failed) return;
    sqlite3_stmt *stmt = STORE_QUERY(s, NULL, word_exists, store_text(text));
    if (stmt != NULL && store_db_next(s, stmt, NULL) == 1)
        store_db_done(stmt);
    else
        STORE_WRITE(s, word_add, store_text(text));
}

int store_db_changes(const struct store *s)
{
    return s->failed ? 0 : sqlite3_changes(s->db);
}

/* ---- reading ---- */

/* What is read from a damaged database must not be acted on: the turn fails like one that could not
 * be written. */
static void read_failed(struct store *s, struct error *err)
{
    struct error own;
    if (err == NULL) err = &own;
    if (store_db_error(s, err) == STORE_CORRUPT) store_db_fail(s, STORE_CORRUPT, err);
}

sqlite3_stmt *store_db_query(struct store *s, const char *sql, const struct store_value *values,
                             int count, struct error *err)
{
    sqlite3_stmt *stmt = bound(s, sql, values, count);
    if (stmt == NULL) read_failed(s, err);
    return stmt;
}

int store_db_next(struct store *s, sqlite3_stmt *stmt, struct error *err)
{
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) return 1;
    if (code != SQLITE_DONE) read_failed(s, err);
    store_db_done(stmt);
    return code == SQLITE_DONE ? 0 : -1;
}

bool store_db_exec(struct store *s, const char *sql, struct error *err)
{
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK) return true;
    read_failed(s, err);
    return false;
}

int64_t store_db_number(struct store *s, const char *sql, int64_t fallback)
{
    sqlite3_stmt *stmt = store_db_query(s, sql, NULL, 0, NULL);
    if (stmt == NULL || store_db_next(s, stmt, NULL) != 1) return fallback;
    int64_t number =
        sqlite3_column_type(stmt, 0) == SQLITE_NULL ? fallback : sqlite3_column_int64(stmt, 0);
    store_db_done(stmt);
    return number;
}

uint64_t store_db_u64(sqlite3_stmt *stmt, int column)
{
    return (uint64_t)sqlite3_column_int64(stmt, column);
}

uint32_t store_db_u32(sqlite3_stmt *stmt, int column)
{
    return (uint32_t)sqlite3_column_int64(stmt, column);
}

const char *store_db_text(sqlite3_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    return text ? (const char *)text : "";
}

bool store_db_digest(sqlite3_stmt *stmt, int column, struct digest *out)
{
    memset(out, 0, sizeof *out);
    const void *data = sqlite3_column_blob(stmt, column);
    if (data == NULL) return true;
    if (sqlite3_column_bytes(stmt, column) != DIGEST_BYTES) return false;
    memcpy(out->bytes, data, DIGEST_BYTES);
    return true;
}

void store_db_task(sqlite3_stmt *stmt, int column, struct task_key *out)
{
    memset(out, 0, sizeof *out);
    const char *id = store_db_text(stmt, column);
    size_t length = strlen(id);
    memcpy(out->batch, id, length < ID_BATCH_SIZE ? length : ID_BATCH_LENGTH);
    out->clip = store_db_u32(stmt, column + 1);
    out->task = store_db_u32(stmt, column + 2);
}

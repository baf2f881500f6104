/* store_db: what the store's files share: the connection, prepared statements, values, rows.
 * Room-internal: store*.c only. Statements are prepared once and found again by the address of
 * their SQL, which therefore must be a static array. */
#ifndef ZOE_COORDINATOR_STORE_DB_H
#define ZOE_COORDINATOR_STORE_DB_H

#include <sqlite3.h>

#include "base/buf.h"
#include "base/table.h"
#include "coordinator/store.h"

/* A report is kept in pieces of 256 bytes: fifteen fill a page of 4 KiB, where rows of a whole KiB
 * would leave a quarter of it empty. In the order in which they come, so that no page is split. The
 * number stands in the file (migrate.c). */
#define REPORT_PIECE_BYTES 256
#define REPORT_PIECE "256"

struct store_report_place { /* of the one saved last */
    struct task_key task;
    int64_t first; /* piece */
};

struct store {
    char *path;
    sqlite3 *db;
    struct table statements; /* address of the SQL -> sqlite3_stmt */
    struct store_hooks hooks;
    bool was_clean;
    bool reading; /* nothing is ever written */
    bool in_transaction;
    bool failed;          /* some write of this turn did, or a read found damage; */
    struct error failure; /* the first one, or the damage */
    enum store_state health;
    bool removing;        /* rows of removed batches are left */
    uint64_t event_added; /* the newest, and the newest that is committed */
    uint64_t event_stored;
    char checked[64];       /* last table that store_check_some looked at */
    struct buf known_texts; /* what the last store_batch_by_key, store_task, store_clip gave out */
    struct buf task_texts;
    struct buf clip_texts;
    struct store_report_place report;
};

enum store_value_type { STORE_NULL, STORE_INT, STORE_TEXT, STORE_BLOB };
struct store_value {
    enum store_value_type type;
    int64_t number;
    const void *data;
    size_t size;
};

/* In statements: the number of the batch whose id is ?1, and the word that a parameter holds
 * (store_db_word makes sure that it is there). */
#define BATCH_NUMBER "(SELECT sequence FROM batch WHERE id = ?1)"
#define WORD(n) "(SELECT id FROM word WHERE text = " n ")"

struct store_value store_int(int64_t number);
struct store_value store_u64(uint64_t number); /* kept as the same 64 bits */
struct store_value store_some(int64_t number); /* NULL when 0 */
struct store_value store_text(const char *text);
struct store_value store_words(const char *text); /* NULL when NULL or "" */
struct store_value store_blob(const void *data, size_t size);
struct store_value store_digest(const struct digest *digest);

/* One write in the transaction, begun if need be. Nothing after the turn's first failure. */
void store_db_write(struct store *s, const char *sql, const struct store_value *values, int count);
#define STORE_WRITE(s, sql, ...)                                                                   \
    store_db_write(                                                                                \
        (s), (sql), (const struct store_value[]){__VA_ARGS__},                                     \
        (int)(sizeof((const struct store_value[]){__VA_ARGS__}) / sizeof(struct store_value)))
/* Makes sure `text` is in the table `word`, before a write that looks it up. NULL or "" is fine. */
void store_db_word(struct store *s, const char *text);
/* Rows that the last write changed. */
int store_db_changes(const struct store *s);

/* Ready to be stepped with store_db_next; NULL on failure. */
sqlite3_stmt *store_db_query(struct store *s, const char *sql, const struct store_value *values,
                             int count, struct error *err);
#define STORE_QUERY(s, err, sql, ...)                                                              \
    store_db_query(                                                                                \
        (s), (sql), (const struct store_value[]){__VA_ARGS__},                                     \
        (int)(sizeof((const struct store_value[]){__VA_ARGS__}) / sizeof(struct store_value)),     \
        (err))
/* 1 = a row, 0 = the end, -1 = failure; the statement is reset at both of these. */
int store_db_next(struct store *s, sqlite3_stmt *stmt, struct error *err);
void store_db_done(sqlite3_stmt *stmt); /* leaving before the end */
/* One statement without rows, outside of the transaction's bookkeeping. */
bool store_db_exec(struct store *s, const char *sql, struct error *err);
/* First column of the first row as a number, or `fallback`. */
int64_t store_db_number(struct store *s, const char *sql, int64_t fallback);

/* Columns. */
uint64_t store_db_u64(sqlite3_stmt *stmt, int column);
uint32_t store_db_u32(sqlite3_stmt *stmt, int column);
const char *store_db_text(sqlite3_stmt *stmt, int column); /* borrowed; "" for NULL */
bool store_db_digest(sqlite3_stmt *stmt, int column, struct digest *out); /* zero for NULL */
void store_db_task(sqlite3_stmt *stmt, int column, struct task_key *out); /* id, clip, task */

/* What a result code of SQLite means. */
enum error_code store_db_error_code(int code);
/* A file that nobody writes, for reading: sqlite3_open_v2. Without a log beside it nothing is made
 * beside it either, and its folder need not be writable. */
int store_db_open_still(const char *path, sqlite3 **db_out);
/* Sets `err` from the connection; says what kind of trouble it is. */
enum store_state store_db_error(struct store *s, struct error *err);
/* Nothing of this turn will be stored. */
void store_db_fail(struct store *s, enum store_state state, const struct error *failure);
void store_db_health(struct store *s, enum store_state state); /* what is damaged stays so */

/* The first piece of the report that was saved last, if it was this clip's; else 0
 * (store_report.c). */
int64_t store_report_place(const struct store *s, const char *batch, uint32_t clip);

/* At the start, after a commit, after a rollback: which events there are for good (store_event.c).
 */
void store_event_begin(struct store *s);
void store_event_kept(struct store *s);
void store_event_lost(struct store *s);

/* Takes some rows of removed batches away, in the open transaction (store_batch.c). */
void store_batch_clean(struct store *s);

#endif

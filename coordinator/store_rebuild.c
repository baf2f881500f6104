#include "coordinator/store_rebuild.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "coordinator/store_db.h"

#define COLUMNS_MAX 64

void store_rebuild_clip(struct store *s, const char *batch, uint32_t clip)
{
    static const char attempts[] =
        "UPDATE attempt SET end = ?3, boot = NULL, lasted_ms = 0 WHERE end = 0 AND"
        " batch = " BATCH_NUMBER " AND clip = ?2";
    static const char tasks[] =
        "UPDATE task SET open = 0, state = ?3 WHERE batch = " BATCH_NUMBER " AND clip = ?2";
    static const char outputs[] = "DELETE FROM output WHERE batch = " BATCH_NUMBER " AND clip = ?2";
    STORE_WRITE(s, attempts, store_text(batch), store_int(clip), store_int(END_SUPERSEDED));
    STORE_WRITE(s, tasks, store_text(batch), store_int(clip), store_int(TASK_DONE));
    STORE_WRITE(s, outputs, store_text(batch), store_int(clip));
}

bool store_open_tasks(struct store *s, const char *batch, uint32_t clip, uint32_t *count_out,
                      struct error *err)
{
    static const char sql[] =
        "SELECT count(*) FROM task WHERE open = 1 AND batch = " BATCH_NUMBER " AND clip = ?2";
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_text(batch), store_int(clip));
    if (stmt == NULL || store_db_next(s, stmt, err) != 1) return false;
    *count_out = store_db_u32(stmt, 0);
    store_db_done(stmt);
    return true;
}

void store_rebuild_bytes(struct store *s, const char *batch)
{
    static const char sql[] =
        "INSERT OR REPLACE INTO published SELECT batch, sum(size) FROM clip WHERE state = ?2 AND"
        " size IS NOT NULL AND batch = " BATCH_NUMBER " GROUP BY batch";
    STORE_WRITE(s, sql, store_text(batch), store_int(CLIP_PUBLISHED));
}

/* ---- salvage ---- */

/* `word` first: others hold its numbers. A table that a build does not have is passed over. */
static const char *const kept[] = {"word",  "key",   "worker", "owner",
                                   "token", "audit", "event",  "input"};
#define KEPT (sizeof kept / sizeof kept[0])
_Static_assert(KEPT <= STORE_SALVAGE_MAX, "room for all");

static sqlite3 *open_damaged(const char *path)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
        sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL) == SQLITE_OK &&
        sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL) == SQLITE_OK)
        return db;
    sqlite3_close(db);
    return NULL;
}

struct columns {
    char *names[COLUMNS_MAX];
    int count;
    char *backwards; /* " ORDER BY ... DESC" over the primary key */
};

static void finish_columns(struct columns *c)
{
    for (int i = 0; i < c->count; i++)
        free(c->names[i]);
    free(c->backwards);
}

static bool is_plain(const char *name)
{
    return name[0] != '\0' && strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(name);
}

/* Columns that the new table has; whether the old one has them shows when it is asked. */
static void read_columns(sqlite3 *db, const char *table, struct columns *out)
{
    sqlite3_stmt *stmt = NULL;
    char *sql = sqlite3_mprintf("SELECT name, pk FROM pragma_table_info(%Q)", table);
    struct buf order = BUF_INIT;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) stmt = NULL;
    while (stmt != NULL && out->count < COLUMNS_MAX && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *name = store_db_text(stmt, 0);
        if (!is_plain(name)) continue;
        out->names[out->count++] = xstrdup(name);
        if (sqlite3_column_int(stmt, 1) == 0) continue;
        buf_append_text(&order, order.size > 0 ? ", " : " ORDER BY ");
        buf_append_text(&order, name);
        buf_append_text(&order, " DESC");
    }
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    out->backwards = xstrdup(buf_text(&order));
    buf_finish(&order);
}

/* Columns of both, as "a, b, c"; their number in *count. */
static char *shared_columns(sqlite3 *from, sqlite3 *to, const char *table, int *count)
{
    struct columns old = {0}, new = {0};
    struct buf list = BUF_INIT;
    *count = 0;
    read_columns(from, table, &old);
    read_columns(to, table, &new);
    for (int i = 0; i < new.count; i++) {
        for (int k = 0; k < old.count; k++) {
            if (strcmp(new.names[i], old.names[k]) != 0) continue;
            if ((*count)++ > 0) buf_append_text(&list, ", ");
            buf_append_text(&list, new.names[i]);
        }
    }
    char *text = xstrdup(buf_text(&list));
    buf_finish(&list);
    finish_columns(&old);
    finish_columns(&new);
    return text;
}

struct copying {
    sqlite3 *from, *to;
    sqlite3_stmt *insert;
    int columns;
    const struct store_wanted *wanted; /* NULL: every row is */
};

/* The new table's first columns, which every build's `input` has, are its digest and its size. */
static bool is_wanted(const struct copying *c, sqlite3_stmt *row)
{
    struct digest digest;
    if (c->wanted == NULL) return true;
    return store_db_digest(row, 0, &digest) &&
           c->wanted->stands(c->wanted->context, &digest, store_db_u64(row, 1));
}

/* A row that the new table refuses (a damaged text, a role that is none) is left out. */
static bool copy_row(const struct copying *c, sqlite3_stmt *row)
{
    for (int i = 0; i < c->columns; i++)
        sqlite3_bind_value(c->insert, i + 1, sqlite3_column_value(row, i));
    int code = sqlite3_step(c->insert);
    sqlite3_reset(c->insert);
    return code == SQLITE_DONE && sqlite3_changes(c->to) > 0;
}

/* False when the reading stopped before the end. */
static bool copy_rows(const struct copying *c, const char *select, struct store_salvaged *out)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(c->from, select, -1, &stmt, NULL);
    while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        code = SQLITE_OK;
        if (!is_wanted(c, stmt))
            out->left_out++;
        else if (copy_row(c, stmt))
            out->rows++;
    }
    sqlite3_finalize(stmt);
    return code == SQLITE_DONE;
}

static char *insert_sql(const char *table, const char *list, int columns)
{
    struct buf sql = BUF_INIT;
    buf_append_text(&sql, "INSERT OR IGNORE INTO ");
    buf_append_text(&sql, table);
    buf_append_text(&sql, "(");
    buf_append_text(&sql, list);
    buf_append_text(&sql, ") VALUES(?");
    for (int i = 1; i < columns; i++)
        buf_append_text(&sql, ", ?");
    buf_append_text(&sql, ")");
    char *text = xstrdup(buf_text(&sql));
    buf_finish(&sql);
    return text;
}

static void copy_both_ways(const struct copying *c, const char *list, struct store_salvaged *out)
{
    struct columns columns = {0};
    read_columns(c->to, out->table, &columns);
    char *forwards = xasprintf("SELECT %s FROM %s", list, out->table);
    char *backwards = xasprintf("%s%s", forwards, columns.backwards);
    if (!copy_rows(c, forwards, out)) {
        out->damaged = true;
        (void)copy_rows(c, backwards, out);
    }
    free(forwards);
    free(backwards);
    finish_columns(&columns);
}

static bool copy_table(sqlite3 *from, sqlite3 *to, const char *table,
                       const struct store_wanted *wanted, struct store_salvaged *out)
{
    struct copying c = {.from = from, .to = to, .wanted = wanted};
    char *list = shared_columns(from, to, table, &c.columns);
    char *sql = c.columns > 0 ? insert_sql(table, list, c.columns) : NULL;
    bool ok = sql != NULL && sqlite3_prepare_v2(to, sql, -1, &c.insert, NULL) == SQLITE_OK;
    *out = (struct store_salvaged){.table = table};
    if (ok) copy_both_ways(&c, list, out);
    sqlite3_finalize(c.insert);
    free(list);
    free(sql);
    return ok;
}

static bool is_input(const char *table)
{
    return strcmp(table, "input") == 0;
}

size_t store_salvage(struct store *s, const char *damaged, const struct store_wanted *wanted,
                     struct store_salvaged out[STORE_SALVAGE_MAX])
{
    size_t count = 0;
    sqlite3 *from = open_damaged(damaged);
    if (from == NULL) return 0;
    (void)sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (size_t i = 0; i < KEPT; i++)
        if (copy_table(from, s->db, kept[i], is_input(kept[i]) ? wanted : NULL, &out[count]))
            count++;
    (void)sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
    store_event_begin(s); /* the events among them have their old numbers */
    sqlite3_close(from);
    return count;
}

void store_salvage_inputs(struct store *s, const char *old, const struct store_wanted *wanted)
{
    struct store_salvaged inputs;
    sqlite3 *from = open_damaged(old);
    if (from == NULL) return;
    (void)sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    (void)copy_table(from, s->db, "input", wanted, &inputs);
    (void)sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(from);
}

uint64_t store_salvage_last_event(const char *damaged)
{
    uint64_t last = 0;
    sqlite3_stmt *stmt = NULL;
    sqlite3 *from = open_damaged(damaged);
    if (from == NULL) return 0;
    const char *sql = "SELECT seq FROM sqlite_sequence WHERE name = 'event'";
    if (sqlite3_prepare_v2(from, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int64(stmt, 0) > 0)
        last = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(from);
    return last;
}

static bool read_said(sqlite3_stmt *stmt, struct store_said *out)
{
    const int state = sqlite3_column_int(stmt, 1);
    *out = (struct store_said){.state = (enum batch_state)state,
                               .round = store_db_u32(stmt, 2),
                               .finished_ms = sqlite3_column_int64(stmt, 3)};
    if (out->finished_ms > clock_wall_ms())
        out->finished_ms = 0; /* damaged: it would be kept for ever */
    return state >= 0 && state < BATCH_STATE_COUNT && out->round <= BATCH_ROUNDS_MAX &&
           out->finished_ms >= 0 && id_is_batch(store_db_text(stmt, 0));
}

void store_salvage_batches(const char *damaged,
                           void (*each)(void *context, const char *batch,
                                        const struct store_said *said),
                           void *context)
{
    static const char *const sql[] = {"SELECT id, state, round, finished_ms FROM batch",
                                      "SELECT id, state, round, finished_ms FROM batch"
                                      " ORDER BY sequence DESC"};
    struct store_said said;
    sqlite3 *from = open_damaged(damaged);
    for (size_t i = 0; from != NULL && i < sizeof sql / sizeof sql[0]; i++) {
        sqlite3_stmt *stmt = NULL;
        if (sqlite3_prepare_v2(from, sql[i], -1, &stmt, NULL) != SQLITE_OK) stmt = NULL;
        while (stmt != NULL && sqlite3_step(stmt) == SQLITE_ROW)
            if (read_said(stmt, &said)) each(context, store_db_text(stmt, 0), &said);
        sqlite3_finalize(stmt);
    }
    sqlite3_close(from);
}

/* False when the reading stopped before the end. */
static bool read_keeps(sqlite3_stmt *stmt,
                       void (*each)(void *context, const char *batch, int64_t keep_s),
                       void *context)
{
    int code = SQLITE_OK;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *batch = store_db_text(stmt, 0);
        const int64_t keep_s = sqlite3_column_int64(stmt, 1);
        if (id_is_batch(batch) && keep_s >= 0) each(context, batch, keep_s);
    }
    return code == SQLITE_DONE;
}

/* Numbers of batches are given anew, so that rows cannot be copied. A build that knew no such times
 * has no such table. */
bool store_salvage_keeps(const char *damaged,
                         void (*each)(void *context, const char *batch, int64_t keep_s),
                         void *context)
{
    static const char table[] = "SELECT 1 FROM sqlite_schema WHERE name = 'retention'";
    static const char *const sql[] = {
        "SELECT b.id, r.keep_s FROM retention r CROSS JOIN batch b ON b.sequence = r.batch"
        " ORDER BY r.batch",
        "SELECT b.id, r.keep_s FROM retention r CROSS JOIN batch b ON b.sequence = r.batch"
        " ORDER BY r.batch DESC"};
    sqlite3_stmt *stmt = NULL;
    sqlite3 *from = open_damaged(damaged);
    bool whole = false;
    if (from != NULL && sqlite3_prepare_v2(from, table, -1, &stmt, NULL) == SQLITE_OK)
        whole = sqlite3_step(stmt) == SQLITE_DONE;
    sqlite3_finalize(stmt);
    for (size_t i = 0; from != NULL && !whole && i < sizeof sql / sizeof sql[0]; i++) {
        if (sqlite3_prepare_v2(from, sql[i], -1, &stmt, NULL) != SQLITE_OK) break;
        whole = read_keeps(stmt, each, context) && i == 0;
        sqlite3_finalize(stmt);
    }
    sqlite3_close(from);
    return whole;
}

uint32_t store_salvage_generation(const char *damaged)
{
    uint32_t generation = 0;
    sqlite3_stmt *stmt = NULL;
    sqlite3 *from = open_damaged(damaged);
    if (from != NULL &&
        sqlite3_prepare_v2(from, "SELECT value FROM meta WHERE key = 'generation'", -1, &stmt,
                           NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        generation = (uint32_t)strtoul(store_db_text(stmt, 0), NULL, 10);
    sqlite3_finalize(stmt);
    sqlite3_close(from);
    return generation;
}

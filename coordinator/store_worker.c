/* store_worker: rows of workers. */
#include <string.h>

#include "coordinator/store_db.h"

void store_worker_save(struct store *s, const struct worker_record *w)
{
    static const char sql[] = "INSERT OR REPLACE INTO worker VALUES(" WORD(
        "?1") ", ?2, ?3, ?4,"
              " ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    store_db_word(s, w->name);
    STORE_WRITE(s, sql, store_text(w->name), store_blob(w->boot_id, sizeof w->boot_id),
                store_text(w->machine_id), store_text(w->host), store_text(w->build),
                store_int(w->admitted), store_int(w->state), store_text(w->reason),
                store_text(w->by), store_int(w->since_ms), store_u64(w->finished),
                store_u64(w->failed), store_u64(w->lost));
}

bool store_each_worker(struct store *s,
                       void (*each)(void *context, const struct worker_record *worker),
                       void *context, struct error *err)
{
    static const char sql[] =
        "SELECT w.text, boot, machine, host, build, admitted, state, reason, by, since_ms,"
        " finished, failed, lost FROM worker JOIN word w ON w.id = name ORDER BY w.text";
    int row = -1;
    sqlite3_stmt *stmt = store_db_query(s, sql, NULL, 0, err);
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        struct worker_record w = {
            .name = store_db_text(stmt, 0),
            .machine_id = store_db_text(stmt, 2),
            .host = store_db_text(stmt, 3),
            .build = store_db_text(stmt, 4),
            .admitted = sqlite3_column_int(stmt, 5) != 0,
            .state = (enum worker_state)sqlite3_column_int(stmt, 6),
            .reason = store_db_text(stmt, 7),
            .by = store_db_text(stmt, 8),
            .since_ms = sqlite3_column_int64(stmt, 9),
            .finished = store_db_u64(stmt, 10),
            .failed = store_db_u64(stmt, 11),
            .lost = store_db_u64(stmt, 12),
        };
        if (sqlite3_column_bytes(stmt, 1) == ID_BOOT_BYTES)
            memcpy(w.boot_id, sqlite3_column_blob(stmt, 1), ID_BOOT_BYTES);
        each(context, &w);
    }
    return row == 0;
}

/* Rows of audit. */
#include "coordinator/store_access.h"
#include "coordinator/store_db.h"

void store_audit_add(struct store *s, const struct store_audit *a)
{
    static const char sql[] = "INSERT INTO audit(at_ms, by, role, action, subject, detail, allowed)"
                              " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    STORE_WRITE(s, sql, store_int(a->at_ms), store_text(a->by), store_text(a->role),
                store_text(a->action), store_text(a->subject), store_text(a->detail),
                store_int(a->allowed));
}

bool store_each_audit(struct store *s, uint64_t after, uint32_t limit,
                      void (*each)(void *context, uint64_t sequence,
                                   const struct store_audit *entry),
                      void *context, struct error *err)
{
    static const char sql[] = "SELECT sequence, at_ms, by, role, action, subject, detail, allowed"
                              " FROM audit WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
    int row = -1;
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_u64(after), store_int(limit));
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        struct store_audit a = {.at_ms = sqlite3_column_int64(stmt, 1),
                                .by = store_db_text(stmt, 2),
                                .role = store_db_text(stmt, 3),
                                .action = store_db_text(stmt, 4),
                                .subject = store_db_text(stmt, 5),
                                .detail = store_db_text(stmt, 6),
                                .allowed = sqlite3_column_int(stmt, 7) != 0};
        each(context, store_db_u64(stmt, 0), &a);
    }
    return row == 0;
}

bool store_audit_before(struct store *s, uint32_t last, uint64_t *out, struct error *err)
{
    static const char sql[] = "SELECT sequence FROM audit ORDER BY sequence DESC LIMIT 1 OFFSET ?1";
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_int(last));
    const int row = stmt != NULL ? store_db_next(s, stmt, err) : -1;
    *out = row == 1 ? store_db_u64(stmt, 0) : 0;
    return row >= 0 && (row == 0 || store_db_next(s, stmt, err) == 0);
}

/* Sequence numbers have no gaps, so the newest `keep` are those above a number. */
bool store_audit_prune(struct store *s, int64_t before_ms, uint64_t keep, uint32_t limit)
{
    static const char sql[] =
        "DELETE FROM audit WHERE sequence IN (SELECT sequence FROM audit ORDER BY sequence"
        " LIMIT ?3) AND (at_ms < ?1 OR sequence <= (SELECT max(sequence) FROM audit) - ?2)";
    STORE_WRITE(s, sql, store_int(before_ms), store_u64(keep), store_int(limit));
    return store_db_changes(s) == (int)limit;
}

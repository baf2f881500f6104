/* The end of the audit log. */
#include "coordinator/store_access.h"
#include "coordinator/store_db.h"

bool store_audit_before(struct store *s, uint32_t last, uint64_t *out, struct error *err)
{
    static const char sql[] = "SELECT sequence FROM audit ORDER BY sequence DESC LIMIT 1 OFFSET ?1";
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_int(last));
    const int row = stmt != NULL ? store_db_next(s, stmt, err) : -1;
    *out = row == 1 ? store_db_u64(stmt, 0) : 0;
    return row >= 0 && (row == 0 || store_db_next(s, stmt, err) == 0);
}

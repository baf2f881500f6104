/* Reports: small results that are rows, cut into pieces that fill a page. */
#include <string.h>

#include "coordinator/store_db.h"

/* The pieces of a report follow each other; the clip's row names the first. */
static void add_piece(struct store *s, const uint8_t *data, size_t size)
{
    static const char sql[] = "INSERT INTO piece(data) VALUES(?1)";
    STORE_WRITE(s, sql, store_blob(data, size));
}

void store_report_save(struct store *s, const struct task_key *key, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    s->report = (struct store_report_place){.task = *key};
    for (size_t done = 0; done < size; done += REPORT_PIECE_BYTES) {
        const size_t left = size - done;
        add_piece(s, bytes + done, left < REPORT_PIECE_BYTES ? left : REPORT_PIECE_BYTES);
        if (s->failed) return;
        if (done == 0) s->report.first = sqlite3_last_insert_rowid(s->db);
    }
}

int64_t store_report_place(const struct store *s, const char *batch, uint32_t clip)
{
    const struct store_report_place *last = &s->report;
    return last->task.clip == clip && strcmp(last->task.batch, batch) == 0 ? last->first : 0;
}

bool store_report(struct store *s, const char *batch, uint32_t clip, struct buf *out,
                  struct error *err)
{
    static const char sql[] =
        "SELECT data FROM clip c JOIN piece p ON p.id BETWEEN c.report AND c.report + (c.size - 1)"
        " / " REPORT_PIECE " WHERE c.batch = " BATCH_NUMBER " AND c.clip = ?2 ORDER BY p.id";
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_text(batch), store_int(clip));
    int row = -1;
    buf_clear(out);
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1)
        buf_append(out, sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
    if (row == 0 && out->size == 0) error_set(err, ERROR_NOT_FOUND, "clip %u has no report", clip);
    return row == 0 && out->size > 0;
}

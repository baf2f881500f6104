/* store_clip: rows of clips that are being published, are published, or failed. */
#include <string.h>

#include "coordinator/store_db.h"

void store_clip_save(struct store *s, const struct clip_record *c)
{
    static const char sql[] = "INSERT OR REPLACE INTO clip VALUES(" BATCH_NUMBER
                              ", ?2, ?3, ?4, ?5, ?6, ?7, ?8, " WORD("?9") ", ?10, ?11, ?12, ?13)";
    const bool is_report = c->state == CLIP_PUBLISHED && (c->file == NULL || c->file[0] == '\0');
    const int64_t report = is_report ? store_report_place(s, c->batch, c->clip) : 0;
    const struct digest none = {{0}};
    store_db_word(s, c->worker);
    STORE_WRITE(s, sql, store_text(c->batch), store_int(c->clip), store_int(c->state),
                store_digest(report != 0 ? &none : &c->sha256), /* its bytes are here */
                store_some((int64_t)c->size_bytes), store_some((int64_t)c->sidecar_bytes),
                store_words(c->file), store_some(c->suspect), store_words(c->worker),
                store_int(c->attempts), store_words(c->why), store_words(c->message),
                store_some(report));
}

#define CLIP_COLUMNS                                                                               \
    "SELECT clip, state, sha256, size, sidecar, file, suspect, w.text, attempts, why, message"     \
    " FROM clip LEFT JOIN word w ON w.id = worker WHERE batch = " BATCH_NUMBER

static void read_clip(sqlite3_stmt *stmt, const char *batch, struct clip_record *c)
{
    memset(c, 0, sizeof *c);
    size_t length = strlen(batch);
    memcpy(c->batch, batch, length < ID_BATCH_SIZE ? length : ID_BATCH_LENGTH);
    c->clip = store_db_u32(stmt, 0);
    c->state = (enum clip_state)sqlite3_column_int(stmt, 1);
    store_db_digest(stmt, 2, &c->sha256);
    c->size_bytes = store_db_u64(stmt, 3);
    c->sidecar_bytes = store_db_u64(stmt, 4);
    c->file = store_db_text(stmt, 5);
    c->suspect = (enum suspect)sqlite3_column_int(stmt, 6);
    c->worker = store_db_text(stmt, 7);
    c->attempts = store_db_u32(stmt, 8);
    c->why = store_db_text(stmt, 9);
    c->message = store_db_text(stmt, 10);
}

/* The statement is reset before the caller reads: its texts move into `texts`. */
static void keep_texts(struct buf *texts, struct clip_record *c)
{
    const char **fields[] = {&c->file, &c->worker, &c->why, &c->message};
    size_t places[4];
    buf_clear(texts);
    for (size_t i = 0; i < 4; i++) {
        places[i] = texts->size;
        buf_append(texts, *fields[i], strlen(*fields[i]) + 1);
    }
    for (size_t i = 0; i < 4; i++)
        *fields[i] = (const char *)texts->data + places[i];
}

bool store_clip(struct store *s, const char *batch, uint32_t clip, struct clip_record *out,
                struct error *err)
{
    static const char sql[] = CLIP_COLUMNS " AND clip = ?2";
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_text(batch), store_int(clip));
    int row = stmt != NULL ? store_db_next(s, stmt, err) : -1;
    if (row == 0) return error_set(err, ERROR_NOT_FOUND, "clip %s/%u has no row", batch, clip);
    if (row < 0) return false;
    read_clip(stmt, batch, out);
    keep_texts(&s->clip_texts, out);
    store_db_done(stmt);
    return true;
}

bool store_each_clip(struct store *s, const char *batch, uint32_t from, bool publishing,
                     bool (*each)(void *context, const struct clip_record *clip), void *context,
                     struct error *err)
{
    static const char all[] = CLIP_COLUMNS " AND clip >= ?2 ORDER BY clip";
    static const char some[] = CLIP_COLUMNS " AND state = 4 AND clip >= ?2 ORDER BY clip";
    int row = -1;
    sqlite3_stmt *stmt =
        STORE_QUERY(s, err, publishing ? some : all, store_text(batch), store_int(from));
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        struct clip_record clip;
        read_clip(stmt, batch, &clip);
        if (each(context, &clip)) continue;
        store_db_done(stmt);
        return true;
    }
    return row == 0;
}

bool store_each_clip_made_by(struct store *s, const char *worker,
                             void (*each)(void *context, const char *batch, uint32_t clip),
                             void *context, struct error *err)
{
    static const char sql[] =
        "SELECT b.id, a.clip FROM (SELECT batch, clip, worker, end FROM attempt"
        " ORDER BY batch DESC, clip DESC, task DESC, fence DESC LIMIT ?2) a"
        " JOIN clip c ON c.batch = a.batch AND c.clip = a.clip JOIN batch b ON b.sequence = a.batch"
        " WHERE a.end = 1 AND a.worker = (SELECT id FROM word WHERE text = ?1) AND c.state = 5"
        " GROUP BY a.batch, a.clip ORDER BY a.batch DESC, a.clip DESC";
    int row = -1;
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_text(worker), store_int(STORE_MADE_LOOKS));
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1)
        each(context, store_db_text(stmt, 0), store_db_u32(stmt, 1));
    return row == 0;
}

/* store_batch: rows of batches: what is fixed at acceptance (spec), what changes (batch), the
 * states of the clips (page), and the slow removal of the rest. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "coordinator/store_db.h"
#include "coordinator/store_shape.h"

#define CLEAN_ROWS 1000

/* ---- packed forms: counts, runs and pages as variable-length numbers, 7 bits a byte ---- */

static void put_number(struct buf *out, uint64_t v)
{
    while (v >= 0x80) {
        buf_append_char(out, (char)(v | 0x80));
        v >>= 7;
    }
    buf_append_char(out, (char)v);
}

static bool take_number(struct bytes *in, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && in->size > 0; shift += 7) {
        uint8_t byte = *in->data++;
        in->size--;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = v;
            return true;
        }
    }
    return false;
}

static void pack_counts(struct buf *out, const struct clip_counts *counts, uint32_t groups)
{
    for (uint32_t g = 0; g < groups; g++) {
        for (int state = 0; state < CLIP_STATE_COUNT; state++)
            put_number(out, counts[g].by_state[state]);
        put_number(out, counts[g].suspect);
    }
}

static bool unpack_counts(struct bytes in, struct clip_counts *counts, uint32_t groups)
{
    for (uint32_t g = 0; g < groups; g++) {
        for (int state = 0; state < CLIP_STATE_COUNT; state++)
            if (!take_number(&in, &counts[g].by_state[state])) return false;
        if (!take_number(&in, &counts[g].suspect)) return false;
    }
    return in.size == 0;
}

static void pack_runs(struct buf *out, const struct clip_run *runs, uint32_t count)
{
    uint32_t last = 0;
    put_number(out, count);
    for (uint32_t i = 0; i < count; i++) {
        put_number(out, runs[i].first_clip - last);
        put_number(out, runs[i].group);
        last = runs[i].first_clip;
    }
}

static struct clip_run *unpack_runs(struct bytes in, uint32_t *count_out)
{
    uint64_t count, gap, group, first = 0;
    if (!take_number(&in, &count) || count == 0 || count > in.size) return NULL;
    struct clip_run *runs = xcalloc(count, sizeof *runs);
    for (uint64_t i = 0; i < count; i++) {
        if (!take_number(&in, &gap) || !take_number(&in, &group) || group >= LIMIT_GROUPS ||
            gap > UINT32_MAX - first) {
            free(runs);
            return NULL;
        }
        first += gap;
        runs[i] = (struct clip_run){(uint32_t)first, (uint32_t)group};
    }
    *count_out = (uint32_t)count;
    return runs;
}

/* Pages are mostly long stretches of one state: (length, state) pairs. */
static void pack_page(struct buf *out, const uint8_t *states, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t end = i + 1;
        while (end < size && states[end] == states[i])
            end++;
        put_number(out, end - i);
        buf_append_char(out, (char)states[i]);
        i = end;
    }
}

static bool unpack_page(struct bytes in, uint8_t states[CLIPS_PER_PAGE], size_t *size_out)
{
    size_t size = 0;
    while (in.size > 0) {
        uint64_t length;
        if (!take_number(&in, &length) || in.size == 0 || length > CLIPS_PER_PAGE - size)
            return false;
        memset(states + size, *in.data, length);
        size += length;
        in.data++;
        in.size--;
    }
    *size_out = size;
    return size > 0;
}

static struct bytes column_bytes(sqlite3_stmt *stmt, int column)
{
    const void *data = sqlite3_column_blob(stmt, column);
    return (struct bytes){data, data ? (size_t)sqlite3_column_bytes(stmt, column) : 0};
}

/* ---- writing ---- */

static void add_spec(struct store *s, const struct store_batch *b)
{
    static const char sql[] =
        "INSERT INTO spec VALUES(" BATCH_NUMBER ", ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    struct buf runs = BUF_INIT;
    char *shapes = store_shapes_pack(b->spec.shapes, b->spec.groups);
    pack_runs(&runs, b->spec.runs, b->spec.run_count);
    STORE_WRITE(s, sql, store_text(b->spec.id), store_text(b->spec.name), store_text(b->folder),
                store_int(b->spec.priority), store_int(b->spec.created_ms),
                store_u64(b->spec.prompts), store_int(b->spec.clips), store_text(b->options),
                store_text(shapes), store_blob(runs.data, runs.size));
    free(shapes);
    buf_finish(&runs);
}

void store_batch_add(struct store *s, const struct store_batch *b,
                     const struct batch_record *record)
{
    static const char sql[] =
        "INSERT INTO batch VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, 0, 0, 0, 0, x'')";
    STORE_WRITE(s, sql, store_u64(b->spec.sequence), store_text(b->spec.id),
                store_text(b->spec.owner), store_text(b->key), store_int(b->default_key),
                store_blob(b->content.bytes, DIGEST_BYTES));
    add_spec(s, b);
    store_batch_save(s, b->spec.id, record, b->spec.groups);
}

void store_batch_save(struct store *s, const char *batch, const struct batch_record *r,
                      uint32_t groups)
{
    static const char sql[] =
        "UPDATE batch SET state = ?2, round = ?3, started = ?4, finished_ms = ?5, attempts = ?6,"
        " steps_computed = ?7, steps_wasted = ?8, counts = ?9 WHERE id = ?1";
    struct buf counts = BUF_INIT;
    pack_counts(&counts, r->group_counts, groups);
    STORE_WRITE(s, sql, store_text(batch), store_int(r->state), store_int(r->round),
                store_int(r->started), store_int(r->finished_ms), store_u64(r->attempts),
                store_u64(r->steps_computed), store_u64(r->steps_wasted),
                store_blob(counts.data, counts.size));
    buf_finish(&counts);
}

void store_batch_priority(struct store *s, const char *batch, int32_t priority)
{
    static const char sql[] = "UPDATE spec SET priority = ?2 WHERE batch = " BATCH_NUMBER;
    STORE_WRITE(s, sql, store_text(batch), store_int(priority));
}

void store_page_save(struct store *s, const char *batch, uint32_t index, const uint8_t *states,
                     size_t size)
{
    static const char sql[] = "INSERT OR REPLACE INTO page VALUES(" BATCH_NUMBER ", ?2, ?3)";
    struct buf page = BUF_INIT;
    ZOE_ASSERT(size > 0 && size <= CLIPS_PER_PAGE);
    pack_page(&page, states, size);
    STORE_WRITE(s, sql, store_text(batch), store_int(index), store_blob(page.data, page.size));
    buf_finish(&page);
}

#define OUTPUTS_OF                                                                                 \
    "DELETE FROM output WHERE (batch, clip, task, number) IN (SELECT batch, clip, task, number"    \
    " FROM output WHERE batch = "

/* Of most batches that is all: the first lot of outputs goes with them. */
void store_batch_remove(struct store *s, const char *batch)
{
    static const char later[] = "INSERT INTO removal(batch, id, folder)"
                                " SELECT sequence, id, folder FROM batch JOIN spec ON spec.batch ="
                                " sequence WHERE id = ?1";
    static const char outputs[] = OUTPUTS_OF BATCH_NUMBER " LIMIT ?2)";
    static const char *const whole[] = {"DELETE FROM spec WHERE batch = " BATCH_NUMBER,
                                        "DELETE FROM page WHERE batch = " BATCH_NUMBER,
                                        "DELETE FROM batch_input WHERE batch = " BATCH_NUMBER,
                                        "DELETE FROM retention WHERE batch = " BATCH_NUMBER,
                                        "DELETE FROM published WHERE batch = " BATCH_NUMBER,
                                        "DELETE FROM batch WHERE id = ?1"};
    STORE_WRITE(s, later, store_text(batch));
    STORE_WRITE(s, outputs, store_text(batch), store_int(CLEAN_ROWS));
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        STORE_WRITE(s, whole[i], store_text(batch));
}

/* Rows go when the files have gone. */
#define REMOVED "(SELECT min(batch) FROM removal WHERE folder IS NULL)"

/* Of the clips that go next: which piece belongs to whom is known from their rows only. */
static const char reports_of_clips[] =
    "DELETE FROM piece WHERE id IN (WITH RECURSIVE part(first, piece, last) AS (SELECT * FROM"
    " (SELECT report, report, report + (size - 1) / " REPORT_PIECE
    " FROM clip WHERE batch = " REMOVED
    " LIMIT ?1) WHERE report > 0 UNION ALL SELECT first, piece + 1, last FROM part WHERE piece <"
    " last) SELECT piece FROM part)";

static bool clean_lot(struct store *s, const char *sql)
{
    STORE_WRITE(s, sql, store_int(CLEAN_ROWS));
    return s->failed || store_db_changes(s) > 0;
}

void store_batch_clean(struct store *s)
{
    static const char output[] = OUTPUTS_OF REMOVED " LIMIT ?1)";
    static const char clip[] = "DELETE FROM clip WHERE (batch, clip) IN (SELECT batch, clip FROM"
                               " clip WHERE batch = " REMOVED " LIMIT ?1)";
    static const char task[] =
        "DELETE FROM task WHERE (batch, clip, task) IN (SELECT batch, clip, task FROM task"
        " WHERE batch = " REMOVED " LIMIT ?1)";
    static const char attempt[] = "DELETE FROM attempt WHERE (batch, clip, task, fence) IN"
                                  " (SELECT batch, clip, task, fence FROM attempt"
                                  " WHERE batch = " REMOVED " LIMIT ?1)";
    static const char finished[] = "DELETE FROM removal WHERE batch = " REMOVED;
    static const char *const sql[] = {clip, task, attempt};
    if (clean_lot(s, output)) return; /* the disk may wait for the files behind them */
    STORE_WRITE(s, reports_of_clips, store_int(CLEAN_ROWS));
    for (size_t i = 0; i < sizeof sql / sizeof sql[0]; i++)
        if (clean_lot(s, sql[i])) return;
    store_db_write(s, finished, NULL, 0);
    if (!s->failed) s->removing = store_db_changes(s) > 0;
}

bool store_clean_some(struct store *s)
{
    if (s->removing && !s->in_transaction) store_meta_set(s, "clean", "0"); /* the commit cleans */
    return s->removing;
}

bool store_each_removal(struct store *s,
                        void (*each)(void *context, const char *batch, const char *folder),
                        void *context, struct error *err)
{
    static const char sql[] = "SELECT id, folder FROM removal WHERE folder IS NOT NULL";
    int row = -1;
    sqlite3_stmt *stmt = store_db_query(s, sql, NULL, 0, err);
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1)
        each(context, store_db_text(stmt, 0), store_db_text(stmt, 1));
    return row == 0;
}

void store_removal_done(struct store *s, const char *batch)
{
    static const char sql[] = "UPDATE removal SET folder = NULL WHERE id = ?1";
    STORE_WRITE(s, sql, store_text(batch));
    s->removing = true;
}

/* ---- reading ---- */

static bool read_batch(sqlite3_stmt *stmt, struct store_batch *b, struct batch_record *r)
{
    const char *id = store_db_text(stmt, 1);
    if (!id_is_batch(id)) return false;
    memcpy(b->spec.id, id, ID_BATCH_SIZE);
    b->spec.sequence = store_db_u64(stmt, 0);
    b->spec.owner = store_db_text(stmt, 2);
    b->key = store_db_text(stmt, 3);
    b->default_key = sqlite3_column_int(stmt, 4) != 0;
    if (!store_db_digest(stmt, 5, &b->content)) return false;
    int state = sqlite3_column_int(stmt, 6);
    if (state < 0 || state >= BATCH_STATE_COUNT) return false;
    r->state = (enum batch_state)state;
    r->round = store_db_u32(stmt, 7);
    r->started = sqlite3_column_int(stmt, 8) != 0;
    r->finished_ms = sqlite3_column_int64(stmt, 9);
    r->attempts = store_db_u64(stmt, 10);
    r->steps_computed = store_db_u64(stmt, 11);
    r->steps_wasted = store_db_u64(stmt, 12);
    b->spec.name = store_db_text(stmt, 14);
    b->folder = store_db_text(stmt, 15);
    b->spec.priority = sqlite3_column_int(stmt, 16);
    b->spec.created_ms = sqlite3_column_int64(stmt, 17);
    b->spec.prompts = store_db_u64(stmt, 18);
    b->spec.clips = store_db_u32(stmt, 19);
    b->options = store_db_text(stmt, 20);
    return true;
}

static bool give_batch(sqlite3_stmt *stmt,
                       void (*each)(void *context, const struct store_batch *batch,
                                    const struct batch_record *record),
                       void *context)
{
    struct store_batch b = {0};
    struct batch_record r = {0};
    if (!read_batch(stmt, &b, &r)) return false;
    struct shape *shapes = store_shapes_unpack(store_db_text(stmt, 21), &b.spec.groups);
    struct clip_run *runs = unpack_runs(column_bytes(stmt, 22), &b.spec.run_count);
    struct clip_counts *counts = NULL;
    bool ok = shapes != NULL && runs != NULL;
    if (ok) {
        counts = xcalloc(b.spec.groups, sizeof *counts);
        ok = unpack_counts(column_bytes(stmt, 13), counts, b.spec.groups);
    }
    b.spec.shapes = shapes;
    b.spec.runs = runs;
    r.group_counts = counts;
    if (ok) each(context, &b, &r);
    free(shapes);
    free(runs);
    free(counts);
    return ok;
}

bool store_each_batch(struct store *s,
                      void (*each)(void *context, const struct store_batch *batch,
                                   const struct batch_record *record),
                      void *context, struct error *err)
{
    static const char sql[] =
        "SELECT sequence, id, owner, idempotency, default_key, content, state, round, started,"
        " finished_ms, attempts, steps_computed, steps_wasted, counts, name, folder, priority,"
        " created_ms, prompts, clips, options, shapes, runs"
        " FROM batch JOIN spec ON spec.batch = sequence ORDER BY sequence";
    int row = -1;
    sqlite3_stmt *stmt = store_db_query(s, sql, NULL, 0, err);
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        if (give_batch(stmt, each, context)) continue;
        error_set(err, ERROR_CORRUPT, "%s: the row of batch '%s' is damaged", s->path,
                  store_db_text(stmt, 1));
        store_db_done(stmt);
        return false;
    }
    return row == 0;
}

static bool read_has(struct store *s, sqlite3_stmt *stmt, bool *out, struct error *err)
{
    const int row = stmt != NULL ? store_db_next(s, stmt, err) : -1;
    *out = row == 1;
    if (row == 1) store_db_done(stmt);
    return row >= 0;
}

bool store_has_batch(struct store *s, const char *batch, bool *out, struct error *err)
{
    static const char sql[] = "SELECT 1 FROM batch WHERE id = ?1";
    return read_has(s, STORE_QUERY(s, err, sql, store_text(batch)), out, err);
}

bool store_has_folder(struct store *s, const char *batch, const char *folder, bool *out,
                      struct error *err)
{
    static const char sql[] = "SELECT 1 FROM spec WHERE batch = " BATCH_NUMBER " AND folder = ?2"
                              " UNION ALL SELECT 1 FROM removal WHERE id = ?1 AND folder = ?2";
    return read_has(s, STORE_QUERY(s, err, sql, store_text(batch), store_text(folder)), out, err);
}

bool store_each_page(struct store *s, const char *batch,
                     void (*each)(void *context, uint32_t index, const uint8_t *states,
                                  size_t size),
                     void *context, struct error *err)
{
    static const char sql[] =
        "SELECT number, states FROM page WHERE batch = " BATCH_NUMBER " ORDER BY number";
    uint8_t states[CLIPS_PER_PAGE];
    size_t size;
    int row = -1;
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_text(batch));
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        if (!unpack_page(column_bytes(stmt, 1), states, &size)) {
            error_set(err, ERROR_CORRUPT, "%s: a page of batch '%s' is damaged", s->path, batch);
            store_db_done(stmt);
            return false;
        }
        each(context, store_db_u32(stmt, 0), states, size);
    }
    return row == 0;
}

bool store_batch_by_key(struct store *s, const char *owner, const char *key, bool live_only,
                        struct store_known *out, struct error *err)
{
    static const char sql[] =
        "SELECT id, folder, content, prompts, clips FROM batch JOIN spec ON spec.batch = sequence"
        " WHERE owner = ?1 AND idempotency = ?2 AND (?3 = 0 OR state NOT IN (?4, ?5))"
        " ORDER BY sequence DESC LIMIT 1";
    sqlite3_stmt *stmt =
        STORE_QUERY(s, err, sql, store_text(owner), store_text(key), store_int(live_only),
                    store_int(BATCH_FAILED), store_int(BATCH_CANCELED));
    int row = stmt != NULL ? store_db_next(s, stmt, err) : -1;
    if (row == 0) return error_set(err, ERROR_NOT_FOUND, "no batch of '%s' has this key", owner);
    if (row < 0) return false;
    struct task_key id;
    store_db_task(stmt, 0, &id);
    memcpy(out->batch, id.batch, sizeof out->batch);
    buf_clear(&s->known_texts);
    buf_append_text(&s->known_texts, store_db_text(stmt, 1));
    out->folder = buf_text(&s->known_texts);
    bool ok = store_db_digest(stmt, 2, &out->content);
    out->prompts = store_db_u64(stmt, 3);
    out->clips = store_db_u64(stmt, 4);
    store_db_done(stmt);
    return ok || error_set(err, ERROR_CORRUPT, "%s: a row of batch is damaged", s->path);
}

uint64_t store_last_sequence(struct store *s)
{
    static const char sql[] = "SELECT seq FROM sqlite_sequence WHERE name = 'batch'";
    return (uint64_t)store_db_number(s, sql, 0);
}

/* ---- how long ended ones stay ---- */

void store_keep_save(struct store *s, const char *batch, int64_t keep_s)
{
    static const char sql[] = "INSERT OR REPLACE INTO retention SELECT sequence, ?2 FROM batch"
                              " WHERE id = ?1";
    STORE_WRITE(s, sql, store_text(batch), store_int(keep_s));
}

bool store_each_keep(struct store *s,
                     void (*each)(void *context, const char *batch, int64_t keep_s), void *context,
                     struct error *err)
{
    static const char sql[] = "SELECT id, keep_s FROM retention r JOIN batch ON sequence = r.batch";
    int row = -1;
    sqlite3_stmt *stmt = store_db_query(s, sql, NULL, 0, err);
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1)
        each(context, store_db_text(stmt, 0), sqlite3_column_int64(stmt, 1));
    return row == 0;
}

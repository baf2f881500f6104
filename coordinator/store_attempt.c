/* store_attempt: leases and how they ended. */
#include "coordinator/store_db.h"

void store_attempt_save(struct store *s, const struct attempt_record *a, int64_t begun_ms)
{
    static const char sql[] =
        "INSERT OR REPLACE INTO attempt(batch, clip, task, fence, worker_fence, worker, slot, end,"
        " begun_ms, resumed_step)"
        " VALUES(" BATCH_NUMBER ", ?2, ?3, ?4, ?5, " WORD("?6") ", ?7, 0, ?8, ?9)";
    store_db_word(s, a->worker);
    STORE_WRITE(s, sql, store_text(a->task.batch), store_int(a->task.clip), store_int(a->task.task),
                store_u64(a->fence),
                a->worker_fence == a->fence ? store_words(NULL) : store_u64(a->worker_fence),
                store_text(a->worker), store_some(a->slot), store_int(begun_ms),
                store_some(a->resumed_step));
}

void store_attempt_end(struct store *s, const struct attempt_end_record *e, int64_t ended_ms)
{
    static const char sql[] =
        "UPDATE attempt SET end = ?5, lasted_ms = max(0, ?6 - begun_ms), render_ms = ?7,"
        " computed = ?8, wasted = ?9, message = ?10, log_tail = ?11, boot = NULL"
        " WHERE batch = " BATCH_NUMBER " AND clip = ?2 AND task = ?3 AND fence = ?4";
    STORE_WRITE(s, sql, store_text(e->task.batch), store_int(e->task.clip), store_int(e->task.task),
                store_u64(e->fence), store_int(e->end), store_int(ended_ms),
                store_some((int64_t)e->render_ms), store_some(e->steps_computed),
                store_some(e->steps_wasted), store_words(e->message), store_words(e->log_tail));
}

bool store_attempt_worker(struct store *s, const struct attempt_key *key,
                          char out[LIMIT_NAME_BYTES + 1], struct error *err)
{
    static const char sql[] =
        "SELECT w.text FROM attempt JOIN word w ON w.id = worker"
        " WHERE batch = " BATCH_NUMBER " AND clip = ?2 AND task = ?3 AND fence = ?4";
    out[0] = '\0';
    sqlite3_stmt *stmt =
        STORE_QUERY(s, err, sql, store_text(key->task.batch), store_int(key->task.clip),
                    store_int(key->task.task), store_u64(key->fence));
    if (stmt == NULL) return false;
    const int row = store_db_next(s, stmt, err);
    if (row == 1) {
        (void)snprintf(out, LIMIT_NAME_BYTES + 1, "%s", store_db_text(stmt, 0));
        store_db_done(stmt);
    }
    return row >= 0;
}

bool store_each_live_attempt(struct store *s,
                             void (*each)(void *context, const struct attempt_record *attempt),
                             void *context, struct error *err)
{
    static const char sql[] =
        "SELECT b.id, clip, task, fence, ifnull(worker_fence, fence), w.text, slot,"
        " resumed_step FROM attempt a JOIN batch b ON b.sequence = a.batch JOIN word w ON w.id = "
        "worker"
        " WHERE end = 0 ORDER BY a.batch, clip, task, fence";
    int row = -1;
    sqlite3_stmt *stmt = store_db_query(s, sql, NULL, 0, err);
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        struct attempt_record a = {0};
        store_db_task(stmt, 0, &a.task);
        a.fence = store_db_u64(stmt, 3);
        a.worker_fence = store_db_u64(stmt, 4);
        a.worker = store_db_text(stmt, 5);
        a.slot = store_db_u32(stmt, 6);
        a.resumed_step = store_db_u32(stmt, 7);
        each(context, &a);
    }
    return row == 0;
}

static struct store_attempt read_attempt(sqlite3_stmt *stmt)
{
    return (struct store_attempt){
        .fence = store_db_u64(stmt, 0),
        .worker_fence = store_db_u64(stmt, 1),
        .worker = store_db_text(stmt, 2),
        .end = (enum attempt_end)sqlite3_column_int(stmt, 3),
        .message = store_db_text(stmt, 4),
        .log_tail = store_db_text(stmt, 5),
        .steps_computed = store_db_u32(stmt, 6),
        .steps_wasted = store_db_u32(stmt, 7),
        .render_ms = store_db_u64(stmt, 8),
        .begun_ms = sqlite3_column_int64(stmt, 9),
        .ended_ms = sqlite3_column_int64(stmt, 10),
        .resumed_step = store_db_u32(stmt, 11),
        .task = store_db_u32(stmt, 12),
    };
}

#define HISTORY                                                                                    \
    "SELECT fence, ifnull(worker_fence, fence), w.text, end, message, log_tail, computed,"         \
    " wasted, render_ms, begun_ms, iif(end = 0, 0, begun_ms + lasted_ms), resumed_step, task"      \
    " FROM attempt JOIN word w ON w.id = worker WHERE batch = " BATCH_NUMBER " AND clip = ?2"

static bool give_attempts(struct store *s, sqlite3_stmt *stmt,
                          void (*each)(void *context, const struct store_attempt *attempt),
                          void *context, struct error *err)
{
    int row = -1;
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        const struct store_attempt a = read_attempt(stmt);
        each(context, &a);
    }
    return row == 0;
}

bool store_each_attempt(struct store *s, const struct task_key *key,
                        void (*each)(void *context, const struct store_attempt *attempt),
                        void *context, struct error *err)
{
    static const char sql[] = HISTORY " AND task = ?3 ORDER BY fence";
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_text(key->batch), store_int(key->clip),
                                     store_int(key->task));
    return give_attempts(s, stmt, each, context, err);
}

bool store_each_clip_attempt(struct store *s, const char *batch, uint32_t clip,
                             void (*each)(void *context, const struct store_attempt *attempt),
                             void *context, struct error *err)
{
    static const char sql[] = HISTORY " ORDER BY task, fence";
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_text(batch), store_int(clip));
    return give_attempts(s, stmt, each, context, err);
}

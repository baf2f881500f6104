/* store_task: rows of tasks that were started and of their attempts. A field that is mostly zero or
 * empty is NULL, so that a finished task stays small. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "coordinator/store_db.h"

/* The file holds these numbers: a state is only ever added at the end. */
_Static_assert(BATCH_FAILED == 4 && BATCH_CANCELED == 5, "numbers in the file");
_Static_assert(CLIP_PUBLISHING == 4 && CLIP_PUBLISHED == 5 && CLIP_CANCELED == 7,
               "numbers in the file");
_Static_assert(TASK_WAITING == 0 && TASK_CANCELED == 4, "numbers in the file");
_Static_assert(END_LIVE == 0 && END_SUPERSEDED == 10 && END_COMPARED == 12, "numbers in the file");
_Static_assert(WORKER_JOINING == 0 && WORKER_OFFLINE == 8, "numbers in the file");
_Static_assert(SUSPECT_NONE == 0 && SUSPECT_STILL == 2, "numbers in the file");

/* ---- tasks ---- */

/* Names of workers hold no newline (they are checked where keys are allowed). */
static void join_blamed(struct buf *out, const struct task_record *t)
{
    for (uint32_t i = 0; i < t->blamed_count; i++) {
        if (i > 0) buf_append_char(out, '\n');
        buf_append_text(out, t->blamed[i]);
    }
}

static void save_row(struct store *s, const struct task_record *t)
{
    static const char sql[] =
        "INSERT OR REPLACE INTO task VALUES(" BATCH_NUMBER ", ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
        " " WORD("?11") ", ?12, ?13, ?14, ?15, ?16, " WORD("?17") ", ?18, " WORD("?19") ", ?20)";
    struct buf blamed = BUF_INIT;
    join_blamed(&blamed, t);
    store_db_word(s, t->winner);
    store_db_word(s, t->fingerprint);
    store_db_word(s, t->checkpoint_fingerprint);
    STORE_WRITE(s, sql, store_text(t->key.batch), store_int(t->key.clip), store_int(t->key.task),
                store_int(t->state), store_int(t->open), store_u64(t->fence),
                store_int(t->attempts), store_some(t->counted), store_some(t->losses),
                store_words(buf_text(&blamed)), store_words(t->winner),
                store_some((int64_t)t->winner_fence), store_some((int64_t)t->output_bytes),
                store_some(t->suspect), store_words(t->why), store_words(t->message),
                store_words(t->fingerprint), store_some(t->checkpoint_step),
                store_words(t->checkpoint_fingerprint), store_some((int64_t)t->checkpoint_fence));
    buf_finish(&blamed);
}

/* What such a row would say stands in the attempts: who made it under which fence, the highest
 * fence, how many there were. Most tasks end so, and their rows would be a third of the file. */
static bool is_told_by_attempts(const struct task_record *t)
{
    return t->state == TASK_DONE && !t->open && t->winner != NULL;
}

static void drop_row(struct store *s, const struct task_key *key)
{
    static const char sql[] =
        "DELETE FROM task WHERE batch = " BATCH_NUMBER " AND clip = ?2 AND task = ?3";
    STORE_WRITE(s, sql, store_text(key->batch), store_int(key->clip), store_int(key->task));
}

void store_task_save(struct store *s, const struct task_record *t)
{
    if (is_told_by_attempts(t))
        drop_row(s, &t->key);
    else
        save_row(s, t);
}

#define TASK_COLUMNS                                                                               \
    "SELECT b.id, clip, task, t.state, open, fence, t.attempts, counted, losses, blamed, w.text,"  \
    " winner_fence, output_bytes, suspect, why, message, f.text, checkpoint_step, p.text,"         \
    " checkpoint_fence"                                                                            \
    " FROM task t JOIN batch b ON b.sequence = t.batch LEFT JOIN word w ON w.id = winner"          \
    " LEFT JOIN word f ON f.id = t.fingerprint LEFT JOIN word p ON p.id = checkpoint_fingerprint"

/* Copies a column's text behind the others; its place is known only when all stand. */
static size_t keep(struct buf *texts, sqlite3_stmt *stmt, int column)
{
    size_t at = texts->size;
    const char *text = store_db_text(stmt, column);
    buf_append(texts, text, strlen(text) + 1);
    return at;
}

static const char *kept(const struct buf *texts, size_t at)
{
    return (const char *)texts->data + at;
}

static void split_blamed(char *text, struct task_record *t)
{
    char *rest = text;
    t->blamed_count = 0;
    if (text[0] == '\0') return;
    for (char *name; (name = strsep(&rest, "\n")) != NULL;)
        if (t->blamed_count < RETRY_DISTINCT_WORKERS) t->blamed[t->blamed_count++] = name;
}

static void read_task(sqlite3_stmt *stmt, struct buf *texts, struct task_record *t)
{
    memset(t, 0, sizeof *t);
    buf_clear(texts);
    store_db_task(stmt, 0, &t->key);
    t->state = (enum task_state)sqlite3_column_int(stmt, 3);
    t->open = sqlite3_column_int(stmt, 4) != 0;
    t->fence = store_db_u64(stmt, 5);
    t->attempts = store_db_u32(stmt, 6);
    t->counted = store_db_u32(stmt, 7);
    t->losses = store_db_u32(stmt, 8);
    t->winner_fence = store_db_u64(stmt, 11);
    t->output_bytes = store_db_u64(stmt, 12);
    t->suspect = (enum suspect)sqlite3_column_int(stmt, 13);
    size_t blamed = keep(texts, stmt, 9), winner = keep(texts, stmt, 10);
    size_t why = keep(texts, stmt, 14), message = keep(texts, stmt, 15);
    size_t fingerprint = keep(texts, stmt, 16), checkpoint = keep(texts, stmt, 18);
    t->checkpoint_step = store_db_u32(stmt, 17);
    t->checkpoint_fence = store_db_u64(stmt, 19);
    split_blamed((char *)texts->data + blamed, t);
    bool has_winner = sqlite3_column_type(stmt, 10) != SQLITE_NULL;
    t->winner = has_winner ? kept(texts, winner) : NULL;
    t->why = kept(texts, why);
    t->message = kept(texts, message);
    t->fingerprint = kept(texts, fingerprint);
    t->checkpoint_fingerprint = kept(texts, checkpoint);
}

bool store_each_open_task(struct store *s,
                          void (*each)(void *context, const struct task_record *task),
                          void *context, struct error *err)
{
    static const char sql[] = TASK_COLUMNS " WHERE open = 1 ORDER BY t.batch, clip, task";
    struct buf texts = BUF_INIT;
    struct task_record task;
    int row = -1;
    sqlite3_stmt *stmt = store_db_query(s, sql, NULL, 0, err);
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        read_task(stmt, &texts, &task);
        each(context, &task);
    }
    buf_finish(&texts);
    return row == 0;
}

struct told { /* by the attempts of a task */
    struct task_record *task;
    struct buf *winner;
};

static void take_attempt(void *context, const struct store_attempt *a)
{
    struct told *told = context;
    told->task->attempts++;
    if (a->fence > told->task->fence) told->task->fence = a->fence;
    if (a->end != END_DONE) return;
    told->task->winner_fence = a->worker_fence;
    buf_clear(told->winner);
    buf_append_text(told->winner, a->worker);
}

/* The row that store_task_save left out. */
static bool read_attempts(struct store *s, const struct task_key *key, struct task_record *out,
                          struct error *err)
{
    struct told told = {out, &s->task_texts};
    *out = (struct task_record){.key = *key,
                                .state = TASK_DONE,
                                .why = "",
                                .message = "",
                                .fingerprint = "",
                                .checkpoint_fingerprint = ""};
    buf_clear(told.winner);
    if (!store_each_attempt(s, key, take_attempt, &told, err)) return false;
    if (told.winner->size == 0)
        return error_set(err, ERROR_NOT_FOUND, "task %s/%u.%u was never started", key->batch,
                         key->clip, key->task);
    out->winner = buf_text(told.winner);
    return true;
}

bool store_task(struct store *s, const struct task_key *key, struct task_record *out,
                struct error *err)
{
    static const char sql[] =
        TASK_COLUMNS " WHERE t.batch = " BATCH_NUMBER " AND clip = ?2 AND task = ?3";
    sqlite3_stmt *stmt = STORE_QUERY(s, err, sql, store_text(key->batch), store_int(key->clip),
                                     store_int(key->task));
    int row = stmt != NULL ? store_db_next(s, stmt, err) : -1;
    if (row < 0) return false;
    if (row == 0) return read_attempts(s, key, out, err);
    read_task(stmt, &s->task_texts, out);
    store_db_done(stmt);
    return true;
}

/* store_check: pages by SQLite, rows by a table of questions whose answers must be empty. */
#include "coordinator/store_check.h"

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/store_db.h"

#define DAMAGED_FIX                                                                                \
    "stop the coordinator; then `zoe coordinator restore FILE --state DIR`, or without a backup "  \
    "`zoe recover --state DIR`"
#define UNREAD_FIX "look at its disk and who may read it, then check again"
#define ROWS_FIX                                                                                   \
    "stop the coordinator, keep a copy of farm.db, then `zoe recover --state DIR`; please report " \
    "it"
#define INPUTS_FIX                                                                                 \
    "submit the same files again with the same command (it finds the batch, and sends what is "    \
    "missing), then `zoe batch resume`"

/* ---- pages ---- */

static sqlite3 *open_file(const char *path, struct error *err)
{
    sqlite3 *db = NULL;
    if (store_db_open_still(path, &db) == SQLITE_OK) return db;
    error_set(err, ERROR_IO, "%s: %s", path, db ? sqlite3_errmsg(db) : "no memory");
    sqlite3_close(db);
    return NULL;
}

/* Calls `say` for each complaint, also that it cannot be read; false when there was one. */
static bool ask_sqlite(sqlite3 *db, const char *sql,
                       void (*say)(void *context, enum error_code code, const char *complaint),
                       void *context)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    bool sound = code == SQLITE_OK;
    while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *text = store_db_text(stmt, 0);
        code = SQLITE_OK;
        if (strcmp(text, "ok") == 0) continue;
        sound = false;
        say(context, ERROR_CORRUPT, text);
    }
    if (code != SQLITE_DONE) {
        sound = false;
        say(context, store_db_error_code(code), sqlite3_errmsg(db));
    }
    sqlite3_finalize(stmt);
    return sound;
}

struct first {
    struct error *err;
    const char *path;
    bool said;
};

static void keep_first(void *context, enum error_code code, const char *complaint)
{
    struct first *first = context;
    if (first->said) return;
    first->said = true;
    error_set(first->err, code, "%s %s: %s", first->path,
              code == ERROR_CORRUPT ? "is damaged" : "cannot be read", complaint);
}

bool store_check_copy(const char *path, struct error *err)
{
    struct first first = {.err = err, .path = path};
    if (!path_exists(path)) return error_set(err, ERROR_NOT_FOUND, "there is no file %s", path);
    sqlite3 *db = open_file(path, err);
    if (db == NULL) return false;
    bool sound = ask_sqlite(db, "PRAGMA quick_check(1)", keep_first, &first);
    sqlite3_close(db);
    return sound;
}

struct listing {
    struct findings *f;
    const char *path;
};

static void list_one(void *context, enum error_code code, const char *complaint)
{
    const struct listing *l = context;
    findings_add(l->f, FINDING_FAIL, "database", l->path,
                 code == ERROR_CORRUPT ? DAMAGED_FIX : UNREAD_FIX, "%s", complaint);
}

bool store_check_pages(const char *path, bool quick, struct findings *f)
{
    struct error err = {0};
    struct listing l = {f, path};
    sqlite3 *db = open_file(path, &err);
    if (db == NULL)
        return findings_add(f, FINDING_FAIL, "database", path, UNREAD_FIX, "%s", err.message);
    bool sound = ask_sqlite(db, quick ? "PRAGMA quick_check(20)" : "PRAGMA integrity_check(20)",
                            list_one, &l);
    sqlite3_close(db);
    if (sound) findings_add(f, FINDING_OK, "database", path, NULL, "every page is whole");
    return sound;
}

/* ---- rows against each other ---- */

/* Each gives one text a row: where something is wrong. `words` says what. */
#define TASK_NAME "b.id || '/' || x.clip || '.' || x.task"
#define NO_BATCH "batch NOT IN (SELECT sequence FROM batch UNION SELECT batch FROM removal)"
static const char foreign[] = "SELECT \"table\" || ' row ' || ifnull(rowid, '?') FROM"
                              " pragma_foreign_key_check WHERE \"table\" <> 'output' LIMIT 20";
static const char no_spec[] = "SELECT id FROM batch WHERE NOT EXISTS(SELECT 1 FROM spec WHERE"
                              " spec.batch = sequence) LIMIT 20";
static const char bad_states[] =
    "SELECT 'batch ' || id FROM batch WHERE state NOT BETWEEN 0 AND ?1 UNION"
    " ALL SELECT 'task ' || batch || '/' || clip || '.' || task FROM task WHERE state NOT BETWEEN 0"
    " AND ?2 UNION ALL SELECT 'attempt ' || batch || '/' || clip FROM attempt WHERE end NOT BETWEEN"
    " 0 AND ?3 UNION ALL SELECT 'clip ' || batch || '/' || clip FROM clip WHERE state NOT BETWEEN 0"
    " AND ?4 LIMIT 20";
static const struct store_value last_states[] = {
    {.type = STORE_INT, .number = BATCH_STATE_COUNT - 1},
    {.type = STORE_INT, .number = TASK_STATE_COUNT - 1},
    {.type = STORE_INT, .number = END_COUNT - 1},
    {.type = STORE_INT, .number = CLIP_STATE_COUNT - 1},
};
static const char orphans[] =
    "SELECT 'task ' || batch || '/' || clip FROM task WHERE " NO_BATCH " UNION ALL SELECT"
    " 'clip ' || batch || '/' || clip FROM clip WHERE " NO_BATCH " UNION ALL SELECT"
    " 'output ' || batch || '/' || clip FROM output WHERE " NO_BATCH " LIMIT 20";
static const char not_leased[] =
    "SELECT " TASK_NAME " FROM task x JOIN batch b ON b.sequence = x.batch WHERE x.state = 1 AND"
    " x.open = 1 AND NOT EXISTS(SELECT 1 FROM attempt a WHERE a.batch = x.batch AND a.clip = x.clip"
    " AND a.task = x.task AND a.end = 0) LIMIT 20";
static const char no_task[] =
    "SELECT " TASK_NAME " FROM attempt x JOIN batch b ON b.sequence = x.batch WHERE x.end = 0 AND"
    " NOT EXISTS(SELECT 1 FROM task t WHERE t.batch = x.batch AND t.clip = x.clip AND t.task ="
    " x.task AND t.open = 1) LIMIT 20";
static const char fences[] =
    "SELECT " TASK_NAME " FROM task x JOIN batch b ON b.sequence = x.batch WHERE x.open = 1 AND"
    " x.fence < (SELECT max(fence) FROM attempt a WHERE a.batch = x.batch AND a.clip = x.clip AND"
    " a.task = x.task) LIMIT 20";
static const char uses[] =
    "SELECT lower(hex(sha256)) FROM artifact WHERE uses <> (SELECT count(*) FROM output o WHERE"
    " o.sha256 = artifact.sha256) + (SELECT count(*) FROM input i WHERE i.sha256 ="
    " artifact.sha256) LIMIT 20";
static const char no_artifact[] =
    "SELECT lower(hex(sha256)) FROM output WHERE sha256 NOT IN (SELECT sha256 FROM artifact) UNION"
    " SELECT lower(hex(sha256)) FROM input WHERE sha256 NOT IN (SELECT sha256 FROM artifact)"
    " LIMIT 20";
/* A recover that finds no row of an input pauses its batch; one that is over needs none. */
#define LACKS_INPUT                                                                                \
    "SELECT id FROM batch WHERE EXISTS(SELECT 1 FROM batch_input i WHERE i.batch = sequence AND"   \
    " i.sha256 NOT IN (SELECT sha256 FROM input)) AND "
#define LACKS_WORDS "files that its clips start from are not known"
static const char waits_for_input[] = LACKS_INPUT "state = 2 LIMIT 20";
static const char lacks_input[] = LACKS_INPUT "state < 2 LIMIT 20";
static const char unnamed[] =
    "SELECT b.id || '/' || c.clip FROM clip c JOIN batch b ON b.sequence = c.batch WHERE c.state IN"
    " (4, 5) AND (c.sha256 IS NULL OR c.file IS NULL) AND c.report IS NULL LIMIT 20";
static const char cut_short[] =
    "SELECT b.id || '/' || c.clip FROM clip c JOIN batch b ON b.sequence = c.batch WHERE c.report >"
    " 0 AND c.size IS NOT (SELECT sum(length(data)) FROM piece p WHERE p.id BETWEEN c.report AND"
    " c.report + (c.size - 1) / " REPORT_PIECE ") LIMIT 20";

static const struct {
    enum finding_level level;
    const char *topic;
    const char *sql;
    const char *words;
    const char *fix;
} questions[] = {
    {FINDING_FAIL, "rows", foreign, "a row names another that is not there", ROWS_FIX},
    {FINDING_FAIL, "batches", no_spec, "what was fixed when it was accepted is missing", ROWS_FIX},
    {FINDING_FAIL, "rows", bad_states, "a state that does not exist", ROWS_FIX},
    {FINDING_FAIL, "rows", orphans, "it belongs to no batch", ROWS_FIX},
    {FINDING_FAIL, "tasks", not_leased, "leased, but no attempt lives", ROWS_FIX},
    {FINDING_FAIL, "tasks", no_task, "a live attempt of a task that is not open", ROWS_FIX},
    {FINDING_FAIL, "tasks", fences, "its fence is below that of an attempt", ROWS_FIX},
    {FINDING_FAIL, "artifacts", uses, "its uses are counted wrong", ROWS_FIX},
    {FINDING_FAIL, "artifacts", no_artifact, "used, but not known as a stored file", ROWS_FIX},
    {FINDING_WARN, "inputs", waits_for_input, LACKS_WORDS ": it is paused", INPUTS_FIX},
    {FINDING_FAIL, "inputs", lacks_input, LACKS_WORDS, INPUTS_FIX},
    {FINDING_FAIL, "clips", unnamed, "published without a file's name or digest", ROWS_FIX},
    {FINDING_FAIL, "clips", cut_short, "a part of its report is missing", ROWS_FIX},
};

static void ask(struct store *s, size_t i, struct findings *f)
{
    struct error err = {0};
    int row = -1;
    const int count =
        questions[i].sql == bad_states ? sizeof last_states / sizeof last_states[0] : 0;
    sqlite3_stmt *stmt = store_db_query(s, questions[i].sql, last_states, count, &err);
    while (stmt != NULL && (row = store_db_next(s, stmt, &err)) == 1)
        findings_add(f, questions[i].level, questions[i].topic, store_db_text(stmt, 0),
                     questions[i].fix, "%s", questions[i].words);
    if (row != 0)
        findings_add(f, FINDING_FAIL, questions[i].topic, s->path, DAMAGED_FIX, "%s", err.message);
}

/* ---- counters against pages and rows ---- */

struct facts {
    struct store *s;
    struct findings *f;
    uint64_t by_state[CLIP_STATE_COUNT];
    uint64_t suspect, seen, clips;
    bool bad;
};

static void count_page(void *context, uint32_t index, const uint8_t *states, size_t size)
{
    struct facts *facts = context;
    const uint64_t first = (uint64_t)index * CLIPS_PER_PAGE;
    for (size_t i = 0; i < size && first + i < facts->clips; i++) { /* the last is saved whole */
        facts->seen++;
        const unsigned state = states[i] & CLIP_STATE_MASK;
        if (state >= CLIP_STATE_COUNT) {
            facts->bad = true;
            continue;
        }
        facts->by_state[state]++;
        if (states[i] & CLIP_SUSPECT_BIT) facts->suspect++;
    }
}

static uint64_t counted(const struct batch_record *r, uint32_t groups, int state)
{
    uint64_t sum = 0;
    for (uint32_t g = 0; g < groups; g++)
        sum += state < 0 ? r->group_counts[g].suspect : r->group_counts[g].by_state[state];
    return sum;
}

static const char clip_rows[] =
    "SELECT count(*) FROM clip WHERE state = ?2 AND batch = " BATCH_NUMBER;

static void compare_rows(struct facts *facts, const char *batch, enum clip_state state)
{
    struct error err = {0};
    sqlite3_stmt *stmt =
        STORE_QUERY(facts->s, &err, clip_rows, store_text(batch), store_int(state));
    if (stmt == NULL || store_db_next(facts->s, stmt, &err) != 1) return; /* said by ask */
    const uint64_t rows = store_db_u64(stmt, 0);
    store_db_done(stmt);
    if (rows == facts->by_state[state]) return;
    findings_add(facts->f, FINDING_FAIL, "clips", batch, ROWS_FIX,
                 "%llu are %s, but %llu have a row", (unsigned long long)facts->by_state[state],
                 clip_state_name(state), (unsigned long long)rows);
}

static bool compare_counts(const struct facts *facts, const struct store_batch *b,
                           const struct batch_record *r)
{
    bool same = counted(r, b->spec.groups, -1) == facts->suspect;
    for (int state = 0; state < CLIP_STATE_COUNT; state++)
        same = same && counted(r, b->spec.groups, state) == facts->by_state[state];
    return same;
}

/* Pages that were never saved are all waiting. */
static void check_batch(void *context, const struct store_batch *b, const struct batch_record *r)
{
    struct facts *facts = context;
    struct error err = {0};
    *facts = (struct facts){.s = facts->s, .f = facts->f, .clips = b->spec.clips};
    if (!store_each_page(facts->s, b->spec.id, count_page, facts, &err)) {
        findings_add(facts->f, FINDING_FAIL, "clips", b->spec.id, ROWS_FIX, "%s", err.message);
        return;
    }
    if (facts->bad) {
        findings_add(facts->f, FINDING_FAIL, "clips", b->spec.id, ROWS_FIX,
                     "its pages hold states that do not exist");
        return;
    }
    facts->by_state[CLIP_WAITING] += b->spec.clips - facts->seen;
    if (r->state == BATCH_CANCELED) { /* what waits then stays as it is in its page */
        facts->by_state[CLIP_CANCELED] += facts->by_state[CLIP_WAITING];
        facts->by_state[CLIP_WAITING] = 0;
    }
    if (!compare_counts(facts, b, r))
        findings_add(facts->f, FINDING_FAIL, "clips", b->spec.id, ROWS_FIX,
                     "its counters do not say what its pages hold");
    compare_rows(facts, b->spec.id, CLIP_PUBLISHING);
    compare_rows(facts, b->spec.id, CLIP_PUBLISHED);
}

void store_check_rows(struct store *s, struct findings *f)
{
    struct error err = {0};
    struct facts facts = {.s = s, .f = f};
    const size_t before = f->counts[FINDING_FAIL];
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
        ask(s, i, f);
    if (!store_each_batch(s, check_batch, &facts, &err))
        findings_add(f, FINDING_FAIL, "batches", s->path, DAMAGED_FIX, "%s", err.message);
    if (f->counts[FINDING_FAIL] == before)
        findings_add(f, FINDING_OK, "rows", s->path, NULL, "states, counters and uses agree");
}

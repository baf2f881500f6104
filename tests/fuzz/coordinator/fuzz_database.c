/* Rows of a damaged database: a farm.db in which every table has rows, damaged as the input says
 * (bytes of the file, or single cells), and a coordinator that starts from it. It may refuse, in
 * good order; what it accepts it must be able to serve. The input is a list of edits of six bytes:
 * what, where (two numbers of 16 bits), and a value. */
#include <sqlite3.h>
#include <stdio.h>

#include "base/id.h"
#include "fuzz/coordinator_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EDITS_MAX 16
#define EDIT_BYTES 6
#define DATABASE_MAX ((size_t)1 << 22)
#define BATCH "0123456789"

/* ---- the sound one ---- */

static struct buf sound = BUF_INIT; /* the file's bytes */

static void add_batch(struct store *s, struct shape *shape)
{
    static const struct clip_run run = {0, 0};
    struct clip_counts counts = {.by_state = {[CLIP_WAITING] = 5, [CLIP_LEASED] = 1}};
    struct store_batch b = {.folder = BATCH "-x", .key = "k", .options = "{}"};
    counts.by_state[CLIP_PUBLISHED] = 1;
    counts.by_state[CLIP_FAILED] = 1;
    memcpy(b.spec.id, BATCH, sizeof(BATCH));
    b.spec.name = "x";
    b.spec.owner = "anna";
    b.spec.sequence = 1;
    b.spec.created_ms = 1;
    b.spec.prompts = b.spec.clips = 8;
    b.spec.shapes = shape;
    b.spec.groups = 1;
    b.spec.runs = &run;
    b.spec.run_count = 1;
    const struct batch_record r = {
        .state = BATCH_RUNNING, .started = true, .group_counts = &counts};
    store_batch_add(s, &b, &r);
    const uint8_t states[8] = {CLIP_PUBLISHED, CLIP_FAILED, CLIP_LEASED};
    store_page_save(s, BATCH, 0, states, sizeof(states));
}

static void add_work(struct store *s)
{
    struct task_record t = {.key = {.batch = BATCH, .clip = 2}, .state = TASK_LEASED};
    t.open = true;
    t.fence = t.attempts = 1;
    t.fingerprint = t.checkpoint_fingerprint = t.why = t.message = "";
    store_task_save(s, &t);
    struct attempt_record a = {.task = t.key, .fence = 1, .worker_fence = 1, .worker = "w1"};
    store_attempt_save(s, &a, 1);
    t.key.clip = 0;
    t.state = TASK_DONE;
    t.open = false;
    t.winner = "w1";
    t.fingerprint = "f";
    store_task_save(s, &t);
    const struct output_record o = {.task = {.batch = BATCH, .clip = 2},
                                    .index = CHECKPOINT_OUTPUT,
                                    .output = {.kind = "checkpoint", .size_bytes = 9, .frames = 1},
                                    .fingerprint = "f"};
    store_output_save(s, &o);
    struct clip_record c = {.batch = BATCH, .clip = 0, .state = CLIP_PUBLISHED, .file = "0.mp4"};
    c.worker = "w1";
    c.why = c.message = "";
    store_clip_save(s, &c);
    c.clip = 1;
    c.state = CLIP_FAILED;
    store_clip_save(s, &c);
}

static void add_others(struct store *s)
{
    const struct worker_record w = {.name = "w1",
                                    .machine_id = "m",
                                    .host = "h",
                                    .build = "b",
                                    .admitted = true,
                                    .state = WORKER_IDLE,
                                    .reason = "",
                                    .by = ""};
    const struct store_key key = {.key = {7}, .role = "worker", .name = "w1"};
    const struct event_record event = {
        .kind = "batch.accepted", .batch = BATCH, .worker = "", .message = "m"};
    const struct input_record input = {
        .sha256 = {{3}}, .size_bytes = 4, .frames = 1, .width = 8, .height = 8, .format = "PNG"};
    store_worker_save(s, &w);
    store_key_allow(s, &key);
    (void)store_event_add(s, &event);
    store_input_add(s, &input);
    store_batch_input_add(s, BATCH, &input.sha256);
    store_meta_set(s, "generation", "1");
}

static char *database_path(void)
{
    return xasprintf("%s/state/farm.db", fuzz_folder());
}

static void make_sound(void)
{
    struct error err = {0};
    char *state = path_join(fuzz_folder(), "state"), *path = database_path();
    struct shape shape = {.model_name = "pattern", .width = 16, .height = 16, .frames = 4};
    shape.steps = 2;
    shape.fps = 8;
    shape.plan = plan_whole(4, 2);
    ZOE_ASSERT(path_make_folders(state, 0700, &err));
    struct store *s = store_open(path, NULL, &err);
    ZOE_ASSERT(s != NULL);
    add_batch(s, &shape);
    add_work(s);
    add_others(s);
    ZOE_ASSERT(store_commit(s, &err));
    store_close(s);
    ZOE_ASSERT(path_read(path, DATABASE_MAX, &sound, &err));
    free(state);
    free(path);
}

/* ---- damage ---- */

struct edit {
    uint8_t what;
    uint16_t where, which;
    uint8_t value;
};

static void damage_bytes(struct buf *file, const struct edit *e)
{
    const size_t at = ((size_t)e->where << 4 | (e->which & 15U)) % file->size;
    file->data[at] = e->value;
}

/* The n-th column of all tables, or NULL. Caller frees. */
static char *name_cell(sqlite3 *db, unsigned n, const char *pattern, uint16_t which, uint8_t value)
{
    static const char sql[] =
        "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name)"
        " c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' ORDER BY 1, 2";
    sqlite3_stmt *stmt = NULL;
    char *out = NULL;
    unsigned count = 0;
    ZOE_ASSERT(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW)
        count++;
    (void)sqlite3_reset(stmt);
    for (unsigned i = 0; count > 0 && i <= n % count; i++)
        (void)sqlite3_step(stmt);
    if (count > 0)
        out = xasprintf("UPDATE OR IGNORE \"%s\" SET \"%s\" = %s%d + %u",
                        (const char *)sqlite3_column_text(stmt, 0),
                        (const char *)sqlite3_column_text(stmt, 1), pattern, (int)(int8_t)value,
                        (unsigned)which);
    sqlite3_finalize(stmt);
    return out;
}

static char *cell_sql(sqlite3 *db, const struct edit *e)
{
    static const char *const values[] = {"",
                                         "-9223372036854775807 + ",
                                         "9223372036854775000 + ",
                                         "4294967295 + ",
                                         "zeroblob(33) || ",
                                         "NULL + ",
                                         "char(255) || ",
                                         "randomblob(0) || "};
    char *sql = name_cell(db, e->where, values[e->what >> 1 & 7], e->which, e->value);
    return sql;
}

static void damage_cells(const char *path, const struct edit *edits, size_t count)
{
    sqlite3 *db = NULL;
    ZOE_ASSERT(sqlite3_open(path, &db) == SQLITE_OK);
    (void)sqlite3_exec(db, "PRAGMA ignore_check_constraints = 1; PRAGMA synchronous = OFF", NULL,
                       NULL, NULL);
    for (size_t i = 0; i < count; i++) {
        char *sql = (edits[i].what & 1U) == 0 ? cell_sql(db, &edits[i]) : NULL;
        if (sql != NULL) (void)sqlite3_exec(db, sql, NULL, NULL, NULL); /* STRICT may refuse it */
        free(sql);
    }
    (void)sqlite3_close(db);
}

static size_t read_edits(const uint8_t *data, size_t size, struct edit edits[EDITS_MAX])
{
    size_t count = 0;
    for (; size >= EDIT_BYTES && count < EDITS_MAX; size -= EDIT_BYTES, data += EDIT_BYTES) {
        edits[count++] = (struct edit){data[0], (uint16_t)(data[1] | data[2] << 8),
                                       (uint16_t)(data[3] | data[4] << 8), data[5]};
    }
    return count;
}

static void put_database(const struct edit *edits, size_t count)
{
    struct buf file = BUF_INIT;
    char *path = database_path();
    static const char *const beside[] = {"-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
        char *other = xasprintf("%s%s", path, beside[i]);
        (void)unlink(other);
        free(other);
    }
    fuzz_put("state/farm.db", sound.data, sound.size);
    damage_cells(path, edits, count);
    ZOE_ASSERT(path_read(path, DATABASE_MAX, &file, NULL));
    for (size_t i = 0; i < count && file.size > 0; i++) {
        if ((edits[i].what & 1U) != 0) damage_bytes(&file, &edits[i]);
    }
    fuzz_put("state/farm.db", file.data, file.size);
    buf_finish(&file);
    free(path);
}

/* ---- a start ---- */

static void serve(struct host *h)
{
    struct batch_info info;
    struct farm_totals totals;
    struct reason_info reasons[REASONS_MAX];
    for (int i = 0; i < 4 && !h->c->stopping; i++)
        host_turn(h);
    if (h->c->stopping) return;
    farm_totals(h->c->farm, &totals);
    for (uint64_t i = 0; farm_batch_at(h->c->farm, i, &info); i++)
        (void)farm_batch_reasons(h->c->farm, info.id, shell_now(h->c), reasons);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct edit edits[EDITS_MAX];
    struct host h = {0};
    struct error err = {0};
    if (sound.size == 0) {
        (void)freopen("/dev/null", "w", stdout); /* ready lines */
        log_set_level(LOG_ERROR);
        make_sound();
    }
    const size_t count = read_edits(data, size, edits);
    put_database(edits, count);
    if (host_open(&h, &err)) {
        serve(&h);
    } else {
        ZOE_ASSERT(err.code != ERROR_NONE && err.message[0] != '\0');
        ZOE_ASSERT(count > 0); /* the sound one starts */
    }
    host_close(&h);
    return 0;
}

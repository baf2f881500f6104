/* What can be had from a damaged database: rows on both sides of a damaged page, nothing of a
 * damaged header, and never a row that the new table would not take. */
#include "drawer.h"

#include "coordinator/store_check.h"
#include "coordinator/store_rebuild.h"

#define KEYS 500
#define EVENTS 5

static void allow(struct store *s, uint32_t i)
{
    char name[32];
    struct digest digest = digest_of(&i, sizeof i);
    (void)snprintf(name, sizeof name, "worker-%u", (unsigned)i);
    struct store_key key = {.role = i == 0 ? "admin" : "worker", .name = name, .allowed_ms = i};
    memcpy(key.key, digest.bytes, sizeof key.key);
    store_key_allow(s, &key);
}

static char *old_database(void **state)
{
    struct error err;
    char *path = ground_path(state, "old.db");
    struct store *s = store_open(path, NULL, &err);
    assert_non_null(s);
    for (uint32_t i = 0; i < KEYS; i++)
        allow(s, i);
    store_meta_set(s, "generation", "3");
    const struct worker_record worker = {.name = "worker-7",
                                         .host = "h",
                                         .machine_id = "m",
                                         .build = "b",
                                         .reason = "",
                                         .by = "",
                                         .finished = 11};
    const struct event_record event = {
        .kind = "farm.started", .batch = "", .worker = "", .message = "", .at_ms = 1000};
    store_worker_save(s, &worker);
    for (int i = 0; i < EVENTS; i++)
        store_event_add(s, &event);
    assert_ok(store_commit(s, &err), err);
    store_close(s);
    return path;
}

/* The number of the page that the middle of a table's rows stands on. */
static int page_of(const char *path, const char *table)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_schema WHERE name = ?1",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int page = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return page;
}

static void spoil(const char *path, size_t offset, size_t size)
{
    struct buf bytes = ground_read(path);
    assert_true(offset + size <= bytes.size);
    memset(bytes.data + offset, 0xa5, size);
    ground_write(path, bytes.data, bytes.size);
    buf_finish(&bytes);
}

static void count_key(void *context, const struct store_key *key)
{
    (void)key;
    ++*(int *)context;
}

static uint64_t rows_of(const struct store_salvaged *list, size_t count, const char *table,
                        bool *damaged)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].table, table) != 0) continue;
        *damaged = list[i].damaged;
        return list[i].rows;
    }
    fail_msg("no table %s", table);
    return 0;
}

/* Salvages from `old`; how many keys and whether their table was said to be damaged. */
static int salvage(void **state, const char *old, bool *damaged)
{
    struct error err;
    struct store_salvaged list[STORE_SALVAGE_MAX];
    int keys = 0;
    bool events_damaged = false;
    char *path = ground_path(state, "new.db");
    struct store *s = store_open(path, NULL, &err);
    assert_non_null(s);
    size_t count = store_salvage(s, old, NULL, list);
    if (count > 0) {
        uint64_t rows = rows_of(list, count, "key", damaged);
        assert_ok(store_each_key(s, count_key, &keys, &err), err);
        assert_int_equal(keys, rows);
        assert_int_equal(store_last_event(s), rows_of(list, count, "event", &events_damaged));
    }
    store_close(s);
    assert_ok(store_check_copy(path, &err), err);
    assert_int_equal(unlink(path), 0);
    free(path);
    return count > 0 ? keys : -1;
}

static void all_of_a_sound_file_is_had(void **state)
{
    bool damaged = true;
    char *old = old_database(state);
    assert_int_equal(salvage(state, old, &damaged), KEYS);
    assert_false(damaged);
    assert_int_equal(store_salvage_generation(old), 3);
    free(old);
}

static void another_table_s_damage_costs_no_key(void **state)
{
    bool damaged = true;
    char *old = old_database(state);
    spoil(old, (size_t)(page_of(old, "batch") - 1) * 4096, 4096);
    spoil(old, (size_t)(page_of(old, "task") - 1) * 4096, 4096);
    assert_int_equal(salvage(state, old, &damaged), KEYS);
    assert_false(damaged);
    free(old);
}

/* Some leaf in the middle: what stands before and behind it is had from both ends. */
static void rows_on_both_sides_are_had(void **state)
{
    bool damaged = false;
    char *old = old_database(state);
    struct buf bytes = ground_read(old);
    const uint8_t *root = bytes.data + (size_t)(page_of(old, "key") - 1) * 4096;
    const size_t cells = (size_t)root[3] << 8 | root[4];
    const size_t pointers = root[0] == 2 ? 12 : 8; /* an inner page of an index */
    assert_int_equal(root[0], 2);
    const size_t middle = pointers + 2 * (cells / 2);
    const size_t cell = (size_t)root[middle] << 8 | root[middle + 1];
    const uint8_t *child = root + cell;
    const size_t page =
        (size_t)child[0] << 24 | (size_t)child[1] << 16 | (size_t)child[2] << 8 | (size_t)child[3];
    buf_finish(&bytes);
    spoil(old, (page - 1) * 4096, 4096);
    const int keys = salvage(state, old, &damaged);
    assert_true(damaged);
    assert_in_range(keys, KEYS / 2, KEYS - 1);
    free(old);
}

struct keeps {
    int count;
    int64_t first_s, other_s;
};

static void note_keep(void *context, const char *batch, int64_t keep_s)
{
    struct keeps *keeps = context;
    keeps->count++;
    *(strcmp(batch, DRAWER_BATCH) == 0 ? &keeps->first_s : &keeps->other_s) = keep_s;
}

static char *keeping_database(void **state)
{
    struct error err;
    char *path = ground_path(state, "old.db");
    struct store *s = store_open(path, NULL, &err);
    assert_non_null(s);
    drawer_add_batch(s, DRAWER_BATCH, 7, "k", true, BATCH_DONE);
    drawer_add_batch(s, DRAWER_OTHER, 9, "l", true, BATCH_DONE);
    store_keep_save(s, DRAWER_BATCH, 0);
    store_keep_save(s, DRAWER_OTHER, 90);
    assert_ok(store_commit(s, &err), err);
    store_close(s);
    return path;
}

static void how_long_batches_stay_is_had(void **state)
{
    struct keeps keeps = {.first_s = -1};
    char *old = keeping_database(state);
    assert_true(store_salvage_keeps(old, note_keep, &keeps));
    assert_int_equal(keeps.count, 2);
    assert_int_equal(keeps.first_s, 0);
    assert_int_equal(keeps.other_s, 90);
    spoil(old, (size_t)(page_of(old, "retention") - 1) * 4096, 4096);
    assert_false(store_salvage_keeps(old, note_keep, &keeps));
    assert_int_equal(keeps.count, 2);
    free(old);
}

/* A build before there were such times: nothing is lost. */
static void no_table_of_times_is_no_damage(void **state)
{
    struct keeps keeps = {0};
    sqlite3 *db = NULL;
    char *old = keeping_database(state);
    assert_int_equal(sqlite3_open(old, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE retention", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_true(store_salvage_keeps(old, note_keep, &keeps));
    assert_int_equal(keeps.count, 0);
    free(old);
}

static void note_said(void *context, const char *batch, const struct store_said *said)
{
    assert_string_equal(batch, DRAWER_BATCH);
    *(struct store_said *)context = *said;
}

/* A round that cannot be would reach into the generation of its fences. */
static void what_is_said_of_a_batch_makes_sense(void **state)
{
    struct error err;
    struct store_said said = {.state = BATCH_QUEUED};
    struct batch_record record = {.state = BATCH_FAILED,
                                  .round = BATCH_ROUNDS_MAX,
                                  .finished_ms = 77,
                                  .group_counts = drawer_counts};
    char *old = keeping_database(state);
    struct store *s = store_open(old, NULL, &err);
    assert_non_null(s);
    store_batch_save(s, DRAWER_BATCH, &record, 2);
    record.round++;
    store_batch_save(s, DRAWER_OTHER, &record, 2);
    assert_ok(store_commit(s, &err), err);
    store_close(s);
    store_salvage_batches(old, note_said, &said);
    assert_int_equal(said.state, BATCH_FAILED);
    assert_int_equal(said.round, BATCH_ROUNDS_MAX);
    assert_int_equal(said.finished_ms, 77);
    free(old);
}

static void what_is_stored_of_a_clip_is_counted(void **state)
{
    struct error err;
    uint32_t open = 9;
    struct store *s = drawer_open(state);
    struct task_record task = {.key = drawer_task_key(3), .state = TASK_DONE, .open = true};
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_FAILED);
    for (task.key.task = 0; task.key.task < 3; task.key.task++) {
        task.open = task.key.task != 1;
        store_task_save(s, &task);
    }
    assert_ok(store_open_tasks(s, DRAWER_BATCH, 3, &open, &err), err);
    assert_int_equal(open, 2);
    assert_ok(store_open_tasks(s, DRAWER_BATCH, 4, &open, &err), err);
    assert_int_equal(open, 0);
    store_close(s);
}

static void a_damaged_header_yields_nothing(void **state)
{
    bool damaged = false;
    struct keeps keeps = {0};
    char *old = old_database(state);
    spoil(old, 0, 100);
    assert_true(salvage(state, old, &damaged) <= 0);
    assert_int_equal(store_salvage_generation(old), 0);
    assert_false(store_salvage_keeps(old, note_keep, &keeps));
    assert_int_equal(keeps.count, 0);
    free(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(all_of_a_sound_file_is_had),
        ground_test(another_table_s_damage_costs_no_key),
        ground_test(rows_on_both_sides_are_had),
        ground_test(how_long_batches_stay_is_had),
        ground_test(no_table_of_times_is_no_damage),
        ground_test(what_is_said_of_a_batch_makes_sense),
        ground_test(what_is_stored_of_a_clip_is_counted),
        ground_test(a_damaged_header_yields_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

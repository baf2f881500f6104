/* The check of rows against each other: a sound database has no findings, and each fault that is
 * put into one is found, and only there. */
#include "drawer.h"

#include "coordinator/store_check.h"

static void add_batch(struct store *s)
{
    static const struct clip_run runs[] = {{0, 0}};
    const struct shape shape = {.model = digest_of("m", 1),
                                .model_name = "pattern",
                                .width = 64,
                                .height = 64,
                                .frames = 4,
                                .steps = 2,
                                .fps = 8,
                                .plan = plan_whole(4, 2)};
    struct clip_counts counts = {
        .by_state = {[CLIP_WAITING] = 1, [CLIP_LEASED] = 1, [CLIP_PUBLISHED] = 1}};
    struct store_batch b = {.folder = "f", .key = "k", .options = "{}"};
    struct batch_record r = {.state = BATCH_RUNNING, .group_counts = &counts};
    memcpy(b.spec.id, DRAWER_BATCH, sizeof b.spec.id);
    b.spec.name = b.spec.owner = "ann";
    b.spec.sequence = 1;
    b.spec.prompts = b.spec.clips = 3;
    b.spec.shapes = &shape;
    b.spec.groups = 1;
    b.spec.runs = runs;
    b.spec.run_count = 1;
    store_batch_add(s, &b, &r);
}

static void add_work(struct store *s)
{
    uint8_t states[CLIPS_PER_PAGE] = {CLIP_PUBLISHED, CLIP_LEASED};
    const struct clip_record clip = {.batch = DRAWER_BATCH,
                                     .state = CLIP_PUBLISHED,
                                     .sha256 = digest_of("v", 1),
                                     .size_bytes = 5,
                                     .file = "0_a_s0.mp4",
                                     .worker = "w1"};
    const struct task_record task = {
        .key = drawer_task_key(1), .state = TASK_LEASED, .open = true, .fence = 7, .attempts = 1};
    const struct attempt_record attempt = {
        .task = drawer_task_key(1), .fence = 7, .worker_fence = 7, .worker = "w1"};
    const struct output_record output = {.task = drawer_task_key(1),
                                         .output = {.kind = "segment",
                                                    .sha256 = digest_of("s", 1),
                                                    .size_bytes = 9,
                                                    .frames_sha256 = digest_of("f", 1)},
                                         .fingerprint = "fp"};
    store_page_save(s, DRAWER_BATCH, 0, states, sizeof states);
    store_clip_save(s, &clip);
    store_task_save(s, &task);
    store_attempt_save(s, &attempt, 1);
    store_output_save(s, &output);
}

/* Of the clip that is published. */
static void add_attempts_of_every_end(struct store *s)
{
    for (int end = END_DONE; end < END_COUNT; end++) {
        const uint64_t fence = (uint64_t)end;
        const struct attempt_record attempt = {
            .task = drawer_task_key(0), .fence = fence, .worker_fence = fence, .worker = "w1"};
        const struct attempt_end_record over = {
            .task = drawer_task_key(0), .fence = fence, .end = (enum attempt_end)end};
        store_attempt_save(s, &attempt, 1);
        store_attempt_end(s, &over, 2);
    }
}

/* A sound database with `fault` run on it; its path. */
static char *with_fault(void **state, const char *fault)
{
    struct error err;
    char *path = ground_path(state, "farm.db");
    struct store *s = store_open(path, NULL, &err);
    assert_non_null(s);
    add_batch(s);
    add_work(s);
    add_attempts_of_every_end(s);
    assert_ok(store_commit(s, &err), err);
    store_close(s);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, fault, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return path;
}

static void check(const char *path, struct findings *f)
{
    struct error err = {0};
    assert_true(store_check_pages(path, false, f));
    struct store *s = store_open_reading(path, &err);
    assert_non_null(s);
    store_check_rows(s, f);
    store_close(s);
}

static void each_fault_is_found(void **state)
{
    static const struct {
        const char *fault, *words;
    } rows[] = {
        {"DELETE FROM spec", "what was fixed when it was accepted is missing"},
        {"UPDATE task SET state = 9", "a state that does not exist"},
        {"UPDATE batch SET state = 99", "a state that does not exist"},
        {"UPDATE attempt SET end = 99 WHERE end > 0", "a state that does not exist"},
        {"UPDATE clip SET state = 99", "a state that does not exist"},
        {"UPDATE attempt SET end = 1", "leased, but no attempt lives"},
        {"UPDATE task SET open = 0", "a live attempt of a task that is not open"},
        {"UPDATE task SET fence = 6", "its fence is below that of an attempt"},
        {"UPDATE artifact SET uses = 4", "its uses are counted wrong"},
        {"DELETE FROM artifact", "used, but not known as a stored file"},
        {"UPDATE clip SET file = NULL", "published without a file's name or digest"},
        {"UPDATE clip SET report = 7", "a part of its report is missing"},
        {"INSERT INTO task(batch, clip, task, state, open, fence, attempts) VALUES(8, 0, 0, 2, 0, "
         "1, 1)",
         "it belongs to no batch"},
        {"UPDATE output SET batch = 8", "it belongs to no batch"},
        {"DELETE FROM clip", "1 are published, but 0 have a row"},
        {"UPDATE batch SET counts = x'030000000000000000'",
         "its counters do not say what its pages hold"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct findings f = {0};
        bool found = false;
        char *path = with_fault(state, rows[i].fault);
        check(path, &f);
        for (size_t k = 0; k < f.count; k++)
            found = found || strcmp(f.items[k].words, rows[i].words) == 0;
        if (!found) fail_msg("%s was not found", rows[i].words);
        findings_finish(&f);
        assert_int_equal(unlink(path), 0);
        free(path);
    }
}

static void a_sound_database_has_no_findings(void **state)
{
    struct findings f = {0};
    char *path = with_fault(state, "SELECT 1");
    check(path, &f);
    if (f.counts[FINDING_FAIL] > 0) fail_msg("%s", f.items[f.count - 1].words);
    assert_int_equal(f.counts[FINDING_OK], 2);
    findings_finish(&f);
    free(path);
}

/* After a recover that did not know them: only one who has the files can help, and a batch that is
 * over needs none. */
static void a_batch_that_waits_for_its_inputs_is_told_what_to_do(void **state)
{
    static const char fault[] =
        "INSERT INTO batch_input SELECT sequence, zeroblob(32) FROM batch; UPDATE batch SET state ="
        " %d";
    static const struct {
        enum batch_state state;
        size_t warnings, failures;
    } rows[] = {{BATCH_RUNNING, 0, 1}, {BATCH_PAUSED, 1, 0}, {BATCH_DONE, 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct findings f = {0};
        char sql[sizeof fault + 8];
        (void)snprintf(sql, sizeof sql, fault, (int)rows[i].state);
        char *path = with_fault(state, sql);
        check(path, &f);
        assert_int_equal(f.counts[FINDING_WARN], rows[i].warnings);
        assert_int_equal(f.counts[FINDING_FAIL], rows[i].failures);
        for (size_t k = 0; k < f.count; k++)
            if (f.items[k].level != FINDING_OK) {
                assert_string_equal(f.items[k].where, DRAWER_BATCH);
                assert_non_null(strstr(f.items[k].fix, "submit the same files again"));
            }
        findings_finish(&f);
        assert_int_equal(unlink(path), 0);
        free(path);
    }
}

/* What is left of it goes with the next commits. */
static void a_removal_under_way_is_no_finding(void **state)
{
    struct findings f = {0};
    char *path = with_fault(state, "INSERT INTO removal(batch, id) SELECT sequence, id FROM batch;"
                                   " DELETE FROM page; DELETE FROM spec; DELETE FROM batch");
    check(path, &f);
    if (f.counts[FINDING_FAIL] > 0) fail_msg("%s", f.items[f.count - 1].words);
    findings_finish(&f);
    free(path);
}

static void a_damaged_page_is_found(void **state)
{
    struct error err = {0};
    struct findings f = {0};
    char *path = with_fault(state, "SELECT 1");
    struct buf bytes = ground_read(path);
    memset(bytes.data + 4096, 0xa5, bytes.size - 4096);
    ground_write(path, bytes.data, bytes.size);
    assert_false(store_check_pages(path, true, &f));
    assert_true(f.counts[FINDING_FAIL] > 0);
    assert_false(store_check_copy(path, &err));
    assert_int_equal(err.code, ERROR_CORRUPT);
    findings_finish(&f);
    buf_finish(&bytes);
    free(path);
}

/* Its log is there and cannot be opened. */
static void what_cannot_be_read_is_not_called_damaged(void **state)
{
    struct error err = {0};
    struct findings f = {0};
    char *path = with_fault(state, "SELECT 1"), *log = ground_path(state, "farm.db-wal");
    assert_ok(path_make_folders(log, 0700, &err), err);
    assert_false(store_check_copy(path, &err));
    assert_int_equal(err.code, ERROR_IO);
    assert_false(store_check_pages(path, false, &f));
    assert_int_equal(f.count, 1);
    assert_null(strstr(f.items[0].fix, "recover"));
    findings_finish(&f);
    free(path);
    free(log);
}

static void looking_changes_nothing(void **state)
{
    struct error err = {0};
    struct findings f = {0};
    char *path = with_fault(state, "SELECT 1");
    struct buf before = ground_read(path);
    check(path, &f);
    struct buf after = ground_read(path);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    assert_null(store_open_reading("/nowhere/farm.db", &err));
    findings_finish(&f);
    buf_finish(&before);
    buf_finish(&after);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(a_sound_database_has_no_findings),
        ground_test(each_fault_is_found),
        ground_test(a_batch_that_waits_for_its_inputs_is_told_what_to_do),
        ground_test(a_removal_under_way_is_no_finding),
        ground_test(a_damaged_page_is_found),
        ground_test(what_cannot_be_read_is_not_called_damaged),
        ground_test(looking_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

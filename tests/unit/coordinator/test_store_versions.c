/* Databases of every schema there was: each is opened, raised and read, and says what it said; the
 * copy made before lets an older build go on. */
#include "ground.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "coordinator/migrate.h"
#include "coordinator/store.h"
#include "coordinator/store_check.h"

#define BATCH "0123456789"

static int current(void)
{
    int count = 0;
    (void)migrate_steps(&count);
    return count;
}

static bool load(const char *path, int version)
{
    struct error err;
    struct buf sql = BUF_INIT;
    sqlite3 *db = NULL;
    char *name = xasprintf(TEST_DATA "/store/version_%d.sql", version);
    bool there = path_exists(name);
    if (there) {
        assert_ok(path_read(name, 1 << 20, &sql, &err), err);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (sqlite3_exec(db, buf_text(&sql), NULL, NULL, NULL) != SQLITE_OK)
            fail_msg("%s: %s", name, sqlite3_errmsg(db));
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
    }
    buf_finish(&sql);
    free(name);
    return there;
}

static int version_of(const char *path)
{
    struct error err;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    int version = migrate_version(db, &err);
    sqlite3_close(db);
    return version;
}

/* ---- what they all hold, as text ---- */

static void add(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct buf *out, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buf_append_text(out, text);
}

static void tell_batch(void *context, const struct store_batch *b, const struct batch_record *r)
{
    const struct shape *s = b->spec.shapes;
    add(context,
        "batch %s %s %s %s %s %d #%d %s %dx%d %u/%u %s state %d steps %d/%d published %d\n",
        b->spec.id, b->spec.name, b->spec.owner, b->folder, b->key, b->default_key,
        (int)b->spec.sequence, b->options, (int)s->width, (int)s->height, s->frames, s->steps,
        s->model_name, (int)r->state, (int)r->steps_wasted, (int)r->steps_computed,
        (int)r->group_counts[0].by_state[CLIP_PUBLISHED]);
}

static void tell_page(void *context, uint32_t index, const uint8_t *states, size_t size)
{
    add(context, "page %u: %zu clips %d %d\n", index, size, states[0], states[1]);
}

static void tell_task(void *context, const struct task_record *t)
{
    add(context, "task %u.%u state %d fence %d attempts %u counted %u blamed %s winner %s\n",
        t->key.clip, t->key.task, (int)t->state, (int)t->fence, t->attempts, t->counted,
        t->blamed[0], t->winner);
}

static void tell_attempt(void *context, const struct store_attempt *a)
{
    add(context, "attempt %d by %s end %s steps %u/%u '%s' %lld..%lld\n", (int)a->fence, a->worker,
        attempt_end_name(a->end), a->steps_wasted, a->steps_computed, a->message,
        (long long)a->begun_ms, (long long)a->ended_ms);
}

static void tell_output(void *context, const struct output_record *o)
{
    add(context, "output %u.%u %s %d bytes %u frames by %s\n", o->task.clip, o->index,
        o->output.kind, (int)o->output.size_bytes, o->output.frames, o->fingerprint);
}

static void tell_artifact(void *context, const struct digest *digest, uint64_t size, uint64_t uses)
{
    add(context, "artifact %02x %d bytes %d uses\n", digest->bytes[0], (int)size, (int)uses);
}

static bool tell_clip(void *context, const struct clip_record *c)
{
    add(context, "clip %u state %d %02x %d+%d %s by %s\n", c->clip, (int)c->state,
        c->sha256.bytes[0], (int)c->size_bytes, (int)c->sidecar_bytes, c->file, c->worker);
    return true;
}

static void tell_worker(void *context, const struct worker_record *w)
{
    add(context, "worker %s at %s finished %d failed %d\n", w->name, w->host, (int)w->finished,
        (int)w->failed);
}

static const char told[] =
    "batch 0123456789 two clips ann 0123456789-two-clips auto-1 1 #1 {\"steps\":4} 64x48 16/4 "
    "shapes"
    " state 1 steps 1/8 published 1\n"
    "page 0: 2 clips 5 3\n"
    "task 1.0 state 2 fence 2 attempts 2 counted 1 blamed w2 winner w1\n"
    "attempt 1 by w1 end done steps 0/4 '' 1700000001000..1700000001500\n"
    "attempt 1 by w1 end failed steps 1/2 'out of memory' 1700000001000..1700000001500\n"
    "attempt 2 by w1 end done steps 0/4 '' 1700000002000..1700000002500\n"
    "output 1.0 segment 678 bytes 16 frames by ref 1\n"
    "artifact 03 678 bytes 1 uses\n"
    "clip 0 state 5 06 1234+567 0_a_s0.mp4 by w1\n"
    "worker w1 at host finished 2 failed 1\n";

static void tell_all(struct store *s, struct buf *out)
{
    struct error err;
    assert_ok(store_each_batch(s, tell_batch, out, &err), err);
    assert_ok(store_each_page(s, BATCH, tell_page, out, &err), err);
    assert_ok(store_each_open_task(s, tell_task, out, &err), err);
    assert_ok(store_each_clip_attempt(s, BATCH, 0, tell_attempt, out, &err), err);
    assert_ok(store_each_clip_attempt(s, BATCH, 1, tell_attempt, out, &err), err);
    assert_ok(store_each_clip_output(s, BATCH, 1, tell_output, out, &err), err);
    assert_ok(store_each_artifact(s, tell_artifact, out, &err), err);
    assert_ok(store_each_clip(s, BATCH, 0, false, tell_clip, out, &err), err);
    assert_ok(store_each_worker(s, tell_worker, out, &err), err);
}

/* An input came with schema 2: its artifact is the one line more. */
static char *expected(int version)
{
    static const char before[] = "clip 0 state";
    const char *at = strstr(told, before);
    return version < 2
               ? xstrdup(told)
               : xasprintf("%.*sartifact 05 99 bytes 1 uses\n%s", (int)(at - told), told, at);
}

static void each_goes_on(void **state)
{
    char *path = ground_path(state, "farm.db");
    for (int version = 1; version <= current(); version++) {
        struct error err;
        struct buf text = BUF_INIT;
        bool there = load(path, version);
        if (!there && version == current()) continue; /* its own build is this one */
        if (!there) fail_msg("no tests/data/store/version_%d.sql: make_version.py", version);
        struct store *s = store_open(path, NULL, &err);
        if (s == NULL) fail_msg("schema %d: %s", version, err.message);
        tell_all(s, &text);
        char *wanted = expected(version);
        assert_string_equal(buf_text(&text), wanted);
        store_batch_remove(s, BATCH);
        assert_ok(store_commit(s, &err), err);
        store_close(s);
        assert_int_equal(version_of(path), current());
        assert_int_equal(unlink(path), 0);
        free(wanted);
        buf_finish(&text);
    }
    free(path);
}

static void the_copy_is_what_it_was(void **state)
{
    for (int version = 1; version < current(); version++) {
        struct error err;
        struct buf text = BUF_INIT;
        char *path = ground_path(state, "farm.db");
        char *copy = xasprintf("%s.v%d", path, version);
        assert_true(load(path, version));
        struct store *s = store_open(path, NULL, &err);
        assert_non_null(s);
        store_meta_set(s, "written", "later");
        assert_ok(store_commit(s, &err), err);
        store_close(s);
        assert_int_equal(version_of(copy), version);
        assert_ok(store_check_copy(copy, &err), err);
        int count = 0;
        const struct migration *steps = migrate_steps(&count);
        sqlite3 *db = NULL; /* what the older build does with either */
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_false(migrate_run(db, steps, version, &err));
        assert_int_equal(err.code, ERROR_VERSION);
        assert_int_equal(error_exit_code(err.code), 8);
        assert_non_null(strstr(err.message, "zoe coordinator restore"));
        sqlite3_close(db);
        assert_int_equal(sqlite3_open(copy, &db), SQLITE_OK);
        assert_ok(migrate_run(db, steps, version, &err), err);
        sqlite3_close(db);
        s = store_open(copy, NULL, &err); /* and it can be raised once more */
        assert_non_null(s);
        tell_all(s, &text);
        char *wanted = expected(version);
        assert_string_equal(buf_text(&text), wanted);
        store_close(s);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(unlink(copy), 0);
        free(wanted);
        free(copy);
        free(path);
        buf_finish(&text);
    }
}

/* Reports were one row each before schema 7. */
static void reports_are_cut_into_pieces(void **state)
{
    static const char sql[] =
        "INSERT INTO clip SELECT 1, 10 + value, 5, zeroblob(32), value * value, NULL, NULL, NULL, "
        "1,"
        " 1, NULL, NULL FROM generate;"
        "INSERT INTO report SELECT 1, 10 + value, CAST(substr(hex(zeroblob(2048)), 1,"
        " value * value - 1) || char(64 + value) AS BLOB) FROM generate;";
    struct error err;
    sqlite3 *db = NULL;
    struct buf report = BUF_INIT;
    char *path = ground_path(state, "farm.db");
    assert_true(load(path, 6));
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "CREATE TEMP TABLE generate AS WITH RECURSIVE n(value) AS"
                                  " (VALUES(1) UNION ALL SELECT value + 1 FROM n WHERE value < 62)"
                                  " SELECT value FROM n WHERE value NOT IN (2, 5)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(db));
    sqlite3_close(db);
    struct store *s = store_open(path, NULL, &err);
    if (s == NULL) fail_msg("%s", err.message);
    for (uint32_t n = 1; n <= 62; n++) {
        if (n == 2 || n == 5) continue;
        assert_ok(store_report(s, BATCH, 10 + n, &report, &err), err);
        assert_int_equal(report.size, n * n);
        assert_int_equal(report.data[n * n - 1], 64 + n);
        assert_true(n == 1 || report.data[0] == '0');
    }
    assert_false(store_report(s, BATCH, 1, &report, &err)); /* of a clip that is not published */
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    store_close(s);
    buf_finish(&report);
    free(path);
}

static void copies_stay_for_a_week(void **state)
{
    struct error err;
    char *path = ground_path(state, "farm.db");
    char *copy = xasprintf("%s.v2", path);
    assert_true(load(path, 2));
    store_close(store_open(path, NULL, &err));
    assert_true(path_exists(copy));
    store_close(store_open(path, NULL, &err));
    assert_true(path_exists(copy));
    const struct timespec old[2] = {{1700000000, 0}, {1700000000, 0}};
    assert_int_equal(utimensat(AT_FDCWD, copy, old, 0), 0);
    store_close(store_open(path, NULL, &err));
    assert_false(path_exists(copy));
    free(copy);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(each_goes_on),
        ground_test(the_copy_is_what_it_was),
        ground_test(copies_stay_for_a_week),
        ground_test(reports_are_cut_into_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

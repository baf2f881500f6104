/* drawer: what the tests of the store stand on: a store on a real file, a batch in it with every
 * field set, and clips that are finished, as rows. */
#ifndef ZOE_TESTS_UNIT_COORDINATOR_DRAWER_H
#define ZOE_TESTS_UNIT_COORDINATOR_DRAWER_H

#include "ground.h"

#include <sqlite3.h>

#include "coordinator/store.h"

#define DRAWER_BATCH "0123456789"
#define DRAWER_OTHER "abcdefghjk"
#define DRAWER_MANY 5000 /* tasks, when a few show nothing */

static inline struct store *drawer_open(void **state)
{
    struct error err;
    char *path = ground_path(state, "farm.db");
    struct store *s = store_open(path, NULL, &err);
    if (s == NULL) fail_msg("%s", err.message);
    free(path);
    return s;
}

static inline void drawer_commit(struct store *s)
{
    struct error err;
    assert_ok(store_commit(s, &err), err);
}

static inline struct digest drawer_digest(uint64_t n)
{
    return digest_of(&n, sizeof n);
}

/* Of the batch that was added last. */
static struct shape drawer_shapes[2];
static const struct clip_run drawer_runs[] = {{0, 0}, {10, 1}, {300, 0}, {70000, 1}};
static struct clip_counts drawer_counts[2];

static inline void drawer_add_batch(struct store *s, const char *id, uint64_t sequence,
                                    const char *key, bool default_key, enum batch_state batch_state)
{
    memset(drawer_shapes, 0, sizeof drawer_shapes);
    for (uint32_t i = 0; i < 2; i++) {
        drawer_shapes[i].model = drawer_digest(i);
        snprintf(drawer_shapes[i].model_name, sizeof drawer_shapes[i].model_name,
                 "model \xc3\xbc %u", i);
        drawer_shapes[i].width = 64 + i;
        drawer_shapes[i].height = 32;
        drawer_shapes[i].frames = 16;
        drawer_shapes[i].steps = 25;
        drawer_shapes[i].fps = 8;
        drawer_shapes[i].output = i == 1 ? OUTPUT_IMAGE : OUTPUT_VIDEO;
        drawer_shapes[i].plan = plan_whole(16, 25);
    }
    memset(drawer_counts, 0, sizeof drawer_counts);
    drawer_counts[0].by_state[CLIP_WAITING] = 99999990;
    drawer_counts[1].by_state[CLIP_PUBLISHED] = 7;
    drawer_counts[1].suspect = 3;
    struct store_batch b = {.folder = "0123456789-name",
                            .key = key,
                            .default_key = default_key,
                            .content = drawer_digest(sequence + 100),
                            .options = "{\"steps\":4}"};
    memcpy(b.spec.id, id, sizeof b.spec.id);
    b.spec.name = "N\xc3\xa4me";
    b.spec.owner = "ann";
    b.spec.priority = -5;
    b.spec.sequence = sequence;
    b.spec.created_ms = 1234567890123;
    b.spec.prompts = 50000;
    b.spec.clips = 100000;
    b.spec.shapes = drawer_shapes;
    b.spec.groups = 2;
    b.spec.runs = drawer_runs;
    b.spec.run_count = 4;
    struct batch_record r = {.state = batch_state, .group_counts = drawer_counts};
    store_batch_add(s, &b, &r);
}

static inline struct task_key drawer_task_key(uint32_t clip)
{
    struct task_key key = {.batch = DRAWER_BATCH, .clip = clip, .task = 0};
    return key;
}

static inline struct clip_record drawer_clip(uint32_t clip, enum clip_state clip_state)
{
    struct clip_record c = {.batch = DRAWER_BATCH,
                            .clip = clip,
                            .state = clip_state,
                            .sha256 = drawer_digest(clip),
                            .size_bytes = 5000 + clip,
                            .sidecar_bytes = 700,
                            .file = "00007_red-fox_s1.mp4",
                            .suspect = SUSPECT_BLACK,
                            .worker = "w1",
                            .attempts = 2,
                            .why = "stitch",
                            .message = "died twice"};
    return c;
}

/* What a query on the file counts. */
static inline int64_t drawer_count_rows(void **state, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    char *path = ground_path(state, "farm.db");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t rows = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    free(path);
    return rows;
}

/* ---- what is finished ---- */

static inline void drawer_finish_attempt(struct store *s, uint32_t clip)
{
    struct attempt_record a = {
        .task = drawer_task_key(clip), .fence = 1, .worker_fence = 1, .worker = "w1"};
    struct attempt_end_record end = {.task = drawer_task_key(clip),
                                     .fence = 1,
                                     .end = END_DONE,
                                     .steps_computed = 25,
                                     .render_ms = 61234};
    struct task_record t = {.key = drawer_task_key(clip),
                            .state = TASK_LEASED,
                            .open = true,
                            .fence = 1,
                            .attempts = 1,
                            .output_bytes = 345678};
    store_task_save(s, &t);
    store_attempt_save(s, &a, 1700000000000);
    store_attempt_end(s, &end, 1700000061234);
    t.state = TASK_DONE;
    t.open = false;
    t.winner = "w1";
    t.winner_fence = 1;
    store_task_save(s, &t);
}

static inline void drawer_finish_task(struct store *s, uint32_t clip)
{
    struct clip_record c = drawer_clip(clip, CLIP_PUBLISHED);
    c.why = c.message = "";
    c.suspect = SUSPECT_NONE;
    drawer_finish_attempt(s, clip);
    store_clip_save(s, &c);
}

static inline void drawer_fill_report(uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(i * 7 + size);
}

static inline void drawer_report_task(struct store *s, uint32_t clip, size_t size)
{
    uint8_t data[LIMIT_INLINE_BYTES];
    const struct task_key key = drawer_task_key(clip);
    struct clip_record c = drawer_clip(clip, CLIP_PUBLISHED);
    c.file = c.why = c.message = "";
    c.suspect = SUSPECT_NONE;
    c.sidecar_bytes = 0;
    c.attempts = 1;
    c.size_bytes = size;
    drawer_fill_report(data, size);
    store_report_save(s, &key, data, size);
    store_clip_save(s, &c);
}

#endif

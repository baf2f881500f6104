/* The store on real files: every row comes back as it went in, counts follow their rows, nothing
 * that was not committed is there after a reopening, and a finished task stays small. */
#include "ground.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "base/id.h"
#include "coordinator/store.h"
#include "coordinator/store_check.h"

#define BATCH "0123456789"
#define OTHER "abcdefghjk"

static struct store *open_store(void **state)
{
    struct error err;
    char *path = ground_path(state, "farm.db");
    struct store *s = store_open(path, NULL, &err);
    if (s == NULL) fail_msg("%s", err.message);
    free(path);
    return s;
}

static void commit(struct store *s)
{
    struct error err;
    assert_ok(store_commit(s, &err), err);
}

static struct digest digest_from(uint64_t n)
{
    return digest_of(&n, sizeof n);
}

static struct shape shapes[2];
static const struct clip_run runs[] = {{0, 0}, {10, 1}, {300, 0}, {70000, 1}};
static struct clip_counts counts[2];

static void add_batch(struct store *s, const char *id, uint64_t sequence, const char *key,
                      bool default_key, enum batch_state batch_state)
{
    memset(shapes, 0, sizeof shapes);
    for (uint32_t i = 0; i < 2; i++) {
        shapes[i].model = digest_from(i);
        snprintf(shapes[i].model_name, sizeof shapes[i].model_name, "model \xc3\xbc %u", i);
        shapes[i].width = 64 + i;
        shapes[i].height = 32;
        shapes[i].frames = 16;
        shapes[i].steps = 25;
        shapes[i].fps = 8;
        shapes[i].output = i == 1 ? OUTPUT_IMAGE : OUTPUT_VIDEO;
        shapes[i].plan = plan_whole(16, 25);
    }
    memset(counts, 0, sizeof counts);
    counts[0].by_state[CLIP_WAITING] = 99999990;
    counts[1].by_state[CLIP_PUBLISHED] = 7;
    counts[1].suspect = 3;
    struct store_batch b = {.folder = "0123456789-name",
                            .key = key,
                            .default_key = default_key,
                            .content = digest_from(sequence + 100),
                            .options = "{\"steps\":4}"};
    memcpy(b.spec.id, id, sizeof b.spec.id);
    b.spec.name = "N\xc3\xa4me";
    b.spec.owner = "ann";
    b.spec.priority = -5;
    b.spec.sequence = sequence;
    b.spec.created_ms = 1234567890123;
    b.spec.prompts = 50000;
    b.spec.clips = 100000;
    b.spec.shapes = shapes;
    b.spec.groups = 2;
    b.spec.runs = runs;
    b.spec.run_count = 4;
    struct batch_record r = {.state = batch_state, .group_counts = counts};
    store_batch_add(s, &b, &r);
}

/* ---- batches ---- */

static void check_batch(void *context, const struct store_batch *b, const struct batch_record *r)
{
    int *seen = context;
    struct digest content = digest_from(101);
    if ((*seen)++ > 0) return;
    assert_string_equal(b->spec.id, BATCH);
    assert_string_equal(b->spec.name, "N\xc3\xa4me");
    assert_string_equal(b->spec.owner, "ann");
    assert_int_equal(b->spec.priority, -5);
    assert_int_equal(b->spec.sequence, 1);
    assert_int_equal(b->spec.created_ms, 1234567890123);
    assert_int_equal(b->spec.prompts, 50000);
    assert_int_equal(b->spec.clips, 100000);
    assert_int_equal(b->spec.groups, 2);
    assert_memory_equal(b->spec.shapes, shapes, sizeof shapes);
    assert_int_equal(b->spec.run_count, 4);
    assert_memory_equal(b->spec.runs, runs, sizeof runs);
    assert_string_equal(b->folder, "0123456789-name");
    assert_string_equal(b->key, "k1");
    assert_false(b->default_key);
    assert_true(digest_equal(&b->content, &content));
    assert_string_equal(b->options, "{\"steps\":4}");
    assert_int_equal(r->state, BATCH_PAUSED);
    assert_int_equal(r->round, 3);
    assert_true(r->started);
    assert_int_equal(r->finished_ms, 77);
    assert_int_equal(r->attempts, UINT64_C(1) << 40);
    assert_int_equal(r->steps_computed, 11);
    assert_int_equal(r->steps_wasted, 12);
    assert_memory_equal(r->group_counts, counts, sizeof counts);
}

static void batches_come_back(void **state)
{
    struct error err;
    struct store *s = open_store(state);
    int seen = 0;
    add_batch(s, BATCH, 1, "k1", false, BATCH_QUEUED);
    add_batch(s, OTHER, 2, "k2", true, BATCH_QUEUED);
    counts[0].by_state[CLIP_LEASED] = 1;
    struct batch_record r = {.state = BATCH_PAUSED,
                             .round = 3,
                             .started = true,
                             .finished_ms = 77,
                             .attempts = UINT64_C(1) << 40,
                             .steps_computed = 11,
                             .steps_wasted = 12,
                             .group_counts = counts};
    store_batch_save(s, BATCH, &r, 2);
    commit(s);
    store_close(s);
    s = open_store(state);
    assert_ok(store_each_batch(s, check_batch, &seen, &err), err);
    assert_int_equal(seen, 2);
    assert_int_equal(store_last_sequence(s), 2);
    store_close(s);
}

static void keys_find_their_newest_batch(void **state)
{
    struct error err;
    struct store *s = open_store(state);
    struct store_known known;
    add_batch(s, BATCH, 1, "k", true, BATCH_DONE);
    add_batch(s, OTHER, 2, "k", true, BATCH_FAILED);
    assert_ok(store_batch_by_key(s, "ann", "k", false, &known, &err), err);
    assert_string_equal(known.batch, OTHER);
    assert_ok(store_batch_by_key(s, "ann", "k", true, &known, &err), err);
    struct digest content = digest_from(101);
    assert_string_equal(known.batch, BATCH);
    assert_string_equal(known.folder, "0123456789-name");
    assert_true(digest_equal(&known.content, &content));
    assert_int_equal(known.prompts, 50000);
    assert_int_equal(known.clips, 100000);
    assert_false(store_batch_by_key(s, "bob", "k", false, &known, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_false(store_batch_by_key(s, "ann", "other", false, &known, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    store_close(s);
}

static uint8_t pages[3][CLIPS_PER_PAGE];

static void check_page(void *context, uint32_t index, const uint8_t *states, size_t size)
{
    int *seen = context;
    assert_int_equal(index, *seen * 2);
    assert_int_equal(size, *seen == 2 ? 5 : CLIPS_PER_PAGE);
    assert_memory_equal(states, pages[*seen], size);
    (*seen)++;
}

static void pages_come_back(void **state)
{
    struct error err;
    struct store *s = open_store(state);
    int seen = 0;
    add_batch(s, BATCH, 1, "k", true, BATCH_QUEUED);
    memset(pages[0], CLIP_PUBLISHED | CLIP_SUSPECT_BIT, CLIPS_PER_PAGE);
    for (size_t i = 0; i < CLIPS_PER_PAGE; i++)
        pages[1][i] = (uint8_t)(i * 7);
    memset(pages[2], CLIP_CANCELED, 5);
    store_page_save(s, BATCH, 4, pages[2], 5);
    store_page_save(s, BATCH, 0, pages[1], CLIPS_PER_PAGE);
    store_page_save(s, BATCH, 2, pages[1], CLIPS_PER_PAGE);
    store_page_save(s, BATCH, 0, pages[0], CLIPS_PER_PAGE);
    commit(s);
    assert_ok(store_each_page(s, BATCH, check_page, &seen, &err), err);
    assert_int_equal(seen, 3);
    seen = 0;
    assert_ok(store_each_page(s, OTHER, check_page, &seen, &err), err);
    assert_int_equal(seen, 0);
    store_close(s);
}

/* ---- tasks and attempts ---- */

static struct task_key key_of(uint32_t clip)
{
    struct task_key key = {.batch = BATCH, .clip = clip, .task = 0};
    return key;
}

static struct task_record task_of(uint32_t clip, bool is_open)
{
    struct task_record t = {.key = key_of(clip),
                            .state = is_open ? TASK_WAITING : TASK_FAILED,
                            .open = is_open,
                            .fence = (UINT64_C(5) << 32) + clip,
                            .attempts = 4,
                            .counted = 2,
                            .losses = 1,
                            .blamed_count = 2,
                            .blamed = {"w1", "w two"},
                            .winner = is_open ? NULL : "w3",
                            .winner_fence = is_open ? 0 : 9,
                            .output_bytes = 12345,
                            .suspect = SUSPECT_STILL,
                            .why = "failed",
                            .message = "out of \"words\""};
    return t;
}

static void same_key(const struct task_key *a, const struct task_key *b)
{
    assert_string_equal(a->batch, b->batch);
    assert_int_equal(a->clip, b->clip);
    assert_int_equal(a->task, b->task);
}

static void same_task(const struct task_record *a, const struct task_record *b)
{
    same_key(&a->key, &b->key);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->open, b->open);
    assert_int_equal(a->fence, b->fence);
    assert_int_equal(a->attempts, b->attempts);
    assert_int_equal(a->counted, b->counted);
    assert_int_equal(a->losses, b->losses);
    assert_int_equal(a->blamed_count, b->blamed_count);
    for (uint32_t i = 0; i < a->blamed_count; i++)
        assert_string_equal(a->blamed[i], b->blamed[i]);
    if (b->winner == NULL)
        assert_null(a->winner);
    else
        assert_string_equal(a->winner, b->winner);
    assert_int_equal(a->winner_fence, b->winner_fence);
    assert_int_equal(a->output_bytes, b->output_bytes);
    assert_int_equal(a->suspect, b->suspect);
    assert_string_equal(a->why, b->why);
    assert_string_equal(a->message, b->message);
}

static void check_task(void *context, const struct task_record *t)
{
    uint32_t *next = context;
    struct task_record wanted = task_of(*next, true);
    same_task(t, &wanted);
    *next += 2;
}

static void tasks_come_back(void **state)
{
    struct error err;
    struct store *s = open_store(state);
    struct task_record t;
    uint32_t next = 0;
    add_batch(s, BATCH, 1, "k", true, BATCH_QUEUED);
    for (uint32_t clip = 0; clip < 10; clip++) {
        struct task_record first = {.key = key_of(clip), .why = "", .message = ""};
        store_task_save(s, &first);
        t = task_of(clip, clip % 2 == 0);
        store_task_save(s, &t);
    }
    commit(s);
    assert_ok(store_each_open_task(s, check_task, &next, &err), err);
    assert_int_equal(next, 10);
    struct task_key key = key_of(3);
    struct task_record wanted = task_of(3, false);
    assert_ok(store_task(s, &key, &t, &err), err);
    same_task(&t, &wanted);
    struct task_record bare = {.key = key_of(20), .state = TASK_LEASED, .open = true};
    store_task_save(s, &bare);
    assert_ok(store_task(s, &bare.key, &t, &err), err);
    bare.why = bare.message = "";
    same_task(&t, &bare);
    key = key_of(11);
    assert_false(store_task(s, &key, &t, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    store_close(s);
}

static int64_t rows_of(void **state, const char *sql)
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

/* A task that is over needs no row: its attempts tell who made it, under which fence. */
static void a_task_that_is_over_is_told_by_its_attempts(void **state)
{
    struct error err;
    struct store *s = open_store(state);
    struct task_record t = task_of(3, true), back;
    const struct task_key key = key_of(3);
    add_batch(s, BATCH, 1, "k", true, BATCH_QUEUED);
    for (uint64_t fence = 1; fence <= 3; fence++) {
        const struct attempt_record a = {.task = key,
                                         .fence = fence,
                                         .worker_fence = fence == 2 ? 9 : fence,
                                         .worker = fence == 2 ? "winner" : "other"};
        const struct attempt_end_record end = {
            .task = key, .fence = fence, .end = fence == 2 ? END_DONE : END_LOST};
        store_attempt_save(s, &a, 1000);
        store_attempt_end(s, &end, 2000);
    }
    t.state = TASK_DONE;
    t.winner = "winner";
    store_task_save(s, &t);
    t.open = false;
    store_task_save(s, &t);
    commit(s);
    assert_int_equal(rows_of(state, "SELECT count(*) FROM task"), 0);
    assert_ok(store_task(s, &key, &back, &err), err);
    assert_int_equal(back.state, TASK_DONE);
    assert_false(back.open);
    assert_string_equal(back.winner, "winner");
    assert_true(back.winner_fence == 9);
    assert_true(back.fence == 3);
    assert_int_equal(back.attempts, 3);
    store_close(s);
}

struct seen_attempts {
    struct attempt_record live[4];
    struct store_attempt history[4];
    char texts[4][3][64];
    int count;
};

static void see_live(void *context, const struct attempt_record *a)
{
    struct seen_attempts *seen = context;
    snprintf(seen->texts[seen->count][0], 64, "%s", a->worker);
    seen->live[seen->count++] = *a;
}

static void see_history(void *context, const struct store_attempt *a)
{
    struct seen_attempts *seen = context;
    snprintf(seen->texts[seen->count][0], 64, "%s", a->worker);
    snprintf(seen->texts[seen->count][1], 64, "%s", a->message);
    snprintf(seen->texts[seen->count][2], 64, "%s", a->log_tail);
    seen->history[seen->count++] = *a;
}

static void attempts_live_and_end(void **state)
{
    struct error err;
    struct store *s = open_store(state);
    add_batch(s, BATCH, 1, "k", true, BATCH_QUEUED);
    struct attempt_record a = {.task = key_of(7), .fence = 1, .worker_fence = 1, .worker = "w1"};
    a.slot = 2;
    store_attempt_save(s, &a, 1000);
    a.fence = 2;
    a.worker_fence = 40;
    a.worker = "w2";
    a.slot = 0;
    store_attempt_save(s, &a, 2000);
    struct attempt_end_record end = {.task = key_of(7),
                                     .fence = 1,
                                     .end = END_FAILED,
                                     .message = "no memory",
                                     .log_tail = "last words",
                                     .steps_computed = 5,
                                     .steps_wasted = 4,
                                     .render_ms = 900};
    store_attempt_end(s, &end, 1500);
    commit(s);
    store_close(s);
    s = open_store(state);
    struct seen_attempts live = {.count = 0}, past = {.count = 0};
    assert_ok(store_each_live_attempt(s, see_live, &live, &err), err);
    assert_int_equal(live.count, 1);
    same_key(&live.live[0].task, &a.task);
    assert_int_equal(live.live[0].fence, 2);
    assert_int_equal(live.live[0].worker_fence, 40);
    assert_string_equal(live.texts[0][0], "w2");
    assert_int_equal(live.live[0].slot, 0);
    struct task_key key = key_of(7);
    assert_ok(store_each_attempt(s, &key, see_history, &past, &err), err);
    assert_int_equal(past.count, 2);
    assert_int_equal(past.history[0].end, END_FAILED);
    assert_string_equal(past.texts[0][0], "w1");
    assert_string_equal(past.texts[0][1], "no memory");
    assert_string_equal(past.texts[0][2], "last words");
    assert_int_equal(past.history[0].steps_computed, 5);
    assert_int_equal(past.history[0].steps_wasted, 4);
    assert_int_equal(past.history[0].render_ms, 900);
    assert_int_equal(past.history[0].begun_ms, 1000);
    assert_int_equal(past.history[0].ended_ms, 1500);
    assert_int_equal(past.history[1].end, END_LIVE);
    assert_int_equal(past.history[1].ended_ms, 0);
    store_close(s);
}

/* ---- outputs ---- */

static void save_output(struct store *s, uint32_t clip, uint32_t index, uint64_t n)
{
    struct output_record o = {.task = key_of(clip), .index = index, .fingerprint = "fp"};
    memcpy(o.output.kind, "segment", 8);
    o.output.sha256 = digest_from(n);
    o.output.size_bytes = 1000 + n;
    o.output.frames_sha256 = digest_from(n + 50);
    o.output.frames = 16;
    o.output.width = 64;
    o.output.height = 48;
    store_output_save(s, &o);
}

static uint64_t uses(struct store *s, uint64_t n)
{
    struct error err;
    uint64_t count;
    struct digest d = digest_from(n);
    assert_ok(store_artifact_uses(s, &d, &count, &err), err);
    return count;
}

static void count_unused(void *context, const struct digest *digest)
{
    (void)digest;
    (*(int *)context)++;
}

static int unused(struct store *s)
{
    struct error err;
    int count = 0;
    assert_ok(store_each_unused(s, count_unused, &count, &err), err);
    return count;
}

static void check_output(void *context, const struct output_record *o)
{
    struct digest sha = digest_from(3), frames = digest_from(53);
    assert_string_equal(o->output.kind, "segment");
    assert_true(digest_equal(&o->output.sha256, &sha));
    assert_true(digest_equal(&o->output.frames_sha256, &frames));
    assert_int_equal(o->output.size_bytes, 1003);
    assert_int_equal(o->output.frames, 16);
    assert_int_equal(o->output.width, 64);
    assert_int_equal(o->output.height, 48);
    assert_string_equal(o->fingerprint, "fp");
    (*(int *)context)++;
}

static void check_use(void *context, const struct output_record *o)
{
    assert_string_equal(o->task.batch, BATCH);
    *(uint32_t *)context += o->task.clip;
}

static void uses_follow_their_rows(void **state)
{
    struct error err;
    struct store *s = open_store(state);
    int seen = 0;
    uint32_t clips = 0;
    add_batch(s, BATCH, 1, "k", true, BATCH_QUEUED);
    save_output(s, 1, 0, 3);
    save_output(s, 2, 0, 3); /* another clip with the same bytes */
    save_output(s, 2, 1, 4);
    assert_int_equal(uses(s, 3), 2);
    save_output(s, 2, 0, 5); /* it replaces the first */
    assert_int_equal(uses(s, 3), 1);
    assert_int_equal(uses(s, 5), 1);
    save_output(s, 2, 0, 5); /* the same once more */
    assert_int_equal(uses(s, 5), 1);
    struct task_key key = key_of(1);
    assert_ok(store_each_output(s, &key, check_output, &seen, &err), err);
    assert_int_equal(seen, 1);
    struct digest d = digest_from(3);
    assert_ok(store_each_use(s, &d, check_use, &clips, &err), err);
    assert_int_equal(clips, 1);
    assert_int_equal(unused(s), 0);
    store_outputs_drop(s, &key);
    store_outputs_drop(s, &key);
    assert_int_equal(uses(s, 3), 0);
    assert_int_equal(unused(s), 1);
    store_artifact_forget(s, &d);
    d = digest_from(4);
    store_artifact_forget(s, &d); /* in use: stays */
    assert_int_equal(uses(s, 4), 1);
    assert_int_equal(unused(s), 0);
    store_batch_remove(s, BATCH);
    assert_int_equal(uses(s, 4), 0);
    assert_int_equal(uses(s, 5), 0);
    assert_int_equal(unused(s), 2);
    commit(s);
    assert_int_equal(uses(s, 77), 0);
    store_close(s);
}

/* ---- clips ---- */

static void save_input(struct store *s, uint64_t n, int64_t seen_ms)
{
    struct input_record r = {.sha256 = digest_from(n),
                             .size_bytes = 1000 + n,
                             .frames = 16,
                             .width = 64,
                             .height = 48,
                             .format = "MP4",
                             .seen_ms = seen_ms};
    store_input_add(s, &r);
}

static bool has_input(struct store *s, uint64_t n)
{
    struct error err;
    struct input_record r;
    struct digest d = digest_from(n);
    if (store_input(s, &d, &r, &err)) return r.size_bytes == 1000 + n && r.frames == 16;
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    return false;
}

static void name_input(struct store *s, const char *batch, uint64_t n)
{
    struct digest d = digest_from(n);
    store_batch_input_add(s, batch, &d);
}

static void inputs_go_with_their_last_batch(void **state)
{
    struct store *s = open_store(state);
    struct digest d = digest_from(1);
    add_batch(s, BATCH, 1, "k", true, BATCH_QUEUED);
    add_batch(s, OTHER, 2, "l", true, BATCH_QUEUED);
    save_input(s, 1, 100);
    save_input(s, 1, 50); /* again: one row, one use */
    save_input(s, 2, 100);
    save_input(s, 3, 100);
    save_output(s, 1, 0, 2); /* a result with the bytes of an input */
    name_input(s, BATCH, 1);
    name_input(s, BATCH, 1);
    name_input(s, OTHER, 1);
    name_input(s, BATCH, 2);
    commit(s);
    assert_int_equal(uses(s, 1), 1);
    assert_int_equal(uses(s, 2), 2);
    store_input_seen(s, &d, 10); /* never backwards */
    assert_false(store_inputs_prune(s, 100));
    assert_true(store_inputs_prune(s, 101)); /* 3, which nobody names */
    assert_false(has_input(s, 3));
    assert_int_equal(uses(s, 3), 0);
    store_batch_remove(s, BATCH);
    assert_true(has_input(s, 1));
    assert_false(has_input(s, 2));
    assert_int_equal(uses(s, 2), 0);
    store_batch_remove(s, OTHER);
    assert_false(has_input(s, 1));
    assert_int_equal(uses(s, 1), 0);
    assert_int_equal(unused(s), 3);
    commit(s);
    store_close(s);
}

static struct clip_record clip_of(uint32_t clip, enum clip_state clip_state)
{
    struct clip_record c = {.batch = BATCH,
                            .clip = clip,
                            .state = clip_state,
                            .sha256 = digest_from(clip),
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

struct seen_clips {
    uint32_t clips[16];
    int count, stop_at;
};

static bool see_clip(void *context, const struct clip_record *c)
{
    struct seen_clips *seen = context;
    seen->clips[seen->count++] = c->clip;
    assert_string_equal(c->file, "00007_red-fox_s1.mp4");
    return seen->count != seen->stop_at;
}

static void clips_come_back(void **state)
{
    struct error err;
    struct store *s = open_store(state);
    struct clip_record c;
    add_batch(s, BATCH, 1, "k", true, BATCH_QUEUED);
    for (uint32_t clip = 0; clip < 9; clip++) {
        c = clip_of(clip, CLIP_PUBLISHING);
        store_clip_save(s, &c);
        if (clip % 3 != 0) c = clip_of(clip, CLIP_PUBLISHED);
        store_clip_save(s, &c);
    }
    commit(s);
    assert_ok(store_clip(s, BATCH, 4, &c, &err), err);
    struct clip_record wanted = clip_of(4, CLIP_PUBLISHED);
    assert_string_equal(c.batch, BATCH);
    assert_int_equal(c.state, wanted.state);
    assert_true(digest_equal(&c.sha256, &wanted.sha256));
    assert_int_equal(c.size_bytes, wanted.size_bytes);
    assert_int_equal(c.sidecar_bytes, 700);
    assert_string_equal(c.file, wanted.file);
    assert_int_equal(c.suspect, SUSPECT_BLACK);
    assert_string_equal(c.worker, "w1");
    assert_int_equal(c.attempts, 2);
    assert_string_equal(c.why, "stitch");
    assert_string_equal(c.message, "died twice");
    assert_false(store_clip(s, BATCH, 99, &c, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    struct seen_clips seen = {.stop_at = 2};
    assert_ok(store_each_clip(s, BATCH, 5, false, see_clip, &seen, &err), err);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.clips[0], 5);
    struct seen_clips publishing = {.stop_at = -1};
    assert_ok(store_each_clip(s, BATCH, 0, true, see_clip, &publishing, &err), err);
    assert_int_equal(publishing.count, 3);
    assert_int_equal(publishing.clips[2], 6);
    struct clip_record failed = {.batch = BATCH, .clip = 50, .state = CLIP_FAILED};
    store_clip_save(s, &failed);
    assert_ok(store_clip(s, BATCH, 50, &c, &err), err);
    assert_true(digest_is_zero(&c.sha256));
    assert_string_equal(c.file, "");
    store_close(s);
}

/* ---- the rest ---- */

static void check_worker(void *context, const struct worker_record *w)
{
    (*(int *)context)++;
    assert_string_equal(w->name, "w1");
    assert_int_equal(w->boot_id[15], 0x77);
    assert_string_equal(w->machine_id, "m");
    assert_string_equal(w->host, "host");
    assert_string_equal(w->build, "b");
    assert_true(w->admitted);
    assert_int_equal(w->state, WORKER_DRAINING);
    assert_string_equal(w->reason, "asked");
    assert_string_equal(w->by, "ann");
    assert_int_equal(w->since_ms, 5);
    assert_int_equal(w->finished, 6);
    assert_int_equal(w->failed, 7);
    assert_int_equal(w->lost, 8);
}

static void workers_come_back(void **state)
{
    struct error err;
    struct store *s = open_store(state);
    int seen = 0;
    struct worker_record w = {.name = "w1",
                              .machine_id = "m",
                              .host = "other",
                              .build = "b",
                              .state = WORKER_CANARY,
                              .reason = "",
                              .by = ""};
    memset(w.boot_id, 0x77, sizeof w.boot_id);
    store_worker_save(s, &w);
    w.host = "host";
    w.admitted = true;
    w.state = WORKER_DRAINING;
    w.reason = "asked";
    w.by = "ann";
    w.since_ms = 5;
    w.finished = 6;
    w.failed = 7;
    w.lost = 8;
    store_worker_save(s, &w);
    commit(s);
    assert_ok(store_each_worker(s, check_worker, &seen, &err), err);
    assert_int_equal(seen, 1);
    store_close(s);
}

struct seen_events {
    uint64_t numbers[8];
    int count;
    bool has_clip;
    uint32_t clip;
};

static void see_event(void *context, uint64_t sequence, const struct event_record *e)
{
    struct seen_events *seen = context;
    seen->numbers[seen->count++] = sequence;
    seen->has_clip = e->has_clip;
    seen->clip = e->clip;
    assert_string_equal(e->kind, "clip.published");
    assert_string_equal(e->message, "m");
}

static void events_are_numbered_for_ever(void **state)
{
    struct error err;
    struct store *s = open_store(state);
    assert_int_equal(store_last_event(s), 0);
    for (uint32_t i = 0; i < 6; i++) {
        struct event_record e = {.kind = "clip.published",
                                 .batch = i % 2 ? BATCH : "",
                                 .has_clip = i % 2,
                                 .clip = i,
                                 .worker = i % 2 ? "w1" : "",
                                 .message = "m",
                                 .at_ms = 1000 + i};
        assert_int_equal(store_event_add(s, &e), i + 1);
    }
    commit(s);
    struct seen_events all = {.count = 0}, some = {.count = 0}, few = {.count = 0};
    assert_ok(store_each_event(s, 2, NULL, 100, see_event, &all, &err), err);
    assert_int_equal(all.count, 4);
    assert_int_equal(all.numbers[0], 3);
    assert_ok(store_each_event(s, 0, BATCH, 100, see_event, &some, &err), err);
    assert_int_equal(some.count, 3);
    assert_true(some.has_clip);
    assert_int_equal(some.clip, 5);
    assert_ok(store_each_event(s, 0, "", 2, see_event, &few, &err), err);
    assert_int_equal(few.count, 2);
    store_events_prune(s, 1004, 3); /* at most three of the four older ones */
    struct seen_events left = {.count = 0};
    assert_ok(store_each_event(s, 0, NULL, 100, see_event, &left, &err), err);
    assert_int_equal(left.count, 3);
    store_events_prune(s, 5000, 100);
    commit(s);
    store_close(s);
    s = open_store(state);
    struct event_record e = {.kind = "clip.published", .batch = "", .worker = "", .message = "m"};
    assert_int_equal(store_last_event(s), 6);
    assert_int_equal(store_event_add(s, &e), 7);
    store_close(s);
}

static void check_key(void *context, const struct store_key *key)
{
    int *seen = context;
    assert_int_equal(key->key[31], 9);
    assert_string_equal(key->role, "admin");
    assert_string_equal(key->name, "ann");
    assert_int_equal(key->allowed_ms, 4);
    (*seen)++;
}

static void keys_come_and_go(void **state)
{
    struct error err;
    struct store *s = open_store(state);
    int seen = 0;
    struct store_key key = {.role = "submit", .name = "bob", .allowed_ms = 3};
    memset(key.key, 9, sizeof key.key);
    store_key_allow(s, &key);
    key = (struct store_key){.role = "admin", .name = "ann", .allowed_ms = 4};
    memset(key.key, 9, sizeof key.key);
    store_key_allow(s, &key);
    commit(s);
    assert_ok(store_each_key(s, check_key, &seen, &err), err);
    assert_int_equal(seen, 1);
    store_key_revoke(s, key.key);
    assert_ok(store_each_key(s, check_key, &seen, &err), err);
    assert_int_equal(seen, 1);
    key.role = "king";
    store_key_allow(s, &key);
    assert_false(store_commit(s, &err));
    assert_int_equal(err.code, ERROR_INTERNAL);
    seen = 0;
    assert_ok(store_each_key(s, check_key, &seen, &err), err); /* the revocation is undone too */
    assert_int_equal(seen, 1);
    store_close(s);
}

static void settings_come_back(void **state)
{
    struct store *s = open_store(state);
    assert_null(store_meta(s, "x"));
    store_meta_set(s, "x", "1");
    store_meta_set(s, "x", "2");
    char *value = store_meta(s, "x");
    assert_string_equal(value, "2");
    free(value);
    store_rollback(s);
    assert_null(store_meta(s, "x"));
    store_close(s);
}

/* ---- the turn ---- */

static void only_what_is_committed_stays(void **state)
{
    struct error err;
    struct store *s = open_store(state);
    assert_false(store_is_dirty(s));
    assert_true(store_commit(s, &err));
    store_meta_set(s, "a", "1");
    assert_true(store_is_dirty(s));
    commit(s);
    assert_false(store_is_dirty(s));
    store_meta_set(s, "b", "1");
    store_close(s); /* rolls back */
    s = open_store(state);
    char *a = store_meta(s, "a");
    assert_string_equal(a, "1");
    free(a);
    assert_null(store_meta(s, "b"));
    assert_true(store_was_clean(s));
    assert_int_equal(store_health(s), STORE_OK);
    store_close(s);
    struct stat st;
    char *path = ground_path(state, "farm.db");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    free(path);
}

static void finish_attempt(struct store *s, uint32_t clip)
{
    struct attempt_record a = {.task = key_of(clip), .fence = 1, .worker_fence = 1, .worker = "w1"};
    struct attempt_end_record end = {.task = key_of(clip),
                                     .fence = 1,
                                     .end = END_DONE,
                                     .steps_computed = 25,
                                     .render_ms = 61234};
    struct task_record t = {.key = key_of(clip),
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

static void finish_task(struct store *s, uint32_t clip)
{
    struct clip_record c = clip_of(clip, CLIP_PUBLISHED);
    c.why = c.message = "";
    c.suspect = SUSPECT_NONE;
    finish_attempt(s, clip);
    store_clip_save(s, &c);
}

#define MANY 5000

static void fill_report(uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(i * 7 + size);
}

static void report_task(struct store *s, uint32_t clip, size_t size)
{
    uint8_t data[LIMIT_INLINE_BYTES];
    const struct task_key key = key_of(clip);
    struct clip_record c = clip_of(clip, CLIP_PUBLISHED);
    c.file = c.why = c.message = "";
    c.suspect = SUSPECT_NONE;
    c.sidecar_bytes = 0;
    c.attempts = 1;
    c.size_bytes = size;
    fill_report(data, size);
    store_report_save(s, &key, data, size);
    store_clip_save(s, &c);
}

static void assert_report(struct store *s, uint32_t clip, size_t size)
{
    struct error err;
    uint8_t wanted[LIMIT_INLINE_BYTES];
    struct buf found = BUF_INIT;
    fill_report(wanted, size);
    assert_ok(store_report(s, BATCH, clip, &found, &err), err);
    assert_int_equal(found.size, size);
    assert_memory_equal(found.data, wanted, size);
    buf_finish(&found);
}

static void reports_come_back(void **state)
{
    static const size_t sizes[] = {1, 255, 256, 257, 1024, LIMIT_INLINE_BYTES};
    const uint32_t count = sizeof sizes / sizeof sizes[0];
    struct error err;
    struct buf found = BUF_INIT;
    struct clip_record c;
    struct store *s = open_store(state);
    add_batch(s, BATCH, 1, "k", true, BATCH_DONE);
    for (uint32_t i = 0; i < count; i++)
        report_task(s, count - i, sizes[i]); /* any order */
    finish_task(s, 20);
    commit(s);
    for (uint32_t i = 0; i < count; i++)
        assert_report(s, count - i, sizes[i]);
    assert_false(store_report(s, BATCH, 20, &found, &err)); /* a video */
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_ok(store_clip(s, BATCH, 20, &c, &err), err);
    assert_int_equal(c.size_bytes, 5020);
    buf_finish(&found);
    store_close(s);
}

static void see_removal(void *context, const char *batch, const char *folder)
{
    assert_string_equal(batch, BATCH);
    assert_true(folder[0] != '\0');
    ++*(int *)context;
}

static void removing_takes_everything_in_pieces(void **state)
{
    struct error err;
    struct store *s = open_store(state);
    add_batch(s, BATCH, 1, "k", true, BATCH_DONE);
    for (uint32_t clip = 0; clip < MANY; clip++)
        if (clip % 3 == 0)
            report_task(s, clip, 1 + clip % LIMIT_INLINE_BYTES);
        else
            finish_task(s, clip);
    commit(s);
    store_batch_remove(s, BATCH);
    commit(s);
    struct store_known known;
    assert_false(store_batch_by_key(s, "ann", "k", false, &known, &err));
    assert_false(store_clean_some(s)); /* its files are still there */
    int folders = 0;
    assert_ok(store_each_removal(s, see_removal, &folders, &err), err);
    assert_int_equal(folders, 1);
    store_removal_done(s, BATCH);
    commit(s);
    assert_ok(store_each_removal(s, see_removal, &folders, &err), err);
    assert_int_equal(folders, 1);
    assert_true(rows_of(state, "SELECT count(*) FROM clip") > 0); /* not all at once */
    for (int i = 0; i < 5; i++) {
        store_meta_set(s, "turn", "x");
        commit(s);
    }
    store_close(s);
    s = open_store(state); /* goes on after a restart */
    while (store_clean_some(s))
        commit(s);
    store_close(s);
    assert_int_equal(
        rows_of(state,
                "SELECT (SELECT count(*) FROM clip) + (SELECT count(*) FROM"
                " task) + (SELECT count(*) FROM attempt) + (SELECT count(*)"
                " FROM piece) + (SELECT count(*) FROM removal) + (SELECT count(*) FROM spec)"),
        0);
    s = open_store(state);
    assert_int_equal(store_last_sequence(s), 1); /* never given again */
    store_close(s);
}

static void see_keep(void *context, const char *batch, int64_t keep_s)
{
    assert_string_equal(batch, BATCH);
    *(int64_t *)context = keep_s;
}

static void a_batch_s_own_time_goes_with_it(void **state)
{
    struct error err;
    int64_t keep_s = -1;
    struct store *s = open_store(state);
    add_batch(s, BATCH, 1, "k", true, BATCH_DONE);
    store_keep_save(s, BATCH, 90);
    store_keep_save(s, BATCH, 7);
    commit(s);
    assert_ok(store_each_keep(s, see_keep, &keep_s, &err), err);
    assert_int_equal(keep_s, 7);
    store_batch_remove(s, BATCH);
    commit(s);
    keep_s = -1;
    assert_ok(store_each_keep(s, see_keep, &keep_s, &err), err);
    assert_int_equal(keep_s, -1);
    store_close(s);
}

static void back_up(struct store *s, const char *path)
{
    struct error err;
    bool done = false;
    struct store_backup *b = store_backup_begin(s, path, &err);
    if (b == NULL) fail_msg("%s", err.message);
    while (!done)
        assert_ok(store_backup_step(b, 0, &done, &err), err);
    store_backup_end(b);
}

/* What is written between two steps is in the copy, and nothing of a copy broken off stays. */
static void a_copy_is_made_while_rows_are_written(void **state)
{
    struct error err;
    struct store *s = open_store(state);
    char *path = ground_path(state, "copy.db");
    bool done = false;
    add_batch(s, BATCH, 1, "k", true, BATCH_DONE);
    for (uint32_t clip = 0; clip < MANY; clip++)
        finish_task(s, clip);
    commit(s);
    struct store_backup *b = store_backup_begin(s, path, &err);
    assert_non_null(b);
    assert_ok(store_backup_step(b, 0, &done, &err), err);
    assert_false(done);
    store_meta_set(s, "written", "late");
    assert_false(store_backup_step(b, 0, &done, &err)); /* in the middle of a turn */
    assert_int_equal(err.code, ERROR_STATE);
    commit(s);
    while (!done) {
        finish_task(s, MANY);
        commit(s);
        assert_ok(store_backup_step(b, 0, &done, &err), err);
    }
    store_backup_end(b);
    assert_ok(store_check_copy(path, &err), err);
    struct store *copy = store_open(path, NULL, &err);
    assert_non_null(copy);
    char *value = store_meta(copy, "written");
    assert_string_equal(value, "late");
    free(value);
    store_close(copy);
    assert_int_equal(unlink(path), 0);
    b = store_backup_begin(s, path, &err);
    assert_non_null(b);
    store_backup_end(b);
    assert_false(path_exists(path));
    free(path);
    store_close(s);
}

/* Bytes in the file for each of MANY tasks. */
static int growth(void **state, void (*finish)(struct store *s, uint32_t clip))
{
    struct error err;
    struct store *s = open_store(state);
    add_batch(s, BATCH, 1, "k", true, BATCH_DONE);
    commit(s);
    char *before = ground_path(state, "before.db"), *after = ground_path(state, "after.db");
    back_up(s, before);
    for (uint32_t clip = 0; clip < MANY; clip++)
        finish(s, clip);
    commit(s);
    back_up(s, after);
    assert_null(store_backup_begin(s, after, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    struct stat a, b;
    assert_int_equal(stat(before, &a), 0);
    assert_int_equal(stat(after, &b), 0);
    free(before);
    free(after);
    store_close(s);
    return (int)((b.st_size - a.st_size) / MANY);
}

static void a_finished_task_is_small(void **state)
{
    const int each = growth(state, finish_task);
    print_message("a finished task takes %d bytes\n", each);
    assert_true(each <= 150);
}

static void report_whole_task(struct store *s, uint32_t clip)
{
    finish_attempt(s, clip);
    report_task(s, clip, 1024);
}

/* The goal is 150 bytes beside the report itself. */
static void a_report_is_hardly_more_than_its_bytes(void **state)
{
    const int each = growth(state, report_whole_task);
    print_message("a task with a report of 1024 bytes takes %d\n", each);
    assert_true(each <= 1024 + 150);
}

static void every_table_is_checked_in_turn(void **state)
{
    struct error err;
    struct store *s = open_store(state);
    bool done = false;
    int tables = 0;
    for (; !done && tables < 100; tables++)
        assert_ok(store_check_some(s, &done, &err), err);
    assert_true(tables > 10 && tables < 30);
    assert_ok(store_check_some(s, &done, &err), err); /* and from the start again */
    assert_false(done);
    store_close(s);
}

/* Damage that was seen once is looked for again at the next start, however it was stopped. */
static void a_damaged_file_is_never_marked_clean(void **state)
{
    struct error err;
    struct event_record event = {.kind = "a.kind", .batch = "", .worker = "", .at_ms = 1};
    char message[200];
    struct store *s = open_store(state);
    memset(message, 'x', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    event.message = message;
    for (int i = 0; i < 2000; i++)
        store_event_add(s, &event);
    commit(s);
    store_close(s);

    char *path = ground_path(state, "farm.db");
    struct buf file = ground_read(path);
    memset(file.data + file.size / 2 / 4096 * 4096, 0xff, 4096);
    ground_write(path, file.data, file.size);
    buf_finish(&file);

    bool done = false;
    s = open_store(state); /* the last stop was clean: nobody looks */
    while (store_check_some(s, &done, &err) && !done)
        continue;
    assert_false(done);
    assert_int_equal(err.code, ERROR_CORRUPT);
    assert_int_equal(store_health(s), STORE_CORRUPT);
    store_close(s);
    assert_null(store_open(path, NULL, &err));
    assert_int_equal(err.code, ERROR_CORRUPT);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(batches_come_back),
        ground_test(keys_find_their_newest_batch),
        ground_test(pages_come_back),
        ground_test(tasks_come_back),
        ground_test(attempts_live_and_end),
        ground_test(uses_follow_their_rows),
        ground_test(inputs_go_with_their_last_batch),
        ground_test(clips_come_back),
        ground_test(workers_come_back),
        ground_test(events_are_numbered_for_ever),
        ground_test(keys_come_and_go),
        ground_test(settings_come_back),
        ground_test(only_what_is_committed_stays),
        ground_test(removing_takes_everything_in_pieces),
        ground_test(a_batch_s_own_time_goes_with_it),
        ground_test(a_copy_is_made_while_rows_are_written),
        ground_test(a_finished_task_is_small),
        ground_test(a_report_is_hardly_more_than_its_bytes),
        ground_test(reports_come_back),
        ground_test(a_task_that_is_over_is_told_by_its_attempts),
        ground_test(every_table_is_checked_in_turn),
        ground_test(a_damaged_file_is_never_marked_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A stitch that is asked for once more while it is under way is of other segments: nothing of the
 * older one is told, whatever became of it. A script stands for zoe-media. */
#include "field.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "base/json.h"
#include "coordinator/publisher.h"
#include "coordinator/publisher_job.h"
#include "coordinator/shell.h"

#define BATCH "b000000001"
#define FOLDER "the-batch"
#define PATIENCE_NS (30 * NS_PER_S)

struct press { /* as much of a coordinator as publishing needs, and one clip that is stored */
    struct coordinator c;
    struct field *field;
    struct effect_job job;
    char *folder;
};

static char *file_of(const struct press *p, const char *name, int number)
{
    return xasprintf("%s/%s.%d", p->folder, name, number);
}

/* ---- the child ----
 * The n-th run makes a video that says so, waits for `go.N`, and answers with `answer.N`; it ends
 * with its folder. */

static void write_script(const struct press *p)
{
    char *path = path_join(p->folder, "zoe-media");
    char *text = xasprintf("#!/bin/sh\ncd '%s' || exit 1\n"
                           "while [ \"$1\" != --out ]; do shift; done\n"
                           "n=1; while [ -e began.$n ]; do n=$((n + 1)); done\n"
                           "printf 'video %%d' $n >\"$2\"\n: >began.$n\n"
                           "while [ ! -e go.$n ]; do [ -e began.$n ] || exit 1; sleep 0.01; done\n"
                           "cat answer.$n\n",
                           p->folder);
    ground_write_text(path, text);
    assert_int_equal(chmod(path, 0700), 0);
    free(text);
    free(path);
}

static void await_run(struct press *p, int number)
{
    char *path = file_of(p, "began", number);
    const int64_t until_ns = clock_now_ns() + PATIENCE_NS;
    while (!path_exists(path) && clock_now_ns() < until_ns) {
        (void)uv_run(&p->c.loop, UV_RUN_NOWAIT);
        (void)usleep(1000);
    }
    assert_true(path_exists(path));
    free(path);
}

static void answer(const struct press *p, int number, const char *text)
{
    char *said = file_of(p, "answer", number), *go = file_of(p, "go", number);
    ground_write_text(said, text);
    ground_write_text(go, "");
    free(said);
    free(go);
}

static void answer_well(const struct press *p, int number)
{
    char hex[DIGEST_TEXT_SIZE];
    const struct digest frames = digest_of(&number, sizeof(number));
    digest_text(&frames, hex);
    char *text = xasprintf("{\"ok\":true,\"frames_sha256\":\"%s\"}", hex);
    answer(p, number, text);
    free(text);
}

static struct publish_job *job_of(const struct press *p)
{
    return table_get_text(&p->c.publisher->jobs, BATCH "/0");
}

static void run_until_idle(struct press *p)
{
    while (p->c.publisher->jobs.count > 0)
        (void)uv_run(&p->c.loop, UV_RUN_ONCE);
}

/* ---- what is known of the clip ---- */

/* The segment that the n-th stitch is to be made of. */
static void store_segment(struct press *p, int number)
{
    char hex[DIGEST_TEXT_SIZE], fingerprint[16] = "";
    struct error err = {0};
    struct output_record row = {.task = p->job.task, .fingerprint = fingerprint};
    (void)snprintf(fingerprint, sizeof(fingerprint), "machine-%d", number);
    row.output = (struct output){.kind = "segment", .size_bytes = sizeof(fingerprint), .frames = 8};
    row.output.sha256 = digest_of(fingerprint, sizeof(fingerprint));
    row.output.frames_sha256 = digest_of(&number, sizeof(number));
    digest_text(&row.output.sha256, hex);
    char *path = xasprintf("%s/artifacts/%.2s/%s", p->folder, hex, hex);
    char *parent = path_dirname(path);
    assert_ok(path_make_folders(parent, 0700, &err), err);
    ground_write(path, fingerprint, sizeof(fingerprint));
    store_output_save(p->c.store, &row);
    assert_ok(store_commit(p->c.store, &err), err);
    free(parent);
    free(path);
}

static void store_batch(struct press *p, struct shape shape)
{
    static const struct clip_run run = {0};
    struct clip_counts counts = {{0}, 0};
    struct store_batch b = {.folder = FOLDER, .key = "k", .options = "{}"};
    (void)snprintf(b.spec.id, sizeof(b.spec.id), BATCH);
    b.spec.name = b.spec.owner = "ann";
    b.spec.sequence = b.spec.prompts = b.spec.clips = b.spec.groups = b.spec.run_count = 1;
    b.spec.shapes = &shape;
    b.spec.runs = &run;
    store_batch_add(p->c.store, &b, &(struct batch_record){.group_counts = &counts});
    catalog_set(&p->c.catalog, BATCH, FOLDER, "k");
}

static void write_prompts(const struct press *p)
{
    struct error err = {0};
    const struct prompts_line line = {.text = "a fox", .text_size = 5};
    json_t *groups = json_pack("[{ss sf}]", "model", "shapes", "fps", 8.0);
    char *path = prompts_path(p->c.prompts, BATCH);
    struct prompts_writer *w = prompts_writer_open(path, 7, 1, &err);
    if (w == NULL) fail_msg("%s", err.message);
    assert_ok(prompts_writer_add(w, &line, &err), err);
    assert_ok(prompts_writer_finish(w, groups, &err), err);
    json_decref(groups);
    free(path);
}

/* In the core: its only task is done, its stitch is asked for. */
static void play_until_stored(struct press *p, struct shape shape)
{
    p->field = field_new();
    const struct hand *w = field_worker(p->field, "w1", 1);
    field_batch_with(p->field, BATCH, 1, 0, shape);
    field_turn(p->field);
    const struct attempt_key key = field_assigned(p->field, w);
    field_store(p->field, w, &key);
    p->job = field_last(p->field, EFFECT_STITCH)->e.job;
    field_forget(p->field);
    p->c.farm = p->field->f;
    p->c.now_ns = p->field->now_ns;
}

static struct press *press_open(void **state)
{
    struct error err = {0};
    struct shape shape = field_shape(1);
    struct press *p = xcalloc(1, sizeof(*p));
    p->folder = *state;
    char *database = path_join(p->folder, "farm.db");
    char *artifacts = path_join(p->folder, "artifacts"), *media = path_join(p->folder, "zoe-media");
    shape.plan = plan_whole(shape.frames, shape.steps);
    write_script(p);
    assert_int_equal(uv_loop_init(&p->c.loop), 0);
    p->c.renders = p->folder;
    p->c.store = store_open(database, NULL, &err);
    if (p->c.store == NULL) fail_msg("%s", err.message);
    p->c.artifacts =
        artifacts_open(&artifact_backend_folder, artifacts, p->c.store, &p->c.loop, &err);
    if (p->c.artifacts == NULL) fail_msg("%s", err.message);
    p->c.prompts = prompts_create(p->folder, 1 << 20);
    p->c.media = media_children_create(&p->c.loop, media, 1, PATIENCE_NS / NS_PER_MS);
    p->c.publisher = publisher_create(&p->c);
    catalog_init(&p->c.catalog);
    play_until_stored(p, shape);
    store_batch(p, shape);
    write_prompts(p);
    free(database);
    free(artifacts);
    free(media);
    return p;
}

static void press_close(struct press *p)
{
    publisher_destroy(p->c.publisher);
    media_children_destroy(p->c.media);
    artifacts_close(p->c.artifacts);
    (void)uv_run(&p->c.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&p->c.loop), 0);
    prompts_destroy(p->c.prompts);
    store_close(p->c.store);
    catalog_finish(&p->c.catalog);
    field_end(p->field);
    free(p);
}

/* The first stitch is under way when its segment is another, and it is asked for again. */
static struct press *asked_twice(void **state)
{
    struct press *p = press_open(state);
    store_segment(p, 1);
    publisher_stitch(p->c.publisher, &p->job);
    await_run(p, 1);
    store_segment(p, 2);
    publisher_stitch(p->c.publisher, &p->job);
    return p;
}

/* ---- what is told ---- */

static void assert_nothing_told(struct press *p)
{
    field_run(p->field, 60 * NS_PER_S); /* nor will it be */
    assert_int_equal(farm_clip_state(p->c.farm, BATCH, 0), CLIP_STITCHING);
    assert_int_equal(field_count(p->field, EFFECT_STITCH), 0);
    assert_int_equal(field_count(p->field, EFFECT_SAVE_CLIP), 0);
    assert_int_equal(field_count(p->field, EFFECT_EVENT), 0);
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

/* Row, video and sidecar are of the n-th stitch. */
static void assert_stitched(struct press *p, int number)
{
    char video[16], fingerprint[16], hex[DIGEST_TEXT_SIZE];
    struct error err = {0};
    (void)snprintf(video, sizeof(video), "video %d", number);
    (void)snprintf(fingerprint, sizeof(fingerprint), "machine-%d", number);
    field_turn(p->field);
    const struct digest sha256 = digest_of(video, strlen(video));
    const struct digest frames = digest_of(&number, sizeof(number));
    const struct clip_record *row = &field_last(p->field, EFFECT_SAVE_CLIP)->e.clip;
    assert_int_equal(row->state, CLIP_PUBLISHING);
    assert_true(digest_equal(&row->sha256, &sha256));
    assert_int_equal(field_count(p->field, EFFECT_RENAME), 1);
    char *path = path_join(p->folder, FOLDER "/.tmp-0.json");
    json_t *sidecar = json_parse_file(path, 1 << 20, &err);
    if (sidecar == NULL) fail_msg("%s", err.message);
    assert_string_equal(text_at(sidecar, "fingerprint"), fingerprint);
    digest_text(&frames, hex);
    assert_string_equal(text_at(json_object_get(sidecar, "checks"), "frames_sha256"), hex);
    digest_text(&sha256, hex);
    assert_string_equal(text_at(json_object_get(sidecar, "video"), "sha256"), hex);
    json_decref(sidecar);
    free(path);
}

static void a_stitch_is_told(void **state)
{
    struct press *p = press_open(state);
    store_segment(p, 1);
    publisher_stitch(p->c.publisher, &p->job);
    answer_well(p, 1);
    run_until_idle(p);
    assert_stitched(p, 1);
    press_close(p);
}

static void of_an_older_one_that_went_well_nothing_is_told(void **state)
{
    struct press *p = asked_twice(state);
    answer_well(p, 1);
    await_run(p, 2);
    assert_nothing_told(p);
    answer_well(p, 2);
    run_until_idle(p);
    assert_stitched(p, 2);
    press_close(p);
}

/* Told, they would have a task rendered again, count a death, or have it stitched once more. */
static void of_an_older_one_that_failed_nothing_is_told(void **state)
{
    static const char *const answers[] = {
        "{\"ok\":false,\"code\":\"rejected\",\"bad_segments\":[0],\"message\":\"damaged\"}",
        "nonsense", "{\"ok\":false,\"code\":\"full\",\"message\":\"no space\"}"};
    char *whole = *state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct error err = {0};
        char *part = xasprintf("%s/%zu", whole, i);
        assert_ok(path_make_folders(part, 0700, &err), err);
        *state = part;
        struct press *p = asked_twice(state);
        answer(p, 1, answers[i]);
        await_run(p, 2);
        assert_nothing_told(p);
        answer_well(p, 2);
        run_until_idle(p);
        assert_stitched(p, 2);
        press_close(p);
        free(part);
    }
    *state = whole;
}

/* ---- a child that fails by its own words ---- */

#define FAILURE "{\"ok\":false,\"code\":\"io\",\"message\":\"picture 3: Input/output error\"}"

static void fail_stitch(struct press *p, int number)
{
    publisher_stitch(p->c.publisher, &p->job);
    answer(p, number, FAILURE);
    run_until_idle(p);
    field_turn(p->field);
}

static void damage_segment(const struct press *p, int number)
{
    char fingerprint[16] = "", hex[DIGEST_TEXT_SIZE];
    (void)snprintf(fingerprint, sizeof(fingerprint), "machine-%d", number);
    const struct digest sha256 = digest_of(fingerprint, sizeof(fingerprint));
    digest_text(&sha256, hex);
    char *path = xasprintf("%s/artifacts/%.2s/%s", p->folder, hex, hex);
    fingerprint[0]++;
    ground_write(path, fingerprint, sizeof(fingerprint));
    free(path);
}

/* At first it may have been a hiccup of the disk. */
static void a_segment_that_cannot_be_read_is_made_again(void **state)
{
    struct press *p = press_open(state);
    store_segment(p, 1);
    damage_segment(p, 1);
    fail_stitch(p, 1);
    assert_int_equal(farm_clip_state(p->c.farm, BATCH, 0), CLIP_STITCHING);
    field_run(p->field, 5 * NS_PER_S);
    p->job = field_last(p->field, EFFECT_STITCH)->e.job;
    fail_stitch(p, 2);
    assert_int_equal(field_events(p->field, "task.reopened"), 1);
    assert_int_equal(farm_clip_state(p->c.farm, BATCH, 0), CLIP_LEASED);
    press_close(p);
}

static void of_sound_segments_the_clip_fails(void **state)
{
    struct press *p = press_open(state);
    store_segment(p, 1);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(farm_clip_state(p->c.farm, BATCH, 0), CLIP_STITCHING);
        fail_stitch(p, i);
        field_run(p->field, 5 * NS_PER_S);
        if (i < 3) p->job = field_last(p->field, EFFECT_STITCH)->e.job;
    }
    assert_int_equal(field_events(p->field, "task.reopened"), 0);
    assert_int_equal(farm_clip_state(p->c.farm, BATCH, 0), CLIP_FAILED);
    press_close(p);
}

/* While its segments are read nobody waits for it any more. */
static void of_one_that_was_cleared_while_it_is_read_nothing_is_told(void **state)
{
    struct press *p = press_open(state);
    store_segment(p, 1);
    p->job.doubted = true;
    publisher_stitch(p->c.publisher, &p->job);
    answer(p, 1, FAILURE);
    while (job_of(p)->reread == NULL)
        (void)uv_run(&p->c.loop, UV_RUN_ONCE);
    publisher_clear(p->c.publisher);
    assert_nothing_told(p);
    press_close(p);
}

/* The core is read again while the video is made durable. */
static struct press *cleared(void **state)
{
    struct press *p = press_open(state);
    store_segment(p, 1);
    publisher_stitch(p->c.publisher, &p->job);
    answer_well(p, 1);
    while (!job_of(p)->working)
        (void)uv_run(&p->c.loop, UV_RUN_ONCE);
    publisher_clear(p->c.publisher);
    store_segment(p, 2);
    return p;
}

static void of_one_that_was_cleared_nothing_is_told(void **state)
{
    struct press *p = cleared(state);
    run_until_idle(p);
    assert_nothing_told(p);
    press_close(p);
}

/* The pool still works on its files: the next one waits for that. */
static void one_asked_for_after_a_clear_is_told(void **state)
{
    struct press *p = cleared(state);
    publisher_stitch(p->c.publisher, &p->job);
    await_run(p, 2);
    assert_nothing_told(p);
    answer_well(p, 2);
    run_until_idle(p);
    assert_stitched(p, 2);
    press_close(p);
}

static void save_attempt(struct press *p)
{
    struct error err = {0};
    const struct attempt_record attempt = {.task = p->job.task, .fence = 1, .worker = "w1"};
    store_attempt_save(p->c.store, &attempt, 1);
    assert_ok(store_commit(p->c.store, &err), err);
}

/* Of the first page of a table nothing is left; the store has not read it yet. */
static void damage_table(struct press *p, const char *query)
{
    static const uint8_t nothing[4096];
    struct error err = {0};
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    char *path = path_join(p->folder, "farm.db");
    store_close(p->c.store);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    const size_t page = (size_t)sqlite3_column_int(stmt, 0);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    struct buf file = ground_read(path);
    memcpy(file.data + (page - 1) * sizeof(nothing), nothing, sizeof(nothing));
    ground_write(path, file.data, file.size);
    buf_finish(&file);
    p->c.store = store_open(path, NULL, &err);
    if (p->c.store == NULL) fail_msg("%s", err.message);
    free(path);
}

/* That the database is damaged is not the clip's fault: it would have failed after some deaths. */
static void a_damaged_database_fails_no_clip(void **state)
{
    struct press *p = press_open(state);
    store_segment(p, 1);
    save_attempt(p);
    damage_table(p, "SELECT rootpage FROM sqlite_schema WHERE name = 'attempt'");
    for (int i = 0; i < 10; i++) {
        publisher_stitch(p->c.publisher, &p->job);
        run_until_idle(p);
        field_run(p->field, 60 * NS_PER_S);
        p->c.now_ns = p->field->now_ns;
    }
    assert_int_equal(farm_clip_state(p->c.farm, BATCH, 0), CLIP_STITCHING);
    assert_int_equal(field_count(p->field, EFFECT_SAVE_CLIP), 0);
    assert_int_equal(store_health(p->c.store), STORE_CORRUPT);
    press_close(p);
}

/* The folder of a batch that was removed still goes when the coordinator stops: the next start sees
 * to the rest. */
static void a_removal_may_end_after_the_coordinator(void **state)
{
    struct error err = {0};
    struct press *p = press_open(state);
    char *folder = path_join(p->folder, FOLDER);
    assert_ok(path_make_folders(folder, 0700, &err), err);
    publisher_remove_batch(p->c.publisher, BATCH, FOLDER);
    press_close(p);
    assert_false(path_exists(folder));
    free(folder);
}

/* ---- removals ---- */

static void count_one(void *context, const char *batch, const char *folder)
{
    (void)batch;
    (void)folder;
    (*(int *)context)++;
}

/* Removals of which the store still says that files are there. */
static int removals_left(const struct press *p)
{
    struct error err = {0};
    int count = 0;
    assert_ok(store_each_removal(p->c.store, count_one, &count, &err), err);
    return count;
}

static void run_removals(struct press *p)
{
    struct error err = {0};
    while (p->c.publisher->removals.count > 0)
        (void)uv_run(&p->c.loop, UV_RUN_ONCE);
    assert_ok(store_commit(p->c.store, &err), err);
}

static void remove_batch(struct press *p, const char *folder)
{
    struct error err = {0};
    store_batch_remove(p->c.store, BATCH);
    assert_ok(store_commit(p->c.store, &err), err);
    publisher_remove_batch(p->c.publisher, BATCH, folder);
    run_removals(p);
}

static char *folder_with_file(const struct press *p, const char *name)
{
    struct error err = {0};
    char *folder = path_join(p->folder, name);
    char *file = path_join(folder, "0_a-fox_s1.mp4");
    assert_ok(path_make_folders(folder, 0700, &err), err);
    ground_write_text(file, "video");
    free(file);
    return folder;
}

static void what_has_the_hidden_name_goes_too(void **state)
{
    struct press *p = press_open(state);
    char *folder = folder_with_file(p, FOLDER), *hidden = folder_with_file(p, ".tmp-" BATCH);
    remove_batch(p, FOLDER);
    assert_false(path_exists(folder));
    assert_false(path_exists(hidden));
    assert_int_equal(removals_left(p), 0);
    free(folder);
    free(hidden);
    press_close(p);
}

static void a_folder_that_is_not_there_is_gone(void **state)
{
    struct press *p = press_open(state);
    remove_batch(p, FOLDER);
    assert_int_equal(removals_left(p), 0);
    press_close(p);
}

/* A file stands where its parent was. */
static void a_removal_that_failed_is_tried_again(void **state)
{
    struct press *p = press_open(state);
    char *shelf = path_join(p->folder, "shelf");
    ground_write_text(shelf, "");
    remove_batch(p, "shelf/" FOLDER);
    assert_int_equal(removals_left(p), 1);
    assert_int_equal(unlink(shelf), 0);
    char *folder = folder_with_file(p, "shelf/" FOLDER);
    const int64_t again_ns = publisher_next(p->c.publisher);
    publisher_tick(p->c.publisher, again_ns - 1);
    assert_true(path_exists(folder));
    publisher_tick(p->c.publisher, again_ns);
    run_removals(p);
    assert_false(path_exists(folder));
    assert_int_equal(removals_left(p), 0);
    assert_int_equal(publisher_next(p->c.publisher), INT64_MAX);
    free(shelf);
    free(folder);
    press_close(p);
}

static void what_could_not_be_removed_is_left_to_the_next_start(void **state)
{
    struct press *p = press_open(state);
    char *shelf = path_join(p->folder, "shelf");
    ground_write_text(shelf, "");
    remove_batch(p, "shelf/" FOLDER);
    publisher_clear(p->c.publisher);
    assert_int_equal(removals_left(p), 1);
    free(shelf);
    press_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(a_stitch_is_told),
        ground_test(of_an_older_one_that_went_well_nothing_is_told),
        ground_test(of_an_older_one_that_failed_nothing_is_told),
        ground_test(a_segment_that_cannot_be_read_is_made_again),
        ground_test(of_sound_segments_the_clip_fails),
        ground_test(of_one_that_was_cleared_while_it_is_read_nothing_is_told),
        ground_test(of_one_that_was_cleared_nothing_is_told),
        ground_test(one_asked_for_after_a_clear_is_told),
        ground_test(a_damaged_database_fails_no_clip),
        ground_test(a_removal_may_end_after_the_coordinator),
        ground_test(what_has_the_hidden_name_goes_too),
        ground_test(a_folder_that_is_not_there_is_gone),
        ground_test(a_removal_that_failed_is_tried_again),
        ground_test(what_could_not_be_removed_is_left_to_the_next_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

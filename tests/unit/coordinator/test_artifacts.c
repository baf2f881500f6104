/* Artifacts on real files and a real store: resume, wrong bytes, equal bytes of two clips, sweeps,
 * what a start finds, and disks that lose what they took. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif
#include "ground.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "coordinator/artifacts.h"
#include "coordinator/store.h"

#define BATCH "0123456789"
#define NAME BATCH ".0.0.1.w.0"
#define OTHER BATCH ".1.0.1.w.0"
#define BYTES "all the bytes of a segment"

struct world {
    uv_loop_t loop;
    struct store *store;
    struct artifacts *artifacts;
    char *root;
    int ended;
    struct error err; /* of the last end */
};

/* As Linux does it: an error of writing is told by one fsync, and the next one is fine. */
static bool loses; /* the next sync of a temporary */

static bool is_temporary(int fd)
{
    char link[64], path[4096];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0) return false;
    path[size] = '\0';
    return strstr(path, "/artifacts/tmp/") != NULL;
}

int fsync(int fd)
{
    int (*call)(int) = NULL;
    *(void **)&call = dlsym(RTLD_NEXT, "fsync");
    if (!loses || !is_temporary(fd)) return call(fd);
    loses = false;
    errno = EIO;
    return -1;
}

static void add_batch(struct store *s)
{
    static struct shape shape = {.model_name = "m", .width = 64, .height = 64, .frames = 8};
    static const struct clip_run run = {0, 0};
    static struct clip_counts counts;
    struct error err;
    struct store_batch b = {.folder = BATCH, .key = "k", .options = ""};
    memcpy(b.spec.id, BATCH, sizeof(b.spec.id));
    b.spec.name = b.spec.owner = "ann";
    b.spec.sequence = 1;
    b.spec.prompts = b.spec.clips = 2;
    b.spec.shapes = &shape;
    b.spec.runs = &run;
    b.spec.groups = b.spec.run_count = 1;
    struct batch_record r = {.group_counts = &counts};
    store_batch_add(s, &b, &r);
    assert_ok(store_commit(s, &err), err);
}

static struct world *open_world(void **state)
{
    struct error err;
    struct world *w = xcalloc(1, sizeof(*w));
    char *path = ground_path(state, "farm.db");
    bool fresh = !path_exists(path);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->root = ground_path(state, "artifacts");
    w->store = store_open(path, NULL, &err);
    assert_non_null(w->store);
    if (fresh) add_batch(w->store);
    w->artifacts = artifacts_open(&artifact_backend_folder, w->root, w->store, &w->loop, &err);
    assert_non_null(w->artifacts);
    free(path);
    return w;
}

static void close_world(struct world *w)
{
    artifacts_close(w->artifacts);
    assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    store_close(w->store);
    free(w->root);
    free(w);
}

static struct digest wanted(void)
{
    return digest_of(BYTES, strlen(BYTES));
}

static struct artifact_upload *open_upload(struct world *w, const char *name)
{
    struct error err;
    struct digest digest = wanted();
    struct artifact_upload *u =
        artifact_upload_open(w->artifacts, name, &digest, strlen(BYTES), &err);
    assert_non_null(u);
    return u;
}

static void on_done(void *context, const struct error *err)
{
    struct world *w = context;
    w->ended++;
    w->err = err != NULL ? *err : (struct error){.code = ERROR_NONE};
}

static void fill(struct artifact_upload *u, const char *bytes)
{
    struct error err;
    assert_ok(artifact_upload_write(u, 0, bytes, strlen(bytes), &err), err);
}

/* Sent, sealed, kept. */
static void keep(struct world *w, const char *name)
{
    struct artifact_upload *u = open_upload(w, name);
    fill(u, BYTES);
    artifact_upload_finish(u, on_done, w);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->err.code, ERROR_NONE);
}

static bool is_there(struct world *w)
{
    struct digest digest = wanted();
    char *path = artifacts_path(w->artifacts, &digest);
    bool there = path != NULL;
    free(path);
    return there;
}

static void use(struct world *w, uint32_t clip)
{
    struct error err;
    struct output_record o = {.task = {.batch = BATCH, .clip = clip}, .fingerprint = "f"};
    memcpy(o.output.kind, "segment", sizeof("segment"));
    o.output.sha256 = wanted();
    o.output.size_bytes = strlen(BYTES);
    store_output_save(w->store, &o);
    assert_ok(store_commit(w->store, &err), err);
}

static void drop(struct world *w, uint32_t clip)
{
    struct error err;
    struct task_key key = {.batch = BATCH, .clip = clip};
    store_outputs_drop(w->store, &key);
    assert_ok(store_commit(w->store, &err), err);
    assert_false(artifacts_sweep(w->artifacts, true));
    assert_ok(store_commit(w->store, &err), err);
}

static void release(struct world *w)
{
    struct digest digest = wanted();
    artifacts_release(w->artifacts, &digest);
}

/* ---- coming in ---- */

static void test_resume_and_doubled_chunks(void **state)
{
    struct error err;
    struct world *w = open_world(state);
    struct artifact_upload *u = open_upload(w, NAME);
    assert_ok(artifact_upload_write(u, 0, BYTES, 10, &err), err);
    artifact_upload_close(u, true);
    close_world(w);
    w = open_world(state);
    u = open_upload(w, NAME);
    assert_int_equal(artifact_upload_offset(u), 10);
    assert_false(artifact_upload_write(u, 11, BYTES + 11, 1, &err)); /* a gap */
    assert_int_equal(err.code, ERROR_INVALID);
    assert_ok(artifact_upload_write(u, 5, BYTES + 5, strlen(BYTES) - 5, &err), err);
    assert_false(artifact_upload_write(u, strlen(BYTES), "x", 1, &err)); /* past the end */
    artifact_upload_finish(u, on_done, w);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->err.code, ERROR_NONE);
    assert_true(is_there(w));
    close_world(w);
}

static void test_other_bytes_are_refused(void **state)
{
    struct world *w = open_world(state);
    struct artifact_upload *u = open_upload(w, NAME);
    fill(u, "all the bytes of a Segment");
    artifact_upload_finish(u, on_done, w);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->err.code, ERROR_INVALID);
    assert_false(is_there(w));
    u = open_upload(w, NAME); /* from the start */
    assert_int_equal(artifact_upload_offset(u), 0);
    artifact_upload_close(u, false);
    close_world(w);
}

/* Given up while a pool thread hashes it: the same name begins anew at once, and the old end does
 * not touch what comes then. */
static void test_given_up_while_it_is_hashed(void **state)
{
    struct world *w = open_world(state);
    struct artifact_upload *u = open_upload(w, NAME);
    fill(u, BYTES);
    artifact_upload_finish(u, on_done, w);
    artifact_upload_close(u, false);
    u = open_upload(w, NAME);
    assert_int_equal(artifact_upload_offset(u), 0);
    fill(u, BYTES);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->ended, 0);
    artifact_upload_finish(u, on_done, w);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->ended, 1);
    assert_int_equal(w->err.code, ERROR_NONE);
    assert_true(is_there(w));
    close_world(w);
}

static void test_what_was_not_synced_comes_again(void **state)
{
    struct world *w = open_world(state);
    struct artifact_upload *u = open_upload(w, NAME);
    fill(u, BYTES);
    loses = true;
    artifact_upload_finish(u, on_done, w);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_false(loses);
    assert_int_equal(w->err.code, ERROR_IO);
    u = open_upload(w, NAME);
    assert_int_equal(artifact_upload_offset(u), 0);
    artifact_upload_close(u, true);
    keep(w, NAME);
    assert_true(is_there(w));
    close_world(w);
}

/* ... whoever asks: nobody waits for the end of this one. */
static void test_what_was_not_synced_at_the_end_comes_again(void **state)
{
    struct world *w = open_world(state);
    struct artifact_upload *u = open_upload(w, NAME);
    fill(u, BYTES);
    loses = true;
    artifact_upload_finish(u, on_done, w);
    close_world(w);
    assert_false(loses);
    w = open_world(state);
    u = open_upload(w, NAME);
    assert_int_equal(artifact_upload_offset(u), 0);
    artifact_upload_close(u, false);
    close_world(w);
}

/* ---- uses ---- */

/* Clip 1 sends what clip 0 sent: the file outlives clip 0's use until clip 1's is committed. */
static void test_equal_bytes_of_two_clips(void **state)
{
    struct world *w = open_world(state);
    keep(w, NAME);
    use(w, 0);
    release(w);
    keep(w, OTHER);
    drop(w, 0);
    assert_true(is_there(w));
    use(w, 1);
    release(w);
    assert_true(is_there(w));
    drop(w, 1);
    assert_false(is_there(w));
    close_world(w);
}

static void test_what_is_given_up_goes(void **state)
{
    struct world *w = open_world(state);
    keep(w, NAME);
    keep(w, OTHER);
    release(w);
    assert_true(is_there(w));
    release(w);
    assert_false(is_there(w));
    close_world(w);
}

/* ---- a start ---- */

static int missing;

static void on_missing(void *context, const struct digest *digest)
{
    struct digest expected = wanted();
    (void)context;
    assert_true(digest_equal(digest, &expected));
    missing++;
}

static bool is_live(void *context, const char *upload)
{
    (void)context;
    return strcmp(upload, NAME) == 0;
}

static void recover(struct world *w, int64_t wall_ms)
{
    struct error err;
    struct artifacts_claims claims = {.live = is_live, .missing = on_missing};
    missing = 0;
    assert_ok(artifacts_recover(w->artifacts, wall_ms, &claims, &err), err);
}

static void test_a_start_finds_orphans_and_losses(void **state)
{
    struct error err;
    struct world *w = open_world(state);
    keep(w, NAME);
    recover(w, clock_wall_ms());
    assert_true(is_there(w)); /* young: its row may be lost, its sender is not */
    recover(w, clock_wall_ms() + ARTIFACT_ORPHAN_MS + 60000);
    assert_false(is_there(w));
    use(w, 0);
    recover(w, clock_wall_ms());
    assert_int_equal(missing, 1);
    struct artifact_upload *claimed = open_upload(w, NAME);
    struct artifact_upload *denied = open_upload(w, OTHER);
    assert_ok(artifact_upload_write(claimed, 0, BYTES, 3, &err), err);
    assert_ok(artifact_upload_write(denied, 0, BYTES, 3, &err), err);
    artifact_upload_close(claimed, true);
    artifact_upload_close(denied, true);
    recover(w, clock_wall_ms());
    claimed = open_upload(w, NAME);
    denied = open_upload(w, OTHER);
    assert_int_equal(artifact_upload_offset(claimed), 3);
    assert_int_equal(artifact_upload_offset(denied), 0);
    artifact_upload_close(claimed, false);
    artifact_upload_close(denied, false);
    close_world(w);
}

/* A removed batch of long clips leaves many: other turns come between. */
static void test_many_go_some_at_a_time(void **state)
{
    struct world *w = open_world(state);
    struct error err;
    const int most = 600;
    for (int i = 0; i < most; i++) {
        struct output_record o = {.task = {.batch = BATCH, .task = (uint32_t)i},
                                  .fingerprint = "f"};
        memcpy(o.output.kind, "segment", sizeof("segment"));
        o.output.sha256 = digest_of(&i, sizeof i);
        o.output.size_bytes = 1;
        store_output_save(w->store, &o);
    }
    assert_ok(store_commit(w->store, &err), err);
    store_batch_remove(w->store, BATCH);
    assert_ok(store_commit(w->store, &err), err);
    int turns = 1;
    for (bool anew = true; artifacts_sweep(w->artifacts, anew); anew = false) {
        assert_ok(store_commit(w->store, &err), err);
        turns++;
    }
    assert_in_range(turns, 3, most);
    assert_ok(store_commit(w->store, &err), err);
    assert_false(artifacts_sweep(w->artifacts, true));
    for (int i = 0; i < most; i++) {
        uint64_t uses = 1;
        struct digest digest = digest_of(&i, sizeof i);
        assert_ok(store_artifact_uses(w->store, &digest, &uses, &err), err);
        assert_int_equal(uses, 0);
    }
    close_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(test_resume_and_doubled_chunks),
        ground_test(test_other_bytes_are_refused),
        ground_test(test_given_up_while_it_is_hashed),
        ground_test(test_what_was_not_synced_comes_again),
        ground_test(test_what_was_not_synced_at_the_end_comes_again),
        ground_test(test_equal_bytes_of_two_clips),
        ground_test(test_what_is_given_up_goes),
        ground_test(test_a_start_finds_orphans_and_losses),
        ground_test(test_many_go_some_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Outputs and inputs in the store: the uses of an artifact follow the rows that name it. */
#include "drawer.h"

static void save_output(struct store *s, uint32_t clip, uint32_t index, uint64_t n)
{
    struct output_record o = {.task = drawer_task_key(clip), .index = index, .fingerprint = "fp"};
    memcpy(o.output.kind, "segment", 8);
    o.output.sha256 = drawer_digest(n);
    o.output.size_bytes = 1000 + n;
    o.output.frames_sha256 = drawer_digest(n + 50);
    o.output.frames = 16;
    o.output.width = 64;
    o.output.height = 48;
    store_output_save(s, &o);
}

static uint64_t uses(struct store *s, uint64_t n)
{
    struct error err;
    uint64_t count;
    struct digest d = drawer_digest(n);
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
    assert_ok(store_each_unused(s, &(struct digest){{0}}, 1000, count_unused, &count, &err), err);
    return count;
}

static void check_output(void *context, const struct output_record *o)
{
    struct digest sha = drawer_digest(3), frames = drawer_digest(53);
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
    assert_string_equal(o->task.batch, DRAWER_BATCH);
    *(uint32_t *)context += o->task.clip;
}

static void uses_follow_their_rows(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    int seen = 0;
    uint32_t clips = 0;
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_QUEUED);
    save_output(s, 1, 0, 3);
    save_output(s, 2, 0, 3); /* another clip with the same bytes */
    save_output(s, 2, 1, 4);
    assert_int_equal(uses(s, 3), 2);
    save_output(s, 2, 0, 5); /* it replaces the first */
    assert_int_equal(uses(s, 3), 1);
    assert_int_equal(uses(s, 5), 1);
    save_output(s, 2, 0, 5); /* the same once more */
    assert_int_equal(uses(s, 5), 1);
    struct task_key key = drawer_task_key(1);
    assert_ok(store_each_output(s, &key, check_output, &seen, &err), err);
    assert_int_equal(seen, 1);
    struct digest d = drawer_digest(3);
    assert_ok(store_each_use(s, &d, check_use, &clips, &err), err);
    assert_int_equal(clips, 1);
    assert_int_equal(unused(s), 0);
    store_outputs_drop(s, &key);
    store_outputs_drop(s, &key);
    assert_int_equal(uses(s, 3), 0);
    assert_int_equal(unused(s), 1);
    store_artifact_forget(s, &d);
    d = drawer_digest(4);
    store_artifact_forget(s, &d); /* in use: stays */
    assert_int_equal(uses(s, 4), 1);
    assert_int_equal(unused(s), 0);
    store_batch_remove(s, DRAWER_BATCH);
    assert_int_equal(uses(s, 4), 0);
    assert_int_equal(uses(s, 5), 0);
    assert_int_equal(unused(s), 2);
    drawer_commit(s);
    assert_int_equal(uses(s, 77), 0);
    store_close(s);
}

static void save_input(struct store *s, uint64_t n, int64_t seen_ms)
{
    struct input_record r = {.sha256 = drawer_digest(n),
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
    struct digest d = drawer_digest(n);
    if (store_input(s, &d, &r, &err)) return r.size_bytes == 1000 + n && r.frames == 16;
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    return false;
}

static void name_input(struct store *s, const char *batch, uint64_t n)
{
    struct digest d = drawer_digest(n);
    store_batch_input_add(s, batch, &d);
}

static void inputs_go_with_their_last_batch(void **state)
{
    struct store *s = drawer_open(state);
    struct digest d = drawer_digest(1);
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_QUEUED);
    drawer_add_batch(s, DRAWER_OTHER, 2, "l", true, BATCH_QUEUED);
    save_input(s, 1, 100);
    save_input(s, 1, 50); /* again: one row, one use */
    save_input(s, 2, 100);
    save_input(s, 3, 100);
    save_output(s, 1, 0, 2); /* a result with the bytes of an input */
    assert_false(store_input_is_named(s, &d));
    name_input(s, DRAWER_BATCH, 1);
    assert_true(store_input_is_named(s, &d));
    name_input(s, DRAWER_BATCH, 1);
    name_input(s, DRAWER_OTHER, 1);
    name_input(s, DRAWER_BATCH, 2);
    drawer_commit(s);
    assert_int_equal(uses(s, 1), 1);
    assert_int_equal(uses(s, 2), 2);
    store_input_seen(s, &d, 10); /* never backwards */
    assert_false(store_inputs_prune(s, 100));
    assert_true(store_inputs_prune(s, 101)); /* 3, which nobody names */
    assert_false(has_input(s, 3));
    assert_int_equal(uses(s, 3), 0);
    store_batch_remove(s, DRAWER_BATCH);
    assert_true(has_input(s, 1));
    assert_false(has_input(s, 2));
    assert_int_equal(uses(s, 2), 0);
    store_batch_remove(s, DRAWER_OTHER);
    assert_false(has_input(s, 1));
    assert_int_equal(uses(s, 1), 0);
    assert_int_equal(unused(s), 3);
    drawer_commit(s);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(uses_follow_their_rows),
        ground_test(inputs_go_with_their_last_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

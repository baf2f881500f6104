/* Clips and reports in the store: they come back as they went in. */
#include "drawer.h"

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
    struct store *s = drawer_open(state);
    struct clip_record c;
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_QUEUED);
    for (uint32_t clip = 0; clip < 9; clip++) {
        c = drawer_clip(clip, CLIP_PUBLISHING);
        store_clip_save(s, &c);
        if (clip % 3 != 0) c = drawer_clip(clip, CLIP_PUBLISHED);
        store_clip_save(s, &c);
    }
    drawer_commit(s);
    assert_ok(store_clip(s, DRAWER_BATCH, 4, &c, &err), err);
    struct clip_record wanted = drawer_clip(4, CLIP_PUBLISHED);
    assert_string_equal(c.batch, DRAWER_BATCH);
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
    assert_false(store_clip(s, DRAWER_BATCH, 99, &c, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    struct seen_clips seen = {.stop_at = 2};
    assert_ok(store_each_clip(s, DRAWER_BATCH, 5, false, see_clip, &seen, &err), err);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.clips[0], 5);
    struct seen_clips publishing = {.stop_at = -1};
    assert_ok(store_each_clip(s, DRAWER_BATCH, 0, true, see_clip, &publishing, &err), err);
    assert_int_equal(publishing.count, 3);
    assert_int_equal(publishing.clips[2], 6);
    struct clip_record failed = {.batch = DRAWER_BATCH, .clip = 50, .state = CLIP_FAILED};
    store_clip_save(s, &failed);
    assert_ok(store_clip(s, DRAWER_BATCH, 50, &c, &err), err);
    assert_true(digest_is_zero(&c.sha256));
    assert_string_equal(c.file, "");
    store_close(s);
}

static void assert_report(struct store *s, uint32_t clip, size_t size)
{
    struct error err;
    uint8_t wanted[LIMIT_INLINE_BYTES];
    struct buf found = BUF_INIT;
    drawer_fill_report(wanted, size);
    assert_ok(store_report(s, DRAWER_BATCH, clip, &found, &err), err);
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
    struct store *s = drawer_open(state);
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_DONE);
    for (uint32_t i = 0; i < count; i++)
        drawer_report_task(s, count - i, sizes[i]); /* any order */
    drawer_finish_task(s, 20);
    drawer_commit(s);
    for (uint32_t i = 0; i < count; i++)
        assert_report(s, count - i, sizes[i]);
    assert_false(store_report(s, DRAWER_BATCH, 20, &found, &err)); /* a video */
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_ok(store_clip(s, DRAWER_BATCH, 20, &c, &err), err);
    assert_int_equal(c.size_bytes, 5020);
    buf_finish(&found);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(clips_come_back),
        ground_test(reports_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

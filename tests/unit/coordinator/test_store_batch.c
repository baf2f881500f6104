/* Batches in the store: they, their keys and their pages come back as they went in, and what is
 * removed goes whole, in pieces. */
#include "drawer.h"

#include "coordinator/store_access.h"

static void check_batch(void *context, const struct store_batch *b, const struct batch_record *r)
{
    int *seen = context;
    struct digest content = drawer_digest(101);
    if ((*seen)++ > 0) return;
    assert_string_equal(b->spec.id, DRAWER_BATCH);
    assert_string_equal(b->spec.name, "N\xc3\xa4me");
    assert_string_equal(b->spec.owner, "ann");
    assert_int_equal(b->spec.priority, -5);
    assert_int_equal(b->spec.sequence, 1);
    assert_int_equal(b->spec.created_ms, 1234567890123);
    assert_int_equal(b->spec.prompts, 50000);
    assert_int_equal(b->spec.clips, 100000);
    assert_int_equal(b->spec.groups, 2);
    assert_memory_equal(b->spec.shapes, drawer_shapes, sizeof drawer_shapes);
    assert_int_equal(b->spec.run_count, 4);
    assert_memory_equal(b->spec.runs, drawer_runs, sizeof drawer_runs);
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
    assert_memory_equal(r->group_counts, drawer_counts, sizeof drawer_counts);
}

static void batches_come_back(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    int seen = 0;
    drawer_add_batch(s, DRAWER_BATCH, 1, "k1", false, BATCH_QUEUED);
    drawer_add_batch(s, DRAWER_OTHER, 2, "k2", true, BATCH_QUEUED);
    drawer_counts[0].by_state[CLIP_LEASED] = 1;
    struct batch_record r = {.state = BATCH_PAUSED,
                             .round = 3,
                             .started = true,
                             .finished_ms = 77,
                             .attempts = UINT64_C(1) << 40,
                             .steps_computed = 11,
                             .steps_wasted = 12,
                             .group_counts = drawer_counts};
    store_batch_save(s, DRAWER_BATCH, &r, 2);
    drawer_commit(s);
    store_close(s);
    s = drawer_open(state);
    assert_ok(store_each_batch(s, check_batch, &seen, &err), err);
    assert_int_equal(seen, 2);
    assert_int_equal(store_last_sequence(s), 2);
    store_close(s);
}

static void keys_find_their_newest_batch(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    struct store_known known;
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_DONE);
    drawer_add_batch(s, DRAWER_OTHER, 2, "k", true, BATCH_FAILED);
    assert_ok(store_batch_by_key(s, "ann", "k", false, &known, &err), err);
    assert_string_equal(known.batch, DRAWER_OTHER);
    assert_ok(store_batch_by_key(s, "ann", "k", true, &known, &err), err);
    struct digest content = drawer_digest(101);
    assert_string_equal(known.batch, DRAWER_BATCH);
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
    struct store *s = drawer_open(state);
    int seen = 0;
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_QUEUED);
    memset(pages[0], CLIP_PUBLISHED | CLIP_SUSPECT_BIT, CLIPS_PER_PAGE);
    for (size_t i = 0; i < CLIPS_PER_PAGE; i++)
        pages[1][i] = (uint8_t)(i * 7);
    memset(pages[2], CLIP_CANCELED, 5);
    store_page_save(s, DRAWER_BATCH, 4, pages[2], 5);
    store_page_save(s, DRAWER_BATCH, 0, pages[1], CLIPS_PER_PAGE);
    store_page_save(s, DRAWER_BATCH, 2, pages[1], CLIPS_PER_PAGE);
    store_page_save(s, DRAWER_BATCH, 0, pages[0], CLIPS_PER_PAGE);
    drawer_commit(s);
    assert_ok(store_each_page(s, DRAWER_BATCH, check_page, &seen, &err), err);
    assert_int_equal(seen, 3);
    seen = 0;
    assert_ok(store_each_page(s, DRAWER_OTHER, check_page, &seen, &err), err);
    assert_int_equal(seen, 0);
    store_close(s);
}

static void see_removal(void *context, const char *batch, const char *folder)
{
    assert_string_equal(batch, DRAWER_BATCH);
    assert_true(folder[0] != '\0');
    ++*(int *)context;
}

static void removing_takes_everything_in_pieces(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_DONE);
    for (uint32_t clip = 0; clip < DRAWER_MANY; clip++)
        if (clip % 3 == 0)
            drawer_report_task(s, clip, 1 + clip % LIMIT_INLINE_BYTES);
        else
            drawer_finish_task(s, clip);
    drawer_commit(s);
    store_batch_remove(s, DRAWER_BATCH);
    drawer_commit(s);
    struct store_known known;
    assert_false(store_batch_by_key(s, "ann", "k", false, &known, &err));
    assert_false(store_clean_some(s)); /* its files are still there */
    int folders = 0;
    assert_ok(store_each_removal(s, see_removal, &folders, &err), err);
    assert_int_equal(folders, 1);
    store_removal_done(s, DRAWER_BATCH);
    drawer_commit(s);
    assert_ok(store_each_removal(s, see_removal, &folders, &err), err);
    assert_int_equal(folders, 1);
    assert_true(drawer_count_rows(state, "SELECT count(*) FROM clip") > 0); /* not all at once */
    for (int i = 0; i < 5; i++) {
        store_meta_set(s, "turn", "x");
        drawer_commit(s);
    }
    store_close(s);
    s = drawer_open(state); /* goes on after a restart */
    while (store_clean_some(s))
        drawer_commit(s);
    store_close(s);
    assert_int_equal(
        drawer_count_rows(
            state, "SELECT (SELECT count(*) FROM clip) + (SELECT count(*) FROM"
                   " task) + (SELECT count(*) FROM attempt) + (SELECT count(*)"
                   " FROM piece) + (SELECT count(*) FROM removal) + (SELECT count(*) FROM spec)"),
        0);
    s = drawer_open(state);
    assert_int_equal(store_last_sequence(s), 1); /* never given again */
    store_close(s);
}

#define OUTPUTS 2500

static void add_outputs(struct store *s, uint32_t count)
{
    for (uint32_t clip = 0; clip < count; clip++) {
        struct output_record o = {.task = drawer_task_key(clip), .fingerprint = "fp"};
        (void)snprintf(o.output.kind, sizeof o.output.kind, "segment");
        o.output.sha256 = drawer_digest(1000000 + clip);
        o.output.size_bytes = 10;
        store_output_save(s, &o);
    }
}

static void fail_on_output(void *context, const struct output_record *o)
{
    (void)context;
    fail_msg("an output of clip %u is told of", (unsigned)o->task.clip);
}

/* Some have gone with the last commit, and not too many. */
static int64_t a_lot_less(void **state, int64_t before)
{
    const int64_t left = drawer_count_rows(state, "SELECT count(*) FROM output");
    assert_true(left < before && before - left <= 1000);
    assert_int_equal(drawer_count_rows(state, "SELECT count(*) FROM artifact WHERE uses > 0"),
                     left);
    return left;
}

static void expect_hidden(struct store *s, uint32_t clip)
{
    struct error err;
    const struct digest sha256 = drawer_digest(1000000 + clip);
    assert_ok(store_each_use(s, &sha256, fail_on_output, NULL, &err), err);
    assert_ok(store_each_clip_output(s, DRAWER_BATCH, clip, fail_on_output, NULL, &err), err);
}

/* One with a million segments that are kept does not stop the loop. */
static void kept_outputs_go_in_lots(void **state)
{
    const uint8_t page[1] = {CLIP_PUBLISHED};
    struct store *s = drawer_open(state);
    int64_t left = OUTPUTS;
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_DONE);
    store_page_save(s, DRAWER_BATCH, 0, page, 1);
    store_keep_save(s, DRAWER_BATCH, 5);
    store_published_add(s, DRAWER_BATCH, 5);
    add_outputs(s, OUTPUTS);
    drawer_commit(s);
    store_batch_remove(s, DRAWER_BATCH);
    drawer_commit(s);
    left = a_lot_less(state, left);
    assert_int_equal(drawer_count_rows(state, "SELECT (SELECT count(*) FROM spec) + (SELECT"
                                              " count(*) FROM page) + (SELECT count(*) FROM"
                                              " retention) + (SELECT count(*) FROM published)"),
                     0);
    store_removal_done(s, DRAWER_BATCH);
    for (; left > 0; (void)store_clean_some(s)) {
        expect_hidden(s, OUTPUTS - 1);
        drawer_commit(s);
        left = a_lot_less(state, left);
    }
    while (store_clean_some(s))
        drawer_commit(s);
    assert_int_equal(drawer_count_rows(state, "SELECT count(*) FROM removal"), 0);
    assert_int_equal(drawer_count_rows(state, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    store_close(s);
}

/* A batch that is gone, or never was, has no time either. */
static void no_time_is_kept_of_an_unknown_batch(void **state)
{
    struct store *s = drawer_open(state);
    store_keep_save(s, DRAWER_BATCH, 5);
    drawer_commit(s);
    assert_int_equal(drawer_count_rows(state, "SELECT count(*) FROM retention"), 0);
    store_close(s);
}

static void see_keep(void *context, const char *batch, int64_t keep_s)
{
    assert_string_equal(batch, DRAWER_BATCH);
    *(int64_t *)context = keep_s;
}

static void a_batch_s_own_time_goes_with_it(void **state)
{
    struct error err;
    int64_t keep_s = -1;
    struct store *s = drawer_open(state);
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_DONE);
    store_keep_save(s, DRAWER_BATCH, 90);
    store_keep_save(s, DRAWER_BATCH, 7);
    drawer_commit(s);
    assert_ok(store_each_keep(s, see_keep, &keep_s, &err), err);
    assert_int_equal(keep_s, 7);
    store_batch_remove(s, DRAWER_BATCH);
    drawer_commit(s);
    keep_s = -1;
    assert_ok(store_each_keep(s, see_keep, &keep_s, &err), err);
    assert_int_equal(keep_s, -1);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(batches_come_back),
        ground_test(keys_find_their_newest_batch),
        ground_test(pages_come_back),
        ground_test(removing_takes_everything_in_pieces),
        ground_test(kept_outputs_go_in_lots),
        ground_test(no_time_is_kept_of_an_unknown_batch),
        ground_test(a_batch_s_own_time_goes_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

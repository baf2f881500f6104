/* From stored outputs to a published clip: B2, M1, A3. */
#include "field.h"

#define BATCH "b000000001"

/* Its only clip's outputs are stored; the STITCH is out. */
static struct field *with_a_stored_clip(struct hand **w, struct attempt_key *key)
{
    struct field *s = field_new();
    *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    *key = field_assigned(s, *w);
    field_store(s, *w, key);
    assert_int_equal(field_count(s, EFFECT_STITCH), 1);
    return s;
}

static enum clip_state clip(const struct field *s)
{
    return farm_clip_state(s->f, BATCH, 0);
}

static void stitched(struct field *s)
{
    struct farm_video video = field_video();
    farm_clip_stitched(s->f, BATCH, 0, &video, s->now_ns);
    field_check(s);
    field_turn(s);
}

static void renamed(struct field *s)
{
    struct farm_video video = field_video();
    farm_clip_renamed(s->f, BATCH, 0, &video, s->now_ns);
    field_check(s);
    field_turn(s);
}

static void failed(struct field *s, enum stitch_failure failure)
{
    farm_stitch_failed(s->f, BATCH, 0, failure, NULL, 0, "no luck", s->now_ns);
    field_check(s);
    field_turn(s);
}

static void each_step_is_committed_before_the_next(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_a_stored_clip(&w, &key);
    renamed(s); /* not yet */
    assert_int_equal(clip(s), CLIP_STITCHING);
    stitched(s);
    stitched(s);
    assert_int_equal(clip(s), CLIP_PUBLISHING);
    assert_int_equal(field_count(s, EFFECT_RENAME), 1);
    const struct clip_record *row = &ledger_clip(&s->store, BATCH, 0)->row;
    assert_int_equal(row->state, CLIP_PUBLISHING);
    assert_int_equal(row->sha256.bytes[0], 9);
    renamed(s);
    renamed(s);
    assert_int_equal(clip(s), CLIP_PUBLISHED);
    row = &ledger_clip(&s->store, BATCH, 0)->row;
    assert_int_equal(row->state, CLIP_PUBLISHED);
    assert_int_equal(field_events(s, "clip.published"), 1);
    assert_int_equal(ledger_uses(&s->store, &key.task), 0);
    field_end(s);
}

static void a_restart_asks_again_for_what_is_outstanding(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_a_stored_clip(&w, &key);
    field_restart(s);
    assert_int_equal(field_count(s, EFFECT_STITCH), 1);
    stitched(s);
    field_restart(s);
    assert_int_equal(field_count(s, EFFECT_RENAME), 1);
    assert_int_equal(field_count(s, EFFECT_STITCH), 0);
    renamed(s);
    field_restart(s);
    assert_int_equal(field_count(s, EFFECT_RENAME), 0);
    assert_int_equal(clip(s), CLIP_PUBLISHED);
    field_end(s);
}

static void neither_file_stands_and_it_is_stitched_again(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_a_stored_clip(&w, &key);
    stitched(s);
    failed(s, STITCH_AGAIN);
    assert_int_equal(clip(s), CLIP_STITCHING);
    assert_int_equal(field_count(s, EFFECT_STITCH), 2);
    stitched(s);
    renamed(s);
    assert_int_equal(clip(s), CLIP_PUBLISHED);
    field_end(s);
}

static void without_space_it_waits_and_does_not_fail(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_a_stored_clip(&w, &key);
    for (size_t i = 1; i <= 5; i++) {
        failed(s, STITCH_FULL);
        field_run(s, 5 * NS_PER_S - 1);
        assert_int_equal(field_count(s, EFFECT_STITCH), i);
        field_run(s, 1);
        assert_int_equal(field_count(s, EFFECT_STITCH), i + 1);
    }
    stitched(s);
    failed(s, STITCH_FULL);
    field_run(s, 5 * NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_RENAME), 2);
    renamed(s);
    assert_int_equal(clip(s), CLIP_PUBLISHED);
    field_end(s);
}

static bool is_doubted(struct field *s)
{
    return field_last(s, EFFECT_STITCH)->e.job.doubted;
}

static void three_failures_of_its_child_fail_it(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct error err = {0};
    struct field *s = with_a_stored_clip(&w, &key);
    assert_false(is_doubted(s));
    for (size_t i = 1; i <= 2; i++) {
        failed(s, STITCH_FAILED);
        field_run(s, 5 * NS_PER_S - 1);
        assert_int_equal(field_count(s, EFFECT_STITCH), i);
        field_run(s, 1);
        assert_int_equal(field_count(s, EFFECT_STITCH), i + 1);
        assert_true(is_doubted(s));
    }
    failed(s, STITCH_FAILED);
    assert_int_equal(clip(s), CLIP_FAILED);
    assert_int_equal(ledger_uses(&s->store, &key.task), 1);
    assert_true(farm_batch_retry(s->f, BATCH, &err));
    field_turn(s);
    assert_int_equal(clip(s), CLIP_STITCHING);
    assert_false(is_doubted(s)); /* counted anew */
    stitched(s);
    renamed(s);
    assert_int_equal(field_state(s, BATCH), BATCH_DONE);
    field_end(s);
}

static void other_segments_are_not_doubted(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_a_stored_clip(&w, &key);
    failed(s, STITCH_FAILED);
    field_run(s, 5 * NS_PER_S);
    field_forget(s);
    failed(s, STITCH_MISSING);
    struct attempt_key again = field_assigned(s, w);
    field_store(s, w, &again);
    assert_int_equal(clip(s), CLIP_STITCHING);
    assert_false(is_doubted(s));
    field_end(s);
}

static void two_deaths_fail_it_and_keep_its_segments(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct error err = {0};
    struct field *s = with_a_stored_clip(&w, &key);
    failed(s, STITCH_DIED);
    assert_int_equal(clip(s), CLIP_STITCHING);
    assert_int_equal(field_count(s, EFFECT_STITCH), 2);
    failed(s, STITCH_DIED);
    assert_int_equal(clip(s), CLIP_FAILED);
    assert_int_equal(field_state(s, BATCH), BATCH_FAILED);
    assert_int_equal(ledger_uses(&s->store, &key.task), 1);
    field_restart(s);
    assert_int_equal(clip(s), CLIP_FAILED);
    assert_int_equal(field_count(s, EFFECT_STITCH), 0);
    assert_true(farm_batch_retry(s->f, BATCH, &err));
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_STITCH), 1);
    assert_int_equal(clip(s), CLIP_STITCHING);
    failed(s, STITCH_DIED); /* counted anew */
    assert_int_equal(clip(s), CLIP_STITCHING);
    stitched(s);
    renamed(s);
    assert_int_equal(field_state(s, BATCH), BATCH_DONE);
    field_end(s);
}

static void a_retry_counts_deaths_anew(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct error err = {0};
    struct field *s = with_a_stored_clip(&w, &key);
    failed(s, STITCH_DIED);
    failed(s, STITCH_DIED);
    assert_true(farm_batch_retry(s->f, BATCH, &err));
    failed(s, STITCH_DIED);
    assert_int_equal(clip(s), CLIP_STITCHING);
    failed(s, STITCH_DIED);
    assert_int_equal(clip(s), CLIP_FAILED);
    field_end(s);
}

static void late_news_of_a_failed_clip_changes_nothing(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_a_stored_clip(&w, &key);
    failed(s, STITCH_DIED);
    failed(s, STITCH_DIED);
    failed(s, STITCH_FULL);
    failed(s, STITCH_AGAIN);
    failed(s, STITCH_MISSING);
    failed(s, STITCH_DIED);
    stitched(s);
    renamed(s);
    field_run(s, 60 * NS_PER_S);
    assert_int_equal(clip(s), CLIP_FAILED);
    assert_int_equal(field_count(s, EFFECT_STITCH), 2);
    field_end(s);
}

static void a_missing_segment_reopens_its_task(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_a_stored_clip(&w, &key);
    field_forget(s);
    failed(s, STITCH_MISSING);
    assert_int_equal(field_events(s, "task.reopened"), 1);
    assert_int_equal(ledger_uses(&s->store, &key.task), 0);
    struct attempt_key again = field_assigned(s, w);
    assert_true(again.fence > key.fence);
    field_publish(s, w, &again);
    assert_int_equal(field_state(s, BATCH), BATCH_DONE);
    field_end(s);
}

static void a_segment_may_go_missing_while_space_is_waited_for(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_a_stored_clip(&w, &key);
    struct error err = {0};
    failed(s, STITCH_FULL);
    assert_true(farm_batch_pause(s->f, BATCH, &err));
    failed(s, STITCH_MISSING);
    field_run(s, 10 * NS_PER_S); /* what waited for space must not come back */
    assert_true(farm_batch_resume(s->f, BATCH, &err));
    field_forget(s);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 1);
    struct attempt_key again = field_assigned(s, w);
    field_publish(s, w, &again);
    assert_int_equal(field_state(s, BATCH), BATCH_DONE);
    field_end(s);
}

static void a_missing_segment_of_a_canceled_batch_cancels_its_clip(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_a_stored_clip(&w, &key);
    struct error err = {0};
    assert_true(farm_batch_cancel(s->f, BATCH, s->now_ns, &err));
    failed(s, STITCH_MISSING);
    assert_int_equal(clip(s), CLIP_CANCELED);
    assert_true(farm_is_idle(s->f));
    field_end(s);
}

static void news_of_unknown_clips_change_nothing(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct farm_video video = field_video();
    field_batch(s, BATCH, 1);
    stitched(s);
    renamed(s);
    failed(s, STITCH_MISSING);
    assert_int_equal(clip(s), CLIP_WAITING);
    farm_clip_stitched(s->f, "b000000009", 0, &video, s->now_ns);
    farm_clip_renamed(s->f, BATCH, 7, &video, s->now_ns);
    field_check(s);
    field_end(s);
}

static void what_stitching_will_need_is_counted_in(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    const uint64_t gib = UINT64_C(1) << 30;
    struct field *s = with_a_stored_clip(&w, &key); /* 1,000 bytes wait for it */
    farm_disk(s->f, gib + 1000, 1000 * gib);
    assert_false(farm_disk_is_low(s->f));
    farm_disk(s->f, gib + 999, 1000 * gib);
    assert_true(farm_disk_is_low(s->f));
    farm_disk(s->f, 2 * gib + 1000, 1000 * gib);
    assert_true(farm_disk_is_low(s->f));
    farm_disk(s->f, 2 * gib + 1001, 1000 * gib);
    assert_false(farm_disk_is_low(s->f));
    stitched(s);
    renamed(s);
    farm_disk(s->f, gib, 1000 * gib);
    assert_false(farm_disk_is_low(s->f));
    assert_int_equal(field_events(s, "disk.low"), 1);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_is_committed_before_the_next),
        cmocka_unit_test(a_restart_asks_again_for_what_is_outstanding),
        cmocka_unit_test(neither_file_stands_and_it_is_stitched_again),
        cmocka_unit_test(without_space_it_waits_and_does_not_fail),
        cmocka_unit_test(three_failures_of_its_child_fail_it),
        cmocka_unit_test(other_segments_are_not_doubted),
        cmocka_unit_test(two_deaths_fail_it_and_keep_its_segments),
        cmocka_unit_test(a_retry_counts_deaths_anew),
        cmocka_unit_test(late_news_of_a_failed_clip_changes_nothing),
        cmocka_unit_test(a_missing_segment_reopens_its_task),
        cmocka_unit_test(a_segment_may_go_missing_while_space_is_waited_for),
        cmocka_unit_test(a_missing_segment_of_a_canceled_batch_cancels_its_clip),
        cmocka_unit_test(news_of_unknown_clips_change_nothing),
        cmocka_unit_test(what_stitching_will_need_is_counted_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A clip of four tasks at a real coordinator: what each is told to go on from, which results are
 * taken, and what becomes of a clip whose stored parts are damaged. */
#include "wire/plan_peer.h"

/* ---- tests ---- */

static void each_task_goes_on_from_the_one_before(void **state)
{
    (void)state;
    struct labour w = take_task(0);
    assert_int_equal(w.input_count, 0);
    deliver(&w);
    for (uint32_t i = 1; i < TASKS; i++) {
        w = take_task(i);
        assert_int_equal(w.input_count, 1);
        expect_input(&w, 0, i - 1, "latents", &cast.made[i - 1].latents);
        fetch(&cast.worker, &w.inputs[0].sha256, &cast.made[i - 1].latents);
        deliver(&w);
    }
    await_published();
}

static void a_clip_tells_its_parts(void **state)
{
    (void)state;
    struct labour w = take_task(0);
    struct message *m = clip_parts();
    assert_int_equal(m->envelope->clip_parts->n_segments, 0);
    assert_int_equal(m->envelope->clip_parts->clip->tasks, TASKS);
    message_free(m);
    deliver(&w);
    w = take_task(1);
    m = clip_parts();
    assert_int_equal(m->envelope->clip_parts->n_segments, 1);
    assert_int_equal(m->envelope->clip_parts->clip->tasks_done, 1);
    assert_int_equal(m->envelope->clip_parts->latents.len, 0); /* those of the last are wanted */
    message_free(m);
    deliver(&w);
    deliver_tasks(2, TASKS);
    await_published();
    m = clip_parts();
    const Farm__ClipParts *parts = m->envelope->clip_parts;
    assert_int_equal(parts->n_segments, TASKS);
    for (uint32_t i = 0; i < TASKS; i++) {
        struct digest sha256;
        assert_int_equal(parts->segments[i]->task, i);
        assert_int_equal(parts->segments[i]->first, cast.made[i].first);
        assert_int_equal(parts->segments[i]->frames, cast.made[i].frames);
        assert_true(codec_digest_get(&parts->segments[i]->sha256, &sha256));
        fetch(&cast.admin, &sha256, &cast.made[i].segment);
    }
    struct digest last;
    assert_true(codec_digest_get(&parts->latents, &last));
    assert_int_equal(parts->latents_first, FRAMES - 8);
    assert_int_equal(parts->latents_frames, 8);
    fetch(&cast.admin, &last, &cast.made[TASKS - 1].latents);
    message_free(m);
}

/* What was handed over between the windows is of no use any more. */
static void what_nobody_needs_is_gone_after_publishing(void **state)
{
    (void)state;
    deliver_tasks(0, TASKS);
    await_published();
    for (uint32_t i = 0; i < TASKS; i++) {
        char *segment = artifact_path(&cast.made[i].segment);
        char *latents = artifact_path(&cast.made[i].latents);
        assert_true(path_exists(segment));
        assert_int_equal(path_exists(latents), i + 1 == TASKS);
        free(segment);
        free(latents);
    }
}

static void stored_parts_are_inputs_without_being_sent(void **state)
{
    (void)state;
    char kind[] = "latents", none[] = "", wrong[] = "sound";
    deliver_tasks(0, TASKS);
    await_published();
    const struct buf *latents = &cast.made[TASKS - 1].latents;
    struct digest sha256 = digest_of(latents->data, latents->size);
    Farm__InputOpen open = FARM__INPUT_OPEN__INIT;
    open.sha256 = codec_digest(&sha256);
    open.size_bytes = latents->size;
    open.kind = kind;
    PEER_SAY(&cast.admin, INPUT_OPEN, input_open, &open);
    struct message *m = peer_expect(&cast.admin, FARM__ENVELOPE__BODY_INPUT_STORED);
    assert_true(m->envelope->input_stored->existed);
    assert_int_equal(m->envelope->input_stored->frames, 8);
    message_free(m);
    const struct buf *segment = &cast.made[1].segment;
    sha256 = digest_of(segment->data, segment->size);
    open.size_bytes = segment->size;
    open.kind = none;
    PEER_SAY(&cast.admin, INPUT_OPEN, input_open, &open);
    m = peer_expect(&cast.admin, FARM__ENVELOPE__BODY_INPUT_STORED);
    assert_true(m->envelope->input_stored->existed);
    assert_int_equal(m->envelope->input_stored->frames, 6);
    assert_int_equal(m->envelope->input_stored->width, SIDE);
    message_free(m);
    open.kind = wrong;
    PEER_SAY(&cast.admin, INPUT_OPEN, input_open, &open);
    peer_expect_problem(&cast.admin, "invalid");
}

static void results_of_another_form_are_no_match(void **state)
{
    (void)state;
    struct labour w = take_task(0);
    const struct made *own = &cast.made[0];
    assert_int_equal(deliver_as(&w, &own->segment, own, NULL), FARM__DROP_REASON__DROP_MISMATCH);
    w = take_task(0);
    /* frames of the last window, all six of them */
    assert_int_equal(deliver_as(&w, &own->segment, &cast.made[3], &own->latents),
                     FARM__DROP_REASON__DROP_MISMATCH);
}

/* They would not be looked at by a child that has little memory. */
static void latents_that_are_too_large_are_no_match(void **state)
{
    (void)state;
    struct labour w = take_task(0);
    const struct made *own = &cast.made[0];
    cast.lie_bytes = (uint64_t)LIMIT_LATENTS_BYTES + 1;
    offer(&w, &own->segment, own, &own->latents);
    cast.lie_bytes = 0;
    struct message *m = peer_expect(&cast.worker, FARM__ENVELOPE__BODY_DROPPED);
    assert_int_equal(m->envelope->dropped->reason, FARM__DROP_REASON__DROP_MISMATCH);
    message_free(m);
    w = take_task(0);
    deliver(&w);
}

static void a_segment_of_another_place_is_refused(void **state)
{
    (void)state;
    deliver_tasks(0, 1);
    struct labour w = take_task(1);
    const struct made *other = &cast.made[2]; /* as long, as sound, of the same clip */
    assert_int_equal(deliver_as(&w, &other->segment, other, &cast.made[1].latents),
                     FARM__DROP_REASON__DROP_REJECTED);
    w = take_task(1);
    deliver(&w);
}

static void latents_of_another_task_are_refused(void **state)
{
    (void)state;
    deliver_tasks(0, 1);
    struct labour w = take_task(1);
    assert_int_equal(deliver_as(&w, &cast.made[1].segment, &cast.made[1], &cast.made[2].latents),
                     FARM__DROP_REASON__DROP_REJECTED);
    w = take_task(1);
    deliver(&w);
}

/* ---- damage ---- */

/* The stitcher finds it; of four tasks one is rendered again. */
static void a_damaged_segment_alone_is_made_again(void **state)
{
    (void)state;
    deliver_tasks(0, 2);
    struct labour w = take_task(2);
    damage(&cast.made[1].segment);
    deliver(&w);
    deliver_tasks(3, TASKS);
    w = take_task(1);
    assert_int_equal(w.input_count, 1);
    expect_input(&w, 0, 0, "latents", &cast.made[0].latents);
    struct message *m = clip_parts();
    assert_int_equal(m->envelope->clip_parts->clip->tasks_done, TASKS - 1);
    message_free(m);
    deliver(&w);
    await_published();
}

static void missing_segments_are_made_again(void **state)
{
    (void)state;
    deliver_tasks(0, 2);
    struct labour w = take_task(2);
    lose(&cast.made[1].segment);
    lose(&cast.made[0].segment);
    deliver(&w);
    deliver_tasks(3, TASKS);
    for (int i = 0; i < 2; i++) { /* in whichever order; their latents are still there */
        w = take();
        assert_true(w.task < 2);
        deliver(&w);
    }
    await_published();
}

/* No Assign leaves with a hole: first what is missing is made again. */
static void a_task_waits_for_what_it_goes_on_from(void **state)
{
    (void)state;
    deliver_tasks(0, 1);
    (void)take_task(1);
    lose(&cast.made[0].latents);
    restart();
    deliver_tasks(0, TASKS);
    await_published();
}

static void hand_back(const struct labour *w)
{
    char why[] = "what the coordinator sent is not this input";
    Farm__Attempt attempt = attempt_of(w);
    Farm__HandedBack m = FARM__HANDED_BACK__INIT;
    m.attempt = &attempt;
    m.reason = FARM__HAND_BACK_REASON__HAND_BACK_RECALLED;
    m.message = why;
    PEER_SAY(&cast.worker, HANDED_BACK, handed_back, &m);
}

/* Their size is right, so the Assign leaves; the worker sees that they are not what was stored. */
static void damaged_latents_are_made_again(void **state)
{
    (void)state;
    deliver_tasks(0, 1);
    struct labour w = take_task(1);
    damage(&cast.made[0].latents);
    hand_back(&w);
    deliver_tasks(0, 1);
    deliver_tasks(1, TASKS);
    await_published();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FARM_TEST(each_task_goes_on_from_the_one_before),
        FARM_TEST(a_clip_tells_its_parts),
        FARM_TEST(what_nobody_needs_is_gone_after_publishing),
        FARM_TEST(stored_parts_are_inputs_without_being_sent),
        FARM_TEST(results_of_another_form_are_no_match),
        FARM_TEST(a_segment_of_another_place_is_refused),
        FARM_TEST(latents_that_are_too_large_are_no_match),
        FARM_TEST(latents_of_another_task_are_refused),
        FARM_TEST(a_damaged_segment_alone_is_made_again),
        FARM_TEST(missing_segments_are_made_again),
        FARM_TEST(a_task_waits_for_what_it_goes_on_from),
        FARM_TEST(damaged_latents_are_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, free_made);
}

/* Results on their way in: T2, credit, digests, verdicts (M1). */
#include "field.h"

#define BATCH "b000000001"
#define MIB UINT64_C(1048576)

static struct field *with_one_running(struct hand **w, struct attempt_key *key)
{
    struct field *s = field_new();
    *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    *key = field_assigned(s, *w);
    field_forget(s);
    return s;
}

static enum drop_reason dropped(const struct field *s)
{
    return field_last(s, EFFECT_DROPPED)->e.message.drop;
}

/* ---- the straight way ---- */

static void a_result_becomes_a_video(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct batch_info info;
    struct field *s = with_one_running(&w, &key);
    field_publish(s, w, &key);
    assert_int_equal(field_count(s, EFFECT_VERIFY), 1);
    assert_int_equal(field_count(s, EFFECT_SAVE_OUTPUT), 1);
    assert_int_equal(field_count(s, EFFECT_STORED), 1);
    assert_int_equal(field_count(s, EFFECT_STITCH), 1);
    assert_int_equal(field_count(s, EFFECT_RENAME), 1);
    assert_int_equal(field_count(s, EFFECT_DROP_OUTPUTS), 1);
    assert_int_equal(field_events(s, "clip.published"), 1);
    assert_int_equal(field_events(s, "batch.done"), 1);
    assert_true(farm_batch_info(s->f, BATCH, &info));
    assert_int_equal(info.state, BATCH_DONE);
    assert_int_equal(info.steps_computed, 10);
    assert_int_equal(info.steps_wasted, 0);
    assert_true(farm_is_idle(s->f));
    field_end(s);
}

static void the_slot_is_free_from_the_offer_on(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 3);
    field_turn(s);
    struct attempt_key key = {.task = {.batch = BATCH, .clip = 0, .task = 0}, .fence = 1};
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 2); /* runs and is prefetched */
    field_offer(s, w, &key, 10);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 3);
    field_end(s);
}

/* ---- Stored again, Dropped ---- */

static void offer_with_row(struct field *s, const struct hand *w, const struct attempt_key *key)
{
    struct farm_offer offer = field_offer_of(key, 1000);
    struct ledger_task *t = ledger_task(&s->store, &key->task);
    struct task_record row;
    if (farm_offer_wants_row(s->f, &key->task) && t != NULL) {
        row = ledger_task_row(t);
        offer.row = &row;
    }
    farm_offer(s->f, w->session, &offer, s->now_ns);
    field_check(s);
    field_turn(s);
}

static void the_winner_gets_stored_again_at_every_stage(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct farm_video video = field_video();
    struct field *s = with_one_running(&w, &key);
    field_store(s, w, &key);
    offer_with_row(s, w, &key);
    assert_int_equal(field_count(s, EFFECT_STORED), 2);
    farm_clip_stitched(s->f, BATCH, 0, &video, s->now_ns);
    offer_with_row(s, w, &key);
    assert_int_equal(field_count(s, EFFECT_STORED), 3);
    farm_clip_renamed(s->f, BATCH, 0, &video, s->now_ns);
    field_turn(s);
    assert_true(farm_offer_wants_row(s->f, &key.task));
    offer_with_row(s, w, &key);
    assert_int_equal(field_count(s, EFFECT_STORED), 4);
    field_restart(s);
    field_hello(s, w, NULL, 0);
    offer_with_row(s, w, &key);
    assert_int_equal(field_count(s, EFFECT_STORED), 1);
    assert_int_equal(field_count(s, EFFECT_DROPPED), 0);
    field_end(s);
}

static void the_winner_gets_stored_again_when_stitching_failed(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_store(s, w, &key);
    farm_stitch_failed(s->f, BATCH, 0, STITCH_DIED, NULL, 0, "crash", s->now_ns);
    farm_stitch_failed(s->f, BATCH, 0, STITCH_DIED, NULL, 0, "crash", s->now_ns);
    field_turn(s);
    assert_int_equal(field_state(s, BATCH), BATCH_FAILED);
    offer_with_row(s, w, &key);
    assert_int_equal(field_count(s, EFFECT_STORED), 2);
    field_end(s);
}

static void a_late_result_for_a_finished_task_is_dropped_and_counted(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct farm_totals totals;
    struct field *s = with_one_running(&w, &key);
    struct hand *late = field_worker(s, "w2", 1);
    field_publish(s, w, &key);
    offer_with_row(s, late, &key); /* never its own */
    assert_int_equal(dropped(s), DROP_DONE);
    key.fence++;
    offer_with_row(s, w, &key);
    assert_int_equal(dropped(s), DROP_DONE);
    farm_totals(s->f, &totals);
    assert_int_equal(totals.offers_dropped, 2);
    field_end(s);
}

static void unknown_addresses_are_dropped(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key, other;
    struct field *s = with_one_running(&w, &key);
    other = key;
    other.task.clip = 1; /* the batch has one */
    field_offer(s, w, &other, 10);
    assert_int_equal(dropped(s), DROP_UNKNOWN);
    other = key;
    other.task.task = 1;
    field_offer(s, w, &other, 10);
    assert_int_equal(dropped(s), DROP_UNKNOWN);
    other = key;
    other.task.batch[9] = '9';
    field_offer(s, w, &other, 10);
    assert_int_equal(dropped(s), DROP_UNKNOWN);
    assert_int_equal(field_count(s, EFFECT_DROPPED), 3);
    assert_int_equal(field_count(s, EFFECT_CREDIT), 0);
    field_end(s);
}

static void outputs_are_one_to_four(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    struct farm_offer offer = field_offer_of(&key, 10);
    offer.output_count = 0;
    farm_offer(s->f, w->session, &offer, s->now_ns);
    offer.output_count = LIMIT_OUTPUTS + 1;
    farm_offer(s->f, w->session, &offer, s->now_ns);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_DROPPED), 2);
    offer.output_count = LIMIT_OUTPUTS;
    for (int i = 0; i < LIMIT_OUTPUTS; i++)
        offer.outputs[i].size_bytes = 10;
    farm_offer(s->f, w->session, &offer, s->now_ns);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_DROPPED), 2);
    assert_int_equal(field_count(s, EFFECT_CREDIT), 1);
    field_end(s);
}

static void results_of_canceled_work_are_dropped(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct error err = {0};
    struct field *s = with_one_running(&w, &key);
    assert_true(farm_batch_cancel(s->f, BATCH, s->now_ns, &err));
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_CANCEL), 1);
    offer_with_row(s, w, &key);
    assert_int_equal(dropped(s), DROP_CANCELED);
    field_end(s);
}

static void a_result_on_offer_is_dropped_by_a_cancel(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct error err = {0};
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10 * MIB);
    assert_true(farm_batch_cancel(s->f, BATCH, s->now_ns, &err));
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_CANCEL), 0);
    assert_int_equal(dropped(s), DROP_CANCELED);
    assert_int_equal(field_count(s, EFFECT_DISCARD_UPLOAD), 1);
    assert_true(farm_credit_borrow(s->f, CREDIT_POOL_BYTES) == CREDIT_POOL_BYTES);
    field_end(s);
}

/* Its bytes may lie here since before the start, and nobody else would ever remove them: 8 GiB a
 * try. */
static void what_came_before_a_restart_goes_with_its_attempt(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10 * MIB);
    field_restart(s);
    assert_int_equal(field_count(s, EFFECT_DISCARD_UPLOAD), 0);
    field_silence(s, 60 * NS_PER_S); /* it does not come back */
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    assert_int_equal(field_count(s, EFFECT_DISCARD_UPLOAD), 1);
    const struct effect_job *job = &field_last(s, EFFECT_DISCARD_UPLOAD)->e.job;
    assert_int_equal(job->worker_fence, key.fence);
    assert_string_equal(job->task.batch, BATCH);
    assert_string_equal(field_last(s, EFFECT_DISCARD_UPLOAD)->worker, w->name);
    field_end(s);
}

/* One that was begun in this run has sent nothing unless it offered something. */
static void an_attempt_without_bytes_leaves_nothing(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_fails(s, w, &key, END_RECIPE);
    assert_int_equal(field_count(s, EFFECT_DISCARD_UPLOAD), 0);
    field_end(s);
}

static void results_of_failed_work_are_fenced_off(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_fails(s, w, &key, END_RECIPE);
    offer_with_row(s, w, &key);
    assert_int_equal(dropped(s), DROP_FENCED);
    field_end(s);
}

static void a_result_that_is_not_the_tasks_is_rejected(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    struct farm_offer offer = field_offer_of(&key, 10);
    offer.matches = false;
    farm_offer(s->f, w->session, &offer, s->now_ns);
    field_turn(s);
    assert_int_equal(dropped(s), DROP_MISMATCH);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_REJECTED);
    farm_offer(s->f, w->session, &offer, s->now_ns); /* nor is it adopted */
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_DROPPED), 2);
    field_end(s);
}

/* ---- adoption ---- */

/* Its session was lost for too long; it comes back with a result. */
static struct field *with_a_lost_result(struct hand **w, struct attempt_key *key)
{
    struct field *s = with_one_running(w, key);
    field_silence(s, 26 * NS_PER_S);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    struct farm_held held = {.attempt = *key, .phase = PHASE_UPLOADING};
    field_forget(s);
    field_hello(s, *w, &held, 1);
    assert_int_equal(field_count(s, EFFECT_CANCEL), 0);
    return s;
}

static void a_result_of_an_ended_attempt_is_adopted(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_a_lost_result(&w, &key);
    assert_false(farm_has_upload(s->f, w->name, &key));
    field_offer(s, w, &key, 1000);
    assert_true(farm_has_upload(s->f, w->name, &key));
    const struct attempt_record *row = &field_last(s, EFFECT_SAVE_ATTEMPT)->e.attempt;
    assert_true(row->fence > key.fence);
    assert_int_equal(row->worker_fence, key.fence);
    field_publish(s, w, &key);
    assert_false(farm_has_upload(s->f, w->name, &key));
    assert_int_equal(field_state(s, BATCH), BATCH_DONE);
    assert_int_equal(field_last(s, EFFECT_STORED)->e.message.attempt.fence, key.fence);
    offer_with_row(s, w, &key);
    assert_int_equal(field_count(s, EFFECT_STORED), 2);
    field_end(s);
}

static void an_adopted_result_beats_a_running_attempt(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_silence(s, 26 * NS_PER_S);
    struct hand *other = field_worker(s, "w2", 1);
    field_run(s, 5 * NS_PER_S);
    struct attempt_key running = field_assigned(s, other);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    field_forget(s);
    field_store(s, w, &key);
    const struct note *cancel = field_last(s, EFFECT_CANCEL);
    assert_string_equal(cancel->worker, "w2");
    assert_int_equal(cancel->e.message.attempt.fence, running.fence);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 2);
    offer_with_row(s, other, &running);
    assert_int_equal(dropped(s), DROP_DONE);
    field_end(s);
}

/* It may know the recipe of every clip of the batch. */
static void what_was_never_given_to_a_worker_is_not_taken_from_it(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    struct hand *other = field_worker(s, "other", 1);
    struct attempt_key never = key;
    never.fence += 1000;
    field_forget(s);
    field_offer(s, w, &never, 10);
    assert_int_equal(dropped(s), DROP_FENCED);
    field_offer(s, other, &key, 10); /* somebody else has it */
    assert_int_equal(field_count(s, EFFECT_DROPPED), 2);
    never.task.clip = 0; /* not begun by anybody */
    never.fence = 1;
    field_batch(s, "b000000002", 1);
    memcpy(never.task.batch, "b000000002", ID_BATCH_SIZE);
    field_offer(s, other, &never, 10);
    assert_int_equal(field_count(s, EFFECT_DROPPED), 3);
    assert_int_equal(field_events(s, "clip.published"), 0);
    field_end(s);
}

static void a_fence_of_a_later_generation_is_not_ours(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    struct attempt_key other = key;
    other.fence = UINT64_C(1) << 48;
    field_offer(s, w, &other, 10);
    assert_int_equal(dropped(s), DROP_FENCED);
    other.fence = UINT64_C(0x80000000); /* more than any counter reaches */
    field_offer(s, w, &other, 10);
    assert_int_equal(dropped(s), DROP_FENCED);
    other.fence = UINT64_C(0x7fffffff);
    field_offer(s, w, &other, 10); /* ours, but nobody was given it */
    assert_int_equal(field_count(s, EFFECT_DROPPED), 3);
    field_end(s);
}

/* A restored database knows nothing of leases that came after its backup, and says so by its
 * generation. */
static void a_result_from_before_a_restore_is_adopted(void **state)
{
    (void)state;
    struct field *s = field_new();
    s->config.generation = 1;
    field_restart(s);
    struct hand *w = field_hand(s, "w1", 1);
    struct attempt_key key = {.task = {.batch = BATCH, .clip = 2, .task = 0}, .fence = 3};
    field_batch(s, BATCH, 4);
    field_hello(s, w, NULL, 0);
    field_offer(s, w, &key, 10);
    assert_int_equal(farm_clip_state(s->f, BATCH, 2), CLIP_LEASED);
    field_publish(s, w, &key);
    assert_int_equal(farm_clip_state(s->f, BATCH, 2), CLIP_PUBLISHED);
    field_end(s);
}

static void who_offers_and_never_sends_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    struct attempt_key old = key;
    field_hand_back(s, w, &key, HAND_BACK_MODEL); /* it takes no such work, but offers it */
    for (int i = 0; i < 10; i++) {
        field_offer(s, w, &old, 10);
        field_run(s, CREDIT_IDLE_NS);
        assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    }
    size_t saved = field_count(s, EFFECT_SAVE_ATTEMPT);
    field_offer(s, w, &old, 10);
    assert_int_equal(dropped(s), DROP_FENCED);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), saved);
    field_end(s);
}

/* ---- credit ---- */

static void a_window_is_two_mebibytes(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    uint64_t from, end;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 5 * MIB);
    const struct effect_message *m = &field_last(s, EFFECT_CREDIT)->e.message;
    assert_int_equal(m->offset, 0);
    assert_int_equal(m->size_bytes, CREDIT_WINDOW_BYTES);
    assert_true(farm_upload_window(s->f, w->session, &key, 0, &from, &end));
    assert_int_equal(end, CREDIT_WINDOW_BYTES);
    assert_false(farm_upload_window(s->f, w->session, &key, 1, &from, &end));
    assert_false(farm_received(s->f, w->session, &key, 0, end + 1, s->now_ns));
    assert_false(farm_received(s->f, w->session, &key, 0, 0, s->now_ns));
    assert_false(farm_received(s->f, w->session, &key, 1, 5, s->now_ns));
    assert_true(farm_received(s->f, w->session, &key, 0, end, s->now_ns));
    assert_false(farm_received(s->f, w->session, &key, 0, end, s->now_ns)); /* doubled */
    field_turn(s);
    assert_int_equal(field_last(s, EFFECT_CREDIT)->e.message.offset, CREDIT_WINDOW_BYTES);
    field_end(s);
}

static void outputs_come_in_order(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    struct farm_offer offer = field_offer_of(&key, 100);
    offer.output_count = 3;
    offer.outputs[1].size_bytes = 0;
    offer.outputs[2].size_bytes = 50;
    offer.received[0] = 40; /* stood there already */
    farm_offer(s->f, w->session, &offer, s->now_ns);
    field_turn(s);
    const struct effect_message *m = &field_last(s, EFFECT_CREDIT)->e.message;
    assert_int_equal(m->output, 0);
    assert_int_equal(m->offset, 40);
    assert_int_equal(m->size_bytes, 60);
    assert_true(farm_received(s->f, w->session, &key, 0, 100, s->now_ns));
    field_turn(s);
    m = &field_last(s, EFFECT_CREDIT)->e.message;
    assert_int_equal(m->output, 2);
    assert_true(farm_received(s->f, w->session, &key, 2, 50, s->now_ns));
    farm_uploaded(s->f, w->name, &key, true, s->now_ns);
    field_turn(s);
    assert_int_equal(field_last(s, EFFECT_VERIFY)->e.job.output_count, 3);
    field_verdict(s, w, &key, VERDICT_SOUND);
    assert_int_equal(field_count(s, EFFECT_SAVE_OUTPUT), 3);
    field_end(s);
}

static void the_pool_goes_to_the_oldest_offer_first(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 9);
    field_batch(s, BATCH, 9);
    field_turn(s);
    for (uint32_t clip = 0; clip < 9; clip++) {
        struct attempt_key key = {.task = {.batch = BATCH, .clip = clip}, .fence = 1};
        field_offer(s, w, &key, 100 * MIB);
    }
    assert_int_equal(field_count(s, EFFECT_CREDIT), 8);
    assert_int_equal(farm_credit_borrow(s->f, 1), 0);
    struct attempt_key first = {.task = {.batch = BATCH}, .fence = 1};
    assert_true(farm_received(s->f, w->session, &first, 0, 1, s->now_ns));
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_CREDIT), 9);
    assert_int_equal(field_last(s, EFFECT_CREDIT)->e.message.attempt.task.clip, 0);
    field_end(s);
}

static void no_credit_flows_while_the_disk_is_low(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    farm_disk(s->f, 0, UINT64_C(1) << 40);
    field_offer(s, w, &key, 10);
    assert_int_equal(field_count(s, EFFECT_CREDIT), 0);
    farm_disk(s->f, UINT64_C(1) << 39, UINT64_C(1) << 40);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_CREDIT), 1);
    field_end(s);
}

static void a_replaced_session_pauses_the_upload(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    uint64_t from, end;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10 * MIB);
    assert_true(farm_received(s->f, w->session, &key, 0, MIB, s->now_ns));
    struct farm_held held = {.attempt = key, .phase = PHASE_UPLOADING};
    field_hello(s, w, &held, 1);
    field_turn(s);
    assert_false(farm_upload_window(s->f, w->session, &key, 0, &from, &end));
    assert_true(farm_credit_borrow(s->f, CREDIT_POOL_BYTES) == CREDIT_POOL_BYTES);
    farm_credit_return(s->f, CREDIT_POOL_BYTES);
    struct farm_offer offer = field_offer_of(&key, 10 * MIB);
    offer.received[0] = MIB;
    farm_offer(s->f, w->session, &offer, s->now_ns);
    field_turn(s);
    assert_true(farm_upload_window(s->f, w->session, &key, 0, &from, &end));
    assert_int_equal(from, MIB);
    assert_int_equal(end, MIB + CREDIT_WINDOW_BYTES);
    field_end(s);
}

static void an_upload_that_is_never_offered_again_is_lost(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10 * MIB);
    struct farm_held held = {.attempt = key, .phase = PHASE_UPLOADING};
    field_hello(s, w, &held, 1);
    field_run(s, CREDIT_IDLE_NS - 5 * NS_PER_S - 1); /* a new session takes five seconds */
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_run(s, 1);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    field_end(s);
}

/* ---- digests and verdicts ---- */

static void wrong_bytes_are_asked_for_once_more(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10);
    assert_true(farm_received(s->f, w->session, &key, 0, 10, s->now_ns));
    farm_uploaded(s->f, w->name, &key, false, s->now_ns);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_CREDIT), 2);
    assert_int_equal(field_last(s, EFFECT_CREDIT)->e.message.offset, 0);
    assert_true(farm_received(s->f, w->session, &key, 0, 10, s->now_ns));
    farm_uploaded(s->f, w->name, &key, false, s->now_ns);
    field_turn(s);
    assert_int_equal(dropped(s), DROP_REJECTED);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_REJECTED);
    assert_int_equal(field_count(s, EFFECT_VERIFY), 0);
    field_end(s);
}

static void a_result_on_offer_is_neither_failed_nor_handed_back(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10);
    field_hand_back(s, w, &key, HAND_BACK_UNKNOWN); /* late words */
    field_fails(s, w, &key, END_FAILED);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_upload(s, w, &key);
    field_verdict(s, w, &key, VERDICT_SOUND);
    assert_int_equal(farm_clip_state(s->f, BATCH, 0), CLIP_STITCHING);
    field_end(s);
}

static void what_is_checked_is_not_checked_twice(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10);
    field_upload(s, w, &key);
    field_offer(s, w, &key, 10);
    farm_uploaded(s->f, w->name, &key, true, s->now_ns);
    farm_uploaded(s->f, w->name, &key, false, s->now_ns);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_VERIFY), 1);
    field_verdict(s, w, &key, VERDICT_SOUND);
    assert_int_equal(farm_clip_state(s->f, BATCH, 0), CLIP_STITCHING);
    field_end(s);
}

/* Its last byte has come: what it says then changes nothing, and the verdict finds its way. */
static void what_is_offered_after_the_last_byte_comes_too_late(void **state)
{
    (void)state;
    for (int checking = 0; checking < 2; checking++) {
        struct hand *w;
        struct attempt_key key;
        struct field *s = with_one_running(&w, &key);
        struct farm_offer offer = field_offer_of(&key, 1000), other = offer;
        other.outputs[0].sha256.bytes[1]++;
        farm_offer(s->f, w->session, &offer, s->now_ns);
        field_turn(s);
        assert_false(farm_offer_differs(s->f, w->name, &other));
        assert_true(farm_received(s->f, w->session, &key, 0, 1000, s->now_ns));
        if (checking) farm_uploaded(s->f, w->name, &key, true, s->now_ns);
        assert_false(farm_offer_differs(s->f, w->name, &offer));
        assert_true(farm_offer_differs(s->f, w->name, &other));
        field_turn(s);
        field_forget(s);
        farm_offer(s->f, w->session, &other, s->now_ns);
        field_turn(s);
        assert_int_equal(field_count(s, EFFECT_CREDIT), 0);
        assert_int_equal(field_count(s, EFFECT_DISCARD_UPLOAD), 0);
        if (!checking) farm_uploaded(s->f, w->name, &key, true, s->now_ns);
        field_verdict(s, w, &key, VERDICT_SOUND);
        assert_int_equal(field_count(s, EFFECT_STORED), 1);
        assert_memory_equal(&field_last(s, EFFECT_SAVE_OUTPUT)->e.output.output.sha256,
                            &offer.outputs[0].sha256, sizeof(struct digest));
        field_end(s);
    }
}

/* ... unless it is not of the task at all: that is rejected whenever it comes. */
static void a_late_offer_of_something_else_than_the_task_is_rejected(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    struct farm_offer other = field_offer_of(&key, 10);
    field_offer(s, w, &key, 1000);
    field_upload(s, w, &key);
    other.matches = false;
    farm_offer(s->f, w->session, &other, s->now_ns);
    field_turn(s);
    assert_int_equal(dropped(s), DROP_MISMATCH);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_REJECTED);
    assert_int_equal(field_count(s, EFFECT_DISCARD_UPLOAD), 1);
    field_end(s);
}

static void wrong_bytes_of_a_worker_that_left_are_lost(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10);
    assert_true(farm_received(s->f, w->session, &key, 0, 10, s->now_ns));
    farm_leaving(s->f, w->session, "bye", true, s->now_ns);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0); /* it is all here */
    farm_uploaded(s->f, w->name, &key, false, s->now_ns);
    field_turn(s);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    field_end(s);
}

/* As often as it takes, and nobody is to blame. */
static void what_the_disk_did_not_keep_comes_again(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10);
    for (size_t i = 1; i <= 5; i++) {
        assert_true(farm_received(s->f, w->session, &key, 0, 10, s->now_ns));
        farm_upload_lost(s->f, w->name, &key, s->now_ns);
        field_check(s);
        field_turn(s);
        assert_int_equal(field_count(s, EFFECT_CREDIT), i); /* its file is busy until ... */
        field_run(s, 2 * NS_PER_S);
        field_offer(s, w, &key, 10); /* ... the shell says what of it stands */
        assert_int_equal(field_count(s, EFFECT_CREDIT), i + 1);
        assert_int_equal(field_last(s, EFFECT_CREDIT)->e.message.offset, 0);
    }
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_upload(s, w, &key);
    field_verdict(s, w, &key, VERDICT_SOUND);
    assert_int_equal(farm_clip_state(s->f, BATCH, 0), CLIP_STITCHING);
    field_end(s);
}

static void what_the_disk_did_not_keep_of_a_worker_that_left_is_lost(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10);
    assert_true(farm_received(s->f, w->session, &key, 0, 10, s->now_ns));
    farm_leaving(s->f, w->session, "bye", true, s->now_ns);
    farm_upload_lost(s->f, w->name, &key, s->now_ns);
    field_turn(s);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    field_end(s);
}

static void a_verdict_counts_after_its_worker_left(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10);
    field_upload(s, w, &key);
    farm_leaving(s->f, w->session, "bye", true, s->now_ns);
    field_turn(s);
    field_verdict(s, w, &key, VERDICT_SOUND);
    assert_int_equal(farm_clip_state(s->f, BATCH, 0), CLIP_STITCHING);
    assert_int_equal(field_count(s, EFFECT_STORED), 0); /* said when it offers again */
    field_end(s);
}

static void two_deaths_on_one_artifact_reject_it(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10);
    field_upload(s, w, &key);
    field_verdict(s, w, &key, VERDICT_CHILD_DIED);
    assert_int_equal(field_count(s, EFFECT_VERIFY), 2);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_verdict(s, w, &key, VERDICT_CHILD_DIED);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_REJECTED);
    field_end(s);
}

static void a_deferred_verdict_is_asked_for_in_five_seconds(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10);
    field_upload(s, w, &key);
    for (size_t i = 1; i <= 5; i++) {
        field_verdict(s, w, &key, VERDICT_DEFERRED);
        field_verdict(s, w, &key, VERDICT_SOUND); /* of nothing that was asked */
        field_run(s, 5 * NS_PER_S - 1);
        assert_int_equal(field_count(s, EFFECT_VERIFY), i);
        field_run(s, 1);
        assert_int_equal(field_count(s, EFFECT_VERIFY), i + 1);
    }
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_verdict(s, w, &key, VERDICT_SOUND);
    assert_int_equal(farm_clip_state(s->f, BATCH, 0), CLIP_STITCHING);
    field_end(s);
}

static void a_child_that_fails_three_times_rejects_it(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10);
    field_upload(s, w, &key);
    for (size_t i = 1; i <= 2; i++) {
        field_verdict(s, w, &key, VERDICT_CHILD_FAILED);
        field_verdict(s, w, &key, VERDICT_SOUND); /* of nothing that was asked */
        field_run(s, 5 * NS_PER_S);
        assert_int_equal(field_count(s, EFFECT_VERIFY), i + 1);
    }
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_verdict(s, w, &key, VERDICT_CHILD_FAILED);
    assert_int_equal(dropped(s), DROP_REJECTED);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_REJECTED);
    field_end(s);
}

static void a_disk_that_does_not_give_it_back_blames_nobody(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10);
    field_upload(s, w, &key);
    field_verdict(s, w, &key, VERDICT_UNREADABLE);
    field_run(s, 5 * NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_VERIFY), 2);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_forget(s);
    field_verdict(s, w, &key, VERDICT_UNREADABLE);
    assert_int_equal(dropped(s), DROP_FENCED);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_HANDED_BACK);
    assert_int_equal(field_count(s, EFFECT_DISCARD_UPLOAD), 1);
    struct attempt_key again = field_assigned(s, w); /* by anybody, itself too */
    assert_true(again.fence > key.fence);
    field_publish(s, w, &again);
    assert_int_equal(field_state(s, BATCH), BATCH_DONE);
    field_end(s);
}

static void a_verdict_that_nobody_asked_for_changes_nothing(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_verdict(s, w, &key, VERDICT_SOUND);
    field_offer(s, w, &key, 10);
    field_verdict(s, w, &key, VERDICT_SOUND);
    assert_int_equal(field_count(s, EFFECT_SAVE_OUTPUT), 0);
    assert_int_equal(farm_clip_state(s->f, BATCH, 0), CLIP_LEASED);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_becomes_a_video),
        cmocka_unit_test(the_slot_is_free_from_the_offer_on),
        cmocka_unit_test(the_winner_gets_stored_again_at_every_stage),
        cmocka_unit_test(the_winner_gets_stored_again_when_stitching_failed),
        cmocka_unit_test(a_late_result_for_a_finished_task_is_dropped_and_counted),
        cmocka_unit_test(unknown_addresses_are_dropped),
        cmocka_unit_test(outputs_are_one_to_four),
        cmocka_unit_test(results_of_canceled_work_are_dropped),
        cmocka_unit_test(a_result_on_offer_is_dropped_by_a_cancel),
        cmocka_unit_test(what_came_before_a_restart_goes_with_its_attempt),
        cmocka_unit_test(an_attempt_without_bytes_leaves_nothing),
        cmocka_unit_test(results_of_failed_work_are_fenced_off),
        cmocka_unit_test(a_result_that_is_not_the_tasks_is_rejected),
        cmocka_unit_test(a_result_of_an_ended_attempt_is_adopted),
        cmocka_unit_test(an_adopted_result_beats_a_running_attempt),
        cmocka_unit_test(what_was_never_given_to_a_worker_is_not_taken_from_it),
        cmocka_unit_test(a_fence_of_a_later_generation_is_not_ours),
        cmocka_unit_test(a_result_from_before_a_restore_is_adopted),
        cmocka_unit_test(who_offers_and_never_sends_is_not_waited_for_for_ever),
        cmocka_unit_test(a_window_is_two_mebibytes),
        cmocka_unit_test(outputs_come_in_order),
        cmocka_unit_test(the_pool_goes_to_the_oldest_offer_first),
        cmocka_unit_test(no_credit_flows_while_the_disk_is_low),
        cmocka_unit_test(a_replaced_session_pauses_the_upload),
        cmocka_unit_test(an_upload_that_is_never_offered_again_is_lost),
        cmocka_unit_test(wrong_bytes_are_asked_for_once_more),
        cmocka_unit_test(a_result_on_offer_is_neither_failed_nor_handed_back),
        cmocka_unit_test(what_is_checked_is_not_checked_twice),
        cmocka_unit_test(what_is_offered_after_the_last_byte_comes_too_late),
        cmocka_unit_test(a_late_offer_of_something_else_than_the_task_is_rejected),
        cmocka_unit_test(wrong_bytes_of_a_worker_that_left_are_lost),
        cmocka_unit_test(what_the_disk_did_not_keep_comes_again),
        cmocka_unit_test(what_the_disk_did_not_keep_of_a_worker_that_left_is_lost),
        cmocka_unit_test(a_verdict_counts_after_its_worker_left),
        cmocka_unit_test(two_deaths_on_one_artifact_reject_it),
        cmocka_unit_test(a_deferred_verdict_is_asked_for_in_five_seconds),
        cmocka_unit_test(a_child_that_fails_three_times_rejects_it),
        cmocka_unit_test(a_disk_that_does_not_give_it_back_blames_nobody),
        cmocka_unit_test(a_verdict_that_nobody_asked_for_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

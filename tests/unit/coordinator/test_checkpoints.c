/* Checkpoints (T6): which are let in, which one is kept, who goes on from it, and whose fault it
 * is.
 */
#include "reel.h"

static struct field *running(struct hand **w, struct attempt_key *key)
{
    struct field *s = field_new();
    *w = reel_worker(s, "w1", "f");
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    *key = reel_assigned(s, *w, 0, 0);
    field_forget(s);
    return s;
}

static void assert_seen(const struct field *s, uint32_t step, bool kept)
{
    const struct effect_message *m = &field_last(s, EFFECT_CHECKPOINT_SEEN)->e.message;
    assert_int_equal(m->step, step);
    assert_int_equal(m->kept, kept);
}

static uint32_t kept_step(const struct field *s)
{
    struct task_key key = reel_key(0, 0);
    struct task_record row;
    assert_true(farm_task_record(s->f, &key, &row));
    return row.checkpoint_step;
}

/* ---- on the way ---- */

static void one_is_credited_verified_and_kept(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = running(&w, &key);
    reel_checkpoint_arrives(s, w, &key, 4);
    const struct effect_message *credit = &field_last(s, EFFECT_CREDIT)->e.message;
    assert_int_equal(credit->output, CHECKPOINT_OUTPUT);
    assert_int_equal(credit->size_bytes, 500);
    const struct effect_job *job = &field_last(s, EFFECT_VERIFY_CHECKPOINT)->e.job;
    assert_int_equal(job->outputs[0].frames, 4);
    assert_int_equal(field_count(s, EFFECT_CHECKPOINT_SEEN), 0);
    reel_checkpoint_verdict(s, w, &key, VERDICT_SOUND);
    assert_seen(s, 4, true);
    assert_int_equal(field_last(s, EFFECT_SAVE_OUTPUT)->e.output.index, CHECKPOINT_OUTPUT);
    assert_int_equal(kept_step(s), 4);
    field_end(s);
}

static void a_later_one_takes_its_place(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = running(&w, &key);
    reel_checkpoint(s, w, &key, 4);
    assert_int_equal(field_count(s, EFFECT_DROP_CHECKPOINT), 0);
    reel_checkpoint(s, w, &key, 7);
    assert_int_equal(field_count(s, EFFECT_DROP_CHECKPOINT), 1);
    assert_int_equal(kept_step(s), 7);
    struct task_key task = reel_key(0, 0);
    assert_int_equal(ledger_uses(&s->store, &task), 1);
    field_end(s);
}

static void what_is_of_no_use_is_not_let_in(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = running(&w, &key);
    struct farm_checkpoint bad[7];
    reel_checkpoint(s, w, &key, 4);
    for (size_t i = 0; i < 7; i++)
        bad[i] = reel_checkpoint_of(w, &key, 6, 500);
    bad[0].matches = false;
    bad[1].step = 3;  /* fewer than are kept */
    bad[2].step = 11; /* more than the task has */
    bad[3].output.size_bytes = 0;
    bad[4].output.size_bytes = (uint64_t)LIMIT_LATENTS_BYTES + 1;
    bad[5].fingerprint = "g";
    bad[6].attempt.fence += 1;
    for (size_t i = 0; i < 7; i++) {
        field_forget(s);
        reel_send_checkpoint(s, w, &bad[i]);
        assert_seen(s, bad[i].step, false);
        assert_int_equal(field_count(s, EFFECT_CREDIT), 0);
    }
    field_end(s);
}

static void the_answer_that_was_lost_is_given_again(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = running(&w, &key);
    reel_checkpoint(s, w, &key, 4);
    field_forget(s);
    struct farm_checkpoint again = reel_checkpoint_of(w, &key, 4, 500);
    reel_send_checkpoint(s, w, &again);
    assert_seen(s, 4, true);
    field_end(s);
}

static void a_newer_one_takes_the_place_of_one_on_its_way(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = running(&w, &key);
    reel_checkpoint_arrives(s, w, &key, 4); /* its verdict is owed */
    struct farm_checkpoint newer = reel_checkpoint_of(w, &key, 6, 800);
    reel_send_checkpoint(s, w, &newer);
    reel_checkpoint_verdict(s, w, &key, VERDICT_SOUND); /* of the older one, late */
    assert_int_equal(kept_step(s), 0);
    assert_true(farm_received(s->f, w->session, &key, CHECKPOINT_OUTPUT, 800, s->now_ns));
    farm_checkpoint_uploaded(s->f, w->name, &key, true, s->now_ns);
    field_turn(s);
    reel_checkpoint_verdict(s, w, &key, VERDICT_SOUND);
    assert_int_equal(kept_step(s), 6);
    assert_int_equal(farm_credit_borrow(s->f, CREDIT_POOL_BYTES), CREDIT_POOL_BYTES);
    field_end(s);
}

static void bad_ones_are_dropped_and_nothing_else_happens(void **state)
{
    (void)state;
    static const enum verdict_kind kinds[] = {VERDICT_REJECTED, VERDICT_CHILD_DIED,
                                              VERDICT_DEFERRED};
    struct hand *w;
    struct attempt_key key;
    struct field *s = running(&w, &key);
    for (size_t i = 0; i < 3; i++) {
        field_forget(s);
        reel_checkpoint_arrives(s, w, &key, 4);
        reel_checkpoint_verdict(s, w, &key, kinds[i]);
        assert_seen(s, 4, false);
        assert_int_equal(field_count(s, EFFECT_DISCARD_CHECKPOINT), 1);
        assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    }
    assert_int_equal(kept_step(s), 0);
    reel_store(s, w, &key);
    assert_int_equal(reel_done(s, 0), 1);
    field_end(s);
}

static void wrong_bytes_are_dropped(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = running(&w, &key);
    struct farm_checkpoint c = reel_checkpoint_of(w, &key, 4, 500);
    c.received = 500; /* they stood here already */
    reel_send_checkpoint(s, w, &c);
    assert_int_equal(field_count(s, EFFECT_CREDIT), 0);
    farm_checkpoint_uploaded(s->f, w->name, &key, false, s->now_ns);
    field_turn(s);
    assert_seen(s, 4, false);
    field_end(s);
}

/* Nobody waits for the rest of it, least of all who leaves. */
static void what_the_disk_does_not_take_is_given_up_at_once(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = running(&w, &key);
    struct farm_checkpoint c = reel_checkpoint_of(w, &key, 4, 500);
    reel_send_checkpoint(s, w, &c);
    assert_true(farm_received(s->f, w->session, &key, CHECKPOINT_OUTPUT, 100, s->now_ns));
    field_forget(s);
    farm_checkpoint_uploaded(s->f, w->name, &key, false, s->now_ns);
    field_turn(s);
    assert_seen(s, 4, false);
    field_end(s);
}

static void credit_that_is_not_used_comes_back(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = running(&w, &key);
    struct farm_checkpoint c = reel_checkpoint_of(w, &key, 4, CREDIT_POOL_BYTES);
    field_progress(s, w, &key, 4);
    reel_send_checkpoint(s, w, &c);
    assert_true(farm_has_checkpoint(s->f, w->name, &key));
    for (uint32_t i = 5; i < 10; i++) { /* the attempt goes on as if nothing were */
        field_run(s, 13 * NS_PER_S);
        field_progress(s, w, &key, i);
    }
    assert_false(farm_has_checkpoint(s->f, w->name, &key));
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    assert_int_equal(farm_credit_borrow(s->f, CREDIT_POOL_BYTES), CREDIT_POOL_BYTES);
    field_end(s);
}

/* D3: of who leaves, then results, then the others. */
static void credit_goes_to_who_leaves_first(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 3);
    field_batch(s, REEL, 3);
    field_turn(s);
    struct attempt_key keys[3];
    for (uint32_t i = 0; i < 3; i++)
        keys[i] = (struct attempt_key){.task = reel_key(i, 0), .fence = 1};
    uint64_t lent = farm_credit_borrow(s->f, CREDIT_POOL_BYTES);
    struct farm_checkpoint common = reel_checkpoint_of(w, &keys[0], 4, 1000);
    struct farm_checkpoint leaving = reel_checkpoint_of(w, &keys[2], 4, 1000);
    leaving.leaving = true;
    reel_send_checkpoint(s, w, &common);
    field_offer(s, w, &keys[1], 1000);
    reel_send_checkpoint(s, w, &leaving);
    for (uint32_t i = 0; i < 3; i++) {
        static const uint32_t order[] = {2, 1, 0};
        field_forget(s);
        farm_credit_return(s->f, 1000);
        field_turn(s);
        assert_int_equal(field_last(s, EFFECT_CREDIT)->e.message.attempt.task.clip, order[i]);
    }
    assert_int_equal(lent, CREDIT_POOL_BYTES);
    field_end(s);
}

/* ---- going on from it ---- */

static void a_lost_attempt_is_gone_on_with(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = running(&w, &key);
    reel_checkpoint(s, w, &key, 4);
    field_progress(s, w, &key, 6);
    struct hand *other = reel_worker(s, "w2", "f");
    field_silence(s, 30 * NS_PER_S); /* both are, but for: */
    field_hello(s, other, NULL, 0);
    field_run(s, 5 * NS_PER_S);
    struct attempt_key next = reel_assigned(s, other, 0, 0);
    const struct effect_message *m = &field_find(s, EFFECT_ASSIGN, other->name)->e.message;
    assert_true(m->resume);
    assert_int_equal(m->step, 4);
    assert_int_equal(reel_info(s).steps_computed, 6);
    assert_int_equal(reel_info(s).steps_wasted, 2);
    assert_int_equal(ledger_attempt(&s->store, &next.task, next.fence)->row.resumed_step, 4);
    field_end(s);
}

static void it_survives_a_restart(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = running(&w, &key);
    reel_checkpoint(s, w, &key, 4);
    field_hand_back(s, w, &key, HAND_BACK_PREEMPTED);
    field_restart(s);
    assert_int_equal(kept_step(s), 4);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    assert_true(field_find(s, EFFECT_ASSIGN, w->name)->e.message.resume);
    field_end(s);
}

static void another_fingerprint_begins_anew(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = running(&w, &key);
    reel_checkpoint(s, w, &key, 4);
    struct hand *other = reel_worker(s, "w2", "g");
    field_progress(s, w, &key, 6);
    field_fails(s, w, &key, END_FAILED);
    key = reel_assigned(s, other, 0, 0);
    assert_false(field_find(s, EFFECT_ASSIGN, other->name)->e.message.resume);
    reel_store(s, other, &key);
    assert_int_equal(reel_info(s).steps_computed, 16);
    assert_int_equal(reel_info(s).steps_wasted, 6); /* two at once, four that nobody wanted */
    field_end(s);
}

static void a_done_task_needs_it_no_more(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = running(&w, &key);
    reel_checkpoint(s, w, &key, 4);
    reel_store(s, w, &key);
    assert_int_equal(field_count(s, EFFECT_DROP_CHECKPOINT), 1);
    assert_int_equal(reel_info(s).steps_computed, 10);
    assert_int_equal(reel_info(s).steps_wasted, 0);
    field_end(s);
}

static void a_canceled_task_too(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct error err = {0};
    struct field *s = running(&w, &key);
    reel_checkpoint(s, w, &key, 4);
    assert_true(farm_batch_cancel(s->f, REEL, s->now_ns, &err));
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_DROP_CHECKPOINT), 1);
    assert_int_equal(reel_info(s).steps_wasted, 4);
    field_end(s);
}

static void the_wait_after_a_notice_is_none(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = running(&w, &key);
    struct hand *other = reel_worker(s, "w2", "f");
    reel_checkpoint(s, w, &key, 4);
    farm_leaving(s->f, w->session, "notice", false, s->now_ns);
    field_hand_back(s, w, &key, HAND_BACK_PREEMPTED);
    (void)reel_assigned(s, other, 0, 0);
    assert_true(field_find(s, EFFECT_ASSIGN, other->name)->e.message.resume);
    field_end(s);
}

/* ---- whose fault ---- */

static void who_went_on_from_anothers_is_not_at_fault(void **state)
{
    (void)state;
    static const enum attempt_end ends[] = {END_FAILED, END_HUNG};
    for (size_t i = 0; i < 2; i++) {
        struct hand *w;
        struct attempt_key key;
        struct worker_info info;
        struct field *s = running(&w, &key);
        struct hand *other = reel_worker(s, "w2", "f");
        reel_checkpoint(s, w, &key, 4);
        farm_leaving(s->f, w->session, "notice", false, s->now_ns);
        field_hand_back(s, w, &key, HAND_BACK_PREEMPTED);
        key = reel_assigned(s, other, 0, 0);
        field_fails(s, other, &key, ends[i]);
        assert_int_equal(kept_step(s), 0);
        assert_true(farm_worker_info(s->f, other->name, s->now_ns, &info));
        assert_int_equal(info.failed, 0);
        (void)reel_assigned(s, other, 0, 0); /* at once, and anew */
        assert_false(field_find(s, EFFECT_ASSIGN, other->name)->e.message.resume);
        field_end(s);
    }
}

static void who_went_on_from_its_own_is(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct worker_info info;
    struct field *s = running(&w, &key);
    reel_checkpoint(s, w, &key, 4);
    field_hand_back(s, w, &key, HAND_BACK_PREEMPTED);
    key = reel_assigned(s, w, 0, 0);
    assert_true(field_find(s, EFFECT_ASSIGN, w->name)->e.message.resume);
    field_fails(s, w, &key, END_FAILED);
    assert_true(farm_worker_info(s->f, w->name, s->now_ns, &info));
    assert_int_equal(info.failed, 1);
    assert_int_equal(kept_step(s), 4);
    field_end(s);
}

static void a_missing_one_is_forgotten(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = running(&w, &key);
    struct task_key task = reel_key(0, 0);
    reel_checkpoint(s, w, &key, 4);
    field_hand_back(s, w, &key, HAND_BACK_PREEMPTED);
    farm_output_missing(s->f, &task, true, s->now_ns);
    field_check(s);
    field_turn(s);
    assert_int_equal(kept_step(s), 0);
    assert_int_equal(field_count(s, EFFECT_DROP_CHECKPOINT), 1);
    assert_int_equal(reel_info(s).steps_wasted, 4);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_credited_verified_and_kept),
        cmocka_unit_test(a_later_one_takes_its_place),
        cmocka_unit_test(what_is_of_no_use_is_not_let_in),
        cmocka_unit_test(the_answer_that_was_lost_is_given_again),
        cmocka_unit_test(a_newer_one_takes_the_place_of_one_on_its_way),
        cmocka_unit_test(bad_ones_are_dropped_and_nothing_else_happens),
        cmocka_unit_test(wrong_bytes_are_dropped),
        cmocka_unit_test(what_the_disk_does_not_take_is_given_up_at_once),
        cmocka_unit_test(credit_that_is_not_used_comes_back),
        cmocka_unit_test(credit_goes_to_who_leaves_first),
        cmocka_unit_test(a_lost_attempt_is_gone_on_with),
        cmocka_unit_test(it_survives_a_restart),
        cmocka_unit_test(another_fingerprint_begins_anew),
        cmocka_unit_test(a_done_task_needs_it_no_more),
        cmocka_unit_test(a_canceled_task_too),
        cmocka_unit_test(the_wait_after_a_notice_is_none),
        cmocka_unit_test(who_went_on_from_anothers_is_not_at_fault),
        cmocka_unit_test(who_went_on_from_its_own_is),
        cmocka_unit_test(a_missing_one_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

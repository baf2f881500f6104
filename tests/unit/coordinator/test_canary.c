/* Canaries: W2 and the way out of quarantine. */
#include "field.h"

#define BATCH "b000000001"

static void a_right_one_admits(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_hand(s, "w1", 1);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    assert_int_equal(field_worker_state(s, w), WORKER_CANARY);
    const struct effect_message *m = &field_last(s, EFFECT_ASSIGN)->e.message;
    assert_true(m->canary);
    assert_string_equal(m->attempt.task.batch, "");
    assert_int_equal(m->number, 1);
    field_canary(s, w, true);
    assert_int_equal(field_worker_state(s, w), WORKER_IDLE);
    assert_int_equal(field_events(s, "worker.admitted"), 1);
    assert_true(field_last(s, EFFECT_SAVE_WORKER)->e.worker.admitted);
    field_restart(s);
    field_hello(s, w, NULL, 0); /* the same boot needs none again */
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    assert_int_equal(field_worker_state(s, w), WORKER_IDLE);
    field_end(s);
}

/* After each wrong one the next comes 1, 5, 25, 25 min later. */
static void wrong_ones_are_repeated_later_and_later(void **state)
{
    (void)state;
    static const int64_t minutes[] = {1, 5, 25, 25};
    struct field *s = field_new();
    struct hand *w = field_hand(s, "w1", 1);
    field_hello(s, w, NULL, 0);
    for (size_t i = 0; i < 4; i++) {
        field_canary(s, w, false);
        assert_int_equal(field_worker_state(s, w), WORKER_QUARANTINED);
        field_forget(s);
        field_run(s, minutes[i] * 60 * NS_PER_S - 1);
        assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
        field_run(s, 1);
        assert_int_equal(field_count(s, EFFECT_ASSIGN), 1);
    }
    field_canary(s, w, true);
    assert_int_equal(field_worker_state(s, w), WORKER_IDLE);
    field_end(s);
}

static void one_that_fails_is_wrong(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_hand(s, "w1", 1);
    struct worker_info info;
    field_hello(s, w, NULL, 0);
    field_turn(s);
    uint64_t number = field_last(s, EFFECT_ASSIGN)->e.message.attempt.fence;
    farm_canary_done(s->f, w->session, number + 1, NULL, "crash", s->now_ns); /* not that one */
    assert_int_equal(field_worker_state(s, w), WORKER_CANARY);
    farm_canary_done(s->f, w->session, number, NULL, "crash", s->now_ns);
    field_turn(s);
    assert_true(farm_worker_info(s->f, "w1", s->now_ns, &info));
    assert_int_equal(info.state, WORKER_QUARANTINED);
    assert_string_equal(info.reason, "canary wrong: crash");
    farm_canary_done(s->f, w->session, number, &s->config.canary_answer, "", s->now_ns);
    assert_int_equal(field_worker_state(s, w), WORKER_QUARANTINED);
    field_end(s);
}

static void one_that_is_not_answered_in_a_minute_is_wrong(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_hand(s, "w1", 1);
    field_hello(s, w, NULL, 0);
    field_run(s, 60 * NS_PER_S - 1);
    assert_int_equal(field_worker_state(s, w), WORKER_CANARY);
    field_run(s, 1);
    assert_int_equal(field_worker_state(s, w), WORKER_QUARANTINED);
    field_end(s);
}

/* Not at once: a worker whose disk is full would be asked and answer without an end. */
static void one_handed_back_is_given_again_after_a_while(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_hand(s, "w1", 1);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    struct attempt_key key = field_last(s, EFFECT_ASSIGN)->e.message.attempt;
    field_hand_back(s, w, &key, HAND_BACK_DISK);
    field_run(s, 2 * NS_PER_S - 1);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 1);
    field_run(s, 1);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 2);
    assert_true(field_last(s, EFFECT_ASSIGN)->e.message.attempt.fence > key.fence);
    assert_int_equal(field_worker_state(s, w), WORKER_CANARY);
    field_end(s);
}

static void a_reconnect_starts_it_again(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_hand(s, "w1", 1);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    uint64_t number = field_last(s, EFFECT_ASSIGN)->e.message.attempt.fence;
    field_hello(s, w, NULL, 0);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 2);
    farm_canary_done(s->f, w->session, number, &s->config.canary_answer, "", s->now_ns);
    assert_int_equal(field_worker_state(s, w), WORKER_CANARY);
    field_canary(s, w, true);
    assert_int_equal(field_worker_state(s, w), WORKER_IDLE);
    field_end(s);
}

static void numbers_of_an_earlier_run_are_not_reused(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_hand(s, "w1", 1);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    uint64_t number = field_last(s, EFFECT_ASSIGN)->e.message.attempt.fence;
    field_restart(s);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    assert_true(field_last(s, EFFECT_ASSIGN)->e.message.attempt.fence > number);
    field_end(s);
}

static void a_new_process_is_a_new_worker(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    w->boot++;
    field_hello(s, w, NULL, 0);
    field_batch(s, BATCH, 1);
    field_turn(s);
    assert_int_equal(field_worker_state(s, w), WORKER_CANARY);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 0);
    assert_false(field_last(s, EFFECT_SAVE_WORKER)->e.worker.admitted);
    field_end(s);
}

/* A new process may try at once; until it is right, what the old one rendered is not believed. */
static void quarantine_survives_a_new_process(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    struct attempt_key key = field_assigned(s, w);
    w->boot++;
    field_hello(s, w, NULL, 0);
    field_canary(s, w, false);
    w->boot++;
    field_hello(s, w, NULL, 0);
    field_offer(s, w, &key, 1000);
    assert_int_equal(field_last(s, EFFECT_DROPPED)->e.message.drop, DROP_FENCED);
    assert_int_equal(field_worker_state(s, w), WORKER_QUARANTINED);
    field_canary(s, w, true);
    assert_int_equal(field_worker_state(s, w), WORKER_BUSY);
    field_end(s);
}

static void quarantine_survives_a_restart(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_hand(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_hello(s, w, NULL, 0);
    field_canary(s, w, false);
    field_restart(s);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 0);
    field_canary(s, w, true);
    assert_true(field_has_assign(s, w));
    field_end(s);
}

static void quarantine_survives_silence_and_a_restart(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    struct attempt_key key = {.task = {.batch = BATCH}, .fence = 1};
    field_batch(s, BATCH, 1);
    field_turn(s);
    for (int i = 0; i < 2; i++) { /* two failures: it must show a canary (T4), and cannot */
        key = field_assigned(s, w);
        field_fails(s, w, &key, END_FAILED);
    }
    field_canary(s, w, false);
    struct error err = {0};
    assert_true(farm_batch_cancel(s->f, BATCH, s->now_ns, &err)); /* nothing asks for one now */
    field_silence(s, 12 * NS_PER_S);
    assert_int_equal(field_worker_state(s, w), WORKER_UNREACHABLE);
    field_restart(s);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    assert_int_equal(field_worker_state(s, w), WORKER_QUARANTINED);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 0);
    field_canary(s, w, true);
    assert_int_equal(field_worker_state(s, w), WORKER_IDLE);
    field_end(s);
}

static void a_wanted_canary_comes_before_more_work(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    struct attempt_key first = {.task = {.batch = BATCH}, .fence = 1};
    struct running_info running;
    field_batch(s, BATCH, 9);
    field_turn(s);
    field_fails(s, w, &first, END_FAILED);
    for (int i = 0; i < 20 && field_worker_state(s, w) != WORKER_CANARY; i++) {
        if (farm_worker_running(s->f, "w1", s->now_ns, &running, 1) == 0) break;
        struct attempt_key key = running.attempt;
        if (key.task.clip == 0)
            field_fails(s, w, &key, END_FAILED);
        else
            field_publish(s, w, &key);
    }
    assert_true(field_find(s, EFFECT_ASSIGN, "w1")->e.message.canary);
    assert_true(farm_clip_state(s->f, BATCH, 8) == CLIP_WAITING);
    field_canary(s, w, true);
    assert_int_equal(farm_clip_state(s->f, BATCH, 0), CLIP_FAILED);
    assert_true(field_has_assign(s, w));
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_one_admits),
        cmocka_unit_test(wrong_ones_are_repeated_later_and_later),
        cmocka_unit_test(one_that_fails_is_wrong),
        cmocka_unit_test(one_that_is_not_answered_in_a_minute_is_wrong),
        cmocka_unit_test(one_handed_back_is_given_again_after_a_while),
        cmocka_unit_test(a_reconnect_starts_it_again),
        cmocka_unit_test(numbers_of_an_earlier_run_are_not_reused),
        cmocka_unit_test(a_new_process_is_a_new_worker),
        cmocka_unit_test(quarantine_survives_a_new_process),
        cmocka_unit_test(quarantine_survives_a_restart),
        cmocka_unit_test(quarantine_survives_silence_and_a_restart),
        cmocka_unit_test(a_wanted_canary_comes_before_more_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

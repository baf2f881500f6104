/* Leases and sessions: L1 to L4. */
#include "field.h"

#define BATCH "b000000001"
#define UNKNOWN_LIMIT_NS (60 * NS_PER_S) /* before any pace is known, for a small clip */

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

/* ---- L1 ---- */

static void a_lease_ends_at_its_limit_and_not_before(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_run(s, UNKNOWN_LIMIT_NS - 1);
    assert_int_equal(field_events(s, "attempt.hung"), 0);
    field_run(s, 1);
    assert_int_equal(field_events(s, "attempt.hung"), 1);
    assert_string_equal(field_last(s, EFFECT_CANCEL)->worker, "w1");
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_HUNG);
    field_end(s);
}

static void progress_renews_and_a_heartbeat_does_not(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_run(s, UNKNOWN_LIMIT_NS - NS_PER_S);
    field_progress(s, w, &key, 1);
    field_run(s, UNKNOWN_LIMIT_NS - 1);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    struct farm_held held = {.attempt = key, .phase = PHASE_RENDERING, .step = 1};
    struct farm_heartbeat beat = {.last_message = 9, .held = &held, .held_count = 1};
    farm_heartbeat(s->f, w->session, &beat, s->now_ns);
    field_run(s, 1);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_HUNG);
    field_end(s);
}

static void the_same_step_again_renews_nothing(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_progress(s, w, &key, 3);
    field_run(s, 50 * NS_PER_S);
    field_progress(s, w, &key, 3);
    field_progress(s, w, &key, 2);
    field_progress(s, w, &key, 37); /* more steps than any engine makes: 2 x 10 + 16 is the last */
    field_run(s, 10 * NS_PER_S);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_HUNG);
    field_end(s);
}

static void the_last_credible_step_renews(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_run(s, 50 * NS_PER_S);
    field_progress(s, w, &key, 36);
    field_run(s, 50 * NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_end(s);
}

static void report(struct field *s, const struct hand *w, const struct attempt_key *key,
                   enum attempt_phase phase, uint64_t amount)
{
    struct farm_held at = {.attempt = *key, .phase = phase, .amount = amount};
    farm_progress(s->f, w->session, &at, s->now_ns);
    field_check(s);
}

static void bytes_and_frames_are_progress(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    static const struct {
        enum attempt_phase phase;
        uint64_t amount;
    } reports[] = {{PHASE_FETCHING, 1}, {PHASE_FETCHING, 2},  {PHASE_LOADING, 0},
                   {PHASE_LOADING, 7},  {PHASE_RENDERING, 0}, {PHASE_DECODING, 0},
                   {PHASE_DECODING, 8}};
    for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
        field_run(s, 50 * NS_PER_S);
        report(s, w, &key, reports[i].phase, reports[i].amount);
    }
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    report(s, w, &key, PHASE_DECODING, 9); /* the clip has 8 frames */
    report(s, w, &key, PHASE_RENDERING, 9);
    report(s, w, &key, PHASE_COUNT, 9);
    field_run(s, UNKNOWN_LIMIT_NS);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_HUNG);
    field_end(s);
}

/* The limit is five times the worker's own median step, 15 s at least. */
static void limit_after_steps_of(int64_t step_ns, int64_t limit_ns)
{
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    for (uint32_t step = 1; step <= 10; step++) {
        field_progress(s, w, &key, step);
        field_run(s, step_ns);
    }
    field_batch(s, "b000000002", 1);
    field_publish(s, w, &key);
    field_forget(s);
    field_batch(s, "b000000003", 2);
    field_turn(s);
    assert_true(field_last(s, EFFECT_ASSIGN)->e.message.limit_ns == limit_ns);
    field_end(s);
}

static void the_limit_follows_the_pace(void **state)
{
    (void)state;
    limit_after_steps_of(NS_PER_S, LEASE_MIN_NS);
    limit_after_steps_of(3 * NS_PER_S, LEASE_MIN_NS);
    limit_after_steps_of(3 * NS_PER_S + 1, LEASE_MIN_NS + LEASE_STEP_FACTOR);
    limit_after_steps_of(20 * NS_PER_S, 100 * NS_PER_S);
}

/* A worker that has rendered the like before may have to open the model anew, or to start an
 * engine: how long its steps take says nothing of that. */
static void a_known_pace_does_not_hurry_the_opening(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    for (uint32_t step = 1; step <= 10; step++) {
        field_progress(s, w, &key, step);
        field_run(s, NS_PER_S);
    }
    field_forget(s);
    field_batch(s, "b000000002", 1);
    field_turn(s);
    const struct effect_message *m = &field_last(s, EFFECT_ASSIGN)->e.message;
    assert_true(m->limit_ns == LEASE_MIN_NS && m->around_limit_ns == UNKNOWN_LIMIT_NS);
    const struct attempt_key next = m->attempt;
    field_publish(s, w, &key);
    report(s, w, &next, PHASE_LOADING, 0);
    field_run(s, UNKNOWN_LIMIT_NS - 1);
    assert_int_equal(field_events(s, "attempt.hung"), 0);
    report(s, w, &next, PHASE_RENDERING, 0);
    field_run(s, LEASE_MIN_NS - 1);
    assert_int_equal(field_events(s, "attempt.hung"), 0);
    field_run(s, 1);
    assert_int_equal(field_events(s, "attempt.hung"), 1);
    field_end(s);
}

/* What was made is written, synced and hashed without a sign. */
static void a_known_pace_does_not_hurry_the_end(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    for (uint32_t step = 1; step <= 10; step++) {
        field_progress(s, w, &key, step);
        field_run(s, NS_PER_S);
    }
    field_forget(s);
    field_batch(s, "b000000002", 1);
    field_turn(s);
    const struct attempt_key next = field_last(s, EFFECT_ASSIGN)->e.message.attempt;
    field_publish(s, w, &key);
    for (uint32_t step = 1; step <= 10; step++)
        field_progress(s, w, &next, step);
    field_run(s, UNKNOWN_LIMIT_NS - 1);
    assert_int_equal(field_events(s, "attempt.hung"), 0);
    report(s, w, &next, PHASE_DECODING, 8);
    field_run(s, UNKNOWN_LIMIT_NS - 1);
    assert_int_equal(field_events(s, "attempt.hung"), 0);
    field_run(s, 1);
    assert_int_equal(field_events(s, "attempt.hung"), 1);
    field_end(s);
}

static void big_clips_have_longer_unknown_limits(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct error err = {0};
    struct shape shape = field_shape(1);
    struct clip_run run = {0};
    struct batch_spec spec = {.id = BATCH,
                              .name = "",
                              .owner = "",
                              .sequence = 1,
                              .clips = 1,
                              .shapes = &shape,
                              .groups = 1,
                              .runs = &run,
                              .run_count = 1};
    (void)field_worker(s, "w1", 1);
    shape.width = shape.height = 512;
    shape.frames = 32; /* eight times 256 x 256 x 16 */
    assert_true(farm_batch_add(s->f, &spec, &err));
    ledger_accept(&s->store, &spec);
    field_turn(s);
    assert_true(field_last(s, EFFECT_ASSIGN)->e.message.limit_ns == 8 * UNKNOWN_LIMIT_NS);
    field_end(s);
}

static void the_clock_stands_while_a_verdict_is_owed(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 1000);
    field_upload(s, w, &key);
    field_run(s, 3600 * NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_verdict(s, w, &key, VERDICT_SOUND);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_DONE);
    field_end(s);
}

static void the_clock_stands_while_credit_is_owed(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    assert_true(farm_credit_borrow(s->f, CREDIT_POOL_BYTES + 1) == CREDIT_POOL_BYTES);
    field_offer(s, w, &key, 1000);
    field_run(s, 3600 * NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_CREDIT), 0);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    farm_credit_return(s->f, CREDIT_POOL_BYTES);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_CREDIT), 1);
    field_end(s);
}

static void granted_credit_must_be_used(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 100000);
    field_run(s, CREDIT_IDLE_NS - 1);
    assert_true(farm_received(s->f, w->session, &key, 0, 99999, s->now_ns)); /* at its pace */
    field_run(s, CREDIT_IDLE_NS - 1);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_run(s, 1);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    assert_int_equal(field_last(s, EFFECT_DROPPED)->e.message.drop, DROP_FENCED);
    assert_int_equal(field_count(s, EFFECT_DISCARD_UPLOAD), 1);
    field_end(s);
}

/* ---- L2 ---- */

static void silence_takes_ten_seconds_and_fifteen_more(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    const int64_t silent_ns = SESSION_SILENT_BEATS * HEARTBEAT_MS * NS_PER_MS;
    field_silence(s, silent_ns - 1);
    assert_int_equal(field_worker_state(s, w), WORKER_BUSY);
    field_silence(s, 1);
    assert_int_equal(field_worker_state(s, w), WORKER_UNREACHABLE);
    field_silence(s, LOST_GRACE_NS - 1);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_silence(s, 1);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    assert_int_equal(field_worker_state(s, w), WORKER_OFFLINE);
    assert_int_equal(field_count(s, EFFECT_CLOSE_SESSION), 1);
    assert_false(farm_heard(s->f, w->session, s->now_ns));
    field_end(s);
}

static void a_word_in_time_keeps_everything(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_silence(s, 24 * NS_PER_S);
    assert_int_equal(field_worker_state(s, w), WORKER_UNREACHABLE);
    assert_true(farm_heard(s->f, w->session, s->now_ns));
    field_turn(s);
    assert_int_equal(field_worker_state(s, w), WORKER_BUSY);
    assert_int_equal(field_events(s, "worker.back"), 1);
    field_publish(s, w, &key);
    assert_int_equal(field_state(s, BATCH), BATCH_DONE);
    field_end(s);
}

/* A worker that is not heard cannot report progress: the session decides, not the limit. */
static void a_limit_does_not_run_out_on_a_silent_worker(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_run(s, UNKNOWN_LIMIT_NS - 5 * NS_PER_S);
    field_silence(s, 30 * NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 1);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    field_end(s);
}

/* What was prefetched begins by itself at the worker while it is not heard: it needs its limit from
 * then on. */
static void a_prefetched_one_has_a_limit_after_silence(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    struct error err = {0};
    field_batch(s, BATCH, 1);
    field_batch(s, "b000000002", 1);
    field_turn(s);
    assert_true(field_last(s, EFFECT_ASSIGN)->e.message.prefetch);
    field_silence(s, 12 * NS_PER_S);
    assert_int_equal(field_worker_state(s, w), WORKER_UNREACHABLE);
    assert_true(farm_batch_cancel(s->f, BATCH, s->now_ns, &err));
    field_turn(s);
    assert_true(farm_heard(s->f, w->session, s->now_ns));
    field_forget(s);
    field_run(s, UNKNOWN_LIMIT_NS);
    assert_int_equal(field_events(s, "attempt.hung"), 1);
    field_end(s);
}

/* ---- L3 ---- */

static void after_a_restart_every_lease_gets_its_grace(void **state)
{
    (void)state;
    struct field *s = field_new();
    (void)field_worker(s, "w1", 2);
    field_batch(s, BATCH, 4);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 4);
    field_restart(s);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    field_silence(s, LOST_GRACE_NS + 4 * LEASE_RESTART_PER_TASK_NS - 1);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_silence(s, 1);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 4);
    field_end(s);
}

static void after_a_restart_nothing_is_dispatched_twice(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    struct hand *other = field_worker(s, "w2", 1);
    field_restart(s);
    field_hello(s, other, NULL, 0);
    struct farm_held held = {.attempt = key, .phase = PHASE_RENDERING, .step = 5, .steps = 10};
    field_hello(s, w, &held, 1);
    field_run(s, 30 * NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    field_publish(s, w, &key);
    assert_int_equal(field_state(s, BATCH), BATCH_DONE);
    field_end(s);
}

/* ---- L4 ---- */

static void only_a_turn_with_empty_sockets_expires(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_run(s, UNKNOWN_LIMIT_NS - NS_PER_S);
    s->now_ns += NS_PER_S + LEASE_LATE_NS - 1;
    assert_true(farm_heard(s->f, w->session, s->now_ns));
    field_turn_with(s, false);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    s->now_ns++;
    field_turn_with(s, false);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 1);
    field_end(s);
}

static void a_late_turn_expires_when_the_sockets_are_empty(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_run(s, UNKNOWN_LIMIT_NS - NS_PER_S);
    s->now_ns += NS_PER_S;
    assert_true(farm_heard(s->f, w->session, s->now_ns));
    field_turn_with(s, false);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_turn_with(s, true);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 1);
    field_end(s);
}

/* The machine slept: `jump_ns` later than the next turn was due. */
static size_t lost_after_jump(int64_t jump_ns)
{
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_silence(s, 9 * NS_PER_S);
    s->now_ns = farm_next_deadline(s->f) + jump_ns;
    field_turn(s);
    size_t away = field_worker_state(s, w) != WORKER_BUSY;
    field_end(s);
    return away;
}

static void a_jump_gives_that_long_again(void **state)
{
    (void)state;
    assert_int_equal(lost_after_jump(LEASE_JUMP_NS), 1);
    assert_int_equal(lost_after_jump(LEASE_JUMP_NS + 1), 0);
    assert_int_equal(lost_after_jump(8 * 3600 * NS_PER_S), 0);
}

static void after_a_long_sleep_nothing_is_lost_at_once(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_run(s, NS_PER_S);
    s->now_ns += 8 * 3600 * NS_PER_S;
    field_turn(s);
    field_run(s, 40 * NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_run(s, 21 * NS_PER_S);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_HUNG);
    field_end(s);
}

static void clocks_stand_while_the_disk_is_low(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_run(s, 10 * NS_PER_S);
    farm_disk(s->f, 0, UINT64_C(1) << 40);
    field_run(s, 3600 * NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    farm_disk(s->f, UINT64_C(1) << 39, UINT64_C(1) << 40);
    field_run(s, 49 * NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_run(s, 2 * NS_PER_S);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_HUNG);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_ends_at_its_limit_and_not_before),
        cmocka_unit_test(progress_renews_and_a_heartbeat_does_not),
        cmocka_unit_test(the_same_step_again_renews_nothing),
        cmocka_unit_test(the_last_credible_step_renews),
        cmocka_unit_test(bytes_and_frames_are_progress),
        cmocka_unit_test(the_limit_follows_the_pace),
        cmocka_unit_test(a_known_pace_does_not_hurry_the_opening),
        cmocka_unit_test(a_known_pace_does_not_hurry_the_end),
        cmocka_unit_test(big_clips_have_longer_unknown_limits),
        cmocka_unit_test(the_clock_stands_while_a_verdict_is_owed),
        cmocka_unit_test(the_clock_stands_while_credit_is_owed),
        cmocka_unit_test(granted_credit_must_be_used),
        cmocka_unit_test(silence_takes_ten_seconds_and_fifteen_more),
        cmocka_unit_test(a_word_in_time_keeps_everything),
        cmocka_unit_test(a_limit_does_not_run_out_on_a_silent_worker),
        cmocka_unit_test(a_prefetched_one_has_a_limit_after_silence),
        cmocka_unit_test(after_a_restart_every_lease_gets_its_grace),
        cmocka_unit_test(after_a_restart_nothing_is_dispatched_twice),
        cmocka_unit_test(only_a_turn_with_empty_sockets_expires),
        cmocka_unit_test(a_late_turn_expires_when_the_sockets_are_empty),
        cmocka_unit_test(a_jump_gives_that_long_again),
        cmocka_unit_test(after_a_long_sleep_nothing_is_lost_at_once),
        cmocka_unit_test(clocks_stand_while_the_disk_is_low),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

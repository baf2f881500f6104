/* Which slot does what next: S1, S2, prefetching, W4, I6. */
#include "coordinator/farm_explain.h"
#include "field.h"

#define ONE "b000000001"
#define TWO "b000000002"
#define THREE "b000000003"

static bool is_of(const struct attempt_key *key, const char *batch, uint32_t clip)
{
    return strcmp(key->task.batch, batch) == 0 && key->task.clip == clip;
}

/* The Assign number `index` of work, in order of sending. */
static const struct effect_message *assign(const struct field *s, size_t index)
{
    for (size_t i = 0; i < s->note_count; i++) {
        const struct effect *e = &s->notes[i].e;
        if (e->kind == EFFECT_ASSIGN && !e->message.canary && index-- == 0) return &e->message;
    }
    fail_msg("too few Assigns");
    return NULL;
}

static void clips_go_out_in_order(void **state)
{
    (void)state;
    struct field *s = field_new();
    (void)field_worker(s, "w1", 3);
    field_batch(s, ONE, 10);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 6);
    for (uint32_t i = 0; i < 6; i++) {
        const struct effect_message *m = assign(s, i);
        assert_true(is_of(&m->attempt, ONE, i));
        assert_int_equal(m->prefetch, i >= 3);
        assert_int_equal(m->slot, i % 3);
        assert_int_equal(m->number, i + 2); /* after the canary */
    }
    field_end(s);
}

static void a_lease_is_written_before_its_assign(void **state)
{
    (void)state;
    struct field *s = field_new();
    (void)field_worker(s, "w1", 1);
    field_batch(s, ONE, 1);
    field_forget(s);
    field_turn(s);
    size_t saved = SIZE_MAX;
    for (size_t i = 0; i < s->note_count; i++) {
        if (s->notes[i].e.kind == EFFECT_SAVE_ATTEMPT) saved = i;
        if (s->notes[i].e.kind == EFFECT_ASSIGN) assert_true(saved < i);
    }
    field_end(s);
}

static void running_work_comes_before_prefetched(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *a = field_worker(s, "w1", 1);
    struct hand *b = field_worker(s, "w2", 1);
    field_batch(s, ONE, 3);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 3);
    assert_string_not_equal(assign(s, 0)->worker, assign(s, 1)->worker);
    assert_false(assign(s, 1)->prefetch);
    assert_true(assign(s, 2)->prefetch);
    assert_int_equal(field_worker_state(s, a), WORKER_BUSY);
    assert_int_equal(field_worker_state(s, b), WORKER_BUSY);
    field_end(s);
}

static void higher_priority_comes_first_then_submit_order(void **state)
{
    (void)state;
    struct field *s = field_new();
    field_batch_of(s, ONE, 1, 0, 1);
    field_batch_of(s, TWO, 1, -5, 1);
    field_batch_of(s, THREE, 1, 5, 2);
    field_batch_of(s, "b000000004", 1, 0, 3);
    (void)field_worker(s, "w1", 4);
    assert_true(is_of(&assign(s, 0)->attempt, THREE, 0));
    assert_true(is_of(&assign(s, 1)->attempt, ONE, 0));
    assert_true(is_of(&assign(s, 2)->attempt, "b000000004", 0));
    assert_true(is_of(&assign(s, 3)->attempt, TWO, 0));
    field_end(s);
}

static bool accepts_priority(int32_t priority)
{
    struct farm_config config = {.seed = 1};
    struct farm *f = farm_new(&config);
    struct error err = {0};
    struct shape shape = field_shape(1);
    struct clip_run run = {0};
    struct batch_spec spec = {.id = ONE,
                              .name = "",
                              .owner = "",
                              .priority = priority,
                              .sequence = 1,
                              .clips = 1,
                              .shapes = &shape,
                              .groups = 1,
                              .runs = &run,
                              .run_count = 1};
    bool ok = farm_batch_add(f, &spec, &err);
    farm_free(f);
    return ok;
}

static void priorities_have_limits(void **state)
{
    (void)state;
    assert_true(accepts_priority(LIMIT_PRIORITY));
    assert_false(accepts_priority(LIMIT_PRIORITY + 1));
    assert_true(accepts_priority(-LIMIT_PRIORITY));
    assert_false(accepts_priority(-LIMIT_PRIORITY - 1));
}

static void nobody_gets_work_before_a_right_canary(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_hand(s, "w1", 2);
    field_batch(s, ONE, 2);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 1);
    assert_true(field_last(s, EFFECT_ASSIGN)->e.message.canary);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 0);
    field_end(s);
}

static void a_retried_clip_comes_before_fresh_ones(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 9);
    field_turn(s);
    struct attempt_key first = {.task = {.batch = ONE}, .fence = 1};
    field_forget(s);
    field_hand_back(s, w, &first, HAND_BACK_PREEMPTED);
    assert_true(is_of(&assign(s, 0)->attempt, ONE, 0));
    assert_true(assign(s, 0)->prefetch); /* the other one has begun meanwhile */
    field_end(s);
}

static void a_worker_that_failed_it_takes_other_clips(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 3);
    field_turn(s);
    struct hand *other = field_worker(s, "w2", 1);
    struct attempt_key first = {.task = {.batch = ONE}, .fence = 1};
    field_forget(s);
    field_fails(s, w, &first, END_FAILED);
    assert_true(is_of(&assign(s, 0)->attempt, ONE, 0));
    assert_string_equal(assign(s, 0)->worker, other->name);
    field_end(s);
}

/* ---- W4 ---- */

/* w1 runs and holds one prefetched; w2 comes and is idle. */
static struct field *with_an_idle_worker(struct hand **w, struct hand **idle)
{
    struct field *s = field_new();
    *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 2);
    field_turn(s);
    *idle = field_worker(s, "w2", 1);
    return s;
}

static void prefetched_work_is_recalled_for_an_idle_slot(void **state)
{
    (void)state;
    struct hand *w, *idle;
    struct field *s = with_an_idle_worker(&w, &idle);
    assert_int_equal(field_count(s, EFFECT_RECALL), 1);
    struct attempt_key key = field_last(s, EFFECT_RECALL)->e.message.attempt;
    assert_true(is_of(&key, ONE, 1));
    field_run(s, 10 * NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_RECALL), 1); /* said once */
    field_hand_back(s, w, &key, HAND_BACK_RECALLED);
    assert_true(is_of(&(struct attempt_key){field_assigned(s, idle).task, 0}, ONE, 1));
    assert_false(field_last(s, EFFECT_ASSIGN)->e.message.prefetch);
    field_end(s);
}

/* Something happens that lets the scheduler look again. */
static void look_again(struct field *s)
{
    farm_disk(s->f, 0, UINT64_C(1) << 40);
    farm_disk(s->f, UINT64_C(1) << 39, UINT64_C(1) << 40);
    field_turn(s);
}

static void one_idle_slot_recalls_one(void **state)
{
    (void)state;
    struct field *s = field_new();
    (void)field_worker(s, "w1", 2);
    field_batch(s, ONE, 4);
    field_turn(s);
    (void)field_worker(s, "w2", 1);
    look_again(s);
    look_again(s);
    assert_int_equal(field_count(s, EFFECT_RECALL), 1);
    field_end(s);
}

static void one_prefetched_attempt_is_recalled_once(void **state)
{
    (void)state;
    struct field *s = field_new();
    (void)field_worker(s, "w1", 1);
    field_batch(s, ONE, 2);
    field_turn(s);
    (void)field_worker(s, "w2", 3);
    look_again(s);
    assert_int_equal(field_count(s, EFFECT_RECALL), 1);
    field_end(s);
}

static void a_recall_may_come_too_late(void **state)
{
    (void)state;
    struct hand *w, *idle;
    struct field *s = with_an_idle_worker(&w, &idle);
    struct attempt_key key = field_last(s, EFFECT_RECALL)->e.message.attempt;
    farm_started(s->f, w->session, &key, s->now_ns);
    field_check(s);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    assert_false(field_has_assign(s, idle));
    field_publish(s, w, &key);
    field_end(s);
}

static void what_is_about_to_begin_is_not_recalled(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    struct attempt_key key = {.task = {.batch = ONE}, .fence = 1};
    field_batch(s, ONE, 2);
    field_turn(s);
    for (uint32_t step = 1; step <= 9; step++) {
        field_run(s, NS_PER_S);
        field_progress(s, w, &key, step);
    }
    (void)field_worker(s, "w2", 1);
    assert_int_equal(field_count(s, EFFECT_RECALL), 0); /* one step of 1 s is left */
    field_end(s);
}

static void a_pause_recalls_prefetched_work(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    struct error err = {0};
    field_batch(s, ONE, 2);
    field_turn(s);
    assert_true(farm_batch_pause(s->f, ONE, &err));
    field_turn(s);
    struct attempt_key key = field_last(s, EFFECT_RECALL)->e.message.attempt;
    field_forget(s);
    field_hand_back(s, w, &key, HAND_BACK_RECALLED);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    assert_true(farm_batch_resume(s->f, ONE, &err));
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 1);
    field_end(s);
}

/* ---- D1 ---- */

static void nothing_is_leased_while_the_disk_is_low(void **state)
{
    (void)state;
    struct field *s = field_new();
    (void)field_worker(s, "w1", 1);
    farm_disk(s->f, 0, UINT64_C(1) << 40);
    assert_true(farm_disk_is_low(s->f));
    field_batch(s, ONE, 1);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 0);
    farm_disk(s->f, UINT64_C(1) << 39, UINT64_C(1) << 40);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 1);
    field_end(s);
}

/* ---- reasons (S6) ---- */

static void check_reason(const struct field *s, const char *code, uint64_t count)
{
    struct reason_info reasons[REASONS_MAX];
    assert_int_equal(farm_batch_reasons(s->f, ONE, s->now_ns, reasons), 1);
    assert_string_equal(reasons[0].code, code);
    assert_int_equal(reasons[0].count, count);
}

static void every_wait_has_a_reason(void **state)
{
    (void)state;
    struct reason_info reasons[REASONS_MAX];
    struct error err = {0};
    struct field *s = field_new();
    field_batch(s, ONE, 5);
    check_reason(s, "no_worker", 5);
    (void)field_worker(s, "w1", 1);
    check_reason(s, "busy", 3);
    farm_disk(s->f, 0, UINT64_C(1) << 40);
    check_reason(s, "disk_low", 3);
    assert_true(farm_batch_pause(s->f, ONE, &err));
    check_reason(s, "paused", 3);
    assert_true(farm_batch_cancel(s->f, ONE, s->now_ns, &err));
    assert_int_equal(farm_batch_reasons(s->f, ONE, s->now_ns, reasons), 0);
    assert_int_equal(farm_batch_reasons(s->f, TWO, s->now_ns, reasons), 0);
    field_end(s);
}

static void a_retry_that_waits_says_so(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 1);
    field_turn(s);
    for (int i = 0; i < 2; i++) { /* the first wait is none */
        struct attempt_key key = field_assigned(s, w);
        field_hand_back(s, w, &key, HAND_BACK_UNKNOWN);
    }
    check_reason(s, "retry_wait", 1);
    field_end(s);
}

/* What was canceled still fills the slot: sent again at once it would come back at once, for as
 * long as that lasts. */
static void who_has_no_room_yet_is_asked_again_after_a_heartbeat(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    struct explanation why;
    struct farm_heartbeat beat = {0};
    field_batch(s, "b000000001", 1);
    field_turn(s);
    struct attempt_key key = field_assigned(s, w);
    field_forget(s);
    field_hand_back(s, w, &key, HAND_BACK_RECALLED);
    field_run(s, NS_PER_S);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    assert_true(farm_explain_worker(s->f, "w1", "", s->now_ns, &why));
    assert_string_equal(why.code, "crowded");
    beat.last_message = UINT64_MAX;
    farm_heartbeat(s->f, w->session, &beat, s->now_ns);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 1);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clips_go_out_in_order),
        cmocka_unit_test(a_lease_is_written_before_its_assign),
        cmocka_unit_test(running_work_comes_before_prefetched),
        cmocka_unit_test(higher_priority_comes_first_then_submit_order),
        cmocka_unit_test(priorities_have_limits),
        cmocka_unit_test(nobody_gets_work_before_a_right_canary),
        cmocka_unit_test(a_retried_clip_comes_before_fresh_ones),
        cmocka_unit_test(a_worker_that_failed_it_takes_other_clips),
        cmocka_unit_test(prefetched_work_is_recalled_for_an_idle_slot),
        cmocka_unit_test(one_idle_slot_recalls_one),
        cmocka_unit_test(one_prefetched_attempt_is_recalled_once),
        cmocka_unit_test(a_recall_may_come_too_late),
        cmocka_unit_test(what_is_about_to_begin_is_not_recalled),
        cmocka_unit_test(a_pause_recalls_prefetched_work),
        cmocka_unit_test(nothing_is_leased_while_the_disk_is_low),
        cmocka_unit_test(who_has_no_room_yet_is_asked_again_after_a_heartbeat),
        cmocka_unit_test(every_wait_has_a_reason),
        cmocka_unit_test(a_retry_that_waits_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

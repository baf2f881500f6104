/* A task that may kill whatever worker runs it (T5). */
#include "coordinator/farm_explain.h"
#include "field.h"

#define ONE "b000000001"
#define TWO "b000000002"

/* Its process is gone, and a new one says hello and shows its canary. */
static void dies(struct field *s, struct hand *w)
{
    w->boot += FIELD_HANDS;
    field_hello(s, w, NULL, 0);
    field_canary(s, w, true);
}

static bool runs(const struct field *s, const struct hand *w, const char *batch, uint32_t clip,
                 struct attempt_key *key)
{
    struct running_info held[4];
    uint32_t count = farm_worker_running(s->f, w->name, s->now_ns, held, 4);
    for (uint32_t i = 0; i < count; i++) {
        *key = held[i].attempt;
        if (strcmp(key->task.batch, batch) == 0 && key->task.clip == clip) return true;
    }
    return false;
}

static bool has_it(const struct field *s, const struct hand *w)
{
    struct attempt_key key;
    return runs(s, w, ONE, 0, &key);
}

static uint32_t load(const struct field *s, const struct hand *w)
{
    struct running_info held[4];
    return farm_worker_running(s->f, w->name, s->now_ns, held, 4);
}

/* Who was given the only clip of batch ONE. */
static struct hand *chosen(struct field *s)
{
    for (int tries = 0; tries < 1000; tries++) {
        for (uint32_t i = 0; i < s->hand_count; i++)
            if (has_it(s, &s->hands[i])) return &s->hands[i];
        field_run(s, NS_PER_S / 10);
    }
    fail_msg("nobody runs it");
    return NULL;
}

/* Alike; it says that it began. */
static struct hand *victim(struct field *s)
{
    struct hand *w = chosen(s);
    struct farm_held at = {.phase = PHASE_LOADING};
    if (runs(s, w, ONE, 0, &at.attempt)) farm_progress(s->f, w->session, &at, s->now_ns);
    return w;
}

/* `workers` of one slot, and a clip that three of them died of. */
static struct field *with_a_hazard(uint32_t workers)
{
    static const char *const names[] = {"w1", "w2", "w3", "w4", "w5"};
    struct field *s = field_new();
    for (uint32_t i = 0; i < workers; i++)
        (void)field_worker(s, names[i], 1);
    field_batch(s, ONE, 1);
    for (int i = 0; i < 3; i++) {
        struct hand *w = victim(s);
        assert_int_equal(field_events(s, "task.hazard"), 0);
        if (i < 2 && workers > 2) w->session = 0; /* not heard any more: another one takes it */
        if (w->session == 0)
            while (has_it(s, w))
                field_run(s, NS_PER_S);
        else
            dies(s, w);
    }
    assert_int_equal(field_events(s, "task.hazard"), 1);
    return s;
}

static void all_back(struct field *s)
{
    for (uint32_t i = 0; i < s->hand_count; i++)
        if (s->hands[i].session == 0) dies(s, &s->hands[i]);
}

static struct batch_info info_of(const struct field *s, const char *batch)
{
    struct batch_info info;
    assert_true(farm_batch_info(s->f, batch, &info));
    return info;
}

/* ---- */

static void the_fourth_loss_fails_it(void **state)
{
    (void)state;
    struct field *s = with_a_hazard(5);
    dies(s, victim(s));
    assert_int_equal(field_state(s, ONE), BATCH_FAILED);
    assert_int_equal(info_of(s, ONE).counts.by_state[CLIP_FAILED], 1);
    field_end(s);
}

static void three_times_are_enough_where_fewer_workers_are(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 2; workers++) {
        struct field *s = with_a_hazard(workers);
        dies(s, victim(s));
        assert_int_equal(field_state(s, ONE), BATCH_FAILED);
        field_end(s);
    }
}

/* Two have failed it and get it no more, so only the third is left to be killed. */
static void who_has_failed_it_is_none_of_them(void **state)
{
    (void)state;
    struct field *s = field_new();
    for (int i = 0; i < 3; i++)
        (void)field_worker(s, (const char *[]){"w1", "w2", "w3"}[i], 1);
    field_batch(s, ONE, 1);
    for (int i = 0; i < 2; i++) {
        struct hand *w = victim(s);
        struct attempt_key key = field_assigned(s, w);
        field_fails(s, w, &key, END_FAILED);
    }
    for (int i = 0; i < 4; i++)
        dies(s, victim(s));
    assert_int_equal(field_events(s, "task.hazard"), 1);
    assert_int_equal(field_state(s, ONE), BATCH_FAILED);
    field_end(s);
}

/* Its clip fails in mid-list: another task of that clip lives on the same worker. */
static void other_tasks_of_the_clip_go_with_it(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 2);
    struct plan plan = plan_whole(20, 10);
    plan.method = PLAN_WINDOWS;
    plan.window = 8;
    plan.overlap = 2;
    plan.sync_every = 5;
    struct shape shape = field_shape(1);
    shape.frames = plan.frames;
    shape.plan = plan;
    field_batch_with(s, ONE, 1, 0, shape);
    for (int i = 0; i < 40 && field_state(s, ONE) != BATCH_FAILED; i++) {
        (void)victim(s);
        dies(s, w);
    }
    assert_int_equal(field_state(s, ONE), BATCH_FAILED);
    field_end(s);
}

/* Everybody else goes on, its host gets nothing beside it and nothing behind it. */
static void its_host_does_nothing_else(void **state)
{
    (void)state;
    struct field *s = with_a_hazard(5);
    all_back(s);
    struct hand *host = victim(s);
    field_batch(s, TWO, 40);
    field_run(s, NS_PER_S);
    for (uint32_t i = 0; i < s->hand_count; i++)
        assert_int_equal(load(s, &s->hands[i]), &s->hands[i] == host ? 1 : 2);
    field_end(s);
}

/* No worker is ever idle: one is not given more until the task can have it. */
static void a_busy_farm_makes_room_for_it(void **state)
{
    (void)state;
    struct field *s = with_a_hazard(3);
    field_batch(s, TWO, 100);
    all_back(s);
    field_turn(s); /* all have two of the others by now, as the task waits for its next try */
    for (int i = 0; i < 100 && !has_it(s, &s->hands[0]); i++) {
        for (uint32_t k = 0; k < s->hand_count; k++) {
            struct running_info held[4];
            struct hand *w = &s->hands[k];
            if (farm_worker_running(s->f, w->name, s->now_ns, held, 4) == 0) continue;
            if (strcmp(held[0].attempt.task.batch, TWO) == 0) field_publish(s, w, &held[0].attempt);
        }
        field_run(s, NS_PER_S);
        if (has_it(s, &s->hands[1]) || has_it(s, &s->hands[2])) break;
    }
    assert_int_equal(load(s, victim(s)), 1);
    field_end(s);
}

static void one_that_was_innocent_is_published(void **state)
{
    (void)state;
    struct field *s = with_a_hazard(5);
    struct hand *host = victim(s);
    struct attempt_key key = field_assigned(s, host);
    field_publish(s, host, &key);
    assert_int_equal(field_state(s, ONE), BATCH_DONE);
    field_batch(s, TWO, 40);
    field_run(s, NS_PER_S);
    assert_int_equal(load(s, host), 2); /* as before */
    field_end(s);
}

static void another_host_is_found_when_the_first_leaves(void **state)
{
    (void)state;
    struct error err = {0};
    struct field *s = with_a_hazard(5);
    all_back(s);
    struct hand *host = victim(s);
    struct attempt_key key = field_assigned(s, host);
    assert_true(farm_drain(s->f, host->name, 0, "me", s->now_ns, &err));
    field_hand_back(s, host, &key, HAND_BACK_PREEMPTED);
    assert_ptr_not_equal(victim(s), host);
    field_end(s);
}

static void a_paused_batch_keeps_no_host(void **state)
{
    (void)state;
    struct error err = {0};
    struct field *s = with_a_hazard(2);
    struct hand *host = victim(s);
    struct attempt_key key = field_assigned(s, host);
    assert_true(farm_batch_pause(s->f, ONE, &err));
    field_hand_back(s, host, &key, HAND_BACK_PREEMPTED);
    field_batch(s, TWO, 40);
    field_run(s, NS_PER_S);
    assert_int_equal(load(s, host), 2);
    assert_true(farm_batch_resume(s->f, ONE, &err));
    field_run(s, NS_PER_S);
    struct explanation why;
    struct task_key task = {.batch = ONE};
    assert_true(farm_explain_task(s->f, &task, s->now_ns, &why));
    assert_string_equal(why.code, "hazard");
    field_end(s);
}

static void explain_says_what_a_host_waits_for(void **state)
{
    (void)state;
    struct field *s = with_a_hazard(1);
    struct explanation why;
    (void)victim(s);
    assert_true(farm_explain_worker(s->f, "w1", "", s->now_ns, &why));
    assert_non_null(strstr(why.line, "nothing else beside " ONE "/0"));
    assert_true(farm_explain_worker(s->f, "w1", "me", s->now_ns, &why));
    assert_non_null(strstr(why.line, ONE "/0"));
    assert_true(farm_explain_worker(s->f, "w1", "ann", s->now_ns, &why)); /* it is not hers */
    assert_string_equal(why.code, "hazard");
    assert_null(strstr(why.line, ONE));
    field_end(s);
}

/* ---- what says nothing of the task ---- */

static void losses_after_the_second_step_do_not_count(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 1);
    for (int i = 0; i < 5; i++) {
        (void)victim(s);
        struct attempt_key key = field_assigned(s, w);
        field_progress(s, w, &key, 2);
        dies(s, w);
    }
    assert_int_equal(field_events(s, "task.hazard"), 0);
    assert_int_equal(field_state(s, ONE), BATCH_RUNNING);
    field_end(s);
}

/* Of two clips, the one that runs is past its second step. */
static void what_was_next_in_line_does_not_count(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 2);
    for (int i = 0; i < 5; i++) {
        while (load(s, w) < 2)
            field_run(s, NS_PER_S / 10);
        for (size_t k = 0; k < s->note_count; k++) {
            const struct effect_message *m = &s->notes[k].e.message;
            if (s->notes[k].e.kind == EFFECT_ASSIGN && !m->canary && !m->prefetch)
                field_progress(s, w, &m->attempt, 2);
        }
        assert_int_equal(field_events(s, "task.hazard"), 0);
        field_forget(s);
        dies(s, w);
    }
    assert_int_equal(field_events(s, "task.hazard"), 0);
    assert_int_equal(field_state(s, ONE), BATCH_RUNNING);
    field_end(s);
}

/* Its worker was dead already: the coordinator learns that later. */
static void what_nobody_said_he_began_does_not_count(void **state)
{
    (void)state;
    struct field *s = field_new();
    (void)field_worker(s, "w1", 1);
    field_batch(s, ONE, 1);
    int64_t begun_ns = s->now_ns;
    for (int i = 0; i < 5; i++)
        dies(s, chosen(s));
    assert_int_equal(field_events(s, "task.hazard"), 0);
    assert_int_equal(field_state(s, ONE), BATCH_RUNNING);
    (void)chosen(s);
    assert_true(s->now_ns - begun_ns < NS_PER_S); /* nor does it wait (T7) */
    field_end(s);
}

static void what_a_worker_does_not_know_does_not_count(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, ONE, 1);
    for (int i = 0; i < 5; i++) {
        (void)victim(s);
        struct attempt_key key = field_assigned(s, w);
        field_hand_back(s, w, &key, HAND_BACK_UNKNOWN);
        if (field_worker_state(s, w) == WORKER_CANARY) field_canary(s, w, true); /* W3 */
    }
    assert_int_equal(field_events(s, "task.hazard"), 0);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fourth_loss_fails_it),
        cmocka_unit_test(three_times_are_enough_where_fewer_workers_are),
        cmocka_unit_test(who_has_failed_it_is_none_of_them),
        cmocka_unit_test(other_tasks_of_the_clip_go_with_it),
        cmocka_unit_test(its_host_does_nothing_else),
        cmocka_unit_test(a_busy_farm_makes_room_for_it),
        cmocka_unit_test(one_that_was_innocent_is_published),
        cmocka_unit_test(another_host_is_found_when_the_first_leaves),
        cmocka_unit_test(a_paused_batch_keeps_no_host),
        cmocka_unit_test(explain_says_what_a_host_waits_for),
        cmocka_unit_test(losses_after_the_second_step_do_not_count),
        cmocka_unit_test(what_was_next_in_line_does_not_count),
        cmocka_unit_test(what_nobody_said_he_began_does_not_count),
        cmocka_unit_test(what_a_worker_does_not_know_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

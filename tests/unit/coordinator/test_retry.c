/* What an attempt's end means: T3, T4, T7. */
#include "coordinator/farm_explain.h"
#include "coordinator/returns.h"
#include "field.h"

#define BATCH "b000000001"
#define OTHER "b000000002"

static struct task_record record_of(const struct field *s, const char *batch)
{
    struct task_record row;
    struct task_key key = {.batch = ""};
    (void)snprintf(key.batch, sizeof(key.batch), "%s", batch);
    assert_true(farm_task_record(s->f, &key, &row));
    return row;
}

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

/* ---- T3 ---- */

static void check_counts(const struct field *s, uint32_t counted, uint32_t failed, uint32_t losses)
{
    struct worker_info info;
    struct task_record row = record_of(s, BATCH);
    assert_true(farm_worker_info(s->f, "w1", s->now_ns, &info));
    assert_int_equal(row.counted, counted);
    assert_int_equal(row.losses, losses);
    assert_int_equal(info.failed, failed);
    assert_int_equal(info.lost, losses);
}

static void an_engine_failure_counts_against_both(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_fails(s, w, &key, END_FAILED);
    check_counts(s, 1, 1, 0);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_FAILED);
    assert_int_equal(field_events(s, "attempt.failed"), 1);
    field_end(s);
}

static void a_hang_counts_against_both(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_fails(s, w, &key, END_HUNG);
    check_counts(s, 1, 1, 0);
    assert_int_equal(field_events(s, "attempt.hung"), 1);
    field_end(s);
}

static void a_rejected_result_counts_against_both(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10);
    field_upload(s, w, &key);
    field_verdict(s, w, &key, VERDICT_REJECTED);
    check_counts(s, 1, 1, 0);
    assert_int_equal(field_last(s, EFFECT_DROPPED)->e.message.drop, DROP_REJECTED);
    field_end(s);
}

static void handing_back_and_preemption_count_against_nobody(void **state)
{
    (void)state;
    static const enum hand_back_reason reasons[] = {HAND_BACK_DRAINING, HAND_BACK_RECALLED,
                                                    HAND_BACK_MODEL,    HAND_BACK_MEMORY,
                                                    HAND_BACK_DISK,     HAND_BACK_PREEMPTED};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        struct hand *w;
        struct attempt_key key;
        struct field *s = with_one_running(&w, &key);
        bool preempted = reasons[i] == HAND_BACK_PREEMPTED;
        field_hand_back(s, w, &key, reasons[i]);
        check_counts(s, 0, 0, 0);
        assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end,
                         preempted ? END_PREEMPTED : END_HANDED_BACK);
        field_end(s);
    }
}

static void what_the_worker_does_not_know_is_lost(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_hand_back(s, w, &key, HAND_BACK_UNKNOWN);
    check_counts(s, 0, 0, 1);
    struct attempt_key again = field_assigned(s, w);
    field_fails(s, w, &again, END_CANCELED); /* nobody here canceled it */
    check_counts(s, 0, 0, 2);
    field_end(s);
}

static void a_bad_recipe_fails_at_once_and_counts_against_nobody(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct worker_info info;
    struct field *s = with_one_running(&w, &key);
    field_fails(s, w, &key, END_RECIPE);
    assert_int_equal(field_state(s, BATCH), BATCH_FAILED);
    assert_true(farm_worker_info(s->f, "w1", s->now_ns, &info));
    assert_int_equal(info.failed, 0);
    const struct clip_record *clip = &field_last(s, EFFECT_SAVE_CLIP)->e.clip;
    assert_int_equal(clip->state, CLIP_FAILED);
    const struct effect *row = &field_last(s, EFFECT_SAVE_TASK)->e;
    assert_int_equal(row->task.state, TASK_FAILED);
    assert_false(row->task.open);
    field_end(s);
}

/* ---- refusals are remembered ---- */

static void a_refused_model_is_not_offered_again(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct reason_info reasons[REASONS_MAX];
    struct field *s = with_one_running(&w, &key);
    field_hand_back(s, w, &key, HAND_BACK_MODEL);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    assert_int_equal(farm_batch_reasons(s->f, BATCH, s->now_ns, reasons), 1);
    assert_string_equal(reasons[0].code, "model_refused");
    field_batch_of(s, "b000000002", 1, 0, 2); /* another model */
    field_turn(s);
    assert_true(field_has_assign(s, w));
    struct attempt_key other = field_assigned(s, w);
    field_publish(s, w, &other);
    w->boot++; /* a new process may have got it by now */
    field_forget(s);
    field_hello(s, w, NULL, 0);
    field_canary(s, w, true);
    field_turn(s);
    assert_true(field_has_assign(s, w));
    field_end(s);
}

static void beats_with(struct field *s, const struct hand *w, uint64_t free_bytes)
{
    const struct farm_heartbeat beat = {.last_message = 9, .disk_free_bytes = free_bytes};
    farm_heartbeat(s->f, w->session, &beat, s->now_ns);
    field_turn(s);
}

static void refuses_model(struct field *s, const struct hand *w)
{
    const struct attempt_key key = field_assigned(s, w);
    field_forget(s);
    field_hand_back(s, w, &key, HAND_BACK_MODEL);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
}

/* So much later it is given its task again, and not before. */
static void is_asked_again_after(struct field *s, const struct hand *w, int64_t wait_ns)
{
    field_run(s, wait_ns - NS_PER_S);
    beats_with(s, w, 0);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    field_run(s, NS_PER_S);
    beats_with(s, w, 0);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 1);
    refuses_model(s, w);
}

/* What stood in the way may have been a passing trouble, of a disk or of the coordinator. */
static void a_refused_model_is_offered_again_later(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_hand_back(s, w, &key, HAND_BACK_MODEL);
    is_asked_again_after(s, w, 60 * NS_PER_S);
    is_asked_again_after(s, w, 120 * NS_PER_S); /* longer each time */
    for (int i = 0; i < 5; i++) {
        field_run(s, 3600 * NS_PER_S);
        beats_with(s, w, 0);
        refuses_model(s, w);
    }
    is_asked_again_after(s, w, 3600 * NS_PER_S); /* an hour at most */
    field_run(s, 2 * 3601 * NS_PER_S);
    beats_with(s, w, 0);
    refuses_model(s, w); /* that is another trouble */
    is_asked_again_after(s, w, 60 * NS_PER_S);
    field_end(s);
}

/* Many tasks may start from one file that nobody can have for a while: each waits longer each time,
 * and its worker does other work. */
static void what_cannot_be_fetched_waits_longer_each_time(void **state)
{
    (void)state;
    static const int64_t waits_s[] = {2, 10, 60, 300, 300};
    struct hand *w;
    struct attempt_key key;
    struct explanation why;
    char words[80];
    struct field *s = with_one_running(&w, &key);
    for (size_t i = 0; i < sizeof(waits_s) / sizeof(waits_s[0]); i++) {
        const struct farm_held at = {.attempt = key, .phase = PHASE_FETCHING};
        farm_progress(s->f, w->session, &at, s->now_ns);
        farm_handed_back(s->f, w->session, &key, HAND_BACK_RECALLED, "its picture is lost",
                         s->now_ns);
        field_turn(s);
        check_counts(s, 0, 0, 0);
        assert_true(farm_explain_worker(s->f, "w1", "", s->now_ns, &why));
        assert_string_equal(why.code, "no_work");
        assert_true(farm_explain_clip(s->f, BATCH, 0, s->now_ns, &why));
        assert_string_equal(why.code, "retry_wait");
        (void)snprintf(words, sizeof(words),
                       "came back %zu times before it could begin, the last: "
                       "its picture is lost",
                       i + 1);
        if (strstr(why.line, words) == NULL) fail_msg("%s", why.line);
        field_forget(s);
        field_run(s, waits_s[i] * NS_PER_S - 1);
        assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
        field_run(s, 1);
        key = field_assigned(s, w);
    }
    field_end(s);
}

/* The first time somebody else may be able to begin it at once. */
static void what_comes_back_again_and_again_waits(void **state)
{
    (void)state;
    static const int64_t waits_s[] = {0, 2, 10};
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    for (size_t i = 0; i < sizeof(waits_s) / sizeof(waits_s[0]); i++) {
        field_hand_back(s, w, &key, HAND_BACK_RECALLED);
        field_forget(s);
        beats_with(s, w, 0);
        assert_int_equal(field_count(s, EFFECT_ASSIGN), waits_s[i] == 0);
        field_run(s, waits_s[i] * NS_PER_S);
        key = field_assigned(s, w);
    }
    field_end(s);
}

/* Its prompt cannot be read, by whomever it is asked for; nobody is to blame. */
static void what_cannot_be_assigned_waits_at_once(void **state)
{
    (void)state;
    static const int64_t waits_s[] = {2, 10, 60};
    struct hand *w;
    struct attempt_key key;
    struct worker_info info;
    struct field *s = with_one_running(&w, &key);
    for (size_t i = 0; i < sizeof(waits_s) / sizeof(waits_s[0]); i++) {
        field_forget(s);
        farm_not_sent(s->f, w->session, &key, RETURNS_PROMPT, "its prompts are damaged", s->now_ns);
        field_turn(s);
        field_run(s, waits_s[i] * NS_PER_S - 1);
        assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
        field_run(s, 1);
        key = field_assigned(s, w);
    }
    assert_true(farm_worker_info(s->f, w->name, s->now_ns, &info));
    assert_int_equal(info.failed + info.lost, 0);
    field_end(s);
}

#define LACKING 1000

static const struct digest lost_file = {{7}};

static void refuse_noted(struct field *s, const struct hand *w)
{
    const size_t count = s->note_count;
    for (size_t i = 0; i < count; i++) {
        const struct effect *e = &s->notes[i].e;
        if (e->kind != EFFECT_ASSIGN) continue;
        farm_not_sent(s->f, w->session, &e->message.attempt, returns_file(&lost_file),
                      "its picture is lost", s->now_ns);
    }
}

/* All that is assigned, until nothing more is; how many. */
static size_t refuse_all(struct field *s, const struct hand *w)
{
    size_t tries = 0, now;
    while ((now = field_count(s, EFFECT_ASSIGN)) > 0) {
        refuse_noted(s, w);
        field_forget(s);
        field_turn(s);
        tries += now;
    }
    return tries;
}

static struct field *with_a_lost_file(struct hand **w)
{
    struct attempt_key key;
    struct field *s = with_one_running(w, &key);
    assert_true(farm_batch_cancel(s->f, BATCH, s->now_ns, NULL));
    field_forget(s);
    field_batch(s, OTHER, LACKING);
    field_turn(s);
    return s;
}

static void many_that_lack_the_same_are_tried_in_turn(void **state)
{
    (void)state;
    struct hand *w;
    struct field *s = with_a_lost_file(&w);
    struct explanation why;
    assert_in_range(refuse_all(s, w), RETURNS_MISSES, RETURNS_MISSES + 2);
    assert_true(farm_explain_clip(s->f, OTHER, LACKING - 1, s->now_ns, &why));
    assert_string_equal(why.code, "retry_wait");
    if (strstr(why.line, "is lost") == NULL) fail_msg("%s", why.line);
    size_t tries = 0;
    for (int second = 0; second < 100; second++) {
        field_run(s, NS_PER_S);
        tries += refuse_all(s, w);
    }
    /* In 300 ms one that is new, and one again. */
    assert_in_range(tries, 300, 2 * 340);
    field_end(s);
}

static void what_they_lacked_is_here_again(void **state)
{
    (void)state;
    struct hand *w;
    struct field *s = with_a_lost_file(&w);
    const struct digest other_file = {{8}};
    (void)refuse_all(s, w);
    for (int second = 0; second < 10; second++) {
        field_run(s, NS_PER_S);
        (void)refuse_all(s, w);
    }
    farm_input_came(s->f, OTHER, &other_file);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    farm_input_came(s->f, OTHER, &lost_file);
    field_turn(s);
    const struct attempt_key first = field_assigned(s, w);
    field_forget(s);
    field_progress(s, w, &first, 1); /* it begins: all others may */
    const struct hand *other = field_worker(s, "w2", 1);
    assert_in_range(refuse_all(s, other), RETURNS_MISSES + 8, LACKING);
    field_end(s);
}

/* Somebody else's batch goes on beside it. */
static void who_lacks_nothing_does_not_wait_for_who_does(void **state)
{
    (void)state;
    struct hand *w;
    struct field *s = with_a_lost_file(&w);
    (void)refuse_all(s, w);
    field_batch(s, "b000000003", 1);
    field_turn(s);
    assert_string_equal(field_assigned(s, w).task.batch, "b000000003");
    field_end(s);
}

static void without_room_on_disk_a_worker_waits_for_its_next_heartbeat(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct reason_info reasons[REASONS_MAX];
    struct field *s = with_one_running(&w, &key);
    field_hand_back(s, w, &key, HAND_BACK_DISK);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    struct farm_heartbeat beat = {.last_message = 9, .disk_low = true};
    farm_heartbeat(s->f, w->session, &beat, s->now_ns);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    assert_int_equal(farm_batch_reasons(s->f, BATCH, s->now_ns, reasons), 1);
    assert_string_equal(reasons[0].code, "worker_disk");
    beat.disk_low = false;
    beat.disk_free_bytes = 1;
    farm_heartbeat(s->f, w->session, &beat, s->now_ns);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 1);
    field_end(s);
}

/* What its disk has no room for a worker is not sent again and again, as fast as it hands it back:
 * when there is clearly more room, or after a minute. Other kinds of work it gets. */
static void work_that_found_no_room_is_not_sent_there_again_soon(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct reason_info reasons[REASONS_MAX];
    struct field *s = with_one_running(&w, &key);
    field_hand_back(s, w, &key, HAND_BACK_DISK);
    beats_with(s, w, 8000);
    beats_with(s, w, 9000);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    assert_int_equal(farm_batch_reasons(s->f, BATCH, s->now_ns, reasons), 1);
    assert_string_equal(reasons[0].code, "worker_disk");
    field_batch_of(s, "b000000002", 1, 0, 2); /* another model */
    field_turn(s);
    assert_true(field_has_assign(s, w));
    struct attempt_key other = field_assigned(s, w);
    field_publish(s, w, &other);
    field_forget(s);
    beats_with(s, w, 9001);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 1);
    key = field_assigned(s, w);
    field_forget(s);
    field_hand_back(s, w, &key, HAND_BACK_DISK);
    beats_with(s, w, 9001);
    s->now_ns += 60 * NS_PER_S;
    beats_with(s, w, 9001);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 1);
    key = field_assigned(s, w);
    field_forget(s);
    field_hand_back(s, w, &key, HAND_BACK_DISK); /* longer each time */
    beats_with(s, w, 9001);
    s->now_ns += 119 * NS_PER_S;
    beats_with(s, w, 9001);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    s->now_ns += NS_PER_S;
    beats_with(s, w, 9001);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 1);
    field_end(s);
}

/* ---- T4 ---- */

static struct hand *holder(const struct field *s, struct hand *const *hands, size_t count,
                           struct attempt_key *key)
{
    const struct note *n = field_last(s, EFFECT_ASSIGN);
    for (size_t i = 0; i < count; i++) {
        if (n->e.message.canary || strcmp(n->worker, hands[i]->name) != 0) continue;
        *key = n->e.message.attempt;
        return hands[i];
    }
    fail_msg("nobody has it");
    return NULL;
}

/* Fails `times` on whatever worker has it, as long as somebody has. */
static void fail_times(struct field *s, struct hand *const *hands, size_t count, int times)
{
    for (int i = 0; i < times; i++) {
        struct attempt_key key;
        struct hand *w = holder(s, hands, count, &key);
        field_forget(s);
        field_fails(s, w, &key, END_FAILED);
        field_run(s, 20 * NS_PER_S);
    }
}

static void three_distinct_workers_fail_it_for_good(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *hands[4] = {field_worker(s, "w1", 1), field_worker(s, "w2", 1),
                             field_worker(s, "w3", 1), field_worker(s, "w4", 1)};
    field_batch(s, BATCH, 1);
    field_turn(s);
    fail_times(s, hands, 4, 2);
    assert_int_equal(field_state(s, BATCH), BATCH_RUNNING);
    struct task_record row = record_of(s, BATCH);
    assert_int_equal(row.blamed_count, 2);
    assert_string_not_equal(row.blamed[0], row.blamed[1]);
    fail_times(s, hands, 4, 1);
    assert_int_equal(field_state(s, BATCH), BATCH_FAILED);
    assert_int_equal(field_events(s, "clip.failed"), 1);
    assert_int_equal(field_events(s, "batch.failed"), 1);
    field_end(s);
}

static void the_last_of_three_may_end_well(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *hands[3] = {field_worker(s, "w1", 1), field_worker(s, "w2", 1),
                             field_worker(s, "w3", 1)};
    struct attempt_key key;
    field_batch(s, BATCH, 1);
    field_turn(s);
    fail_times(s, hands, 3, 2);
    struct hand *w = holder(s, hands, 3, &key);
    field_publish(s, w, &key);
    assert_int_equal(field_state(s, BATCH), BATCH_DONE);
    field_end(s);
}

static void one_worker_fails_it_after_two_attempts_and_a_canary(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *hands[1] = {field_worker(s, "w1", 1)};
    field_batch(s, BATCH, 1);
    field_turn(s);
    fail_times(s, hands, 1, 2);
    assert_int_equal(field_state(s, BATCH), BATCH_RUNNING);
    assert_true(field_last(s, EFFECT_ASSIGN)->e.message.canary);
    field_canary(s, hands[0], true);
    assert_int_equal(field_state(s, BATCH), BATCH_FAILED);
    field_end(s);
}

static void a_wrong_canary_acquits_the_task(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *hands[1] = {field_worker(s, "w1", 1)};
    struct attempt_key key;
    field_batch(s, BATCH, 1);
    field_turn(s);
    fail_times(s, hands, 1, 2);
    field_canary(s, hands[0], false);
    assert_int_equal(field_worker_state(s, hands[0]), WORKER_QUARANTINED);
    assert_int_equal(field_state(s, BATCH), BATCH_RUNNING);
    field_forget(s);
    struct hand *other = field_worker(s, "w2", 1);
    key = field_assigned(s, other);
    field_publish(s, other, &key);
    assert_int_equal(field_state(s, BATCH), BATCH_DONE);
    field_end(s);
}

static void two_workers_fail_it_when_both_have_shown_canaries(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *hands[2] = {field_worker(s, "w1", 1), field_worker(s, "w2", 1)};
    field_batch(s, BATCH, 1);
    field_turn(s);
    fail_times(s, hands, 2, 2);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 2);
    field_canary(s, hands[0], true);
    assert_int_equal(field_state(s, BATCH), BATCH_RUNNING);
    field_canary(s, hands[1], true);
    assert_int_equal(field_state(s, BATCH), BATCH_FAILED);
    field_end(s);
}

static void a_third_worker_that_comes_late_gets_its_try(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *hands[2] = {field_worker(s, "w1", 1), field_worker(s, "w2", 1)};
    struct attempt_key key;
    field_batch(s, BATCH, 1);
    field_turn(s);
    fail_times(s, hands, 2, 2);
    struct hand *third = field_worker(s, "w3", 1);
    key = field_assigned(s, third);
    field_canary(s, hands[0], true);
    field_canary(s, hands[1], true);
    assert_int_equal(field_state(s, BATCH), BATCH_RUNNING);
    field_publish(s, third, &key);
    assert_int_equal(field_state(s, BATCH), BATCH_DONE);
    field_end(s);
}

/* Two failed, the third rendered it; then its file is gone, and the third too. */
static void what_was_rendered_once_can_be_rendered(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *hands[3] = {field_worker(s, "w1", 1), field_worker(s, "w2", 1),
                             field_worker(s, "w3", 1)};
    struct attempt_key key;
    field_batch(s, BATCH, 1);
    field_turn(s);
    fail_times(s, hands, 3, 2);
    struct hand *third = holder(s, hands, 3, &key);
    field_store(s, third, &key);
    farm_leaving(s->f, third->session, "bye", true, s->now_ns);
    field_forget(s);
    farm_output_missing(s->f, &key.task, false, s->now_ns);
    field_turn(s);
    third = holder(s, hands, 3, &key);
    field_publish(s, third, &key);
    assert_int_equal(field_state(s, BATCH), BATCH_DONE);
    field_end(s);
}

static void two_failures_of_one_worker_are_one_worker(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *first = field_worker(s, "w1", 1);
    struct attempt_key key;
    field_batch(s, BATCH, 1);
    field_turn(s);
    fail_times(s, &first, 1, 2);
    struct hand *second = field_worker(s, "w2", 1);
    key = field_assigned(s, second);
    field_fails(s, second, &key, END_FAILED); /* the third, but of two workers */
    assert_int_equal(field_state(s, BATCH), BATCH_RUNNING);
    struct hand *third = field_worker(s, "w3", 1);
    field_run(s, 20 * NS_PER_S);
    key = field_assigned(s, third);
    field_publish(s, third, &key);
    assert_int_equal(field_state(s, BATCH), BATCH_DONE);
    field_end(s);
}

/* While the canary is rendered an old result is adopted, and then lost. */
static void a_canary_counts_though_the_task_was_leased_meanwhile(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *first = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    fail_times(s, &first, 1, 2);
    struct hand *second = field_worker(s, "w2", 1);
    struct attempt_key old = field_assigned(s, second);
    field_hand_back(s, second, &old, HAND_BACK_MODEL);
    field_offer(s, second, &old, 1000);
    field_canary(s, first, true);
    assert_int_equal(field_state(s, BATCH), BATCH_RUNNING);
    field_run(s, CREDIT_IDLE_NS);
    assert_int_equal(field_state(s, BATCH), BATCH_FAILED);
    field_end(s);
}

static void the_other_worker_leaves_and_the_one_decides(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *hands[2] = {field_worker(s, "w1", 1), field_worker(s, "w2", 1)};
    struct attempt_key key;
    field_batch(s, BATCH, 1);
    field_turn(s);
    struct hand *first = holder(s, hands, 2, &key);
    struct hand *other = first == hands[0] ? hands[1] : hands[0];
    field_fails(s, first, &key, END_FAILED);
    key = field_assigned(s, other);
    farm_leaving(s->f, other->session, "bye", true, s->now_ns);
    field_forget(s);
    field_turn(s);
    assert_string_equal(field_last(s, EFFECT_ASSIGN)->worker, first->name);
    field_end(s);
}

static void blame_survives_a_restart(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *hands[1] = {field_worker(s, "w1", 1)};
    field_batch(s, BATCH, 1);
    field_turn(s);
    fail_times(s, hands, 1, 2);
    field_restart(s);
    struct task_record row = record_of(s, BATCH);
    assert_int_equal(row.counted, 2);
    assert_string_equal(row.blamed[0], "w1");
    field_hello(s, hands[0], NULL, 0);
    field_canary(s, hands[0], true);
    assert_int_equal(field_state(s, BATCH), BATCH_FAILED);
    field_end(s);
}

/* ---- T7 ---- */

/* How long after its n-th loss the task is given again. */
static int64_t wait_after_losses(int losses)
{
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    int64_t began = 0;
    for (int i = 0; i < losses; i++) {
        field_forget(s);
        began = s->now_ns;
        field_hand_back(s, w, &key, HAND_BACK_UNKNOWN);
        while (!field_has_assign(s, w)) {
            if (field_worker_state(s, w) == WORKER_CANARY) field_canary(s, w, true); /* W3 */
            if (!field_has_assign(s, w)) field_run(s, NS_PER_S / 10);
        }
        key = field_assigned(s, w);
    }
    int64_t waited = s->now_ns - began;
    field_end(s);
    return waited;
}

static void waits_grow_to_a_minute_with_jitter(void **state)
{
    (void)state;
    static const int64_t least_s[] = {0, 2, 10, 60, 60};
    for (int n = 1; n <= 5; n++) {
        int64_t waited = wait_after_losses(n);
        int64_t least = least_s[n - 1] * NS_PER_S;
        assert_true(waited >= least);
        assert_true(waited <= least + least / 2 + NS_PER_S / 10);
    }
}

static void handing_back_never_waits(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    for (int i = 0; i < 10; i++) {
        field_forget(s);
        field_hand_back(s, w, &key, HAND_BACK_PREEMPTED);
        key = field_assigned(s, w);
    }
    field_end(s);
}

static void fences_grow_over_retries_and_restarts(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    uint64_t last = key.fence;
    for (int i = 0; i < 6; i++) {
        field_forget(s);
        field_hand_back(s, w, &key, HAND_BACK_PREEMPTED);
        key = field_assigned(s, w);
        assert_true(key.fence > last);
        last = key.fence;
        if (i != 2) continue;
        field_restart(s);
        struct farm_held held = {.attempt = key, .phase = PHASE_RENDERING, .step = 1};
        field_hello(s, w, &held, 1);
    }
    field_end(s);
}

static void nobody_speaks_for_another_worker(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    struct hand *other = field_worker(s, "w2", 1);
    field_fails(s, other, &key, END_FAILED);
    field_hand_back(s, other, &key, HAND_BACK_UNKNOWN);
    field_progress(s, other, &key, 9);
    field_verdict(s, other, &key, VERDICT_REJECTED);
    check_counts(s, 0, 0, 0);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_publish(s, w, &key);
    assert_int_equal(field_state(s, BATCH), BATCH_DONE);
    field_end(s);
}

static void a_new_generation_raises_every_fence(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    s->config.generation = 32767; /* the last one that there is */
    field_restart(s);
    struct farm_held held = {.attempt = key, .phase = PHASE_RENDERING, .step = 1};
    field_hello(s, w, &held, 1);
    field_hand_back(s, w, &key, HAND_BACK_PREEMPTED); /* the old fence still names it */
    assert_true(field_assigned(s, w).fence >> 48 == 32767);
    field_batch(s, "b000000002", 1);
    field_turn(s);
    assert_true(field_assigned(s, w).fence >> 48 == 32767);
    field_end(s);
}

static void a_clip_that_ends_twice_counts_once(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_fails(s, w, &key, END_FAILED);
    field_fails(s, w, &key, END_FAILED);
    field_hand_back(s, w, &key, HAND_BACK_UNKNOWN);
    check_counts(s, 1, 1, 0);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_engine_failure_counts_against_both),
        cmocka_unit_test(a_hang_counts_against_both),
        cmocka_unit_test(a_rejected_result_counts_against_both),
        cmocka_unit_test(handing_back_and_preemption_count_against_nobody),
        cmocka_unit_test(what_the_worker_does_not_know_is_lost),
        cmocka_unit_test(a_bad_recipe_fails_at_once_and_counts_against_nobody),
        cmocka_unit_test(a_refused_model_is_not_offered_again),
        cmocka_unit_test(a_refused_model_is_offered_again_later),
        cmocka_unit_test(what_cannot_be_fetched_waits_longer_each_time),
        cmocka_unit_test(what_comes_back_again_and_again_waits),
        cmocka_unit_test(what_cannot_be_assigned_waits_at_once),
        cmocka_unit_test(many_that_lack_the_same_are_tried_in_turn),
        cmocka_unit_test(what_they_lacked_is_here_again),
        cmocka_unit_test(who_lacks_nothing_does_not_wait_for_who_does),
        cmocka_unit_test(without_room_on_disk_a_worker_waits_for_its_next_heartbeat),
        cmocka_unit_test(work_that_found_no_room_is_not_sent_there_again_soon),
        cmocka_unit_test(three_distinct_workers_fail_it_for_good),
        cmocka_unit_test(the_last_of_three_may_end_well),
        cmocka_unit_test(one_worker_fails_it_after_two_attempts_and_a_canary),
        cmocka_unit_test(a_wrong_canary_acquits_the_task),
        cmocka_unit_test(two_workers_fail_it_when_both_have_shown_canaries),
        cmocka_unit_test(a_third_worker_that_comes_late_gets_its_try),
        cmocka_unit_test(what_was_rendered_once_can_be_rendered),
        cmocka_unit_test(two_failures_of_one_worker_are_one_worker),
        cmocka_unit_test(a_canary_counts_though_the_task_was_leased_meanwhile),
        cmocka_unit_test(the_other_worker_leaves_and_the_one_decides),
        cmocka_unit_test(blame_survives_a_restart),
        cmocka_unit_test(waits_grow_to_a_minute_with_jitter),
        cmocka_unit_test(handing_back_never_waits),
        cmocka_unit_test(fences_grow_over_retries_and_restarts),
        cmocka_unit_test(nobody_speaks_for_another_worker),
        cmocka_unit_test(a_new_generation_raises_every_fence),
        cmocka_unit_test(a_clip_that_ends_twice_counts_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a worker's ends say about it (W3), and operators who put it into quarantine and let it out.
 */
#include "field.h"

#include "coordinator/farm_explain.h"

#define BATCH "b000000001"

static bool is_task_of(const struct note *n, const struct hand *w)
{
    return n->e.kind == EFFECT_ASSIGN && !n->e.message.canary && strcmp(n->worker, w->name) == 0;
}

/* The n-th task that it was ever given: it runs when those before have ended. */
static struct attempt_key given(const struct field *s, const struct hand *w, uint32_t n)
{
    for (size_t i = 0; i < s->note_count; i++) {
        const struct note *each = &s->notes[i];
        if (is_task_of(each, w) && n-- == 0) return each->e.message.attempt;
    }
    fail_msg("%s was not given so much", w->name);
    return (struct attempt_key){.fence = 0};
}

static uint32_t given_count(const struct field *s, const struct hand *w)
{
    uint32_t count = 0;
    for (size_t i = 0; i < s->note_count; i++)
        count += is_task_of(&s->notes[i], w);
    return count;
}

static void fail_some(struct field *s, struct hand *w, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct attempt_key key = given(s, w, i);
        field_fails(s, w, &key, END_FAILED);
        field_turn(s);
    }
}

static void three_in_a_row_ask_for_a_canary(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *bad = field_worker(s, "w1", 1);
    (void)field_worker(s, "w2", 1); /* who could do what this one does not */
    field_batch(s, BATCH, 50);
    field_turn(s);
    fail_some(s, bad, 3);
    assert_int_equal(field_events(s, "worker.suspected"), 1);
    assert_int_equal(given_count(s, bad), 3); /* no fourth in advance */
    assert_int_equal(field_worker_state(s, bad), WORKER_CANARY);
    field_canary(s, bad, true);
    assert_int_equal(field_worker_state(s, bad), WORKER_BUSY);
    field_end(s);
}

static void a_finish_in_between_makes_it_good(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 50);
    field_turn(s);
    for (uint32_t i = 0; i < 12; i++) {
        const struct attempt_key key = given(s, w, i);
        if (i % 3 == 0)
            field_fails(s, w, &key, END_FAILED);
        else
            field_store(s, w, &key);
        field_turn(s);
    }
    assert_int_equal(field_events(s, "worker.suspected"), 0);
    field_end(s);
}

static void a_wrong_canary_strikes_what_it_said(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *bad = field_worker(s, "w1", 1);
    (void)field_worker(s, "w2", 1); /* who could do what this one does not */
    field_batch(s, BATCH, 50);
    field_turn(s);
    const struct attempt_key first = given(s, bad, 0);
    fail_some(s, bad, 3);
    struct task_record row;
    assert_true(farm_task_record(s->f, &first.task, &row));
    assert_int_equal(row.counted, 1);
    field_canary(s, bad, false);
    assert_int_equal(field_worker_state(s, bad), WORKER_QUARANTINED);
    assert_true(farm_task_record(s->f, &first.task, &row));
    assert_int_equal(row.counted, 0);
    assert_int_equal(row.blamed_count, 0);
    field_end(s);
}

static void an_operator_holds_it_until_he_lets_it_go(void **state)
{
    (void)state;
    struct error err = {0};
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    struct hand *other = field_worker(s, "w2", 1);
    field_batch(s, BATCH, 2);
    field_turn(s);
    const struct attempt_key key = field_assigned(s, w);
    assert_true(farm_quarantine(s->f, "w1", "smells of smoke", "boss", s->now_ns, &err));
    field_check(s);
    field_turn(s);
    assert_int_equal(field_worker_state(s, w), WORKER_QUARANTINED);
    struct task_record row;
    assert_true(farm_task_record(s->f, &key.task, &row));
    assert_int_equal(row.counted, 0); /* nothing counts against the task */
    (void)other;
    struct worker_info info;
    assert_true(farm_worker_info(s->f, "w1", s->now_ns, &info));
    assert_string_equal(info.reason, "smells of smoke");
    assert_string_equal(info.by, "boss");
    field_run(s, 3600 * NS_PER_S);
    assert_int_equal(field_worker_state(s, w), WORKER_QUARANTINED);
    assert_true(farm_readmit(s->f, "w1", "boss", &err));
    field_turn(s);
    assert_int_not_equal(field_worker_state(s, w), WORKER_QUARANTINED);
    assert_false(farm_readmit(s->f, "w1", "boss", &err));
    assert_int_equal(err.code, ERROR_STATE);
    assert_false(farm_quarantine(s->f, "nobody", "", "boss", s->now_ns, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    field_end(s);
}

/* Others finish what it did not, while it still renders the canary that it was asked for. */
static void an_older_canary_does_not_lead_out(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *bad = field_worker(s, "w1", 1);
    struct hand *good = field_worker(s, "w2", 1);
    field_batch(s, BATCH, 50);
    field_turn(s);
    fail_some(s, bad, 3);
    for (uint32_t i = 0; i < 12 && field_worker_state(s, bad) != WORKER_QUARANTINED; i++) {
        const struct attempt_key key = given(s, good, i);
        field_store(s, good, &key);
        field_turn(s);
    }
    assert_int_equal(field_worker_state(s, bad), WORKER_QUARANTINED);
    field_canary(s, bad, true);
    assert_int_equal(field_worker_state(s, bad), WORKER_QUARANTINED);
    field_run(s, 61 * NS_PER_S);
    field_canary(s, bad, true);
    assert_int_not_equal(field_worker_state(s, bad), WORKER_QUARANTINED);
    field_end(s);
}

/* All that it has ever been given. */
static void store_all(struct field *s, struct hand *w, uint32_t *done)
{
    while (*done < given_count(s, w)) {
        const struct attempt_key key = given(s, w, (*done)++);
        field_store(s, w, &key);
        field_turn(s);
    }
}

/* It was suspected once and rendered its canary right. What fails there later, among tasks that it
 * finishes, is not what it was suspected for. */
static void what_fails_after_the_canary_is_not_what_it_was_suspected_for(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    struct hand *good = field_worker(s, "w2", 1);
    uint32_t at = 0, done = 0;
    (void)field_worker(s, "w3", 1); /* T4 asks nobody for a canary where three could do it */
    (void)field_worker(s, "w4", 1);
    field_batch(s, BATCH, 40);
    field_turn(s);
    for (; field_events(s, "worker.suspected") == 0 && at < 9; at++) {
        const struct attempt_key key = given(s, w, at);
        field_hand_back(s, w, &key, HAND_BACK_UNKNOWN); /* lost */
        field_turn(s);
    }
    assert_int_equal(field_events(s, "worker.suspected"), 1);
    store_all(s, w, &at); /* what it had in advance */
    field_canary(s, w, true);
    field_turn(s);
    for (uint32_t i = 0; i < 8; i++, at++) {
        const struct attempt_key key = given(s, w, at);
        if (i % 2 == 0)
            field_fails(s, w, &key, END_FAILED);
        else
            field_store(s, w, &key);
        field_turn(s);
        for (uint32_t k = 0; k < 3 && done < given_count(s, good); k++) {
            const struct attempt_key other = given(s, good, done++);
            field_store(s, good, &other);
            field_turn(s);
        }
    }
    store_all(s, good, &done);
    assert_int_not_equal(field_worker_state(s, w), WORKER_QUARANTINED);
    field_end(s);
}

static void a_restart_keeps_an_operators_word(void **state)
{
    (void)state;
    struct error err = {0};
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    assert_true(farm_quarantine(s->f, "w1", "why", "boss", s->now_ns, &err));
    field_turn(s);
    field_restart(s);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    assert_int_equal(field_worker_state(s, w), WORKER_QUARANTINED);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0); /* no canary either */
    field_end(s);
}

/* ---- quarantine, and a worker that goes away ---- */

enum way { GONE_SILENT, GONE_FOR_GOOD, GONE_DRAINED, WAYS };

static void go(struct field *s, struct hand *w, enum way way)
{
    if (way == GONE_SILENT) field_silence(s, 11 * NS_PER_S);
    if (way == GONE_FOR_GOOD) field_silence(s, 60 * NS_PER_S);
    if (way == GONE_DRAINED) farm_leaving(s->f, w->session, "bye", true, s->now_ns);
    field_turn(s);
}

static void is_told_of(const struct field *s, const struct hand *w, const char *reason,
                       const char *by)
{
    struct worker_info info;
    assert_true(farm_worker_info(s->f, w->name, s->now_ns, &info));
    assert_string_equal(info.reason, reason);
    assert_string_equal(info.by, by);
}

static void is_explained_as_quarantined(const struct field *s, const struct hand *w)
{
    struct explanation e;
    assert_true(farm_explain_worker(s->f, w->name, "me", s->now_ns, &e));
    assert_string_equal(e.code, "quarantined");
    if (strstr(e.line, "in quarantine") == NULL) fail_msg("%s", e.line);
}

static void an_operators_word_outlives_the_workers_going(void **state)
{
    (void)state;
    static const enum worker_state shown[] = {WORKER_UNREACHABLE, WORKER_OFFLINE, WORKER_DRAINED};
    for (int way = 0; way < WAYS; way++) {
        struct error err = {0};
        struct field *s = field_new();
        struct hand *w = field_worker(s, "w1", 1);
        assert_true(farm_quarantine(s->f, "w1", "smoke", "boss", s->now_ns, &err));
        field_turn(s);
        field_forget(s);
        go(s, w, way);
        assert_int_equal(field_worker_state(s, w), shown[way]);
        is_told_of(s, w, "smoke", "boss");
        is_explained_as_quarantined(s, w);
        field_restart(s);
        is_told_of(s, w, "smoke", "boss");
        field_run(s, 60 * NS_PER_S); /* it is missed a second time */
        field_restart(s);
        w->boot++;
        field_hello(s, w, NULL, 0);
        field_run(s, 3600 * NS_PER_S);
        assert_int_equal(field_worker_state(s, w), WORKER_QUARANTINED);
        assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
        is_told_of(s, w, "smoke", "boss");
        field_end(s);
    }
}

static void why_it_went_is_told_all_the_same(void **state)
{
    (void)state;
    struct error err = {0};
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    assert_true(farm_quarantine(s->f, "w1", "smoke", "boss", s->now_ns, &err));
    field_turn(s);
    assert_string_equal(field_last(s, EFFECT_EVENT)->text, "smoke");
    go(s, w, GONE_FOR_GOOD);
    assert_string_equal(field_last(s, EFFECT_EVENT)->event, "worker.offline");
    assert_string_equal(field_last(s, EFFECT_EVENT)->text, "silent for too long");
    field_end(s);
}

static void the_last_word_on_it_is_told(void **state)
{
    (void)state;
    struct error err = {0};
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    assert_true(farm_quarantine(s->f, "w1", "smoke", "boss", s->now_ns, &err));
    assert_true(farm_quarantine(s->f, "w1", "its fan is loud", "ada", s->now_ns, &err));
    is_told_of(s, w, "its fan is loud", "ada");
    field_turn(s);
    const size_t events = field_events(s, "worker.quarantined");
    assert_true(farm_quarantine(s->f, "w1", "its fan is loud", "ada", s->now_ns, &err));
    assert_true(farm_quarantine(s->f, "w1", "", "boss", s->now_ns, &err)); /* says nothing new */
    field_turn(s);
    assert_int_equal(field_events(s, "worker.quarantined"), events);
    field_restart(s);
    is_told_of(s, w, "its fan is loud", "ada");
    field_end(s);
}

/* Its canary was wrong; a right one leads out, nothing else does. */
static void a_wrong_canary_outlives_it_too(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS; way++) {
        struct field *s = field_new();
        struct hand *w = field_hand(s, "w1", 1);
        field_hello(s, w, NULL, 0);
        field_canary(s, w, false);
        go(s, w, way);
        field_restart(s);
        w->boot++;
        field_hello(s, w, NULL, 0);
        field_turn(s);
        assert_int_equal(field_worker_state(s, w), WORKER_QUARANTINED);
        field_canary(s, w, true);
        assert_int_equal(field_worker_state(s, w), WORKER_IDLE);
        is_told_of(s, w, "", "");
        field_end(s);
    }
}

/* Its canary runs out while nobody hears it: it is shown as unreachable before and after. */
static void so_does_one_that_ran_out_unheard(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_hand(s, "w1", 1);
    field_hello(s, w, NULL, 0);
    field_run(s, 49 * NS_PER_S);
    field_silence(s, 12 * NS_PER_S);
    assert_int_equal(field_worker_state(s, w), WORKER_UNREACHABLE);
    is_told_of(s, w, "canary wrong: no answer within a minute", "");
    field_restart(s);
    field_hello(s, w, NULL, 0);
    assert_int_equal(field_worker_state(s, w), WORKER_QUARANTINED);
    field_end(s);
}

static void who_is_let_back_while_away_is_let_back(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS; way++) {
        struct error err = {0};
        struct field *s = field_new();
        struct hand *w = field_worker(s, "w1", 1);
        assert_true(farm_quarantine(s->f, "w1", "smoke", "boss", s->now_ns, &err));
        go(s, w, way);
        assert_true(farm_readmit(s->f, "w1", "boss", &err));
        field_turn(s);
        is_told_of(s, w, "readmitted: a canary comes first", "boss");
        field_restart(s);
        field_hello(s, w, NULL, 0);
        field_canary(s, w, true);
        assert_int_equal(field_worker_state(s, w), WORKER_IDLE);
        field_end(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_in_a_row_ask_for_a_canary),
        cmocka_unit_test(a_finish_in_between_makes_it_good),
        cmocka_unit_test(a_wrong_canary_strikes_what_it_said),
        cmocka_unit_test(an_operator_holds_it_until_he_lets_it_go),
        cmocka_unit_test(an_older_canary_does_not_lead_out),
        cmocka_unit_test(what_fails_after_the_canary_is_not_what_it_was_suspected_for),
        cmocka_unit_test(a_restart_keeps_an_operators_word),
        cmocka_unit_test(an_operators_word_outlives_the_workers_going),
        cmocka_unit_test(why_it_went_is_told_all_the_same),
        cmocka_unit_test(the_last_word_on_it_is_told),
        cmocka_unit_test(a_wrong_canary_outlives_it_too),
        cmocka_unit_test(so_does_one_that_ran_out_unheard),
        cmocka_unit_test(who_is_let_back_while_away_is_let_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

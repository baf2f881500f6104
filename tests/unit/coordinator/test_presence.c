/* Workers come, are replaced, list what they hold, drain and go: W1, T1, L2, W6. */
#include "field.h"

#define BATCH "b000000001"

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

static struct farm_held held_at(const struct attempt_key *key, enum attempt_phase phase)
{
    return (struct farm_held){.attempt = *key, .phase = phase, .steps = 10};
}

/* ---- W1 ---- */

static void a_session_is_a_new_epoch_each_time(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_hand(s, "w1", 1);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    uint64_t first = w->session;
    assert_true(first > s->config.first_session);
    assert_int_equal(field_last(s, EFFECT_WELCOME)->e.message.session, first);
    assert_int_equal(field_last(s, EFFECT_WELCOME)->e.message.heartbeat_ms, HEARTBEAT_MS);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    assert_true(w->session > first);
    assert_int_equal(field_last(s, EFFECT_CLOSE_SESSION)->e.message.session, first);
    assert_false(farm_heard(s->f, first, s->now_ns));
    assert_null(farm_session_worker(s->f, first));
    assert_string_equal(farm_session_worker(s->f, w->session), "w1");
    field_end(s);
}

static void who_starts_over_and_over_is_refused(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_hand(s, "w1", 1);
    struct error err = {0};
    for (int i = 0; i < BOOTS_BURST; i++) {
        w->boot++;
        assert_true(field_greet(s, w, NULL, 0, &err));
    }
    w->boot++;
    assert_false(field_greet(s, w, NULL, 0, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_non_null(strstr(err.message, "too often"));
    w->boot--;
    assert_true(field_greet(s, w, NULL, 0, &err)); /* a line that breaks is no start */
    w->boot++;
    field_run(s, NS_PER_S);
    assert_true(field_greet(s, w, NULL, 0, &err));
    field_end(s);
}

/* The history of events is one for all: no worker may write more of it than it may start. */
static void who_leaves_and_comes_back_over_and_over_is_refused(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    struct error err = {0};
    size_t events = 0;
    for (int i = 0; i < 1000; i++) {
        if (i % 100 == 0) field_run(s, NS_PER_S);
        field_forget(s);
        farm_leaving(s->f, w->session, "SIGTERM", true, s->now_ns);
        (void)field_greet(s, w, NULL, 0, &err);
        field_turn(s);
        events += field_events(s, "worker.drained") + field_events(s, "worker.draining");
    }
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_non_null(strstr(err.message, "too often"));
    assert_true(events >= BOOTS_BURST);
    assert_true(events <= 2 * (BOOTS_BURST + 10 * BOOTS_PER_S));
    field_end(s);
}

static void another_machine_with_the_same_key_is_refused(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    struct hand *twin = field_hand(s, "w1", 1);
    struct error err = {0};
    (void)ledger_text(twin->machine, "another");
    assert_false(field_greet(s, twin, NULL, 0, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_non_null(strstr(err.message, "one key a worker"));
    assert_true(farm_heard(s->f, w->session, s->now_ns));
    field_silence(s, 10 * NS_PER_S); /* the first is silent: the key may have moved */
    field_hello(s, twin, NULL, 0);
    assert_false(farm_heard(s->f, w->session, s->now_ns));
    field_end(s);
}

static void a_new_boot_on_the_same_machine_replaces_at_once(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    w->boot++;
    struct farm_held held = held_at(&key, PHASE_RENDERING);
    field_hello(s, w, &held, 1);
    field_turn(s);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    assert_int_equal(field_worker_state(s, w), WORKER_CANARY);
    const struct note *cancel = field_last(s, EFFECT_CANCEL);
    assert_int_equal(cancel->e.message.attempt.fence, key.fence);
    assert_int_equal(cancel->e.message.session, w->session);
    field_end(s);
}

static void a_new_boot_keeps_what_is_all_here(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10);
    field_upload(s, w, &key);
    w->boot++;
    field_hello(s, w, NULL, 0);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_verdict(s, w, &key, VERDICT_SOUND);
    assert_int_equal(farm_clip_state(s->f, BATCH, 0), CLIP_STITCHING);
    field_end(s);
}

/* Another boot, with the one result in its outbox. */
static struct field *with_one_in_an_outbox(struct hand **w, struct attempt_key *key)
{
    struct field *s = with_one_running(w, key);
    struct farm_held held = held_at(key, PHASE_UPLOADING);
    (*w)->boot++;
    field_hello(s, *w, &held, 1);
    return s;
}

/* W5: what is in the outbox was rendered, whoever sends it. */
static void a_new_boot_keeps_what_is_in_its_outbox(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_in_an_outbox(&w, &key);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    assert_int_equal(field_count(s, EFFECT_CANCEL), 0);
    field_offer(s, w, &key, 10);
    field_upload(s, w, &key);
    field_verdict(s, w, &key, VERDICT_SOUND);
    assert_int_equal(farm_clip_state(s->f, BATCH, 0), CLIP_STITCHING);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 0); /* none was adopted */
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_DONE);
    field_end(s);
}

static void what_an_outbox_held_is_waited_for_as_for_others(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_in_an_outbox(&w, &key);
    field_run(s, CREDIT_IDLE_NS - 1);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_run(s, 1);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    field_end(s);
}

static void slots_are_one_to_the_limit(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct error err = {0};
    struct hand *none = field_hand(s, "none", 0);
    struct hand *most = field_hand(s, "most", LIMIT_SLOTS);
    struct hand *more = field_hand(s, "more", LIMIT_SLOTS + 1);
    assert_false(field_greet(s, none, NULL, 0, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_true(field_greet(s, most, NULL, 0, &err));
    assert_false(field_greet(s, more, NULL, 0, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    field_end(s);
}

static void a_revoked_key_ends_everything(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10);
    field_upload(s, w, &key); /* its verdict is not waited for */
    farm_revoke(s->f, "w1", s->now_ns);
    farm_revoke(s->f, "nobody", s->now_ns);
    field_turn(s);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    assert_int_equal(field_count(s, EFFECT_DISCARD_UPLOAD), 1);
    assert_int_equal(field_count(s, EFFECT_CLOSE_SESSION), 1);
    field_verdict(s, w, &key, VERDICT_SOUND);
    assert_int_equal(field_count(s, EFFECT_SAVE_OUTPUT), 0);
    field_end(s);
}

/* ---- lists in Hello ---- */

static void a_reconnect_keeps_what_it_lists(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    struct farm_held held = held_at(&key, PHASE_RENDERING);
    held.step = 4;
    field_silence(s, 20 * NS_PER_S);
    field_hello(s, w, &held, 1);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    assert_int_equal(field_worker_state(s, w), WORKER_BUSY);
    field_publish(s, w, &key);
    field_end(s);
}

/* A reconnect that does not list it; `last_message` as the worker counts. */
static struct field *reconnected_without(struct hand **w, struct attempt_key *key,
                                         uint64_t last_message)
{
    struct field *s = with_one_running(w, key);
    struct farm_slot slots[1] = {{.backend = "cpu", .fingerprint = "f"}};
    struct farm_hello hello = field_hello_of(*w, slots);
    struct error err = {0};
    hello.last_session = (*w)->session;
    hello.last_message = last_message;
    assert_true(farm_hello(s->f, &hello, s->now_ns, &(*w)->session, &err));
    field_check(s);
    field_turn(s);
    return s;
}

static void an_assign_that_never_arrived_is_sent_again(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = reconnected_without(&w, &key, 1); /* its canary was message 1 */
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 0);
    const struct effect_message *m = &field_last(s, EFFECT_ASSIGN)->e.message;
    assert_int_equal(m->attempt.fence, key.fence);
    assert_int_equal(m->session, w->session);
    assert_int_equal(m->number, 1);
    field_publish(s, w, &key);
    field_end(s);
}

/* ---- B4: of a paused batch only what runs goes on ---- */

/* One runs and one is prefetched, and its worker is heard no more. */
static struct field *cut_off_with_two(struct hand **w, struct farm_held held[2])
{
    struct field *s = field_new();
    *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 2);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 2);
    held[0] = (struct farm_held){.attempt = {{.batch = BATCH, .clip = 0}, 1},
                                 .phase = PHASE_RENDERING,
                                 .step = 1,
                                 .steps = 10};
    held[1] =
        (struct farm_held){.attempt = {{.batch = BATCH, .clip = 1}, 1}, .phase = PHASE_PREFETCHED};
    return s;
}

static void pause_it(struct field *s)
{
    struct error err = {0};
    assert_ok(farm_batch_pause(s->f, BATCH, &err), err);
    field_check(s);
    field_turn(s);
    field_forget(s);
}

static void a_recall_that_was_lost_is_said_again(void **state)
{
    (void)state;
    struct hand *w;
    struct farm_held held[2];
    struct field *s = cut_off_with_two(&w, held);
    pause_it(s);
    field_hello(s, w, held, 2);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_RECALL), 1);
    assert_int_equal(field_last(s, EFFECT_RECALL)->e.message.attempt.task.clip, 1);
    field_hand_back(s, w, &held[1].attempt, HAND_BACK_RECALLED);
    assert_int_equal(farm_clip_state(s->f, BATCH, 1), CLIP_RETRY);
    field_publish(s, w, &held[0].attempt);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    field_end(s);
}

static void what_was_prefetched_before_a_start_is_recalled(void **state)
{
    (void)state;
    struct hand *w;
    struct farm_held held[2];
    struct field *s = cut_off_with_two(&w, held);
    field_restart(s);
    pause_it(s); /* nobody is there to be told */
    field_hello(s, w, held, 2);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_RECALL), 1);
    field_end(s);
}

/* Neither has arrived. */
static void nothing_of_a_paused_batch_is_sent_again(void **state)
{
    (void)state;
    struct hand *w;
    struct farm_held held[2];
    struct farm_slot slots[1] = {{.backend = "cpu", .fingerprint = "f"}};
    struct error err = {0};
    struct field *s = cut_off_with_two(&w, held);
    struct farm_hello hello = field_hello_of(w, slots);
    pause_it(s);
    hello.last_session = w->session;
    hello.last_message = 1;
    assert_ok(farm_hello(s->f, &hello, s->now_ns, &w->session, &err), err);
    field_check(s);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 2);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_HANDED_BACK);
    assert_ok(farm_batch_resume(s->f, BATCH, &err), err);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 2);
    field_end(s);
}

static void an_assign_that_was_handled_and_is_gone_is_lost(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = reconnected_without(&w, &key, 2);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 1); /* the first wait is none */
    assert_true(field_last(s, EFFECT_ASSIGN)->e.message.attempt.fence > key.fence);
    field_end(s);
}

static void what_is_not_its_own_is_canceled(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    struct farm_held held[3] = {held_at(&key, PHASE_RENDERING), held_at(&key, PHASE_RENDERING),
                                held_at(&key, PHASE_UPLOADING)};
    held[1].attempt.fence = 77;
    held[2].attempt.fence = 78; /* a result: it will be offered */
    field_hello(s, w, held, 3);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_CANCEL), 1);
    assert_int_equal(field_last(s, EFFECT_CANCEL)->e.message.attempt.fence, 77);
    field_end(s);
}

static void two_that_claim_one_place_keep_one(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 2);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 2);
    struct farm_held held[2] = {{.attempt = {{.batch = BATCH, .clip = 0}, 1}},
                                {.attempt = {{.batch = BATCH, .clip = 1}, 1}}};
    held[0].phase = held[1].phase = PHASE_RENDERING;
    field_hello(s, w, held, 2);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 1);
    field_end(s);
}

static void a_slot_that_is_gone_ends_its_attempt(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 2);
    field_batch(s, BATCH, 2);
    field_turn(s);
    struct farm_held held[2] = {{.attempt = {{.batch = BATCH, .clip = 0}, 1}, .slot = 0},
                                {.attempt = {{.batch = BATCH, .clip = 1}, 1}, .slot = 1}};
    held[0].phase = held[1].phase = PHASE_RENDERING;
    w->slots = 1;
    field_hello(s, w, held, 2);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 1);
    field_end(s);
}

static void a_prefetched_one_without_a_runner_gets_a_limit(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    struct farm_held held = held_at(&key, PHASE_PREFETCHED);
    field_hello(s, w, &held, 1);
    field_run(s, 60 * NS_PER_S);
    assert_int_equal(field_events(s, "attempt.hung"), 1);
    field_end(s);
}

/* ---- lists in heartbeats (T1) ---- */

static void beat(struct field *s, const struct hand *w, const struct farm_held *held,
                 uint32_t count, uint64_t last_message)
{
    struct farm_heartbeat b = {.last_message = last_message, .held = held, .held_count = count};
    farm_heartbeat(s->f, w->session, &b, s->now_ns);
    field_check(s);
    field_turn(s);
}

static void only_what_it_handled_can_be_missing(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    beat(s, w, NULL, 0, 1); /* the Assign was message 2 */
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    beat(s, w, NULL, 0, 2);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    field_end(s);
}

static void what_was_listed_once_must_be_listed_again(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    struct farm_held held = held_at(&key, PHASE_RENDERING);
    field_hello(s, w, &held, 1);
    beat(s, w, &held, 1, 0);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    beat(s, w, NULL, 0, 0);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    field_end(s);
}

static void what_is_all_here_need_not_be_listed(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    field_offer(s, w, &key, 10);
    field_upload(s, w, &key);
    beat(s, w, NULL, 0, 9);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_verdict(s, w, &key, VERDICT_SOUND);
    assert_int_equal(farm_clip_state(s->f, BATCH, 0), CLIP_STITCHING);
    field_end(s);
}

static void a_list_that_may_be_cut_misses_nothing(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    struct farm_held held[LIMIT_HELD];
    for (uint32_t i = 0; i < LIMIT_HELD; i++) {
        held[i] = held_at(&key, PHASE_UPLOADING);
        held[i].attempt.fence = 100 + i;
    }
    beat(s, w, held, LIMIT_HELD, 2);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    beat(s, w, held, LIMIT_HELD - 1, 2);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 1);
    assert_int_equal(field_count(s, EFFECT_CANCEL), 0);
    field_end(s);
}

static void a_heartbeat_tells_what_began(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    struct running_info running[4];
    field_batch(s, BATCH, 2);
    field_turn(s);
    struct farm_held held[2] = {{.attempt = {{.batch = BATCH, .clip = 0}, 1}},
                                {.attempt = {{.batch = BATCH, .clip = 1}, 1}}};
    held[0].phase = PHASE_UPLOADING;
    held[1].phase = PHASE_RENDERING;
    held[1].step = 1;
    beat(s, w, held, 2, 3);
    assert_int_equal(farm_worker_running(s->f, "w1", s->now_ns, running, 4), 2);
    assert_int_equal(running[0].phase, PHASE_UPLOADING);
    assert_int_equal(running[1].phase, PHASE_RENDERING);
    assert_int_equal(farm_worker_running(s->f, "w1", s->now_ns, running, 1), 1);
    assert_int_equal(farm_worker_running(s->f, "nobody", s->now_ns, running, 1), 0);
    field_end(s);
}

static void a_canary_in_a_list_is_no_stranger(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_hand(s, "w1", 1);
    field_hello(s, w, NULL, 0);
    field_turn(s);
    struct farm_held held = {.attempt = field_last(s, EFFECT_ASSIGN)->e.message.attempt,
                             .phase = PHASE_RENDERING};
    beat(s, w, &held, 1, 1);
    assert_int_equal(field_count(s, EFFECT_CANCEL), 0);
    held.attempt.fence++;
    beat(s, w, &held, 1, 1);
    assert_int_equal(field_count(s, EFFECT_CANCEL), 1);
    field_end(s);
}

/* ---- W6 ---- */

static void a_drained_worker_gets_nothing_more(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct error err = {0};
    struct worker_info info;
    struct field *s = with_one_running(&w, &key);
    assert_true(farm_drain(s->f, "w1", 5 * NS_PER_S, "ada", s->now_ns, &err));
    assert_true(farm_drain(s->f, "w1", 5 * NS_PER_S, "ada", s->now_ns, &err));
    field_turn(s);
    assert_true(field_last(s, EFFECT_DRAIN)->e.message.grace_ns == 5 * NS_PER_S);
    assert_true(farm_worker_info(s->f, "w1", s->now_ns, &info));
    assert_int_equal(info.state, WORKER_DRAINING);
    assert_string_equal(info.by, "ada");
    field_batch(s, "b000000002", 3);
    field_forget(s);
    field_publish(s, w, &key);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    farm_leaving(s->f, w->session, "drained", true, s->now_ns);
    field_turn(s);
    assert_int_equal(field_worker_state(s, w), WORKER_DRAINED);
    assert_false(farm_drain(s->f, "w1", 0, "ada", s->now_ns, &err));
    assert_int_equal(err.code, ERROR_STATE);
    assert_false(farm_drain(s->f, "nobody", 0, "ada", s->now_ns, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    field_end(s);
}

/* By a new session. */
static void is_told_again(struct field *s, struct hand *w, const struct attempt_key *key,
                          int64_t grace_ns)
{
    struct farm_held held = held_at(key, PHASE_RENDERING);
    field_turn(s);
    field_forget(s);
    field_hello(s, w, &held, 1);
    field_turn(s);
    assert_true(field_last(s, EFFECT_DRAIN)->e.message.grace_ns == grace_ns);
}

static void the_shortest_grace_of_several_drains_counts(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    assert_false(farm_drain_is_news(s->f, "nobody", 0, s->now_ns));
    assert_true(farm_drain_is_news(s->f, "w1", 0, s->now_ns));
    assert_true(farm_drain(s->f, "w1", 0, "ada", s->now_ns, NULL));
    assert_false(farm_drain_is_news(s->f, "w1", 0, s->now_ns));
    assert_true(farm_drain_is_news(s->f, "w1", 9 * NS_PER_S, s->now_ns));
    assert_true(farm_drain(s->f, "w1", 7 * NS_PER_S, "ada", s->now_ns, NULL));
    assert_false(farm_drain_is_news(s->f, "w1", 0, s->now_ns));
    assert_false(farm_drain_is_news(s->f, "w1", 9 * NS_PER_S, s->now_ns));
    assert_false(farm_drain_is_news(s->f, "w1", 7 * NS_PER_S, s->now_ns));
    assert_true(farm_drain_is_news(s->f, "w1", 6 * NS_PER_S, s->now_ns));
    assert_true(farm_drain(s->f, "w1", 9 * NS_PER_S, "ada", s->now_ns, NULL));
    is_told_again(s, w, &key, 7 * NS_PER_S);
    w->boot++; /* another process was told nothing */
    field_hello(s, w, NULL, 0);
    farm_leaving(s->f, w->session, "SIGTERM", false, s->now_ns);
    assert_true(farm_drain_is_news(s->f, "w1", 9 * NS_PER_S, s->now_ns));
    field_end(s);
}

static void a_drain_is_said_again_to_a_new_session(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct error err = {0};
    struct field *s = with_one_running(&w, &key);
    assert_true(farm_drain(s->f, "w1", 7 * NS_PER_S, "ada", s->now_ns, &err));
    is_told_again(s, w, &key, 7 * NS_PER_S);
    assert_int_equal(field_worker_state(s, w), WORKER_DRAINING);
    field_end(s);
}

static void a_draining_worker_may_come_back_as_a_new_process(void **state)
{
    (void)state;
    struct hand *w;
    struct attempt_key key;
    struct field *s = with_one_running(&w, &key);
    farm_leaving(s->f, w->session, "SIGTERM", false, s->now_ns);
    field_turn(s);
    assert_int_equal(field_worker_state(s, w), WORKER_DRAINING);
    farm_leaving(s->f, w->session, "SIGTERM", true, s->now_ns);
    field_turn(s);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_PREEMPTED);
    assert_int_equal(field_worker_state(s, w), WORKER_DRAINED);
    w->boot++;
    field_forget(s);
    field_hello(s, w, NULL, 0);
    field_canary(s, w, true);
    assert_true(field_has_assign(s, w));
    field_end(s);
}

static void prefetched_work_of_a_draining_worker_goes_elsewhere(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 2);
    field_turn(s);
    struct attempt_key next = field_assigned(s, w);
    assert_true(field_last(s, EFFECT_ASSIGN)->e.message.prefetch);
    field_hand_back(s, w, &next, HAND_BACK_DRAINING);
    assert_int_equal(field_worker_state(s, w), WORKER_DRAINING);
    struct hand *other = field_worker(s, "w2", 1);
    assert_int_equal(field_assigned(s, other).task.clip, next.task.clip);
    field_end(s);
}

/* ---- many ---- */

static void heartbeats_are_rarer_in_large_farms(void **state)
{
    (void)state;
    struct farm_config config = {.seed = 1};
    struct farm *f = farm_new(&config);
    struct farm_slot slot = {.backend = "cpu", .fingerprint = "f"};
    struct error err = {0};
    uint64_t session;
    for (int i = 1; i <= 1000; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "w%d", i);
        struct farm_hello hello = {.worker = name,
                                   .machine_id = name,
                                   .host = "",
                                   .build = "",
                                   .slots = &slot,
                                   .slot_count = 1};
        assert_true(farm_hello(f, &hello, 0, &session, &err));
        if (i == 500) assert_int_equal(farm_heartbeat_ms(f), HEARTBEAT_MS);
        if (i == 501) assert_true(farm_heartbeat_ms(f) > HEARTBEAT_MS);
    }
    assert_int_equal(farm_heartbeat_ms(f), 2 * HEARTBEAT_MS);
    farm_free(f);
}

static void nothing_is_known_of_foreign_sessions(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct attempt_key key = {.fence = 1};
    struct farm_held held = held_at(&key, PHASE_RENDERING);
    struct farm_heartbeat b = {.last_message = 1};
    struct farm_offer offer = field_offer_of(&key, 1);
    assert_false(farm_heard(s->f, 0, s->now_ns));
    assert_false(farm_bulk(s->f, 12345, s->now_ns));
    farm_heartbeat(s->f, 12345, &b, s->now_ns);
    farm_progress(s->f, 12345, &held, s->now_ns);
    farm_started(s->f, 12345, &key, s->now_ns);
    farm_handed_back(s->f, 12345, &key, HAND_BACK_UNKNOWN, "", s->now_ns);
    farm_offer(s->f, 12345, &offer, s->now_ns);
    farm_canary_done(s->f, 12345, 1, NULL, "", s->now_ns);
    farm_leaving(s->f, 12345, "", true, s->now_ns);
    farm_uploaded(s->f, "nobody", &key, true, s->now_ns);
    farm_verdict(s->f, "nobody", &key, &(struct farm_verdict){0}, s->now_ns);
    assert_int_equal(farm_effects(s->f)->count, 0);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_a_new_epoch_each_time),
        cmocka_unit_test(who_starts_over_and_over_is_refused),
        cmocka_unit_test(who_leaves_and_comes_back_over_and_over_is_refused),
        cmocka_unit_test(another_machine_with_the_same_key_is_refused),
        cmocka_unit_test(a_new_boot_on_the_same_machine_replaces_at_once),
        cmocka_unit_test(a_new_boot_keeps_what_is_all_here),
        cmocka_unit_test(a_new_boot_keeps_what_is_in_its_outbox),
        cmocka_unit_test(what_an_outbox_held_is_waited_for_as_for_others),
        cmocka_unit_test(slots_are_one_to_the_limit),
        cmocka_unit_test(a_revoked_key_ends_everything),
        cmocka_unit_test(a_reconnect_keeps_what_it_lists),
        cmocka_unit_test(an_assign_that_never_arrived_is_sent_again),
        cmocka_unit_test(a_recall_that_was_lost_is_said_again),
        cmocka_unit_test(what_was_prefetched_before_a_start_is_recalled),
        cmocka_unit_test(nothing_of_a_paused_batch_is_sent_again),
        cmocka_unit_test(an_assign_that_was_handled_and_is_gone_is_lost),
        cmocka_unit_test(what_is_not_its_own_is_canceled),
        cmocka_unit_test(two_that_claim_one_place_keep_one),
        cmocka_unit_test(a_slot_that_is_gone_ends_its_attempt),
        cmocka_unit_test(a_prefetched_one_without_a_runner_gets_a_limit),
        cmocka_unit_test(only_what_it_handled_can_be_missing),
        cmocka_unit_test(what_was_listed_once_must_be_listed_again),
        cmocka_unit_test(what_is_all_here_need_not_be_listed),
        cmocka_unit_test(a_list_that_may_be_cut_misses_nothing),
        cmocka_unit_test(a_heartbeat_tells_what_began),
        cmocka_unit_test(a_canary_in_a_list_is_no_stranger),
        cmocka_unit_test(a_drained_worker_gets_nothing_more),
        cmocka_unit_test(the_shortest_grace_of_several_drains_counts),
        cmocka_unit_test(a_drain_is_said_again_to_a_new_session),
        cmocka_unit_test(a_draining_worker_may_come_back_as_a_new_process),
        cmocka_unit_test(prefetched_work_of_a_draining_worker_goes_elsewhere),
        cmocka_unit_test(heartbeats_are_rarer_in_large_farms),
        cmocka_unit_test(nothing_is_known_of_foreign_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

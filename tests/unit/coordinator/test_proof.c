/* Canaries of models: before the first task of a model its worker shows that it renders it (W2). */
#include "coordinator/farm_canary.h"

#include "field.h"

#define BATCH "b000000001"
#define OTHER "b000000002"
#define ONE 1 /* what frames are, in short */
#define TWO 2

/* A farm whose model 1 has a canary, and model 2 too. */
static struct field *field_proof(void)
{
    struct field *s = field_new();
    struct digest first = field_shape(1).model, second = field_shape(2).model;
    farm_model_canary(s->f, &first, "shapes");
    farm_model_canary(s->f, &second, "other");
    farm_model_canary(s->f, &first, "shapes");
    return s;
}

/* The canary of a model that is out at `w`, or NULL. */
static const struct effect_message *model_canary(const struct field *s, const struct hand *w)
{
    static const struct digest none = {{0}};
    const struct note *n = field_find(s, EFFECT_ASSIGN, w->name);
    bool is_one = n != NULL && n->e.message.canary && !digest_equal(&n->e.message.model, &none);
    return is_one ? &n->e.message : NULL;
}

static size_t count_model_canaries(const struct field *s)
{
    static const struct digest none = {{0}};
    size_t count = 0;
    for (size_t i = 0; i < s->note_count; i++) {
        const struct effect_message *m = &s->notes[i].e.message;
        count +=
            s->notes[i].e.kind == EFFECT_ASSIGN && m->canary && !digest_equal(&m->model, &none);
    }
    return count;
}

static void say(struct field *s, const struct hand *w, const struct digest *frames,
                enum canary_verdict said)
{
    struct canary_out out;
    field_turn(s);
    const struct effect_message *m = model_canary(s, w);
    if (m == NULL) fail_msg("worker %s has no canary of a model", w->name);
    assert_true(farm_canary_out(s->f, w->session, m->attempt.fence, &out));
    assert_true(digest_equal(&out.model, &m->model));
    assert_string_equal(out.fingerprint, w->fingerprint);
    struct farm_model_frame frame = {.number = m->attempt.fence,
                                     .frames_sha256 = frames,
                                     .message = frames == NULL ? "it is black" : "",
                                     .said = said};
    farm_model_canary_done(s->f, w->session, &frame, s->now_ns);
    field_check(s);
    field_turn(s);
}

static void renders(struct field *s, const struct hand *w, uint8_t frames)
{
    say(s, w, &(struct digest){{frames}}, CANARY_UNKNOWN);
}

static void fails(struct field *s, const struct hand *w)
{
    say(s, w, NULL, CANARY_UNKNOWN);
}

static const char *reason_of_worker(const struct field *s, const struct hand *w)
{
    static struct worker_info info;
    assert_true(farm_worker_info(s->f, w->name, s->now_ns, &info));
    return info.reason;
}

/* ---- when ---- */

static void it_comes_before_the_first_task(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w = field_worker(s, "w1", 1);
    assert_int_equal(count_model_canaries(s), 0); /* nobody wants that model */
    field_batch(s, BATCH, 2);
    field_turn(s);
    assert_non_null(model_canary(s, w));
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 0);
    assert_int_equal(farm_clip_state(s->f, BATCH, 0), CLIP_WAITING);
    assert_int_equal(field_worker_state(s, w), WORKER_CANARY);
    say(s, w, &(struct digest){{ONE}}, CANARY_RIGHT);
    assert_int_equal(field_worker_state(s, w), WORKER_BUSY);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 2); /* one runs, one is next */
    field_end(s);
}

static void one_is_enough_for_all_slots_and_loras(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w = field_worker(s, "w1", 3);
    struct shape with_lora = field_shape(1);
    with_lora.loras = (struct digest){{5}};
    field_batch(s, BATCH, 2);
    field_batch_with(s, OTHER, 2, 0, with_lora);
    field_turn(s);
    assert_int_equal(count_model_canaries(s), 1);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 0); /* the others wait for it */
    say(s, w, &(struct digest){{ONE}}, CANARY_RIGHT);
    assert_int_equal(count_model_canaries(s), 1);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 4);
    field_end(s);
}

static void models_without_one_are_given_at_once(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w = field_worker(s, "w1", 2);
    field_batch_of(s, BATCH, 1, 0, 3);
    field_batch(s, OTHER, 1);
    field_turn(s);
    assert_int_equal(count_model_canaries(s), 1);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 1); /* beside it */
    renders(s, w, ONE);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 2);
    field_end(s);
}

/* Work that waits behind other work is no reason to stop that, nor to take it unproven. */
static void it_is_never_prefetched(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    renders(s, w, ONE);
    struct attempt_key key = field_assigned(s, w);
    field_batch_of(s, OTHER, 1, 0, 2);
    field_turn(s);
    assert_int_equal(count_model_canaries(s), 1);
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 1);
    field_publish(s, w, &key);
    assert_int_equal(count_model_canaries(s), 2);
    renders(s, w, TWO);
    assert_string_equal(field_assigned(s, w).task.batch, OTHER);
    field_end(s);
}

/* What another holds back could be taken from it: first the idle one shows that it can. */
static void an_idle_worker_shows_it_before_others_give_work_up(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 2);
    field_turn(s);
    renders(s, w, ONE);
    struct hand *idle = field_worker(s, "w2", 1);
    assert_non_null(model_canary(s, idle));
    assert_int_equal(field_count(s, EFFECT_RECALL), 0);
    renders(s, idle, ONE);
    assert_int_equal(field_count(s, EFFECT_RECALL), 1);
    field_end(s);
}

static void another_fingerprint_is_another_proof(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    renders(s, w, ONE);
    struct attempt_key key = field_assigned(s, w);
    field_publish(s, w, &key);
    w->fingerprint = "g";
    field_hello(s, w, NULL, 0);
    field_batch(s, OTHER, 1);
    field_turn(s);
    assert_int_equal(count_model_canaries(s), 2);
    renders(s, w, TWO);
    assert_true(field_has_assign(s, w));
    field_end(s);
}

static void a_new_process_and_a_new_farm_ask_again(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct digest first = field_shape(1).model;
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    renders(s, w, ONE);
    w->boot++;
    field_hello(s, w, NULL, 0);
    field_canary(s, w, true);
    assert_int_equal(count_model_canaries(s), 2);
    field_restart(s);                          /* with that one out */
    farm_model_canary(s->f, &first, "shapes"); /* work of it waits already */
    field_hello(s, w, NULL, 0);
    field_turn(s);
    assert_int_equal(count_model_canaries(s), 1);
    renders(s, w, TWO); /* and what was known is forgotten */
    assert_true(field_has_assign(s, w));
    field_end(s);
}

/* ---- what it says ---- */

static void a_wrong_one_leads_to_quarantine_and_a_right_one_out_of_it(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    say(s, w, &(struct digest){{ONE}}, CANARY_WRONG);
    assert_int_equal(field_worker_state(s, w), WORKER_QUARANTINED);
    assert_string_equal(reason_of_worker(s, w),
                        "canary of model shapes wrong: other frames than expected");
    assert_int_equal(field_count(s, EFFECT_SAVE_ATTEMPT), 0);
    field_forget(s);
    field_run(s, 60 * NS_PER_S - 1);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    field_run(s, 1);
    assert_non_null(model_canary(s, w)); /* that of `pattern` would not tell */
    say(s, w, NULL, CANARY_WRONG);
    assert_string_equal(reason_of_worker(s, w), "canary of model shapes wrong: other frames than "
                                                "expected");
    field_forget(s);
    field_run(s, 300 * NS_PER_S - 1);
    assert_int_equal(field_count(s, EFFECT_ASSIGN), 0);
    field_run(s, 1);
    say(s, w, &(struct digest){{TWO}}, CANARY_RIGHT);
    assert_int_equal(field_worker_state(s, w), WORKER_BUSY);
    assert_int_equal(field_events(s, "worker.admitted"), 1);
    field_end(s);
}

static void a_sound_one_that_nobody_knows_is_enough_for_a_while(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    renders(s, w, ONE);
    assert_true(field_has_assign(s, w));
    assert_int_equal(field_events(s, "canary.differs"), 0);
    field_end(s);
}

static void what_two_agree_on_is_right(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w[3];
    field_batch(s, BATCH, 9);
    w[0] = field_worker(s, "w1", 1);
    renders(s, w[0], ONE);
    w[1] = field_worker(s, "w2", 1);
    renders(s, w[1], ONE);
    w[2] = field_worker(s, "w3", 1);
    renders(s, w[2], TWO);
    assert_int_equal(field_worker_state(s, w[0]), WORKER_BUSY);
    assert_int_equal(field_worker_state(s, w[1]), WORKER_BUSY);
    assert_int_equal(field_worker_state(s, w[2]), WORKER_QUARANTINED);
    assert_false(field_has_assign(s, w[2]));
    field_run(s, 60 * NS_PER_S);
    renders(s, w[2], ONE);
    assert_true(field_has_assign(s, w[2]));
    field_end(s);
}

static void a_third_decides_and_takes_the_odd_ones_work_away(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w[3];
    field_batch(s, BATCH, 9);
    w[0] = field_worker(s, "w1", 1);
    renders(s, w[0], ONE);
    w[1] = field_worker(s, "w2", 1);
    renders(s, w[1], TWO);
    assert_int_equal(field_events(s, "canary.differs"), 1);
    assert_int_equal(field_worker_state(s, w[0]), WORKER_BUSY); /* nobody knows who is right */
    assert_int_equal(field_worker_state(s, w[1]), WORKER_BUSY);
    w[2] = field_worker(s, "w3", 1);
    renders(s, w[2], TWO);
    assert_int_equal(field_worker_state(s, w[0]), WORKER_QUARANTINED);
    assert_string_equal(reason_of_worker(s, w[0]),
                        "canary of model shapes wrong: two others agree on other frames");
    assert_int_equal(field_worker_state(s, w[1]), WORKER_BUSY);
    assert_int_equal(field_worker_state(s, w[2]), WORKER_BUSY);
    struct running_info running;
    assert_int_equal(farm_worker_running(s->f, "w1", s->now_ns, &running, 1), 0);
    field_run(s, 60 * NS_PER_S);
    renders(s, w[0], TWO);
    assert_true(field_has_assign(s, w[0]));
    field_end(s);
}

/* It was repaired, and has not been asked again. */
static void what_an_earlier_process_answered_counts_no_more(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w[3];
    field_batch(s, BATCH, 9);
    w[0] = field_worker(s, "w1", 1);
    renders(s, w[0], ONE);
    w[0]->boot = 77;
    field_hello(s, w[0], NULL, 0);
    field_canary(s, w[0], true);
    w[1] = field_worker(s, "w2", 1);
    renders(s, w[1], TWO);
    assert_int_equal(field_events(s, "canary.differs"), 0);
    w[2] = field_worker(s, "w3", 1);
    renders(s, w[2], TWO);
    assert_int_equal(field_events(s, "worker.quarantined"), 0);
    renders(s, w[0], TWO);
    assert_true(field_has_assign(s, w[0]));
    field_end(s);
}

/* Nor do two processes of one worker agree, or fail, as two workers do. */
static void two_processes_are_not_two_workers(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 9);
    fails(s, w);
    w->boot = 77;
    field_hello(s, w, NULL, 0);
    field_canary(s, w, true);
    fails(s, w);
    assert_int_equal(field_events(s, "canary.useless"), 0);
    field_end(s);
}

static void workers_of_other_fingerprints_say_nothing(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w[3];
    static const char *const prints[] = {"f", "g", "h"};
    field_batch(s, BATCH, 9);
    for (uint8_t i = 0; i < 3; i++) {
        w[i] = field_hand(s, (const char *[]){"w1", "w2", "w3"}[i], 1);
        w[i]->fingerprint = prints[i];
        field_hello(s, w[i], NULL, 0);
        field_canary(s, w[i], true);
        renders(s, w[i], i + 1);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(field_worker_state(s, w[i]), WORKER_BUSY);
    assert_int_equal(field_events(s, "canary.differs"), 0);
    field_end(s);
}

/* ---- when it cannot be rendered ---- */

/* A model whose canary fails on the only worker is judged by its tasks. */
static void alone_with_a_failure_a_worker_goes_on(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    fails(s, w);
    assert_int_equal(field_events(s, "canary.failed"), 1);
    assert_true(field_has_assign(s, w));
    field_end(s);
}

static void with_others_there_it_waits_for_their_word(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct reason_info reasons[REASONS_MAX];
    struct hand *first = field_worker(s, "w1", 1), *second = field_worker(s, "w2", 1);
    field_batch(s, BATCH, 9);
    field_turn(s);
    fails(s, first);
    assert_false(field_has_assign(s, first));
    assert_int_equal(field_worker_state(s, first), WORKER_IDLE);
    assert_true(farm_batch_reasons(s->f, BATCH, s->now_ns, reasons) > 0);
    assert_string_equal(reasons[0].code, "canary");
    renders(s, second, ONE);
    assert_true(field_has_assign(s, second));
    assert_int_equal(field_worker_state(s, first), WORKER_IDLE);
    struct hand *third = field_worker(s, "w3", 1);
    renders(s, third, ONE);
    assert_int_equal(field_worker_state(s, first), WORKER_QUARANTINED);
    field_end(s);
}

static void when_two_cannot_the_model_is_at_fault(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *first = field_worker(s, "w1", 1), *second = field_worker(s, "w2", 1);
    field_batch(s, BATCH, 9);
    field_turn(s);
    fails(s, first);
    fails(s, second);
    assert_int_equal(field_events(s, "canary.useless"), 1);
    assert_true(field_has_assign(s, first));
    assert_true(field_has_assign(s, second));
    size_t before = count_model_canaries(s);
    struct hand *third = field_worker(s, "w3", 1);
    assert_true(field_has_assign(s, third)); /* needs none */
    assert_int_equal(count_model_canaries(s), before);
    field_end(s);
}

static void who_waits_for_others_goes_on_when_they_leave(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *first = field_worker(s, "w1", 1), *second = field_worker(s, "w2", 1);
    field_batch(s, BATCH, 9);
    field_turn(s);
    fails(s, first);
    assert_false(field_has_assign(s, first));
    farm_leaving(s->f, second->session, "bye", true, s->now_ns);
    field_turn(s);
    assert_true(field_has_assign(s, first));
    field_end(s);
}

static void a_model_that_cannot_be_had_is_nobodys_fault(void **state)
{
    (void)state;
    static const enum hand_back_reason reasons[] = {HAND_BACK_MODEL, HAND_BACK_MEMORY};
    for (size_t i = 0; i < 2; i++) {
        struct field *s = field_proof();
        struct hand *w = field_worker(s, "w1", 2);
        field_batch(s, BATCH, 1);
        field_turn(s);
        struct attempt_key key = model_canary(s, w)->attempt;
        field_hand_back(s, w, &key, reasons[i]);
        field_run(s, 600 * NS_PER_S);
        assert_int_equal(count_model_canaries(s), 1); /* not again */
        assert_int_equal(field_worker_state(s, w), WORKER_IDLE);
        const struct farm_heartbeat beat = {.last_message = 9};
        farm_heartbeat(s->f, w->session, &beat, s->now_ns);
        field_turn(s);
        const bool again = reasons[i] == HAND_BACK_MODEL; /* it may be there by now */
        assert_int_equal(count_model_canaries(s), again ? 2 : 1);
        if (again) field_hand_back(s, w, &model_canary(s, w)->attempt, HAND_BACK_MODEL);
        field_batch_of(s, OTHER, 1, 0, 3);
        field_turn(s);
        assert_true(field_has_assign(s, w));
        field_end(s);
    }
}

static void one_handed_back_comes_again_a_little_later(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    struct attempt_key key = model_canary(s, w)->attempt;
    field_hand_back(s, w, &key, HAND_BACK_DISK);
    field_run(s, 2 * NS_PER_S - 1);
    assert_int_equal(count_model_canaries(s), 1);
    field_run(s, 1);
    assert_int_equal(count_model_canaries(s), 2);
    field_end(s);
}

static void a_worker_that_leaves_takes_nothing_with_it(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct canary_out out;
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    uint64_t number = model_canary(s, w)->attempt.fence;
    field_hello(s, w, NULL, 0); /* a new session of the same process */
    field_turn(s);
    assert_int_equal(count_model_canaries(s), 2);
    assert_false(farm_canary_out(s->f, w->session, number, &out));
    farm_model_canary_done(s->f, w->session,
                           &(struct farm_model_frame){.number = number, .said = CANARY_WRONG},
                           s->now_ns); /* of the older one */
    assert_int_equal(field_worker_state(s, w), WORKER_CANARY);
    farm_leaving(s->f, w->session, "bye", true, s->now_ns);
    field_turn(s);
    assert_int_equal(farm_clip_state(s->f, BATCH, 0), CLIP_WAITING);
    struct hand *next = field_worker(s, "w2", 1);
    renders(s, next, ONE);
    assert_true(field_has_assign(s, next));
    field_end(s);
}

/* ---- time ---- */

static struct farm_held place(const struct attempt_key *key, enum attempt_phase phase,
                              uint64_t amount)
{
    return (struct farm_held){.attempt = *key, .phase = phase, .amount = amount};
}

/* A large model takes minutes to arrive. */
static void progress_keeps_it_alive(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    struct attempt_key key = model_canary(s, w)->attempt;
    for (uint64_t i = 1; i < 10; i++) {
        struct farm_held at = place(&key, PHASE_FETCHING, i * 1000);
        field_run(s, 50 * NS_PER_S);
        farm_progress(s->f, w->session, &at, s->now_ns);
    }
    assert_int_equal(field_worker_state(s, w), WORKER_CANARY);
    struct farm_held same = place(&key, PHASE_FETCHING, 9000);
    field_run(s, 50 * NS_PER_S);
    farm_progress(s->f, w->session, &same, s->now_ns); /* no further than before */
    field_run(s, 10 * NS_PER_S);
    assert_int_equal(field_events(s, "canary.failed"), 1);
    field_end(s);
}

/* Its folder went before the Assign could be made: that says nothing of the worker. */
static void one_that_never_arrived_says_nothing(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch(s, BATCH, 1);
    field_turn(s);
    field_run(s, 70 * NS_PER_S);
    assert_int_equal(field_events(s, "canary.failed"), 0);
    assert_int_equal(count_model_canaries(s), 2);
    assert_int_equal(field_worker_state(s, w), WORKER_CANARY);
    field_end(s);
}

/* ---- beside that of `pattern` ---- */

/* W3 asks while a model's is out: it comes next, before any work. */
static void that_of_a_model_does_not_stand_for_that_of_pattern(void **state)
{
    (void)state;
    struct field *s = field_proof();
    struct hand *w = field_worker(s, "w1", 4);
    struct running_info running[3];
    field_batch_of(s, BATCH, 3, 0, 3);
    field_turn(s);
    assert_int_equal(farm_worker_running(s->f, "w1", s->now_ns, running, 3), 3);
    field_batch(s, OTHER, 1);
    field_turn(s);
    assert_non_null(model_canary(s, w)); /* in the fourth slot */
    uint64_t number = model_canary(s, w)->attempt.fence;
    for (uint32_t i = 0; i < 3; i++)
        field_fails(s, w, &running[i].attempt, END_FAILED);
    assert_int_equal(field_events(s, "worker.suspected"), 1);
    struct digest frames = {{ONE}};
    struct farm_model_frame frame = {
        .number = number, .frames_sha256 = &frames, .said = CANARY_RIGHT};
    farm_model_canary_done(s->f, w->session, &frame, s->now_ns);
    field_turn(s);
    assert_null(model_canary(s, w));
    assert_true(field_find(s, EFFECT_ASSIGN, "w1")->e.message.canary); /* that of `pattern` */
    assert_int_equal(farm_clip_state(s->f, OTHER, 0), CLIP_WAITING);
    field_canary(s, w, true);
    assert_int_equal(farm_clip_state(s->f, OTHER, 0), CLIP_LEASED);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_before_the_first_task),
        cmocka_unit_test(one_is_enough_for_all_slots_and_loras),
        cmocka_unit_test(models_without_one_are_given_at_once),
        cmocka_unit_test(it_is_never_prefetched),
        cmocka_unit_test(an_idle_worker_shows_it_before_others_give_work_up),
        cmocka_unit_test(another_fingerprint_is_another_proof),
        cmocka_unit_test(a_new_process_and_a_new_farm_ask_again),
        cmocka_unit_test(a_wrong_one_leads_to_quarantine_and_a_right_one_out_of_it),
        cmocka_unit_test(a_sound_one_that_nobody_knows_is_enough_for_a_while),
        cmocka_unit_test(what_two_agree_on_is_right),
        cmocka_unit_test(a_third_decides_and_takes_the_odd_ones_work_away),
        cmocka_unit_test(what_an_earlier_process_answered_counts_no_more),
        cmocka_unit_test(two_processes_are_not_two_workers),
        cmocka_unit_test(workers_of_other_fingerprints_say_nothing),
        cmocka_unit_test(alone_with_a_failure_a_worker_goes_on),
        cmocka_unit_test(with_others_there_it_waits_for_their_word),
        cmocka_unit_test(when_two_cannot_the_model_is_at_fault),
        cmocka_unit_test(who_waits_for_others_goes_on_when_they_leave),
        cmocka_unit_test(a_model_that_cannot_be_had_is_nobodys_fault),
        cmocka_unit_test(one_handed_back_comes_again_a_little_later),
        cmocka_unit_test(a_worker_that_leaves_takes_nothing_with_it),
        cmocka_unit_test(progress_keeps_it_alive),
        cmocka_unit_test(one_that_never_arrived_says_nothing),
        cmocka_unit_test(that_of_a_model_does_not_stand_for_that_of_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

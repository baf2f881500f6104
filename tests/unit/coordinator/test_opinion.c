/* Second opinions: what looks odd is rendered once more (T9), and with little trust some results
 * are rendered twice and compared (W8). */
#include "reel.h"

#include "coordinator/farm_explain.h"

#define BATCH "b000000001"
#define GOOD 11
#define FALSE_ONE 66
#define BLACK 77

struct table_of { /* workers w1, w2, ... and a batch */
    struct field *s;
    struct hand *hands[10];
    size_t count;
};

static struct field *new_field(uint32_t compare_one_in)
{
    struct field *s = field_new();
    s->config.compare_one_in = compare_one_in;
    farm_free(s->f);
    s->f = farm_new(&s->config);
    return s;
}

static struct table_of with_workers(size_t count, uint32_t clips, uint32_t compare_one_in)
{
    static const char *const names[] = {"w1", "w2", "w3", "w4", "w5",
                                        "w6", "w7", "w8", "w9", "w10"};
    struct table_of t = {.s = new_field(compare_one_in), .count = count};
    for (size_t i = 0; i < count; i++)
        t.hands[i] = field_worker(t.s, names[i], 1);
    field_batch(t.s, BATCH, clips);
    field_turn(t.s);
    return t;
}

/* The first of them that has something to do. */
static struct hand *holder(const struct table_of *t, struct attempt_key *key)
{
    struct running_info running;
    for (size_t i = 0; i < t->count; i++) {
        if (farm_worker_running(t->s->f, t->hands[i]->name, t->s->now_ns, &running, 1) == 0)
            continue;
        *key = running.attempt;
        return t->hands[i];
    }
    fail_msg("nobody has it");
    return NULL;
}

/* A small result comes in whole; the check finds it sound, and such frames in it. */
static void bring(struct field *s, const struct hand *w, const struct attempt_key *key,
                  enum suspect suspect, uint8_t content)
{
    struct farm_verdict verdict = {
        .kind = VERDICT_SOUND, .suspect = suspect, .content = {{content}}};
    struct farm_offer offer = field_offer_of(key, 1000);
    offer.fingerprint = w->fingerprint;
    farm_offer(s->f, w->session, &offer, s->now_ns);
    field_check(s);
    field_turn(s);
    field_upload(s, w, key);
    farm_verdict(s->f, w->name, key, &verdict, s->now_ns);
    field_check(s);
    field_turn(s);
}

/* Who has it renders this; then it is somebody else's, or done. */
static struct hand *render(struct table_of *t, enum suspect suspect, uint8_t content)
{
    struct attempt_key key;
    struct hand *w = holder(t, &key);
    field_forget(t->s);
    bring(t->s, w, &key, suspect, content);
    return w;
}

static enum attempt_end last_end(const struct field *s)
{
    return field_last(s, EFFECT_END_ATTEMPT)->e.end.end;
}

static bool has_canary(const struct field *s, const struct hand *w)
{
    const struct note *n = field_find(s, EFFECT_ASSIGN, w->name);
    return n != NULL && n->e.message.canary;
}

static bool is_quarantined(const struct field *s, const struct hand *w)
{
    return field_worker_state(s, w) == WORKER_QUARANTINED;
}

/* ---- T9 ---- */

static void black_is_rendered_once_more_elsewhere(void **state)
{
    (void)state;
    struct table_of t = with_workers(3, 1, 0);
    struct hand *first = render(&t, SUSPECT_BLACK, GOOD);
    assert_int_equal(last_end(t.s), END_SUSPECT);
    assert_int_equal(field_events(t.s, "attempt.suspect"), 1);
    assert_int_equal(field_count(t.s, EFFECT_SAVE_OUTPUT), 0);
    assert_string_equal(field_last(t.s, EFFECT_DROPPED)->worker, first->name);
    struct hand *second = render(&t, SUSPECT_BLACK, GOOD);
    assert_ptr_not_equal(first, second);
    assert_int_equal(last_end(t.s), END_DONE);
    assert_int_equal(farm_clip_state(t.s->f, BATCH, 0), CLIP_STITCHING);
    assert_false(has_canary(t.s, first));
    struct task_record row;
    struct task_key key = {.batch = BATCH};
    assert_true(farm_task_record(t.s->f, &key, &row));
    assert_int_equal(row.suspect, SUSPECT_BLACK);
    assert_int_equal(row.counted, 0);
    assert_string_equal(row.winner, second->name);
    field_end(t.s);
}

static void what_waits_for_it_says_so(void **state)
{
    (void)state;
    for (uint32_t compare = 0; compare < 2; compare++) {
        struct table_of t = with_workers(2, 1, compare);
        struct explanation e;
        struct hand *first = render(&t, compare ? SUSPECT_NONE : SUSPECT_BLACK, GOOD);
        assert_true(farm_explain_clip(t.s->f, BATCH, 0, t.s->now_ns, &e));
        if (strstr(e.line, compare ? "to compare" : "was black") == NULL) fail_msg("%s", e.line);
        if (!compare && strstr(e.line, first->name) == NULL) fail_msg("%s", e.line);
        field_end(t.s);
    }
}

static void not_black_elsewhere_and_the_first_renders_a_canary(void **state)
{
    (void)state;
    struct table_of t = with_workers(2, 1, 0);
    struct worker_info info;
    struct hand *first = render(&t, SUSPECT_BLACK, GOOD);
    (void)render(&t, SUSPECT_NONE, GOOD);
    assert_int_equal(last_end(t.s), END_DONE);
    assert_true(has_canary(t.s, first));
    assert_int_equal(field_events(t.s, "worker.suspected"), 1);
    assert_true(farm_worker_info(t.s->f, first->name, t.s->now_ns, &info));
    assert_int_equal(info.failed, 0);
    field_canary(t.s, first, false);
    assert_true(is_quarantined(t.s, first));
    field_end(t.s);
}

static void it_is_published_with_its_mark(void **state)
{
    (void)state;
    struct table_of t = with_workers(2, 1, 0);
    struct batch_info info;
    struct farm_video video = field_video();
    (void)render(&t, SUSPECT_BLACK, GOOD);
    (void)render(&t, SUSPECT_BLACK, GOOD);
    farm_clip_stitched(t.s->f, BATCH, 0, &video, t.s->now_ns);
    farm_clip_renamed(t.s->f, BATCH, 0, &video, t.s->now_ns);
    field_turn(t.s);
    assert_int_equal(field_last(t.s, EFFECT_SAVE_CLIP)->e.clip.suspect, SUSPECT_BLACK);
    for (int start = 0; start < 2; start++) {
        assert_true(farm_batch_info(t.s->f, BATCH, &info));
        assert_int_equal(info.counts.suspect, 1);
        field_restart(t.s);
    }
    field_end(t.s);
}

static void one_worker_looks_again_itself(void **state)
{
    (void)state;
    struct table_of t = with_workers(1, 1, 0);
    struct batch_info info;
    (void)render(&t, SUSPECT_STILL, GOOD);
    assert_int_equal(last_end(t.s), END_SUSPECT);
    (void)render(&t, SUSPECT_STILL, GOOD);
    assert_int_equal(last_end(t.s), END_DONE);
    assert_true(farm_batch_info(t.s->f, BATCH, &info));
    assert_int_equal(info.steps_computed, 20);
    assert_int_equal(info.steps_wasted, 10);
    field_end(t.s);
}

static void it_waits_for_who_is_busy_but_not_for_who_leaves(void **state)
{
    (void)state;
    struct table_of t = with_workers(2, 2, 0); /* a clip each */
    struct attempt_key first_key = field_assigned(t.s, t.hands[0]);
    field_forget(t.s);
    bring(t.s, t.hands[0], &first_key, SUSPECT_BLACK, GOOD);
    const struct note *n = field_last(t.s, EFFECT_ASSIGN);
    assert_string_equal(n->worker, t.hands[1]->name); /* prefetched behind the other clip */
    assert_true(n->e.message.prefetch);
    assert_false(field_has_assign(t.s, t.hands[0]));
    farm_leaving(t.s->f, t.hands[1]->session, "bye", true, t.s->now_ns);
    field_forget(t.s);
    field_run(t.s, 10 * NS_PER_S);
    assert_true(field_has_assign(t.s, t.hands[0]));
    field_end(t.s);
}

static void a_full_disk_of_the_other_does_not_hold_it_up(void **state)
{
    (void)state;
    struct table_of t = with_workers(2, 1, 0);
    struct attempt_key key;
    struct hand *first = holder(&t, &key), *other = first == t.hands[0] ? t.hands[1] : t.hands[0];
    struct farm_heartbeat beat = {.last_message = 9, .disk_low = true};
    farm_heartbeat(t.s->f, other->session, &beat, t.s->now_ns);
    field_turn(t.s);
    field_forget(t.s);
    bring(t.s, first, &key, SUSPECT_BLACK, GOOD);
    assert_true(field_has_assign(t.s, first));
    field_end(t.s);
}

static void a_start_of_the_farm_remembers_who_was_first(void **state)
{
    (void)state;
    struct table_of t = with_workers(2, 1, 0);
    struct hand *first = render(&t, SUSPECT_BLACK, GOOD);
    struct hand *other = first == t.hands[0] ? t.hands[1] : t.hands[0];
    struct attempt_key key = field_assigned(t.s, other);
    field_hand_back(t.s, other, &key, HAND_BACK_PREEMPTED);
    field_restart(t.s);
    for (size_t i = 0; i < t.count; i++)
        field_hello(t.s, t.hands[i], NULL, 0);
    field_run(t.s, 30 * NS_PER_S); /* what it held is lost */
    assert_false(field_has_assign(t.s, first));
    assert_true(field_has_assign(t.s, other));
    (void)render(&t, SUSPECT_BLACK, GOOD);
    assert_int_equal(last_end(t.s), END_DONE);
    field_end(t.s);
}

/* Its Dropped was lost: it offers the same once more. */
static void what_was_set_aside_does_not_come_back(void **state)
{
    (void)state;
    struct table_of t = with_workers(2, 1, 0);
    struct attempt_key key;
    struct hand *first = holder(&t, &key);
    (void)render(&t, SUSPECT_BLACK, GOOD);
    for (int again = 0; again < 2; again++) {
        field_forget(t.s);
        field_offer(t.s, first, &key, 1000);
        assert_int_equal(field_last(t.s, EFFECT_DROPPED)->e.message.drop, DROP_FENCED);
        assert_int_equal(field_count(t.s, EFFECT_SAVE_ATTEMPT), 0);
        if (again == 0) field_restart(t.s);
        if (again == 0) field_hello(t.s, first, NULL, 0);
    }
    field_end(t.s);
}

static void still_parts_of_a_long_clip_are_not_odd(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = reel_worker(s, "w1", "f");
    struct farm_verdict verdict = {.kind = VERDICT_SOUND, .suspect = SUSPECT_STILL};
    reel_batch(s, 1, reel_plan(PLAN_CHAIN));
    field_turn(s);
    for (uint32_t i = 0; i < REEL_TASKS; i++) {
        struct attempt_key key = reel_assigned(s, w, 0, i);
        reel_offer(s, w, &key);
        farm_verdict(s->f, w->name, &key, &verdict, s->now_ns);
        field_turn(s);
        assert_int_equal(last_end(s), END_DONE);
    }
    reel_publish(s, 0);
    assert_int_equal(reel_info(s).counts.suspect, 0);
    field_end(s);
}

/* The first left a checkpoint on its way; who looks again begins anew. */
static void the_second_look_begins_anew(void **state)
{
    (void)state;
    struct table_of t = with_workers(2, 1, 0);
    struct attempt_key key;
    struct batch_info info;
    struct hand *first = holder(&t, &key);
    field_progress(t.s, first, &key, 6);
    reel_checkpoint(t.s, first, &key, 6);
    field_forget(t.s);
    bring(t.s, first, &key, SUSPECT_BLACK, GOOD);
    assert_int_equal(field_count(t.s, EFFECT_DROP_CHECKPOINT), 1);
    assert_false(field_last(t.s, EFFECT_ASSIGN)->e.message.resume);
    assert_true(farm_batch_info(t.s->f, BATCH, &info));
    assert_int_equal(info.steps_wasted, 10);
    field_end(t.s);
}

/* ---- W8, with little trust ---- */

static void two_alike_are_enough(void **state)
{
    (void)state;
    struct table_of t = with_workers(3, 1, 1);
    struct hand *first = render(&t, SUSPECT_NONE, GOOD);
    assert_int_equal(last_end(t.s), END_COMPARED);
    assert_int_equal(field_count(t.s, EFFECT_SAVE_OUTPUT), 0);
    struct hand *second = render(&t, SUSPECT_NONE, GOOD);
    assert_ptr_not_equal(first, second);
    assert_int_equal(last_end(t.s), END_DONE);
    assert_int_equal(farm_clip_state(t.s->f, BATCH, 0), CLIP_STITCHING);
    for (size_t i = 0; i < t.count; i++)
        assert_false(is_quarantined(t.s, t.hands[i]));
    field_end(t.s);
}

static void full_trust_compares_nothing(void **state)
{
    (void)state;
    struct table_of t = with_workers(3, 1, 0);
    (void)render(&t, SUSPECT_NONE, GOOD);
    assert_int_equal(last_end(t.s), END_DONE);
    field_end(t.s);
}

static void the_lot_falls_on_some(void **state)
{
    (void)state;
    struct table_of t = with_workers(2, 400, 10);
    size_t compared = 0;
    for (int i = 0; i < 400; i++) {
        (void)render(&t, SUSPECT_NONE, GOOD);
        compared += last_end(t.s) == END_COMPARED;
    }
    assert_true(compared > 10 && compared < 100); /* of 40 on average; one seed, one number */
    field_end(t.s);
}

static void a_third_decides_and_the_liar_is_held(void **state)
{
    (void)state;
    for (int liar_at = 0; liar_at < 2; liar_at++) {
        struct table_of t = with_workers(3, 1, 1);
        struct hand *by[3];
        for (int i = 0; i < 3; i++)
            by[i] = render(&t, SUSPECT_NONE, i == liar_at ? FALSE_ONE : GOOD);
        struct hand *liar = by[liar_at];
        assert_true(by[0] != by[1] && by[1] != by[2] && by[0] != by[2]);
        assert_int_equal(farm_clip_state(t.s->f, BATCH, 0), CLIP_STITCHING);
        assert_int_equal(field_events(t.s, "worker.disproved"), 1);
        assert_string_equal(field_find(t.s, EFFECT_SAVE_OUTPUT, NULL)->e.output.output.kind,
                            "segment");
        for (int i = 0; i < 3; i++)
            assert_int_equal(is_quarantined(t.s, by[i]), i == liar_at);
        struct worker_info info; /* everybody may read why, whosever clip it was */
        assert_true(farm_worker_info(t.s->f, liar->name, t.s->now_ns, &info));
        assert_non_null(strstr(info.reason, "its frames of a clip are not those of"));
        assert_null(strstr(info.reason, BATCH));
        field_forget(t.s);
        field_run(t.s, 3600 * NS_PER_S);
        assert_false(has_canary(t.s, liar)); /* it renders those right */
        assert_true(farm_readmit(t.s->f, liar->name, "me", NULL));
        field_canary(t.s, liar, true);
        assert_false(is_quarantined(t.s, liar));
        field_end(t.s);
    }
}

static void hears_that_it_was_outrun(const struct field *s, const struct hand *w)
{
    const struct note *n = field_last(s, EFFECT_DROPPED);
    assert_string_equal(n->worker, w->name);
    assert_int_equal(n->e.message.drop, DROP_DONE);
    assert_string_equal(n->text, "another attempt was first");
}

static void asks_again(struct field *s, const struct hand *w, const struct attempt_key *key)
{
    field_forget(s);
    field_offer(s, w, key, 1000);
    hears_that_it_was_outrun(s, w);
}

/* Whenever it asks: nothing tells that its result is compared. */
static void who_is_compared_hears_that_it_was_outrun(void **state)
{
    (void)state;
    struct table_of t = with_workers(3, 1, 1);
    struct attempt_key key;
    struct hand *first = holder(&t, &key);
    (void)render(&t, SUSPECT_NONE, GOOD);
    hears_that_it_was_outrun(t.s, first);
    asks_again(t.s, first, &key);
    field_restart(t.s);
    for (size_t i = 0; i < t.count; i++)
        field_hello(t.s, t.hands[i], NULL, 0);
    field_run(t.s, 30 * NS_PER_S);
    asks_again(t.s, first, &key);
    (void)render(&t, SUSPECT_NONE, GOOD);
    (void)render(&t, SUSPECT_NONE, GOOD);
    assert_int_equal(last_end(t.s), END_DONE);
    asks_again(t.s, first, &key);
    field_end(t.s);
}

/* It comes back as another process and fails the canary of the farm, on purpose. */
static void go_into_quarantine(struct field *s, struct hand *w)
{
    w->boot++;
    field_hello(s, w, NULL, 0);
    field_canary(s, w, false);
    assert_true(is_quarantined(s, w));
}

static void is_held(struct field *s, struct hand *w)
{
    field_forget(s);
    field_run(s, 3600 * NS_PER_S);
    assert_false(has_canary(s, w));
    w->boot++;
    field_hello(s, w, NULL, 0);
    field_run(s, 3600 * NS_PER_S);
    assert_false(has_canary(s, w));
    assert_true(is_quarantined(s, w));
}

static void a_wrong_canary_is_no_way_out_of_being_compared(void **state)
{
    (void)state;
    for (int back = 0; back < 2; back++) {
        struct table_of t = with_workers(3, 1, 1);
        struct hand *liar = render(&t, SUSPECT_NONE, FALSE_ONE);
        go_into_quarantine(t.s, liar);
        (void)render(&t, SUSPECT_NONE, GOOD);
        assert_int_equal(last_end(t.s), END_COMPARED); /* one alone says nothing against it */
        assert_int_equal(field_events(t.s, "worker.disproved"), 0);
        liar->boot += (uint8_t)back;
        if (back) field_hello(t.s, liar, NULL, 0);
        if (back) field_canary(t.s, liar, true);
        (void)render(&t, SUSPECT_NONE, GOOD);
        assert_int_equal(last_end(t.s), END_DONE);
        assert_int_equal(field_events(t.s, "worker.disproved"), 1);
        is_held(t.s, liar);
        field_end(t.s);
    }
}

static void who_was_disproved_while_away_is_held_after_a_start(void **state)
{
    (void)state;
    struct table_of t = with_workers(3, 1, 1);
    struct hand *liar = render(&t, SUSPECT_NONE, FALSE_ONE);
    farm_leaving(t.s->f, liar->session, "bye", true, t.s->now_ns);
    liar->session = 0;
    (void)render(&t, SUSPECT_NONE, GOOD);
    (void)render(&t, SUSPECT_NONE, GOOD);
    assert_int_equal(field_events(t.s, "worker.disproved"), 1);
    field_restart(t.s);
    field_hello(t.s, liar, NULL, 0);
    is_held(t.s, liar);
    field_end(t.s);
}

static void what_one_in_quarantine_saw_is_no_second_voice(void **state)
{
    (void)state;
    struct table_of t = with_workers(4, 1, 1);
    struct hand *first = render(&t, SUSPECT_NONE, FALSE_ONE);
    go_into_quarantine(t.s, first);
    struct hand *second = render(&t, SUSPECT_NONE, FALSE_ONE);
    assert_int_equal(last_end(t.s), END_COMPARED);
    (void)render(&t, SUSPECT_NONE, GOOD);
    assert_int_equal(last_end(t.s), END_COMPARED);
    (void)render(&t, SUSPECT_NONE, GOOD);
    assert_int_equal(field_events(t.s, "worker.disproved"), 2);
    is_held(t.s, first);
    is_held(t.s, second);
    field_end(t.s);
}

/* Its result was all here when it went into quarantine. */
static void nor_is_what_it_brought_before(void **state)
{
    (void)state;
    struct table_of t = with_workers(4, 1, 1);
    struct attempt_key key;
    struct hand *first = render(&t, SUSPECT_NONE, FALSE_ONE), *second = holder(&t, &key);
    struct farm_verdict verdict = {.kind = VERDICT_SOUND, .content = {{FALSE_ONE}}};
    field_offer(t.s, second, &key, 1000);
    field_upload(t.s, second, &key);
    go_into_quarantine(t.s, second);
    farm_verdict(t.s->f, second->name, &key, &verdict, t.s->now_ns);
    field_turn(t.s);
    assert_int_equal(last_end(t.s), END_COMPARED);
    (void)render(&t, SUSPECT_NONE, GOOD);
    (void)render(&t, SUSPECT_NONE, GOOD);
    assert_int_equal(field_events(t.s, "worker.disproved"), 2);
    is_held(t.s, first);
    is_held(t.s, second);
    field_end(t.s);
}

/* Who goes into quarantine each time keeps no task for ever. */
static void what_nobody_is_left_to_judge_comes_to_an_end(void **state)
{
    (void)state;
    struct table_of t = with_workers(10, 1, 1);
    for (uint8_t i = 0; i < 7; i++) {
        struct hand *w = render(&t, SUSPECT_NONE, (uint8_t)(100 + i));
        assert_int_equal(last_end(t.s), END_COMPARED);
        go_into_quarantine(t.s, w);
    }
    (void)render(&t, SUSPECT_NONE, GOOD);
    assert_int_equal(last_end(t.s), END_DONE);
    assert_int_equal(field_events(t.s, "worker.disproved"), 0);
    field_end(t.s);
}

static void an_operators_word_about_the_liar_stays(void **state)
{
    (void)state;
    struct table_of t = with_workers(3, 1, 1);
    struct worker_info info;
    struct hand *liar = render(&t, SUSPECT_NONE, FALSE_ONE);
    assert_true(farm_quarantine(t.s->f, liar->name, "smoke", "boss", t.s->now_ns, NULL));
    (void)render(&t, SUSPECT_NONE, GOOD);
    (void)render(&t, SUSPECT_NONE, GOOD);
    assert_int_equal(field_events(t.s, "worker.disproved"), 1);
    assert_true(farm_worker_info(t.s->f, liar->name, t.s->now_ns, &info));
    assert_string_equal(info.reason, "smoke");
    assert_string_equal(info.by, "boss");
    field_end(t.s);
}

/* Two broken ones render the same: nothing. */
static void black_twice_does_not_outvote_who_saw_something(void **state)
{
    (void)state;
    struct table_of t = with_workers(4, 1, 1);
    struct hand *by[4];
    for (int i = 0; i < 4; i++) {
        bool is_black = i == 1 || i == 2;
        by[i] = render(&t, is_black ? SUSPECT_BLACK : SUSPECT_NONE, is_black ? BLACK : GOOD);
        assert_int_equal(last_end(t.s), i < 3 ? END_COMPARED : END_DONE);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(is_quarantined(t.s, by[i]), i == 1 || i == 2);
    field_end(t.s);
}

/* Stored, and not published yet: rendered again by others. */
static void what_the_liar_stored_is_rendered_again(void **state)
{
    (void)state;
    struct table_of t = with_workers(1, 3, 1);
    struct hand *liar = t.hands[0];
    struct farm_video video = field_video();
    (void)render(&t, SUSPECT_NONE, FALSE_ONE); /* nobody is there to compare with */
    (void)render(&t, SUSPECT_NONE, FALSE_ONE);
    farm_clip_stitched(t.s->f, BATCH, 0, &video, t.s->now_ns);
    field_turn(t.s);
    farm_clip_renamed(t.s->f, BATCH, 0, &video, t.s->now_ns);
    field_turn(t.s);
    assert_int_equal(farm_clip_state(t.s->f, BATCH, 0), CLIP_PUBLISHED);
    assert_int_equal(farm_clip_state(t.s->f, BATCH, 1), CLIP_STITCHING);
    t.hands[t.count++] = field_worker(t.s, "w2", 1);
    t.hands[t.count++] = field_worker(t.s, "w3", 1);
    assert_ptr_equal(render(&t, SUSPECT_NONE, FALSE_ONE), liar);
    assert_int_equal(last_end(t.s), END_COMPARED);
    (void)render(&t, SUSPECT_NONE, GOOD);
    struct hand *third = render(&t, SUSPECT_NONE, GOOD);
    assert_true(is_quarantined(t.s, liar));
    assert_ptr_not_equal(third, liar);
    assert_int_equal(field_events(t.s, "clip.disowned"), 1);
    assert_int_equal(farm_clip_state(t.s->f, BATCH, 0), CLIP_PUBLISHED);
    assert_int_not_equal(farm_clip_state(t.s->f, BATCH, 1), CLIP_STITCHING);
    assert_int_equal(farm_clip_state(t.s->f, BATCH, 2), CLIP_STITCHING);
    (void)render(&t, SUSPECT_NONE, GOOD);
    (void)render(&t, SUSPECT_NONE, GOOD);
    assert_int_equal(farm_clip_state(t.s->f, BATCH, 1), CLIP_STITCHING);
    field_end(t.s);
}

/* A result of a long clip's task with such frames. */
static void bring_result(struct field *s, const struct hand *w, const struct attempt_key *key,
                         uint32_t number, uint8_t content)
{
    struct farm_verdict verdict = {.kind = VERDICT_SOUND, .content = {{content}}};
    assert_int_equal(key->task.task, number);
    field_forget(s);
    reel_offer(s, w, key);
    farm_verdict(s->f, w->name, key, &verdict, s->now_ns);
    field_check(s);
    field_turn(s);
}

static void bring_part(struct table_of *t, struct hand *w, uint32_t number, uint8_t content)
{
    struct attempt_key key = field_assigned(t->s, w);
    bring_result(t->s, w, &key, number, content);
}

/* What others made from a part of it is not to be believed either. */
static void a_long_clip_of_a_liar_begins_anew(void **state)
{
    (void)state;
    struct table_of t = {.s = new_field(1), .count = 1};
    t.hands[0] = field_worker(t.s, "w1", 1);
    reel_batch(t.s, 1, reel_plan(PLAN_CHAIN));
    field_turn(t.s);
    struct attempt_key key = reel_assigned(t.s, t.hands[0], 0, 0);
    reel_store(t.s, t.hands[0], &key);
    assert_int_equal(reel_done(t.s, 0), 1);
    t.hands[t.count++] = field_worker(t.s, "w2", 1);
    t.hands[t.count++] = field_worker(t.s, "w3", 1);
    for (int i = 0; i < 3; i++) {
        struct hand *w = holder(&t, &key);
        bring_part(&t, w, 1, w == t.hands[0] ? FALSE_ONE : GOOD);
    }
    assert_true(is_quarantined(t.s, t.hands[0]));
    assert_int_equal(reel_done(t.s, 0), 0);
    assert_int_equal(holder(&t, &key)->fingerprint[0], 'f');
    assert_int_equal(key.task.task, 0);
    field_end(t.s);
}

/* ---- what it went on from was a lie, and was lost and made anew meanwhile ---- */

/* w1 rendered the first part, a lie, while nobody was there to compare it with, and is at the next
 * one. */
static struct table_of with_a_false_input(struct attempt_key *running)
{
    struct table_of t = {.s = new_field(1), .count = 1};
    t.hands[0] = field_worker(t.s, "w1", 1);
    reel_batch(t.s, 1, reel_plan(PLAN_CHAIN));
    field_turn(t.s);
    bring_part(&t, t.hands[0], 0, FALSE_ONE);
    *running = field_assigned(t.s, t.hands[0]);
    field_progress(t.s, t.hands[0], running, 2);
    return t;
}

/* w2 and w3 render the part and agree. */
static void two_others_bring(struct table_of *t, uint32_t part)
{
    struct table_of others = {.s = t->s, .hands = {t->hands[1], t->hands[2]}, .count = 2};
    for (int i = 0; i < 2; i++) {
        struct attempt_key key;
        struct hand *w = holder(&others, &key);
        bring_result(t->s, w, &key, part, GOOD);
    }
}

static void the_input_is_made_anew(struct table_of *t)
{
    struct task_key input = reel_key(0, 0);
    t->hands[t->count++] = field_worker(t->s, "w2", 1);
    t->hands[t->count++] = field_worker(t->s, "w3", 1);
    field_forget(t->s);
    farm_output_missing(t->s->f, &input, false, t->s->now_ns);
    field_turn(t->s);
    two_others_bring(t, 0);
}

static void what_it_made_of_it_is_not_held_against(struct table_of *t,
                                                   const struct attempt_key *running)
{
    field_forget(t->s);
    reel_offer(t->s, t->hands[0], running);
    bring(t->s, t->hands[0], running, SUSPECT_NONE, FALSE_ONE);
    two_others_bring(t, 1);
    assert_int_equal(reel_done(t->s, 0), 2);
    assert_false(is_quarantined(t->s, t->hands[0]));
    field_end(t->s);
}

static void who_went_on_from_what_is_made_anew_is_not_judged(void **state)
{
    (void)state;
    struct attempt_key running;
    struct table_of t = with_a_false_input(&running);
    the_input_is_made_anew(&t);
    what_it_made_of_it_is_not_held_against(&t, &running);
}

/* Its attempt had ended when the input was made anew. */
static void nor_is_who_was_away_meanwhile(void **state)
{
    (void)state;
    struct attempt_key running;
    struct table_of t = with_a_false_input(&running);
    field_silence(t.s, 26 * NS_PER_S);
    field_turn(t.s);
    the_input_is_made_anew(&t);
    field_hello(t.s, t.hands[0], NULL, 0);
    field_turn(t.s);
    what_it_made_of_it_is_not_held_against(&t, &running);
}

/* Nobody knows after a start of the coordinator what was made anew before. */
static void nor_is_who_began_before_a_start(void **state)
{
    (void)state;
    struct attempt_key running;
    struct table_of t = with_a_false_input(&running);
    the_input_is_made_anew(&t);
    field_restart(t.s);
    struct farm_held held = {.attempt = running, .phase = PHASE_RENDERING, .step = 2};
    for (size_t i = 0; i < t.count; i++)
        field_hello(t.s, t.hands[i], &held, i == 0);
    field_turn(t.s);
    what_it_made_of_it_is_not_held_against(&t, &running);
}

static void where_no_third_is_both_render_canaries(void **state)
{
    (void)state;
    struct table_of t = with_workers(2, 1, 1);
    struct hand *honest = render(&t, SUSPECT_NONE, GOOD);
    struct hand *liar = render(&t, SUSPECT_NONE, FALSE_ONE);
    assert_int_equal(last_end(t.s), END_COMPARED);
    assert_true(has_canary(t.s, honest) && has_canary(t.s, liar));
    field_canary(t.s, liar, false);
    assert_true(is_quarantined(t.s, liar));
    field_canary(t.s, honest, true);
    (void)render(&t, SUSPECT_NONE, GOOD); /* nobody else is left to ask */
    assert_int_equal(last_end(t.s), END_DONE);
    assert_int_equal(field_events(t.s, "task.disputed"), 0);
    field_end(t.s);
}

static void two_that_never_agree_come_to_an_end(void **state)
{
    (void)state;
    struct table_of t = with_workers(2, 1, 1);
    int renders = 0;
    while (farm_clip_state(t.s->f, BATCH, 0) != CLIP_STITCHING && renders < 20) {
        for (size_t i = 0; i < t.count; i++) {
            if (has_canary(t.s, t.hands[i])) field_canary(t.s, t.hands[i], true);
        }
        struct attempt_key key;
        struct hand *w = holder(&t, &key);
        field_forget(t.s);
        bring(t.s, w, &key, SUSPECT_NONE, w == t.hands[0] ? GOOD : FALSE_ONE);
        renders++;
    }
    assert_int_equal(renders, 4);
    assert_int_equal(field_events(t.s, "task.disputed"), 1);
    assert_false(is_quarantined(t.s, t.hands[0]) || is_quarantined(t.s, t.hands[1]));
    field_end(t.s);
}

static void other_fingerprints_are_not_compared(void **state)
{
    (void)state;
    struct table_of t = {.s = new_field(1), .count = 2};
    t.hands[0] = reel_worker(t.s, "w1", "f");
    t.hands[1] = reel_worker(t.s, "w2", "g");
    field_batch(t.s, BATCH, 1);
    field_turn(t.s);
    (void)render(&t, SUSPECT_NONE, GOOD); /* nobody like it is there */
    assert_int_equal(last_end(t.s), END_DONE);
    field_end(t.s);
}

static void the_other_one_of_its_kind_leaves(void **state)
{
    (void)state;
    struct table_of t = {.s = new_field(1), .count = 3};
    t.hands[0] = reel_worker(t.s, "w1", "f");
    t.hands[1] = reel_worker(t.s, "w2", "f");
    t.hands[2] = reel_worker(t.s, "w3", "g");
    field_batch(t.s, BATCH, 1);
    field_turn(t.s);
    struct attempt_key key = field_assigned(t.s, t.hands[0]);
    field_forget(t.s);
    bring(t.s, t.hands[0], &key, SUSPECT_NONE, GOOD);
    assert_true(field_has_assign(t.s, t.hands[1]));
    field_forget(t.s);
    farm_leaving(t.s->f, t.hands[1]->session, "bye", true, t.s->now_ns);
    field_run(t.s, 30 * NS_PER_S);
    (void)render(&t, SUSPECT_NONE, FALSE_ONE); /* w1 again, or w3: neither proves anything */
    assert_int_equal(last_end(t.s), END_DONE);
    assert_false(is_quarantined(t.s, t.hands[0]) || is_quarantined(t.s, t.hands[2]));
    field_end(t.s);
}

/* What it goes on from was another's: it need not answer for that. */
static void who_resumes_anothers_work_is_not_judged(void **state)
{
    (void)state;
    struct table_of t = with_workers(2, 1, 1);
    struct attempt_key key;
    struct hand *liar = holder(&t, &key);
    struct hand *honest = liar == t.hands[0] ? t.hands[1] : t.hands[0];
    field_progress(t.s, liar, &key, 6);
    reel_checkpoint(t.s, liar, &key, 6);
    field_forget(t.s);
    farm_leaving(t.s->f, liar->session, "bye", true, t.s->now_ns);
    field_run(t.s, NS_PER_S);
    assert_true(field_last(t.s, EFFECT_ASSIGN)->e.message.resume);
    t.hands[t.count++] = field_worker(t.s, "w3", 1);
    t.hands[t.count++] = field_worker(t.s, "w4", 1);
    key = field_assigned(t.s, honest);
    field_forget(t.s);
    bring(t.s, honest, &key, SUSPECT_NONE, FALSE_ONE); /* of a poisoned checkpoint */
    assert_int_equal(last_end(t.s), END_COMPARED);
    assert_false(field_last(t.s, EFFECT_ASSIGN)->e.message.resume);
    (void)render(&t, SUSPECT_NONE, GOOD);
    (void)render(&t, SUSPECT_NONE, GOOD);
    assert_int_equal(last_end(t.s), END_DONE);
    for (size_t i = 0; i < t.count; i++)
        assert_false(is_quarantined(t.s, t.hands[i]));
    field_end(t.s);
}

static void a_start_forgets_what_was_compared_not_that_it_is(void **state)
{
    (void)state;
    struct table_of t = with_workers(2, 1, 1);
    (void)render(&t, SUSPECT_NONE, GOOD);
    field_restart(t.s);
    for (size_t i = 0; i < t.count; i++)
        field_hello(t.s, t.hands[i], NULL, 0);
    field_run(t.s, 30 * NS_PER_S);
    struct hand *first = render(&t, SUSPECT_NONE, GOOD);
    assert_int_equal(last_end(t.s), END_COMPARED);
    struct hand *second = render(&t, SUSPECT_NONE, GOOD);
    assert_ptr_not_equal(first, second);
    assert_int_equal(last_end(t.s), END_DONE);
    field_end(t.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(black_is_rendered_once_more_elsewhere),
        cmocka_unit_test(what_waits_for_it_says_so),
        cmocka_unit_test(not_black_elsewhere_and_the_first_renders_a_canary),
        cmocka_unit_test(it_is_published_with_its_mark),
        cmocka_unit_test(one_worker_looks_again_itself),
        cmocka_unit_test(it_waits_for_who_is_busy_but_not_for_who_leaves),
        cmocka_unit_test(a_full_disk_of_the_other_does_not_hold_it_up),
        cmocka_unit_test(a_start_of_the_farm_remembers_who_was_first),
        cmocka_unit_test(what_was_set_aside_does_not_come_back),
        cmocka_unit_test(still_parts_of_a_long_clip_are_not_odd),
        cmocka_unit_test(the_second_look_begins_anew),
        cmocka_unit_test(two_alike_are_enough),
        cmocka_unit_test(full_trust_compares_nothing),
        cmocka_unit_test(the_lot_falls_on_some),
        cmocka_unit_test(a_third_decides_and_the_liar_is_held),
        cmocka_unit_test(who_is_compared_hears_that_it_was_outrun),
        cmocka_unit_test(a_wrong_canary_is_no_way_out_of_being_compared),
        cmocka_unit_test(who_was_disproved_while_away_is_held_after_a_start),
        cmocka_unit_test(what_one_in_quarantine_saw_is_no_second_voice),
        cmocka_unit_test(nor_is_what_it_brought_before),
        cmocka_unit_test(what_nobody_is_left_to_judge_comes_to_an_end),
        cmocka_unit_test(an_operators_word_about_the_liar_stays),
        cmocka_unit_test(black_twice_does_not_outvote_who_saw_something),
        cmocka_unit_test(what_the_liar_stored_is_rendered_again),
        cmocka_unit_test(a_long_clip_of_a_liar_begins_anew),
        cmocka_unit_test(who_went_on_from_what_is_made_anew_is_not_judged),
        cmocka_unit_test(nor_is_who_was_away_meanwhile),
        cmocka_unit_test(nor_is_who_began_before_a_start),
        cmocka_unit_test(where_no_third_is_both_render_canaries),
        cmocka_unit_test(two_that_never_agree_come_to_an_end),
        cmocka_unit_test(other_fingerprints_are_not_compared),
        cmocka_unit_test(the_other_one_of_its_kind_leaves),
        cmocka_unit_test(who_resumes_anothers_work_is_not_judged),
        cmocka_unit_test(a_start_forgets_what_was_compared_not_that_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

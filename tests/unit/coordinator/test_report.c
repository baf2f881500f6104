/* Reports: results that ride in their offer. The core is done with them in the same turn. */
#include "field.h"

#define BATCH "b000000001"

static struct shape report_shape(void)
{
    struct shape shape = field_shape(1);
    shape.output = OUTPUT_REPORT;
    return shape;
}

static struct farm_offer report_of(const struct attempt_key *key)
{
    struct farm_offer offer = field_offer_of(key, 300);
    (void)snprintf(offer.outputs[0].kind, sizeof(offer.outputs[0].kind), "report");
    offer.received[0] = 300;
    return offer;
}

static void an_offer_is_enough(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch_with(s, BATCH, 1, 0, report_shape());
    field_turn(s);
    const struct attempt_key key = field_assigned(s, w);
    const struct farm_offer offer = report_of(&key);
    field_forget(s);
    farm_offer(s->f, w->session, &offer, s->now_ns);
    field_check(s);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_STORED), 1);
    assert_int_equal(field_count(s, EFFECT_SAVE_OUTPUT), 1);
    assert_int_equal(field_count(s, EFFECT_SAVE_CLIP), 1);
    assert_int_equal(field_count(s, EFFECT_VERIFY), 0);
    assert_int_equal(field_count(s, EFFECT_STITCH), 0);
    assert_int_equal(field_count(s, EFFECT_CREDIT), 0);
    assert_int_equal(field_state(s, BATCH), BATCH_DONE);
    assert_int_equal(field_worker_state(s, w), WORKER_IDLE);
    field_end(s);
}

static void one_that_is_wrong_counts(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch_with(s, BATCH, 1, 0, report_shape());
    field_turn(s);
    const struct attempt_key key = field_assigned(s, w);
    struct farm_offer offer = report_of(&key);
    offer.matches = false; /* the shell found another digest */
    field_forget(s);
    farm_offer(s->f, w->session, &offer, s->now_ns);
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_STORED), 0);
    assert_int_equal(field_count(s, EFFECT_DROPPED), 1);
    assert_int_equal(field_state(s, BATCH), BATCH_RUNNING);
    field_end(s);
}

static void the_next_task_is_given_in_the_same_turn(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct hand *w = field_worker(s, "w1", 1);
    field_batch_with(s, BATCH, 50, 0, report_shape());
    field_turn(s);
    for (uint32_t clip = 0; clip < 48; clip++) {
        const struct attempt_key key = {.task = {.batch = BATCH, .clip = clip}, .fence = 1};
        const struct farm_offer offer = report_of(&key);
        field_forget(s);
        farm_offer(s->f, w->session, &offer, s->now_ns);
        field_turn(s);
        assert_int_equal(field_count(s, EFFECT_STORED), 1);
        assert_int_equal(field_count(s, EFFECT_ASSIGN), 1);
    }
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_is_enough),
        cmocka_unit_test(one_that_is_wrong_counts),
        cmocka_unit_test(the_next_task_is_given_in_the_same_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The one pool of bytes under way (D3). */
#include "field.h"

#define BATCH "b000000001"
#define MIB UINT64_C(1048576)

static uint64_t left_in_pool(struct field *s)
{
    uint64_t left = farm_credit_borrow(s->f, CREDIT_POOL_BYTES);
    farm_credit_return(s->f, left);
    return left;
}

static struct field *with_uploads(struct hand **w, uint32_t count, uint64_t size_bytes)
{
    struct field *s = field_new();
    *w = field_worker(s, "w1", count);
    field_batch(s, BATCH, count);
    field_turn(s);
    for (uint32_t clip = 0; clip < count; clip++) {
        struct attempt_key key = {.task = {.batch = BATCH, .clip = clip}, .fence = 1};
        field_offer(s, *w, &key, size_bytes);
    }
    return s;
}

static void borrowers_share_the_pool(void **state)
{
    (void)state;
    struct field *s = field_new();
    assert_int_equal(farm_credit_borrow(s->f, 10 * MIB), 10 * MIB);
    assert_int_equal(farm_credit_borrow(s->f, 10 * MIB), 6 * MIB);
    assert_int_equal(farm_credit_borrow(s->f, 1), 0);
    farm_credit_return(s->f, 16 * MIB);
    assert_int_equal(left_in_pool(s), CREDIT_POOL_BYTES);
    field_end(s);
}

static void every_end_gives_its_credit_back(void **state)
{
    (void)state;
    struct hand *w;
    struct error err = {0};
    struct field *s = with_uploads(&w, 3, 100 * MIB);
    assert_int_equal(left_in_pool(s), CREDIT_POOL_BYTES - 3 * CREDIT_WINDOW_BYTES);
    assert_true(farm_batch_cancel(s->f, BATCH, s->now_ns, &err));
    field_turn(s);
    assert_int_equal(left_in_pool(s), CREDIT_POOL_BYTES);
    field_end(s);
}

static void a_session_that_ends_gives_its_credit_back(void **state)
{
    (void)state;
    struct hand *w;
    struct field *s = with_uploads(&w, 2, MIB);
    assert_int_equal(left_in_pool(s), CREDIT_POOL_BYTES - 2 * MIB);
    field_silence(s, 25 * NS_PER_S);
    assert_int_equal(left_in_pool(s), CREDIT_POOL_BYTES);
    field_end(s);
}

static void an_offer_made_again_starts_credit_anew(void **state)
{
    (void)state;
    struct hand *w;
    struct field *s = with_uploads(&w, 1, 3 * MIB);
    struct attempt_key key = {.task = {.batch = BATCH}, .fence = 1};
    assert_true(farm_received(s->f, w->session, &key, 0, MIB, s->now_ns));
    struct farm_offer offer = field_offer_of(&key, 3 * MIB);
    offer.received[0] = MIB / 2; /* less stands on disk than was said: chunks were lost */
    farm_offer(s->f, w->session, &offer, s->now_ns);
    field_turn(s);
    const struct effect_message *m = &field_last(s, EFFECT_CREDIT)->e.message;
    assert_int_equal(m->offset, MIB / 2);
    assert_int_equal(m->size_bytes, CREDIT_WINDOW_BYTES);
    assert_int_equal(left_in_pool(s), CREDIT_POOL_BYTES - CREDIT_WINDOW_BYTES);
    field_upload(s, w, &key);
    assert_int_equal(left_in_pool(s), CREDIT_POOL_BYTES);
    field_end(s);
}

#define TENTH_NS (CREDIT_IDLE_NS / 10)

static void an_offer_made_over_and_over_is_no_progress(void **state)
{
    (void)state;
    struct hand *w;
    struct field *s = with_uploads(&w, 1, 3 * MIB);
    struct attempt_key key = {.task = {.batch = BATCH}, .fence = 1};
    for (int i = 0; i < 10; i++) {
        assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
        field_offer(s, w, &key, 3 * MIB);
        field_run(s, TENTH_NS);
    }
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    field_end(s);
}

/* A byte now and then neither; a thousand in each second are. */
static void what_comes_pays_for_its_time_only(void **state)
{
    (void)state;
    struct hand *w;
    struct field *s = with_uploads(&w, 1, 3 * MIB);
    struct attempt_key key = {.task = {.batch = BATCH}, .fence = 1};
    uint64_t sent = 0;
    for (int i = 0; i < 30; i++) {
        sent += 1000 * TENTH_NS / NS_PER_S;
        field_run(s, TENTH_NS);
        assert_true(farm_received(s->f, w->session, &key, 0, sent, s->now_ns));
        field_turn(s);
    }
    for (int i = 0; i < 10; i++) {
        assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
        assert_true(farm_received(s->f, w->session, &key, 0, ++sent, s->now_ns));
        field_run(s, TENTH_NS);
    }
    field_run(s, NS_PER_S);
    assert_int_equal(field_last(s, EFFECT_END_ATTEMPT)->e.end.end, END_LOST);
    field_end(s);
}

static void the_clock_stands_while_the_pool_is_empty(void **state)
{
    (void)state;
    struct hand *w;
    struct field *s = with_uploads(&w, 1, 2 * CREDIT_WINDOW_BYTES);
    struct attempt_key key = {.task = {.batch = BATCH}, .fence = 1};
    uint64_t lent = farm_credit_borrow(s->f, CREDIT_POOL_BYTES);
    assert_true(farm_received(s->f, w->session, &key, 0, CREDIT_WINDOW_BYTES, s->now_ns));
    assert_int_equal(farm_credit_borrow(s->f, CREDIT_POOL_BYTES), CREDIT_WINDOW_BYTES);
    field_run(s, 2 * CREDIT_IDLE_NS);
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    farm_credit_return(s->f, lent + CREDIT_WINDOW_BYTES);
    field_turn(s);
    assert_int_equal(field_last(s, EFFECT_CREDIT)->e.message.offset, CREDIT_WINDOW_BYTES);
    field_end(s);
}

static void the_last_window_is_what_is_missing(void **state)
{
    (void)state;
    struct hand *w;
    struct field *s = with_uploads(&w, 1, CREDIT_WINDOW_BYTES + 1);
    struct attempt_key key = {.task = {.batch = BATCH}, .fence = 1};
    assert_true(farm_received(s->f, w->session, &key, 0, 1, s->now_ns));
    field_turn(s);
    assert_int_equal(field_last(s, EFFECT_CREDIT)->e.message.size_bytes, 1);
    assert_true(farm_received(s->f, w->session, &key, 0, CREDIT_WINDOW_BYTES, s->now_ns));
    field_turn(s);
    assert_int_equal(field_count(s, EFFECT_CREDIT), 2);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(borrowers_share_the_pool),
        cmocka_unit_test(every_end_gives_its_credit_back),
        cmocka_unit_test(a_session_that_ends_gives_its_credit_back),
        cmocka_unit_test(an_offer_made_again_starts_credit_anew),
        cmocka_unit_test(an_offer_made_over_and_over_is_no_progress),
        cmocka_unit_test(what_comes_pays_for_its_time_only),
        cmocka_unit_test(the_clock_stands_while_the_pool_is_empty),
        cmocka_unit_test(the_last_window_is_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

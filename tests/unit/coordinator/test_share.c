/* Who gets how much: fair share, warm models, priorities that change (S2), and memory (S1). */
#include "coordinator/share.h"
#include "field.h"

#define ONE "b000000001"
#define TWO "b000000002"

static void field_batch_for(struct field *s, const char *id, const char *owner, uint32_t clips,
                            uint8_t model)
{
    s->owner = owner;
    field_batch_of(s, id, clips, 0, model);
    s->owner = NULL;
}

static uint32_t assigned_to(const struct field *s, const char *batch)
{
    uint32_t count = 0;
    for (size_t i = 0; i < s->note_count; i++) {
        const struct effect *e = &s->notes[i].e;
        if (e->kind != EFFECT_ASSIGN || e->message.canary) continue;
        count += strcmp(e->message.attempt.task.batch, batch) == 0;
    }
    return count;
}

/* ---- the numbers ---- */

static void usage_halves_in_ten_minutes(void **state)
{
    (void)state;
    struct usage u = {0};
    usage_pay(&u, 100 * NS_PER_S, 0);
    assert_true(usage_now(&u, 0) == 100.0);
    double later = usage_now(&u, 600 * NS_PER_S);
    assert_true(later > 49.99 && later < 50.01);
    usage_give_back(&u, 30 * NS_PER_S);
    usage_pay(&u, 40 * NS_PER_S, 600 * NS_PER_S); /* 30 of them were paid before */
    later = usage_now(&u, 600 * NS_PER_S);
    assert_true(later > 59.99 && later < 60.01);
}

static void the_order_of_usages_does_not_change_with_time(void **state)
{
    (void)state;
    struct usage little = {0}, much = {0};
    usage_pay(&little, 10 * NS_PER_S, 0);
    usage_pay(&much, 11 * NS_PER_S, 0);
    for (int64_t now_ns = 0; now_ns < 7200 * NS_PER_S; now_ns += 600 * NS_PER_S)
        assert_true(share_key(&little, 1, now_ns, 9) < share_key(&much, 1, now_ns, 1));
    assert_true(share_key(&little, 1, 0, 1) < share_key(&little, 1, 0, 2)); /* alike */
    assert_true(share_key(&much, 2, 0, 0) < share_key(&little, 1, 0, 0));
    /* What was used long ago is less than what was used now. */
    usage_pay(&little, 1, 3600 * NS_PER_S);
    struct usage fresh = {0};
    usage_pay(&fresh, NS_PER_S, 3600 * NS_PER_S);
    assert_true(share_key(&little, 1, 3600 * NS_PER_S, 0) <
                share_key(&fresh, 1, 3600 * NS_PER_S, 0));
}

/* ---- owners ---- */

static void two_owners_get_alike(void **state)
{
    (void)state;
    struct field *s = field_new();
    field_batch_for(s, ONE, "ann", 100, 1);
    field_batch_for(s, TWO, "ben", 100, 1);
    (void)field_worker(s, "w1", 8);
    assert_int_equal(assigned_to(s, ONE), 8);
    assert_int_equal(assigned_to(s, TWO), 8);
    field_end(s);
}

static void who_comes_later_catches_up(void **state)
{
    (void)state;
    struct field *s = field_new();
    field_batch_for(s, ONE, "ann", 100, 1);
    (void)field_worker(s, "w1", 4);
    field_batch_for(s, TWO, "ben", 100, 1);
    (void)field_worker(s, "w2", 4);
    assert_int_equal(assigned_to(s, ONE), 8);
    assert_int_equal(assigned_to(s, TWO), 8);
    field_end(s);
}

static void a_larger_share_gets_more(void **state)
{
    (void)state;
    struct field *s = field_new();
    farm_owner_share(s->f, "ben", 3, s->now_ns);
    field_batch_for(s, ONE, "ann", 100, 1);
    field_batch_for(s, TWO, "ben", 100, 1);
    (void)field_worker(s, "w1", 8);
    assert_int_equal(assigned_to(s, ONE), 4);
    assert_int_equal(assigned_to(s, TWO), 12);
    field_end(s);
}

static void a_share_may_change_while_batches_wait(void **state)
{
    (void)state;
    struct field *s = field_new();
    field_batch_for(s, ONE, "ann", 100, 1);
    field_batch_for(s, TWO, "ben", 100, 1);
    (void)field_worker(s, "w1", 4);
    assert_int_equal(assigned_to(s, TWO), 4);
    farm_owner_share(s->f, "ben", 3, s->now_ns);
    (void)field_worker(s, "w2", 4);
    assert_int_equal(assigned_to(s, ONE), 4);
    assert_int_equal(assigned_to(s, TWO), 12);
    field_end(s);
}

static void many_batches_do_not_get_their_owner_more(void **state)
{
    (void)state;
    struct field *s = field_new();
    char id[ID_BATCH_SIZE];
    for (int i = 3; i < 9; i++) {
        (void)snprintf(id, sizeof(id), "b00000000%u", (unsigned)i % 10U);
        field_batch_for(s, id, "ann", 100, 1);
    }
    field_batch_for(s, ONE, "ben", 100, 1);
    (void)field_worker(s, "w1", 6);
    assert_int_equal(assigned_to(s, ONE), 6);
    assert_int_equal(assigned_to(s, "b000000003"), 1);
    assert_int_equal(assigned_to(s, "b000000008"), 1);
    field_end(s);
}

/* ---- what is warm ---- */

static void a_slot_stays_with_its_model(void **state)
{
    (void)state;
    struct field *s = field_new();
    field_batch_for(s, ONE, "ann", 100, 1);
    struct hand *w = field_worker(s, "w1", 1);
    field_batch_for(s, TWO, "ann", 100, 2);
    for (int i = 0; i < 5; i++) {
        struct attempt_key key = {.task = {.batch = ONE, .clip = (uint32_t)i}, .fence = 1};
        field_run(s, NS_PER_S);
        field_publish(s, w, &key);
    }
    assert_int_equal(assigned_to(s, TWO), 0);
    field_end(s);
}

static void nobody_starves_for_a_warm_model(void **state)
{
    (void)state;
    struct field *s = field_new();
    field_batch_for(s, ONE, "ann", 100, 1);
    struct hand *w = field_worker(s, "w1", 1);
    field_batch_for(s, TWO, "ann", 100, 2);
    for (int i = 0; i < 13 && assigned_to(s, TWO) == 0; i++) {
        struct attempt_key key = {.task = {.batch = ONE, .clip = (uint32_t)i}, .fence = 1};
        field_run(s, 10 * NS_PER_S);
        field_publish(s, w, &key);
    }
    assert_int_equal(assigned_to(s, TWO), 1);
    field_end(s);
}

/* ---- priority ---- */

static void a_priority_can_be_changed(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct error err = {0};
    struct batch_info info;
    field_batch_for(s, ONE, "ann", 100, 1);
    field_batch_for(s, TWO, "ann", 100, 1);
    assert_true(farm_batch_priority(s->f, TWO, 7, &err));
    assert_int_equal(field_events(s, "batch.priority"), 0);
    (void)field_worker(s, "w1", 2);
    assert_int_equal(field_events(s, "batch.priority"), 1);
    assert_int_equal(assigned_to(s, TWO), 4);
    assert_true(farm_batch_priority(s->f, TWO, -7, &err)); /* of one that runs */
    (void)field_worker(s, "w2", 2);
    assert_int_equal(assigned_to(s, ONE), 4);
    field_restart(s);
    assert_true(farm_batch_info(s->f, TWO, &info));
    assert_int_equal(info.priority, -7);
    assert_false(farm_batch_priority(s->f, TWO, 1001, &err));
    assert_false(farm_batch_priority(s->f, "b000000009", 1, &err));
    assert_true(farm_batch_cancel(s->f, TWO, s->now_ns, &err));
    assert_false(farm_batch_priority(s->f, TWO, 1, &err));
    assert_int_equal(err.code, ERROR_STATE);
    field_end(s);
}

/* ---- memory (S1) ---- */

static void greet_with_memory(struct field *s, struct hand *w, uint64_t first, uint64_t second)
{
    struct error err = {0};
    struct farm_slot slots[2] = {{.backend = "cpu", .fingerprint = "f", .memory_bytes = first},
                                 {.backend = "cpu", .fingerprint = "f", .memory_bytes = second}};
    struct farm_hello hello = field_hello_of(w, slots);
    if (!farm_hello(s->f, &hello, s->now_ns, &w->session, &err)) fail_msg("%s", err.message);
    field_canary(s, w, true);
}

static void work_goes_only_where_it_has_the_memory(void **state)
{
    (void)state;
    struct field *s = field_new();
    struct shape shape = field_shape(1);
    struct reason_info reasons[REASONS_MAX];
    uint64_t needed, largest;
    shape.memory_bytes = 2000000000;
    field_batch_with(s, ONE, 8, 0, shape);
    assert_false(farm_lacks_memory(s->f, ONE, &needed, &largest)); /* nobody is here */
    struct hand *small = field_hand(s, "small", 2);
    greet_with_memory(s, small, 1000000000, 1500000000);
    assert_int_equal(assigned_to(s, ONE), 0);
    assert_true(farm_lacks_memory(s->f, ONE, &needed, &largest));
    assert_int_equal(needed, 2000000000);
    assert_int_equal(largest, 1500000000);
    assert_int_equal(farm_batch_reasons(s->f, ONE, s->now_ns, reasons), 1);
    assert_string_equal(reasons[0].code, "memory");
    assert_int_equal(reasons[0].count, 8);
    assert_non_null(strstr(reasons[0].message, "1.5 GB"));
    struct hand *large = field_hand(s, "large", 2);
    greet_with_memory(s, large, 1000000000, 2000000000);
    assert_false(farm_lacks_memory(s->f, ONE, &needed, &largest));
    assert_int_equal(assigned_to(s, ONE), 2); /* one runs and one is prefetched, both in slot 1 */
    assert_int_equal(field_find(s, EFFECT_ASSIGN, "large")->e.message.slot, 1);
    struct hand *unknown = field_hand(s, "unknown", 2);
    greet_with_memory(s, unknown, 0, 0);
    assert_int_equal(assigned_to(s, ONE), 6);
    field_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usage_halves_in_ten_minutes),
        cmocka_unit_test(the_order_of_usages_does_not_change_with_time),
        cmocka_unit_test(two_owners_get_alike),
        cmocka_unit_test(who_comes_later_catches_up),
        cmocka_unit_test(a_larger_share_gets_more),
        cmocka_unit_test(a_share_may_change_while_batches_wait),
        cmocka_unit_test(many_batches_do_not_get_their_owner_more),
        cmocka_unit_test(a_slot_stays_with_its_model),
        cmocka_unit_test(nobody_starves_for_a_warm_model),
        cmocka_unit_test(a_priority_can_be_changed),
        cmocka_unit_test(work_goes_only_where_it_has_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

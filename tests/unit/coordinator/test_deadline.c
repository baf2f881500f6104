/* Queues of deadlines, paces, and when a disk is low. */
#include "ground.h"

#include "base/disk.h"
#include "coordinator/deadline.h"
#include "coordinator/pace.h"

#define GIB (UINT64_C(1) << 30)

struct bell {
    struct deadline due;
    struct deadline_queue *again_in; /* rings once more, 10 later */
    int rung;
    int64_t at;
};

static void ring(struct farm *f, void *subject, int64_t now_ns)
{
    (void)f;
    struct bell *b = subject;
    b->rung++;
    b->at = now_ns;
    if (b->again_in != NULL && b->rung == 1) deadline_set(b->again_in, &b->due, now_ns + 10);
}

static void what_is_due_is_called_once(void **state)
{
    (void)state;
    struct deadline_queue q;
    struct bell a = {0}, b = {0};
    deadline_queue_init(&q);
    deadline_init(&a.due, &a, ring);
    deadline_init(&b.due, &b, ring);
    assert_true(deadline_queue_first(&q) == INT64_MAX);
    deadline_set(&q, &a.due, 100);
    deadline_set(&q, &b.due, 50);
    deadline_set(&q, &b.due, 101); /* moved */
    assert_int_equal(deadline_queue_first(&q), 100);
    deadline_queue_run(&q, NULL, 99, 99);
    assert_int_equal(a.rung, 0);
    deadline_queue_run(&q, NULL, 100, 200);
    assert_int_equal(a.rung, 1);
    assert_int_equal(a.at, 200);
    assert_int_equal(b.rung, 0);
    assert_false(deadline_is_set(&a.due));
    deadline_clear(&q, &b.due);
    deadline_clear(&q, &b.due);
    deadline_queue_run(&q, NULL, 1000, 1000);
    assert_int_equal(b.rung, 0);
    deadline_queue_finish(&q);
}

static void what_is_set_again_meanwhile_waits_its_turn(void **state)
{
    (void)state;
    struct deadline_queue q;
    struct bell a = {.again_in = &q};
    deadline_queue_init(&q);
    deadline_init(&a.due, &a, ring);
    deadline_set(&q, &a.due, 5);
    deadline_queue_run(&q, NULL, 5, 5);
    assert_int_equal(a.rung, 1);
    assert_int_equal(deadline_queue_first(&q), 15);
    deadline_queue_finish(&q);
}

static void a_stretch_moves_all_of_a_queue(void **state)
{
    (void)state;
    struct deadline_queue q;
    struct bell a = {0}, b = {0};
    deadline_queue_init(&q);
    deadline_init(&a.due, &a, ring);
    deadline_init(&b.due, &b, ring);
    deadline_set(&q, &a.due, 100);
    deadline_queue_stretch(&q, 1000);
    assert_int_equal(deadline_queue_first(&q), 1100);
    deadline_set(&q, &b.due, 1050); /* set afterwards: not moved */
    assert_int_equal(deadline_queue_first(&q), 1050);
    deadline_queue_run(&q, NULL, 1099, 1099);
    assert_int_equal(a.rung, 0);
    assert_int_equal(b.rung, 1);
    deadline_queue_finish(&q);
}

static void a_pace_is_the_median_of_the_last_ones(void **state)
{
    (void)state;
    struct pace p = {0};
    assert_int_equal(pace_median(&p), 0);
    pace_add(&p, 0);
    assert_int_equal(pace_median(&p), 1); /* known, however quick */
    p = (struct pace){0};
    pace_add(&p, 30);
    pace_add(&p, 10);
    pace_add(&p, 20);
    assert_int_equal(pace_median(&p), 20);
    for (int i = 0; i < PACE_SAMPLES; i++)
        pace_add(&p, 7);
    assert_int_equal(pace_median(&p), 7);
    for (int i = 0; i < PACE_SAMPLES / 2; i++)
        pace_add(&p, 1000);
    assert_int_equal(pace_median(&p), 7);
    pace_add(&p, 1000);
    assert_int_equal(pace_median(&p), 1000);
}

static void low_is_a_gibibyte_or_a_twentieth(void **state)
{
    (void)state;
    assert_int_equal(disk_low_bytes(100 * GIB), GIB);
    assert_int_equal(disk_low_bytes(20 * GIB), GIB);
    assert_int_equal(disk_low_bytes(20 * GIB - 20), GIB - 1);
    assert_int_equal(disk_low_bytes(0), 0);
}

static void low_and_well_have_a_gap(void **state)
{
    (void)state;
    assert_false(disk_is_low(false, GIB, 100 * GIB, 0));
    assert_true(disk_is_low(false, GIB - 1, 100 * GIB, 0));
    assert_true(disk_is_low(true, 2 * GIB, 100 * GIB, 0));
    assert_false(disk_is_low(true, 2 * GIB + 1, 100 * GIB, 0));
    assert_true(disk_is_low(false, GIB + 4, 100 * GIB, 5));
    assert_false(disk_is_low(false, GIB + 5, 100 * GIB, 5));
    assert_true(disk_is_low(false, 5, 100 * GIB, 10 * GIB)); /* less than is reserved */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_due_is_called_once),
        cmocka_unit_test(what_is_set_again_meanwhile_waits_its_turn),
        cmocka_unit_test(a_stretch_moves_all_of_a_queue),
        cmocka_unit_test(a_pace_is_the_median_of_the_last_ones),
        cmocka_unit_test(low_is_a_gibibyte_or_a_twentieth),
        cmocka_unit_test(low_and_well_have_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

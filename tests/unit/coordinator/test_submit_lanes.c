/* Whose submission is checked next, without any check. */
#include "ground.h"

#include "coordinator/submit_transfer_state.h"

enum { SMALL, LARGE };

static struct submit_transfer whole(const char *owner, uint64_t size_bytes)
{
    return (struct submit_transfer){.state = TRANSFER_WHOLE,
                                    .request = {.owner = owner, .size_bytes = size_bytes}};
}

/* Its check begins and ends. */
static void serve(struct submit_lanes *l, const char *owner, uint64_t size_bytes)
{
    struct submit_transfer t = whole(owner, size_bytes);
    submit_lanes_enter(l, &t);
    assert_true(l->lane[submit_lanes_of(&t)].busy);
    assert_ptr_equal(submit_lanes_leave(l, submit_lanes_of(&t)), l->owner);
}

static void one_of_each_size_at_a_time(void **state)
{
    (void)state;
    struct submit_transfer large = whole("ann", SUBMIT_SMALL_BYTES + 1);
    struct submit_transfer small = whole("ann", SUBMIT_SMALL_BYTES);
    struct submit_transfers all = {.first = &small};
    struct submit_lanes *l = submit_lanes_create(&all);
    small.next = &large;
    assert_ptr_equal(submit_lanes_next(l, LARGE), &large);
    submit_lanes_enter(l, &large);
    assert_null(submit_lanes_next(l, LARGE));
    assert_ptr_equal(submit_lanes_next(l, SMALL), &small);
    (void)submit_lanes_leave(l, LARGE);
    assert_ptr_equal(submit_lanes_next(l, LARGE), &large);
    submit_lanes_unref(l);
}

/* Those of one size say nothing of the other. */
static void each_lane_has_its_turns(void **state)
{
    (void)state;
    struct submit_transfer ann = whole("ann", 1), bob = whole("bob", 1);
    struct submit_transfers all = {.first = &ann}; /* the newest */
    struct submit_lanes *l = submit_lanes_create(&all);
    ann.next = &bob;
    serve(l, "bob", SUBMIT_SMALL_BYTES + 1);
    assert_ptr_equal(submit_lanes_next(l, SMALL), &bob);
    serve(l, "bob", 1);
    assert_ptr_equal(submit_lanes_next(l, SMALL), &ann);
    serve(l, "ann", 1);
    assert_ptr_equal(submit_lanes_next(l, SMALL), &bob);
    submit_lanes_unref(l);
}

/* owner0, owner1, and so on. */
static void serve_many(struct submit_lanes *l, int count)
{
    char name[24];
    for (int i = 0; i < count; i++) {
        (void)snprintf(name, sizeof name, "owner%d", i);
        serve(l, name, 1);
        assert_true(l->lane[SMALL].served.count <= SUBMIT_LANE_OWNERS);
    }
}

static void what_is_remembered_is_bounded(void **state)
{
    (void)state;
    struct submit_transfer first = whole("owner0", 1), last = whole("owner999", 1);
    struct submit_transfers all = {.first = &first}; /* the newest */
    struct submit_lanes *l = submit_lanes_create(&all);
    first.next = &last;
    serve_many(l, 1000);
    assert_ptr_equal(submit_lanes_next(l, SMALL), &first);
    submit_lanes_unref(l);
}

static void the_longest_ago_is_forgotten(void **state)
{
    (void)state;
    struct submit_transfer second = whole("owner1", 1), first = whole("owner0", 1);
    struct submit_transfers all = {.first = &second}; /* the newest */
    struct submit_lanes *l = submit_lanes_create(&all);
    second.next = &first;
    serve_many(l, SUBMIT_LANE_OWNERS);
    serve(l, "owner0", 1);
    serve(l, "another", 1);
    assert_ptr_equal(submit_lanes_next(l, SMALL), &second);
    submit_lanes_unref(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_each_size_at_a_time),
        cmocka_unit_test(each_lane_has_its_turns),
        cmocka_unit_test(what_is_remembered_is_bounded),
        cmocka_unit_test(the_longest_ago_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

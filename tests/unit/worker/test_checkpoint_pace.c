/* How often checkpoints are taken, for steps and sizes that occur. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "proto/limits.h"
#include "worker/checkpoint_pace.h"

#define T0 (100 * NS_PER_S)

struct run {
    int64_t step_ns, save_ns;
    uint64_t bytes;
    uint32_t steps;
    unsigned slots;
};

struct outcome {
    unsigned saves;
    uint32_t first;   /* step of the first one */
    uint32_t longest; /* steps between two of them */
    int64_t saving_ns, all_ns;
    uint64_t bytes;
};

/* Every save is done before the next step begins, as the engine does it. */
static struct outcome run(const struct run *r)
{
    struct checkpoint_pace pace;
    struct outcome out = {0};
    int64_t now_ns = T0;
    uint32_t last = 0;
    checkpoint_pace_begin(&pace, r->bytes, r->slots, now_ns);
    for (uint32_t step = 1; step <= r->steps; step++) {
        now_ns += r->step_ns;
        if (!checkpoint_pace_is_due(&pace, step, r->steps, now_ns)) continue;
        assert_true(step < r->steps);
        checkpoint_pace_asked(&pace, now_ns);
        now_ns += r->save_ns;
        checkpoint_pace_saved(&pace, r->save_ns, r->bytes);
        out.saving_ns += r->save_ns;
        out.bytes += r->bytes;
        if (out.saves++ == 0) out.first = step;
        if (step - last > out.longest) out.longest = step - last;
        last = step;
    }
    out.all_ns = now_ns - T0;
    return out;
}

static void assert_cheap(const struct outcome *o, unsigned slots)
{
    assert_true(o->saving_ns * 100 <= o->all_ns * CHECKPOINT_TIME_PERCENT);
    assert_true(o->bytes * slots <=
                (uint64_t)(o->all_ns / NS_PER_MS + 1) * CHECKPOINT_BYTES_PER_S / 1000);
}

/* The pattern family: few bytes, so that hardly more than the interval counts. */
static void short_steps_are_saved_every_few(void **state)
{
    (void)state;
    struct run r = {100 * NS_PER_MS, NS_PER_MS / 2, 5 * 1024, 51, 1};
    struct outcome o = run(&r);
    assert_cheap(&o, 1);
    assert_int_equal(o.first, 3);
    assert_int_equal(o.longest, 3);
    assert_int_equal(o.saves, 16); /* not after the last step */
    r.bytes = 20 * 1024;           /* the bytes of 0.31 seconds */
    o = run(&r);
    assert_cheap(&o, 1);
    assert_int_equal(o.first, 4);
    assert_int_equal(o.longest, 4);
    assert_in_range(o.saves, 14, 16);
}

static void long_steps_are_saved_every_time(void **state)
{
    (void)state;
    struct run r = {60 * NS_PER_S, 20 * NS_PER_MS, 768 * 1024, 20, 1};
    struct outcome o = run(&r);
    assert_cheap(&o, 1);
    assert_int_equal(o.saves, 19);
}

static void very_short_steps_are_hardly_saved(void **state)
{
    (void)state;
    struct run r = {2 * NS_PER_MS, NS_PER_MS, 20 * 1024, 1000, 1};
    struct outcome o = run(&r);
    assert_cheap(&o, 1);
    assert_in_range(o.saves, 4, 6);
    r.steps = 50; /* a tenth of a second in all */
    o = run(&r);
    assert_int_equal(o.saves, 0);
}

static void a_slow_disk_makes_them_rare(void **state)
{
    (void)state;
    struct run r = {100 * NS_PER_MS, 50 * NS_PER_MS, 20 * 1024, 500, 1};
    struct outcome o = run(&r);
    assert_in_range(o.saves, 7, 10); /* one in five seconds */
    assert_true(o.saving_ns * 100 <= o.all_ns * CHECKPOINT_TIME_PERCENT + 50 * NS_PER_MS);
}

static void slots_share_the_bytes(void **state)
{
    (void)state;
    struct run r = {NS_PER_S, NS_PER_MS, 1024 * 1024, 400, 1};
    struct outcome one = run(&r);
    r.slots = 4;
    struct outcome four = run(&r);
    assert_cheap(&one, 1);
    assert_cheap(&four, 4);
    assert_in_range(one.longest, 16, 17);
    assert_in_range(four.longest, 64, 65);
}

static void nothing_is_due_before_it_began(void **state)
{
    (void)state;
    const struct checkpoint_pace pace = {0};
    assert_false(checkpoint_pace_is_due(&pace, 1, 10, T0));
}

static void test_no_slots_no_checkpoints(void **state)
{
    const struct run r = {.step_ns = NS_PER_S, .save_ns = NS_PER_MS, .bytes = 1000, .steps = 100};
    (void)state;
    assert_int_equal(run(&r).saves, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_slots_no_checkpoints),
        cmocka_unit_test(short_steps_are_saved_every_few),
        cmocka_unit_test(long_steps_are_saved_every_time),
        cmocka_unit_test(very_short_steps_are_hardly_saved),
        cmocka_unit_test(a_slow_disk_makes_them_rare),
        cmocka_unit_test(slots_share_the_bytes),
        cmocka_unit_test(nothing_is_due_before_it_began),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Half floats, slices, and an arena whose plan and run agree. */
#include "fixture.h"

#include "engine/tensor_arena.h"

static void halves_widen_exactly(void **state)
{
    (void)state;
    static const struct {
        uint16_t bits;
        float value;
    } halves[] = {{0x0000, 0.0f},
                  {0x3c00, 1.0f},
                  {0xc000, -2.0f},
                  {0x3555, 0.333251953125f},
                  {0x7bff, 65504},
                  {0x0001, 0x1p-24f},
                  {0x03ff, 1023 * 0x1p-24f},
                  {0x0400, 0x1p-14f},
                  {0x8001, -0x1p-24f},
                  {0x7c00, INFINITY},
                  {0xfc00, -INFINITY}};
    for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++)
        assert_true(tensor_half_to_float(halves[i].bits) == halves[i].value);
    assert_true(isnan(tensor_half_to_float(0x7e00)));
    assert_true(signbit(tensor_half_to_float(0x8000)));
    assert_true(tensor_bfloat_to_float(0x3f80) == 1 && tensor_bfloat_to_float(0xc040) == -3);
    assert_true(isnan(tensor_bfloat_to_float(0x7fc0)));
}

static void slices_share_memory(void **state)
{
    (void)state;
    float data[24] = {0};
    struct tensor t = {TENSOR_F32, 1, 2, 1, 2, 6, 6, data, 0};
    const struct tensor s = tensor_slice(&t, 2, 3);
    assert_int_equal(tensor_pixels(&s), 4);
    assert_int_equal(tensor_count(&s), 12);
    assert_int_equal(s.stride, 6);
    assert_ptr_equal(s.data, data + 2);
}

/* Takes and gives in an order made from `random`; writes down where everything lay. */
static void play(struct arena *a, uint64_t random, float **places, int rounds)
{
    struct tensor live[8];
    memset(live, 0, sizeof live);
    for (int i = 0; i < rounds; i++) {
        random = random * UINT64_C(6364136223846793005) + 1;
        struct tensor *t = &live[random >> 61];
        if (t->slot != 0) {
            arena_give(a, t);
            continue;
        }
        *t = arena_take(a, 1, 1 + (int)(random >> 40) % 3, 4, 4, 1 + (int)(random >> 33) % 40);
        if (places != NULL) places[i] = t->data;
        for (int j = 0; !a->planning && j < 8; j++) {
            const struct tensor *other = &live[j];
            if (other == t || other->slot == 0) continue;
            assert_true(t->data + tensor_count(t) <= other->data ||
                        other->data + tensor_count(other) <= t->data);
        }
    }
    for (int i = 0; i < 8; i++)
        arena_give(a, &live[i]);
}

static void a_run_lies_where_it_was_planned(void **state)
{
    (void)state;
    enum { ROUNDS = 400 };
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct arena a;
        struct arena_plan plan = {0};
        float *first[ROUNDS] = {0}, *second[ROUNDS] = {0};
        arena_begin(&a, &plan);
        play(&a, seed, NULL, ROUNDS);
        arena_end(&a);
        assert_true(plan.peak_bytes >= plan.live_bytes && plan.live_bytes > 0);
        assert_true(plan.peak_bytes < plan.live_bytes + plan.live_bytes / 4);
        void *base = aligned_alloc(ARENA_ALIGN_BYTES, plan.peak_bytes);
        assert_non_null(base);
        arena_run(&a, &plan, base);
        play(&a, seed, first, ROUNDS);
        arena_run(&a, &plan, base);
        play(&a, seed, second, ROUNDS);
        assert_memory_equal(first, second, sizeof first);
        free(base);
        arena_plan_finish(&plan);
    }
}

static void memory_is_used_again(void **state)
{
    (void)state;
    struct arena a;
    struct arena_plan plan = {0};
    arena_begin(&a, &plan);
    for (int i = 0; i < 100; i++) {
        struct tensor x = arena_take(&a, 1, 1, 8, 8, 16), y = arena_take(&a, 1, 1, 8, 8, 16);
        arena_give(&a, &x);
        arena_give(&a, &y);
        assert_int_equal(y.slot, 0);
    }
    arena_end(&a);
    assert_int_equal(plan.peak_bytes, 2 * 8 * 8 * 16 * sizeof(float));
    assert_int_equal(plan.live_bytes, plan.peak_bytes);
    arena_plan_finish(&plan);
}

/* A small tensor that lives on between two large ones leaves no hole. */
static void places_are_chosen_with_hindsight(void **state)
{
    (void)state;
    struct arena a;
    struct arena_plan plan = {0};
    arena_begin(&a, &plan);
    struct tensor large = arena_take(&a, 1, 1, 8, 8, 16), small = arena_take(&a, 1, 1, 8, 8, 1);
    arena_give(&a, &large);
    struct tensor larger = arena_take(&a, 1, 1, 8, 8, 32);
    arena_give(&a, &small);
    arena_give(&a, &larger);
    arena_end(&a);
    assert_int_equal(plan.peak_bytes, 33 * 8 * 8 * sizeof(float));
    arena_plan_finish(&plan);
}

static void a_size_that_cannot_be_is_noticed(void **state)
{
    (void)state;
    struct arena a;
    struct arena_plan plan = {0};
    arena_begin(&a, &plan);
    arena_take(&a, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1);
    arena_end(&a);
    assert_true(plan.overflow);
    arena_plan_finish(&plan);
}

/* Every half and bfloat comes back; between two neighbours the nearer, the even one in the middle.
 */
static void floats_are_narrowed(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        const float half = tensor_half_to_float((uint16_t)bits);
        const float bfloat = tensor_bfloat_to_float((uint16_t)bits);
        if (!isnan(half)) assert_int_equal(tensor_float_to_half(half), bits);
        if (!isnan(bfloat)) assert_int_equal(tensor_float_to_bfloat(bfloat), bits);
        if (isnan(half)) assert_true(isnan(tensor_half_to_float(tensor_float_to_half(half))));
        if ((bits & 0x7fff) >= 0x7bff) continue;
        const float next = tensor_half_to_float((uint16_t)(bits + 1)), middle = (half + next) / 2;
        assert_int_equal(tensor_float_to_half(middle), bits + (bits & 1));
        assert_int_equal(tensor_float_to_half(nextafterf(middle, half)), bits);
        assert_int_equal(tensor_float_to_half(nextafterf(middle, next)), bits + 1);
    }
    assert_int_equal(tensor_float_to_half(65519.0F), 0x7bff);
    assert_int_equal(tensor_float_to_half(65520.0F), 0x7c00);
    assert_int_equal(tensor_float_to_half(-1e30F), 0xfc00);
    assert_int_equal(tensor_float_to_bfloat(1.00390625F), 0x3f80); /* a tie */
    assert_int_equal(tensor_float_to_bfloat(1.01171875F), 0x3f82); /* a tie */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_widen_exactly),
        cmocka_unit_test(floats_are_narrowed),
        cmocka_unit_test(slices_share_memory),
        cmocka_unit_test(a_run_lies_where_it_was_planned),
        cmocka_unit_test(places_are_chosen_with_hindsight),
        cmocka_unit_test(memory_is_used_again),
        cmocka_unit_test(a_size_that_cannot_be_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* torch-cpu noise against numbers of torch.randn. */
#include "fixture.h"

#include "engine/noise/noise.h"

#define LIMIT 1e-5

static float *draw(uint64_t seed, size_t count)
{
    const struct noise *noise = noise_find("torch-cpu");
    struct noise_state *state = noise->begin(seed);
    float *out = calloc(count, sizeof *out);
    assert_non_null(out);
    noise->normal(state, out, count);
    noise->end(state);
    return out;
}

static void expect_numbers(const float *got, const double *want, int count)
{
    for (int i = 0; i < count; i++)
        if (fabs(got[i] - want[i]) > LIMIT)
            fail_msg("number %d is %.7f, not %.7f", i, (double)got[i], want[i]);
}

static void expect_sums(const float *got, size_t count, double sum, double squares)
{
    double s = 0, q = 0;
    for (size_t i = 0; i < count; i++)
        s += got[i], q += (double)got[i] * got[i];
    assert_true(fabs(s - sum) < 1e-2);
    if (squares > 0) assert_true(fabs(q - squares) < 1e-1);
}

static void latents_of_a_clip(void **state)
{
    (void)state;
    const double first[] = {1.9269153, 1.4872841, 0.9007172, -2.1055210, 0.6784185, -1.2345449};
    const double last[] = {-0.7429367, 0.7201979, -0.4233456, 1.6214948};
    float *got = draw(42, 65536);
    expect_numbers(got, first, 6);
    expect_numbers(got + 65532, last, 4);
    expect_sums(got, 65536, -3.0992287, 66323.86779);
    free(got);
}

static void latents_of_a_larger_clip(void **state)
{
    (void)state;
    const double last[] = {-1.7751540, 0.2228296, -0.3866781, -0.7158924};
    float *got = draw(42, 276480);
    expect_numbers(got + 276476, last, 4);
    expect_sums(got, 276480, -222.5765839, 277858.3512);
    free(got);
}

static void another_seed(void **state)
{
    (void)state;
    const double first[] = {-1.1258398, -1.1523602, -0.2505786, -0.4338788,
                            0.8487104,  0.6920092,  -0.3160128, -2.1152194};
    float *got = draw(0, 65536);
    expect_numbers(got, first, 8);
    expect_sums(got, 65536, -243.9119852, 0);
    free(got);
}

static void a_count_that_is_no_multiple_of_16(void **state)
{
    (void)state;
    const double first[] = {-0.8201345}, last[] = {-0.3567225};
    float *got = draw(7, 20);
    expect_numbers(got, first, 1);
    expect_numbers(got + 19, last, 1);
    free(got);
}

static void fewer_than_16(void **state)
{
    (void)state;
    const double want[] = {-0.1467951, 0.7861413, 0.9468216, -1.1143440, 1.6907902};
    float *got = draw(7, 5);
    expect_numbers(got, want, 5);
    free(got);
}

/* The generator takes the low 32 bits of a seed. */
static void high_bits_of_a_seed(void **state)
{
    (void)state;
    float *low = draw(5, 64), *high = draw((UINT64_C(1) << 40) + 5, 64);
    assert_memory_equal(low, high, 64 * sizeof *low);
    free(low);
    free(high);
}

static void the_stream_goes_on(void **state)
{
    (void)state;
    const struct noise *noise = noise_find("torch-cpu");
    struct noise_state *stream = noise->begin(9);
    float *whole = draw(9, 64), parts[64];
    noise->normal(stream, parts, 32);
    noise->normal(stream, parts + 32, 32);
    assert_memory_equal(whole, parts, sizeof parts);
    noise->end(stream);
    free(whole);
    assert_null(noise_find("dice"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latents_of_a_clip),  cmocka_unit_test(latents_of_a_larger_clip),
        cmocka_unit_test(another_seed),       cmocka_unit_test(a_count_that_is_no_multiple_of_16),
        cmocka_unit_test(fewer_than_16),      cmocka_unit_test(high_bits_of_a_seed),
        cmocka_unit_test(the_stream_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

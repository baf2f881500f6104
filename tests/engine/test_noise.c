/* torch-cpu noise against numbers of torch.randn. */
#include "fixture.h"

#include "engine/noise/noise.h"

#define LIMIT 1e-5

static float *draw_kind(const char *kind, uint64_t seed, size_t count)
{
    const struct noise *noise = noise_find(kind);
    struct noise_state *state = noise->begin(&(struct noise_setup){.seed = seed});
    float *out = calloc(count, sizeof *out);
    assert_non_null(out);
    noise->normal(state, out, count);
    noise->end(state);
    return out;
}

static float *draw(uint64_t seed, size_t count)
{
    return draw_kind("torch-cpu", seed, count);
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
    struct noise_state *stream = noise->begin(&(struct noise_setup){.seed = 9});
    float *whole = draw(9, 64), parts[64];
    noise->normal(stream, parts, 32);
    noise->normal(stream, parts + 32, 32);
    assert_memory_equal(whole, parts, sizeof parts);
    noise->end(stream);
    free(whole);
    assert_null(noise_find("dice"));
}

/* ---- other kinds: golden_noise.py ---- */

/* torch before its half precision drew in single: numbers of that time, and their bound. */
static void half_precision_is_a_stream_of_its_own(void **state)
{
    (void)state;
    const double half[] = {0.3867, 1.4717, 0.1469, -1.1191},
                 bfloat[] = {-0.8086, -1.5313, 0.4063, 0.1719};
    float *f16 = draw_kind("torch-cpu-f16", 42, 65536),
          *bf16 = draw_kind("torch-cpu-bf16", 42, 65536);
    float most_f16 = 0, most_bf16 = 0;
    for (int i = 0; i < 4; i++) {
        assert_true(fabs(f16[i] - half[i]) <= 0.002);
        assert_true(fabs(bf16[i] - bfloat[i]) <= 0.0002);
    }
    for (int i = 0; i < 65536; i++) {
        most_f16 = fmaxf(most_f16, fabsf(f16[i]));
        most_bf16 = fmaxf(most_bf16, fabsf(bf16[i]));
    }
    assert_true(most_f16 < 3.91f && most_bf16 < 3.34f);
    free(f16), free(bf16);
}

/* Several calls on one generator, as the golden file's were made. */
static void expect_calls(const char *key, const char *kind, const struct noise_setup *setup,
                         const int *counts, double limit)
{
    struct error err = {0};
    struct safetensors *golden = safetensors_open(TEST_DATA "/noise.safetensors", &err);
    expect_ok(golden != NULL, &err);
    const struct safetensors_entry *e = safetensors_find(golden, key);
    const struct noise *noise = noise_find(kind);
    struct noise_state *stream = noise->begin(setup);
    float *want = golden_floats(golden, key, e->count),
          *got = calloc((size_t)e->count, sizeof *got);
    int64_t at = 0;
    for (int i = 0; counts[i] > 0; at += counts[i++])
        noise->normal(stream, got + at, (size_t)counts[i]);
    assert_int_equal(at, e->count);
    for (int64_t i = 0; i < e->count; i++)
        if (!(fabs(got[i] - want[i]) <= limit * fmax(1, fabs(want[i]))))
            fail_msg("%s, number %d: %.7g, not %.7g", key, (int)i, (double)got[i], (double)want[i]);
    noise->end(stream);
    free(want), free(got);
    safetensors_close(golden);
}

/* Today's torch rounds the single stream: the same seed is the same clip within that. */
static void half_precision_of_today_is_rounded(void **state)
{
    (void)state;
    static const int counts[] = {64, 32, 5, 3, 0};
    const struct noise_setup setup = {.seed = 42};
    expect_calls("f16", "torch-cpu", &setup, counts, 0.002 / 2);
    expect_calls("bf16", "torch-cpu", &setup, counts, 0.004);
}

static void gpu_seeds_agree(void **state)
{
    (void)state;
    static const int small[] = {700, 5, 0}, one[] = {32, 0}, large[] = {5000, 300, 0};
    const struct noise_setup setup = {.seed = 42}, high = {.seed = (UINT64_C(1) << 40) + 7},
                             card = {.seed = 42, .cuda_threads = 512};
    expect_calls("philox", "philox", &setup, small, 2e-5);
    expect_calls("philox.large", "philox", &high, one, 2e-5);
    expect_calls("cuda", "cuda", &card, large, 2e-5);
}

enum { FRAME = 1000 };

static void draw_frame(uint64_t seed, struct noise_place place, float *out, size_t count)
{
    const struct noise *noise = noise_find("indexed");
    struct noise_state *s = noise->begin(&(struct noise_setup){.seed = seed});
    noise->frame(s, &place, out, count);
    noise->end(s);
}

/* Nothing but seed, purpose, step, frame and place counts; each of them does. */
static void indexed_noise_depends_on_its_place(void **state)
{
    (void)state;
    float base[FRAME], other[FRAME];
    draw_frame(3, (struct noise_place){NOISE_STEP, 5, 7, 0}, base, FRAME);
    draw_frame(3, (struct noise_place){NOISE_STEP, 5, 7, 0}, other, FRAME - 3);
    assert_memory_equal(base, other, (FRAME - 3) * sizeof *base);
    const struct {
        uint64_t seed;
        struct noise_place place;
    } others[] = {{4, {NOISE_STEP, 5, 7, 0}},  {(UINT64_C(1) << 40) + 3, {NOISE_STEP, 5, 7, 0}},
                  {3, {NOISE_START, 5, 7, 0}}, {3, {NOISE_STEP, 6, 7, 0}},
                  {3, {NOISE_STEP, 5, 8, 0}},  {3, {NOISE_STEP, 5, 7, 1}}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        double product = 0;
        draw_frame(others[i].seed, others[i].place, other, FRAME);
        for (int k = 0; k < FRAME; k++)
            product += (double)base[k] * other[k];
        assert_true(fabs(product) / FRAME < 5 / sqrt(FRAME));
    }
}

static void indexed_noise_is_normal(void **state)
{
    (void)state;
    enum { COUNT = 200000 };
    float *x = malloc(COUNT * sizeof *x);
    double sum = 0, squares = 0, fourth = 0, neighbours = 0;
    draw_frame(11, (struct noise_place){NOISE_START, 0, 0, 0}, x, COUNT);
    for (int i = 0; i < COUNT; i++) {
        const double v = x[i], q = v * v;
        sum += v, squares += q, fourth += q * q;
        neighbours += i > 0 ? v * x[i - 1] : 0;
    }
    assert_true(fabs(sum / COUNT) < 5 / sqrt(COUNT));
    assert_true(fabs(squares / COUNT - 1) < 5 * sqrt(2.0 / COUNT));
    assert_true(fabs(fourth / COUNT - 3) < 5 * sqrt(96.0 / COUNT));
    assert_true(fabs(neighbours / COUNT) < 5 / sqrt(COUNT));
    free(x);
}

/* Three clips on one generator: each index takes the part that diffusers gives it, in the start and
 * in a step with fresh noise (what the network sees before steps 1 and 2, guidance off). */
static void a_batch_shares_a_generator(void **state)
{
    (void)state;
    enum { COUNT = 4 * 2 * 2 * 3 };
    struct error err = {0};
    const struct engine_options options = {.backend = "cpu", .threads = 1};
    struct safetensors *golden = safetensors_open(TEST_DATA "/noise.safetensors", &err);
    struct engine_model *model = engine_open(TINY, &options, &err);
    expect_ok(golden != NULL && model != NULL, &err);
    float *want = golden_floats(golden, "batch", 2 * 3 * COUNT), got[COUNT];
    for (int i = 0; i < 3; i++) {
        char extra[256];
        snprintf(extra, sizeof extra,
                 "{\"prompt\": \"a fox\", \"seed\": 9, \"width\": 24, \"height\": 16,"
                 " \"num_frames\": 2, \"num_inference_steps\": 2, \"guidance_scale\": 1,"
                 " \"eta\": 1, \"batch_size\": 3, \"batch_index\": %d}",
                 i);
        json_t *recipe = fixture_recipe("tiny", extra);
        const struct engine_request request = {.recipe = recipe};
        struct engine_job *job = engine_job_new(model, &request, 1, &err);
        expect_ok(job != NULL, &err);
        engine_job_latents_get(job, 0, got);
        expect_close("start", got, want + i * COUNT, COUNT, 1e-5);
        expect_ok(engine_job_step(job, &err), &err);
        engine_job_latents_get(job, 0, got);
        expect_close("step", got, want + (3 + i) * COUNT, COUNT, 1e-3);
        engine_job_free(job);
        json_decref(recipe);
    }
    free(want);
    engine_close(model);
    safetensors_close(golden);
}

static void impossible_noise_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *extra, *named;
    } cases[] = {
        {"{\"noise\": \"cuda\"}", "cuda_threads: noise of the kind cuda depends on the card"},
        {"{\"cuda_threads\": 512}", "cuda_threads: only for noise of the kind cuda"},
        {"{\"batch_index\": 1}", "there is no clip 1 in a batch of 1"},
        {"{\"noise\": \"indexed\", \"batch_size\": 2}", "has no generator to share"},
    };
    struct error err = {0};
    json_t *facts = engine_describe(TINY, &err);
    expect_ok(facts != NULL, &err);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *recipe = fixture_recipe("tiny", cases[i].extra);
        assert_false(engine_check_recipe(facts, recipe, &err));
        assert_int_equal(err.code, ERROR_USAGE);
        if (strstr(err.message, cases[i].named) == NULL) fail_msg("%s", err.message);
        json_decref(recipe);
    }
    json_decref(facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latents_of_a_clip),
        cmocka_unit_test(latents_of_a_larger_clip),
        cmocka_unit_test(another_seed),
        cmocka_unit_test(a_count_that_is_no_multiple_of_16),
        cmocka_unit_test(fewer_than_16),
        cmocka_unit_test(high_bits_of_a_seed),
        cmocka_unit_test(the_stream_goes_on),
        cmocka_unit_test(half_precision_is_a_stream_of_its_own),
        cmocka_unit_test(half_precision_of_today_is_rounded),
        cmocka_unit_test(gpu_seeds_agree),
        cmocka_unit_test(indexed_noise_depends_on_its_place),
        cmocka_unit_test(indexed_noise_is_normal),
        cmocka_unit_test(a_batch_shares_a_generator),
        cmocka_unit_test(impossible_noise_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

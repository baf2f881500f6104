/* The decoder in bands draws what it draws as a whole, whatever the bands, in less memory. */
#include "fixture.h"

#include "engine/model/vae.h"

#define FULL_SIZE TEST_DATA "/full_size" /* ModelScope 1.7B's configuration, without weights */
#define LATENTS 4
#define LIMIT 1e-5

struct size {
    int height, width;
};

struct decoder {
    struct ops *ops;
    struct model_parts *parts;
    struct vae *vae;
};

static struct decoder open_decoder(const char *backend, int threads)
{
    struct error err = {0};
    struct decoder d = {ops_new(backend, threads, &err), NULL, NULL};
    expect_ok(d.ops != NULL, &err);
    d.parts = model_parts_open(TINY, NULL, &err);
    expect_ok(d.parts != NULL, &err);
    d.vae = vae_open(d.parts, d.ops, &err);
    expect_ok(d.vae != NULL, &err);
    return d;
}

static void close_decoder(struct decoder *d)
{
    vae_close(d->vae);
    model_parts_close(d->parts);
    ops_free(d->ops);
}

static int64_t pixel_count(struct size s)
{
    const int64_t factor = 8;
    return factor * s.height * factor * s.width * 3;
}

/* Statistics differ from row to row, so that those of a band are not those of the frame. */
static float *latents_of(struct size s)
{
    float *z = calloc((size_t)(s.height * s.width * LATENTS), sizeof *z);
    assert_non_null(z);
    for (int i = 0; i < s.height * s.width * LATENTS; i++) {
        const int row = i / (s.width * LATENTS);
        z[i] = sinf((float)i * 1.3f) * (1 + (float)row * 0.4f) + (float)(row % 5) * 0.7f;
    }
    return z;
}

/* Decoded in bands of `rows`; twice, so that nothing of the first time is left. */
static float *decode(struct decoder *d, struct size s, int rows)
{
    struct error err = {0};
    float *z = latents_of(s), *pixels = calloc((size_t)pixel_count(s), sizeof *pixels);
    assert_non_null(pixels);
    vae_set_bands(d->vae, rows);
    expect_ok(vae_plan_decode(d->vae, s.height, s.width, &err), &err);
    for (int i = 0; i < 2; i++)
        expect_ok(vae_decode(d->vae, s.height, s.width, z, pixels, &err), &err);
    free(z);
    return pixels;
}

static void check_bands(const char *backend, struct size s, const int *rows, int count)
{
    struct decoder one = open_decoder(backend, 1), two = open_decoder(backend, 2);
    float *whole = decode(&one, s, 0);
    for (int i = 0; i < count; i++) {
        float *bands = decode(&one, s, rows[i]), *same = decode(&two, s, rows[i]);
        const double distance = relative_l2(bands, whole, pixel_count(s));
        if (!(distance <= LIMIT))
            fail_msg("%s, bands of %d rows: relative L2 %.3g", backend, rows[i], distance);
        assert_memory_equal(bands, same, (size_t)pixel_count(s) * sizeof *bands);
        free(bands);
        free(same);
    }
    free(whole);
    close_decoder(&one);
    close_decoder(&two);
}

/* The last level is 40 or 88 rows high, its margin 6 rows: bands that divide it and do not, that
 * are lower than the margin, that are higher than the frame. */
static void ref_in_bands_is_ref(void **state)
{
    static const int rows[] = {3, 16, 27};
    (void)state;
    check_bands("ref", (struct size){5, 4}, rows, 3);
}

static void cpu_in_bands_is_cpu(void **state)
{
    static const int rows[] = {1, 2, 7, 8, 13, 44, 87, 88, 1000};
    (void)state;
    check_bands("cpu", (struct size){11, 5}, rows, 9);
}

static void bands_take_less_memory(void **state)
{
    (void)state;
    const struct size tall = {64, 8};
    size_t bytes[2];
    double flops[2];
    for (int i = 0; i < 2; i++) {
        struct decoder d = open_decoder("cpu", 1);
        struct error err = {0};
        vae_set_bands(d.vae, i == 0 ? 0 : 32);
        expect_ok(vae_plan_decode(d.vae, tall.height, tall.width, &err), &err);
        bytes[i] = d.ops->planned_bytes;
        flops[i] = ops_flops(d.ops);
        close_decoder(&d);
    }
    assert_true(5 * bytes[1] < 2 * bytes[0]);
    assert_true(flops[1] > 2 * flops[0] &&
                flops[1] < 8 * flops[0]); /* the plan counts the passes */
}

/* Bytes of tensors that a published VAE's decoder takes for a square frame. */
static double planned_bytes(int pixels, int rows)
{
    struct error err = {0};
    struct ops *ops = ops_new("cpu", 1, &err);
    expect_ok(ops != NULL, &err);
    ops->sketch = true;
    struct model_parts *parts = model_parts_open(FULL_SIZE, NULL, &err);
    expect_ok(parts != NULL, &err);
    struct vae *v = vae_open(parts, ops, &err);
    expect_ok(v != NULL, &err);
    vae_set_bands(v, rows);
    expect_ok(vae_plan_decode(v, pixels / 8, pixels / 8, &err), &err);
    const double bytes = (double)ops->planned_bytes;
    vae_close(v);
    model_parts_close(parts);
    ops_free(ops);
    return bytes;
}

static void large_frames_go_in_bands(void **state)
{
    (void)state;
    const double small = planned_bytes(1024, 0), large = planned_bytes(2048, 0);
    assert_true(small >= 4.0 * 512 * 1024 * 1024); /* whole: 256 + 128 + 128 channels */
    assert_true(large < 1.5 * small);
    assert_true(planned_bytes(1024, 64) < 0.4 * small);
}

/* ---- cancelling ---- */

struct listener {
    atomic_bool cancel;
    double last;
    int ticks, most;
};

static void listen(void *arg, double fraction)
{
    struct listener *l = arg;
    assert_true(fraction >= l->last && fraction <= 1);
    l->last = fraction;
    if (++l->ticks == l->most) atomic_store(&l->cancel, true);
}

static void bands_tell_and_are_canceled(void **state)
{
    (void)state;
    const struct size s = {5, 4};
    struct error err = {0};
    struct decoder d = open_decoder("cpu", 1);
    float *want = decode(&d, s, 8), *z = latents_of(s);
    float *pixels = calloc((size_t)pixel_count(s), sizeof *pixels);
    assert_non_null(pixels);
    struct listener l = {.most = 40};
    d.ops->tick = listen;
    d.ops->tick_arg = &l;
    d.ops->cancel = &l.cancel;
    assert_false(vae_decode(d.vae, s.height, s.width, z, pixels, &err));
    assert_int_equal(err.code, ERROR_INTERRUPTED);
    assert_int_equal(l.ticks, l.most);
    l = (struct listener){.most = -1};
    error_clear(&err);
    expect_ok(vae_decode(d.vae, s.height, s.width, z, pixels, &err), &err);
    assert_true(l.ticks > 40);
    assert_memory_equal(pixels, want, (size_t)pixel_count(s) * sizeof *pixels);
    free(want), free(z), free(pixels);
    close_decoder(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ref_in_bands_is_ref),         cmocka_unit_test(cpu_in_bands_is_cpu),
        cmocka_unit_test(bands_take_less_memory),      cmocka_unit_test(large_frames_go_in_bands),
        cmocka_unit_test(bands_tell_and_are_canceled),
    };
    return cmocka_run_group_tests_name("vae tiles", tests, NULL, NULL);
}

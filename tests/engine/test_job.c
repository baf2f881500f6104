/* Jobs of a network: what is refused, what is named when numbers go wrong, latents in and out,
 * fingerprints, threads. */
#include "tiny_copy.h"

#include <float.h>

enum { LATENT_COUNT = 4 * 4 * 8 * 8 };

static struct engine_model *open_model(const char *folder, const char *backend, int threads)
{
    struct error err = {0};
    const struct engine_options options = {.backend = backend, .threads = threads};
    struct engine_model *model = engine_open(folder, &options, &err);
    expect_ok(model != NULL, &err);
    return model;
}

static struct engine_job *try_job(struct engine_model *model, const char *extra, struct error *err)
{
    json_t *recipe = fixture_recipe("tiny", extra);
    const struct engine_request recipes[] = {{.recipe = recipe}};
    struct engine_job *job = engine_job_new(model, recipes, 1, err);
    json_decref(recipe);
    return job;
}

static void impossible_recipes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *extra, *named;
    } cases[] = {
        {"{\"width\": 60}", "width"},
        {"{\"num_inference_steps\": 1000}", "num_inference_steps"},
        {"{\"scheduler\": \"dpm++\", \"eta\": 0.5}", "eta"},
        {"{\"pattern\": {\"step_ms\": 1}}", "pattern"},
    };
    struct engine_model *model = open_model(TINY, "ref", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err = {0};
        json_t *recipe = fixture_recipe("tiny", "{}"), *more = json_loads(cases[i].extra, 0, NULL);
        json_object_update(recipe, more);
        json_decref(more);
        const struct engine_request recipes[] = {{.recipe = recipe}};
        assert_null(engine_job_new(model, recipes, 1, &err));
        assert_int_equal(err.code, ERROR_USAGE);
        if (strstr(err.message, cases[i].named) == NULL)
            fail_msg("%s: %s", cases[i].extra, err.message);
        json_decref(recipe);
    }
    engine_close(model);
}

static void facts_check_recipes_too(void **state)
{
    (void)state;
    struct error err = {0};
    json_t *facts = engine_describe(TINY, &err), *recipe = fixture_recipe("tiny", "{}");
    expect_ok(facts != NULL, &err);
    expect_ok(engine_check_recipe(facts, recipe, &err), &err);
    json_object_set_new(recipe, "height", json_integer(12));
    assert_false(engine_check_recipe(facts, recipe, &err));
    assert_non_null(strstr(err.message, "height"));
    json_decref(recipe);
    json_decref(facts);
}

static void requests_of_a_job_must_agree(void **state)
{
    (void)state;
    static const struct {
        const char *extra, *named;
    } cases[] = {{"{\"width\": 32}", "width"},
                 {"{\"num_frames\": 2}", "num_frames"},
                 {"{\"num_inference_steps\": 3}", "num_inference_steps"},
                 {"{\"scheduler\": \"dpm++\"}", "scheduler"},
                 {"{\"guidance_scale\": 1}", "guidance_scale"}};
    struct engine_model *model = open_model(TINY, "ref", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err = {0};
        json_t *a = fixture_recipe("tiny", "{}"), *b = fixture_recipe("tiny", cases[i].extra);
        const struct engine_request recipes[] = {{.recipe = a}, {.recipe = b}};
        assert_null(engine_job_new(model, recipes, 2, &err));
        assert_int_equal(err.code, ERROR_USAGE);
        assert_non_null(strstr(err.message, cases[i].named));
        json_decref(a);
        json_decref(b);
    }
    struct error err = {0};
    assert_null(engine_job_new(model, NULL, 0, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    engine_close(model);
}

/* Makes the first number of a tensor so large that what is computed with it is infinite. */
static void poison(const char *folder, const char *file, const char *name)
{
    struct error err = {0};
    char *path = scratch_path(folder, file);
    struct buf data = BUF_INIT;
    struct safetensors *s = safetensors_open(path, &err);
    expect_ok(s != NULL && path_read(path, (size_t)64 << 20, &data, &err), &err);
    const struct safetensors_entry *e = safetensors_find(s, name),
                                   *last = safetensors_at(s, safetensors_count(s) - 1);
    assert_non_null(e);
    const char *end = (const char *)last->data + last->size_bytes;
    const float huge = FLT_MAX;
    memcpy(data.data + data.size - (size_t)(end - (const char *)e->data), &huge, sizeof huge);
    safetensors_close(s);
    expect_ok(path_write_atomic(path, data.data, data.size, 0600, &err), &err);
    buf_finish(&data);
    free(path);
}

static void a_latent_that_is_not_finite_names_its_step(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder();
    scratch_copy_tiny(folder);
    poison(folder, "unet/diffusion_pytorch_model.safetensors", "conv_out.bias");
    struct engine_model *model = open_model(folder, NULL, 1);
    struct engine_job *job = try_job(model, "{\"num_frames\": 1}", &err);
    expect_ok(job != NULL, &err);
    assert_false(engine_job_step(job, &err));
    assert_int_equal(err.code, ERROR_FAILED);
    assert_non_null(strstr(err.message, "step 1 of 4"));
    engine_job_free(job);
    engine_close(model);
    scratch_remove(folder);
}

static void a_frame_that_is_not_finite_is_named(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder();
    scratch_copy_tiny(folder);
    poison(folder, "vae/diffusion_pytorch_model.safetensors", "decoder.conv_norm_out.weight");
    struct engine_model *model = open_model(folder, NULL, 1);
    struct engine_job *job = try_job(model, "{}", &err);
    expect_ok(job != NULL, &err);
    uint8_t *rgb = malloc(3 * 64 * 64);
    assert_false(engine_job_decode(job, 0, 2, 1, rgb, &err));
    assert_int_equal(err.code, ERROR_FAILED);
    assert_non_null(strstr(err.message, "frame 2 after step 0 of 4"));
    free(rgb);
    engine_job_free(job);
    engine_close(model);
    scratch_remove(folder);
}

/* A job that starts from another's latents goes where that one would have gone. */
static void latents_can_be_carried_over(void **state)
{
    (void)state;
    struct error err = {0};
    float a[LATENT_COUNT], b[LATENT_COUNT];
    struct engine_model *model = open_model(TINY, NULL, 1);
    struct engine_job *first = try_job(model, "{}", &err),
                      *second = try_job(model, "{\"seed\": 8}", &err);
    expect_ok(first != NULL && second != NULL, &err);
    engine_job_latents_get(first, 0, a);
    engine_job_latents_get(second, 0, b);
    assert_memory_not_equal(a, b, sizeof a);
    expect_ok(engine_job_latents_set(second, 0, a, &err), &err);
    expect_ok(engine_job_step(first, &err) && engine_job_step(second, &err), &err);
    engine_job_latents_get(first, 0, a);
    engine_job_latents_get(second, 0, b);
    assert_memory_equal(a, b, sizeof a);
    a[3] = INFINITY;
    assert_false(engine_job_latents_set(second, 0, a, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    engine_job_free(first);
    engine_job_free(second);
    engine_close(model);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    struct error err = {0};
    float latents[3][LATENT_COUNT];
    float *frames[3];
    for (int i = 0; i < 3; i++) {
        struct engine_model *model = open_model(TINY, NULL, 1 << i);
        struct engine_job *job = try_job(model, "{\"num_inference_steps\": 1}", &err);
        expect_ok(job != NULL && engine_job_step(job, &err), &err);
        engine_job_latents_get(job, 0, latents[i]);
        frames[i] = malloc(3 * 64 * 64 * sizeof(float));
        expect_ok(engine_job_decode_float(job, 0, 1, 1, frames[i], &err), &err);
        engine_job_free(job);
        engine_close(model);
    }
    for (int i = 1; i < 3; i++) {
        assert_memory_equal(latents[0], latents[i], sizeof latents[0]);
        assert_memory_equal(frames[0], frames[i], 3 * 64 * 64 * sizeof(float));
    }
    for (int i = 0; i < 3; i++)
        free(frames[i]);
}

static void a_network_can_be_canceled_within_a_step(void **state)
{
    (void)state;
    struct error err = {0};
    struct engine_model *model = open_model(TINY, NULL, 1);
    struct engine_job *job = try_job(model, "{}", &err);
    expect_ok(job != NULL, &err);
    engine_job_cancel(job);
    assert_false(engine_job_step(job, &err));
    assert_int_equal(err.code, ERROR_INTERRUPTED);
    assert_int_equal(engine_job_step_index(job), 0);
    engine_job_free(job);
    engine_close(model);
}

static void fingerprints_name_what_decides_bits(void **state)
{
    (void)state;
    struct error err = {0};
    char one[ENGINE_FINGERPRINT_SIZE], two[ENGINE_FINGERPRINT_SIZE], exact[ENGINE_FINGERPRINT_SIZE];
    const struct engine_options single = {.backend = "ref", .threads = 1},
                                several = {.backend = "ref", .threads = 3},
                                unknown = {.backend = "abacus", .threads = 1};
    expect_ok(engine_fingerprint_of(&single, one, &err), &err);
    expect_ok(engine_fingerprint_of(&several, two, &err), &err);
    assert_string_equal(one, two);
    assert_non_null(strstr(one, "/ref/"));
    assert_null(strchr(one, ' '));
    assert_false(engine_fingerprint_of(&unknown, two, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    struct engine_model *model = open_model(TINY, "ref", 1),
                        *pattern = open_model(TEST_SOURCE "/models/pattern", NULL, 1);
    engine_fingerprint(model, two);
    engine_fingerprint(pattern, exact);
    assert_string_equal(one, two);
    assert_non_null(strstr(exact, "exact"));
    engine_close(model);
    engine_close(pattern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_recipes_are_refused),
        cmocka_unit_test(facts_check_recipes_too),
        cmocka_unit_test(requests_of_a_job_must_agree),
        cmocka_unit_test(a_latent_that_is_not_finite_names_its_step),
        cmocka_unit_test(a_frame_that_is_not_finite_is_named),
        cmocka_unit_test(latents_can_be_carried_over),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(a_network_can_be_canceled_within_a_step),
        cmocka_unit_test(fingerprints_name_what_decides_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

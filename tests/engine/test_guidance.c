/* Guidance: which steps have how much, and what is done with the two predictions. */
#include "fixture.h"

#include "engine/guidance.h"

static struct guidance read_guidance(const char *text)
{
    struct guidance g;
    json_t *recipe = json_loads(text, 0, NULL);
    guidance_read(&g, recipe);
    json_decref(recipe); /* these have no track to borrow */
    return g;
}

static void one_scale_holds_for_all_steps(void **state)
{
    (void)state;
    const struct guidance g = read_guidance("{\"guidance_scale\": 7.5}");
    assert_true(guidance_at(&g, 0, 50) == 7.5 && guidance_at(&g, 49, 50) == 7.5);
    const struct guidance none = read_guidance("{\"guidance_scale\": 0.5}");
    assert_true(guidance_at(&none, 0, 50) == 1);
}

static void an_interval_leaves_the_rest_unguided(void **state)
{
    (void)state;
    const struct guidance g =
        read_guidance("{\"guidance_scale\": 4, \"guidance_interval\": [0.2, 0.8]}");
    static const double want[] = {1, 1, 4, 4, 4, 4, 4, 4, 1, 1};
    for (int i = 0; i < 10; i++)
        assert_true(guidance_at(&g, i, 10) == want[i]);
}

static void a_track_is_straight_between_its_keys(void **state)
{
    (void)state;
    json_t *recipe = json_loads("{\"guidance_scale\": 9, \"guidance_by_step\":"
                                " {\"10\": 2, \"2\": 12, \"6\": 6}}",
                                0, NULL);
    struct guidance g;
    guidance_read(&g, recipe);
    static const double want[] = {12, 12, 12, 10.5, 9, 7.5, 6, 5, 4, 3, 2, 2};
    for (int i = 0; i < 12; i++)
        assert_true(fabs(guidance_at(&g, i, 12) - want[i]) < 1e-12);
    json_decref(recipe);
}

static void rescaling_gives_the_deviation_of_the_prompt(void **state)
{
    (void)state;
    const float positive[] = {1, -1, 2, -2, 0, 0};
    float guided[] = {3, -3, 6, -6, 0, 0};
    guidance_rescale(1, positive, 6, guided);
    for (int i = 0; i < 6; i++)
        assert_true(fabsf(guided[i] - positive[i]) < 1e-6f);
    float half[] = {3, -3, 6, -6, 0, 0};
    guidance_rescale(0.5, positive, 6, half);
    assert_true(fabsf(half[0] - 2) < 1e-6f);
    float flat[] = {0, 0, 0, 0, 0, 0};
    guidance_rescale(1, positive, 6, flat);
    assert_true(flat[0] == 0);
}

/* An engine's run must obey: guided nowhere = the prompt alone, bit for bit. */
static void render(const char *extra, float *latents)
{
    struct error err = {0};
    const struct engine_options options = {.backend = "cpu", .threads = 1};
    struct engine_model *model = engine_open(TINY, &options, &err);
    expect_ok(model != NULL, &err);
    json_t *recipe = fixture_recipe("tiny", extra);
    const struct engine_request request = {.recipe = recipe};
    struct engine_job *job = engine_job_new(model, &request, 1, &err);
    expect_ok(job != NULL, &err);
    while (engine_job_step_index(job) < engine_job_step_count(job))
        expect_ok(engine_job_step(job, &err), &err);
    engine_job_latents_get(job, 0, latents);
    engine_job_free(job);
    json_decref(recipe);
    engine_close(model);
}

enum { LATENTS = 4 * 4 * 8 * 8 };

static double run_distance(const char *a, const char *b)
{
    static float x[LATENTS], y[LATENTS];
    render(a, x);
    render(b, y);
    return relative_l2(x, y, LATENTS);
}

static void steps_obey(void **state)
{
    (void)state;
    assert_true(run_distance("{\"guidance_scale\": 1}",
                             "{\"guidance_scale\": 9, \"guidance_interval\": [0, 0]}") == 0);
    assert_true(run_distance("{\"guidance_scale\": 7}",
                             "{\"guidance_scale\": 3, \"guidance_by_step\": {\"0\": 7}}") == 0);
    assert_true(run_distance("{\"guidance_scale\": 7}",
                             "{\"guidance_scale\": 7, \"guidance_interval\": [0, 0.5]}") > 1e-3);
    assert_true(run_distance("{\"guidance_scale\": 7}",
                             "{\"guidance_scale\": 7, \"guidance_rescale\": 0.7}") > 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_scale_holds_for_all_steps),
        cmocka_unit_test(an_interval_leaves_the_rest_unguided),
        cmocka_unit_test(a_track_is_straight_between_its_keys),
        cmocka_unit_test(rescaling_gives_the_deviation_of_the_prompt),
        cmocka_unit_test(steps_obey),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

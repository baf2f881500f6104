/* Betas, timesteps and samplers against numbers of diffusers' schedulers. */
#include "fixture.h"

#include <unistd.h>

#include "engine/noise/noise.h"
#include "engine/sampler/sampler.h"
#include "engine/schedule/noise_schedule.h"

static struct noise_schedule tiny_schedule(void)
{
    struct error err = {0};
    struct noise_schedule s;
    expect_ok(noise_schedule_read(TINY "/scheduler/scheduler_config.json", &s, &err), &err);
    return s;
}

static void alphas_agree(void **state)
{
    (void)state;
    static const struct {
        int at;
        double value;
    } want[] = {{0, .999149978},     {1, .998296022},    {2, .997438073},   {10, .990431309},
                {20, .981314301},    {100, .894223154},  {200, .753691733}, {250, .673792303},
                {400, .424482793},   {500, .276332498},  {599, .161752418}, {749, .0566234551},
                {799, .0371949747},  {801, .0365464985}, {899, .01429867},  {961, .00728172297},
                {981, .00577549683}, {999, .00466009602}};
    struct noise_schedule s = tiny_schedule();
    assert_int_equal(s.train_steps, 1000);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        assert_true(fabs(s.alphas_cumprod[want[i].at] / want[i].value - 1) < 1e-6);
    assert_true(s.final_alpha == s.alphas_cumprod[0]);
    noise_schedule_finish(&s);
}

struct timestep_case {
    const char *spacing;
    bool counts_end;
    int steps;
    double first[6]; /* the first ones, -1 ends */
    double last;
};

static void timesteps_agree(void **state)
{
    (void)state;
    static const struct timestep_case cases[] = {
        {"leading", false, 50, {981, 961, 941, -1}, 1},
        {"leading", false, 30, {958, 925, 892, -1}, 1},
        {"leading", false, 5, {801, 601, 401, 201, 1, -1}, 1},
        {"leading", true, 8, {889, 778, 667, 556, 445, -1}, 112},
        {"linspace", true, 25, {999, 959, 919, 879, 839, -1}, 40},
        {"linspace", true, 20, {999, 949, 899, 849, 799, -1}, 50},
        {"linspace", true, 5, {999, 799, 599, 400, 200, -1}, 200},
        {"trailing", true, 8, {999, 874, 749, 624, 499, -1}, 124},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct timestep_case *c = &cases[i];
        double t[64];
        const struct noise_schedule_spacing_args args = {1000, c->steps, 1, c->counts_end};
        assert_true(noise_schedule_spacing_find(c->spacing)->fill(&args, t));
        for (int j = 0; c->first[j] >= 0; j++)
            assert_true(t[j] == c->first[j]);
        assert_true(t[c->steps - 1] == c->last);
    }
}

/* 999 * 10 / 20 = 499.5 becomes 500. */
static void linspace_rounds_half_to_even(void **state)
{
    (void)state;
    double t[25];
    const struct noise_schedule_spacing_args args = {1000, 20, 0, true};
    assert_true(noise_schedule_spacing_find("linspace")->fill(&args, t));
    assert_true(t[9] == 549 && t[10] == 500 && t[11] == 450);
}

static void too_many_steps_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct noise_schedule s = tiny_schedule();
    struct sampler_path *path = sampler_path_new(sampler_find("ddim"), &s, 999, &err);
    expect_ok(path != NULL, &err);
    sampler_path_free(path);
    assert_null(sampler_path_new(sampler_find("ddim"), &s, 1001, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_null(sampler_path_new(sampler_find("dpm++"), &s, 1500, &err));
    assert_null(sampler_path_new(sampler_find("dpm++"), &s, 0, &err));
    noise_schedule_finish(&s);
}

/* ---- samplers on a toy problem: e = 0.5 x + 0.1 sin(3 x) t / 1000, x = -2 .. 2 in 8 points ----
 */

static void toy_noise(void *arg, float *out)
{
    const struct noise *noise = noise_find("torch-cpu");
    noise->normal(arg, out, 8);
}

struct toy_case {
    const char *sampler;
    int steps;
    double eta, after_one, after_all; /* of the first of the 8 */
};

static void check_toy(const struct toy_case *c)
{
    struct error err = {0};
    struct noise_schedule s = tiny_schedule();
    const struct sampler *sampler = sampler_find(c->sampler);
    float x[8], e[8];
    struct sampler_path *path = sampler_path_new(sampler, &s, c->steps, &err);
    expect_ok(path != NULL, &err);
    const struct sampler_setup setup = {.schedule = &s, .path = path, .count = 8, .eta = c->eta};
    struct sampler_run *sampling = sampler_begin(&setup, &err);
    struct noise_state *noise = noise_find("torch-cpu")->begin(0);
    expect_ok(sampling != NULL, &err);
    for (int i = 0; i < 8; i++)
        x[i] = -2 + 4 * (float)i / 7;
    for (int step = 0; step < c->steps; step++) {
        for (int i = 0; i < 8; i++)
            e[i] = 0.5f * x[i] + 0.1f * sinf(3 * x[i]) * (float)path->timesteps[step] / 1000;
        sampler_step(sampling, step, x, e, toy_noise, noise);
        if (step == 0 && c->after_one != 0) assert_true(fabs(x[0] - c->after_one) < 2e-5);
    }
    if (fabs(x[0] - c->after_all) > 5e-5)
        fail_msg("%s, %d steps: %.7g instead of %.7g", c->sampler, c->steps, (double)x[0],
                 c->after_all);
    noise_find("torch-cpu")->end(noise);
    sampler_end(sampling);
    sampler_path_free(path);
    noise_schedule_finish(&s);
}

static void samplers_agree(void **state)
{
    (void)state;
    static const struct toy_case cases[] = {
        {"ddim", 5, 0, -3.07177, -3.678425},   {"ddim", 50, 0, -2.12583, -5.2622},
        {"ddim", 30, 0, -2.205035, -4.975947}, {"ddim", 5, 1, -1.311999, -1.78218},
        {"dpm++", 5, 0, -3.864275, -5.890981}, {"dpm++", 25, 0, -2.270972, -5.349037},
        {"dpm++", 20, 0, -2.346193, -5.35422},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_toy(&cases[i]);
}

/* ---- the folder's config ---- */

static bool read_text(const char *config, struct error *err)
{
    char path[] = "/tmp/zoe-schedule-XXXXXX";
    const int fd = mkstemp(path);
    struct noise_schedule s;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, config, strlen(config)), strlen(config));
    close(fd);
    const bool ok = noise_schedule_read(path, &s, err);
    unlink(path);
    if (ok) noise_schedule_finish(&s);
    return ok;
}

static void values_that_are_not_built_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *config, *named;
    } cases[] = {
        {"{\"clip_sample\": true}", "clip_sample"},
        {"{}", "clip_sample"}, /* DDIM's own default is to clip */
        {"{\"clip_sample\": false, \"prediction_type\": \"v_prediction\"}", "prediction_type"},
        {"{\"clip_sample\": false, \"beta_schedule\": \"squaredcos_cap_v2\"}", "squaredcos_cap_v2"},
        {"{\"clip_sample\": false, \"timestep_spacing\": \"random\"}", "timestep_spacing"},
        {"{\"clip_sample\": false, \"rescale_betas_zero_snr\": true}", "rescale_betas_zero_snr"},
        {"{\"clip_sample\": false, \"trained_betas\": [0.1]}", "trained_betas"},
        {"{\"clip_sample\": false, \"something_new\": 3}", "something_new"},
        {"{\"clip_sample\": false, \"beta_end\": 2}", "beta_end"},
        {"{\"clip_sample\": false, \"num_train_timesteps\": 0}", "num_train_timesteps"},
        {"{\"clip_sample\": false, \"steps_offset\": -1}", "steps_offset"},
        {"{\"_class_name\": \"LMSDiscreteScheduler\"}", "LMSDiscreteScheduler"},
    };
    struct error err = {0};
    expect_ok(read_text("{\"clip_sample\": false, \"_diffusers_version\": \"9\", "
                        "\"beta_schedule\": \"linear\"}",
                        &err),
              &err);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_false(read_text(cases[i].config, &err));
        assert_int_equal(err.code, ERROR_INVALID);
        assert_non_null(strstr(err.message, cases[i].named));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alphas_agree),
        cmocka_unit_test(timesteps_agree),
        cmocka_unit_test(linspace_rounds_half_to_even),
        cmocka_unit_test(too_many_steps_are_refused),
        cmocka_unit_test(samplers_agree),
        cmocka_unit_test(values_that_are_not_built_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

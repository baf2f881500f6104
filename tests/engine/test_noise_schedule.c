/* Betas, timesteps and samplers against numbers of diffusers' schedulers. */
#include "fixture.h"

#include "engine/noise/noise.h"
#include "engine/sampler/sampler.h"
#include "engine/schedule/noise_schedule.h"

static const struct sampler_wish as_folder = {0};

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
        {"trailing", false, 48, {999, 978, 957, 936, 916, -1}, 20},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct timestep_case *c = &cases[i];
        double t[64];
        const struct noise_schedule_spacing_args args = {
            .train_steps = 1000, .steps = c->steps, .offset = 1, .counts_end = c->counts_end};
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
    const struct noise_schedule_spacing_args args = {
        .train_steps = 1000, .steps = 20, .counts_end = true};
    assert_true(noise_schedule_spacing_find("linspace")->fill(&args, t));
    assert_true(t[9] == 549 && t[10] == 500 && t[11] == 450);
}

static void too_many_steps_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct noise_schedule s = tiny_schedule();
    struct sampler_path *path = sampler_path_new(sampler_find("ddim"), &s, &as_folder, 999, &err);
    expect_ok(path != NULL, &err);
    sampler_path_free(path);
    assert_null(sampler_path_new(sampler_find("ddim"), &s, &as_folder, 1001, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_null(sampler_path_new(sampler_find("dpm++"), &s, &as_folder, 1500, &err));
    assert_null(sampler_path_new(sampler_find("dpm++"), &s, &as_folder, 0, &err));
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
    const char *spacing; /* NULL: the sampler's own */
    bool karras;
    double eta, after_one, after_all; /* of the first of the 8 */
};

static struct sampler_path *toy_path(const struct toy_case *c, const struct noise_schedule *s)
{
    struct error err = {0};
    const struct sampler_wish wish = {
        .spacing = c->spacing != NULL ? noise_schedule_spacing_find(c->spacing) : NULL,
        .karras = c->karras ? SAMPLER_ON : SAMPLER_AS_FOLDER};
    struct sampler_path *path =
        sampler_path_new(sampler_find(c->sampler), s, &wish, c->steps, &err);
    expect_ok(path != NULL, &err);
    return path;
}

/* e = 0.5 x + 0.1 sin(3 x) t / 1000 */
static void toy_predict(const struct sampler_path *path, int step, const float x[8], float e[8])
{
    const float gain = (float)sampler_scale_input(path, step);
    for (int i = 0; i < 8; i++) {
        const float seen = gain * x[i];
        e[i] = 0.5f * seen + 0.1f * sinf(3 * seen) * (float)path->timesteps[step] / 1000;
    }
}

static void check_toy(const struct toy_case *c)
{
    struct error err = {0};
    struct noise_schedule s = tiny_schedule();
    float x[8], e[8];
    struct sampler_path *path = toy_path(c, &s);
    const struct sampler_setup setup = {.schedule = &s, .path = path, .count = 8, .eta = c->eta};
    struct sampler_run *sampling = sampler_begin(&setup, &err);
    struct noise_state *noise = noise_find("torch-cpu")->begin(&(struct noise_setup){.seed = 0});
    expect_ok(sampling != NULL, &err);
    for (int i = 0; i < 8; i++)
        x[i] = (float)path->start_scale * (-2 + 4 * (float)i / 7);
    for (int step = 0; step < c->steps; step++) {
        toy_predict(path, step, x, e);
        sampler_step(sampling, step, x, e, toy_noise, noise);
        if (step == 0 && fabs(x[0] - c->after_one) > 2e-5 * fabs(c->after_one))
            fail_msg("%s: %.7g, not %.7g after one step", c->sampler, (double)x[0], c->after_one);
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
        {"ddim", 5, NULL, false, 0, -3.07177, -3.678425},
        {"ddim", 50, NULL, false, 0, -2.12583, -5.2622},
        {"ddim", 30, NULL, false, 0, -2.205035, -4.975947},
        {"ddim", 5, NULL, false, 1, -1.311999, -1.78218},
        {"dpm++", 5, NULL, false, 0, -3.864275, -5.890981},
        {"dpm++", 25, NULL, false, 0, -2.270972, -5.349037},
        {"dpm++", 20, NULL, false, 0, -2.346193, -5.35422},
        {"dpm++", 8, NULL, true, 0, -2.858824, -4.859617},
        {"dpm++", 8, "leading", false, 0, -2.68503, -3.966659},
        {"dpm++", 8, "trailing", false, 0, -3.011939, -5.516329},
        {"dpm++-sde", 5, NULL, false, 0, -1.825014, -1.210783},
        {"euler", 5, NULL, false, 0, -19.03329, -7.188405},
        {"euler", 5, "leading", false, 0, -7.683837, -3.626043},
        {"euler", 5, NULL, true, 0, -19.7213, -7.718512},
        {"euler-a", 5, NULL, false, 0, -10.13707, -3.449651},
        {"unipc", 5, NULL, false, 0, -3.864275, -5.611062},
        {"unipc", 10, NULL, false, 0, -2.769642, -5.37505},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_toy(&cases[i]);
}

/* Noise levels of Karras et al. and their timesteps, whole and fractional. */
static void karras_sigmas_agree(void **state)
{
    (void)state;
    static const double whole[] = {999, 890, 746, 549, 299, 90, 12, 0},
                        levels[] = {14.61465,  7.902944,  4.027746,  1.910363,
                                    0.8288717, 0.3211217, 0.1071994, 0.02916753},
                        fractional[] = {999, 785.9539794921875, 427.48980712890625,
                                        58.8914909362793, 0};
    struct noise_schedule s = tiny_schedule();
    const struct toy_case a = {.sampler = "dpm++", .steps = 8, .karras = true},
                          b = {.sampler = "euler", .steps = 5, .karras = true};
    struct sampler_path *path = toy_path(&a, &s), *other = toy_path(&b, &s);
    for (int i = 0; i < 8; i++) {
        assert_true(path->timesteps[i] == whole[i]);
        assert_true(fabs(path->sigmas[i] / levels[i] - 1) < 1e-6);
    }
    for (int i = 0; i < 5; i++)
        assert_true(fabs(other->timesteps[i] - fractional[i]) < 2e-3);
    assert_true(path->sigmas[8] == 0 && other->sigmas[5] == 0);
    sampler_path_free(path);
    sampler_path_free(other);
    noise_schedule_finish(&s);
}

/* LCM's own timesteps: of the 50 it was distilled on. */
/* No two training steps to lie between. */
static void one_training_step_is_a_schedule(void **state)
{
    (void)state;
    struct error err = {0};
    struct noise_schedule s;
    json_t *config = json_pack("{s:i, s:b, s:b}", "num_train_timesteps", 1, "clip_sample", 0,
                               "use_karras_sigmas", 1);
    expect_ok(noise_schedule_parse(config, "config", &s, &err), &err);
    struct sampler_path *path = sampler_path_new(sampler_find("euler"), &s, &as_folder, 1, &err);
    expect_ok(path != NULL, &err);
    assert_true(path->timesteps[0] == 0);
    assert_true(path->sigmas[0] > 0 && path->sigmas[0] < 1);
    sampler_path_free(path);
    noise_schedule_finish(&s);
    json_decref(config);
}

static void distilled_steps_agree(void **state)
{
    (void)state;
    static const double four[] = {999, 759, 499, 259},
                        eight[] = {999, 879, 759, 639, 499, 379, 259, 139};
    struct noise_schedule s = tiny_schedule();
    const struct toy_case a = {.sampler = "lcm", .steps = 4}, b = {.sampler = "lcm", .steps = 8};
    struct sampler_path *few = toy_path(&a, &s), *more = toy_path(&b, &s);
    for (int i = 0; i < 4; i++)
        assert_true(few->timesteps[i] == four[i]);
    for (int i = 0; i < 8; i++)
        assert_true(more->timesteps[i] == eight[i]);
    sampler_path_free(few);
    sampler_path_free(more);
    noise_schedule_finish(&s);
}

/* What a start in the middle mixes (diffusers' add_noise of 1 and 1 at the first step that is run).
 */
static void starts_in_the_middle_agree(void **state)
{
    (void)state;
    static const struct {
        const char *sampler;
        double first, mixed;
    } cases[] = {{"dpm++", 599, 1.317743182182312}, {"ddim", 581, 1.3297170400619507}};
    struct noise_schedule s = tiny_schedule();
    for (size_t i = 0; i < 2; i++) {
        const struct toy_case c = {.sampler = cases[i].sampler, .steps = 50};
        struct sampler_path *path = toy_path(&c, &s);
        const struct sampler_setup setup = {.schedule = &s, .path = path, .first = 20, .count = 1};
        double clean, noise;
        assert_true(path->timesteps[20] == cases[i].first);
        sampler_mix(&setup, 20, &clean, &noise);
        assert_true(fabs(clean + noise - cases[i].mixed) < 1e-6);
        sampler_mix(&setup, 50, &clean, &noise);
        assert_true(clean == 1 && noise == 0);
        sampler_path_free(path);
    }
    noise_schedule_finish(&s);
}

static double toy_from_the_middle(const char *sampler, bool v)
{
    struct error err = {0};
    struct noise_schedule s = tiny_schedule();
    const struct sampler_wish wish = {.v = v ? SAMPLER_ON : SAMPLER_OFF};
    struct sampler_path *path = sampler_path_new(sampler_find(sampler), &s, &wish, 8, &err);
    expect_ok(path != NULL, &err);
    const struct sampler_setup setup = {.schedule = &s, .path = path, .first = 4, .count = 8};
    struct sampler_run *sampling = sampler_begin(&setup, &err);
    struct noise_state *noise = noise_find("torch-cpu")->begin(&(struct noise_setup){.seed = 0});
    expect_ok(sampling != NULL, &err);
    double clean_gain, noise_gain;
    float x[8], e[8];
    sampler_mix(&setup, 4, &clean_gain, &noise_gain);
    for (int i = 0; i < 8; i++)
        x[i] = (float)(clean_gain * (-2 + 4 * (double)i / 7) + noise_gain);
    for (int step = 4; step < 8; step++) {
        toy_predict(path, step, x, e);
        sampler_step(sampling, step, x, e, toy_noise, noise);
    }
    noise_find("torch-cpu")->end(noise);
    sampler_end(sampling);
    sampler_path_free(path);
    noise_schedule_finish(&s);
    return x[0];
}

/* The second half of 8 steps on the toy problem, from clean latents under noise of 1, with empty
 * history: what diffusers' classes make of it after set_begin_index(4), for both predictions. */
static void runs_from_the_middle_agree(void **state)
{
    (void)state;
    static const struct {
        const char *sampler;
        double epsilon, v;
    } cases[] = {
        {"ddim", -0.565404, -0.3506667},      {"dpm++", -0.1824913, -0.1003934},
        {"dpm++-sde", 0.167798, -0.05256172}, {"euler", -0.3967151, -0.2185064},
        {"euler-a", 0.03832596, 0.03786908},  {"unipc", -0.1827735, -0.102829},
        {"lcm", 0.03220701, -0.1979382},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        const bool v = i % 2 == 1;
        const double want = v ? cases[i / 2].v : cases[i / 2].epsilon;
        const double got = toy_from_the_middle(cases[i / 2].sampler, v);
        if (fabs(got - want) > 2e-5)
            fail_msg("%s, v %d: %.7g instead of %.7g", cases[i / 2].sampler, v, got, want);
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
        cmocka_unit_test(karras_sigmas_agree),
        cmocka_unit_test(one_training_step_is_a_schedule),
        cmocka_unit_test(distilled_steps_agree),
        cmocka_unit_test(starts_in_the_middle_agree),
        cmocka_unit_test(runs_from_the_middle_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

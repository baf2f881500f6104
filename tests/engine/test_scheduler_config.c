/* What a folder's scheduler_config.json means, and what is refused. */
#include "fixture.h"

#include <unistd.h>

#include "engine/schedule/noise_schedule.h"

/* Configs as published folders have them, and the sampler each means. */
static void published_configs_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *config, *sampler;
        bool v, note;
    } cases[] = {
        {"{\"_class_name\": \"DDIMScheduler\", \"beta_end\": 0.012, \"beta_schedule\":"
         " \"scaled_linear\", \"beta_start\": 0.00085, \"clip_sample\": false,"
         " \"num_train_timesteps\": 1000, \"prediction_type\": \"epsilon\","
         " \"set_alpha_to_one\": false, \"skip_prk_steps\": true, \"steps_offset\": 1,"
         " \"trained_betas\": null}",
         "ddim", false, false},
        {"{\"_class_name\": \"PNDMScheduler\", \"beta_end\": 0.012, \"beta_schedule\":"
         " \"scaled_linear\", \"beta_start\": 0.00085, \"num_train_timesteps\": 1000,"
         " \"set_alpha_to_one\": false, \"skip_prk_steps\": true, \"steps_offset\": 1,"
         " \"trained_betas\": null, \"clip_sample\": false}",
         "ddim", false, true},
        {"{\"_class_name\": \"DDIMScheduler\", \"beta_end\": 0.012, \"beta_schedule\":"
         " \"scaled_linear\", \"beta_start\": 0.00085, \"clip_sample\": false,"
         " \"prediction_type\": \"v_prediction\", \"set_alpha_to_one\": false,"
         " \"skip_prk_steps\": true, \"steps_offset\": 1, \"trained_betas\": null}",
         "ddim", true, false},
        {"{\"_class_name\": \"DPMSolverMultistepScheduler\", \"algorithm_type\":"
         " \"sde-dpmsolver++\", \"use_karras_sigmas\": true, \"solver_type\": \"midpoint\"}",
         "dpm++-sde", false, false},
        {"{\"_class_name\": \"EulerDiscreteScheduler\", \"interpolation_type\": \"linear\","
         " \"timestep_type\": \"discrete\", \"sigma_max\": null}",
         "euler", false, false},
        {"{\"_class_name\": \"EulerAncestralDiscreteScheduler\"}", "euler-a", false, false},
        {"{\"_class_name\": \"UniPCMultistepScheduler\", \"solver_type\": \"bh2\","
         " \"disable_corrector\": [], \"solver_p\": null, \"predict_x0\": true}",
         "unipc", false, false},
        {"{\"_class_name\": \"LCMScheduler\", \"original_inference_steps\": 50,"
         " \"timestep_scaling\": 10.0}",
         "lcm", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err = {0};
        struct noise_schedule s;
        json_t *config = json_loads(cases[i].config, 0, NULL);
        expect_ok(noise_schedule_parse(config, "config", &s, &err), &err);
        assert_string_equal(s.sampler, cases[i].sampler);
        assert_true((s.prediction == NOISE_PREDICTION_V) == cases[i].v);
        assert_true((s.note != NULL) == cases[i].note);
        noise_schedule_finish(&s);
        json_decref(config);
    }
}

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

/* Numbers that only Python's JSON has; as words inside of texts they stay what they are. */
static void configs_as_python_writes_them_are_read(void **state)
{
    (void)state;
    struct error err = {0};
    expect_ok(read_text("{\"_class_name\": \"DPMSolverMultistepScheduler\",\n"
                        " \"lambda_min_clipped\": -Infinity, \"_note\": \"a \\\"NaN, Infinity\"}",
                        &err),
              &err);
    assert_false(read_text("{\"clip_sample\": false, \"beta_end\": NaN}", &err));
    assert_non_null(strstr(err.message, "beta_end"));
    assert_false(read_text("{\"clip_sample\": false, \"beta_end\": Infinite}", &err));
    assert_false(read_text("{\"clip_sample\": false, \"a\\", &err));
}

/* What a class takes for betas that its file does not name. */
static void default_betas_are_those_of_the_class(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        double first, last;
    } cases[] = {{"{\"_class_name\": \"LCMScheduler\"}", .999149978, .00466009602},
                 {"{\"_class_name\": \"EulerDiscreteScheduler\"}", .9999, 4.0358e-05}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err = {0};
        struct noise_schedule s;
        json_t *config = json_loads(cases[i].config, 0, NULL);
        expect_ok(noise_schedule_parse(config, "config", &s, &err), &err);
        assert_true(fabs(s.alphas_cumprod[0] / cases[i].first - 1) < 1e-6);
        assert_true(fabs(s.alphas_cumprod[999] / cases[i].last - 1) < 1e-4);
        noise_schedule_finish(&s);
        json_decref(config);
    }
}

static void values_that_are_not_built_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *config, *named;
    } cases[] = {
        {"{\"clip_sample\": true}", "clip_sample"},
        {"{}", "clip_sample"}, /* DDIM's own default is to clip */
        {"{\"clip_sample\": false, \"prediction_type\": \"sample\"}", "prediction_type"},
        {"{\"_class_name\": \"DPMSolverMultistepScheduler\", \"algorithm_type\": \"dpmsolver\"}",
         "algorithm_type"},
        {"{\"_class_name\": \"DPMSolverMultistepScheduler\", \"solver_order\": 3}", "solver_order"},
        {"{\"_class_name\": \"UniPCMultistepScheduler\", \"solver_type\": \"bh1\"}", "solver_type"},
        {"{\"_class_name\": \"LCMScheduler\", \"original_inference_steps\": 40}",
         "original_inference_steps"},
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
        cmocka_unit_test(published_configs_are_read),
        cmocka_unit_test(configs_as_python_writes_them_are_read),
        cmocka_unit_test(default_betas_are_those_of_the_class),
        cmocka_unit_test(values_that_are_not_built_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

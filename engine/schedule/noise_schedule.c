#include "engine/schedule/noise_schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"
#include "engine/model/config_rules.h"

#define CONFIG_LIMIT_BYTES ((size_t)1 << 20)

static const struct config_rule rules[] = {
    {"num_train_timesteps", CONFIG_READ, NULL},
    {"beta_start", CONFIG_READ, NULL},
    {"beta_end", CONFIG_READ, NULL},
    {"beta_schedule", CONFIG_READ, NULL},
    {"set_alpha_to_one", CONFIG_READ, NULL},
    {"steps_offset", CONFIG_READ, NULL},
    {"timestep_spacing", CONFIG_READ, NULL},
    {"clip_sample", CONFIG_READ, NULL}, /* true by default: must be there and false */
    {"prediction_type", CONFIG_MUST, "[\"epsilon\"]"},
    {"trained_betas", CONFIG_MUST, "[null]"},
    {"thresholding", CONFIG_MUST, "[null, false]"},
    {"rescale_betas_zero_snr", CONFIG_MUST, "[null, false]"},
    {"use_karras_sigmas", CONFIG_MUST, "[null, false]"},
    {"use_exponential_sigmas", CONFIG_MUST, "[null, false]"},
    {"use_beta_sigmas", CONFIG_MUST, "[null, false]"},
    {"use_lu_lambdas", CONFIG_MUST, "[null, false]"},
    {"use_flow_sigmas", CONFIG_MUST, "[null, false]"},
    {"euler_at_final", CONFIG_MUST, "[null, false]"},
    {"final_sigmas_type", CONFIG_MUST, "[\"zero\"]"},
    {"algorithm_type", CONFIG_MUST, "[\"dpmsolver++\"]"},
    {"solver_type", CONFIG_MUST, "[\"midpoint\"]"},
    {"solver_order", CONFIG_MUST, "[2]"},
    {"lower_order_final", CONFIG_MUST, "[true]"},
    {"variance_type", CONFIG_MUST, "[null]"},
    {"clip_sample_range", CONFIG_IGNORE, NULL}, /* of clipping, which is off */
    {"sample_max_value", CONFIG_IGNORE, NULL},  /* of thresholding, as the next one */
    {"dynamic_thresholding_ratio", CONFIG_IGNORE, NULL},
    {"skip_prk_steps", CONFIG_IGNORE, NULL},     /* of another sampler */
    {"lambda_min_clipped", CONFIG_IGNORE, NULL}, /* of cosine betas */
    {"flow_shift", CONFIG_IGNORE, NULL},         /* of flow sigmas */
    {NULL, CONFIG_IGNORE, NULL},
};

static const char *const classes[] = {"DDIMScheduler", "DPMSolverMultistepScheduler"};

static bool read_class(struct noise_schedule *s, const json_t *config, const char *what,
                       struct error *err)
{
    const char *name;
    if (!json_get_text_or(config, "_class_name", "DDIMScheduler", &name, what, err)) return false;
    snprintf(s->class_name, sizeof s->class_name, "%s", name);
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strcmp(classes[i], name) == 0) return true;
    return error_set(err, ERROR_INVALID, "%s: \"_class_name\": \"%s\" is not built", what, name);
}

static bool read_clipping(const struct noise_schedule *s, const json_t *config, const char *what,
                          struct error *err)
{
    bool clip;
    const bool absent = strcmp(s->class_name, "DDIMScheduler") == 0; /* its default is true */
    if (!json_get_bool_or(config, "clip_sample", absent, &clip, what, err)) return false;
    return clip ? error_set(err, ERROR_INVALID, "%s: \"clip_sample\": true is not built", what)
                : true;
}

static bool read_spacing(struct noise_schedule *s, const json_t *config, const char *what,
                         struct error *err)
{
    const char *name;
    int64_t offset;
    if (!json_get_text_or(config, "timestep_spacing", NULL, &name, what, err) ||
        !json_get_int_or(config, "steps_offset", 0, &offset, what, err))
        return false;
    s->spacing = name == NULL ? NULL : noise_schedule_spacing_find(name);
    if (name != NULL && s->spacing == NULL)
        return error_set(err, ERROR_INVALID, "%s: \"timestep_spacing\": \"%s\" is not built", what,
                         name);
    if (offset < 0 || offset >= s->train_steps)
        return error_set(err, ERROR_INVALID, "%s: \"steps_offset\" must be within 0..%d", what,
                         s->train_steps - 1);
    s->steps_offset = (int)offset;
    return true;
}

static bool fill_alphas(struct noise_schedule *s, const json_t *config, const char *what,
                        struct error *err)
{
    double start, end;
    const char *name;
    if (!config_rules_real(config, "beta_start", 0.0001, 1e-9, 0.999, &start, what, err) ||
        !config_rules_real(config, "beta_end", 0.02, 1e-9, 0.999, &end, what, err) ||
        !json_get_text_or(config, "beta_schedule", "linear", &name, what, err))
        return false;
    const struct noise_schedule_betas *curve = noise_schedule_betas_find(name);
    if (curve == NULL)
        return error_set(err, ERROR_INVALID, "%s: \"beta_schedule\": \"%s\" is not built", what,
                         name);
    s->alphas_cumprod = xcalloc((size_t)s->train_steps, sizeof *s->alphas_cumprod);
    curve->fill(start, end, s->train_steps, s->alphas_cumprod);
    /* torch's cumprod: accumulated in double, rounded to float32 at each store. */
    double product = 1;
    for (int i = 0; i < s->train_steps; i++) {
        product *= (double)(1 - s->alphas_cumprod[i]);
        s->alphas_cumprod[i] = (float)product;
    }
    return true;
}

static bool parse(struct noise_schedule *s, const json_t *config, const char *what,
                  struct error *err)
{
    bool to_one;
    if (!config_rules_check(config, rules, what, err) ||
        !config_rules_int(config, "num_train_timesteps", 1000, &s->train_steps, what, err))
        return false;
    if (s->train_steps > NOISE_SCHEDULE_TRAIN_STEPS_MAX)
        return error_set(err, ERROR_INVALID, "%s: \"num_train_timesteps\" is over %d", what,
                         NOISE_SCHEDULE_TRAIN_STEPS_MAX);
    if (!read_class(s, config, what, err) || !read_clipping(s, config, what, err) ||
        !read_spacing(s, config, what, err) || !fill_alphas(s, config, what, err) ||
        !json_get_bool_or(config, "set_alpha_to_one", true, &to_one, what, err))
        return false;
    s->final_alpha = to_one ? 1 : s->alphas_cumprod[0];
    return true;
}

bool noise_schedule_read(const char *path, struct noise_schedule *out, struct error *err)
{
    memset(out, 0, sizeof *out);
    json_t *config = json_parse_file(path, CONFIG_LIMIT_BYTES, err);
    const bool ok = config != NULL && noise_schedule_parse(config, path, out, err);
    json_decref(config);
    return ok;
}

bool noise_schedule_parse(const json_t *config, const char *what, struct noise_schedule *out,
                          struct error *err)
{
    memset(out, 0, sizeof *out);
    if (parse(out, config, what, err)) return true;
    noise_schedule_finish(out);
    return false;
}

void noise_schedule_finish(struct noise_schedule *s)
{
    free(s->alphas_cumprod);
    memset(s, 0, sizeof *s);
}

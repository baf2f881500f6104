#include "engine/schedule/noise_schedule.h"

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
    {"prediction_type", CONFIG_READ, NULL},
    {"use_karras_sigmas", CONFIG_READ, NULL},
    {"algorithm_type", CONFIG_READ, NULL},
    {"clip_sample", CONFIG_READ, NULL}, /* true by default: must be there and false */
    {"trained_betas", CONFIG_MUST, "[null]"},
    {"thresholding", CONFIG_MUST, "[null, false]"},
    {"rescale_betas_zero_snr", CONFIG_MUST, "[null, false]"},
    {"use_exponential_sigmas", CONFIG_MUST, "[null, false]"},
    {"use_beta_sigmas", CONFIG_MUST, "[null, false]"},
    {"use_lu_lambdas", CONFIG_MUST, "[null, false]"},
    {"use_flow_sigmas", CONFIG_MUST, "[null, false]"},
    {"use_dynamic_shifting", CONFIG_MUST, "[null, false]"},
    {"euler_at_final", CONFIG_MUST, "[null, false]"},
    {"final_sigmas_type", CONFIG_MUST, "[\"zero\"]"},
    {"solver_type", CONFIG_MUST, "[\"midpoint\", \"bh2\"]"}, /* of dpm++, of unipc */
    {"solver_order", CONFIG_MUST, "[2]"},
    {"solver_p", CONFIG_MUST, "[null]"},
    {"predict_x0", CONFIG_MUST, "[true]"},
    {"disable_corrector", CONFIG_MUST, "[null, []]"},
    {"lower_order_final", CONFIG_MUST, "[true]"},
    {"variance_type", CONFIG_MUST, "[null]"},
    {"interpolation_type", CONFIG_MUST, "[\"linear\"]"}, /* of euler, as the next three */
    {"timestep_type", CONFIG_MUST, "[\"discrete\"]"},
    {"sigma_min", CONFIG_MUST, "[null]"},
    {"sigma_max", CONFIG_MUST, "[null]"},
    {"original_inference_steps", CONFIG_MUST, "[50]"}, /* of lcm, as the next one */
    {"timestep_scaling", CONFIG_MUST, "[10, 10.0]"},
    {"clip_sample_range", CONFIG_IGNORE, NULL}, /* of clipping, which is off */
    {"sample_max_value", CONFIG_IGNORE, NULL},  /* of thresholding, as the next one */
    {"dynamic_thresholding_ratio", CONFIG_IGNORE, NULL},
    {"skip_prk_steps", CONFIG_IGNORE, NULL},     /* of pndm */
    {"lambda_min_clipped", CONFIG_IGNORE, NULL}, /* of cosine betas */
    {"flow_shift", CONFIG_IGNORE, NULL},         /* of flow sigmas, as the next one */
    {"time_shift_type", CONFIG_IGNORE, NULL},
    {NULL, CONFIG_IGNORE, NULL},
};

/* One row a class of diffusers, and for DPMSolverMultistep one an algorithm. */
static const struct scheduler_class {
    const char *name, *algorithm; /* NULL: any */
    const char *sampler, *note;
    bool latent_betas; /* its betas by default are those of latent diffusion */
} classes[] = {
    {"DDIMScheduler", NULL, "ddim", NULL, false},
    {"PNDMScheduler", NULL, "ddim",
     "its own scheduler, PNDM, is not built: ddim on the same schedule is its default here", false},
    {"DPMSolverMultistepScheduler", "dpmsolver++", "dpm++", NULL, false},
    {"DPMSolverMultistepScheduler", "sde-dpmsolver++", "dpm++-sde", NULL, false},
    {"EulerDiscreteScheduler", NULL, "euler", NULL, false},
    {"EulerAncestralDiscreteScheduler", NULL, "euler-a", NULL, false},
    {"UniPCMultistepScheduler", NULL, "unipc", NULL, false},
    {"LCMScheduler", NULL, "lcm", NULL, true},
};

#define CLASS_COUNT (sizeof classes / sizeof classes[0])

bool noise_prediction_find(const char *name, enum noise_prediction *out)
{
    static const char *const names[] = {
        [NOISE_PREDICTION_EPSILON] = "epsilon", [NOISE_PREDICTION_V] = "v_prediction"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (enum noise_prediction)i;
            return true;
        }
    return false;
}

/* Without a class the file is one of an original folder, which DDIM ran. */
static bool read_class(struct noise_schedule *s, const json_t *config, bool *latent_betas,
                       const char *what, struct error *err)
{
    const char *name, *algorithm;
    if (!json_get_text_or(config, "_class_name", "DDIMScheduler", &name, what, err) ||
        !json_get_text_or(config, "algorithm_type", "dpmsolver++", &algorithm, what, err))
        return false;
    bool known = false;
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        const struct scheduler_class *c = &classes[i];
        if (strcmp(c->name, name) != 0) continue;
        known = true;
        if (c->algorithm != NULL && strcmp(c->algorithm, algorithm) != 0) continue;
        s->sampler = c->sampler;
        s->note = c->note;
        *latent_betas = c->latent_betas;
        return true;
    }
    return error_set(err, ERROR_INVALID, "%s: \"%s\": \"%s\" is not built", what,
                     known ? "algorithm_type" : "_class_name", known ? algorithm : name);
}

static bool read_prediction(struct noise_schedule *s, const json_t *config, const char *what,
                            struct error *err)
{
    const char *name;
    if (!json_get_text_or(config, "prediction_type", "epsilon", &name, what, err) ||
        !json_get_bool_or(config, "use_karras_sigmas", false, &s->karras, what, err))
        return false;
    if (noise_prediction_find(name, &s->prediction)) return true;
    return error_set(err, ERROR_INVALID, "%s: \"prediction_type\": \"%s\" is not built", what,
                     name);
}

static bool read_clipping(const json_t *config, const char *what, struct error *err)
{
    bool clip;
    const char *name = json_string_value(json_object_get(config, "_class_name"));
    const bool absent = name == NULL || strcmp(name, "DDIMScheduler") == 0; /* its default: true */
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

static bool fill_alphas(struct noise_schedule *s, const json_t *config, bool latent_betas,
                        const char *what, struct error *err)
{
    const double least = latent_betas ? 0.00085 : 0.0001, most = latent_betas ? 0.012 : 0.02;
    double start, end;
    const char *name;
    if (!config_rules_real(config, "beta_start", least, 1e-9, 0.999, &start, what, err) ||
        !config_rules_real(config, "beta_end", most, 1e-9, 0.999, &end, what, err) ||
        !json_get_text_or(config, "beta_schedule", latent_betas ? "scaled_linear" : "linear", &name,
                          what, err))
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
    bool to_one, latent_betas = false;
    if (!config_rules_check(config, rules, what, err) ||
        !config_rules_int(config, "num_train_timesteps", 1000, &s->train_steps, what, err))
        return false;
    if (s->train_steps > NOISE_SCHEDULE_TRAIN_STEPS_MAX)
        return error_set(err, ERROR_INVALID, "%s: \"num_train_timesteps\" is over %d", what,
                         NOISE_SCHEDULE_TRAIN_STEPS_MAX);
    if (!read_class(s, config, &latent_betas, what, err) || !read_clipping(config, what, err) ||
        !read_prediction(s, config, what, err) || !read_spacing(s, config, what, err) ||
        !fill_alphas(s, config, latent_betas, what, err) ||
        !json_get_bool_or(config, "set_alpha_to_one", true, &to_one, what, err))
        return false;
    s->final_alpha = to_one ? 1 : s->alphas_cumprod[0];
    return true;
}

bool noise_schedule_read(const char *path, struct noise_schedule *out, struct error *err)
{
    memset(out, 0, sizeof *out);
    json_t *config = config_rules_read(path, CONFIG_LIMIT_BYTES, err);
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

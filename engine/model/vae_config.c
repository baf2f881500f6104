#include "engine/model/vae_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "engine/model/config_rules.h"

static const struct config_rule rules[] = {
    {"block_out_channels", CONFIG_READ, NULL},
    {"layers_per_block", CONFIG_READ, NULL},
    {"latent_channels", CONFIG_READ, NULL},
    {"out_channels", CONFIG_READ, NULL},
    {"norm_num_groups", CONFIG_READ, NULL},
    {"scaling_factor", CONFIG_READ, NULL},
    {"use_post_quant_conv", CONFIG_READ, NULL},
    {"mid_block_add_attention", CONFIG_READ, NULL},
    {"down_block_types", CONFIG_READ, NULL},
    {"up_block_types", CONFIG_READ, NULL},
    {"in_channels", CONFIG_MUST, "[3]"},
    {"use_quant_conv", CONFIG_READ, NULL},
    {"sample_size", CONFIG_IGNORE, NULL},  /* tiling only */
    {"force_upcast", CONFIG_IGNORE, NULL}, /* always float32 here */
    {"act_fn", CONFIG_MUST, "[\"silu\"]"},
    {"shift_factor", CONFIG_MUST, "[null]"},
    {"latents_mean", CONFIG_MUST, "[null]"},
    {"latents_std", CONFIG_MUST, "[null]"},
    {NULL, CONFIG_IGNORE, NULL},
};

static bool check_block_types(const json_t *config, const char *key, const char *type, int levels,
                              const char *what, struct error *err)
{
    const json_t *list = json_object_get(config, key);
    if (list == NULL && levels == 1) return true;
    bool ok = json_array_size(list) == (size_t)levels;
    for (int i = 0; ok && i < levels; i++) {
        const char *name = json_string_value(json_array_get(list, (size_t)i));
        ok = name != NULL && strcmp(name, type) == 0;
    }
    return ok ? true
              : error_set(err, ERROR_INVALID, "%s: \"%s\": only %d times \"%s\" is built", what,
                          key, levels, type);
}

static bool check_groups(const struct vae_config *c, const char *what, struct error *err)
{
    for (int i = 0; i < c->levels; i++)
        if (c->channels[i] % c->groups != 0)
            return error_set(err, ERROR_INVALID, "%s: %d channels do not split into %d groups",
                             what, c->channels[i], c->groups);
    return true;
}

static bool parse_config(struct vae_config *c, const json_t *config, const char *what,
                         struct error *err)
{
    return config_rules_check(config, rules, what, err) &&
           config_rules_ints(config, "block_out_channels", VAE_LEVELS_MAX, c->channels, &c->levels,
                             what, err) &&
           config_rules_int(config, "layers_per_block", 1, &c->layers_per_block, what, err) &&
           config_rules_int(config, "latent_channels", 4, &c->latent_channels, what, err) &&
           config_rules_int(config, "out_channels", 3, &c->out_channels, what, err) &&
           config_rules_int(config, "norm_num_groups", 32, &c->groups, what, err) &&
           config_rules_real(config, "scaling_factor", 0.18215, 1e-6, 1e6, &c->scaling_factor, what,
                             err) &&
           json_get_bool_or(config, "use_post_quant_conv", true, &c->post_quant, what, err) &&
           json_get_bool_or(config, "use_quant_conv", true, &c->quant, what, err) &&
           json_get_bool_or(config, "mid_block_add_attention", true, &c->mid_attention, what,
                            err) &&
           check_block_types(config, "down_block_types", "DownEncoderBlock2D", c->levels, what,
                             err) &&
           check_block_types(config, "up_block_types", "UpDecoderBlock2D", c->levels, what, err) &&
           check_groups(c, what, err);
}

bool vae_config_read(struct model_parts *parts, struct vae_config *out, struct error *err)
{
    const char *what;
    const json_t *config = model_parts_config(parts, PART_VAE, &what, err);
    if (config == NULL || !parse_config(out, config, what, err)) return false;
    if (out->layers_per_block <= 64 && out->out_channels == 3) return true;
    return error_set(err, ERROR_INVALID, "%s: layers_per_block must be at most 64, out_channels 3",
                     what);
}

int vae_config_factor(const struct vae_config *c)
{
    return 1 << (c->levels - 1);
}

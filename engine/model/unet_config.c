#include "engine/model/unet_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "engine/model/config_rules.h"

#define CONFIG_LIMIT_BYTES ((size_t)1 << 20)

static const struct config_rule rules[] = {
    {"block_out_channels", CONFIG_READ, NULL},
    {"down_block_types", CONFIG_READ, NULL},
    {"up_block_types", CONFIG_READ, NULL},
    {"layers_per_block", CONFIG_READ, NULL},
    {"in_channels", CONFIG_READ, NULL},
    {"out_channels", CONFIG_READ, NULL},
    {"attention_head_dim", CONFIG_READ, NULL},
    {"cross_attention_dim", CONFIG_READ, NULL},
    {"norm_num_groups", CONFIG_READ, NULL},
    {"norm_eps", CONFIG_READ, NULL},
    {"sample_size", CONFIG_IGNORE, NULL}, /* a default for pipelines */
    {"act_fn", CONFIG_MUST, "[\"silu\", \"swish\"]"},
    {"downsample_padding", CONFIG_MUST, "[1]"},
    {"mid_block_scale_factor", CONFIG_MUST, "[1, 1.0]"},
    {"num_attention_heads", CONFIG_MUST, "[null]"},
    {"time_cond_proj_dim", CONFIG_MUST, "[null]"},
    {NULL, CONFIG_IGNORE, NULL},
};

static const char *type_at(const json_t *config, const char *key, int index)
{
    return json_string_value(json_array_get(json_object_get(config, key), (size_t)index));
}

static bool type_is(const char *type, const char *plain, const char *cross, bool *attention)
{
    if (type == NULL) return false;
    *attention = strcmp(type, cross) == 0;
    return *attention || strcmp(type, plain) == 0;
}

/* Down and up blocks of one level must agree: the up blocks run from the coarsest level to the
 * finest. */
static bool read_block_types(struct unet_config *c, const json_t *config, const char *what,
                             struct error *err)
{
    bool ok = json_array_size(json_object_get(config, "down_block_types")) == (size_t)c->levels &&
              json_array_size(json_object_get(config, "up_block_types")) == (size_t)c->levels;
    for (int i = 0; ok && i < c->levels; i++) {
        bool up = false;
        ok = type_is(type_at(config, "down_block_types", i), "DownBlock3D", "CrossAttnDownBlock3D",
                     &c->attention[i]) &&
             type_is(type_at(config, "up_block_types", c->levels - 1 - i), "UpBlock3D",
                     "CrossAttnUpBlock3D", &up) &&
             up == c->attention[i];
    }
    return ok ? true
              : error_set(err, ERROR_INVALID,
                          "%s: these \"down_block_types\" and \"up_block_types\" are not built",
                          what);
}

static bool check_divisions(const struct unet_config *c, const char *what, struct error *err)
{
    for (int i = 0; i < c->levels; i++)
        if (c->channels[i] % c->groups != 0 || c->channels[i] % c->head_dim != 0)
            return error_set(err, ERROR_INVALID,
                             "%s: %d channels do not split into %d groups and heads of %d", what,
                             c->channels[i], c->groups, c->head_dim);
    if (c->channels[0] % 2 != 0 || c->layers_per_block > 64)
        return error_set(
            err, ERROR_INVALID,
            "%s: the first block_out_channels must be even, layers_per_block at most 64", what);
    return true;
}

static bool parse(struct unet_config *c, const json_t *config, const char *what, struct error *err)
{
    return config_rules_check(config, rules, what, err) &&
           config_rules_ints(config, "block_out_channels", UNET_LEVELS_MAX, c->channels, &c->levels,
                             what, err) &&
           config_rules_int(config, "layers_per_block", 2, &c->layers_per_block, what, err) &&
           config_rules_int(config, "in_channels", 4, &c->in_channels, what, err) &&
           config_rules_int(config, "out_channels", 4, &c->out_channels, what, err) &&
           config_rules_int(config, "attention_head_dim", 64, &c->head_dim, what, err) &&
           config_rules_int(config, "cross_attention_dim", 1024, &c->text_channels, what, err) &&
           config_rules_int(config, "norm_num_groups", 32, &c->groups, what, err) &&
           config_rules_real(config, "norm_eps", 1e-5, 0, 1, &c->eps, what, err) &&
           read_block_types(c, config, what, err) && check_divisions(c, what, err);
}

bool unet_config_read(const char *folder, struct unet_config *out, struct error *err)
{
    char *path = path_join(folder, "config.json");
    json_t *config = json_parse_file(path, CONFIG_LIMIT_BYTES, err);
    const bool ok = config != NULL && parse(out, config, path, err);
    json_decref(config);
    free(path);
    return ok;
}

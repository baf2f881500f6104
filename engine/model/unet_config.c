#include "engine/model/unet_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "engine/model/config_rules.h"

/* Of both classes. */
#define SHARED_RULES                                                                               \
    {"block_out_channels", CONFIG_READ, NULL}, {"down_block_types", CONFIG_READ, NULL},            \
        {"up_block_types", CONFIG_READ, NULL}, {"layers_per_block", CONFIG_READ, NULL},            \
        {"in_channels", CONFIG_READ, NULL}, {"out_channels", CONFIG_READ, NULL},                   \
        {"attention_head_dim", CONFIG_READ, NULL}, {"cross_attention_dim", CONFIG_READ, NULL},     \
        {"norm_num_groups", CONFIG_READ, NULL}, {"norm_eps", CONFIG_READ, NULL},                   \
        {"sample_size", CONFIG_IGNORE, NULL}, /* a default for pipelines */                        \
        {"act_fn", CONFIG_MUST, "[\"silu\", \"swish\"]"},                                          \
        {"downsample_padding", CONFIG_MUST, "[1]"},                                                \
        {"mid_block_scale_factor", CONFIG_MUST, "[1, 1.0]"},                                       \
        {"num_attention_heads", CONFIG_MUST, "[null]"},                                            \
    {                                                                                              \
        "time_cond_proj_dim", CONFIG_MUST, "[null]"                                                \
    }

static const struct config_rule video_rules[] = {
    SHARED_RULES,
    {NULL, CONFIG_IGNORE, NULL},
};

static const struct config_rule image_rules[] = {
    SHARED_RULES,
    /* Whether a 1x1 convolution or a linear map is stored around the attentions: the same numbers.
     */
    {"use_linear_projection", CONFIG_IGNORE, NULL},
    {"upcast_attention", CONFIG_IGNORE, NULL},              /* always float32 here */
    {"addition_embed_type_num_heads", CONFIG_IGNORE, NULL}, /* of an embedding that is refused */
    {"class_embeddings_concat", CONFIG_IGNORE, NULL},       /* likewise */
    {"dropout", CONFIG_IGNORE, NULL},                       /* training only */
    {"center_input_sample", CONFIG_MUST, "[false]"},
    {"flip_sin_to_cos", CONFIG_MUST, "[true]"},
    {"freq_shift", CONFIG_MUST, "[0, 0.0]"},
    {"mid_block_type", CONFIG_MUST, "[\"UNetMidBlock2DCrossAttn\"]"},
    {"only_cross_attention", CONFIG_MUST, "[false]"},
    {"mid_block_only_cross_attention", CONFIG_MUST, "[null, false]"},
    {"dual_cross_attention", CONFIG_MUST, "[false]"},
    {"transformer_layers_per_block", CONFIG_MUST, "[1]"},
    {"resnet_time_scale_shift", CONFIG_MUST, "[\"default\"]"},
    {"resnet_skip_time_act", CONFIG_MUST, "[false]"},
    {"resnet_out_scale_factor", CONFIG_MUST, "[1, 1.0]"},
    {"time_embedding_type", CONFIG_MUST, "[\"positional\"]"},
    {"attention_type", CONFIG_MUST, "[\"default\"]"},
    {"conv_in_kernel", CONFIG_MUST, "[3]"},
    {"conv_out_kernel", CONFIG_MUST, "[3]"},
    {NULL, CONFIG_IGNORE, NULL},
};

struct unet_class { /* one row a class of diffusers */
    const char *name;
    bool temporal;
    const struct config_rule *rules;
    const char *down, *cross_down, *up, *cross_up; /* names of blocks */
};

static const struct unet_class classes[] = {
    {"UNet2DConditionModel", false, image_rules, "DownBlock2D", "CrossAttnDownBlock2D", "UpBlock2D",
     "CrossAttnUpBlock2D"},
    {"UNet3DConditionModel", true, video_rules, "DownBlock3D", "CrossAttnDownBlock3D", "UpBlock3D",
     "CrossAttnUpBlock3D"},
};

#define CLASS_COUNT (sizeof classes / sizeof classes[0])

/* A config without a class is told by its blocks. */
static const struct unet_class *find_class(const json_t *config, const char *what,
                                           struct error *err)
{
    const char *name;
    if (!json_get_text_or(config, "_class_name", NULL, &name, what, err)) return NULL;
    const char *block =
        json_string_value(json_array_get(json_object_get(config, "down_block_types"), 0));
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        const struct unet_class *c = &classes[i];
        if (name != NULL ? strcmp(name, c->name) == 0
                         : block != NULL &&
                               (strcmp(block, c->down) == 0 || strcmp(block, c->cross_down) == 0))
            return c;
    }
    error_set(err, ERROR_INVALID, "%s: \"_class_name\": \"%s\" is not built", what,
              name != NULL ? name : "");
    return NULL;
}

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
static bool read_block_types(struct unet_config *c, const struct unet_class *class,
                             const json_t *config, const char *what, struct error *err)
{
    bool ok = json_array_size(json_object_get(config, "down_block_types")) == (size_t)c->levels &&
              json_array_size(json_object_get(config, "up_block_types")) == (size_t)c->levels;
    for (int i = 0; ok && i < c->levels; i++) {
        bool up = false;
        ok = type_is(type_at(config, "down_block_types", i), class->down, class->cross_down,
                     &c->attention[i]) &&
             type_is(type_at(config, "up_block_types", c->levels - 1 - i), class->up,
                     class->cross_up, &up) &&
             up == c->attention[i];
    }
    return ok ? true
              : error_set(err, ERROR_INVALID,
                          "%s: these \"down_block_types\" and \"up_block_types\" are not built",
                          what);
}

/* UNet3D means the width of a head, whatever diffusers' class calls it; UNet2D means how many there
 * are: one number, or one a level. */
static bool read_heads(struct unet_config *c, const json_t *config, const char *what,
                       struct error *err)
{
    const char *const key = "attention_head_dim";
    int number, count = 0;
    if (!c->temporal && json_is_array(json_object_get(config, key))) {
        if (!config_rules_ints(config, key, UNET_LEVELS_MAX, c->heads, &count, what, err))
            return false;
        return count == c->levels ? true
                                  : error_set(err, ERROR_INVALID,
                                              "%s: \"%s\" needs one number a level", what, key);
    }
    if (!config_rules_int(config, key, c->temporal ? 64 : 8, &number, what, err)) return false;
    for (int i = 0; i < c->levels; i++)
        c->heads[i] = c->temporal ? c->channels[i] / number : number;
    for (int i = 0; c->temporal && i < c->levels; i++)
        if (c->channels[i] % number != 0)
            return error_set(err, ERROR_INVALID, "%s: %d channels do not split into heads of %d",
                             what, c->channels[i], number);
    if (c->temporal) c->first_head_dim = number;
    return true;
}

static bool check_divisions(const struct unet_config *c, const char *what, struct error *err)
{
    for (int i = 0; i < c->levels; i++)
        if (c->channels[i] % c->groups != 0 || c->channels[i] % c->heads[i] != 0)
            return error_set(err, ERROR_INVALID,
                             "%s: %d channels do not split into %d groups and %d heads", what,
                             c->channels[i], c->groups, c->heads[i]);
    if (c->channels[0] % 2 != 0 || c->layers_per_block > 64)
        return error_set(
            err, ERROR_INVALID,
            "%s: the first block_out_channels must be even, layers_per_block at most 64", what);
    return true;
}

static bool parse(struct unet_config *c, const json_t *config, const char *what, struct error *err)
{
    const struct unet_class *class = find_class(config, what, err);
    if (class == NULL) return false;
    memset(c, 0, sizeof *c);
    c->temporal = class->temporal;
    return config_rules_check(config, class->rules, what, err) &&
           config_rules_ints(config, "block_out_channels", UNET_LEVELS_MAX, c->channels, &c->levels,
                             what, err) &&
           config_rules_int(config, "layers_per_block", 2, &c->layers_per_block, what, err) &&
           config_rules_int(config, "in_channels", 4, &c->in_channels, what, err) &&
           config_rules_int(config, "out_channels", 4, &c->out_channels, what, err) &&
           config_rules_int(config, "cross_attention_dim", c->temporal ? 1024 : 1280,
                            &c->text_channels, what, err) &&
           config_rules_int(config, "norm_num_groups", 32, &c->groups, what, err) &&
           config_rules_real(config, "norm_eps", 1e-5, 0, 1, &c->eps, what, err) &&
           read_heads(c, config, what, err) && read_block_types(c, class, config, what, err) &&
           check_divisions(c, what, err);
}

bool unet_config_read(struct model_parts *parts, struct unet_config *out, struct error *err)
{
    const char *what;
    const json_t *config = model_parts_config(parts, PART_UNET, &what, err);
    return config != NULL && parse(out, config, what, err);
}

/* unet_config: what a UNet3DConditionModel's config.json says, checked; no weights. */
#ifndef ZOE_ENGINE_MODEL_UNET_CONFIG_H
#define ZOE_ENGINE_MODEL_UNET_CONFIG_H

#include <stdbool.h>

#include "base/error.h"

#define UNET_LEVELS_MAX 8

struct unet_config {
    int levels, channels[UNET_LEVELS_MAX];
    bool
        attention[UNET_LEVELS_MAX]; /* per level, finest first: spatial and temporal transformers */
    int layers_per_block;
    int in_channels, out_channels;
    int head_dim; /* the config calls it attention_head_dim and means it, whatever the class says */
    int text_channels;
    int groups;
    double eps;
};

bool unet_config_read(const char *folder, struct unet_config *out, struct error *err);

#endif

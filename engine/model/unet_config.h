/* unet_config: what the config.json of a UNet2DConditionModel (images) or UNet3DConditionModel
 * (videos) says, checked; no weights. */
#ifndef ZOE_ENGINE_MODEL_UNET_CONFIG_H
#define ZOE_ENGINE_MODEL_UNET_CONFIG_H

#include <stdbool.h>

#include "base/error.h"
#include "engine/folder/model_parts.h"

#define UNET_LEVELS_MAX 8

struct unet_config {
    bool temporal; /* frames see each other: temporal convolutions and transformers */
    int levels, channels[UNET_LEVELS_MAX];
    bool attention[UNET_LEVELS_MAX]; /* per level, finest first: transformers */
    int heads[UNET_LEVELS_MAX];      /* likewise, of each attention */
    int layers_per_block;
    int in_channels, out_channels;
    int first_head_dim; /* of the first temporal transformer, whose width is its own */
    int text_channels;
    int groups;
    double eps;
};

bool unet_config_read(struct model_parts *parts, struct unet_config *out, struct error *err);

#endif

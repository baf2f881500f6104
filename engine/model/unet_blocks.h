/* unet_blocks: a denoiser from inside: what unet_load.c makes and unet.c runs. Internal to them. */
#ifndef ZOE_ENGINE_MODEL_UNET_BLOCKS_H
#define ZOE_ENGINE_MODEL_UNET_BLOCKS_H

#include "engine/model/transformer.h"
#include "engine/model/unet.h"
#include "engine/weights.h"

#define TIME_CONVS 4

enum block_kind {
    BLOCK_RES,
    BLOCK_RES_SKIP, /* takes the last skip as more input channels */
    BLOCK_TIME_CONV,
    BLOCK_SPACE,
    BLOCK_TIME,
    BLOCK_PUSH, /* keeps x as a skip */
    BLOCK_DOWN,
    BLOCK_UP, /* to the size of the last skip */
};

struct block {
    enum block_kind kind;
    int out; /* channels */
    const struct weight *norm1, *conv1, *temb, *norm2, *conv2,
        *shortcut; /* RES; DOWN and UP: conv1 */
    const struct weight *time_norms[TIME_CONVS], *time_convs[TIME_CONVS];
    struct transformer transformer;
    int text_slot; /* SPACE */
};

struct unet {
    struct ops *ops;
    struct weight_set set;
    struct unet_config config;
    const struct weight *conv_in, *time1, *time2, *norm_out, *conv_out;
    struct block *blocks;
    int block_count, space_count, push_count;
    struct tensor *skips; /* of the running forward, [push_count] */
    float *wave;          /* sinusoid of the running forward */
};

/* Asks the folder for every tensor of the config and fills the list of blocks. On failure the
 * caller still calls unet_close. */
bool unet_load(struct unet *u, struct model_parts *parts, struct error *err);

#endif

/* lora_original: what the original code (UNetSD, OpenCLIP) calls a module. */
#ifndef ZOE_ENGINE_LORA_ORIGINAL_H
#define ZOE_ENGINE_LORA_ORIGINAL_H

#include <stdbool.h>

#include "engine/lora/lora_key.h"

struct lora_layout {     /* of a UNet */
    int layers;          /* residual blocks of a level going down; one more going up */
    bool temporal;       /* UNet3D */
    unsigned up_attends; /* bit b: up_blocks.b has attention */
};

/* False when the original code has no such module. Table: docs/engine.md, "Original names". */
bool lora_original_name(const struct lora_layout *layout, bool text, const char *module,
                        char out[LORA_NAME_SIZE]);

#endif

/* lora_model: the modules of a model folder that LoRAs can change. */
#ifndef ZOE_ENGINE_LORA_MODEL_H
#define ZOE_ENGINE_LORA_MODEL_H

#include "engine/folder/model_folder.h"
#include "engine/lora/lora_base.h"

/* From the headers of its UNet's and text encoder's files. ERROR_USAGE for a family that takes no
 * LoRAs. Free with lora_base_free. */
struct lora_base *lora_model_base(const struct model_folder *folder, struct error *err);

#endif

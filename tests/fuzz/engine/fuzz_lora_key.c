/* Names of LoRA tensors, and of modules: read, joined and renamed without a step too far. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/lora/lora_key.h"
#include "engine/lora/lora_original.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct lora_layout layouts[] = {{1, true, 0xe}, {2, false, 0}};
    char *text = xstrndup((const char *)data, size);
    char name[LORA_NAME_SIZE];
    struct lora_key key;
    bool of_text, up;
    int index;
    if (lora_key_parse(text, &key)) ZOE_ASSERT(strlen(key.module) < LORA_NAME_SIZE);
    if (lora_key_ordinal(text, false, &of_text, &index, &up))
        ZOE_ASSERT(index >= 0 && index <= LORA_ORDINAL_MAX);
    for (int i = 0; i < 4; i++)
        if (lora_original_name(&layouts[i / 2], i % 2 == 1, text, name))
            ZOE_ASSERT(strlen(name) < LORA_NAME_SIZE);
    free(text);
    return 0;
}

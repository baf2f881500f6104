/* lora_slots: which tensor of a LoRA file plays which role for which module of the base.
 * Room-internal: lora_file.c. */
#ifndef ZOE_ENGINE_LORA_SLOTS_H
#define ZOE_ENGINE_LORA_SLOTS_H

#include "engine/lora/lora_base.h"

struct lora_slots {
    enum lora_form form;
    int (*slots)[LORA_ROLES]; /* [module][role]: entry + 1, 0 = none */
    const char **why;         /* [entry]: why it is not used; NULL = it is */
    int module_count;
    json_t *peft; /* "lora_adapter_metadata", or NULL */
};

bool lora_slots_fill(struct lora_slots *s, const struct tensor_file *file,
                     const struct lora_base *base, struct error *err);
void lora_slots_finish(struct lora_slots *s);

int *lora_slots_of(struct lora_slots *s, int module);
void lora_slots_spoil(struct lora_slots *s, int module, const char *why); /* none of it is used */

/* alpha / rank as the file's metadata says (PEFT), else 1. */
float lora_slots_scale(const struct lora_slots *s, const char *module, int64_t rank);

/* Without a base: form, and how many modules its keys speak of, UNet's and text encoder's.
 * ERROR_INVALID when none does. */
bool lora_slots_count(const struct tensor_file *file, enum lora_form *form, int modules[2],
                      struct error *err);

#endif

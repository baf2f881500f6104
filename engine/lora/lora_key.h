/* lora_key: what the name of a tensor in a LoRA file means: which module it belongs to and what it
 * is of it. The spellings are rows of two tables (endings and beginnings); docs/engine.md, "LoRA",
 * lists the forms. Pure; parses outside bytes. */
#ifndef ZOE_ENGINE_LORA_KEY_H
#define ZOE_ENGINE_LORA_KEY_H

#include <stdbool.h>

#define LORA_NAME_SIZE 256

enum lora_role {
    LORA_DOWN,       /* A of B A */
    LORA_UP,         /* B */
    LORA_ALPHA,      /* the product counts alpha / rank */
    LORA_VALUE,      /* the whole weight, as it shall be */
    LORA_VALUE_BIAS, /* the whole bias */
    LORA_ADDED,      /* what is added to the weight */
    LORA_ADDED_BIAS,
    LORA_UNBUILT, /* part of a method that is not built (DoRA, LoHa, LoKr, Tucker): spoils its
                     module */
    LORA_ROLES
};

enum lora_form {
    LORA_FORM_NONE,
    LORA_FORM_STABLE,    /* Stable LoRA (loralib): NAME.lora_A, NAME.lora_B */
    LORA_FORM_CLONEOF,   /* cloneofsimo: no names, an order */
    LORA_FORM_PROCESSOR, /* diffusers' attention processors */
    LORA_FORM_PEFT,      /* diffusers' PEFT, and what it wrote before */
    LORA_FORM_KOHYA,
    LORA_FORMS
};

const char *lora_form_name(enum lora_form form); /* "kohya" */

struct lora_key {
    enum lora_role role;
    enum lora_form form;         /* NONE: the ending is common to several */
    char module[LORA_NAME_SIZE]; /* as spelt, prefix gone, '.' written as '_' */
};

/* False for a key that no row describes, and for names longer than LORA_NAME_SIZE. */
bool lora_key_parse(const char *key, struct lora_key *out);

/* `module` with '.' written as '_', the spelling that modules are looked up by. False when it does
 * not fit. */
bool lora_key_join(const char *module, char out[LORA_NAME_SIZE]);

/* "unet:12:up" of cloneofsimo's safetensors, or "24" of its lists (up, down, up ..), which are of
 * the text encoder or not. */
#define LORA_ORDINAL_MAX 65535
bool lora_key_ordinal(const char *key, bool list_of_text, bool *text, int *index, bool *up);

#endif

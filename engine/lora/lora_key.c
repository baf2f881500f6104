#include "engine/lora/lora_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const char *const form_names[LORA_FORMS] = {
    [LORA_FORM_NONE] = "none",           [LORA_FORM_STABLE] = "stable-lora",
    [LORA_FORM_CLONEOF] = "cloneofsimo", [LORA_FORM_PROCESSOR] = "diffusers-processor",
    [LORA_FORM_PEFT] = "diffusers-peft", [LORA_FORM_KOHYA] = "kohya",
};

const char *lora_form_name(enum lora_form form)
{
    return form_names[form];
}

/* The first that fits counts: longer endings stand before those they end with. */
static const struct {
    const char *text;
    enum lora_role role;
    enum lora_form form;
} endings[] = {
    {".lora_A.default.weight", LORA_DOWN, LORA_FORM_PEFT},
    {".lora_B.default.weight", LORA_UP, LORA_FORM_PEFT},
    {".lora_A.weight", LORA_DOWN, LORA_FORM_PEFT},
    {".lora_B.weight", LORA_UP, LORA_FORM_PEFT},
    {".lora_linear_layer.down.weight", LORA_DOWN, LORA_FORM_PEFT},
    {".lora_linear_layer.up.weight", LORA_UP, LORA_FORM_PEFT},
    {".lora.down.weight", LORA_DOWN, LORA_FORM_PEFT},
    {".lora.up.weight", LORA_UP, LORA_FORM_PEFT},
    {"_lora.down.weight", LORA_DOWN, LORA_FORM_PROCESSOR},
    {"_lora.up.weight", LORA_UP, LORA_FORM_PROCESSOR},
    {".lora_down.weight", LORA_DOWN, LORA_FORM_KOHYA},
    {".lora_up.weight", LORA_UP, LORA_FORM_KOHYA},
    {".lora_A", LORA_DOWN, LORA_FORM_STABLE},
    {".lora_B", LORA_UP, LORA_FORM_STABLE},
    {".lora_A.bias", LORA_UNBUILT, LORA_FORM_PEFT},
    {".lora_B.bias", LORA_UNBUILT, LORA_FORM_PEFT},
    {".lora_magnitude_vector", LORA_UNBUILT, LORA_FORM_PEFT},
    {".lora_magnitude_vector.weight", LORA_UNBUILT, LORA_FORM_PEFT},
    {".lora_mid.weight", LORA_UNBUILT, LORA_FORM_KOHYA},
    {".dora_scale", LORA_UNBUILT, LORA_FORM_KOHYA},
    {".hada_w1_a", LORA_UNBUILT, LORA_FORM_KOHYA},
    {".hada_w1_b", LORA_UNBUILT, LORA_FORM_KOHYA},
    {".hada_w2_a", LORA_UNBUILT, LORA_FORM_KOHYA},
    {".hada_w2_b", LORA_UNBUILT, LORA_FORM_KOHYA},
    {".lokr_w1", LORA_UNBUILT, LORA_FORM_KOHYA},
    {".lokr_w2", LORA_UNBUILT, LORA_FORM_KOHYA},
    {".alpha", LORA_ALPHA, LORA_FORM_NONE},
    {".diff_b", LORA_ADDED_BIAS, LORA_FORM_KOHYA},
    {".diff", LORA_ADDED, LORA_FORM_KOHYA},
    {".bias", LORA_VALUE_BIAS, LORA_FORM_NONE},
    {".weight", LORA_VALUE, LORA_FORM_NONE},
};

/* Dropped from the front, each once, in this order. */
static const char *const beginnings[] = {
    "base_model.model.",
    "unet.",
    "text_encoder.",
    "model.diffusion_model.",
    "diffusion_model.",
    "lora_te_",
    "cond_stage_model.model.",
    "cond_stage_model.",
    "transformer.",
    "lora_te1_",
    "lora_unet_",
};

bool lora_key_join(const char *module, char out[LORA_NAME_SIZE])
{
    const size_t length = strlen(module);
    if (length == 0 || length >= LORA_NAME_SIZE) return false;
    for (size_t i = 0; i <= length; i++)
        out[i] = module[i] == '.' ? '_' : module[i];
    return true;
}

/* Attention processors name the product, not the module that makes it. */
static void unfold_processor(char *module)
{
    static const struct {
        const char *ending, *space, *text; /* in a UNet, in a text encoder */
    } products[] = {
        {"to_q", "to_q", "q_proj"},
        {"to_k", "to_k", "k_proj"},
        {"to_v", "to_v", "v_proj"},
        {"to_out", "to_out.0", "out_proj"},
    };
    char *processor = strstr(module, ".processor.");
    if (processor != NULL)
        memmove(processor, processor + strlen(".processor"),
                strlen(processor + strlen(".processor")) + 1);
    char *dot = strrchr(module, '.');
    for (size_t i = 0; dot != NULL && i < sizeof products / sizeof products[0]; i++) {
        if (strcmp(dot + 1, products[i].ending) != 0) continue;
        const bool text = strstr(module, "self_attn") != NULL;
        const size_t room = LORA_NAME_SIZE - (size_t)(dot + 1 - module);
        snprintf(dot + 1, room, "%s", text ? products[i].text : products[i].space);
        return;
    }
}

static const char *without_beginning(const char *module)
{
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        const size_t length = strlen(beginnings[i]);
        if (strncmp(module, beginnings[i], length) == 0) module += length;
    }
    return module;
}

bool lora_key_parse(const char *key, struct lora_key *out)
{
    char module[LORA_NAME_SIZE];
    const size_t length = strlen(key);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const size_t tail = strlen(endings[i].text);
        if (length <= tail || strcmp(key + length - tail, endings[i].text) != 0) continue;
        if (length - tail >= sizeof module) return false;
        memcpy(module, key, length - tail);
        module[length - tail] = '\0';
        out->role = endings[i].role;
        out->form = endings[i].form;
        if (out->form == LORA_FORM_PROCESSOR) unfold_processor(module);
        return lora_key_join(without_beginning(module), out->module);
    }
    return false;
}

bool lora_key_ordinal(const char *key, bool list_of_text, bool *text, int *index, bool *up)
{
    char copy[LORA_NAME_SIZE];
    int64_t number;
    if (strlen(key) >= sizeof copy) return false;
    if (text_parse_i64(key, 0, 2 * LORA_ORDINAL_MAX + 1, &number)) {
        *text = list_of_text;
        *index = (int)(number / 2);
        *up = number % 2 == 0;
        return true;
    }
    strcpy(copy, key);
    char *first = strchr(copy, ':'), *second = first != NULL ? strchr(first + 1, ':') : NULL;
    if (second == NULL) return false;
    *first = *second = '\0';
    *text = strcmp(copy, "text_encoder") == 0;
    *up = strcmp(second + 1, "up") == 0;
    if (!*text && strcmp(copy, "unet") != 0) return false;
    if (!*up && strcmp(second + 1, "down") != 0) return false;
    if (!text_parse_i64(first + 1, 0, LORA_ORDINAL_MAX, &number)) return false;
    *index = (int)number;
    return true;
}

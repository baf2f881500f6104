/* request_text: what a recipe says of its words beside prompt and negative_prompt. */
#ifndef ZOE_ENGINE_REQUEST_REQUEST_TEXT_H
#define ZOE_ENGINE_REQUEST_REQUEST_TEXT_H

#include <jansson.h>

#include "base/prompt.h"
#include "engine/text/tokenizer.h"

struct request_text {
    enum prompt_syntax syntax;
    enum tokenizer_rule rule;
    int clip_skip;
    const json_t *by_frame; /* {"0": "a cat", "8": "a dog"} in place of the prompt, borrowed; NULL:
                               the same prompt for all frames */
};

/* Reads prompt_syntax, tokenizer, clip_skip and prompts_by_frame of a checked recipe. */
void request_text_read(struct request_text *t, const json_t *recipe);

#endif

/* request_text: what a recipe says of its words beside prompt and negative_prompt. */
#ifndef ZOE_ENGINE_REQUEST_TEXT_H
#define ZOE_ENGINE_REQUEST_TEXT_H

#include <jansson.h>

#include "engine/prompt.h"
#include "engine/tokenizer.h"

struct request_text {
    enum prompt_syntax syntax;
    enum tokenizer_rule rule;
    int clip_skip;
    const json_t *by_frame; /* {"0": "a cat", "8": "a dog"} in place of the prompt, borrowed; NULL:
                               the same prompt for all frames */
};

/* Reads prompt_syntax, tokenizer, clip_skip and prompts_by_frame of a checked recipe, and checks
 * that its prompts can be read over `steps` steps. ERROR_USAGE names field and character. */
bool request_text_read(struct request_text *t, const json_t *facts, const json_t *recipe, int steps,
                       struct error *err);

#endif

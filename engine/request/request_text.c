#include "engine/request/request_text.h"

#include <string.h>

#include "base/recipe.h"

void request_text_read(struct request_text *t, const json_t *recipe)
{
    const char *tokenizer = recipe_text(recipe, "tokenizer", "transformers");
    t->syntax = prompt_syntax_of(recipe);
    t->rule = strcmp(tokenizer, "openclip") == 0 ? TOKENIZER_OPENCLIP : TOKENIZER_TRANSFORMERS;
    t->clip_skip = (int)recipe_int(recipe, "clip_skip", 0);
    t->by_frame = json_object_get(recipe, "prompts_by_frame");
}

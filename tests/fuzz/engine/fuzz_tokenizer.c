/* A prompt from outside: ids stay in the vocabulary, between begin and end, padded to the length.
 * There are at most as many tokens as composed text has bytes, and composing may lengthen it:
 * U+0202 U+0323 (four bytes) is U+1EA1 U+0311 (five). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/recipe.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "engine/text/tokenizer.h"

#define GROWTH_MAX 3 /* a code of two bytes is at most a letter and two marks of two bytes each */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tokenizer *tiny(void)
{
    static struct tokenizer *opened;
    if (opened == NULL) opened = tokenizer_open(TEST_DATA "/tiny/tokenizer", "!", NULL);
    ZOE_ASSERT(opened != NULL);
    return opened;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int32_t ids[TOKENIZER_LENGTH_MAX];
    if (size > RECIPE_PROMPT_MAX_BYTES || !text_is_utf8((const char *)data, size)) return 0;
    char *text = xstrndup((const char *)data, size);
    const int count = tokenizer_encode(tiny(), text, ids), length = tokenizer_length(tiny());
    ZOE_ASSERT(count >= 0 && (size_t)count <= GROWTH_MAX * size);
    for (int i = 0; i < length; i++)
        ZOE_ASSERT(ids[i] >= 0 && ids[i] < tokenizer_vocabulary(tiny()));
    free(text);
    return 0;
}

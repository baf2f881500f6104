/* A prompt in A1111's notation, from outside: first byte: steps. Parts are never more bytes than
 * the prompt, weights stay within their limit, every step has a text; chunks are begin, tokens,
 * end, padding. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/recipe.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "engine/text/prompt_chunks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tokenizer *tiny(void)
{
    static struct tokenizer *opened;
    if (opened == NULL) opened = tokenizer_open(TEST_DATA "/tiny/tokenizer", "!", NULL);
    ZOE_ASSERT(opened != NULL);
    return opened;
}

static void check_chunks(const struct prompt_text *text)
{
    struct prompt_chunks c;
    struct error err = {0};
    const enum tokenizer_rule rule = (enum tokenizer_rule)(text->count % 2);
    if (prompt_chunks_make(&c, tiny(), text, PROMPT_A1111, rule, &err)) {
        ZOE_ASSERT(c.count >= 1 && c.count <= PROMPT_CHUNKS_MAX && c.dropped == NULL);
        for (int i = 0; i < c.count * c.length; i++)
            ZOE_ASSERT(c.ids[i] >= 0 && c.ids[i] < tokenizer_vocabulary(tiny()) &&
                       fabs(c.weights[i]) <= PROMPT_WEIGHT_MAX);
        for (int i = 0; i < c.count; i++)
            ZOE_ASSERT(c.ids[i * c.length] == tokenizer_vocabulary(tiny()) - 2);
    } else {
        ZOE_ASSERT(err.code == ERROR_USAGE);
    }
    prompt_chunks_finish(&c);
}

static void check_text(const struct prompt_text *t, size_t size)
{
    size_t bytes = 0;
    ZOE_ASSERT(t->count > 0);
    for (int i = 0; i < t->count; i++) {
        bytes += strlen(t->parts[i].text);
        ZOE_ASSERT(fabs(t->parts[i].weight) <= PROMPT_WEIGHT_MAX);
    }
    ZOE_ASSERT(bytes <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prompt p;
    struct error err = {0};
    if (size < 1 || size > RECIPE_PROMPT_MAX_BYTES ||
        !text_is_utf8((const char *)data + 1, size - 1))
        return 0;
    const int steps = 1 + data[0];
    char *text = xstrndup((const char *)data + 1, size - 1);
    if (prompt_parse(&p, text, PROMPT_A1111, steps, &err)) {
        for (int i = 0; i < steps; i++)
            ZOE_ASSERT(p.text_at[i] >= 0 && p.text_at[i] < p.text_count);
        for (int i = 0; i < p.text_count; i++)
            check_text(&p.texts[i], size);
        check_chunks(&p.texts[0]);
    } else {
        ZOE_ASSERT(err.code == ERROR_USAGE);
    }
    prompt_finish(&p);
    free(text);
    return 0;
}

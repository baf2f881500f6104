/* submit_words: see the header. A word is a run of letters, digits, apostrophes and bytes outside
 * of ASCII, lower-cased as far as ASCII goes. */
#include "coordinator/submit_words.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/xalloc.h"

#define WORD_MAX 40

void submit_words_init(struct submit_words *w, const json_t *list)
{
    *w = (struct submit_words){0};
    table_init(&w->known);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        if (word != NULL && word[0] != '\0') table_set_text(&w->known, word, w);
    }
}

void submit_words_finish(struct submit_words *w)
{
    for (int i = 0; i < w->unknown_count; i++)
        free(w->unknown[i]);
    table_finish(&w->known);
}

static bool in_word(unsigned char c)
{
    return c >= 0x80 || c == '\'' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

/* Lower-cased; a longer word is cut, between characters. */
static size_t copy_word(const char *word, size_t size, char out[WORD_MAX + 1])
{
    if (size > WORD_MAX) {
        size = WORD_MAX;
        while (size > 0 && ((unsigned char)word[size] & 0xc0) == 0x80)
            size--;
    }
    for (size_t i = 0; i < size; i++)
        out[i] = (char)(word[i] >= 'A' && word[i] <= 'Z' ? word[i] - 'A' + 'a' : word[i]);
    out[size] = '\0';
    return size;
}

static void remember(struct submit_words *w, const char *word)
{
    if (w->unknown_count == SUBMIT_WORDS_SHOWN) return;
    for (int i = 0; i < w->unknown_count; i++)
        if (strcmp(w->unknown[i], word) == 0) return;
    w->unknown[w->unknown_count++] = xstrdup(word);
}

void submit_words_look(struct submit_words *w, const char *prompt, size_t size)
{
    if (w->known.count == 0) return;
    bool strange = false;
    for (size_t i = 0; i < size;) {
        size_t end = i;
        while (end < size && in_word((unsigned char)prompt[end]))
            end++;
        if (end > i) {
            char word[WORD_MAX + 1];
            size_t length = copy_word(prompt + i, end - i, word);
            if (table_get(&w->known, word, length) == NULL) {
                strange = true;
                remember(w, word);
            }
        }
        i = end + 1;
    }
    w->prompts++;
    w->strangers += strange;
}

char *submit_words_warning(const struct submit_words *w, const char *model)
{
    if (w->strangers == 0) return NULL;
    struct buf text = BUF_INIT;
    buf_printf(&text,
               "%" PRIu64 " of %" PRIu64 " prompts use words that the model %s was never shown (",
               w->strangers, w->prompts, model);
    for (int i = 0; i < w->unknown_count; i++)
        buf_printf(&text, "%s%s", i ? ", " : "", w->unknown[i]);
    buf_append_text(&text,
                    "): it renders something, but not that; `zoe model show` lists its words");
    return buf_take_text(&text);
}

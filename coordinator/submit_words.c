/* submit_words: see the header. A word is a run of letters (bytes above 127 count as letters), in
 * lower case. */
#include "coordinator/submit_words.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/xalloc.h"

#define WORD_MAX 48

void submit_words_init(struct submit_words *w)
{
    *w = (struct submit_words){0};
    table_init(&w->lists);
}

static void forget_lists(struct submit_words *w)
{
    struct table *words;
    for (size_t i = 0; (words = table_next(&w->lists, &i, NULL, NULL)) != NULL;)
        table_finish(words);
    table_finish_all(&w->lists);
}

void submit_words_finish(struct submit_words *w)
{
    forget_lists(w);
    for (uint32_t i = 0; i < w->stranger_count; i++)
        free(w->strangers[i]);
    free(w->model_name);
}

static struct table *load(struct submit_facts *known_facts, const struct model *model)
{
    static char present; /* a value that is not NULL */
    struct table *known = xcalloc(1, sizeof *known);
    json_t *facts = submit_facts_of(known_facts, model, NULL);
    const json_t *words = json_object_get(facts, "words");
    for (size_t i = 0; i < json_array_size(words); i++) {
        const char *word = json_string_value(json_array_get(words, i));
        if (word != NULL) table_set_text(known, word, &present);
    }
    json_decref(facts);
    return known;
}

static const struct table *list_of(struct submit_words *w, struct submit_facts *facts,
                                   const struct model *model)
{
    struct table *known = table_get_text(&w->lists, model->name);
    if (known != NULL) return known;
    if (w->lists.count == SUBMIT_WORDS_KEPT) forget_lists(w);
    known = load(facts, model);
    (void)table_set_text(&w->lists, model->name, known);
    return known;
}

static void note(struct submit_words *w, const struct model *model, const char *word, size_t size)
{
    for (uint32_t i = 0; i < w->stranger_count; i++)
        if (strlen(w->strangers[i]) == size && memcmp(w->strangers[i], word, size) == 0) return;
    if (w->stranger_count == SUBMIT_WORDS_NAMED) return;
    if (w->model_name == NULL) w->model_name = xstrdup(model->name);
    w->strangers[w->stranger_count++] = xstrndup(word, size);
}

static bool is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 128;
}

void submit_words_look(struct submit_words *w, struct submit_facts *facts,
                       const struct model *model, const char *prompt, size_t size)
{
    const struct table *known = list_of(w, facts, model);
    if (known->count == 0 || w->stranger_count == SUBMIT_WORDS_NAMED) return;
    for (size_t at = 0; at < size;) {
        char word[WORD_MAX];
        size_t n = 0;
        while (at < size && !is_letter((unsigned char)prompt[at]))
            at++;
        for (; at < size && is_letter((unsigned char)prompt[at]); at++) {
            char c = prompt[at];
            if (n < sizeof word) word[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        }
        if (n > 0 && table_get(known, word, n) == NULL) note(w, model, word, n);
    }
}

char *submit_words_warning(const struct submit_words *w)
{
    if (w->stranger_count == 0) return NULL;
    struct buf text = BUF_INIT;
    buf_printf(&text, "the model '%s' does not know the word%s", w->model_name,
               w->stranger_count > 1 ? "s" : "");
    for (uint32_t i = 0; i < w->stranger_count; i++)
        buf_printf(&text, "%s '%s'", i ? "," : "", w->strangers[i]);
    if (w->stranger_count == SUBMIT_WORDS_NAMED) buf_append_text(&text, " and perhaps more");
    buf_append_text(&text,
                    "; it renders something all the same (`zoe model show` lists its words)");
    return buf_take_text(&text);
}

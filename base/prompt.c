#include "base/prompt.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/recipe.h"
#include "base/xalloc.h"

enum prompt_syntax prompt_syntax_of(const json_t *recipe)
{
    const char *name = recipe_text(recipe, "prompt_syntax", "plain");
    return strcmp(name, "a1111") == 0 ? PROMPT_A1111 : PROMPT_PLAIN;
}

bool prompt_error(struct error *err, const char *text, const char *place, const char *format, ...)
{
    char what[200];
    int character = 1;
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    for (const char *c = text; c < place; c++)
        character += ((unsigned char)*c & 0xc0) != 0x80;
    return error_set(err, ERROR_USAGE, "character %d: %s", character, what);
}

void prompt_text_finish(struct prompt_text *t)
{
    for (int i = 0; i < t->count; i++)
        free(t->parts[i].text);
    free(t->parts);
    *t = (struct prompt_text){0};
}

static void take_plain(struct prompt *p, const char *text)
{
    p->text_count = 1;
    p->texts = xcalloc(1, sizeof *p->texts);
    p->text_at = xcalloc((size_t)p->steps, sizeof *p->text_at);
    p->texts[0].count = 1;
    p->texts[0].parts = xcalloc(1, sizeof *p->texts[0].parts);
    p->texts[0].parts[0] = (struct prompt_part){xstrdup(text), 1, false};
}

static bool take_a1111(struct prompt *p, const char *text, struct error *err)
{
    struct prompt_schedule s = {0};
    bool ok = prompt_schedule(&s, text, p->steps, err);
    p->texts = xcalloc((size_t)s.count + 1, sizeof *p->texts);
    for (; ok && p->text_count < s.count; p->text_count++)
        ok = prompt_weigh(&p->texts[p->text_count], s.texts[p->text_count], err);
    p->text_at = s.text_at;
    s.text_at = NULL;
    prompt_schedule_finish(&s);
    return ok;
}

bool prompt_parse(struct prompt *p, const char *text, enum prompt_syntax syntax, int steps,
                  struct error *err)
{
    *p = (struct prompt){.steps = steps};
    if (syntax == PROMPT_A1111) return take_a1111(p, text, err);
    take_plain(p, text);
    return true;
}

void prompt_finish(struct prompt *p)
{
    for (int i = 0; i < p->text_count; i++)
        prompt_text_finish(&p->texts[i]);
    free(p->texts);
    free(p->text_at);
    *p = (struct prompt){0};
}

bool prompt_check(const char *text, enum prompt_syntax syntax, int steps, struct error *err)
{
    struct prompt prompt;
    if (syntax == PROMPT_PLAIN) return true;
    const bool ok = prompt_parse(&prompt, text, syntax, steps, err);
    prompt_finish(&prompt);
    return ok;
}

#include "base/finding.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"

void findings_finish(struct findings *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->items[i].where);
        free(f->items[i].words);
        free(f->items[i].fix);
    }
    free(f->items);
    *f = (struct findings){0};
}

/* Names of files and batches come from outside: nothing of them may steer a terminal. */
static char *clean(char *text)
{
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = ' ';
    if (text_is_utf8(text, strlen(text))) return text;
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    return text;
}

bool findings_add(struct findings *f, enum finding_level level, const char *topic,
                  const char *where, const char *fix, const char *format, ...)
{
    char words[2048];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    if (f->count == f->capacity) {
        f->capacity = f->capacity ? 2 * f->capacity : 32;
        f->items = xrealloc_array(f->items, f->capacity, sizeof *f->items);
    }
    f->items[f->count++] = (struct finding){.level = level,
                                            .topic = topic,
                                            .where = clean(xstrdup(where ? where : "")),
                                            .words = clean(xstrdup(words)),
                                            .fix = clean(xstrdup(fix ? fix : ""))};
    f->counts[level]++;
    return level == FINDING_OK;
}

bool findings_many_next(struct findings_many *m)
{
    return ++m->seen <= m->most;
}

const char *finding_level_name(enum finding_level level)
{
    static const char *const names[] = {"ok", "warn", "fail"};
    return names[level];
}

static void print_one(const struct finding *i, FILE *out, bool color)
{
    static const char *const colors[] = {"\033[32m", "\033[33m", "\033[31m"};
    (void)fprintf(out, "%s%-4s%s  %-9s %s%s%s\n", color ? colors[i->level] : "",
                  finding_level_name(i->level), color ? "\033[0m" : "", i->topic, i->where,
                  i->where[0] != '\0' ? ": " : "", i->words);
    if (i->fix[0] != '\0') (void)fprintf(out, "                -> %s\n", i->fix);
}

void findings_print(const struct findings *f, FILE *out, bool all, bool color)
{
    for (size_t i = 0; i < f->count; i++)
        if (all || f->items[i].level != FINDING_OK) print_one(&f->items[i], out, color);
}

json_t *findings_json(const struct findings *f)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->count; i++) {
        const struct finding *item = &f->items[i];
        json_t *o = json_pack("{ssssssss}", "level", finding_level_name(item->level), "topic",
                              item->topic, "where", item->where, "what", item->words);
        if (item->fix[0] != '\0') json_object_set_new(o, "fix", json_string(item->fix));
        json_array_append_new(list, o);
    }
    return list;
}

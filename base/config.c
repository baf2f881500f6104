/* `key = value` files. */
#include "base/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"

static const char blanks[] = " \t\r";

/* Cuts blanks at both ends in place. */
static char *trim(char *text)
{
    text += strspn(text, blanks);
    size_t size = strlen(text);
    while (size > 0 && strchr(blanks, text[size - 1]) != NULL) {
        size--;
    }
    text[size] = '\0';
    return text;
}

static bool is_known(const char *key, const char *const *known)
{
    for (; *known != NULL; known++) {
        if (strcmp(*known, key) == 0) return true;
    }
    return false;
}

static bool unknown_key(const struct config *c, int line, const char *key, const char *const *known,
                        struct error *err)
{
    const char *nearest = text_nearest(key, known);
    if (nearest == NULL) {
        return error_set(err, ERROR_USAGE, "%s:%d: unknown setting '%s'", c->path, line, key);
    }
    return error_set(err, ERROR_USAGE, "%s:%d: unknown setting '%s'; did you mean '%s'?", c->path,
                     line, key, nearest);
}

static void add_entry(struct config *c, const char *key, const char *value, int line)
{
    size_t count = (size_t)c->count + 1;
    c->entries = xrealloc_array(c->entries, count, sizeof(*c->entries));
    c->entries[c->count++] =
        (struct config_entry){.key = xstrdup(key), .value = xstrdup(value), .line = line};
}

static bool parse_line(struct config *c, char *text, int line, const char *const *known,
                       struct error *err)
{
    text = trim(text);
    if (text[0] == '\0' || text[0] == '#') return true;
    char *equals = strchr(text, '=');
    if (equals == NULL) {
        return error_set(err, ERROR_USAGE, "%s:%d: expected 'key = value'", c->path, line);
    }
    *equals = '\0';
    const char *key = trim(text);
    const char *value = trim(equals + 1);
    if (key[0] == '\0') {
        return error_set(err, ERROR_USAGE, "%s:%d: no key before '='", c->path, line);
    }
    if (!is_known(key, known)) return unknown_key(c, line, key, known, err);
    add_entry(c, key, value, line);
    return true;
}

static bool parse_all(struct config *c, char *text, const char *const *known, struct error *err)
{
    int line = 0;
    while (text != NULL) {
        char *end = strchr(text, '\n');
        if (end != NULL) *end = '\0';
        if (!parse_line(c, text, ++line, known, err)) return false;
        text = end != NULL ? end + 1 : NULL;
    }
    return true;
}

static bool load_text(struct config *c, struct buf *text, const char *const *known,
                      struct error *err)
{
    if (!text_is_utf8(buf_text(text), text->size)) {
        return error_set(err, ERROR_USAGE, "%s is not UTF-8 text", c->path);
    }
    return text->size == 0 || parse_all(c, (char *)text->data, known, err);
}

bool config_load(struct config *c, const char *path, const char *const *known, struct error *err)
{
    *c = (struct config){0};
    struct error why = {0};
    struct buf text = BUF_INIT;
    bool ok = path_read(path, CONFIG_MAX_BYTES, &text, &why);
    if (!ok && why.code == ERROR_NOT_FOUND) {
        buf_finish(&text);
        return true;
    }
    if (ok) {
        c->path = xstrdup(path);
        ok = load_text(c, &text, known, &why);
    }
    buf_finish(&text);
    if (ok) return true;
    config_finish(c);
    if (err != NULL) *err = why;
    return false;
}

void config_finish(struct config *c)
{
    for (int i = 0; i < c->count; i++) {
        free(c->entries[i].key);
        free(c->entries[i].value);
    }
    free(c->entries);
    free(c->path);
    *c = (struct config){0};
}

const struct config_entry *config_find(const struct config *c, const char *key)
{
    for (int i = c->count - 1; i >= 0; i--) {
        if (strcmp(c->entries[i].key, key) == 0) return &c->entries[i];
    }
    return NULL;
}

const char *config_get(const struct config *c, const char *key)
{
    const struct config_entry *entry = config_find(c, key);
    return entry != NULL ? entry->value : NULL;
}

#include "engine/model/config_rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"

#define CONFIG_INT_MAX (1 << 20)

/* ---- Python's JSON ---- */

static const char *word_at(const char *text)
{
    static const char *const words[] = {"-Infinity", "Infinity", "NaN"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strncmp(text, words[i], strlen(words[i])) == 0) return words[i];
    return NULL;
}

/* `text` ends with a 0 byte. */
static void quote_words(const char *text, size_t size, struct buf *out)
{
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        const char *word = quoted ? NULL : word_at(text + i);
        if (word != NULL) {
            buf_printf(out, "\"%s\"", word);
            i += strlen(word) - 1;
            continue;
        }
        if (text[i] == '"') quoted = !quoted;
        buf_append_char(out, text[i]);
        if (quoted && text[i] == '\\' && i + 1 < size) buf_append_char(out, text[++i]);
    }
}

json_t *config_rules_read(const char *path, size_t limit_bytes, struct error *err)
{
    struct buf text = BUF_INIT, plain = BUF_INIT;
    json_t *value = NULL;
    if (path_read(path, limit_bytes, &text, err)) {
        quote_words(buf_text(&text), text.size, &plain);
        value = json_parse(buf_text(&plain), plain.size, path, err);
    }
    buf_finish(&text);
    buf_finish(&plain);
    return value;
}

/* ---- rules ---- */

static bool one_of(const json_t *value, const char *values)
{
    json_t *list = json_loads(values, 0, NULL);
    size_t i;
    const json_t *legal;
    bool found = false;
    ZOE_ASSERT(json_is_array(list));
    json_array_foreach(list, i, legal) found = found || json_equal(value, legal);
    json_decref(list);
    return found;
}

static const struct config_rule *find_rule(const struct config_rule *rules, const char *key)
{
    while (rules->key != NULL && strcmp(rules->key, key) != 0)
        rules++;
    return rules->key != NULL ? rules : NULL;
}

static bool refuse(const char *what, const char *key, const json_t *value, struct error *err)
{
    char *text = json_canonical(value);
    error_set(err, ERROR_INVALID, "%s: \"%s\": %.100s is not built", what, key, text);
    free(text);
    return false;
}

static bool check_member(const char *key, const json_t *value, const struct config_rule *rules,
                         const char *what, struct error *err)
{
    if (key[0] == '_' || json_is_null(value)) return true;
    const struct config_rule *rule = find_rule(rules, key);
    if (rule == NULL) return refuse(what, key, value, err);
    if (rule->action != CONFIG_MUST || one_of(value, rule->values)) return true;
    return refuse(what, key, value, err);
}

bool config_rules_check(const json_t *config, const struct config_rule *rules, const char *what,
                        struct error *err)
{
    if (!json_is_object(config)) return error_set(err, ERROR_INVALID, "%s: not an object", what);
    /* The iterator only reads, but jansson's type is not const. */
    json_t *object = json_copy((json_t *)(uintptr_t)config);
    const char *key;
    json_t *value;
    bool ok = true;
    json_object_foreach(object, key, value) ok = ok && check_member(key, value, rules, what, err);
    json_decref(object);
    return ok;
}

static bool int_in_range(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) > 0 &&
           json_integer_value(value) <= CONFIG_INT_MAX;
}

bool config_rules_int(const json_t *config, const char *key, int fallback, int *out,
                      const char *what, struct error *err)
{
    const json_t *value = json_object_get(config, key);
    if ((value == NULL || json_is_null(value)) && fallback > 0) {
        *out = fallback;
        return true;
    }
    if (!int_in_range(value))
        return error_set(err, ERROR_INVALID, "%s: \"%s\" must be an integer from 1 to %d", what,
                         key, CONFIG_INT_MAX);
    *out = (int)json_integer_value(value);
    return true;
}

bool config_rules_ints(const json_t *config, const char *key, int limit, int *out, int *count_out,
                       const char *what, struct error *err)
{
    const json_t *list = json_object_get(config, key);
    const int count = (int)json_array_size(list);
    bool ok = count >= 1 && count <= limit;
    for (int i = 0; ok && i < count; i++) {
        const json_t *value = json_array_get(list, (size_t)i);
        ok = int_in_range(value);
        if (ok) out[i] = (int)json_integer_value(value);
    }
    if (!ok)
        return error_set(err, ERROR_INVALID,
                         "%s: \"%s\" must be a list of 1 to %d positive integers", what, key,
                         limit);
    *count_out = count;
    return true;
}

bool config_rules_real(const json_t *config, const char *key, double fallback, double min,
                       double max, double *out, const char *what, struct error *err)
{
    if (!json_get_real_or(config, key, fallback, out, what, err)) return false;
    if (*out >= min && *out <= max) return true;
    return error_set(err, ERROR_INVALID, "%s: \"%s\" must be within %g..%g", what, key, min, max);
}

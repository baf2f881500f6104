/* JSON by jansson for reading; our own writer, because a canonical text must not change with a
 * library's version or the locale. */
#include "base/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"

enum style { CANONICAL, LINE, PRETTY };

json_t *json_parse(const char *text, size_t size_bytes, const char *what, struct error *err)
{
    json_error_t where;
    json_t *value = json_loadb(text, size_bytes, JSON_REJECT_DUPLICATES, &where);
    if (value == NULL) {
        (void)error_set(err, ERROR_INVALID, "%s:%d:%d: %s", what, where.line, where.column,
                        where.text);
    }
    return value;
}

json_t *json_parse_file(const char *path, size_t limit_bytes, struct error *err)
{
    struct buf text = BUF_INIT;
    json_t *value = NULL;
    if (path_read(path, limit_bytes, &text, err)) {
        value = json_parse(buf_text(&text), text.size, path, err);
    }
    buf_finish(&text);
    return value;
}

static void write_escaped(struct buf *out, unsigned char c)
{
    static const char short_forms[128] = {['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
                                          ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't'};
    char form = c < 128 ? short_forms[c] : '\0';
    if (form != '\0') {
        buf_append_char(out, '\\');
        buf_append_char(out, form);
    } else if (c < 0x20) {
        buf_printf(out, "\\u%04x", (unsigned)c);
    } else {
        buf_append_char(out, (char)c);
    }
}

static void write_text(struct buf *out, const char *text, size_t size)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < size; i++) {
        write_escaped(out, (unsigned char)text[i]);
    }
    buf_append_char(out, '"');
}

static void write_canonical_real(struct buf *out, double value)
{
    char text[TEXT_REAL_SIZE];
    text_real(value + 0.0, 17, text); /* the sum turns -0.0 into 0.0 */
    buf_append_text(out, text);
}

static void write_short_real(struct buf *out, double value)
{
    char text[TEXT_REAL_SIZE];
    double again = 0;
    for (int digits = 15; digits <= 17; digits++) {
        text_real(value, digits, text);
        if (text_parse_double(text, &again) && again == value) break;
    }
    buf_append_text(out, text);
    if (strpbrk(text, ".e") == NULL) buf_append_text(out, ".0");
}

static int compare_keys(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(*left, *right);
}

/* Borrowed keys, in the order of the style; the caller frees the array. jansson iterates only over
 * objects it might change, hence the one cast in this file; nothing is changed. */
static const char **keys_of(const json_t *object, enum style style)
{
    json_t *walked = (json_t *)(uintptr_t)object;
    size_t count = json_object_size(object);
    const char **keys = xcalloc(count, sizeof(*keys));
    size_t i = 0;
    void *at = json_object_iter(walked);
    for (; at != NULL; at = json_object_iter_next(walked, at)) {
        keys[i++] = json_object_iter_key(at);
    }
    if (style == CANONICAL && count > 1) qsort(keys, count, sizeof(*keys), compare_keys);
    return keys;
}

static void write_break(struct buf *out, enum style style, int depth)
{
    if (style != PRETTY) return;
    buf_append_char(out, '\n');
    for (int i = 0; i < depth; i++) {
        buf_append_text(out, "  ");
    }
}

static void write_comma(struct buf *out, enum style style)
{
    buf_append_text(out, style == LINE ? ", " : ",");
}

static void write_value(struct buf *out, const json_t *value, enum style style, int depth);

static void write_object(struct buf *out, const json_t *object, enum style style, int depth)
{
    size_t count = json_object_size(object);
    const char **keys = keys_of(object, style);
    buf_append_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) write_comma(out, style);
        write_break(out, style, depth + 1);
        write_text(out, keys[i], strlen(keys[i]));
        buf_append_text(out, style == CANONICAL ? ":" : ": ");
        write_value(out, json_object_get(object, keys[i]), style, depth + 1);
    }
    if (count > 0) write_break(out, style, depth);
    buf_append_char(out, '}');
    free(keys);
}

static void write_array(struct buf *out, const json_t *array, enum style style, int depth)
{
    size_t count = json_array_size(array);
    buf_append_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) write_comma(out, style);
        write_break(out, style, depth + 1);
        write_value(out, json_array_get(array, i), style, depth + 1);
    }
    if (count > 0) write_break(out, style, depth);
    buf_append_char(out, ']');
}

static void write_value(struct buf *out, const json_t *value, enum style style, int depth)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(out, value, style, depth);
        break;
    case JSON_ARRAY:
        write_array(out, value, style, depth);
        break;
    case JSON_STRING:
        write_text(out, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        if (style == CANONICAL) {
            write_canonical_real(out, json_real_value(value));
        } else {
            write_short_real(out, json_real_value(value));
        }
        break;
    case JSON_TRUE:
        buf_append_text(out, "true");
        break;
    case JSON_FALSE:
        buf_append_text(out, "false");
        break;
    case JSON_NULL:
        buf_append_text(out, "null");
        break;
    }
}

static char *write_all(const json_t *value, enum style style)
{
    struct buf out = BUF_INIT;
    write_value(&out, value, style, 0);
    if (style == PRETTY) buf_append_char(&out, '\n');
    return buf_take_text(&out);
}

char *json_canonical(const json_t *value)
{
    return write_all(value, CANONICAL);
}

char *json_line(const json_t *value)
{
    return write_all(value, LINE);
}

char *json_pretty(const json_t *value)
{
    return write_all(value, PRETTY);
}

const char *json_shown(const json_t *value, char out[JSON_SHOWN_SIZE])
{
    char *whole = json_line(value);
    const size_t size = strlen(whole), room = JSON_SHOWN_SIZE - sizeof("...");
    size_t kept = size;
    if (size > room) {
        kept = room;
        while (kept > 0 && ((unsigned char)whole[kept] & 0xc0) == 0x80) {
            kept--;
        }
    }
    memcpy(out, whole, kept);
    memcpy(out + kept, size > kept ? "..." : "", size > kept ? sizeof("...") : 1);
    free(whole);
    return out;
}

static bool missing(const char *key, const char *what, struct error *err)
{
    return error_set(err, ERROR_INVALID, "%s: there is no member '%s'", what, key);
}

static bool wrong_type(const char *key, const char *wanted, const char *what, struct error *err)
{
    return error_set(err, ERROR_INVALID, "%s: '%s' must be %s", what, key, wanted);
}

/* Borrowed member; NULL when it is absent or null. */
static const json_t *member(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

bool json_get_int(const json_t *object, const char *key, int64_t *out, const char *what,
                  struct error *err)
{
    if (member(object, key) == NULL) return missing(key, what, err);
    return json_get_int_or(object, key, 0, out, what, err);
}

bool json_get_int_or(const json_t *object, const char *key, int64_t fallback, int64_t *out,
                     const char *what, struct error *err)
{
    const json_t *value = member(object, key);
    if (value != NULL && !json_is_integer(value)) return wrong_type(key, "an integer", what, err);
    *out = value != NULL ? (int64_t)json_integer_value(value) : fallback;
    return true;
}

bool json_get_real_or(const json_t *object, const char *key, double fallback, double *out,
                      const char *what, struct error *err)
{
    const json_t *value = member(object, key);
    if (value != NULL && !json_is_number(value)) return wrong_type(key, "a number", what, err);
    *out = value != NULL ? json_number_value(value) : fallback;
    return true;
}

bool json_get_bool_or(const json_t *object, const char *key, bool fallback, bool *out,
                      const char *what, struct error *err)
{
    const json_t *value = member(object, key);
    if (value != NULL && !json_is_boolean(value)) {
        return wrong_type(key, "true or false", what, err);
    }
    *out = value != NULL ? json_is_true(value) : fallback;
    return true;
}

bool json_get_text(const json_t *object, const char *key, const char **out, const char *what,
                   struct error *err)
{
    if (member(object, key) == NULL) return missing(key, what, err);
    return json_get_text_or(object, key, NULL, out, what, err);
}

bool json_get_text_or(const json_t *object, const char *key, const char *fallback, const char **out,
                      const char *what, struct error *err)
{
    const json_t *value = member(object, key);
    if (value != NULL && !json_is_string(value)) return wrong_type(key, "a text", what, err);
    *out = value != NULL ? json_string_value(value) : fallback;
    return true;
}

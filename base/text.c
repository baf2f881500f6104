/* Text from outside: UTF-8, slugs, numbers, near misses. Pure. */
#include "base/text.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"

#define NEAREST_MAX_LENGTH 63

/* Length of the sequence that starts here, 0 when it is not valid (Unicode 15, table 3-7). */
static size_t sequence_length(const uint8_t *p, size_t left)
{
    uint8_t lead = p[0];
    if (lead == 0) return 0;
    if (lead < 0x80) return 1;
    if (lead < 0xc2 || lead > 0xf4) return 0;
    size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (left < length) return 0;
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;  /* no overlong form */
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf; /* no surrogate, <= 10FFFF */
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
    }
    return length;
}

bool text_is_utf8(const char *text, size_t size_bytes)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t at = 0;
    while (at < size_bytes) {
        size_t length = sequence_length(p + at, size_bytes - at);
        if (length == 0) return false;
        at += length;
    }
    return true;
}

static char slug_char(char c)
{
    if (c >= 'A' && c <= 'Z') return (char)(c - 'A' + 'a');
    bool keep = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    return keep ? c : '-';
}

void text_slug_raw(const char *text, char out[TEXT_SLUG_MAX + 1])
{
    size_t size = 0;
    for (; *text != '\0' && size < TEXT_SLUG_MAX; text++) {
        char c = slug_char(*text);
        if (c == '-' && (size == 0 || out[size - 1] == '-')) continue;
        out[size++] = c;
    }
    if (size > 0 && out[size - 1] == '-') size--;
    out[size] = '\0';
}

void text_slug(const char *text, char out[TEXT_SLUG_MAX + 1])
{
    text_slug_raw(text, out);
    if (out[0] == '\0') memcpy(out, "clip", sizeof("clip"));
}

/* Negative numbers grow downwards, so that INT64_MIN needs no special case. */
static bool parse_digits(const char *text, bool negative, int64_t *out)
{
    int64_t value = 0;
    if (*text == '\0') return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') return false;
        int64_t digit = *text - '0';
        if (negative ? value < (INT64_MIN + digit) / 10 : value > (INT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + (negative ? -digit : digit);
    }
    *out = value;
    return true;
}

bool text_parse_i64(const char *text, int64_t min, int64_t max, int64_t *out)
{
    bool negative = min < 0 && text[0] == '-';
    int64_t value = 0;
    if (!parse_digits(text + (negative ? 1 : 0), negative, &value)) return false;
    if (value < min || value > max) return false;
    *out = value;
    return true;
}

static const char *skip_digits(const char *p, bool *any)
{
    size_t count = strspn(p, "0123456789");
    *any = *any || count > 0;
    return p + count;
}

/* [-]digits[.digits][e[+-]digits], with a digit on at least one side of the point. */
static bool is_decimal(const char *p)
{
    if (*p == '-') p++;
    bool any = false;
    p = skip_digits(p, &any);
    if (*p == '.') p = skip_digits(p + 1, &any);
    if (!any) return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        if (*p == '+' || *p == '-') p++;
        bool exponent = false;
        p = skip_digits(p, &exponent);
        if (!exponent) return false;
    }
    return *p == '\0';
}

/* The program's locale may write a decimal comma; numbers in files never do. */
static locale_t enter_c_locale(locale_t *previous)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    ZOE_ASSERT(c != (locale_t)0);
    *previous = uselocale(c);
    return c;
}

static void leave_c_locale(locale_t c, locale_t previous)
{
    (void)uselocale(previous);
    freelocale(c);
}

bool text_parse_double(const char *text, double *out)
{
    if (!is_decimal(text)) return false;
    locale_t previous = (locale_t)0;
    locale_t c = enter_c_locale(&previous);
    double value = strtod(text, NULL);
    leave_c_locale(c, previous);
    if (!isfinite(value)) return false;
    *out = value;
    return true;
}

void text_real(double value, int digits, char out[TEXT_REAL_SIZE])
{
    ZOE_ASSERT(isfinite(value) && digits >= 1 && digits <= 17);
    locale_t previous = (locale_t)0;
    locale_t c = enter_c_locale(&previous);
    (void)snprintf(out, TEXT_REAL_SIZE, "%.*g", digits, value);
    leave_c_locale(c, previous);
}

static int64_t unit_ns(char letter)
{
    static const struct {
        char letter;
        int64_t ns;
    } units[] = {
        {'s', NS_PER_S}, {'m', 60 * NS_PER_S}, {'h', 3600 * NS_PER_S}, {'d', 86400 * NS_PER_S}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (units[i].letter == letter) return units[i].ns;
    return 0;
}

bool text_parse_duration(const char *text, int64_t max_ns, int64_t *out_ns)
{
    int64_t total = 0;
    if (!*text) return false;
    while (*text) {
        char *end;
        if (*text < '0' || *text > '9') return false;
        long long number = strtoll(text, &end, 10);
        int64_t unit = *end ? unit_ns(*end) : NS_PER_S;
        if (!unit || number > 1000000 || number > (max_ns - total) / unit) return false;
        total += number * unit;
        text = *end ? end + 1 : end;
    }
    *out_ns = total;
    return true;
}

bool text_parse_size(const char *text, int64_t *width, int64_t *height)
{
    const char *times = strchr(text, 'x');
    if (times == NULL || times - text > 19) return false;
    char left[20];
    memcpy(left, text, (size_t)(times - text));
    left[times - text] = '\0';
    int64_t w = 0;
    int64_t h = 0;
    if (!text_parse_i64(left, 1, INT64_MAX, &w)) return false;
    if (!text_parse_i64(times + 1, 1, INT64_MAX, &h)) return false;
    *width = w;
    *height = h;
    return true;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: insert, delete, replace and swap of neighbours cost one each. */
static size_t edit_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t rows[3][NEAREST_MAX_LENGTH + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_size; j++) {
        last[j] = j;
        before[j] = 0;
    }
    for (size_t i = 1; i <= a_size; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            now[j] = least(change, least(last[j], now[j - 1]) + 1);
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) now[j] = least(now[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_size];
}

const char *text_nearest(const char *word, const char *const *names)
{
    size_t word_size = strlen(word);
    if (word_size == 0 || word_size > NEAREST_MAX_LENGTH) return NULL;
    const char *nearest = NULL;
    size_t nearest_distance = SIZE_MAX;
    bool same_size = false;
    for (; *names != NULL; names++) {
        size_t size = strlen(*names);
        if (size == 0 || size > NEAREST_MAX_LENGTH) continue;
        size_t distance = edit_distance(word, word_size, *names, size);
        size_t allowed = least(size, word_size) / 3; /* every third letter may be a slip */
        if (allowed == 0 && size > 1) allowed = 1;
        if (distance > allowed || distance > nearest_distance) continue;
        /* Of two as near, a slipped letter is likelier than a missing one. */
        bool closer = distance < nearest_distance || (size == word_size && !same_size);
        if (!closer) continue;
        nearest = *names;
        nearest_distance = distance;
        same_size = size == word_size;
    }
    return nearest;
}

void text_size(uint64_t size_bytes, char *out, size_t out_size)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    if (size_bytes < 1000) {
        (void)snprintf(out, out_size, "%" PRIu64 " B", size_bytes);
        return;
    }
    size_t unit = 1;
    uint64_t divisor = 1000;
    /* Past 999.95 of a unit, one decimal would print as 1000.0. */
    while (unit + 1 < sizeof(units) / sizeof(units[0]) &&
           size_bytes >= divisor * 1000 - divisor / 20) {
        divisor *= 1000;
        unit++;
    }
    uint64_t tenth = divisor / 10;
    uint64_t tenths = size_bytes / tenth + (size_bytes % tenth >= tenth / 2 ? 1 : 0);
    (void)snprintf(out, out_size, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10,
                   units[unit]);
}

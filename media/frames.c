/* Shapes and rates of raw pictures. */
#include "media/frames.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define DECIMALS_MAX 6

static int64_t greatest_common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static bool reduce(int64_t num, int64_t den, struct frames_rate *out)
{
    if (num <= 0 || den <= 0 || num > den * FRAMES_RATE_MAX) return false;
    int64_t divisor = greatest_common_divisor(num, den);
    num /= divisor;
    den /= divisor;
    if (num > INT32_MAX || den > INT32_MAX) return false;
    *out = (struct frames_rate){(int)num, (int)den};
    return true;
}

static bool parse_fraction(const char *num_text, const char *den_text, struct frames_rate *out)
{
    int64_t num, den;
    if (!text_parse_i64(num_text, 1, INT32_MAX, &num)) return false;
    if (!text_parse_i64(den_text, 1, INT32_MAX, &den)) return false;
    return reduce(num, den, out);
}

/* Read digit by digit: a detour over floating point would turn 12.1 into a fraction of its own. */
static bool parse_decimal(const char *whole_text, const char *part_text, struct frames_rate *out)
{
    int64_t whole, part;
    size_t digits = strlen(part_text);
    if (digits == 0 || digits > DECIMALS_MAX) return false;
    if (!text_parse_i64(whole_text, 0, FRAMES_RATE_MAX, &whole)) return false;
    if (!text_parse_i64(part_text, 0, 999999, &part)) return false;
    int64_t den = 1;
    for (size_t i = 0; i < digits; i++) {
        den *= 10;
    }
    return reduce(whole * den + part, den, out);
}

bool frames_rate_parse(const char *text, struct frames_rate *out)
{
    char copy[32];
    if (strlen(text) >= sizeof(copy)) return false;
    (void)snprintf(copy, sizeof(copy), "%s", text);
    char *mark = strpbrk(copy, "./");
    if (mark == NULL) return parse_fraction(copy, "1", out);
    bool fraction = *mark == '/';
    *mark = '\0';
    return fraction ? parse_fraction(copy, mark + 1, out) : parse_decimal(copy, mark + 1, out);
}

double frames_rate_value(struct frames_rate rate)
{
    return (double)rate.num / (double)rate.den;
}

double frames_seconds(struct frames_rate rate, int64_t count)
{
    return (double)count * (double)rate.den / (double)rate.num;
}

static bool side_ok(int side)
{
    return side >= FRAMES_SIDE_MIN && side <= FRAMES_SIDE_MAX;
}

bool frames_shape_check(const struct frames_shape *shape, struct error *err)
{
    if (!side_ok(shape->width) || !side_ok(shape->height)) {
        return error_set(err, ERROR_INVALID, "size %dx%d: sides from %d to %d pixels are possible",
                         shape->width, shape->height, FRAMES_SIDE_MIN, FRAMES_SIDE_MAX);
    }
    if (shape->count != FRAMES_COUNT_ANY && (shape->count < 1 || shape->count > FRAMES_COUNT_MAX)) {
        return error_set(err, ERROR_INVALID, "%lld frames are outside 1 to %lld",
                         (long long)shape->count, (long long)FRAMES_COUNT_MAX);
    }
    struct frames_rate same;
    if (!reduce(shape->rate.num, shape->rate.den, &same)) {
        return error_set(err, ERROR_INVALID, "frame rate %d/%d is outside 0 to %d", shape->rate.num,
                         shape->rate.den, FRAMES_RATE_MAX);
    }
    return true;
}

size_t frames_size_bytes(const struct frames_shape *shape)
{
    return (size_t)shape->width * (size_t)shape->height * 3;
}

/* text: UTF-8 checks, slugs, numbers from outside and "did you mean". Pure. */
#ifndef ZOE_BASE_TEXT_H
#define ZOE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Valid UTF-8 without NUL and surrogates. */
bool text_is_utf8(const char *text, size_t size_bytes);

/* ASCII a-z0-9 and single '-', at most 40 characters, never starting or ending with '-'; "clip"
 * when nothing is left. */
#define TEXT_SLUG_MAX 40
void text_slug(const char *text, char out[TEXT_SLUG_MAX + 1]);
/* Same without the "clip" fallback: may be empty. */
void text_slug_raw(const char *text, char out[TEXT_SLUG_MAX + 1]);

/* Whole string, decimal, no sign unless min < 0, within [min, max]. */
bool text_parse_i64(const char *text, int64_t min, int64_t max, int64_t *out);
bool text_parse_double(const char *text, double *out); /* finite only, C locale */
/* %.{digits}g in the C locale; `value` is finite, 1 <= digits <= 17. */
#define TEXT_REAL_SIZE 32
void text_real(double value, int digits, char out[TEXT_REAL_SIZE]);
/* "90", "90s", "5m", "1h30m", "30d": at most `max_ns`. */
bool text_parse_duration(const char *text, int64_t max_ns, int64_t *out_ns);
/* "256x320" -> width, height */
bool text_parse_size(const char *text, int64_t *width, int64_t *height);

/* Nearest of `names` (NULL-terminated) by edit distance when close enough to be a slip, else NULL.
 */
const char *text_nearest(const char *word, const char *const *names);

/* "1.4 MB", "512 B": decimal units, for people. */
void text_size(uint64_t size_bytes, char *out, size_t out_size);

#endif

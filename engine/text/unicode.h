/* unicode: the few facts about code points that the tokenizer needs, from tables that
 * unicode_generate.py writes. Pure. */
#ifndef ZOE_ENGINE_TEXT_UNICODE_H
#define ZOE_ENGINE_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct unicode_range {
    uint32_t first, last;
};
struct unicode_case {
    uint32_t first, last, step;
    int32_t delta;
};
struct unicode_pair {
    uint32_t first, second, composed;
};

extern const struct unicode_range unicode_letters[], unicode_numbers[], unicode_spaces[];
extern const struct unicode_case unicode_lower_runs[];
extern const struct unicode_pair unicode_pairs[];
extern const int unicode_letters_count, unicode_numbers_count, unicode_spaces_count;
extern const int unicode_lower_runs_count, unicode_pairs_count;
extern const unsigned char unicode_mark_classes[]; /* of U+0300..U+036F */

bool unicode_is_letter(uint32_t code); /* general category L* */
bool unicode_is_number(uint32_t code); /* N* */
bool unicode_is_space(uint32_t code);
uint32_t unicode_lower(uint32_t code); /* simple mapping */

/* Canonical composition (NFC) for Latin letters and the marks U+0300..U+036F; everything else
 * passes. `out` has room for 4 * count. */
size_t unicode_compose(const uint32_t *codes, size_t count, uint32_t *out);

/* Code point at text[*at] and steps over it; text is valid UTF-8. */
uint32_t unicode_next(const char *text, size_t size_bytes, size_t *at);
void unicode_append(struct buf *out, uint32_t code);

#endif

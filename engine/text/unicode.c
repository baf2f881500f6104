#include "engine/text/unicode.h"

static bool in_ranges(const struct unicode_range *ranges, int count, uint32_t code)
{
    int low = 0, high = count - 1;
    while (low <= high) {
        const int middle = (low + high) / 2;
        if (code < ranges[middle].first)
            high = middle - 1;
        else if (code > ranges[middle].last)
            low = middle + 1;
        else
            return true;
    }
    return false;
}

bool unicode_is_letter(uint32_t code)
{
    return in_ranges(unicode_letters, unicode_letters_count, code);
}

bool unicode_is_number(uint32_t code)
{
    return in_ranges(unicode_numbers, unicode_numbers_count, code);
}

bool unicode_is_space(uint32_t code)
{
    return in_ranges(unicode_spaces, unicode_spaces_count, code);
}

uint32_t unicode_lower(uint32_t code)
{
    int low = 0, high = unicode_lower_runs_count - 1;
    while (low <= high) {
        const int middle = (low + high) / 2;
        const struct unicode_case *run = &unicode_lower_runs[middle];
        if (code < run->first)
            high = middle - 1;
        else if (code > run->last)
            low = middle + 1;
        else
            return (code - run->first) % run->step == 0 ? (uint32_t)((int32_t)code + run->delta)
                                                        : code;
    }
    return code;
}

/* ---- composition ---- */

static int mark_class(uint32_t code)
{
    return code >= 0x300 && code <= 0x36f ? unicode_mark_classes[code - 0x300] : 0;
}

static uint32_t compose_pair(uint32_t first, uint32_t second)
{
    int low = 0, high = unicode_pairs_count - 1;
    while (low <= high) {
        const int middle = (low + high) / 2;
        const struct unicode_pair *pair = &unicode_pairs[middle];
        if (pair->first == first && pair->second == second) return pair->composed;
        if (pair->first > first || (pair->first == first && pair->second > second))
            high = middle - 1;
        else
            low = middle + 1;
    }
    return 0;
}

static const struct unicode_pair *find_composed(uint32_t code)
{
    if (code < 0xc0 || code > 0x1eff) return NULL;
    for (int i = 0; i < unicode_pairs_count; i++)
        if (unicode_pairs[i].composed == code) return &unicode_pairs[i];
    return NULL;
}

/* Signs that composing never brings back: old second codes of a mark or a letter. */
static const struct unicode_pair *find_replaced(uint32_t code)
{
    static const struct unicode_pair signs[] = {{0x300, 0, 0x340},
                                                {0x301, 0, 0x341},
                                                {0x313, 0, 0x343},
                                                {0x308, 0x301, 0x344},
                                                {'K', 0, 0x212a /* kelvin */},
                                                {0xc5, 0, 0x212b /* angstrom */}};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (signs[i].composed == code) return &signs[i];
    return NULL;
}

/* At most three levels deep in the Latin tables: a letter and two marks. */
static size_t decompose(uint32_t code, uint32_t *out)
{
    const struct unicode_pair *pair = find_composed(code);
    if (pair == NULL) pair = find_replaced(code);
    if (pair == NULL) {
        out[0] = code;
        return 1;
    }
    size_t count = decompose(pair->first, out);
    if (pair->second != 0) out[count++] = pair->second;
    return count;
}

static void sort_marks(uint32_t *codes, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0; j--) {
            const int here = mark_class(codes[j]), before = mark_class(codes[j - 1]);
            if (here == 0 || before <= here) break;
            const uint32_t swap = codes[j];
            codes[j] = codes[j - 1];
            codes[j - 1] = swap;
        }
}

static size_t recompose(uint32_t *codes, size_t count)
{
    size_t kept = 0, starter = count;
    int last = 0;
    for (size_t i = 0; i < count; i++) {
        const int here = mark_class(codes[i]);
        if (starter < count && here > last) {
            const uint32_t composed = compose_pair(codes[starter], codes[i]);
            if (composed != 0) {
                codes[starter] = composed;
                continue;
            }
        }
        if (here == 0) starter = kept;
        last = here;
        codes[kept++] = codes[i];
    }
    return kept;
}

size_t unicode_compose(const uint32_t *codes, size_t count, uint32_t *out)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += decompose(codes[i], out + size);
    sort_marks(out, size);
    return recompose(out, size);
}

uint32_t unicode_next(const char *text, size_t size_bytes, size_t *at)
{
    const unsigned char lead = (unsigned char)text[(*at)++];
    if (lead < 0x80) return lead;
    int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    uint32_t code = lead & (0x3fu >> more);
    while (more-- > 0 && *at < size_bytes)
        code = code << 6 | ((unsigned char)text[(*at)++] & 0x3fu);
    return code;
}

void unicode_append(struct buf *out, uint32_t code)
{
    if (code < 0x80) {
        buf_append_char(out, (char)code);
        return;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    const uint32_t lead = (0xff00u >> (more + 1)) & 0xffu;
    buf_append_char(out, (char)(lead | code >> (6 * more)));
    while (more-- > 0)
        buf_append_char(out, (char)(0x80u | ((code >> (6 * more)) & 0x3fu)));
}

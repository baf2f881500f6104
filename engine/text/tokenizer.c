/* Rules and byte alphabet: those of the CLIP tokenizer; see docs/engine.md. */
#include "engine/text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "engine/text/unicode.h"
#include "engine/text/vocabulary.h"

#define LENGTH_DEFAULT 77
#define NO_MERGE INT32_MAX
#define TOKENS_ROOM 64

struct merge {
    int32_t rank;
    int32_t result; /* id of the joined symbol */
};

struct tokenizer {
    struct table ids;    /* symbol text -> id + 1 */
    struct table merges; /* left id << 32 | right id -> struct merge */
    struct merge *merge_list;
    int32_t byte_ids[256], last_byte_ids[256]; /* within a word; as its last byte */
    int32_t begin, end, pad, comma;
    bool bang_is_special;
    int length, vocabulary;
};

/* ---- loading ---- */

static int32_t find_id(const struct tokenizer *t, const char *symbol)
{
    return (int32_t)(intptr_t)table_get_text(&t->ids, symbol) - 1;
}

static bool load_bytes(struct tokenizer *t, const char *folder, struct error *err)
{
    struct buf symbol = BUF_INIT;
    bool ok = true;
    for (int byte = 0; ok && byte < 256; byte++) {
        buf_clear(&symbol);
        unicode_append(&symbol, vocabulary_letter(byte));
        t->byte_ids[byte] = find_id(t, buf_text(&symbol));
        buf_append_text(&symbol, VOCABULARY_END_OF_WORD);
        t->last_byte_ids[byte] = find_id(t, buf_text(&symbol));
        ok = t->byte_ids[byte] >= 0 && t->last_byte_ids[byte] >= 0;
    }
    buf_finish(&symbol);
    return ok ? true
              : error_set(err, ERROR_INVALID, "%s: the vocabulary lacks symbols of single bytes",
                          folder);
}

static uint64_t pair_key(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

/* One line "left right"; the line is cut in place. */
static bool add_merge(struct tokenizer *t, char *line, int32_t rank)
{
    char *space = strchr(line, ' ');
    if (space == NULL || space == line || space[1] == '\0') return false;
    *space = '\0';
    char *joined = xasprintf("%s%s", line, space + 1);
    const int32_t left = find_id(t, line), right = find_id(t, space + 1);
    struct merge *merge = &t->merge_list[rank];
    *merge = (struct merge){rank, find_id(t, joined)};
    free(joined);
    if (left < 0 || right < 0 || merge->result < 0) return false;
    const uint64_t key = pair_key(left, right);
    if (table_get_u64(&t->merges, key) == NULL) table_set_u64(&t->merges, key, merge);
    return true;
}

static int count_lines(const char *text)
{
    int lines = 1;
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

static bool parse_merges(struct tokenizer *t, char *text, const char *path, struct error *err)
{
    char *rest = NULL;
    int32_t rank = 0;
    t->merge_list = xcalloc((size_t)count_lines(text), sizeof *t->merge_list);
    for (char *line = strtok_r(text, "\r\n", &rest); line != NULL;
         line = strtok_r(NULL, "\r\n", &rest)) {
        if (strncmp(line, "#version", 8) == 0) continue;
        if (!add_merge(t, line, rank))
            return error_set(err, ERROR_INVALID, "%s: merge %d is not made of known symbols", path,
                             rank + 1);
        rank++;
    }
    return true;
}

static bool load_merges(struct tokenizer *t, const char *folder, struct error *err)
{
    char *path = path_join(folder, "merges.txt");
    struct buf text = BUF_INIT;
    bool ok = path_read(path, VOCABULARY_FILE_LIMIT_BYTES, &text, err);
    if (ok) {
        char *copy = buf_take_text(&text);
        ok = parse_merges(t, copy, path, err);
        free(copy);
    }
    buf_finish(&text);
    free(path);
    return ok;
}

/* A special token is a string, or an object with "content". Borrowed; NULL when absent. */
static const char *special_text(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_object(value)) value = json_object_get(value, "content");
    return json_string_value(value);
}

static json_t *optional_file(const char *folder, const char *name, bool *ok, struct error *err)
{
    char *path = path_join(folder, name);
    json_t *object = json_object();
    if (*ok && path_exists(path)) {
        json_decref(object);
        object = json_parse_file(path, VOCABULARY_FILE_LIMIT_BYTES, err);
        *ok = object != NULL;
    }
    free(path);
    return object;
}

static bool read_length(struct tokenizer *t, const json_t *config, const char *folder,
                        struct error *err)
{
    int64_t length;
    if (!json_get_int_or(config, "model_max_length", LENGTH_DEFAULT, &length,
                         "tokenizer_config.json", err))
        return false;
    t->length = (int)length;
    if (length >= 3 && length <= TOKENIZER_LENGTH_MAX) return true;
    return error_set(err, ERROR_INVALID, "%s/tokenizer_config.json: model_max_length must be 3..%d",
                     folder, TOKENIZER_LENGTH_MAX);
}

static const char *or_else(const char *text, const char *fallback)
{
    return text != NULL ? text : fallback;
}

static bool read_specials(struct tokenizer *t, const json_t *map, const json_t *config,
                          const char *default_pad, const char *folder, struct error *err)
{
    const char *pad = special_text(map, "pad_token");
    pad = or_else(or_else(pad, special_text(config, "pad_token")), default_pad);
    t->begin = find_id(t, or_else(special_text(map, "bos_token"), "<|startoftext|>"));
    t->end = find_id(t, or_else(special_text(map, "eos_token"), "<|endoftext|>"));
    t->pad = find_id(t, pad);
    t->comma = find_id(t, "," VOCABULARY_END_OF_WORD);
    t->bang_is_special = strcmp(pad, "!") == 0;
    if (t->begin >= 0 && t->end >= 0 && t->pad >= 0) return true;
    return error_set(err, ERROR_INVALID, "%s: begin, end or pad token is not in the vocabulary",
                     folder);
}

static bool load_specials(struct tokenizer *t, const char *folder, const char *default_pad,
                          struct error *err)
{
    bool ok = true;
    json_t *map = optional_file(folder, "special_tokens_map.json", &ok, err);
    json_t *config = optional_file(folder, "tokenizer_config.json", &ok, err);
    ok = ok && read_specials(t, map, config, default_pad, folder, err) &&
         read_length(t, config, folder, err);
    json_decref(map);
    json_decref(config);
    return ok;
}

struct tokenizer *tokenizer_open(const char *folder, const char *default_pad, struct error *err)
{
    struct tokenizer *t = xcalloc(1, sizeof *t);
    table_init(&t->ids);
    table_init(&t->merges);
    if (vocabulary_read(folder, &t->ids, &t->vocabulary, err) && load_bytes(t, folder, err) &&
        load_merges(t, folder, err) && load_specials(t, folder, default_pad, err))
        return t;
    tokenizer_close(t);
    return NULL;
}

void tokenizer_close(struct tokenizer *t)
{
    if (t == NULL) return;
    table_finish(&t->ids);
    table_finish(&t->merges);
    free(t->merge_list);
    free(t);
}

int tokenizer_length(const struct tokenizer *t)
{
    return t->length;
}

int tokenizer_vocabulary(const struct tokenizer *t)
{
    return t->vocabulary;
}

int32_t tokenizer_comma(const struct tokenizer *t)
{
    return t->comma;
}

int32_t tokenizer_end(const struct tokenizer *t)
{
    return t->end;
}

int32_t tokenizer_pad(const struct tokenizer *t)
{
    return t->pad;
}

/* ---- encoding ---- */

struct output {
    const struct tokenizer *tokenizer;
    struct tokens *tokens;
    int room;
    int place; /* of the piece that is encoded */
    bool bang_is_special;
};

static void put(struct output *out, int32_t id)
{
    struct tokens *tokens = out->tokens;
    if (tokens->count == out->room) {
        out->room = 2 * out->room + TOKENS_ROOM;
        tokens->ids = xrealloc_array(tokens->ids, (size_t)out->room, sizeof *tokens->ids);
        tokens->places = xrealloc_array(tokens->places, (size_t)out->room, sizeof *tokens->places);
    }
    tokens->ids[tokens->count] = id;
    tokens->places[tokens->count++] = out->place;
}

static int32_t rank_of(const struct tokenizer *t, int32_t left, int32_t right, int32_t *result)
{
    const struct merge *merge = table_get_u64(&t->merges, pair_key(left, right));
    if (merge == NULL) return NO_MERGE;
    *result = merge->result;
    return merge->rank;
}

/* Joins every occurrence of the best pair, from the left; ranks[i] is that of (symbols[i],
 * symbols[i + 1]). */
static int merge_best(const struct tokenizer *t, int32_t *symbols, int32_t *ranks, int count,
                      int32_t best)
{
    int kept = 0;
    for (int i = 0; i < count; i++, kept++) {
        int32_t result = symbols[i];
        if (i + 1 < count && ranks[i] == best) {
            rank_of(t, symbols[i], symbols[i + 1], &result);
            i++;
        }
        symbols[kept] = result;
    }
    return kept;
}

static void encode_word(struct output *out, const char *bytes, size_t size)
{
    const struct tokenizer *t = out->tokenizer;
    int32_t *symbols = xmalloc(2 * size * sizeof *symbols), *ranks = symbols + size, unused;
    int count = (int)size;
    for (int i = 0; i < count; i++)
        symbols[i] = t->byte_ids[(unsigned char)bytes[i]];
    symbols[count - 1] = t->last_byte_ids[(unsigned char)bytes[count - 1]];
    for (;;) {
        int32_t best = NO_MERGE;
        for (int i = 0; i + 1 < count; i++) {
            ranks[i] = rank_of(t, symbols[i], symbols[i + 1], &unused);
            if (ranks[i] < best) best = ranks[i];
        }
        if (best == NO_MERGE) break;
        count = merge_best(t, symbols, ranks, count, best);
    }
    for (int i = 0; i < count; i++)
        put(out, symbols[i]);
    free(symbols);
}

#define DOTTED_CAPITAL_I 0x130
#define COMBINING_DOT 0x307

/* The simple mapping, but for the one letter whose lower case is two characters. */
static void append_lower(struct buf *out, uint32_t code)
{
    unicode_append(out, unicode_lower(code));
    if (code == DOTTED_CAPITAL_I) unicode_append(out, COMBINING_DOT);
}

/* Composed, lower-cased, white space of any kind as one plain space. */
static char *clean(const char *text, size_t *size_out)
{
    const size_t size = strlen(text);
    uint32_t *codes = xmalloc((5 * size + 1) * sizeof *codes), *composed = codes + size;
    size_t count = 0;
    for (size_t at = 0; at < size;)
        codes[count++] = unicode_next(text, size, &at);
    count = unicode_compose(codes, count, composed);
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < count; i++) {
        if (!unicode_is_space(composed[i]))
            append_lower(&out, composed[i]);
        else if (out.size > 0 && out.data[out.size - 1] != ' ')
            buf_append_char(&out, ' ');
    }
    free(codes);
    *size_out = out.size;
    return buf_take_text(&out);
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Length of a special token or English ending that begins here, and what it stands for; 0 when none
 * does. */
static size_t fixed_piece(const struct output *out, const char *text, int32_t *special)
{
    const struct tokenizer *t = out->tokenizer;
    static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    *special = -1;
    if (starts_with(text, "<|startoftext|>")) {
        *special = t->begin;
        return strlen("<|startoftext|>");
    }
    if (starts_with(text, "<|endoftext|>")) {
        *special = t->end;
        return strlen("<|endoftext|>");
    }
    if (text[0] == '!' && out->bang_is_special) {
        *special = t->pad;
        return 1;
    }
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (starts_with(text, endings[i])) return strlen(endings[i]);
    return 0;
}

enum piece { PIECE_SPACE, PIECE_LETTERS, PIECE_NUMBER, PIECE_OTHER };

static enum piece piece_of(uint32_t code)
{
    if (code == ' ') return PIECE_SPACE;
    if (unicode_is_letter(code)) return PIECE_LETTERS;
    return unicode_is_number(code) ? PIECE_NUMBER : PIECE_OTHER;
}

/* Where the run that begins at `start` ends. Special tokens cut a run of other characters short. */
static size_t run_end(const struct output *out, const char *text, size_t size, size_t start)
{
    size_t at = start;
    const enum piece kind = piece_of(unicode_next(text, size, &at));
    if (kind == PIECE_SPACE || kind == PIECE_NUMBER) return at;
    while (at < size) {
        size_t next = at;
        int32_t special;
        if (piece_of(unicode_next(text, size, &next)) != kind) break;
        if (kind == PIECE_OTHER && fixed_piece(out, text + at, &special) > 0 && special >= 0) break;
        at = next;
    }
    return at;
}

static void encode_pieces(struct output *out, const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        int32_t special;
        const size_t fixed = fixed_piece(out, text + at, &special);
        const size_t end = fixed > 0 ? at + fixed : run_end(out, text, size, at);
        out->place = (int)at;
        if (special >= 0)
            put(out, special);
        else if (text[at] != ' ')
            encode_word(out, text + at, end - at);
        at = end;
    }
}

void tokenizer_split(const struct tokenizer *t, const char *text, enum tokenizer_rule rule,
                     struct tokens *tokens)
{
    size_t size;
    *tokens = (struct tokens){.text = clean(text, &size)};
    struct output out = {.tokenizer = t,
                         .tokens = tokens,
                         .bang_is_special = t->bang_is_special && rule == TOKENIZER_TRANSFORMERS};
    encode_pieces(&out, tokens->text, size);
}

void tokens_finish(struct tokens *tokens)
{
    free(tokens->ids);
    free(tokens->places);
    free(tokens->text);
    *tokens = (struct tokens){0};
}

void tokenizer_frame(const struct tokenizer *t, const int32_t *tokens, int count, int32_t *ids)
{
    ZOE_ASSERT(count <= t->length - 2);
    ids[0] = t->begin;
    if (count > 0) memcpy(ids + 1, tokens, (size_t)count * sizeof *ids);
    ids[count + 1] = t->end;
    for (int i = count + 2; i < t->length; i++)
        ids[i] = t->pad;
}

int tokenizer_encode(const struct tokenizer *t, const char *text, int32_t *ids)
{
    struct tokens tokens;
    tokenizer_split(t, text, TOKENIZER_TRANSFORMERS, &tokens);
    const int count = tokens.count, limit = t->length - 2;
    tokenizer_frame(t, tokens.ids, count < limit ? count : limit, ids);
    tokens_finish(&tokens);
    return count;
}

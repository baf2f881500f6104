/* The tokenizer's rules, on the tiny vocabulary and on small ones made here. */
#include "tiny_copy.h"

#include "engine/text/tokenizer.h"
#include "engine/text/unicode.h"

#define LENGTH 77
#define LETTERS_IN_VOCABULARY 512 /* 256 bytes, 256 bytes that end a word */

static struct tokenizer *open_tiny(void)
{
    struct error err = {0};
    struct tokenizer *t = tokenizer_open(TINY "/tokenizer", "!", &err);
    expect_ok(t != NULL, &err);
    return t;
}

static int encode(const struct tokenizer *t, const char *text, int32_t *ids)
{
    const int count = tokenizer_encode(t, text, ids);
    assert_int_equal(ids[0], tokenizer_vocabulary(t) - 2);
    return count;
}

static void expect_same(const struct tokenizer *t, const char *a, const char *b)
{
    int32_t x[LENGTH], y[LENGTH];
    encode(t, a, x);
    encode(t, b, y);
    if (memcmp(x, y, sizeof x) != 0) fail_msg("\"%s\" and \"%s\" give different ids", a, b);
}

static void expect_ids(const struct tokenizer *t, const char *text, int count, const int32_t *want)
{
    int32_t ids[LENGTH];
    assert_int_equal(encode(t, text, ids), count);
    for (int i = 0; i < count; i++)
        assert_int_equal(ids[i + 1], want[i]);
    assert_int_equal(ids[count + 1], tokenizer_vocabulary(t) - 1);
    for (int i = count + 2; i < LENGTH; i++)
        assert_int_equal(ids[i], 0);
}

static void spelling_does_not_matter(void **state)
{
    (void)state;
    struct tokenizer *t = open_tiny();
    expect_same(t, "A Red  FOX", "a red fox");
    expect_same(t, "\t a\n red fox \r\n", "a red fox");
    expect_same(t,
                "a\xc2\xa0red\xe2\x80\x83"
                "fox",
                "a red fox");                            /* no-break and em space */
    expect_same(t, "CAFE\xcc\x81", "caf\xc3\xa9");       /* combining acute */
    expect_same(t, "O\xcc\x82\xcc\xa3", "\xe1\xbb\x99"); /* marks in the other order */
    expect_same(t, "cafe\xcd\x81", "caf\xc3\xa9");       /* the old code of the acute */
    expect_same(t, "u\xcd\x84", "\xc7\x98");             /* diaeresis and acute in one */
    expect_same(t, "5 \xe2\x84\xaa, 3 \xe2\x84\xab", "5 k, 3 \xc3\xa5"); /* kelvin, angstrom */
    expect_same(t, "\xc3\x84rger", "\xc3\xa4rger");
    expect_same(t, "\xce\x91\xd0\x96", "\xce\xb1\xd0\xb6"); /* Greek, Cyrillic */
    expect_same(t, "<|STARTOFTEXT|>", "<|startoftext|>");
    tokenizer_close(t);
}

static void the_bang_is_a_token_of_its_own(void **state)
{
    (void)state;
    struct tokenizer *t = open_tiny();
    int32_t ids[LENGTH];
    assert_int_equal(encode(t, "!!", ids), 2);
    assert_int_equal(ids[1], 0);
    assert_int_equal(ids[2], 0);
    /* Inside a run of other characters too: the run is cut there. */
    assert_int_equal(encode(t, "?!?", ids), 3);
    assert_int_equal(ids[2], 0);
    assert_int_equal(ids[1], ids[3]);
    tokenizer_close(t);
}

static void every_digit_is_a_token(void **state)
{
    (void)state;
    struct tokenizer *t = open_tiny();
    int32_t ids[LENGTH];
    assert_int_equal(encode(t, "1999", ids), 4);
    assert_int_equal(ids[2], ids[3]);
    assert_int_equal(encode(t, "\xc2\xb2", ids), 2); /* superscript two: one number of two bytes */
    tokenizer_close(t);
}

static void english_endings_are_split(void **state)
{
    (void)state;
    struct tokenizer *t = open_tiny();
    int32_t joined[LENGTH], apart[LENGTH];
    encode(t, "it's we'll", joined);
    encode(t, "it 's we 'll", apart);
    assert_memory_equal(joined, apart, sizeof joined);
    encode(t, "it'x", joined);
    encode(t, "it 'x", apart);
    assert_memory_equal(joined, apart, sizeof joined); /* letters and others never share a piece */
    tokenizer_close(t);
}

static void specials_in_a_text_are_specials(void **state)
{
    (void)state;
    struct tokenizer *t = open_tiny();
    const int32_t want[] = {tokenizer_vocabulary(t) - 1, tokenizer_vocabulary(t) - 2};
    expect_ids(t, "<|endoftext|><|startoftext|>", 2, want);
    expect_ids(t, "", 0, want);
    expect_ids(t, " \t ", 0, want);
    tokenizer_close(t);
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    struct tokenizer *t = open_tiny();
    int32_t ids[LENGTH];
    char text[400];
    memset(text, '7', sizeof text);
    text[300] = '\0';
    assert_int_equal(encode(t, text, ids), 300);
    assert_int_equal(ids[LENGTH - 1], tokenizer_vocabulary(t) - 1);
    assert_int_equal(ids[LENGTH - 2], ids[1]);
    tokenizer_close(t);
}

/* A word as long as a prompt may be must not take long. */
static void a_hostile_word_is_taken(void **state)
{
    (void)state;
    struct tokenizer *t = open_tiny();
    int32_t ids[LENGTH];
    char *word = malloc(8193);
    assert_non_null(word);
    for (int i = 0; i < 8192; i++)
        word[i] = "thean"[i % 5];
    word[8192] = '\0';
    assert_true(encode(t, word, ids) > 75);
    free(word);
    tokenizer_close(t);
}

/* ---- a vocabulary of our own: bytes, then the merges ---- */

static void append_symbol(struct buf *vocab, const char *symbol, int id)
{
    json_t *text = json_string(symbol);
    char *quoted = json_dumps(text, JSON_ENCODE_ANY);
    buf_printf(vocab, "%s%s: %d", id > 0 ? ", " : "{", quoted, id);
    free(quoted);
    json_decref(text);
}

static void write_vocabulary(const char *folder, const char *const *merges)
{
    struct buf vocab = BUF_INIT, lines = BUF_INIT, symbol = BUF_INIT;
    int id = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int byte = 0, spare = 256; byte < 256; byte++) {
            const bool own =
                (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
            buf_clear(&symbol);
            unicode_append(&symbol, (uint32_t)(own ? byte : spare++));
            if (pass == 1) buf_append_text(&symbol, "</w>");
            append_symbol(&vocab, buf_text(&symbol), id++);
        }
    buf_append_text(&lines, "#version: 0.2\n");
    for (int i = 0; merges[i] != NULL; i++) {
        char joined[64] = "";
        for (const char *c = merges[i]; *c != '\0'; c++)
            if (*c != ' ') strncat(joined, c, 1);
        append_symbol(&vocab, joined, id++);
        buf_printf(&lines, "%s\n", merges[i]);
    }
    append_symbol(&vocab, "<|startoftext|>", id++);
    append_symbol(&vocab, "<|endoftext|>", id++);
    buf_append_char(&vocab, '}');
    scratch_write_text(folder, "vocab.json", buf_text(&vocab));
    scratch_write_text(folder, "merges.txt", buf_text(&lines));
    buf_finish(&vocab), buf_finish(&lines), buf_finish(&symbol);
}

static void merges_go_by_rank(void **state)
{
    (void)state;
    static const char *const merges[] = {"a b", "b c</w>", "ab ab", "abab c</w>", NULL};
    struct error err = {0};
    char *folder = scratch_folder();
    write_vocabulary(folder, merges);
    struct tokenizer *t = tokenizer_open(folder, "<|endoftext|>", &err);
    expect_ok(t != NULL, &err);
    int32_t ids[LENGTH];
    const int32_t first = LETTERS_IN_VOCABULARY;
    /* ababc: "a b" has the lowest rank and takes both pairs, so "b c</w>" never happens. */
    assert_int_equal(tokenizer_encode(t, "ababc", ids), 1);
    assert_int_equal(ids[1], first + 3);
    assert_int_equal(tokenizer_encode(t, "abc bc ab", ids), 5);
    const int32_t want[] = {first + 0, ids[2], first + 1, ids[4], ids[5]};
    assert_memory_equal(ids + 1, want, sizeof want);
    /* Padding with the end token; "!" is an ordinary character then. */
    assert_int_equal(ids[LENGTH - 1], tokenizer_vocabulary(t) - 1);
    assert_int_equal(tokenizer_encode(t, "!", ids), 1);
    assert_int_not_equal(ids[1], 0);
    tokenizer_close(t);
    scratch_remove(folder);
}

/* ---- CLIP's own merges, as shipped ---- */

#define CLIP TEST_SOURCE "/tokenizers/clip"
#define CLIP_BEGIN 49406
#define CLIP_END 49407
#define VECTOR_MAX 24

static const struct {
    const char *text;
    int count;
    int32_t ids[VECTOR_MAX];
} clip_vectors[] = {
    {"Spiderman is surfing", 3, {18427, 533, 15762}},
    {"An astronaut riding a horse", 5, {550, 18376, 6765, 320, 4558}},
    {"A panda eating bamboo on a rock.", 8, {320, 12952, 4371, 16748, 525, 320, 2172, 269}},
    {"", 0, {0}},
    {"Darth Vader surfing a wave, 4k, it's 1999!!",
     16,
     {23164, 21908, 15762, 320, 4535, 267, 275, 330, 267, 585, 568, 272, 280, 280, 280, 748}},
    {"\xc4\xb0stanbul", 3, {328, 16384, 11231}}, /* i, combining dot, stanbul */
    {"caf\xc3\xa9 na\xc3\xafve \xe2\x80\x94 \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e \xf0\x9f\x98\x80",
     10,
     {15304, 1097, 35689, 563, 2005, 39121, 44353, 34002, 508, 7334}},
};

static void clip_ids_are_clips(void **state)
{
    (void)state;
    struct error err = {0};
    struct tokenizer *t = tokenizer_open(CLIP, "<|endoftext|>", &err);
    expect_ok(t != NULL, &err);
    assert_int_equal(tokenizer_vocabulary(t), 49408);
    assert_int_equal(tokenizer_length(t), LENGTH);
    for (size_t i = 0; i < sizeof clip_vectors / sizeof clip_vectors[0]; i++) {
        const int count = clip_vectors[i].count;
        int32_t ids[LENGTH];
        assert_int_equal(tokenizer_encode(t, clip_vectors[i].text, ids), count);
        assert_int_equal(ids[0], CLIP_BEGIN);
        assert_memory_equal(ids + 1, clip_vectors[i].ids, (size_t)count * sizeof *ids);
        for (int k = count + 1; k < LENGTH; k++)
            assert_int_equal(ids[k], CLIP_END);
    }
    tokenizer_close(t);
}

/* The later encoders pad with "!", and then every "!" is that token. */
static void clip_pads_with_zeros_where_asked(void **state)
{
    (void)state;
    struct error err = {0};
    struct tokenizer *t = tokenizer_open(CLIP, "!", &err);
    expect_ok(t != NULL, &err);
    int32_t ids[LENGTH];
    assert_int_equal(tokenizer_encode(t, "a wave!", ids), 3);
    const int32_t want[] = {CLIP_BEGIN, 320, 4535, 0, CLIP_END, 0, 0};
    assert_memory_equal(ids, want, sizeof want);
    tokenizer_close(t);
}

static void a_vocabulary_follows_from_merges(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder();
    scratch_write_text(folder, "merges.txt", "#version: 0.2\na b\nab c</w>\n");
    struct tokenizer *t = tokenizer_open(folder, "<|endoftext|>", &err);
    expect_ok(t != NULL, &err);
    int32_t ids[LENGTH];
    assert_int_equal(tokenizer_vocabulary(t), 512 + 2 + 2);
    assert_int_equal(tokenizer_encode(t, "abc ! ab", ids), 4);
    const int32_t want[] = {514, 513, 256, 'a' - '!', 256 + 'b' - '!', 515};
    assert_memory_equal(ids, want, sizeof want);
    tokenizer_close(t);
    scratch_remove(folder);
}

static void broken_vocabularies_are_refused(void **state)
{
    (void)state;
    static const char *const merges[] = {"a b", NULL};
    static const struct {
        const char *file, *text;
    } damage[] = {{"vocab.json", "{\"a\": 0}"},
                  {"vocab.json", "{\"a\": \"b\"}"},
                  {"vocab.json", "[]"},
                  {"vocab.json", "{}"},
                  {"merges.txt", "a\n"},
                  {"merges.txt", "x y\n"},
                  {"merges.txt", "a \n"},
                  {"tokenizer_config.json", "{\"model_max_length\": 1e30}"},
                  {"special_tokens_map.json", "{\"bos_token\": \"<s>\"}"}};
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        struct error err = {0};
        char *folder = scratch_folder();
        write_vocabulary(folder, merges);
        scratch_write_text(folder, damage[i].file, damage[i].text);
        struct tokenizer *t = tokenizer_open(folder, "!", &err);
        if (t != NULL) fail_msg("%s: %s was taken", damage[i].file, damage[i].text);
        assert_int_equal(err.code, ERROR_INVALID);
        scratch_remove(folder);
    }
}

static void code_points_are_classified(void **state)
{
    (void)state;
    assert_true(unicode_is_letter('a') && unicode_is_letter(0x65e5) && unicode_is_letter(0x1d400));
    assert_false(unicode_is_letter('1') || unicode_is_letter(0x301) || unicode_is_letter(0x1f600));
    assert_true(unicode_is_number('7') && unicode_is_number(0x2167) && unicode_is_number(0x660));
    assert_true(unicode_is_space(' ') && unicode_is_space(0x3000) && unicode_is_space(0x85));
    assert_false(unicode_is_space(0x200b));
    assert_int_equal(unicode_lower('Z'), 'z');
    assert_int_equal(unicode_lower(0x10d), 0x10d);
    assert_int_equal(unicode_lower(0x10c), 0x10d);
    assert_int_equal(unicode_lower(0x1e9e), 0xdf);
    assert_int_equal(unicode_lower(0x10400), 0x10428);
    assert_int_equal(unicode_lower(0x130), 'i');
}

static void text_and_code_points_agree(void **state)
{
    (void)state;
    static const uint32_t codes[] = {1, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff};
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        unicode_append(&text, codes[i]);
    size_t at = 0;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_int_equal(unicode_next(buf_text(&text), text.size, &at), codes[i]);
    assert_int_equal(at, text.size);
    buf_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spelling_does_not_matter),
        cmocka_unit_test(the_bang_is_a_token_of_its_own),
        cmocka_unit_test(every_digit_is_a_token),
        cmocka_unit_test(english_endings_are_split),
        cmocka_unit_test(specials_in_a_text_are_specials),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(a_hostile_word_is_taken),
        cmocka_unit_test(merges_go_by_rank),
        cmocka_unit_test(clip_ids_are_clips),
        cmocka_unit_test(clip_pads_with_zeros_where_asked),
        cmocka_unit_test(a_vocabulary_follows_from_merges),
        cmocka_unit_test(broken_vocabularies_are_refused),
        cmocka_unit_test(code_points_are_classified),
        cmocka_unit_test(text_and_code_points_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

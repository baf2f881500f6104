/* Ids of CLIP's tokenizer as transformers gives them (tests/engine/golden_prompts.py). */
#include "tiny_copy.h"

#include "engine/text/tokenizer.h"

#define CLIP TEST_SOURCE "/tokenizers/clip"
#define LENGTH 77

/* In the file the padding is cut to its first token. */
static void expect_ids(const struct tokenizer *t, const char *text, const json_t *want)
{
    int32_t ids[LENGTH];
    const size_t count = json_array_size(want);
    const json_int_t pad = json_integer_value(json_array_get(want, count - 1));
    tokenizer_encode(t, text, ids);
    assert_in_range(count, 2, LENGTH);
    for (size_t i = 0; i < LENGTH; i++) {
        const json_int_t id = i < count ? json_integer_value(json_array_get(want, i)) : pad;
        if (ids[i] != id)
            fail_msg("\"%s\": token %zu is %d, not %lld", text, i, (int)ids[i], (long long)id);
    }
}

/* Rows of the slow tokenizer are for texts that ftfy leaves alone, or show what it changes. */
static bool repaired(const json_t *row)
{
    static const char *const changed[] = {"\xe2\x80\x99", "\xef\xbc\xa1", "\xef\xac\x81"};
    const char *text = json_string_value(json_object_get(row, "text"));
    if (strcmp(json_string_value(json_object_get(row, "tokenizer")), "slow") != 0) return false;
    for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++)
        if (strstr(text, changed[i]) != NULL) return true;
    return false;
}

static void check_pad(const char *pad, int wanted)
{
    struct error err = {0};
    int checked = 0;
    json_t *rows = json_load_file(TEST_DATA "/prompts/tokens.json", JSON_ALLOW_NUL, NULL), *row;
    struct tokenizer *t = tokenizer_open(CLIP, pad, &err);
    expect_ok(t != NULL, &err);
    assert_non_null(rows);
    size_t i;
    json_array_foreach(rows, i, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "pad")), pad) != 0 || repaired(row))
            continue;
        expect_ids(t, json_string_value(json_object_get(row, "text")), json_object_get(row, "ids"));
        checked++;
    }
    assert_true(checked >= wanted);
    tokenizer_close(t);
    json_decref(rows);
}

static void ids_are_transformers(void **state)
{
    (void)state;
    check_pad("<|endoftext|>", 60);
}

static void a_special_bang_too(void **state)
{
    (void)state;
    check_pad("!", 60);
}

/* OpenCLIP's own reading: as if "!" were no special token, padded with zeros all the same. */
static void openclip_takes_a_bang_for_text(void **state)
{
    (void)state;
    struct error err = {0};
    struct tokens tokens, plain;
    struct tokenizer *t = tokenizer_open(CLIP, "!", &err),
                     *sd1 = tokenizer_open(CLIP, "<|endoftext|>", &err);
    assert_non_null(t);
    assert_non_null(sd1);
    tokenizer_split(t, "wow!!! no ! it's!", TOKENIZER_OPENCLIP, &tokens);
    tokenizer_split(sd1, "wow!!! no ! it's!", TOKENIZER_TRANSFORMERS, &plain);
    assert_int_equal(tokens.count, plain.count);
    assert_memory_equal(tokens.ids, plain.ids, (size_t)plain.count * sizeof *plain.ids);
    assert_int_equal(tokens.ids[tokens.count - 1], 256);
    assert_int_equal(tokenizer_pad(t), 0);
    tokens_finish(&tokens);
    tokens_finish(&plain);
    tokenizer_close(t);
    tokenizer_close(sd1);
}

/* places: where in the text that was read each token's word begins. */
static void tokens_know_their_place(void **state)
{
    (void)state;
    struct error err = {0};
    struct tokens tokens;
    struct tokenizer *t = tokenizer_open(CLIP, "!", &err);
    assert_non_null(t);
    tokenizer_split(t, "A  Panda, it's\n42 \xe6\x97\xa5!", TOKENIZER_TRANSFORMERS, &tokens);
    static const char *const want[] = {"a panda", "panda", ", it", "it's", "'s",
                                       "42",      "2",     "\xe6", "!"};
    assert_string_equal(tokens.text, "a panda, it's 42 \xe6\x97\xa5!");
    assert_int_equal(tokens.count, sizeof want / sizeof want[0]);
    for (int i = 0; i < tokens.count; i++)
        assert_memory_equal(tokens.text + tokens.places[i], want[i], strlen(want[i]));
    tokens_finish(&tokens);
    tokenizer_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_transformers),
        cmocka_unit_test(a_special_bang_too),
        cmocka_unit_test(openclip_takes_a_bang_for_text),
        cmocka_unit_test(tokens_know_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "unit/base/scratch.h"

#include <sodium.h>
#include <string.h>

#include "proto/token.h"

static struct token example(void)
{
    struct token t;
    token_generate(&t);
    t.expires_s = 1800000000;
    memset(t.server_key, 7, sizeof(t.server_key));
    t.endpoint_count = 1;
    strcpy(t.endpoints[0], "tcp://203.0.113.7:7341");
    return t;
}

static void a_token_goes_and_comes(void **state)
{
    (void)state;
    char text[LIMIT_TOKEN_BYTES + 1];
    struct error err = {0};
    struct token t = example(), back;
    assert_true(token_text(&t, text, &err));
    assert_true(strlen(text) < 140); /* one line of a terminal or two */
    assert_int_equal(strspn(text + 4, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                      "0123456789-_"),
                     strlen(text) - 4);
    assert_true(token_parse(text, &back, &err));
    assert_memory_equal(back.id, t.id, sizeof(t.id));
    assert_memory_equal(back.secret, t.secret, sizeof(t.secret));
    assert_memory_equal(back.server_key, t.server_key, sizeof(t.server_key));
    assert_int_equal(back.expires_s, t.expires_s);
    assert_int_equal(back.endpoint_count, 1);
    assert_string_equal(back.endpoints[0], t.endpoints[0]);
}

static void limits_are_kept_at_both_ends(void **state)
{
    (void)state;
    char text[LIMIT_TOKEN_BYTES + 1];
    struct error err = {0};
    struct token t = example(), back;
    t.flags = TOKEN_FLAG_CLIENT;
    t.endpoint_count = LIMIT_TOKEN_ENDPOINTS;
    for (size_t i = 0; i < t.endpoint_count; i++) {
        memset(t.endpoints[i], 'x', LIMIT_NAME_BYTES);
        memcpy(t.endpoints[i], "tcp://", 6);
        memcpy(t.endpoints[i] + LIMIT_NAME_BYTES - 5, ":7700", 6);
    }
    assert_true(token_text(&t, text, &err));
    assert_true(token_parse(text, &back, &err));
    assert_int_equal(back.flags, TOKEN_FLAG_CLIENT);
    assert_string_equal(back.endpoints[3], t.endpoints[3]);
    t.endpoint_count = LIMIT_TOKEN_ENDPOINTS + 1;
    assert_false(token_text(&t, text, &err));
    t.endpoint_count = 0;
    assert_false(token_text(&t, text, &err));
    t.endpoint_count = 1;
    strcpy(t.endpoints[0], "tcp://a b:1");
    assert_false(token_text(&t, text, &err));
    strcpy(t.endpoints[0], "ipc://file");
    assert_false(token_text(&t, text, &err));
}

static void what_nobody_can_dial_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"tcp://farm", "tcp://h:99999",     "tcp://h:0",
                                      "tcp://h:",   "tcp://127.0.0.1:*", "tcp://*:7700",
                                      "tcp://:7700"};
    static const char *const good[] = {"tcp://h:1", "tcp://[2001:db8::1]:65535",
                                       "tcp://10.0.0.2:0;10.0.0.1:7700"};
    char text[LIMIT_TOKEN_BYTES + 1];
    struct token t = example();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error err = {0};
        strcpy(t.endpoints[0], bad[i]);
        if (token_text(&t, text, &err)) fail_msg("%s", bad[i]);
        assert_int_equal(err.code, ERROR_INVALID);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        strcpy(t.endpoints[0], good[i]);
        assert_true(token_text(&t, text, NULL));
    }
}

/* Every change of one character is found, and so is every missing end. */
static void slips_are_found(void **state)
{
    (void)state;
    char text[LIMIT_TOKEN_BYTES + 1], bad[LIMIT_TOKEN_BYTES + 2];
    struct token t = example(), back;
    const struct token nothing = {0};
    assert_true(token_text(&t, text, NULL));
    const size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        struct error err = {0};
        memcpy(bad, text, size + 1);
        bad[i] = bad[i] == 'A' ? 'B' : 'A';
        assert_false(token_parse(bad, &back, &err));
        assert_int_equal(err.code, ERROR_INVALID);
        assert_memory_equal(&back, &nothing, sizeof(back));
        memcpy(bad, text, size + 1);
        bad[i] = '\0';
        assert_false(token_parse(bad, &back, &err));
    }
    memcpy(bad, text, size);
    strcpy(bad + size, "AAAA");
    assert_false(token_parse(bad, &back, NULL));
    memset(bad, 'A', sizeof(bad) - 1);
    bad[sizeof(bad) - 1] = '\0';
    memcpy(bad, TOKEN_PREFIX, 4);
    struct error err = {0};
    assert_false(token_parse(bad, &back, &err));
    assert_non_null(strstr(err.message, "at most 1024"));
    assert_false(token_parse("zj1_ab!d", &back, &err));
    assert_non_null(strstr(err.message, "character 7"));
}

/* As a hostile maker would: the checksum is right, the contents are not. */
static void sound_sums_do_not_help_bad_contents(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
        const char *says;
    } rows[] = {{0, 2, "version"},      {1, 4, "flags"},          {2, 0x80, "time"},
                {64, 0, "endpoints"},   {64, 5, "endpoints"},     {64, 2, "endpoint"},
                {65, 129, "129 bytes"}, {66, 'x', "no endpoint"}, {72, '\n', "no endpoint"}};
    struct token t = example(), back;
    char text[LIMIT_TOKEN_BYTES + 1];
    uint8_t bytes[256];
    size_t size = 0;
    assert_true(token_text(&t, text, NULL));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = {0};
        char bad[LIMIT_TOKEN_BYTES + 1] = TOKEN_PREFIX;
        assert_int_equal(sodium_base642bin(bytes, sizeof(bytes), text + 4, strlen(text) - 4, NULL,
                                           &size, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                         0);
        bytes[rows[i].at] = rows[i].value;
        sodium_bin2base64(bad + 4, sizeof(bad) - 4, bytes, size,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        assert_false(token_parse(bad, &back, &err));
        if (strstr(err.message, rows[i].says) == NULL) fail_msg("%zu: %s", i, err.message);
    }
}

static void a_proof_holds_for_one_pair_of_keys(void **state)
{
    (void)state;
    struct token t = example();
    uint8_t key[TOKEN_KEY_BYTES], other[TOKEN_KEY_BYTES], proof[TOKEN_PROOF_BYTES];
    uint8_t joiner[KEY_BYTES] = {1}, stranger[KEY_BYTES] = {2};
    token_key(t.secret, key);
    assert_memory_not_equal(key, t.secret, TOKEN_SECRET_BYTES);
    token_proof(key, joiner, t.server_key, proof);
    assert_true(token_proof_is_right(key, joiner, t.server_key, proof));
    assert_false(token_proof_is_right(key, stranger, t.server_key, proof));
    assert_false(token_proof_is_right(key, joiner, stranger, proof));
    t.secret[15] ^= 1;
    token_key(t.secret, other);
    assert_false(token_proof_is_right(other, joiner, t.server_key, proof));
    proof[31] ^= 0x80;
    assert_false(token_proof_is_right(key, joiner, t.server_key, proof));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_goes_and_comes),
        cmocka_unit_test(limits_are_kept_at_both_ends),
        cmocka_unit_test(what_nobody_can_dial_is_refused),
        cmocka_unit_test(slips_are_found),
        cmocka_unit_test(sound_sums_do_not_help_bad_contents),
        cmocka_unit_test(a_proof_holds_for_one_pair_of_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "scratch.h"

#include <string.h>

#include "base/id.h"
#include "base/table.h"

static void batches_are_unlike(void **state)
{
    (void)state;
    struct table seen;
    table_init(&seen);
    unsigned letters[256] = {0};
    for (int i = 0; i < 20000; i++) {
        char id[ID_BATCH_SIZE];
        id_new_batch(id);
        assert_true(id_is_batch(id));
        assert_null(table_set_text(&seen, id, &seen));
        for (int k = 0; k < ID_BATCH_LENGTH; k++) {
            letters[(unsigned char)id[k]]++;
        }
    }
    /* 200,000 letters of 32: 6,250 each, sigma 78. */
    static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
    for (const char *c = alphabet; *c != '\0'; c++) {
        assert_in_range(letters[(unsigned char)*c], 5600, 6900);
    }
    table_finish(&seen);
}

static void batch_names_are_checked(void **state)
{
    (void)state;
    assert_true(id_is_batch("0123456789"));
    assert_true(id_is_batch("abcdefghjk"));
    assert_true(id_is_batch("mnpqrstvwx"));
    static const char *const bad[] = {"",           "012345678",  "01234567890", "0123456789 ",
                                      "ABCDEFGHJK", "abcdefghij", "abcdefghlm",  "abcdefgho0",
                                      "abcdefghu0", "../etc/pas", "abcdefgh\n0"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (id_is_batch(bad[i])) fail_msg("'%s' is no batch", bad[i]);
    }
}

static void what_may_name_a_batch(void **state)
{
    (void)state;
    static const char *const good[] = {"0", "ab", "0123456789", "last"};
    static const char *const bad[] = {"", "last ", "lost", "AB", "01234567890", "../x", "\xff"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!id_is_batch_ref(good[i])) fail_msg("'%s' may name a batch", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (id_is_batch_ref(bad[i])) fail_msg("'%s' cannot name a batch", bad[i]);
    }
}

static void random_bytes_differ(void **state)
{
    (void)state;
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    id_random(a, sizeof(a));
    id_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_true(id_random_u64() != id_random_u64());
}

static void hex_round_trip(void **state)
{
    (void)state;
    uint8_t all[256];
    uint8_t back[256];
    char text[513];
    for (int i = 0; i < 256; i++) {
        all[i] = (uint8_t)i;
    }
    hex_encode(all, sizeof(all), text);
    assert_int_equal(strlen(text), 512);
    assert_memory_equal(text, "000102", 6);
    assert_true(hex_decode(text, back, sizeof(back)));
    assert_memory_equal(all, back, sizeof(all));
    assert_true(hex_decode("aBCd", back, 2));
    assert_int_equal(back[0], 0xab);
    assert_int_equal(back[1], 0xcd);
}

static void bad_hex_is_refused(void **state)
{
    (void)state;
    uint8_t out[2];
    static const char *const bad[] = {"",     "a",    "ab",    "abc", "abcde",
                                      "abcg", "ab d", "abc\n", "-1ab"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (hex_decode(bad[i], out, 2)) fail_msg("'%s' is not two bytes", bad[i]);
    }
    assert_true(hex_decode("", out, 0));
    assert_false(hex_decode("a", out, 0));
    char text[1];
    hex_encode(NULL, 0, text);
    assert_int_equal(text[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_unlike),  cmocka_unit_test(batch_names_are_checked),
        cmocka_unit_test(random_bytes_differ), cmocka_unit_test(hex_round_trip),
        cmocka_unit_test(bad_hex_is_refused),  cmocka_unit_test(what_may_name_a_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

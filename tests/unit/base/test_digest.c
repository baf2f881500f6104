#include "scratch.h"

#include <string.h>

#include "base/digest.h"

/* FIPS 180-4 examples. */
static const struct {
    const char *data;
    const char *hex;
} known[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void known_digests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct digest d = digest_of(known[i].data, strlen(known[i].data));
        char text[DIGEST_TEXT_SIZE];
        digest_text(&d, text);
        assert_string_equal(text, known[i].hex);
    }
}

static void a_stream_equals_the_whole(void **state)
{
    (void)state;
    uint8_t data[300];
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)i;
    }
    struct digest whole = digest_of(data, sizeof(data));
    for (size_t cut = 0; cut <= sizeof(data); cut += 13) {
        struct digest_stream s;
        digest_begin(&s);
        digest_update(&s, data, cut);
        digest_update(&s, NULL, 0);
        digest_update(&s, data + cut, sizeof(data) - cut);
        struct digest pieces = digest_end(&s);
        assert_true(digest_equal(&whole, &pieces));
    }
    data[299] ^= 1;
    struct digest other = digest_of(data, sizeof(data));
    assert_false(digest_equal(&whole, &other));
}

static void files_of_any_size(void **state)
{
    (void)state;
    char *folder = scratch_make();
    char *path = path_join(folder, "file");
    static const size_t sizes[] = {0, 1, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 700000};
    uint8_t *data = xmalloc(700000);
    memset(data, 'z', 700000);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct error err = {0};
        assert_true(path_write_atomic(path, data, sizes[i], 0600, &err));
        struct digest expected = digest_of(data, sizes[i]);
        struct digest d;
        uint64_t size = 99;
        assert_true(digest_of_file(path, &d, &size, &err));
        assert_true(digest_equal(&d, &expected));
        assert_int_equal(size, sizes[i]);
        assert_true(digest_of_file(path, &d, NULL, &err));
    }
    struct error err = {0};
    struct digest d;
    assert_false(digest_of_file("/no/such/file", &d, NULL, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_false(digest_of_file(folder, &d, NULL, &err));
    assert_int_equal(err.code, ERROR_IO);
    free(data);
    free(path);
    scratch_remove(folder);
}

static void who_stops_it_does_not_wait(void **state)
{
    (void)state;
    char *folder = scratch_make();
    char *path = path_join(folder, "file");
    struct error err = {0};
    struct digest d;
    atomic_bool stop = false;
    assert_true(path_write_atomic(path, "text", 4, 0600, &err));
    assert_true(digest_of_file_until(path, &stop, &d, NULL, &err));
    atomic_store(&stop, true);
    assert_false(digest_of_file_until(path, &stop, &d, NULL, &err));
    assert_int_equal(err.code, ERROR_INTERRUPTED);
    free(path);
    scratch_remove(folder);
}

static void text_goes_and_comes_back(void **state)
{
    (void)state;
    struct digest d = digest_of("x", 1);
    char text[DIGEST_TEXT_SIZE + 1];
    digest_text(&d, text);
    struct digest back;
    assert_true(digest_parse(text, &back));
    assert_true(digest_equal(&d, &back));
    text[64] = '0';
    text[65] = '\0';
    assert_false(digest_parse(text, &back));
    text[63] = '\0';
    assert_false(digest_parse(text, &back));
    text[63] = 'g';
    text[64] = '\0';
    assert_false(digest_parse(text, &back));
    assert_true(digest_equal(&d, &back)); /* untouched */
    assert_false(digest_parse("", &back));
}

static void zero_is_zero(void **state)
{
    (void)state;
    struct digest d = {{0}};
    assert_true(digest_is_zero(&d));
    d.bytes[31] = 1;
    assert_false(digest_is_zero(&d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_digests),     cmocka_unit_test(a_stream_equals_the_whole),
        cmocka_unit_test(files_of_any_size), cmocka_unit_test(text_goes_and_comes_back),
        cmocka_unit_test(zero_is_zero),      cmocka_unit_test(who_stops_it_does_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

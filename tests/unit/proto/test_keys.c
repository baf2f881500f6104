#include "unit/base/scratch.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/id.h"
#include "proto/keys.h"

/* RFC 7748, section 6.1: Bob's key pair. */
static const char rfc_secret[] = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
static const char rfc_public[] = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";

static void write_text(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static void text_form_goes_and_comes(void **state)
{
    (void)state;
    struct key_pair pair;
    char text[KEY_TEXT_SIZE];
    uint8_t back[KEY_BYTES];
    keys_generate(&pair);
    keys_text(pair.public_key, text);
    assert_int_equal(strlen(text), 64);
    assert_true(keys_parse(text, back, "test", NULL));
    assert_true(keys_equal(back, pair.public_key));
    assert_false(keys_equal(back, pair.secret_key));
    keys_wipe(&pair);
    uint8_t zero[sizeof(pair)] = {0};
    assert_memory_equal(&pair, zero, sizeof(pair));
}

static void wrong_texts_are_refused(void **state)
{
    (void)state;
    uint8_t key[KEY_BYTES];
    struct error err = {0};
    char text[70];
    memset(text, 'a', sizeof(text));
    text[63] = '\0';
    assert_false(keys_parse(text, key, "--server-key", &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_non_null(strstr(err.message, "--server-key"));
    text[63] = 'a';
    text[65] = '\0';
    assert_false(keys_parse(text, key, "k", NULL));
    text[64] = '\0';
    assert_true(keys_parse(text, key, "k", NULL));
    text[10] = 'g';
    assert_false(keys_parse(text, key, "k", NULL));
    assert_false(keys_parse("", key, "k", NULL));
}

static void a_saved_key_is_private_and_comes_back(void **state)
{
    (void)state;
    char *folder = scratch_make();
    char *path = path_join(folder, "worker.key");
    struct key_pair made;
    struct key_pair loaded;
    struct error err = {0};
    bool created = false;
    assert_true(keys_load_or_create(path, &made, &created, &err));
    assert_true(created);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(info.st_size, 65);
    assert_true(keys_load_or_create(path, &loaded, &created, &err));
    assert_false(created);
    assert_memory_equal(&made, &loaded, sizeof(made));

    char **names = NULL;
    size_t count = 0;
    assert_true(path_list(folder, &names, &count, &err));
    assert_int_equal(count, 1); /* no temporary is left */
    path_list_free(names, count);
    free(path);
    scratch_remove(folder);
}

static void an_existing_file_is_never_written_over(void **state)
{
    (void)state;
    char *folder = scratch_make();
    char *path = path_join(folder, "k");
    write_text(path, "mine", 0600);
    struct key_pair pair;
    struct error err = {0};
    keys_generate(&pair);
    assert_false(keys_save(path, &pair, &err));
    assert_int_equal(err.code, ERROR_STATE);
    assert_false(keys_load_or_create(path, &pair, NULL, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    struct buf content = BUF_INIT;
    assert_true(path_read(path, 100, &content, &err));
    assert_string_equal(buf_text(&content), "mine");
    buf_finish(&content);
    free(path);
    scratch_remove(folder);
}

static void a_readable_file_is_refused(void **state)
{
    (void)state;
    static const mode_t modes[] = {0640, 0604, 0620, 0610, 0601, 0666};
    char *folder = scratch_make();
    char *path = path_join(folder, "k");
    struct key_pair pair;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        struct error err = {0};
        write_text(path, rfc_secret, modes[i]);
        assert_false(keys_load(path, &pair, &err));
        assert_int_equal(err.code, ERROR_AUTH);
    }
    struct error err = {0};
    assert_int_equal(chmod(path, 0600), 0);
    assert_true(keys_load(path, &pair, &err)); /* no newline at the end is fine */
    free(path);
    scratch_remove(folder);
}

static void damaged_files_are_refused(void **state)
{
    (void)state;
    static const char *const contents[] = {
        "",
        "\n",
        "12",
        "not a key, but text of some length ...",
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb\n\n",
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0ebff",
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0e\n"};
    char *folder = scratch_make();
    char *path = path_join(folder, "k");
    struct key_pair pair;
    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        struct error err = {0};
        write_text(path, contents[i], 0600);
        assert_false(keys_load(path, &pair, &err));
        assert_int_equal(err.code, ERROR_INVALID);
        assert_null(strstr(err.message, "5dab08")); /* never the secret itself */
    }
    struct error err = {0};
    assert_int_equal(unlink(path), 0);
    assert_false(keys_load(path, &pair, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(keys_load(path, &pair, &err)); /* does not hang */
    assert_int_equal(err.code, ERROR_AUTH);
    free(path);
    scratch_remove(folder);
}

static void the_public_half_is_the_one_of_rfc_7748(void **state)
{
    (void)state;
    char *folder = scratch_make();
    char *path = path_join(folder, "k");
    write_text(path, rfc_secret, 0600);
    struct key_pair pair;
    char text[KEY_TEXT_SIZE];
    assert_true(keys_load(path, &pair, NULL));
    keys_text(pair.public_key, text);
    assert_string_equal(text, rfc_public);
    free(path);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_form_goes_and_comes),
        cmocka_unit_test(wrong_texts_are_refused),
        cmocka_unit_test(a_saved_key_is_private_and_comes_back),
        cmocka_unit_test(an_existing_file_is_never_written_over),
        cmocka_unit_test(a_readable_file_is_refused),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(the_public_half_is_the_one_of_rfc_7748),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

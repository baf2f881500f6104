/* The digest of a model folder: which files count, in which order, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/model_digest.h"
#include "base/path.h"
#include "base/xalloc.h"

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    folder = xasprintf("%s/zoe-model-XXXXXX", base != NULL && base[0] != '\0' ? base : "/tmp");
    return mkdtemp(folder) != NULL ? 0 : 1;
}

static int remove_folder(void **state)
{
    (void)state;
    const bool ok = path_remove_tree(folder, NULL);
    free(folder);
    return ok ? 0 : 1;
}

static void put(const char *name, const char *text)
{
    struct error err = {0};
    char *path = path_join(folder, name), *parent = path_dirname(path);
    assert_true(path_make_folders(parent, 0700, &err));
    assert_true(path_write_atomic(path, text, strlen(text), 0600, &err));
    free(parent);
    free(path);
}

static struct digest digest_now(void)
{
    struct error err = {0};
    struct model_files files;
    if (!model_digest_list(folder, &files, &err)) fail_msg("%s", err.message);
    const struct digest digest = model_digest_of(&files);
    model_digest_finish(&files);
    return digest;
}

/* Lines written by hand; '-' and '.' sort before '/', so "a/b" is not next to "a". */
static void the_digest_is_that_of_sorted_lines(void **state)
{
    (void)state;
    struct model_files files;
    struct error err = {0};
    put("a/b", "one");
    put("a.txt", "two");
    put("B", "");
    assert_true(model_digest_list(folder, &files, &err));
    assert_int_equal(files.count, 3);
    assert_int_equal(files.total_bytes, 6);
    assert_string_equal(files.items[0].path, "B");
    assert_string_equal(files.items[1].path, "a.txt");
    assert_string_equal(files.items[2].path, "a/b");
    const char *lines = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 B\n"
                        "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3 3 a.txt\n"
                        "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed 3 a/b\n";
    const struct digest want = digest_of(lines, strlen(lines)), got = model_digest_of(&files);
    assert_true(digest_equal(&want, &got));
    model_digest_finish(&files);
}

static void answers_and_training_are_left_out(void **state)
{
    (void)state;
    put("weights", "x");
    const struct digest before = digest_now();
    put("canary.json", "{}");
    put("train/state/big.pt", "y");
    const struct digest after = digest_now();
    assert_true(digest_equal(&before, &after));
    put("unet/canary.json", "{}"); /* only at the top */
    const struct digest deeper = digest_now();
    assert_false(digest_equal(&before, &deeper));
}

static void names_sizes_and_contents_all_count(void **state)
{
    (void)state;
    put("a", "one");
    const struct digest first = digest_now();
    put("a", "two");
    const struct digest content = digest_now();
    assert_false(digest_equal(&first, &content));
    put("b", "");
    const struct digest more = digest_now();
    assert_false(digest_equal(&content, &more));
}

static void what_cannot_be_shipped_is_refused(void **state)
{
    (void)state;
    struct model_files files;
    struct error err = {0};
    assert_false(model_digest_list(folder, &files, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_int_equal(files.count, 0);
    put("a", "one");
    char *link = path_join(folder, "link");
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_false(model_digest_list(folder, &files, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_non_null(strstr(err.message, "link"));
    assert_int_equal(unlink(link), 0);
    free(link);
    put("bad\nname", "x");
    assert_false(model_digest_list(folder, &files, &err));
    assert_int_equal(err.code, ERROR_INVALID);
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    struct model_files files;
    struct error err = {0};
    put("1/2/3/4/5/6/7/8/x", "deep enough");
    assert_true(model_digest_list(folder, &files, &err));
    model_digest_finish(&files);
    put("1/2/3/4/5/6/7/8/9/x", "too deep");
    assert_false(model_digest_list(folder, &files, &err));
    assert_int_equal(err.code, ERROR_INVALID);
}

static void a_missing_folder_is_not_found(void **state)
{
    (void)state;
    struct model_files files;
    struct error err = {0};
    assert_false(model_digest_list("/nowhere/at/all", &files, &err));
    assert_true(err.code == ERROR_NOT_FOUND || err.code == ERROR_IO);
}

static void who_stops_it_does_not_wait(void **state)
{
    struct model_files files;
    struct error err = {0};
    const atomic_bool stop = true;
    (void)state;
    assert_false(model_digest_list_until(TEST_SOURCE "/models/pattern", &stop, &files, &err));
    assert_int_equal(err.code, ERROR_INTERRUPTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_digest_is_that_of_sorted_lines, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(answers_and_training_are_left_out, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(names_sizes_and_contents_all_count, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_cannot_be_shipped_is_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(nesting_has_a_limit, make_folder, remove_folder),
        cmocka_unit_test(a_missing_folder_is_not_found),
        cmocka_unit_test(who_stops_it_does_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "scratch.h"

#include <stdio.h>
#include <string.h>

#include "base/config.h"

static const char *const known[] = {"listen", "state_folder", "log_level", NULL};

static bool load(struct config *c, const void *text, size_t size, struct error *err)
{
    char *folder = scratch_make();
    char *path = path_join(folder, "farm.conf");
    assert_true(path_write_atomic(path, text, size, 0600, NULL));
    bool ok = config_load(c, path, known, err);
    free(path);
    scratch_remove(folder);
    return ok;
}

static void lines_become_entries(void **state)
{
    (void)state;
    static const char text[] = "# the farm\n"
                               "\n"
                               "listen = tcp://*:7700 # not a comment\n"
                               "  state_folder=/var/lib/zoe = x\t\r\n"
                               " \t # indented comment\n"
                               "listen=later\n"
                               "log_level =";
    struct config c;
    struct error err = {0};
    if (!load(&c, text, strlen(text), &err)) fail_msg("%s", err.message);
    assert_int_equal(c.count, 4);
    assert_string_equal(c.entries[0].value, "tcp://*:7700 # not a comment");
    assert_int_equal(c.entries[0].line, 3);
    assert_string_equal(config_get(&c, "listen"), "later");
    assert_string_equal(config_get(&c, "state_folder"), "/var/lib/zoe = x");
    assert_string_equal(config_get(&c, "log_level"), "");
    assert_null(config_get(&c, "absent"));
    assert_int_equal(config_find(&c, "listen")->line, 6);
    assert_null(config_find(&c, "absent"));
    assert_non_null(strstr(c.path, "farm.conf"));
    config_finish(&c);
    assert_null(config_get(&c, "listen"));
}

static void a_missing_file_is_empty(void **state)
{
    (void)state;
    struct config c;
    struct error err = {0};
    assert_true(config_load(&c, "/no/such/farm.conf", known, &err));
    assert_int_equal(err.code, ERROR_NONE);
    assert_int_equal(c.count, 0);
    assert_null(c.path);
    config_finish(&c);
    assert_true(load(&c, "", 0, &err));
    assert_int_equal(c.count, 0);
    config_finish(&c);
}

static void errors_name_line_and_neighbour(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"log_level = info\nlisten_ = x\n",
         "farm.conf:2: unknown setting 'listen_'; did you mean 'listen'?"},
        {"banana = x", "farm.conf:1: unknown setting 'banana'"},
        {"\n\nlisten\n", "farm.conf:3: expected 'key = value'"},
        {"= x\n", "farm.conf:1: no key before '='"},
        {"Listen = x\n", "did you mean 'listen'?"},
        {"listen = \xff\n", "farm.conf is not UTF-8 text"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config c;
        struct error err = {0};
        assert_false(load(&c, cases[i].text, strlen(cases[i].text), &err));
        assert_int_equal(err.code, ERROR_USAGE);
        if (strstr(err.message, cases[i].message) == NULL) fail_msg("%s", err.message);
        assert_int_equal(c.count, 0);
        assert_null(c.path);
        config_finish(&c);
    }
    struct config c;
    assert_false(load(&c, "listen = a\0b\n", 13, NULL));
    config_finish(&c);
}

static void size_at_the_limit(void **state)
{
    (void)state;
    char *text = xmalloc(CONFIG_MAX_BYTES + 1);
    memset(text, '#', CONFIG_MAX_BYTES + 1);
    struct config c;
    struct error err = {0};
    assert_true(load(&c, text, CONFIG_MAX_BYTES, &err));
    config_finish(&c);
    assert_false(load(&c, text, CONFIG_MAX_BYTES + 1, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    config_finish(&c);
    assert_false(config_load(&c, "/", known, &err));
    assert_int_equal(err.code, ERROR_IO);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_entries),
        cmocka_unit_test(a_missing_file_is_empty),
        cmocka_unit_test(errors_name_line_and_neighbour),
        cmocka_unit_test(size_at_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

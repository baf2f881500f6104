/* Paths in flags and lines become digests; every field of a recipe can be typed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cli/commands.h"
#include "cli/input_files.h"
#include "cli/recipe_flags.h"

static int make_folder(void **state)
{
    char *folder = xstrdup("/tmp/zoe-input-files-XXXXXX");
    *state = folder;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    bool ok = path_remove_tree(*state, NULL);
    free(*state);
    return ok ? 0 : -1;
}

static char *put(const char *folder, const char *name, const char *text)
{
    char *path = path_join(folder, name);
    assert_true(path_write_atomic(path, text, strlen(text), 0600, NULL));
    return path;
}

static void test_lines(void **state)
{
    struct error err = {0};
    struct input_files files = {0};
    struct buf text = BUF_INIT;
    char hex[DIGEST_TEXT_SIZE];
    struct digest digest = digest_of("cat", 3);
    char *path = put(*state, "cat.png", "cat");
    digest_text(&digest, hex);
    buf_printf(&text,
               "{\"prompt\": \"a mask\"}\r\n"
               "{\"mask\": \"cat.png\", \"prompt\": \"b\", \"init_image\": \"%s\"}\n"
               "no json, init_video\n"
               "{\"init_video\": \"sha256:%s\"}",
               path, hex);
    assert_true(input_files_replace_lines(&files, &text, *state, &err));
    char *wanted =
        xasprintf("{\"prompt\": \"a mask\"}\r\n"
                  "{\"init_image\":\"sha256:%s\",\"mask\":\"sha256:%s\",\"prompt\":\"b\"}\n"
                  "no json, init_video\n"
                  "{\"init_video\":\"sha256:%s\"}",
                  hex, hex, hex);
    assert_string_equal(buf_text(&text), wanted);
    assert_int_equal(files.count, 1); /* one path, however it is named */
    assert_int_equal(files.items[0].size_bytes, 3);
    free(wanted);
    free(path);
    buf_finish(&text);
    input_files_finish(&files);
}

static void test_a_wrong_line_is_named(void **state)
{
    struct error err = {0};
    struct input_files files = {0};
    struct buf text = BUF_INIT;
    buf_append_text(&text, "{\"prompt\":\"a\"}\n{\"prompt\":\"b\",\"mask\":\"none.png\"}\n");
    assert_false(input_files_replace_lines(&files, &text, *state, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.message, "line 2: mask: cannot open"));
    buf_finish(&text);
    input_files_finish(&files);
}

static bool replace_one(struct input_files *files, const char *path, struct error *err)
{
    json_t *fields = json_pack("{ss}", "init_video", path);
    bool ok = input_files_replace(files, fields, NULL, err);
    json_decref(fields);
    return ok;
}

static void test_sizes(void **state)
{
    struct error err = {0};
    struct input_files files = {0};
    char *path = put(*state, "large", "");
    assert_false(replace_one(&files, path, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_int_equal(truncate(path, LIMIT_INPUT_BYTES + 1), 0);
    assert_false(replace_one(&files, path, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_int_equal(truncate(path, LIMIT_INPUT_BYTES), 0);
    assert_true(replace_one(&files, path, &err));
    assert_int_equal(files.items[0].size_bytes, LIMIT_INPUT_BYTES);
    assert_int_equal(unlink(path), 0);
    assert_false(replace_one(&files, *state, &err)); /* a folder */
    input_files_finish(&files);
    free(path);
}

static void test_as_many_as_may_be(void **state)
{
    struct error err = {0};
    struct input_files files = {0};
    for (int i = 0; i <= LIMIT_INPUTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        char *path = put(*state, name, name);
        assert_int_equal(replace_one(&files, path, &err), i < LIMIT_INPUTS);
        free(path);
    }
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_int_equal(files.count, LIMIT_INPUTS);
    input_files_finish(&files);
}

static const struct option *find_option(const struct command *command, const char *name)
{
    for (const struct option *o = command->options; o->name; o++)
        if (strcmp(o->name, name) == 0) return o;
    return NULL;
}

/* A field that is added to the table without an option cannot be typed. */
static void test_every_field_has_its_option(void **state)
{
    (void)state;
    int count;
    char flag[RECIPE_FLAG_SIZE];
    const struct recipe_field *fields = recipe_fields(&count);
    for (int i = 0; i < count; i++) {
        if (!recipe_flag_name(&fields[i], flag)) continue;
        const struct option *o = find_option(&command_submit, flag);
        if (!o || !find_option(&command_render, flag)) fail_msg("there is no --%s", flag);
        assert_non_null(o->value);
        assert_int_equal(o->value[0] == '[', fields[i].type == RECIPE_BOOL);
    }
}

static json_t *read_flags(int argc, const char *const *argv, struct error *err)
{
    struct call call;
    bool help;
    char *words[32];
    assert_in_range(argc, 1, 32);
    for (int i = 0; i < argc; i++)
        words[i] = xstrdup(argv[i]);
    json_t *options = json_object();
    bool ok = call_parse(&call, &command_render, argc, words, &help, err) &&
              recipe_flags_read(&call, options, err);
    for (int i = 0; i < argc; i++)
        free(words[i]);
    if (ok) return options;
    json_decref(options);
    return NULL;
}

static void test_flags_of_every_type(void **state)
{
    (void)state;
    struct error err = {0};
    const char *words[] = {"a prompt",
                           "--loop",
                           "--karras=false",
                           "--size=32x48",
                           "--hold-frames",
                           "0,15",
                           "--guidance-by-step",
                           "{\"0\": 12, \"10\": 6}",
                           "--lora=x:0.5",
                           "--lora=y",
                           "--strength=0.25",
                           "--clip-skip=2",
                           "--cuts=8,20",
                           "--seconds",
                           "2.5",
                           "--output-size=640x360",
                           "--reanchor=false"};
    json_t *options = read_flags(sizeof words / sizeof *words, words, &err);
    if (!options) fail_msg("%s", err.message);
    char *text = json_canonical(options);
    assert_string_equal(text,
                        "{\"clip_skip\":2,\"cuts\":[8,20],\"guidance_by_step\":{\"0\":12,\"10\":6},"
                        "\"height\":48,\"hold_frames\":[0,15],\"loop\":true,"
                        "\"loras\":[{\"name\":\"x\",\"strength\":0.5},"
                        "{\"name\":\"y\",\"strength\":1}],\"output_height\":360,"
                        "\"output_width\":640,\"reanchor\":false,\"seconds\":2.5,"
                        "\"strength\":0.25,"
                        "\"use_karras_sigmas\":false,\"width\":32}");
    free(text);
    json_decref(options);
}

static void test_wrong_flags(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "--loop=perhaps",        "--strength=2",   "--hold-frames=x", "--encode=median",
        "--guidance-by-step=12", "--seconds=long", "--seconds=0",     "--output-size=9",
        "--method=magic",        "--size=64"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error err = {0};
        const char *words[] = {"a prompt", wrong[i]};
        assert_null(read_flags(2, words, &err));
        assert_int_not_equal(err.code, ERROR_NONE);
        assert_non_null(strstr(err.message, "--"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_wrong_line_is_named, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_sizes, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_as_many_as_may_be, make_folder, remove_folder),
        cmocka_unit_test(test_every_field_has_its_option),
        cmocka_unit_test(test_flags_of_every_type),
        cmocka_unit_test(test_wrong_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

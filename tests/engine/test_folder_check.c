/* What a check says of whole, spoilt and incomplete models. */
#include "tiny_copy.h"

#include <unistd.h>

#define UNET "unet/diffusion_pytorch_model.safetensors"
#define VAE "vae/diffusion_pytorch_model.safetensors"

static json_t *check(const char *folder, const char *list, size_t count)
{
    json_t *report = engine_check(folder, 1);
    static const char *const lists[] = {"missing", "problems"};
    for (int i = 0; i < 2; i++) {
        const size_t found = json_array_size(json_object_get(report, lists[i]));
        assert_int_equal(found, strcmp(lists[i], list) == 0 ? count : 0);
    }
    return report;
}

static const char *first_of(const json_t *report, const char *list)
{
    return json_string_value(json_array_get(json_object_get(report, list), 0));
}

static void a_whole_model_is_usable(void **state)
{
    (void)state;
    json_t *report = check(TINY, "", 0);
    const json_t *parts = json_object_get(report, "parts"), *unet = json_array_get(parts, 0);
    assert_int_equal(json_array_size(parts), 3);
    assert_string_equal(json_string_value(json_object_get(report, "form")), "diffusers");
    assert_string_equal(json_string_value(json_object_get(report, "family")), "modelscope");
    assert_string_equal(json_string_value(json_object_get(unet, "part")), "unet");
    assert_string_equal(json_string_value(json_object_get(unet, "dtype")), "F32");
    assert_int_equal(json_integer_value(json_object_get(unet, "tensors")), 952);
    json_decref(report);
    report = check(TEST_SOURCE "/models/pattern", "", 0);
    assert_int_equal(json_array_size(json_object_get(report, "parts")), 0);
    json_decref(report);
}

static char *copy_of_tiny(void)
{
    char *folder = scratch_folder();
    scratch_copy_tiny(folder);
    return folder;
}

/* The file's last number, whichever tensor's it is. */
static void write_last(const char *folder, const char *name, uint32_t bits)
{
    char *path = path_join(folder, name);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -4, SEEK_END), 0);
    assert_int_equal(fwrite(&bits, 4, 1, file), 1);
    fclose(file);
    free(path);
}

static void numbers_that_are_none_are_named(void **state)
{
    (void)state;
    static const uint32_t bits[] = {0x7fc00000, 0x7f800000, 0xff800000};
    char *folder = copy_of_tiny();
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        write_last(folder, VAE, bits[i]);
        json_t *report = check(folder, "problems", 1);
        const char *problem = first_of(report, "problems");
        assert_non_null(strstr(problem, VAE));
        assert_non_null(strstr(problem, "1 of "));
        json_decref(report);
    }
    write_last(folder, VAE, 0);
    json_decref(check(folder, "", 0));
    scratch_remove(folder);
}

static void parts_that_are_not_there_are_named(void **state)
{
    (void)state;
    char *folder = copy_of_tiny(), *path = path_join(folder, UNET);
    assert_int_equal(unlink(path), 0);
    json_t *report = check(folder, "missing", 1);
    assert_non_null(strstr(first_of(report, "missing"), "unet"));
    assert_int_equal(json_array_size(json_object_get(report, "parts")), 2);
    json_decref(report);
    free(path);
    scratch_remove(folder);
}

static void other_shapes_are_named(void **state)
{
    (void)state;
    char *folder = copy_of_tiny();
    scratch_copy(TINY, folder, VAE);
    char *from = path_join(folder, VAE), *to = path_join(folder, UNET);
    assert_int_equal(rename(from, to), 0);
    scratch_copy(TINY, folder, VAE);
    json_t *report = check(folder, "problems", 1);
    assert_non_null(strstr(first_of(report, "problems"), "conv_in"));
    json_decref(report);
    free(from);
    free(to);
    scratch_remove(folder);
}

/* The names of a safetensors file that end so get another ending, of the same length. */
static void rename_all(const char *folder, const char *name, const char *from, const char *to)
{
    struct error err = {0};
    struct buf data = BUF_INIT;
    char *path = path_join(folder, name);
    expect_ok(path_read(path, (size_t)64 << 20, &data, &err), &err);
    const size_t length = strlen(from);
    int found = 0;
    assert_int_equal(strlen(to), length);
    for (size_t i = 0; i + length <= data.size; i++)
        if (memcmp(data.data + i, from, length) == 0) {
            memcpy(data.data + i, to, length);
            found++;
        }
    assert_true(found > 0);
    scratch_write(folder, name, data.data, data.size);
    buf_finish(&data);
    free(path);
}

static void any_number_of_missing_tensors_is_named(void **state)
{
    (void)state;
    char *folder = copy_of_tiny();
    rename_all(folder, UNET, ".bias\"", ".bies\"");
    json_t *report = check(folder, "problems", 1);
    assert_non_null(strstr(first_of(report, "problems"), "missing"));
    json_decref(report);
    scratch_remove(folder);
}

/* Such a path fits in no JSON as it is; what is wrong must be told all the same. */
static void problems_of_strange_paths_are_told(void **state)
{
    (void)state;
    char *outer = scratch_folder(), *folder = path_join(outer, "mod\xe8les/tiny");
    scratch_copy_tiny(folder);
    write_last(folder, VAE, 0x7fc00000);
    json_t *report = check(folder, "problems", 1);
    assert_non_null(strstr(first_of(report, "problems"), "mod?les"));
    assert_int_equal(json_array_size(json_object_get(report, "parts")), 3);
    json_decref(report);
    free(folder);
    scratch_remove(outer);
}

static void no_model_is_a_problem(void **state)
{
    (void)state;
    char *folder = scratch_folder();
    json_t *report = check(folder, "problems", 1);
    assert_non_null(strstr(first_of(report, "problems"), folder));
    assert_true(json_is_null(json_object_get(report, "form")));
    json_decref(report);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_model_is_usable),
        cmocka_unit_test(numbers_that_are_none_are_named),
        cmocka_unit_test(parts_that_are_not_there_are_named),
        cmocka_unit_test(other_shapes_are_named),
        cmocka_unit_test(any_number_of_missing_tensors_is_named),
        cmocka_unit_test(problems_of_strange_paths_are_told),
        cmocka_unit_test(no_model_is_a_problem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

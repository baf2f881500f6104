/* Files that are written come back; files that lie about themselves are refused with a reason. */
#include "tiny_copy.h"

struct bad_file {
    const char *header;
    int data_bytes;
    const char *reason;
};

static struct safetensors *open_bytes(const char *folder, uint64_t length, const char *header,
                                      size_t data_bytes, struct error *err)
{
    struct buf file = BUF_INIT;
    for (int i = 0; i < 8; i++)
        buf_append_char(&file, (char)(length >> (8 * i) & 0xff));
    buf_append_text(&file, header);
    for (size_t i = 0; i < data_bytes; i++)
        buf_append_char(&file, (char)i);
    scratch_write(folder, "x.safetensors", file.data, file.size);
    buf_finish(&file);
    char *path = scratch_path(folder, "x.safetensors");
    struct safetensors *s = safetensors_open(path, err);
    free(path);
    return s;
}

static void what_is_written_comes_back(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder(), *path = scratch_path(folder, "y.safetensors");
    const float floats[6] = {1, -2, 3.5f, 0, 1e-30f, 7};
    const int64_t whole[2] = {-5, INT64_MAX}, wide[] = {2, 3}, two[] = {2}, none[] = {0, 4};
    struct safetensors_writer *w = safetensors_writer_new();
    safetensors_writer_add(w, "floats", TENSOR_F32, 2, wide, floats);
    safetensors_writer_add(w, "whole", TENSOR_I64, 1, two, whole);
    safetensors_writer_add(w, "none", TENSOR_F16, 2, none, NULL);
    safetensors_writer_add(w, "one", TENSOR_F32, 0, NULL, floats);
    expect_ok(safetensors_writer_save(w, path, &err), &err);
    safetensors_writer_free(w);
    struct safetensors *s = safetensors_open(path, &err);
    expect_ok(s != NULL, &err);
    assert_int_equal(safetensors_count(s), 4);
    const struct safetensors_entry *e = safetensors_find(s, "floats");
    assert_int_equal(e->rank, 2);
    assert_int_equal(e->dim[1], 3);
    assert_memory_equal(e->data, floats, sizeof floats);
    assert_int_equal((uintptr_t)e->data % 8, 0);
    assert_memory_equal(safetensors_find(s, "whole")->data, whole, sizeof whole);
    assert_int_equal(safetensors_find(s, "none")->count, 0);
    assert_int_equal(safetensors_find(s, "one")->count, 1);
    assert_null(safetensors_find(s, "two"));
    safetensors_close(s);
    free(path);
    scratch_remove(folder);
}

static void lies_are_refused(void **state)
{
    (void)state;
    static const struct bad_file files[] = {
        {"[]", 0, "not an object"},
        {"{", 0, ""},
        {"{\"a\": 3}", 0, "not an object"},
        {"{\"a\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "dtype"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
         "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
         "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0,
         "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, "offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,4]}}", 8, "offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 8, "offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
         4, "overlaps"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "hole"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 9,
         "belongs to no tensor"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
         4, ""},
    };
    char *folder = scratch_folder();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct error err = {0};
        const size_t length = strlen(files[i].header);
        assert_null(open_bytes(folder, length, files[i].header, (size_t)files[i].data_bytes, &err));
        assert_int_equal(err.code, ERROR_INVALID);
        assert_non_null(strstr(err.message, "x.safetensors"));
        if (strstr(err.message, files[i].reason) == NULL)
            fail_msg("%s: %s", files[i].header, err.message);
    }
    scratch_remove(folder);
}

static void impossible_header_lengths_are_refused(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {3, 100, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 40};
    char *folder = scratch_folder();
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct error err = {0};
        assert_null(open_bytes(folder, lengths[i], "{}", 0, &err));
        assert_int_equal(err.code, ERROR_INVALID);
    }
    scratch_remove(folder);
}

static void absent_and_short_files_are_told_apart(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder(), *path = scratch_path(folder, "none.safetensors");
    assert_null(safetensors_open(path, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    scratch_write(folder, "none.safetensors", "1234567", 7);
    assert_null(safetensors_open(path, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_null(safetensors_open(folder, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    free(path);
    scratch_remove(folder);
}

static void metadata_is_no_tensor(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder();
    const char *header = "{\"__metadata__\":{\"format\":\"pt\"}}";
    struct safetensors *s = open_bytes(folder, strlen(header), header, 0, &err);
    expect_ok(s != NULL, &err);
    assert_int_equal(safetensors_count(s), 0);
    safetensors_close(s);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_comes_back),
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(impossible_header_lengths_are_refused),
        cmocka_unit_test(absent_and_short_files_are_told_apart),
        cmocka_unit_test(metadata_is_no_tensor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

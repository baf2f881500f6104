/* Files as torch.save writes them (tests/engine/make_torch_files.py), and files that lie. */
#include "tiny_copy.h"

#include "engine/file/pickle.h"
#include "engine/file/tensor_file.h"
#include "engine/file/torch_file.h"

#define FILES TEST_DATA "/torch/"

static struct tensor_file *open_file(const char *name)
{
    struct error err = {0};
    char *path = path_join(FILES, name);
    struct tensor_file *f = tensor_file_open(path, &err);
    expect_ok(f != NULL, &err);
    free(path);
    return f;
}

static const void *data_of(struct tensor_file *f, const char *name, enum tensor_dtype dtype,
                           const char *shape)
{
    struct error err = {0};
    char text[64];
    const struct tensor_entry *e = tensor_file_find(f, name);
    if (e == NULL) fail_msg("no tensor %s", name);
    tensor_shape_text(e->rank, e->dim, text, sizeof text);
    assert_string_equal(text, shape);
    assert_int_equal(e->dtype, dtype);
    const void *data = tensor_file_data(f, e, &err);
    expect_ok(data != NULL, &err);
    return data;
}

static void every_dtype_is_read(void **state)
{
    (void)state;
    struct tensor_file *f = open_file("plain.pth");
    float grid[24];
    for (int i = 0; i < 24; i++)
        grid[i] = (float)i;
    assert_memory_equal(data_of(f, "f32", TENSOR_F32, "[2,3,4]"), grid, sizeof grid);
    const uint16_t half[] = {0x3800, 0xc000, 0x7bff}, bfloat[] = {0x3fc0, 0xc040};
    assert_memory_equal(data_of(f, "f16", TENSOR_F16, "[3]"), half, sizeof half);
    assert_memory_equal(data_of(f, "bf16", TENSOR_BF16, "[2,1]"), bfloat, sizeof bfloat);
    const double wide[] = {1, 2};
    assert_memory_equal(data_of(f, "f64", TENSOR_F64, "[2]"), wide, sizeof wide);
    const int64_t integers[] = {0, 1, 2};
    assert_memory_equal(data_of(f, "i64", TENSOR_I64, "[3]"), integers, sizeof integers);
    const int32_t small[] = {-5};
    assert_memory_equal(data_of(f, "i32", TENSOR_I32, "[1]"), small, sizeof small);
    assert_memory_equal(data_of(f, "u8", TENSOR_U8, "[2]"), "\1\377", 2);
    assert_memory_equal(data_of(f, "bool", TENSOR_BOOL, "[2]"), "\1\0", 2);
    const float scalar[] = {2.25F}, nine[] = {9};
    assert_memory_equal(data_of(f, "scalar", TENSOR_F32, "[]"), scalar, sizeof scalar);
    assert_memory_equal(data_of(f, "parameter", TENSOR_F32, "[1]"), nine, sizeof nine);
    data_of(f, "empty", TENSOR_F32, "[0,4]");
    tensor_file_close(f);
}

static void strides_are_resolved(void **state)
{
    (void)state;
    struct tensor_file *f = open_file("plain.pth");
    const float turned[] = {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}, column[] = {6, 18};
    assert_memory_equal(data_of(f, "turned", TENSOR_F32, "[4,3]"), turned, sizeof turned);
    assert_memory_equal(data_of(f, "column", TENSOR_F32, "[2]"), column, sizeof column);
    const float *row = data_of(f, "row", TENSOR_F32, "[3,4]");
    for (int i = 0; i < 12; i++)
        assert_true(row[i] == (float)(12 + i));
    float part[3];
    assert_true(tensor_entry_read(tensor_file_find(f, "turned"), 2, 3, part, NULL));
    assert_memory_equal(part, turned + 2, sizeof part);
    tensor_file_close(f);
}

static void expect_refused(struct tensor_file *f, const char *name, const char *why)
{
    struct error err = {0};
    const struct tensor_entry *e = tensor_file_find(f, name);
    assert_non_null(e);
    assert_null(tensor_file_data(f, e, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    if (strstr(err.message, why) == NULL || strstr(err.message, name) == NULL)
        fail_msg("\"%s\" does not say %s, %s", err.message, name, why);
}

static void repetition_is_refused_when_asked_for(void **state)
{
    (void)state;
    struct tensor_file *f = open_file("plain.pth");
    expect_refused(f, "repeated", "does not fit its storage");
    tensor_file_close(f);
}

static void a_state_dict_is_found(void **state)
{
    (void)state;
    struct tensor_file *f = open_file("nested.ckpt");
    const float weight[] = {0, 1, 2, 3, 4, 5};
    assert_int_equal(tensor_file_count(f), 2);
    assert_memory_equal(data_of(f, "weight", TENSOR_F32, "[3,2]"), weight, sizeof weight);
    data_of(f, "bias", TENSOR_F32, "[3]");
    tensor_file_close(f);
    f = open_file("list.pt");
    const float second[] = {2, 3};
    assert_memory_equal(data_of(f, "1", TENSOR_F32, "[1,2]"), second, sizeof second);
    tensor_file_close(f);
    f = open_file("protocol4.pth");
    const float four[] = {4, 5};
    assert_memory_equal(data_of(f, "a", TENSOR_F32, "[2]"), four, sizeof four);
    tensor_file_close(f);
}

static void strangers_are_inert(void **state)
{
    (void)state;
    struct tensor_file *f = open_file("stranger.pth");
    const float good[] = {1, 2};
    assert_memory_equal(data_of(f, "good", TENSOR_F32, "[2]"), good, sizeof good);
    expect_refused(f, "stranger", "Stranger");
    tensor_file_close(f);
}

static void expect_file_refused(const char *path, const char *why)
{
    struct error err = {0};
    struct tensor_file *f = tensor_file_open(path, &err);
    if (f != NULL) fail_msg("%s was taken", path);
    if (strstr(err.message, why) == NULL || strstr(err.message, path) == NULL)
        fail_msg("\"%s\" does not say %s", err.message, why);
}

static void files_without_tensors_are_refused(void **state)
{
    (void)state;
    expect_file_refused(FILES "legacy.pth", "convert it");
    expect_file_refused(FILES "object.pth", "Stranger");
}

/* ---- archives of our own ---- */

static void put(struct buf *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++, value >>= 8)
        buf_append_char(b, (char)(value & 0xff));
}

struct member {
    const char *name;
    const void *data;
    size_t size;
    int method;
};

/* With `wide` all sizes and places are in zip64 fields. */
static void write_archive(const char *path, const struct member *members, int count, bool wide)
{
    struct buf b = BUF_INIT, directory = BUF_INIT;
    struct error err = {0};
    for (int i = 0; i < count; i++) {
        const struct member *m = &members[i];
        const uint64_t at = b.size, name = strlen(m->name);
        buf_append(&b, "PK\3\4", 4), put(&b, 0, 4), put(&b, (uint64_t)m->method, 2), put(&b, 0, 8);
        put(&b, m->size, 4), put(&b, m->size, 4), put(&b, name, 2), put(&b, 0, 2);
        buf_append_text(&b, m->name), buf_append(&b, m->data, m->size);
        buf_append(&directory, "PK\1\2", 4), put(&directory, 0, 6);
        put(&directory, (uint64_t)m->method, 2), put(&directory, 0, 8);
        put(&directory, wide ? UINT32_MAX : m->size, 4),
            put(&directory, wide ? UINT32_MAX : m->size, 4);
        put(&directory, name, 2), put(&directory, wide ? 28 : 0, 2), put(&directory, 0, 10);
        put(&directory, wide ? UINT32_MAX : at, 4);
        buf_append_text(&directory, m->name);
        if (!wide) continue;
        put(&directory, 1, 2), put(&directory, 24, 2);
        put(&directory, m->size, 8), put(&directory, m->size, 8), put(&directory, at, 8);
    }
    const uint64_t at = b.size, bytes = directory.size;
    buf_append(&b, directory.data, directory.size);
    if (wide) {
        const uint64_t end = b.size;
        buf_append(&b, "PK\6\6", 4), put(&b, 44, 8), put(&b, 0, 12), put(&b, (uint64_t)count, 8);
        put(&b, (uint64_t)count, 8), put(&b, bytes, 8), put(&b, at, 8);
        buf_append(&b, "PK\6\7", 4), put(&b, 0, 4), put(&b, end, 8), put(&b, 1, 4);
    }
    buf_append(&b, "PK\5\6", 4), put(&b, 0, 4), put(&b, (uint64_t)count, 2);
    put(&b, (uint64_t)count, 2), put(&b, wide ? UINT32_MAX : bytes, 4);
    put(&b, wide ? UINT32_MAX : at, 4), put(&b, 0, 2);
    expect_ok(path_write_atomic(path, b.data, b.size, 0600, &err), &err);
    buf_finish(&b), buf_finish(&directory);
}

/* {"w": tensor of storage class CLASS, COUNT elements, at OFFSET, shape [SIZE], stride [STRIDE]} */
static void pickle_tensor(struct buf *b, const char *class, int count, int offset, int size,
                          int stride)
{
    buf_append_text(b, "\x80\x02}X"), put(b, 1, 4),
        buf_append_text(b, "wctorch._utils\n_rebuild_tensor_v2\n((X");
    put(b, 7, 4), buf_append_text(b, "storagectorch\n"), buf_append_text(b, class);
    buf_append_text(b, "\nX"), put(b, 1, 4), buf_append_text(b, "0X"), put(b, 3, 4);
    buf_append_text(b, "cpuJ"), put(b, (uint64_t)(int64_t)count, 4);
    buf_append_text(b, "tQJ"), put(b, (uint64_t)(int64_t)offset, 4), buf_append_text(b, "J");
    put(b, (uint64_t)(int64_t)size, 4), buf_append_text(b, "\x85J");
    put(b, (uint64_t)(int64_t)stride, 4), buf_append_text(b, "\x85\x89NtRs.");
}

struct lie {
    const char *class;
    int count, offset, size, stride;
    const char *why; /* NULL: no lie */
};

static const struct lie lies[] = {
    {"FloatStorage", 4, 0, 4, 1, NULL},
    {"FloatStorage", 4, 1, 3, 1, NULL},
    {"FloatStorage", 4, 1, 4, 1, "does not fit its storage"},
    {"FloatStorage", 4, 0, 2, 4, "does not fit its storage"},
    {"FloatStorage", 4, 0, 2147483647, 2147483647, "does not fit its storage"},
    {"FloatStorage", 5, 0, 4, 1, "too few"},
    {"DoubleStorage", 4, 0, 4, 1, "too few"},
    {"FloatStorage", 4, -1, 4, 1, "description"},
    {"FloatStorage", 4, 0, -4, 1, "description"},
    {"FloatStorage", 4, 0, 4, -1, "description"},
    {"FloatStorage", -4, 0, 4, 1, "persistent id"},
    {"StrangeStorage", 4, 0, 4, 1, "torch StrangeStorage"},
};

static void lies_about_tensors_are_refused(void **state)
{
    (void)state;
    char *folder = scratch_folder(), *path = path_join(folder, "w.pth");
    const float data[] = {1, 2, 3, 4};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        const struct lie *lie = &lies[i];
        struct buf pickle = BUF_INIT;
        struct error err = {0};
        pickle_tensor(&pickle, lie->class, lie->count, lie->offset, lie->size, lie->stride);
        const struct member members[] = {{"m/data.pkl", pickle.data, pickle.size, 0},
                                         {"m/data/0", data, sizeof data, 0}};
        write_archive(path, members, 2, i % 2 != 0);
        struct tensor_file *f = tensor_file_open(path, &err);
        expect_ok(f != NULL, &err);
        if (lie->why != NULL)
            expect_refused(f, "w", lie->why);
        else
            assert_memory_equal(tensor_file_data(f, tensor_file_find(f, "w"), &err),
                                data + lie->offset, (size_t)lie->size * sizeof *data);
        tensor_file_close(f);
        buf_finish(&pickle);
    }
    free(path);
    scratch_remove(folder);
}

static void lies_about_archives_are_refused(void **state)
{
    (void)state;
    char *folder = scratch_folder(), *path = path_join(folder, "w.pth");
    struct buf pickle = BUF_INIT;
    pickle_tensor(&pickle, "FloatStorage", 1, 0, 1, 1);
    const struct member good = {"m/data.pkl", pickle.data, pickle.size, 0};
    const struct member packed = {"m/data.pkl", pickle.data, pickle.size, 8};
    const struct member big[] = {good, {"m/byteorder", "big", 3, 0}}, twice[] = {good, good};
    const struct member other = {"m/code/x.py", "", 0, 0};
    write_archive(path, &packed, 1, false);
    expect_file_refused(path, "without data.pkl");
    write_archive(path, &other, 1, false);
    expect_file_refused(path, "without data.pkl");
    write_archive(path, big, 2, false);
    expect_file_refused(path, "big-endian");
    write_archive(path, twice, 2, false);
    expect_file_refused(path, "twice");
    struct error err = {0};
    write_archive(path, &good, 1, false);
    struct tensor_file *f = tensor_file_open(path, &err);
    expect_ok(f != NULL, &err);
    expect_refused(f, "w", "not in the file");
    tensor_file_close(f);
    buf_finish(&pickle);
    free(path);
    scratch_remove(folder);
}

/* Both entries of the directory point at the first one's bytes. */
static void entries_that_overlap_are_refused(void **state)
{
    (void)state;
    char *folder = scratch_folder(), *path = path_join(folder, "w.pth");
    struct buf pickle = BUF_INIT, archive = BUF_INIT;
    struct error err = {0};
    pickle_tensor(&pickle, "FloatStorage", 1, 0, 1, 1);
    const struct member members[] = {{"m/data.pkl", pickle.data, pickle.size, 0},
                                     {"m/data/0x", "1234", 4, 0}};
    write_archive(path, members, 2, false);
    expect_ok(path_read(path, 1 << 20, &archive, &err), &err);
    size_t entry = archive.size;
    while (memcmp(archive.data + --entry, "PK\1\2", 4) != 0)
        ;
    memset(archive.data + entry + 42, 0, 4);
    scratch_write(folder, "w.pth", archive.data, archive.size);
    expect_file_refused(path, "overlaps");
    buf_finish(&pickle), buf_finish(&archive);
    free(path);
    scratch_remove(folder);
}

/* Every length of a sound file is either refused or, never, read beyond its end. */
static void cut_files_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct buf data = BUF_INIT;
    char *folder = scratch_folder(), *path = path_join(folder, "cut.pth");
    expect_ok(path_read(FILES "list.pt", 1 << 20, &data, &err), &err);
    for (size_t size = 0; size < data.size; size += size < 64 ? 1 : 37) {
        scratch_write(folder, "cut.pth", data.data, size);
        err = (struct error){0};
        struct tensor_file *f = tensor_file_open(path, &err);
        if (f != NULL) fail_msg("%zu bytes were taken", size);
        assert_true(err.code == ERROR_INVALID && strstr(err.message, path) != NULL);
    }
    buf_finish(&data);
    free(path);
    scratch_remove(folder);
}

static void pickles_that_break_the_machine_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *why;
    } pickles[] = {
        {"", 0, "cut off"},
        {".", 1, "stack is empty"},
        {"\x80\x09N.", 4, "protocol"},
        {"X\xff\xff\xff\xff", 5, "cut off"},
        {"\x8d\xff\xff\xff\xff\xff\xff\xff\xff", 9, "cut off"},
        {"(R.", 3, "stack is empty"},
        {"Nh\x07.", 4, "never made"},
        {"u.", 2, "no mark"},
        {"}(Nu.", 5, "key without a value"},
        {"N(NNu.", 6, "no such container"},
        {"i.", 2, "not read"},
        {"cos\nsystem", 10, "cut off"},
        {"NNN(\x85.", 6, "stack is empty"},
    };
    for (size_t i = 0; i < sizeof pickles / sizeof pickles[0]; i++) {
        struct error err = {0};
        struct pickle *p = pickle_read(pickles[i].bytes, pickles[i].size, "p", &err);
        if (p != NULL) fail_msg("pickle %zu was taken", i);
        if (strstr(err.message, pickles[i].why) == NULL) fail_msg("%zu: %s", i, err.message);
    }
}

/* A list of pairs that becomes an ordered dict, over and over: some bytes each time. */
static void copies_have_a_limit(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct error err = {0};
    buf_append_text(&b, "ccollections\nOrderedDict\nq\1NN\x86q\2](");
    for (int i = 0; i < 100000; i++)
        buf_append_text(&b, "h\2");
    buf_append_text(&b, "e\x85q\3");
    for (int i = 0; i < 20; i++)
        buf_append_text(&b, "h\1h\3R");
    buf_append_text(&b, ".");
    struct pickle *p = pickle_read(b.data, b.size, "p", &err);
    if (p != NULL) fail_msg("the pickle was taken");
    assert_non_null(strstr(err.message, "too many values"));
    buf_finish(&b);
}

static void names_are_utf8(void **state)
{
    (void)state;
    char *folder = scratch_folder(), *path = path_join(folder, "w.pth");
    struct buf pickle = BUF_INIT;
    pickle_tensor(&pickle, "FloatStorage", 1, 0, 1, 1);
    char *name = memchr(pickle.data, 'w', pickle.size);
    *name = '\xff';
    const struct member members[] = {{"m/data.pkl", pickle.data, pickle.size, 0},
                                     {"m/data/0", "1234", 4, 0}};
    write_archive(path, members, 2, false);
    expect_file_refused(path, "not UTF-8");
    buf_finish(&pickle);
    free(path);
    scratch_remove(folder);
}

/* os.system("..."), as an attacker would write it: a value that nothing comes of. */
static void nothing_is_run(void **state)
{
    (void)state;
    static const char attack[] = "\x80\x02}X\1\0\0\0wcposix\nsystem\nX\x05\0\0\0false\x85Rs.";
    struct error err = {0};
    struct pickle *p = pickle_read(attack, sizeof attack - 1, "attack", &err);
    expect_ok(p != NULL, &err);
    const struct pickle_value *value = pickle_get(pickle_root(p), "w");
    assert_int_equal(value->kind, PICKLE_INERT);
    assert_string_equal(value->text, "posix system");
    pickle_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype_is_read),
        cmocka_unit_test(strides_are_resolved),
        cmocka_unit_test(repetition_is_refused_when_asked_for),
        cmocka_unit_test(a_state_dict_is_found),
        cmocka_unit_test(strangers_are_inert),
        cmocka_unit_test(files_without_tensors_are_refused),
        cmocka_unit_test(lies_about_tensors_are_refused),
        cmocka_unit_test(lies_about_archives_are_refused),
        cmocka_unit_test(entries_that_overlap_are_refused),
        cmocka_unit_test(cut_files_are_refused),
        cmocka_unit_test(pickles_that_break_the_machine_are_refused),
        cmocka_unit_test(copies_have_a_limit),
        cmocka_unit_test(names_are_utf8),
        cmocka_unit_test(nothing_is_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

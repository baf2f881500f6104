/* A segment says which one it is: it comes back, and another is told from it. */
#include "unit/media/media_test.h"

#include "media/segment_reader.h"

#define PLACE "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff 3 24 8"
#define OTHER "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff 4 32 8"

static void write_at(const char *path, const char *place, struct segment_result *out)
{
    const struct frames_shape shape = shape_of(32, 32, 2);
    write_segment_at(path, &shape, 0, place, out);
}

static struct segment_reader *open_it(const char *path, struct error *err)
{
    const struct frames_shape shape = shape_of(32, 32, 2);
    return segment_reader_open(path, &shape, err);
}

static void the_place_comes_back(void **state)
{
    struct error err;
    struct segment_result first, again, plain;
    char *path = in_folder(*state, "a.mkv"), *twin = in_folder(*state, "b.mkv");
    write_at(path, PLACE, &first);
    write_at(twin, PLACE, &again);
    assert_true(digest_equal(&first.sha256, &again.sha256));
    struct segment_reader *r = open_it(path, &err);
    must(r != NULL, &err);
    assert_string_equal(segment_reader_place(r), PLACE);
    must(segment_reader_is_at(r, PLACE, &err), &err);
    segment_reader_destroy(r);
    write_at(twin, NULL, &plain);
    assert_true(digest_equal(&first.frames_sha256, &plain.frames_sha256));
    assert_false(digest_equal(&first.sha256, &plain.sha256));
    r = open_it(twin, &err);
    assert_string_equal(segment_reader_place(r), "");
    segment_reader_destroy(r);
    free(path);
    free(twin);
}

static void another_place_is_named(void **state)
{
    struct error err;
    struct segment_result result;
    char *path = in_folder(*state, "a.mkv");
    write_at(path, PLACE, &result);
    struct segment_reader *r = open_it(path, &err);
    assert_false(segment_reader_is_at(r, OTHER, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_non_null(strstr(err.message, PLACE));
    assert_non_null(strstr(err.message, OTHER));
    segment_reader_destroy(r);
    write_at(path, NULL, &result);
    r = open_it(path, &err);
    assert_false(segment_reader_is_at(r, OTHER, &err));
    assert_non_null(strstr(err.message, "of no place"));
    assert_non_null(strstr(err.message, OTHER));
    segment_reader_destroy(r);
    free(path);
}

/* The tag stands under the checksum of its part of the file: it cannot be edited unseen. */
static void an_edited_place_is_damage(void **state)
{
    struct error err;
    struct segment_result result;
    char *path = in_folder(*state, "a.mkv");
    write_at(path, PLACE, &result);
    struct buf bytes = read_bytes(path);
    size_t at = 0;
    while (at + strlen(PLACE) < bytes.size && memcmp(bytes.data + at, PLACE, strlen(PLACE)) != 0)
        at++;
    assert_true(at + strlen(PLACE) < bytes.size);
    memcpy(bytes.data + at, OTHER, strlen(OTHER));
    write_bytes(path, bytes.data, bytes.size);
    assert_null(open_it(path, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    buf_finish(&bytes);
    free(path);
}

static void places_have_a_length(void **state)
{
    const struct frames_shape shape = shape_of(32, 32, 2);
    struct error err;
    char text[SEGMENT_PLACE_MAX + 2], *path = in_folder(*state, "a.mkv");
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_null(segment_writer_open_at(path, &shape, text, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_null(segment_writer_open_at(path, &shape, "", &err));
    struct segment_result result;
    write_at(path, text + 1, &result);
    struct segment_reader *r = open_it(path, &err);
    assert_string_equal(segment_reader_place(r), text + 1);
    segment_reader_destroy(r);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_place_comes_back),
        cmocka_unit_test(another_place_is_named),
        cmocka_unit_test(an_edited_place_is_damage),
        cmocka_unit_test(places_have_a_length),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

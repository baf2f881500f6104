/* Segments joined without loss: the frames are the same, the file is one more segment. */
#include "unit/media/media_test.h"

#include "media/concat.h"
#include "media/segment_reader.h"

static void frames_stay_what_they_were(void **state)
{
    struct error err;
    struct frames_shape shape = shape_of(33, 32, 0), seen;
    struct segment_result written, whole, joined;
    char *paths[3], *out = in_folder(*state, "all.mkv"), *one = in_folder(*state, "one.mkv");
    int64_t first = 0;
    for (int i = 0; i < 3; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "p%d.mkv", i);
        paths[i] = in_folder(*state, name);
        shape.count = 3 + i;
        write_segment_at(paths[i], &shape, first, "aa 0 0 3", &written);
        first += shape.count;
    }
    shape.count = first;
    write_segment(one, &shape, 0, &whole);
    const char *const segments[] = {paths[0], paths[1], paths[2]};
    must(concat_run(segments, 3, out, &seen, &joined, &err), &err);
    assert_int_equal(seen.count, 12);
    assert_int_equal(seen.width, 33);
    assert_int_equal(seen.rate.num, 8);
    assert_true(digest_equal(&joined.frames_sha256, &whole.frames_sha256));
    assert_true(digest_equal(&joined.sha256, &whole.sha256)); /* and no place in it */
    for (int i = 0; i < 3; i++)
        free(paths[i]);
    free(out);
    free(one);
}

static void bad_parts_leave_nothing(void **state)
{
    struct error err;
    struct frames_shape shape = shape_of(32, 32, 2), other = shape_of(48, 32, 2), seen;
    struct segment_result written;
    char *good = in_folder(*state, "good.mkv"), *wide = in_folder(*state, "wide.mkv");
    char *bad = in_folder(*state, "bad.mkv"), *out = in_folder(*state, "never.mkv");
    write_segment(good, &shape, 0, &written);
    write_segment(wide, &other, 0, &written);
    struct buf bytes = read_bytes(good);
    bytes.data[bytes.size / 2] ^= 1;
    write_bytes(bad, bytes.data, bytes.size);
    assert_false(concat_run((const char *[]){good, wide}, 2, out, &seen, &written, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_false(concat_run((const char *[]){good, bad}, 2, out, &seen, &written, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_false(concat_run((const char *[]){out}, 1, out, &seen, &written, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_false(path_exists(out));
    buf_finish(&bytes);
    free(good);
    free(wide);
    free(bad);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_stay_what_they_were),
        cmocka_unit_test(bad_parts_leave_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

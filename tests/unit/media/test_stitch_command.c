/* zoe-media stitch --manifest: what it takes, what it says of bad segments. */
#include "unit/media/media_run.h"

#include <libavfilter/version_major.h>
#include <libavutil/macros.h>
#include <math.h>
#include <unistd.h>

#include "media/stitch_manifest.h"

/* `count` segments of `frames` pictures each, from picture `first` on, as a list for a manifest. */
static json_t *make_segments(const char *folder, int count, int frames, int first)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        const struct frames_shape shape = shape_of(33, 32, frames);
        const int at = first + i * frames;
        struct segment_result written;
        char hex[DIGEST_TEXT_SIZE];
        char *name = xasprintf("s%d.mkv", i), *place = xasprintf("aa %d %d %d", i, at, frames);
        char *path = in_folder(folder, name);
        write_segment_at(path, &shape, at, place, &written);
        digest_text(&written.frames_sha256, hex);
        json_array_append_new(list, json_pack("{ss si si ss ss}", "path", path, "frames", frames,
                                              "first", at, "frames_sha256", hex, "place", place));
        free(name);
        free(place);
        free(path);
    }
    return list;
}

static struct answer stitch_with(const char *folder, const json_t *manifest, const char *out,
                                 int frames, const char *options)
{
    char *path = in_folder(folder, "stitch.json"), *text = json_canonical(manifest);
    char *video = in_folder(folder, out);
    write_bytes(path, text, strlen(text));
    char *line = xasprintf("stitch --manifest %s --out %s --fps 8 --frames %d --width 33 "
                           "--height 32 %s",
                           path, video, frames, options);
    struct answer a = run(folder, line);
    free(path);
    free(text);
    free(video);
    free(line);
    return a;
}

static struct answer stitch(const char *folder, const json_t *manifest, const char *out, int frames)
{
    return stitch_with(folder, manifest, out, frames, "");
}

static void a_manifest_is_stitched(void **state)
{
    json_t *manifest = json_pack("{so}", "segments", make_segments(*state, 3, 4, 0));
    struct answer a = stitch(*state, manifest, "whole.mp4", 12);
    succeeded(&a);
    assert_int_equal(number_of(&a, "frames"), 12);
    char *line = xasprintf("stitch --out %s/plain.mp4 --fps 8 --frames 12 --width 33 --height 32 "
                           "%s/s0.mkv %s/s1.mkv %s/s2.mkv",
                           (char *)*state, (char *)*state, (char *)*state, (char *)*state);
    struct answer b = run(*state, line);
    succeeded(&b);
    assert_string_equal(text_of(&a, "sha256"), text_of(&b, "sha256"));
    forget(&a);
    forget(&b);
    free(line);
    json_decref(manifest);
}

static void bad_segments_are_listed(void **state)
{
    json_t *manifest = json_pack("{so}", "segments", make_segments(*state, 4, 4, 0));
    char *first = in_folder(*state, "s1.mkv"), *second = in_folder(*state, "s3.mkv");
    assert_int_equal(unlink(first), 0);
    write_bytes(second, "no segment", 10);
    struct answer a = stitch(*state, manifest, "bad.mp4", 16);
    failed(&a, 1, "rejected");
    assert_int_equal(number_of(&a, "segment"), 1);
    json_t *wanted = json_pack("[ii]", 1, 3);
    assert_true(json_equal(json_object_get(a.json, "bad_segments"), wanted));
    json_decref(wanted);
    forget(&a);
    json_decref(manifest);
    free(first);
    free(second);
}

/* What is extended comes first: from the published MP4, or without loss. */
static void a_video_comes_first(void **state)
{
    json_t *old = json_pack("{so}", "segments", make_segments(*state, 2, 4, 0));
    struct answer a = stitch(*state, old, "old.mp4", 8);
    succeeded(&a);
    forget(&a);
    char *lossless = in_folder(*state, "old.mkv"), *mp4 = in_folder(*state, "old.mp4");
    const struct frames_shape shape = shape_of(33, 32, 8), all = shape_of(33, 32, 16);
    struct segment_result written;
    write_segment(lossless, &shape, 0, &written);
    json_t *more = make_segments(*state, 2, 4, 8);
    const char *const videos[] = {mp4, lossless};
    for (int i = 0; i < 2; i++) {
        json_t *manifest =
            json_pack("{sO s{ss si}}", "segments", more, "before", "path", videos[i], "frames", 8);
        a = stitch(*state, manifest, "longer.mp4", 16);
        succeeded(&a);
        assert_int_equal(number_of(&a, "frames"), 16);
        if (videos[i] == lossless) { /* as if all had been made at once */
            char *whole = in_folder(*state, "whole.mkv");
            char hex[DIGEST_TEXT_SIZE];
            write_segment(whole, &all, 0, &written);
            digest_text(&written.frames_sha256, hex);
            assert_string_equal(text_of(&a, "frames_sha256"), hex);
            free(whole);
        }
        forget(&a);
        json_object_set_new(json_object_get(manifest, "before"), "frames", json_integer(9));
        a = stitch(*state, manifest, "longer.mp4", 17);
        failed(&a, 1, "rejected");
        assert_non_null(strstr(text_of(&a, "message"), "it ends after 8 of 9 frames"));
        assert_null(json_object_get(a.json, "bad_segments"));
        forget(&a);
        json_decref(manifest);
    }
    json_decref(more);
    json_decref(old);
    free(lossless);
    free(mp4);
}

static double real_of(const struct answer *a, const char *key)
{
    return json_number_value(json_object_get(a->json, key));
}

static void the_file_may_have_another_rate_and_size(void **state)
{
    json_t *manifest = json_pack("{so}", "segments", make_segments(*state, 2, 4, 0));
    struct answer plain = stitch(*state, manifest, "plain.mp4", 8);
    succeeded(&plain);
    assert_int_equal(number_of(&plain, "output_frames"), 8);
    assert_int_equal(number_of(&plain, "output_width"), 33);
    const char *options = "--output-fps 30000/1001 --output-size 96x64";
    struct answer a = stitch_with(*state, manifest, "fast.mp4", 8, options);
    succeeded(&a);
    assert_string_equal(text_of(&a, "frames_sha256"), text_of(&plain, "frames_sha256"));
    assert_int_equal(number_of(&a, "frames"), 8);
    assert_int_equal(number_of(&a, "output_frames"), 30);
    assert_int_equal(number_of(&a, "output_width"), 96);
    assert_int_equal(number_of(&a, "output_height"), 64);
    assert_true(fabs(real_of(&a, "output_fps") - 29.97) < 0.01);
    assert_true(fabs(real_of(&a, "duration_s") - 1.001) < 1e-9);
    char *line = xasprintf("probe --mp4 %s/fast.mp4", (char *)*state);
    struct answer seen = run(*state, line);
    succeeded(&seen);
    assert_int_equal(number_of(&seen, "frames"), 30);
    assert_int_equal(number_of(&seen, "width"), 96);
    struct answer again = stitch_with(*state, manifest, "again.mp4", 8, options);
    assert_string_equal(text_of(&a, "sha256"), text_of(&again, "sha256"));
    forget(&again);
    forget(&seen);
    forget(&a);
    a = stitch_with(*state, manifest, "odd.mp4", 8, "--output-size 97x64");
    failed(&a, 2, "usage");
    forget(&a);
    forget(&plain);
    free(line);
    json_decref(manifest);
}

/* Where libavfilter is damaged, what needs no filter goes on, and what does says what is missing.
 */
static void without_libavfilter_only_filters_are_refused(void **state)
{
    json_t *manifest = json_pack("{so}", "segments", make_segments(*state, 2, 4, 0));
    char *library = in_folder(*state, "libavfilter.so." AV_STRINGIFY(LIBAVFILTER_VERSION_MAJOR));
    write_bytes(library, "", 0);
    assert_int_equal(setenv("LD_LIBRARY_PATH", *state, true), 0);
    struct answer a = stitch(*state, manifest, "plain.mp4", 8);
    succeeded(&a);
    forget(&a);
    a = stitch_with(*state, manifest, "fast.mp4", 8, "--output-fps 24");
    failed(&a, 6, "refused");
    assert_non_null(strstr(text_of(&a, "message"), "install FFmpeg's libavfilter"));
    forget(&a);
    assert_int_equal(unsetenv("LD_LIBRARY_PATH"), 0);
    assert_int_equal(unlink(library), 0);
    free(library);
    json_decref(manifest);
}

static void wrong_manifests_are_misuse(void **state)
{
    static const char *const texts[] = {
        "{",
        "[]",
        "{}",
        "{\"segments\": []}",
        "{\"segments\": [1]}",
        "{\"segments\": [{\"path\": \"x\"}]}",
        "{\"segments\": [{\"frames\": 1}]}",
        "{\"segments\": [{\"path\": \"\", \"frames\": 1}]}",
        "{\"segments\": [{\"path\": \"x\", \"frames\": 0}]}",
        "{\"segments\": [{\"path\": \"x\", \"frames\": 1, \"first\": -2}]}",
        "{\"segments\": [{\"path\": \"x\", \"frames\": 1, \"frames_sha256\": \"ab\"}]}",
        "{\"segments\": [{\"path\": \"x\", \"frames\": 1, \"other\": 1}]}",
        "{\"segments\": [{\"path\": \"x\", \"frames\": 1}], \"before\": {}}",
        "{\"segments\": [{\"path\": \"x\", \"frames\": 1}], \"after\": {}}",
    };
    char *path = in_folder(*state, "bad.json");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct stitch_manifest m;
        struct error err = {.code = ERROR_NONE};
        write_bytes(path, texts[i], strlen(texts[i]));
        if (stitch_manifest_load(&m, path, &err)) fail_msg("taken: %s", texts[i]);
        if (err.code != ERROR_USAGE) fail_msg("%s: %s", texts[i], err.message);
    }
    free(path);
    json_t *manifest = json_pack("{so}", "segments", make_segments(*state, 2, 4, 0));
    struct answer a = stitch(*state, manifest, "bad.mp4", 9);
    failed(&a, 2, "usage");
    forget(&a);
    json_decref(manifest);
    a = run(*state, "stitch --manifest x --out x.mp4 --fps 8 --frames 1 --width 8 --height 8 word");
    failed(&a, 2, "usage");
    forget(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_is_stitched),
        cmocka_unit_test(bad_segments_are_listed),
        cmocka_unit_test(a_video_comes_first),
        cmocka_unit_test(the_file_may_have_another_rate_and_size),
        cmocka_unit_test(without_libavfilter_only_filters_are_refused),
        cmocka_unit_test(wrong_manifests_are_misuse),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

/* zoe-media as its callers see it: arguments, one line of JSON, exit codes. */
#include "unit/media/media_run.h"
#include "unit/media/media_test.h"

static void check_answers(void **state)
{
    char *segment = in_folder(*state, "s.mkv");
    const struct frames_shape shape = shape_of(48, 32, 5);
    struct segment_result written;
    write_segment(segment, &shape, 0, &written);
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&written.frames_sha256, digest);
    char *line = xasprintf("check --segment %s --frames 5 --width 48 --height 32 --fps 8", segment);
    struct answer a = run(*state, line);
    succeeded(&a);
    assert_int_equal(number_of(&a, "frames"), 5);
    assert_int_equal(number_of(&a, "width"), 48);
    assert_int_equal(number_of(&a, "height"), 32);
    assert_int_equal(number_of(&a, "luma_max"), written.luma_max);
    assert_string_equal(text_of(&a, "frames_sha256"), digest);
    assert_string_equal(text_of(&a, "suspect"), "");
    forget(&a);
    free(line);
    line = xasprintf("check --segment %s --frames 6 --width 48 --height 32 --fps 8", segment);
    a = run(*state, line);
    failed(&a, 1, "rejected");
    assert_non_null(strstr(text_of(&a, "message"), "holds 5 frames, 6 were expected"));
    forget(&a);
    free(line);
    a = run(*state, "check --segment /nowhere.mkv --frames 6 --width 48 --height 32 --fps 8");
    failed(&a, 3, "not_found");
    forget(&a);
    free(segment);
}

static void check_compares_the_place(void **state)
{
    char *segment = in_folder(*state, "p.mkv");
    const struct frames_shape shape = shape_of(32, 32, 1);
    struct segment_result written;
    write_segment_at(segment, &shape, 0, "aa 0 0 8", &written);
    const char *words[] = {"check",   "--segment", segment,    "--frames", "1",
                           "--width", "32",        "--height", "32",       "--fps",
                           "8",       "--place",   "aa 0 0 8", NULL};
    struct answer a = run_words(*state, words);
    succeeded(&a);
    forget(&a);
    words[12] = "aa 1 8 8";
    a = run_words(*state, words);
    failed(&a, 1, "rejected");
    assert_non_null(strstr(text_of(&a, "message"), "it is segment \"aa 0 0 8\", not \"aa 1 8 8\""));
    forget(&a);
    free(segment);
}

static void latents_answers(void **state)
{
    static const char line[] =
        "latents --recipe "
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff "
        "--task 7 --first 24 --frames %s " TEST_SOURCE "/tests/fuzz/corpus/fuzz_latents/checkpoint";
    char *good = xasprintf(line, "3"), *bad = xasprintf(line, "4");
    struct answer a = run(*state, good);
    succeeded(&a);
    assert_string_equal(text_of(&a, "kind"), "checkpoint");
    assert_string_equal(text_of(&a, "fingerprint"), "f");
    assert_int_equal(number_of(&a, "step"), 10);
    assert_int_equal(number_of(&a, "steps"), 30);
    assert_int_equal(number_of(&a, "channels"), 2);
    forget(&a);
    a = run(*state, bad);
    failed(&a, 1, "rejected");
    forget(&a);
    free(good);
    free(bad);
}

/* Then it is made again, as a damaged one is; a failure of the stitcher would fail the clip. */
static void stitch_rejects_a_missing_segment(void **state)
{
    char *mp4 = in_folder(*state, "never.mp4");
    char *line =
        xasprintf("stitch --out %s --fps 8 --frames 2 --width 32 --height 32 %s.gone", mp4, mp4);
    struct answer a = run(*state, line);
    failed(&a, 1, "rejected");
    assert_non_null(strstr(text_of(&a, "message"), "does not exist"));
    forget(&a);
    free(line);
    free(mp4);
}

static void stitch_and_probe_agree(void **state)
{
    char *segment = in_folder(*state, "a.mkv");
    char *mp4 = in_folder(*state, "a.mp4");
    char *comment = in_folder(*state, "recipe.json");
    const struct frames_shape shape = shape_of(33, 32, 5);
    struct segment_result written;
    write_segment(segment, &shape, 0, &written);
    write_bytes(comment, "{\"seed\":42}", 11);
    char *line = xasprintf("stitch --out %s --fps 8 --frames 10 --width 33 --height 32 "
                           "--comment-file %s --title=fox %s %s",
                           mp4, comment, segment, segment);
    struct answer a = run(*state, line);
    succeeded(&a);
    char *probe_line = xasprintf("probe --mp4 %s", mp4);
    struct answer b = run(*state, probe_line);
    succeeded(&b);
    static const char *const same[] = {"sha256", "size", "frames",    "width",
                                       "height", "fps",  "duration_s"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        const json_t *left = json_object_get(a.json, same[i]);
        const json_t *right = json_object_get(b.json, same[i]);
        if (left == NULL || !json_equal(left, right)) fail_msg("%s differs", same[i]);
    }
    assert_int_equal(number_of(&a, "width"), 34);
    assert_int_equal(number_of(&a, "pad_right"), 1);
    assert_int_equal(number_of(&a, "pad_bottom"), 0);
    assert_int_equal(number_of(&a, "frames"), 10);
    assert_string_equal(text_of(&b, "comment"), "{\"seed\":42}");
    assert_string_equal(text_of(&b, "title"), "fox");
    assert_string_equal(text_of(&b, "codec"), "h264");
    forget(&a);
    forget(&b);
    free(line);
    free(probe_line);
    free(segment);
    free(mp4);
    free(comment);
}

/* What extends and streams a clip. */
static void joined_and_cut_into_parts(void **state)
{
    char *line = xasprintf("concat --out %s/joined.mkv %s/a.mkv %s/a.mkv", (char *)*state,
                           (char *)*state, (char *)*state);
    struct answer a = run(*state, line);
    succeeded(&a);
    assert_int_equal(number_of(&a, "frames"), 10);
    assert_int_equal(number_of(&a, "width"), 33);
    assert_int_equal(number_of(&a, "fps"), 8);
    forget(&a);
    free(line);
    line = xasprintf("hls --part %s/a.mp4 --out %s --index 7 --offset-frames 70", (char *)*state,
                     (char *)*state);
    a = run(*state, line);
    succeeded(&a);
    char *path = in_folder(*state, "000007.ts");
    assert_string_equal(text_of(&a, "path"), path);
    assert_true(path_exists(path));
    assert_true(json_real_value(json_object_get(a.json, "seconds")) == 1.25);
    forget(&a);
    free(path);
    free(line);
}

static void title_may_look_like_an_option(void **state)
{
    char *segment = in_folder(*state, "t.mkv");
    char *mp4 = in_folder(*state, "t.mp4");
    const struct frames_shape shape = shape_of(32, 32, 2);
    struct segment_result written;
    write_segment(segment, &shape, 0, &written);
    static const char *const titles[] = {"--help", "--", "--out=x", "-"};
    for (size_t i = 0; i < 4; i++) {
        char *line = xasprintf("stitch --out %s --title %s --fps 8 --frames 2 --width 32 "
                               "--height 32 %s",
                               mp4, titles[i], segment);
        struct answer a = run(*state, line);
        succeeded(&a);
        forget(&a);
        free(line);
        line = xasprintf("probe --mp4 %s", mp4);
        a = run(*state, line);
        assert_string_equal(text_of(&a, "title"), titles[i]);
        forget(&a);
        free(line);
    }
    free(segment);
    free(mp4);
}

static void full_disk_is_exit_six(void **state)
{
    char *segment = in_folder(*state, "f.mkv");
    char *mp4 = in_folder(*state, "f.mp4");
    const struct frames_shape shape = shape_of(32, 32, 2);
    struct segment_result written;
    write_segment(segment, &shape, 0, &written);
    assert_int_equal(symlink("/dev/full", mp4), 0);
    char *line =
        xasprintf("stitch --out %s --fps 8 --frames 2 --width 32 --height 32 %s", mp4, segment);
    struct answer a = run(*state, line);
    failed(&a, 6, "full");
    forget(&a);
    free(line);
    free(segment);
    free(mp4);
}

static void sheet_and_page_are_written(void **state)
{
    char *manifest = in_folder(*state, "m.json");
    char *png = in_folder(*state, "m.png");
    char *html = in_folder(*state, "m.html");
    static const char json[] = "{\"title\": \"t\", \"clips\": [{\"prompt\": \"x\"}]}";
    write_bytes(manifest, json, strlen(json));
    char *line = xasprintf("sheet --manifest %s --out %s", manifest, png);
    struct answer a = run(*state, line);
    succeeded(&a);
    assert_int_equal(number_of(&a, "rows"), 1);
    assert_true(path_exists(png));
    forget(&a);
    free(line);
    line = xasprintf("page --manifest %s --out %s", manifest, html);
    a = run(*state, line);
    succeeded(&a);
    assert_int_equal(number_of(&a, "clips"), 1);
    assert_true(path_exists(html));
    forget(&a);
    free(line);
    line = xasprintf("page --manifest %s --out %s/no/such/folder.html", manifest, (char *)*state);
    a = run(*state, line);
    assert_int_not_equal(a.code, 0);
    forget(&a);
    free(line);
    write_bytes(manifest, "{", 1);
    line = xasprintf("page --manifest %s --out %s", manifest, html);
    a = run(*state, line);
    failed(&a, 2, "usage");
    forget(&a);
    free(line);
    free(manifest);
    free(png);
    free(html);
}

static void misuse_is_exit_two(void **state)
{
    static const char *const lines[] = {"chek",
                                        "check",
                                        "check --segment x --frames 0",
                                        "stitch --out x --fps 8 --frames 1 --width 8 --height 8",
                                        "probe --mp4 x y",
                                        "--memory-mib 1 check",
                                        "probe --mp5 x"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct answer a = run(*state, lines[i]);
        failed(&a, 2, "usage");
        forget(&a);
    }
}

static void help_is_words(void **state)
{
    static const char *const lines[] = {"",
                                        "--help",
                                        "check --help",
                                        "latents --help",
                                        "concat --help",
                                        "hls --help",
                                        "stitch --help",
                                        "probe --help",
                                        "sheet --help",
                                        "page --help",
                                        "--cpu-s 5 page --help"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct answer a = run(*state, lines[i]);
        assert_int_equal(a.code, 0);
        assert_non_null(strstr(a.out, "zoe-media"));
        assert_null(a.json);
        forget(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_answers),
        cmocka_unit_test(check_compares_the_place),
        cmocka_unit_test(latents_answers),
        cmocka_unit_test(stitch_rejects_a_missing_segment),
        cmocka_unit_test(stitch_and_probe_agree),
        cmocka_unit_test(joined_and_cut_into_parts),
        cmocka_unit_test(title_may_look_like_an_option),
        cmocka_unit_test(full_disk_is_exit_six),
        cmocka_unit_test(sheet_and_page_are_written),
        cmocka_unit_test(misuse_is_exit_two),
        cmocka_unit_test(help_is_words),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

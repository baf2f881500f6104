/* Runs that never run, and scripts in the place of zoe-media. */
#include "ground.h"

#include <sys/stat.h>

#include "coordinator/media_child.h"

struct seen {
    int count;
    enum media_outcome outcome;
    char message[512];
};

static void on_done(void *context, const struct media_result *result)
{
    struct seen *seen = context;
    seen->count++;
    seen->outcome = result->outcome;
    memcpy(seen->message, result->message, sizeof(seen->message));
}

static char *script(void **state, const char *text)
{
    char *path = ground_path(state, "program");
    char *whole = xasprintf("#!/bin/sh\n%s\n", text);
    ground_write_text(path, whole);
    assert_int_equal(chmod(path, 0700), 0);
    free(whole);
    return path;
}

static struct seen stitch(const char *program, const char *out, const char *comment,
                          int64_t limit_ms)
{
    uv_loop_t loop;
    struct seen seen = {0};
    assert_int_equal(uv_loop_init(&loop), 0);
    struct media_children *c = media_children_create(&loop, program, 1, limit_ms);
    const char *segments[] = {"segment"};
    struct media_stitch job = {
        .out = out, .segments = segments, .segment_count = 1, .frames = 1, .width = 2, .height = 2};
    job.fps = 8;
    job.comment = comment;
    (void)media_stitch_start(c, &job, on_done, &seen);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    media_children_destroy(c);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(seen.count, 1);
    return seen;
}

/* This machine's fault: to be tried again, and held against nobody. */
static void test_no_program(void **state)
{
    char *out = ground_path(state, "out.mp4");
    struct seen seen = stitch("/nonexistent/zoe-media", out, NULL, 5000);
    assert_int_equal(seen.outcome, MEDIA_FULL);
    free(out);
}

/* Another process may still have it open: what it writes must not get into this video. */
static void test_a_video_is_a_new_file(void **state)
{
    char *program = script(state, "while [ \"$1\" != --out ]; do shift; done; echo new >\"$2\";"
                                  "echo '{\"ok\":true}'");
    char *out = ground_path(state, "out.mp4"), *other = ground_path(state, "other");
    ground_write_text(out, "old");
    assert_int_equal(link(out, other), 0);
    assert_int_equal(stitch(program, out, NULL, 5000).outcome, MEDIA_OK);
    struct buf made = ground_read(out), left = ground_read(other);
    assert_memory_equal(made.data, "new\n", 4);
    assert_memory_equal(left.data, "old", 3);
    buf_finish(&made);
    buf_finish(&left);
    free(other);
    free(out);
    free(program);
}

/* A video without its recipe is never made. */
static void test_no_place_for_the_comment(void **state)
{
    char *program = script(state, "echo '{\"ok\":true}'");
    char *out = ground_path(state, "missing/out.mp4");
    assert_int_equal(stitch(program, out, "recipe", 5000).outcome, MEDIA_FULL);
    free(program);
    free(out);
}

static void test_answers(void **state)
{
    static const struct {
        const char *text;
        enum media_outcome outcome;
    } rows[] = {
        {"echo '{\"ok\":true}'", MEDIA_OK},
        {"echo '{\"ok\":false,\"code\":\"rejected\",\"message\":\"m\"}'; exit 1", MEDIA_REJECTED},
        {"echo '{\"ok\":false,\"code\":\"full\"}'; exit 6", MEDIA_FULL},
        {"echo '{\"ok\":false,\"code\":\"io\"}'; exit 1", MEDIA_FAILED},
        {"echo nonsense", MEDIA_DIED},
        {"kill -9 $$", MEDIA_DIED},
        {"for a; do case $a in *.comment) grep -q recipe $a && echo '{\"ok\":true}';; esac; done",
         MEDIA_OK},
    };
    char *out = ground_path(state, "out.mp4");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *program = script(state, rows[i].text);
        assert_int_equal(stitch(program, out, "recipe", 5000).outcome, rows[i].outcome);
        free(program);
    }
    char *comment = ground_path(state, "out.mp4.comment");
    assert_false(path_exists(comment)); /* handed over and gone */
    free(comment);
    free(out);
}

static void test_over_the_limit(void **state)
{
    char *program = script(state, "exec sleep 60");
    char *out = ground_path(state, "out.mp4");
    assert_int_equal(stitch(program, out, NULL, 50).outcome, MEDIA_DIED);
    free(program);
    free(out);
}

/* The same video is asked for again before the first child is gone. */
static void test_canceled_and_begun_again(void **state)
{
    uv_loop_t loop;
    struct seen first = {0};
    struct seen second = {0};
    char *program = script(state, "for a; do case $a in *.comment) cat $a > $a.seen;; esac; done\n"
                                  "case $* in *slow*) exec sleep 60;; esac\n"
                                  "echo '{\"ok\":true}'");
    char *out = ground_path(state, "out.mp4");
    char *handed = ground_path(state, "out.mp4.comment.seen");
    const char *slow[] = {"slow"};
    const char *fast[] = {"fast"};
    struct media_stitch job = {.out = out, .segments = slow, .segment_count = 1, .frames = 1};
    assert_int_equal(uv_loop_init(&loop), 0);
    struct media_children *c = media_children_create(&loop, program, 1, 30000);
    job.comment = "first";
    struct media_run *run = media_stitch_start(c, &job, on_done, &first);
    media_run_cancel(run);
    job.comment = "second";
    job.segments = fast;
    (void)media_stitch_start(c, &job, on_done, &second);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(first.count, 0);
    assert_int_equal(second.count, 1);
    assert_int_equal(second.outcome, MEDIA_OK);
    struct buf text = ground_read(handed);
    assert_string_equal(buf_text(&text), "second");
    buf_finish(&text);
    media_children_destroy(c);
    assert_int_equal(uv_loop_close(&loop), 0);
    free(program);
    free(out);
    free(handed);
}

/* ---- latents ---- */

#define LARGE_VALUES ((size_t)16 * 4096 * 3968)

static void write_at(FILE *file, size_t place, const void *data, size_t size)
{
    assert_int_equal(fseek(file, (long)place, SEEK_SET), 0);
    assert_int_equal(fwrite(data, 1, size, file), size);
}

/* Nearly as large as they may be, with holes; the first value is not finite. */
static void write_large_latents(const char *path)
{
    static const uint32_t nan = 0x7fc00000;
    static const char state[] = "{\"kind\":\"latents\",\"schema\":1,\"task\":0,\"first\":0,"
                                "\"frames\":1,\"channels\":16,\"height\":4096,\"width\":3968,"
                                "\"steps\":1,\"step\":1,\"fingerprint\":\"f\"}";
    const size_t end = 4 * LARGE_VALUES, state_size = strlen(state);
    char *header = xasprintf("{\"latents\":{\"dtype\":\"F32\",\"shape\":[16,1,4096,3968],"
                             "\"data_offsets\":[0,%zu]},\"state\":{\"dtype\":\"U8\","
                             "\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}}",
                             end, state_size, end, end + state_size);
    const uint64_t header_size = strlen(header);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    write_at(file, 0, &header_size, sizeof header_size);
    write_at(file, 8, header, header_size);
    write_at(file, 8 + header_size, &nan, sizeof nan);
    write_at(file, 8 + header_size + end, state, state_size);
    assert_int_equal(fclose(file), 0);
    free(header);
}

/* A child whose memory is limited maps them whole. */
static void test_large_latents_are_looked_at(void **state)
{
    uv_loop_t loop;
    struct seen seen = {0};
    char *path = ground_path(state, "latents");
    const struct media_latents wanted = {.path = path};
    write_large_latents(path);
    assert_int_equal(uv_loop_init(&loop), 0);
    struct media_children *c =
        media_children_create(&loop, TEST_BIN "/zoe-media", 1, MEDIA_LIMIT_MS);
    assert_non_null(media_latents_start(c, &wanted, on_done, &seen));
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    media_children_destroy(c);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_non_null(strstr(seen.message, "not finite"));
    assert_int_equal(seen.outcome, MEDIA_REJECTED);
    free(path);
}

#define TURNS 6

struct turns { /* in which order runs ended */
    char order[8];
    struct turn {
        struct turns *turns;
        char name;
    } each[TURNS];
};

static void on_turn(void *context, const struct media_result *result)
{
    struct turn *turn = context;
    struct turns *turns = turn->turns;
    assert_int_equal(result->outcome, MEDIA_OK);
    turns->order[strlen(turns->order)] = turn->name;
}

/* Results come faster than they are checked: the clips that are done are made all the same. */
static void test_videos_come_before_checks(void **state)
{
    uv_loop_t loop;
    struct turns turns = {.order = ""};
    char *program = script(state, "echo '{\"ok\":true}'");
    char *out = ground_path(state, "out.mp4");
    const char *segments[] = {"segment"};
    const struct media_check check = {.segment = "segment", .frames = 1, .width = 2, .height = 2};
    const struct media_stitch video = {
        .out = out, .segments = segments, .segment_count = 1, .frames = 1, .width = 2, .height = 2};
    for (int i = 0; i < 4; i++)
        turns.each[i] = (struct turn){&turns, (char)('a' + i)};
    assert_int_equal(uv_loop_init(&loop), 0);
    struct media_children *c = media_children_create(&loop, program, 1, 30000);
    (void)media_check_start(c, &check, on_turn, &turns.each[0]); /* runs at once */
    (void)media_check_start(c, &check, on_turn, &turns.each[1]);
    struct media_run *gone = media_check_start(c, &check, on_turn, &turns.each[2]);
    (void)media_stitch_start(c, &video, on_turn, &turns.each[3]);
    assert_int_equal(media_children_waiting(c), 3);
    media_run_cancel(gone);
    assert_int_equal(media_children_waiting(c), 2);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(turns.order, "adb");
    media_children_destroy(c);
    assert_int_equal(uv_loop_close(&loop), 0);
    free(program);
    free(out);
}

/* Whoever sends many files that take long to look at stops nobody's results, and the other way
 * round. */
static void test_files_and_checks_take_turns(void **state)
{
    uv_loop_t loop;
    struct turns turns = {.order = ""};
    char *program = script(state, "echo '{\"ok\":true}'");
    const struct media_check check = {.segment = "segment", .frames = 1, .width = 2, .height = 2};
    for (int i = 0; i < TURNS; i++)
        turns.each[i] = (struct turn){&turns, (char)('a' + i)};
    assert_int_equal(uv_loop_init(&loop), 0);
    struct media_children *c = media_children_create(&loop, program, 1, 30000);
    for (int i = 0; i < 3; i++)
        (void)media_inspect_start(c, "file", on_turn, &turns.each[i]);
    for (int i = 3; i < TURNS; i++)
        (void)media_check_start(c, &check, on_turn, &turns.each[i]);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(turns.order, "adbecf");
    media_children_destroy(c);
    assert_int_equal(uv_loop_close(&loop), 0);
    free(program);
}

/* One that will take minutes is not ended for a result that comes next. */
static void test_files_leave_a_child_free(void **state)
{
    uv_loop_t loop;
    struct seen seen = {0};
    char *program = script(state, "exec sleep 60");
    const struct media_check check = {.segment = "segment", .frames = 1, .width = 2, .height = 2};
    assert_int_equal(uv_loop_init(&loop), 0);
    struct media_children *c = media_children_create(&loop, program, 2, 30000);
    for (int i = 0; i < 3; i++)
        (void)media_inspect_start(c, "file", on_done, &seen);
    assert_int_equal(media_children_running(c), 1);
    struct media_run *result = media_check_start(c, &check, on_done, &seen);
    assert_int_equal(media_children_running(c), 2);
    assert_int_equal(media_children_waiting(c), 2);
    media_run_cancel(result);
    media_children_destroy(c);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(seen.count, 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    free(program);
}

static void test_frames(void **state)
{
    struct digest digest = digest_of("x", 1);
    struct digest none = {0};
    char hex[DIGEST_TEXT_SIZE];
    (void)state;
    digest_text(&digest, hex);
    json_t *report = json_pack("{s:s}", "frames_sha256", hex);
    json_t *empty = json_object();
    assert_true(media_report_has_frames(report, &digest));
    assert_true(media_report_has_frames(empty, &none));
    assert_false(media_report_has_frames(empty, &digest));
    digest.bytes[0] ^= 1;
    assert_false(media_report_has_frames(report, &digest));
    json_decref(report);
    json_decref(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(test_no_program),
        ground_test(test_a_video_is_a_new_file),
        ground_test(test_no_place_for_the_comment),
        ground_test(test_answers),
        ground_test(test_over_the_limit),
        ground_test(test_canceled_and_begun_again),
        ground_test(test_videos_come_before_checks),
        ground_test(test_files_and_checks_take_turns),
        ground_test(test_files_leave_a_child_free),
        ground_test(test_large_latents_are_looked_at),
        ground_test(test_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

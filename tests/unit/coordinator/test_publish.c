/* Names, prepared batch folders, and the steps of publishing a clip, begun again after each. */
#include "ground.h"

#include <sys/stat.h>

#include "base/json.h"
#include "coordinator/publish.h"

#define BATCH "0123456789"
#define OTHER "abcdefghjk"
#define NAME "07_a-fox_s3"

/* ---- names ---- */

static void test_names(void **state)
{
    char folder[PUBLISH_FOLDER_SIZE];
    char name[PUBLISH_NAME_SIZE];
    (void)state;
    publish_folder_name(BATCH, "First Try!", folder);
    assert_string_equal(folder, BATCH "-first-try");
    publish_folder_name(BATCH, "!?", folder);
    assert_string_equal(folder, BATCH);
    publish_clip_name(0, 1, "A fox, in snow", 42, name);
    assert_string_equal(name, "0_a-fox-in-snow_s42");
    publish_clip_name(7, 10, "", 1, name);
    assert_string_equal(name, "7_clip_s1");
    publish_clip_name(7, 11, "", 1, name);
    assert_string_equal(name, "07_clip_s1");
    publish_clip_name(9999, 10000, "x", 1, name);
    assert_string_equal(name, "9999_x_s1");
    publish_clip_name(9999, 10001, "x", 1, name);
    assert_string_equal(name, "09000/09999_x_s1");
}

/* The longest name, and a suffix behind it, still fits. */
static void test_longest_name(void **state)
{
    char name[PUBLISH_NAME_SIZE];
    char prompt[200];
    (void)state;
    memset(prompt, 'x', sizeof(prompt) - 1);
    prompt[sizeof(prompt) - 1] = '\0';
    publish_clip_name(99999999, 100000000, prompt, INT64_MAX, name);
    assert_true(strlen(name) + strlen("_99") < sizeof(name));
    assert_non_null(strstr(name, "_s9223372036854775807"));
}

/* ---- batches ---- */

static void prepare(void **state, bool jsonl)
{
    struct error err;
    char *source = ground_path(state, "submitted");
    json_t *options = json_pack("{s:i}", "seeds", 2);
    json_t *groups = json_array();
    json_t *about = publish_batch_about(BATCH, "name", "me", 3, 1000, 1, 2, options, groups);
    struct publish_batch b = {.renders = *state,
                              .batch = BATCH,
                              .folder = BATCH "-name",
                              .about = about,
                              .source = source,
                              .source_is_jsonl = jsonl};
    ground_write_text(source, "a fox\n");
    assert_ok(publish_batch_prepare(&b, &err), err);
    assert_true(path_exists(source));
    json_decref(about);
    json_decref(groups);
    json_decref(options);
    free(source);
}

static bool there(void **state, const char *name)
{
    char *path = ground_path(state, name);
    struct stat info;
    bool yes = lstat(path, &info) == 0;
    free(path);
    return yes;
}

static void test_batch_is_placed(void **state)
{
    struct error err;
    prepare(state, false);
    prepare(state, true); /* a leftover is replaced */
    assert_true(there(state, ".tmp-" BATCH "/prompts.jsonl"));
    assert_false(there(state, ".tmp-" BATCH "/prompts.txt"));
    for (int i = 0; i < 2; i++)
        assert_ok(publish_batch_place(*state, BATCH, BATCH "-name", &err), err);
    assert_false(there(state, ".tmp-" BATCH));
    char *path = ground_path(state, BATCH "-name/batch.json");
    json_t *about = json_parse_file(path, 4096, &err);
    assert_non_null(about);
    assert_string_equal(json_string_value(json_object_get(about, "schema")), "zoe.batch.v1");
    assert_int_equal(json_integer_value(json_object_get(about, "clips")), 2);
    assert_string_equal(json_string_value(json_object_get(about, "submitted")),
                        "1970-01-01T00:00:01.000Z");
    json_decref(about);
    free(path);
}

static void test_placing_nothing_fails(void **state)
{
    struct error err;
    assert_false(publish_batch_place(*state, BATCH, BATCH, &err));
    assert_int_equal(err.code, ERROR_IO);
}

static const char *known_folder(void *context, const char *batch)
{
    (void)context;
    return strcmp(batch, BATCH) == 0 ? BATCH "-name" : NULL;
}

static void make_folder(void **state, const char *name)
{
    struct error err;
    char *path = ground_path(state, name);
    assert_ok(path_make_folders(path, 0755, &err), err);
    free(path);
}

static void test_batches_recover(void **state)
{
    struct error err;
    prepare(state, false);
    make_folder(state, ".tmp-" OTHER "/within");
    make_folder(state, ".tmp-notabatch");
    make_folder(state, OTHER);
    assert_ok(publish_batch_recover(*state, known_folder, NULL, &err), err);
    assert_true(there(state, BATCH "-name/batch.json"));
    assert_false(there(state, ".tmp-" OTHER));
    assert_true(there(state, ".tmp-notabatch"));
    assert_true(there(state, OTHER));
}

/* The rename was refused once, and a clip was published meanwhile. */
static void test_a_standing_folder_is_filled_up(void **state)
{
    struct error err;
    prepare(state, false);
    make_folder(state, BATCH "-name/000");
    assert_ok(publish_batch_recover(*state, known_folder, NULL, &err), err);
    assert_true(there(state, BATCH "-name/batch.json"));
    assert_true(there(state, BATCH "-name/prompts.txt"));
    assert_true(there(state, BATCH "-name/000"));
    assert_false(there(state, ".tmp-" BATCH));
}

/* ---- clips ---- */

struct clip {
    struct publish_target target;
    struct publish_record record;
    struct publish_sealed sealed;
    json_t *recipe;
};

static struct clip clip_of(void **state, const char *name)
{
    struct clip c = {.target = {.folder = *state, .name = name, .batch = BATCH, .clip = 7}};
    c.recipe = json_pack("{s:s, s:i}", "prompt", "a fox", "seed", 3);
    c.record = (struct publish_record){.recipe = c.recipe,
                                       .model = "pattern",
                                       .fingerprint = "cpu/1",
                                       .frames = 8,
                                       .width = 64,
                                       .height = 64,
                                       .fps = 8,
                                       .attempts = 2,
                                       .worker = "w1",
                                       .submitted_ms = 1000,
                                       .published_ms = 2000,
                                       .steps_computed = 9,
                                       .steps_wasted = 5,
                                       .suspect = "still"};
    return c;
}

/* What the stitcher does. */
static void write_video(struct clip *c, const char *bytes)
{
    struct error err;
    char *path = publish_temp(&c->target, &err);
    assert_non_null(path);
    ground_write_text(path, bytes);
    free(path);
}

static void seal(struct clip *c, const char *bytes)
{
    struct error err;
    write_video(c, bytes);
    assert_ok(publish_seal(&c->target, &c->record, &c->sealed, &err), err);
    assert_int_equal(c->sealed.size_bytes, strlen(bytes));
}

static struct publish_placed place(struct clip *c)
{
    struct error err;
    struct publish_placed placed;
    assert_ok(publish_place(&c->target, &c->sealed.sha256, &placed, &err), err);
    return placed;
}

static void expect_bytes(void **state, const char *name, const char *bytes)
{
    char *path = ground_path(state, name);
    struct buf found = ground_read(path);
    assert_string_equal(buf_text(&found), bytes);
    buf_finish(&found);
    free(path);
}

static void test_sidecar_and_tag(void **state)
{
    struct error err;
    struct clip c = clip_of(state, NAME);
    seal(&c, "video");
    struct publish_placed placed = place(&c);
    assert_string_equal(placed.name, NAME);
    assert_false(placed.renamed);
    assert_int_equal(placed.sidecar_bytes, c.sealed.sidecar_bytes);
    char *path = ground_path(state, NAME ".json");
    json_t *o = json_parse_file(path, 65536, &err);
    char hex[DIGEST_TEXT_SIZE];
    digest_text(&c.sealed.sha256, hex);
    assert_string_equal(json_string_value(json_object_get(json_object_get(o, "video"), "sha256")),
                        hex);
    assert_true(json_equal(json_object_get(o, "recipe"), c.recipe));
    assert_string_equal(json_string_value(json_object_get(o, "suspect")), "still");
    const json_t *times = json_object_get(o, "times");
    assert_null(json_object_get(times, "started"));
    assert_non_null(json_object_get(times, "published"));
    char *comment = publish_comment(&c.record);
    assert_non_null(strstr(comment, "\"recipe\":{\"prompt\":\"a fox\",\"seed\":3}"));
    free(comment);
    json_decref(o);
    json_decref(c.recipe);
    free(path);
}

static void test_sub_folder(void **state)
{
    struct clip c = clip_of(state, "00000/00007_a_s3");
    seal(&c, "video");
    assert_true(there(state, "00000/.tmp-7.mp4"));
    (void)place(&c);
    (void)place(&c);
    expect_bytes(state, "00000/00007_a_s3.mp4", "video");
    json_decref(c.recipe);
}

/* A long clip tells who made which part, how they are joined, and what was done at stitching. */
static void test_the_sidecar_of_a_long_clip(void **state)
{
    struct error err;
    struct clip c = clip_of(state, "9_long_s3");
    c.record.method = "upscale";
    c.record.second_model = "large";
    c.record.output_fps = 16;
    c.record.output_width = 128;
    c.record.output_height = 96;
    c.record.output_frames = 16;
    c.record.segments = json_pack("[{s:i, s:i, s:i, s:s, s:i}]", "task", 3, "first", 0, "frames", 8,
                                  "worker", "w2", "attempts", 2);
    seal(&c, "a long video");
    (void)place(&c);
    char *path = ground_path(state, "9_long_s3.json");
    json_t *sidecar = json_parse_file(path, 1 << 20, &err);
    assert_non_null(sidecar);
    const json_t *video = json_object_get(sidecar, "video");
    assert_string_equal(json_string_value(json_object_get(sidecar, "method")), "upscale");
    assert_true(json_equal(json_object_get(sidecar, "segments"), c.record.segments));
    const json_t *second = json_object_get(sidecar, "second_model");
    assert_string_equal(json_string_value(json_object_get(second, "name")), "large");
    assert_int_equal(json_integer_value(json_object_get(video, "frames")), 16);
    assert_int_equal(json_integer_value(json_object_get(video, "width")), 128);
    assert_int_equal(json_integer_value(json_object_get(video, "height")), 96);
    assert_true(json_real_value(json_object_get(video, "fps")) == 16);
    char *comment = publish_comment(&c.record);
    assert_non_null(strstr(comment, "second_model_digest"));
    free(comment);
    json_decref(sidecar);
    json_decref(c.record.segments);
    json_decref(c.recipe);
    free(path);
}

/* A picture has its own extension and its own words in the sidecar. */
static void test_pictures(void **state)
{
    struct clip c = clip_of(state, NAME);
    struct error err;
    c.target.output = OUTPUT_IMAGE;
    seal(&c, "picture");
    assert_true(there(state, ".tmp-7.png"));
    assert_false(place(&c).renamed);
    expect_bytes(state, NAME ".png", "picture");
    assert_false(there(state, NAME ".mp4"));
    char *path = ground_path(state, NAME ".json");
    json_t *sidecar = json_parse_file(path, 1 << 20, &err);
    const json_t *image = json_object_get(sidecar, "image");
    assert_string_equal(json_string_value(json_object_get(sidecar, "schema")), "zoe.clip.v1");
    assert_int_equal(json_integer_value(json_object_get(image, "size_bytes")), 7);
    assert_null(json_object_get(image, "fps"));
    assert_null(json_object_get(sidecar, "video"));
    assert_false(place(&c).renamed); /* and again, after a crash */
    json_decref(sidecar);
    free(path);
    json_decref(c.recipe);
}

/* Whatever was done before the end, doing it again ends with the one whole pair. */
static void test_begun_again(void **state)
{
    static const char *const moves[][2] = {
        {".tmp-7.json", NAME ".json"},
        {".tmp-7.mp4", NAME ".mp4"},
    };
    for (size_t done = 0; done <= 2; done++) {
        struct clip c = clip_of(state, NAME);
        seal(&c, "video");
        for (size_t i = 0; i < done; i++) {
            char *from = ground_path(state, moves[i][0]);
            char *to = ground_path(state, moves[i][1]);
            assert_int_equal(rename(from, to), 0);
            free(from);
            free(to);
        }
        struct publish_placed placed = place(&c);
        assert_string_equal(placed.name, NAME);
        assert_false(placed.renamed);
        expect_bytes(state, NAME ".mp4", "video");
        assert_false(there(state, NAME "_2.mp4") || there(state, NAME "_2.json"));
        assert_false(there(state, ".tmp-7.mp4") || there(state, ".tmp-7.json"));
        json_decref(c.recipe);
    }
}

static void test_never_over_a_foreign_file(void **state)
{
    static const char *const foreign[] = {NAME ".mp4", NAME "_2.json"};
    struct clip c = clip_of(state, NAME);
    for (size_t i = 0; i < 2; i++) {
        char *path = ground_path(state, foreign[i]);
        ground_write_text(path, "{\"mine\": 1}");
        free(path);
    }
    seal(&c, "video");
    for (int i = 0; i < 2; i++) {
        struct publish_placed placed = place(&c);
        assert_string_equal(placed.name, NAME "_3");
        assert_true(placed.renamed);
    }
    for (size_t i = 0; i < 2; i++)
        expect_bytes(state, foreign[i], "{\"mine\": 1}");
    expect_bytes(state, NAME "_3.mp4", "video");
    json_decref(c.recipe);
}

/* An end between the two renames under a second name; then the first one becomes free. */
static void test_the_sidecar_chose_the_name(void **state)
{
    struct clip c = clip_of(state, NAME);
    seal(&c, "video");
    char *from = ground_path(state, ".tmp-7.json");
    char *to = ground_path(state, NAME "_2.json");
    assert_int_equal(rename(from, to), 0);
    free(from);
    free(to);
    assert_string_equal(place(&c).name, NAME "_2");
    json_decref(c.recipe);
}

/* A folder under the name is foreign, and a link is not followed. */
static void test_odd_files(void **state)
{
    struct clip c = clip_of(state, NAME);
    make_folder(state, NAME ".mp4");
    char *link_path = ground_path(state, NAME "_2.mp4");
    char *aim = ground_path(state, "elsewhere");
    ground_write_text(aim, "video");
    assert_int_equal(symlink(aim, link_path), 0);
    seal(&c, "video");
    assert_string_equal(place(&c).name, NAME "_3");
    free(aim);
    free(link_path);
    json_decref(c.recipe);
}

static void expect_state(struct clip *c)
{
    struct error err;
    struct publish_placed placed;
    assert_false(publish_place(&c->target, &c->sealed.sha256, &placed, &err));
    assert_int_equal(err.code, ERROR_STATE);
}

static void unlink_in(void **state, const char *name)
{
    char *path = ground_path(state, name);
    assert_int_equal(unlink(path), 0);
    free(path);
}

static void test_stitched_again(void **state)
{
    struct clip c = clip_of(state, NAME);
    seal(&c, "video");
    char *path = ground_path(state, ".tmp-7.mp4");
    ground_write_text(path, "vid"); /* damaged */
    free(path);
    expect_state(&c);
    seal(&c, "video");
    unlink_in(state, ".tmp-7.json");
    expect_state(&c);
    seal(&c, "video");
    (void)place(&c);
    unlink_in(state, NAME ".json"); /* somebody took it away */
    expect_state(&c);
    seal(&c, "video");
    assert_string_equal(place(&c).name, NAME);
    assert_true(there(state, NAME ".json"));
    json_decref(c.recipe);
}

/* The sidecar of a video that never came is no foreign file. */
static void test_a_stale_sidecar_is_ours(void **state)
{
    struct clip c = clip_of(state, NAME);
    seal(&c, "first");
    char *from = ground_path(state, ".tmp-7.json");
    char *to = ground_path(state, NAME ".json");
    assert_int_equal(rename(from, to), 0);
    seal(&c, "second");
    assert_string_equal(place(&c).name, NAME);
    expect_bytes(state, NAME ".mp4", "second");
    free(from);
    free(to);
    json_decref(c.recipe);
}

static void test_seal_without_video(void **state)
{
    struct error err;
    struct clip c = clip_of(state, NAME);
    assert_false(publish_seal(&c.target, &c.record, &c.sealed, &err));
    json_decref(c.recipe);
}

static bool only_seven(void *context, uint64_t clip)
{
    (void)context;
    return clip == 7;
}

static void test_sweep(void **state)
{
    struct error err;
    static const char *const kept[] = {".tmp-7.mp4", ".tmp-7.png", ".tmp-7.json",
                                       ".hidden",    "batch.json", "00000/.tmp-7.mp4"};
    static const char *const gone[] = {
        ".tmp-8.mp4", ".tmp-8.png",        ".tmp-7.mp4.comment", "..tmp-7.json.tmp.12.00",
        ".tmp-x",     "00000/.tmp-9.json",
    };
    make_folder(state, "00000");
    for (size_t i = 0; i < 5; i++) {
        char *keep = ground_path(state, kept[i]);
        char *drop = ground_path(state, gone[i]);
        ground_write_text(keep, "x");
        ground_write_text(drop, "x");
        free(keep);
        free(drop);
    }
    assert_ok(publish_sweep(*state, only_seven, NULL, &err), err);
    for (size_t i = 0; i < 5; i++) {
        assert_true(there(state, kept[i]));
        assert_false(there(state, gone[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(test_names),
        ground_test(test_longest_name),
        ground_test(test_batch_is_placed),
        ground_test(test_placing_nothing_fails),
        ground_test(test_batches_recover),
        ground_test(test_a_standing_folder_is_filled_up),
        ground_test(test_sidecar_and_tag),
        ground_test(test_the_sidecar_of_a_long_clip),
        ground_test(test_sub_folder),
        ground_test(test_begun_again),
        ground_test(test_never_over_a_foreign_file),
        ground_test(test_the_sidecar_chose_the_name),
        ground_test(test_odd_files),
        ground_test(test_stitched_again),
        ground_test(test_a_stale_sidecar_is_ours),
        ground_test(test_pictures),
        ground_test(test_seal_without_video),
        ground_test(test_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Every kind of damage to a stored segment is noticed before a clip is published, and the stitcher
 * names the segment that has to be made again, and no other. These are mutation tests: each leaves
 * only the one check in the way that its comment names, so that without it the test turns red. */
#include "unit/media/media_test.h"

#include <unistd.h>

#include "media/stitch.h"

enum { SEGMENTS = 6, FRAMES = 4 };

struct clip {
    struct frames_shape shape;
    char *paths[SEGMENTS], *out;
    char places[SEGMENTS][SEGMENT_PLACE_MAX + 1];
    struct stitch_fact facts[SEGMENTS];
};

static void place_text(char *out, const char *recipe, int index)
{
    (void)snprintf(out, SEGMENT_PLACE_MAX + 1, "%s %d %d %d", recipe, index, index * FRAMES,
                   FRAMES);
}

static void write_one(const struct clip *c, int at, int64_t first_picture, int64_t count,
                      const char *place, struct segment_result *out)
{
    struct frames_shape shape = c->shape;
    shape.count = count;
    write_segment_at(c->paths[at], &shape, first_picture, place, out);
}

/* Six sound segments, and all that is known of them. */
static void setup(struct clip *c, const char *folder)
{
    c->shape = shape_of(32, 32, SEGMENTS * FRAMES);
    c->out = in_folder(folder, "clip.mp4");
    for (int i = 0; i < SEGMENTS; i++) {
        struct segment_result written;
        char name[32];
        (void)snprintf(name, sizeof name, "segment%d.mkv", i);
        c->paths[i] = in_folder(folder, name);
        place_text(c->places[i], "aa", i);
        write_one(c, i, i * FRAMES, FRAMES, c->places[i], &written);
        c->facts[i] = (struct stitch_fact){FRAMES, i * FRAMES, c->places[i], written.frames_sha256};
    }
}

static void finish(struct clip *c)
{
    for (int i = 0; i < SEGMENTS; i++)
        free(c->paths[i]);
    free(c->out);
}

static void forget_digests(struct clip *c)
{
    for (int i = 0; i < SEGMENTS; i++)
        memset(&c->facts[i].frames_sha256, 0, sizeof c->facts[i].frames_sha256);
}

static void forget_places(struct clip *c)
{
    for (int i = 0; i < SEGMENTS; i++)
        c->facts[i].place = NULL;
}

static bool stitch(const struct clip *c, struct stitch_result *out, struct error *err)
{
    const char *paths[SEGMENTS];
    for (int i = 0; i < SEGMENTS; i++)
        paths[i] = c->paths[i];
    const struct stitch_job job = {.out_path = c->out,
                                   .shape = c->shape,
                                   .tags = {"", ""},
                                   .segments = paths,
                                   .segment_count = SEGMENTS,
                                   .facts = c->facts};
    return stitch_run(&job, out, err);
}

/* Exactly the segments whose digits stand in `wanted` are bad, for the reason `why`. */
static void names(const struct clip *c, const char *wanted, const char *why)
{
    struct error err = {.code = ERROR_NONE};
    struct stitch_result result;
    char seen[SEGMENTS + 1] = "";
    if (stitch(c, &result, &err)) fail_msg("it was stitched");
    for (int i = 0; i < result.bad_count; i++)
        seen[i] = (char)('0' + result.bad[i]);
    if (strcmp(seen, wanted) != 0) fail_msg("bad: %s, not %s (%s)", seen, wanted, err.message);
    if (strstr(err.message, why) == NULL) fail_msg("%s, wanted: %s", err.message, why);
    assert_false(path_exists(c->out));
}

static void swap_files(const struct clip *c, int a, int b)
{
    char *between = xasprintf("%s.swap", c->paths[a]);
    assert_int_equal(rename(c->paths[a], between), 0);
    assert_int_equal(rename(c->paths[b], c->paths[a]), 0);
    assert_int_equal(rename(between, c->paths[b]), 0);
    free(between);
}

static void copy_over(const struct clip *c, int from, int to)
{
    struct buf bytes = read_bytes(c->paths[from]);
    write_bytes(c->paths[to], bytes.data, bytes.size);
    buf_finish(&bytes);
}

/* ---- the control ---- */

static void sound_segments_are_stitched(void **state)
{
    struct clip c;
    struct error err;
    struct stitch_result result, plain;
    setup(&c, *state);
    must(stitch(&c, &result, &err), &err);
    assert_int_equal(result.bad_count, 0);
    forget_digests(&c);
    forget_places(&c);
    must(stitch(&c, &plain, &err), &err);
    assert_true(digest_equal(&result.sha256, &plain.sha256));
    assert_int_equal(unlink(c.out), 0);
    finish(&c);
}

/* ---- one kind of damage each ---- */

/* Guards: is_bad of media/stitch.c takes a file that is not there for a verdict. */
static void missing(void **state)
{
    struct clip c;
    setup(&c, *state);
    assert_int_equal(unlink(c.paths[3]), 0);
    names(&c, "3", "does not exist");
    finish(&c);
}

/* Guards: matroska_check of segment_reader_open (structure and length), nothing else being known.
 */
static void truncated(void **state)
{
    struct clip c;
    setup(&c, *state);
    forget_digests(&c);
    struct buf bytes = read_bytes(c.paths[2]);
    const size_t sizes[] = {0, 1, 100, bytes.size / 2, bytes.size - 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        write_bytes(c.paths[2], bytes.data, sizes[i]);
        names(&c, "2", "segment2.mkv");
    }
    buf_finish(&bytes);
    finish(&c);
}

/* Guards: the checksums of the parts of the file (check_crc of media/matroska.c). */
static void bit_flipped(void **state)
{
    struct clip c;
    setup(&c, *state);
    forget_digests(&c);
    struct buf bytes = read_bytes(c.paths[4]);
    for (size_t at = 0; at < bytes.size; at += bytes.size / 23) {
        bytes.data[at] ^= 0x10;
        write_bytes(c.paths[4], bytes.data, bytes.size);
        names(&c, "4", "segment4.mkv");
        bytes.data[at] ^= 0x10;
    }
    buf_finish(&bytes);
    finish(&c);
}

/* Guards: segment_reader_is_at in append_segment, nothing being known of the frames. */
static void doubled_seen_by_place(void **state)
{
    struct clip c;
    setup(&c, *state);
    forget_digests(&c);
    copy_over(&c, 1, 2);
    names(&c, "2", "it is segment \"aa 1 4 4\", not \"aa 2 8 4\"");
    finish(&c);
}

/* Guards: check_digest, the places not being known. */
static void doubled_seen_by_frames(void **state)
{
    struct clip c;
    setup(&c, *state);
    forget_places(&c);
    copy_over(&c, 1, 2);
    names(&c, "2", "its frames are other ones");
    finish(&c);
}

/* Guards: segment_reader_is_at in append_segment. */
static void swapped_seen_by_place(void **state)
{
    struct clip c;
    setup(&c, *state);
    forget_digests(&c);
    swap_files(&c, 1, 4);
    names(&c, "14", "it is segment \"aa 4 16 4\"");
    finish(&c);
}

/* Guards: check_digest. */
static void swapped_seen_by_frames(void **state)
{
    struct clip c;
    setup(&c, *state);
    forget_places(&c);
    swap_files(&c, 1, 4);
    names(&c, "14", "its frames are other ones");
    finish(&c);
}

/* Guards: segment_reader_is_at: the frames are the right ones, so nothing else can see it. */
static void wrong_place(void **state)
{
    struct clip c;
    struct segment_result written;
    setup(&c, *state);
    write_one(&c, 5, 5 * FRAMES, FRAMES, "aa 5 16 4", &written);
    names(&c, "5", "not \"aa 5 20 4\"");
    write_one(&c, 5, 5 * FRAMES, FRAMES, NULL, &written);
    names(&c, "5", "of no place");
    finish(&c);
}

/* Guards: segment_reader_is_at, for a clip whose segment shows the very same frames. */
static void of_another_clip_seen_by_place(void **state)
{
    struct clip c;
    struct segment_result written;
    char place[SEGMENT_PLACE_MAX + 1];
    setup(&c, *state);
    place_text(place, "bb", 0);
    write_one(&c, 0, 0, FRAMES, place, &written);
    names(&c, "0", "it is segment \"bb 0 0 4\"");
    finish(&c);
}

/* Guards: check_digest, for a worker that says the right place and delivers other frames. */
static void of_another_clip_seen_by_frames(void **state)
{
    struct clip c;
    struct segment_result written;
    setup(&c, *state);
    write_one(&c, 0, 77, FRAMES, c.places[0], &written);
    names(&c, "0", "its frames are other ones");
    finish(&c);
}

/* Guards: check_count and room_for_more of segment_reader, nothing being known of the frames. */
static void of_another_length(void **state)
{
    struct clip c;
    struct segment_result written;
    setup(&c, *state);
    forget_digests(&c);
    write_one(&c, 3, 3 * FRAMES, FRAMES - 1, c.places[3], &written);
    names(&c, "3", "holds 3 frames, 4 were expected");
    write_one(&c, 3, 3 * FRAMES, FRAMES + 1, c.places[3], &written);
    names(&c, "3", "holds more than the 4 frames expected");
    finish(&c);
}

/* Guards: check_order: a list in which one stands twice, or one is left out. */
static void out_of_order(void **state)
{
    struct clip c;
    setup(&c, *state);
    const struct stitch_fact right = c.facts[3];
    c.facts[3] = c.facts[2];
    free(c.paths[3]);
    c.paths[3] = xstrdup(c.paths[2]);
    names(&c, "3", "it begins at frame 8 of the clip, not at 12");
    c.facts[3] = right;
    c.facts[3].first += FRAMES;
    names(&c, "3", "it begins at frame 16 of the clip, not at 12");
    finish(&c);
}

/* Guards: append_segments goes on after the first bad one. */
static void all_of_them_are_found(void **state)
{
    struct clip c;
    setup(&c, *state);
    assert_int_equal(unlink(c.paths[0]), 0);
    write_bytes(c.paths[2], "x", 1);
    swap_files(&c, 4, 5);
    names(&c, "0245", "segment0.mkv");
    finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_segments_are_stitched),
        cmocka_unit_test(missing),
        cmocka_unit_test(truncated),
        cmocka_unit_test(bit_flipped),
        cmocka_unit_test(doubled_seen_by_place),
        cmocka_unit_test(doubled_seen_by_frames),
        cmocka_unit_test(swapped_seen_by_place),
        cmocka_unit_test(swapped_seen_by_frames),
        cmocka_unit_test(wrong_place),
        cmocka_unit_test(of_another_clip_seen_by_place),
        cmocka_unit_test(of_another_clip_seen_by_frames),
        cmocka_unit_test(of_another_length),
        cmocka_unit_test(out_of_order),
        cmocka_unit_test(all_of_them_are_found),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

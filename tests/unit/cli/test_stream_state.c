/* What a stream remembers, where its parts stand, and its playlist. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/recipe.h"
#include "base/xalloc.h"
#include "cli/stream_state.h"

static int make_folder(void **state)
{
    char folder[] = "/tmp/zoe-stream-XXXXXX";
    if (mkdtemp(folder) == NULL) return -1;
    *state = xstrdup(folder);
    return 0;
}

static int remove_folder(void **state)
{
    const bool ok = path_remove_tree(*state, NULL);
    free(*state);
    return ok ? 0 : -1;
}

static struct stream_state some(void)
{
    return (struct stream_state){.id = "0123abcd",
                                 .story = "ff",
                                 .part_frames = 32,
                                 .next = 3,
                                 .base = 32,
                                 .seed = 7,
                                 .previous = "q38f7ymzsw",
                                 .shown_frames = 96,
                                 .seconds = 4.0 / 3};
}

static void what_is_saved_comes_back(void **state)
{
    struct stream_state there, here = some();
    struct error err = {0};
    assert_false(stream_state_load(&there, *state, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_true(stream_state_save(&here, *state, &err));
    if (!stream_state_load(&there, *state, &err)) fail_msg("%s", err.message);
    assert_string_equal(there.id, here.id);
    assert_string_equal(there.previous, here.previous);
    assert_string_equal(there.stale, "");
    assert_int_equal(there.next, 3);
    assert_int_equal(there.base, 32);
    assert_int_equal(there.seed, 7);
    assert_int_equal(there.shown_frames, 96);
    assert_true(there.seconds == here.seconds);
}

#define STATE(next, previous, shown, base)                                                         \
    "{\"schema\":\"zoe.stream.v1\",\"id\":\"ab\",\"story\":\"cd\",\"part_frames\":8,"              \
    "\"next\":" next ",\"base\":" base ",\"seed\":0,\"previous\":\"" previous                      \
    "\",\"stale\":\"\",\"shown_frames\":" shown ",\"seconds\":1}"

static void wrong_states_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"{}", "schema"},
        {"{\"schema\":\"zoe.stream.v9\"}", "not of this version"},
        {"nothing", "state.json"},
        {STATE("1", "", "8", "0"), "do not agree"},
        {STATE("1", "q38f7ymzsw", "0", "0"), "do not agree"},
        {STATE("0", "q38f7ymzsw", "0", "0"), "do not agree"},
        {STATE("1", "q38f7ymzsw", "8", "9"), "do not agree"},
        {STATE("-1", "", "0", "0"), "next is not from 0"},
        {STATE("1000001", "q38f7ymzsw", "8", "0"), "next is not from 0 to 1000000"},
        {STATE("1", "../../etc/pa", "8", "0"), "previous is wrong"},
        {STATE("1", "q38f7ymzswq38f7ymzsw", "8", "0"), "previous is wrong"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stream_state s;
        struct error err = {0};
        if (stream_state_parse(&s, cases[i].text, strlen(cases[i].text), &err))
            fail_msg("accepted: %s", cases[i].text);
        if (strstr(err.message, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].text, err.message);
    }
    const char *good = STATE("1000000", "q38f7ymzsw", "8", "8000000");
    struct stream_state s;
    struct error err = {0};
    if (!stream_state_parse(&s, good, strlen(good), &err)) fail_msg("%s", err.message);
}

static void parts_follow_one_another(void **state)
{
    (void)state;
    struct stream_state s = {.part_frames = 32, .seed = 7};
    struct stream_place p = stream_place_next(&s, false);
    assert_int_equal(p.first, 0);
    assert_int_equal(p.end, 32);
    assert_int_equal(p.extend_frames, 0);
    assert_int_equal(p.seed, 7);
    s.next = 1; /* the first part had no latents: its frames are base 0's own */
    p = stream_place_next(&s, false);
    assert_int_equal(p.base, 0);
    assert_int_equal(p.extend_frames, 32);
    assert_int_equal(p.seed, 7);
    assert_false(p.from_latents);
    s.next = 5;
    p = stream_place_next(&s, true);
    assert_int_equal(p.base, 0);
    assert_int_equal(p.first, 160);
    assert_int_equal(p.extend_frames, 160);
    assert_true(p.from_latents);
    p = stream_place_next(&s, false); /* lost: the part before is all there is */
    assert_int_equal(p.base, 128);
    assert_int_equal(p.extend_frames, 32);
    assert_int_equal(p.seed, 8);
}

/* Numbers of a clip stay below the limit for ever, and no seed is used with the same numbers twice.
 */
static void numbers_begin_anew(void **state)
{
    (void)state;
    struct stream_state s = {.part_frames = 32, .seed = RECIPE_SEED_MAX - 1};
    int begun = 0;
    for (; s.next < 10000; s.next++) {
        struct stream_place p = stream_place_next(&s, true);
        assert_true(p.end - p.base <= STREAM_NUMBER_MAX);
        assert_int_equal(p.end - p.first, 32);
        assert_int_equal(p.extend_frames, s.next > 0 ? p.first - p.base : 0);
        assert_int_equal(p.base != s.base, p.seed != s.seed);
        begun += p.base != s.base;
        s.base = p.base;
        s.seed = p.seed;
    }
    assert_int_equal(begun, 5);
    assert_int_equal(s.seed, 3); /* after the last comes 0 */
}

static void expect_playlist(const char *folder, const struct stream_state *s, bool ended,
                            const char *expected)
{
    struct buf text = BUF_INIT;
    struct error err = {0};
    char *path = path_join(folder, STREAM_PLAYLIST_FILE);
    if (!stream_playlist_write(s, folder, ended, &err)) fail_msg("%s", err.message);
    assert_true(path_read(path, 65536, &text, &err));
    assert_string_equal(buf_text(&text), expected);
    buf_finish(&text);
    free(path);
}

#define HEAD(seconds)                                                                              \
    "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-TARGETDURATION:" seconds "\n"   \
    "#EXT-X-MEDIA-SEQUENCE:0\n"

static void the_playlist_grows(void **state)
{
    struct stream_state s = some();
    expect_playlist(*state, &s, false,
                    HEAD("2") "#EXTINF:1.333333,\n000000.ts\n#EXTINF:1.333333,\n000001.ts\n"
                              "#EXTINF:1.333333,\n000002.ts\n");
    s.next = 1;
    s.seconds = 4;
    expect_playlist(*state, &s, true, HEAD("4") "#EXTINF:4.000000,\n000000.ts\n#EXT-X-ENDLIST\n");
    s = (struct stream_state){.part_frames = 8};
    expect_playlist(*state, &s, false, HEAD("1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_saved_comes_back, make_folder, remove_folder),
        cmocka_unit_test(wrong_states_are_refused),
        cmocka_unit_test(parts_follow_one_another),
        cmocka_unit_test(numbers_begin_anew),
        cmocka_unit_test_setup_teardown(the_playlist_grows, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

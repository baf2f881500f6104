/* Fetched models go, least recently used first, when others need the room. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "worker/model_room.h"

#define DAY_S (24 * 3600)

struct scene {
    char *folder;
    char needed; /* first digit of the digest that is */
};

static char *path_of(const struct scene *s, char digit, const char *ending)
{
    char hex[DIGEST_TEXT_SIZE] = {0};
    memset(hex, digit, DIGEST_TEXT_SIZE - 1);
    return xasprintf("%s/%s%s", s->folder, hex, ending);
}

/* One of 100 bytes that was used so long ago. */
static void put(const struct scene *s, char digit, const char *ending, int64_t age_s)
{
    static const char bytes[100] = {0};
    char *path = path_of(s, digit, ending), *unet = path_join(path, "unet");
    char *file = path_join(unet, "weights");
    const time_t used = time(NULL) - age_s;
    const struct timespec times[2] = {{.tv_sec = used}, {.tv_sec = used}};
    assert_true(path_make_folders(unet, 0700, NULL));
    assert_true(path_write_atomic(file, bytes, sizeof bytes, 0600, NULL));
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    free(file);
    free(unet);
    free(path);
}

static bool is_there(const struct scene *s, char digit, const char *ending)
{
    char *path = path_of(s, digit, ending);
    const bool there = path_exists(path);
    free(path);
    return there;
}

static bool needs(void *context, const struct digest *digest)
{
    const struct scene *s = context;
    char hex[DIGEST_TEXT_SIZE];
    digest_text(digest, hex);
    return hex[0] == s->needed;
}

static void open_scene(struct scene *s)
{
    const char *base = getenv("TMPDIR");
    memset(s, 0, sizeof *s);
    s->folder = xasprintf("%s/zoe-room-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(s->folder));
}

static void close_scene(struct scene *s)
{
    assert_true(path_remove_tree(s->folder, NULL));
    free(s->folder);
}

static void the_least_recently_used_goes_first(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s);
    put(&s, 'a', "", 3);
    put(&s, 'b', "", 30);
    put(&s, 'c', ".part", 20);
    put(&s, 'd', "", 10);
    assert_true(model_room_make(s.folder, 101, needs, &s));
    assert_true(is_there(&s, 'a', ""));
    assert_false(is_there(&s, 'b', "") || is_there(&s, 'b', ".part"));
    assert_false(is_there(&s, 'c', ".part"));
    assert_true(is_there(&s, 'd', ""));
    close_scene(&s);
}

static void what_was_used_since_stays(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s);
    put(&s, 'a', "", 30);
    put(&s, 'b', "", 20);
    char *path = path_of(&s, 'a', "");
    path_touch(path);
    free(path);
    assert_true(model_room_make(s.folder, 1, needs, &s));
    assert_true(is_there(&s, 'a', ""));
    assert_false(is_there(&s, 'b', ""));
    close_scene(&s);
}

static void what_is_needed_or_not_ours_stays(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s);
    s.needed = 'b';
    put(&s, 'a', "", 10);
    put(&s, 'b', "", 30);
    put(&s, 'b', ".part", 30);
    put(&s, 'c', ".kept", 30);
    assert_false(model_room_make(s.folder, 101, needs, &s));
    assert_true(is_there(&s, 'a', "")); /* alone it would not help */
    assert_true(model_room_make(s.folder, 100, needs, &s));
    assert_false(is_there(&s, 'a', ""));
    assert_true(is_there(&s, 'b', "") && is_there(&s, 'b', ".part") && is_there(&s, 'c', ".kept"));
    close_scene(&s);
}

static void a_part_waits_for_a_week(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s);
    put(&s, 'a', ".part", 6 * DAY_S);
    put(&s, 'b', ".part", 8 * DAY_S);
    put(&s, 'c', "", 80 * DAY_S);
    model_room_tidy(s.folder);
    assert_true(is_there(&s, 'a', ".part"));
    assert_false(is_there(&s, 'b', ".part"));
    assert_true(is_there(&s, 'c', ""));
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_recently_used_goes_first),
        cmocka_unit_test(what_was_used_since_stays),
        cmocka_unit_test(what_is_needed_or_not_ours_stays),
        cmocka_unit_test(a_part_waits_for_a_week),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

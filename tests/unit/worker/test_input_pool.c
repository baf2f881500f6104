/* Which raw pictures a recipe needs, and by which key: the same for all seeds, another for another
 * file or shape. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "worker/input_pool.h"

#define FILE_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FILE_B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static json_t *recipe(int width, int frames, int fps)
{
    return json_pack("{si si si si}", "width", width, "height", 64, "num_frames", frames, "fps",
                     fps);
}

static struct input_pair pair_of(json_t *filled, const char *field, const char *file)
{
    struct error err = {0};
    struct input_pair pair;
    json_object_set_new(filled, field, json_string(file));
    if (!input_pair_of_recipe(filled, &pair, &err)) fail_msg("%s", err.message);
    json_decref(filled);
    return pair;
}

static bool same_key(const struct input_wanted *a, const struct input_wanted *b)
{
    return digest_equal(&a->key, &b->key);
}

static void test_keys(void **state)
{
    (void)state;
    struct input_pair first = pair_of(recipe(64, 16, 8), "init_video", FILE_A);
    assert_true(digest_is_zero(&first.mask.key));
    assert_false(digest_is_zero(&first.init.key));
    assert_int_equal(first.init.shape.frames, 16);
    assert_false(first.init.shape.gray);
    struct input_pair others[] = {pair_of(recipe(72, 16, 8), "init_video", FILE_A),
                                  pair_of(recipe(64, 15, 8), "init_video", FILE_A),
                                  pair_of(recipe(64, 16, 9), "init_video", FILE_A),
                                  pair_of(recipe(64, 16, 8), "init_video", FILE_B)};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(same_key(&others[i].init, &first.init));
    struct input_pair image = pair_of(recipe(64, 16, 8), "init_image", FILE_A);
    assert_int_equal(image.init.shape.frames, 1); /* for all of them */
    assert_false(same_key(&image.init, &first.init));
    struct input_pair mask = pair_of(recipe(64, 16, 8), "mask", FILE_A);
    assert_true(digest_is_zero(&mask.init.key));
    assert_true(mask.mask.shape.gray);
    assert_false(same_key(&mask.mask, &first.init));
    json_t *seeded = recipe(64, 16, 8);
    json_object_set_new(seeded, "seed", json_integer(77));
    struct input_pair other_seed = pair_of(seeded, "init_video", FILE_A);
    assert_true(same_key(&other_seed.init, &first.init));
}

static void test_what_cannot_be(void **state)
{
    (void)state;
    struct error err = {0};
    struct input_pair pair;
    json_t *path = json_pack("{ss}", "init_video", "/etc/passwd");
    assert_false(input_pair_of_recipe(path, &pair, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    json_decref(path);
    json_t *both = json_pack("{ssss}", "init_video", FILE_A, "init_image", FILE_B);
    assert_false(input_pair_of_recipe(both, &pair, &err));
    json_decref(both);
    json_t *none = json_object();
    assert_true(input_pair_of_recipe(none, &pair, &err));
    assert_true(digest_is_zero(&pair.init.key));
    json_decref(none);
}

/* ---- the pool ---- */

struct scene {
    uv_loop_t loop;
    char folder[32];
    struct input_pool *pool;
    char *told; /* what was done last */
};

static bool ask_nobody(void *context, Farm__Envelope *envelope)
{
    (void)context, (void)envelope;
    return false;
}

static void hear_progress(void *context, const struct digest *key, uint64_t bytes)
{
    (void)context, (void)key, (void)bytes;
}

static void hear_done(void *context, const struct digest *key, const char *path,
                      const char *message)
{
    struct scene *s = context;
    (void)key;
    free(s->told);
    s->told = xstrdup(path != NULL ? path : message);
    uv_stop(&s->loop);
}

static void open_scene(struct scene *s)
{
    struct error err = {0};
    *s = (struct scene){.folder = "/tmp/zoe-input-pool-XXXXXX"};
    assert_non_null(mkdtemp(s->folder));
    assert_int_equal(uv_loop_init(&s->loop), 0);
    struct input_pool_options options = {s->folder,  TEST_BIN "/zoe-media", s,
                                         ask_nobody, hear_progress,         hear_done};
    s->pool = input_pool_create(&s->loop, &options, &err);
    if (s->pool == NULL) fail_msg("%s", err.message);
}

static void close_scene(struct scene *s)
{
    input_pool_close(s->pool);
    assert_int_equal(uv_run(&s->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    free(s->told);
    assert_true(path_remove_tree(s->folder, NULL));
}

static char *place_of(const struct scene *s, const struct digest *digest, const char *suffix)
{
    char hex[DIGEST_TEXT_SIZE];
    digest_text(digest, hex);
    return xasprintf("%s/inputs/%s%s", s->folder, hex, suffix);
}

/* Holes only: it takes no space. Last used `age` seconds after the epoch. */
static char *put_large(const struct scene *s, const struct digest *digest, const char *suffix,
                       int age)
{
    char *path = place_of(s, digest, suffix);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    struct timespec times[2] = {{.tv_sec = age}, {.tv_sec = age}};
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)(INPUT_POOL_BYTES / 2)), 0);
    assert_int_equal(futimens(fd, times), 0);
    (void)close(fd);
    return path;
}

/* A result that stands is told, and what is too much goes: the longest unused, unless it is held.
 */
static void test_the_pool_is_bounded(void **state)
{
    (void)state;
    struct scene s;
    struct attempt_name name = {.clip = 1, .fence = 1};
    struct input_pair held = pair_of(recipe(64, 16, 8), "init_video", FILE_A);
    open_scene(&s);
    char *raw = put_large(&s, &held.init.key, ".raw", 1);
    char *old = put_large(&s, &(struct digest){{1}}, "", 2);
    char *fresh = put_large(&s, &(struct digest){{2}}, "", 3);
    assert_false(input_pool_want(s.pool, &held.init.key)); /* nobody said what it is */
    input_pool_hold(s.pool, &held.init, &name);
    input_pool_hold(s.pool, &held.init, &name);
    assert_true(input_pool_want(s.pool, &held.init.key));
    (void)uv_run(&s.loop, UV_RUN_DEFAULT);
    assert_string_equal(s.told, raw);
    assert_true(path_exists(raw));
    assert_false(path_exists(old));
    assert_true(path_exists(fresh));
    input_pool_release(s.pool, &name);
    assert_false(input_pool_want(s.pool, &held.init.key));
    close_scene(&s);
    free(raw);
    free(old);
    free(fresh);
}

/* The file is here already: the child makes the pictures, or says why not. */
static void test_a_file_that_is_here_is_fitted(void **state)
{
    (void)state;
    struct scene s;
    struct stat info;
    struct attempt_name name = {.clip = 1, .fence = 1};
    struct buf bytes = BUF_INIT;
    struct input_pair pair = pair_of(recipe(64, 3, 8), "init_video", FILE_A);
    open_scene(&s);
    char *source = place_of(&s, &pair.init.file, "");
    assert_true(
        path_read(TEST_SOURCE "/tests/fuzz/corpus/fuzz_source/two.gif", 1 << 20, &bytes, NULL));
    assert_true(path_write_atomic(source, bytes.data, bytes.size, 0600, NULL));
    input_pool_hold(s.pool, &pair.init, &name);
    assert_true(input_pool_want(s.pool, &pair.init.key));
    (void)uv_run(&s.loop, UV_RUN_DEFAULT);
    char *found = input_pool_find(s.pool, &pair.init.key);
    assert_string_equal(s.told, found);
    assert_int_equal(stat(found, &info), 0);
    assert_int_equal(info.st_size, 3 * 64 * 64 * 3);
    assert_int_equal(unlink(found), 0);
    assert_true(path_write_atomic(source, "words", 5, 0600, NULL));
    assert_true(input_pool_want(s.pool, &pair.init.key));
    (void)uv_run(&s.loop, UV_RUN_DEFAULT);
    assert_non_null(strstr(s.told, "first bytes"));
    assert_null(input_pool_find(s.pool, &pair.init.key));
    close_scene(&s);
    free(found);
    free(source);
    buf_finish(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_keys),
                                       cmocka_unit_test(test_what_cannot_be),
                                       cmocka_unit_test(test_the_pool_is_bounded),
                                       cmocka_unit_test(test_a_file_that_is_here_is_fitted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

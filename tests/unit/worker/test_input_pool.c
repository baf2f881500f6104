/* Files that tasks take: fetched, fitted, kept within bounds. */
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

#include "base/path.h"
#include "base/recipe.h"
#include "base/xalloc.h"
#include "worker/input_pool.h"

#define FILE_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* The pictures of a small clip. */
static struct input_wanted pictures(int64_t frames)
{
    struct input_wanted wanted = {.kind = PART_INIT};
    const struct input_shape shape = {.width = 64, .height = 64, .frames = frames, .fps = 8};
    struct digest file;
    assert_true(recipe_file_digest(FILE_A, &file));
    input_wanted_pictures(&wanted, &file, &shape);
    return wanted;
}

/* ---- the pool ---- */

struct scene {
    uv_loop_t loop;
    char folder[32];
    struct input_pool *pool;
    char *told; /* what was done last */
    enum error_code code;
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
                      const struct error *err)
{
    struct scene *s = context;
    (void)key;
    free(s->told);
    s->told = xstrdup(path != NULL ? path : err->message);
    s->code = path != NULL ? ERROR_NONE : err->code;
    uv_stop(&s->loop);
}

static uint64_t spare_nothing(void *context)
{
    (void)context;
    return 0;
}

static void open_scene_with(struct scene *s, const char *media)
{
    struct error err = {0};
    *s = (struct scene){.folder = "/tmp/zoe-input-pool-XXXXXX"};
    assert_non_null(mkdtemp(s->folder));
    assert_int_equal(uv_loop_init(&s->loop), 0);
    struct input_pool_options options = {s->folder, media,        s, ask_nobody, hear_progress,
                                         hear_done, spare_nothing};
    s->pool = input_pool_create(&s->loop, &options, &err);
    if (s->pool == NULL) fail_msg("%s", err.message);
}

static void open_scene(struct scene *s)
{
    open_scene_with(s, TEST_BIN "/zoe-media");
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

/* As large as what put_large makes. */
static struct input_wanted large_pictures(void)
{
    struct input_wanted wanted = pictures(INPUT_POOL_BYTES / 2 / 1024 / 1024);
    wanted.shape.width = wanted.shape.height = 1024;
    wanted.shape.gray = true;
    return wanted;
}

/* A result that stands is told, and what is too much goes: the longest unused, unless it is held.
 */
static void test_the_pool_is_bounded(void **state)
{
    (void)state;
    struct scene s;
    struct attempt_name name = {.clip = 1, .fence = 1};
    struct input_wanted held = large_pictures();
    open_scene(&s);
    char *raw = put_large(&s, &held.key, ".raw", 1);
    char *old = put_large(&s, &(struct digest){{1}}, "", 2);
    char *fresh = put_large(&s, &(struct digest){{2}}, "", 3);
    assert_false(input_pool_want(s.pool, &held.key)); /* nobody said what it is */
    input_pool_hold(s.pool, &held, &name);
    input_pool_hold(s.pool, &held, &name);
    assert_true(input_pool_want(s.pool, &held.key));
    (void)uv_run(&s.loop, UV_RUN_DEFAULT);
    assert_string_equal(s.told, raw);
    assert_true(path_exists(raw));
    assert_false(path_exists(old));
    assert_true(path_exists(fresh));
    input_pool_release(s.pool, &name);
    assert_false(input_pool_want(s.pool, &held.key));
    close_scene(&s);
    free(raw);
    free(old);
    free(fresh);
}

/* Also where nothing is ever asked for: each task goes on from what the one before left here. */
static void test_what_is_adopted_is_bounded_too(void **state)
{
    (void)state;
    struct scene s;
    const struct digest fresh = {{3}};
    open_scene(&s);
    char *older = put_large(&s, &(struct digest){{1}}, "", 1);
    char *newer = put_large(&s, &(struct digest){{2}}, "", 2);
    char *result = xasprintf("%s.result", newer);
    assert_true(path_write_atomic(result, "latents", 7, 0600, NULL));
    input_pool_adopt(s.pool, &fresh, result);
    char *place = place_of(&s, &fresh, "");
    assert_true(path_exists(place));
    assert_true(path_exists(newer));
    assert_false(path_exists(older));
    close_scene(&s);
    free(older);
    free(newer);
    free(result);
    free(place);
}

/* The file is here already: the child makes the pictures, or says why not. */
static void test_a_file_that_is_here_is_fitted(void **state)
{
    (void)state;
    struct scene s;
    struct stat info;
    struct attempt_name name = {.clip = 1, .fence = 1};
    struct buf bytes = BUF_INIT;
    struct input_wanted wanted = pictures(3);
    open_scene(&s);
    char *source = place_of(&s, &wanted.file, "");
    assert_true(
        path_read(TEST_SOURCE "/tests/fuzz/corpus/fuzz_source/two.gif", 1 << 20, &bytes, NULL));
    assert_true(path_write_atomic(source, bytes.data, bytes.size, 0600, NULL));
    input_pool_hold(s.pool, &wanted, &name);
    assert_true(input_pool_want(s.pool, &wanted.key));
    (void)uv_run(&s.loop, UV_RUN_DEFAULT);
    char *found = input_pool_find(s.pool, &wanted.key);
    assert_string_equal(s.told, found);
    assert_int_equal(stat(found, &info), 0);
    assert_int_equal(info.st_size, 3 * 64 * 64 * 3);
    assert_int_equal(truncate(found, 64), 0); /* a power cut, a repaired disk */
    assert_true(input_pool_want(s.pool, &wanted.key));
    (void)uv_run(&s.loop, UV_RUN_DEFAULT);
    assert_int_equal(stat(found, &info), 0);
    assert_int_equal(info.st_size, 3 * 64 * 64 * 3);
    assert_int_equal(truncate(found, 0), 0);
    assert_null(input_pool_find(s.pool, &wanted.key));
    assert_true(path_write_atomic(source, "words", 5, 0600, NULL));
    assert_true(input_pool_want(s.pool, &wanted.key));
    (void)uv_run(&s.loop, UV_RUN_DEFAULT);
    assert_non_null(strstr(s.told, "first bytes"));
    assert_int_equal(s.code, ERROR_INVALID);
    assert_null(input_pool_find(s.pool, &wanted.key));
    close_scene(&s);
    free(found);
    free(source);
    buf_finish(&bytes);
}

/* A child that does that instead; how it ends is told, and how often it ran. */
static enum error_code fit_with(const char *script, size_t *runs_out)
{
    struct scene s;
    struct attempt_name name = {.clip = 1, .fence = 1};
    struct input_wanted wanted = pictures(3);
    struct buf runs = BUF_INIT;
    char media[] = "/tmp/zoe-media-XXXXXX";
    const int fd = mkstemp(media);
    char *log = xasprintf("%s.log", media);
    char *text = xasprintf("#!/bin/sh\necho >> %s\n%s\n", log, script);
    assert_true(fd >= 0);
    assert_true(path_write_fd(fd, text, strlen(text), media, NULL));
    assert_int_equal(fchmod(fd, 0700), 0);
    (void)close(fd);
    open_scene_with(&s, media);
    char *source = place_of(&s, &wanted.file, "");
    assert_true(path_write_atomic(source, "words", 5, 0600, NULL));
    input_pool_hold(s.pool, &wanted, &name);
    assert_true(input_pool_want(s.pool, &wanted.key));
    (void)uv_run(&s.loop, UV_RUN_DEFAULT);
    const enum error_code code = s.code;
    assert_true(path_read(log, 100, &runs, NULL));
    *runs_out = runs.size;
    close_scene(&s);
    (void)unlink(media);
    (void)unlink(log);
    buf_finish(&runs);
    free(source);
    free(text);
    free(log);
    return code;
}

static void test_what_a_child_says_of_this_machine_is_no_verdict_on_the_file(void **state)
{
    (void)state;
    size_t runs;
    assert_int_equal(fit_with("echo '{\"ok\":false,\"code\":\"io\"}'", &runs), ERROR_IO);
    assert_int_equal(fit_with("echo '{\"ok\":false,\"code\":\"full\"}'", &runs), ERROR_FULL);
    assert_int_equal(fit_with("echo '{\"ok\":false,\"code\":\"no_memory\"}'", &runs),
                     ERROR_NO_MEMORY);
    assert_int_equal(fit_with("echo '{\"ok\":false,\"code\":\"rejected\"}'", &runs), ERROR_INVALID);
    assert_int_equal(runs, 1);
}

static void test_two_deaths_are_a_verdict(void **state)
{
    (void)state;
    size_t runs;
    assert_int_equal(fit_with("kill -KILL $$", &runs), ERROR_INVALID);
    assert_int_equal(runs, 2);
    assert_int_equal(fit_with("exit 1", &runs), ERROR_INVALID);
    assert_int_equal(runs, 2);
}

/* Whatever the coordinator calls it. */
static void test_what_did_not_come_is_no_bad_file(void **state)
{
    (void)state;
    static const char *const codes[] = {"invalid", "not_found", "io"};
    static const enum error_code expected[] = {ERROR_IO, ERROR_NOT_FOUND, ERROR_IO};
    struct scene s;
    struct attempt_name name = {.clip = 1, .fence = 1};
    struct input_wanted wanted = pictures(3);
    open_scene(&s);
    input_pool_hold(s.pool, &wanted, &name);
    for (size_t i = 0; i < 3; i++) {
        char code[16], words[] = "not now";
        Farm__Problem problem = FARM__PROBLEM__INIT;
        snprintf(code, sizeof code, "%s", codes[i]);
        problem.code = code;
        problem.message = words;
        assert_true(input_pool_want(s.pool, &wanted.key));
        while (!input_fetch_is_busy(input_pool_fetch(s.pool)))
            (void)uv_run(&s.loop, UV_RUN_ONCE);
        for (uint64_t request = UINT64_C(1) << 32; input_fetch_is_busy(input_pool_fetch(s.pool));)
            input_fetch_problem(input_pool_fetch(s.pool), ++request, &problem);
        (void)uv_run(&s.loop, UV_RUN_NOWAIT); /* what heard of it stopped the loop */
        assert_int_equal(s.code, expected[i]);
    }
    close_scene(&s);
}

/* What this machine made is here without a fetch; it is told under its own digest. */
static void test_an_own_result_is_not_fetched(void **state)
{
    (void)state;
    struct scene s;
    struct attempt_name name = {.clip = 1, .fence = 1};
    struct input_wanted wanted = {.kind = PART_LATENTS};
    const struct digest digest = digest_of("latents", 7);
    open_scene(&s);
    char *own = xasprintf("%s/own", s.folder);
    assert_true(path_write_atomic(own, "latents", 7, 0600, NULL));
    input_pool_adopt(s.pool, &digest, own);
    input_pool_adopt(s.pool, &digest, own);
    assert_int_equal(unlink(own), 0); /* as when it is stored */
    input_wanted_file(&wanted, &digest);
    assert_null(input_pool_find(s.pool, &digest)); /* nobody said what it is */
    input_pool_hold(s.pool, &wanted, &name);
    char *place = place_of(&s, &digest, "");
    char *found = input_pool_find(s.pool, &digest);
    assert_string_equal(found, place);
    assert_true(input_pool_want(s.pool, &digest));
    (void)uv_run(&s.loop, UV_RUN_DEFAULT);
    assert_string_equal(s.told, place);
    close_scene(&s);
    free(own);
    free(place);
    free(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_own_result_is_not_fetched),
        cmocka_unit_test(test_the_pool_is_bounded),
        cmocka_unit_test(test_what_is_adopted_is_bounded_too),
        cmocka_unit_test(test_a_file_that_is_here_is_fitted),
        cmocka_unit_test(test_what_a_child_says_of_this_machine_is_no_verdict_on_the_file),
        cmocka_unit_test(test_two_deaths_are_a_verdict),
        cmocka_unit_test(test_what_did_not_come_is_no_bad_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

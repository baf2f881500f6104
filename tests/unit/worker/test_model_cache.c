/* Models are found as long as their files are those that were hashed. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/model_digest.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "worker/model_cache.h"

struct scene {
    char *folder;
    char *model; /* a folder of one file */
    char *file;
    uv_loop_t loop;
    struct model_cache *cache;
};

static void put(const char *path, const char *text)
{
    struct error err = {0};
    if (!path_write_atomic(path, text, strlen(text), 0600, &err)) fail_msg("%s", err.message);
}

/* What a program does that keeps the times of what it copies. */
static void replace_alike(const char *path, const char *text)
{
    struct stat was;
    assert_int_equal(stat(path, &was), 0);
    put(path, text);
    const struct timespec times[2] = {was.st_atim, was.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static struct digest digest_now(const struct scene *s)
{
    struct model_files files;
    assert_true(model_digest_list(s->model, &files, NULL));
    const struct digest digest = model_digest_of(&files);
    model_digest_finish(&files);
    return digest;
}

static void note(void *context)
{
    *(bool *)context = true;
}

static void scan(struct scene *s)
{
    bool done = false;
    model_cache_scan(s->cache, note, &done);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_true(done);
}

static void open_cache(struct scene *s)
{
    struct error err = {0};
    char *models = path_dirname(s->model), *state = path_join(s->folder, "state");
    const char *const folders[] = {models};
    const struct model_cache_options options = {state, folders, 1};
    s->cache = model_cache_create(&s->loop, &options, &err);
    if (!s->cache) fail_msg("%s", err.message);
    free(models);
    free(state);
    scan(s);
}

static void open_scene(struct scene *s)
{
    const char *base = getenv("TMPDIR");
    memset(s, 0, sizeof *s);
    s->folder = xasprintf("%s/zoe-cache-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(s->folder));
    s->model = xasprintf("%s/models/m", s->folder);
    s->file = xasprintf("%s/unet/weights", s->model);
    char *unet = path_dirname(s->file);
    assert_true(path_make_folders(unet, 0700, NULL));
    put(s->file, "weights");
    free(unet);
    assert_int_equal(uv_loop_init(&s->loop), 0);
    open_cache(s);
}

static void close_scene(struct scene *s)
{
    model_cache_destroy(s->cache);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    assert_true(path_remove_tree(s->folder, NULL));
    free(s->folder);
    free(s->model);
    free(s->file);
}

static void assert_here(const struct scene *s, const struct digest *digest)
{
    const char *found = model_cache_find(s->cache, digest);
    assert_non_null(found);
    assert_string_equal(found, s->model);
}

static void a_replaced_file_makes_it_another_model(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s);
    const struct digest before = digest_now(&s);
    assert_here(&s, &before);
    replace_alike(s.file, "Weights");
    assert_null(model_cache_find(s.cache, &before));
    scan(&s);
    const struct digest after = digest_now(&s);
    assert_null(model_cache_find(s.cache, &before));
    assert_here(&s, &after);
    close_scene(&s);
}

static void a_file_more_or_less_does_too(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s);
    const struct digest before = digest_now(&s);
    char *more = xasprintf("%s/unet/more", s.model);
    put(more, "");
    assert_null(model_cache_find(s.cache, &before));
    assert_int_equal(unlink(more), 0);
    assert_here(&s, &before);
    assert_int_equal(unlink(s.file), 0);
    assert_null(model_cache_find(s.cache, &before));
    free(more);
    close_scene(&s);
}

/* `zoe model canary` writes beside the weights. */
static void what_is_no_part_of_it_may_change(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s);
    const struct digest digest = digest_now(&s);
    char *canary = xasprintf("%s/canary.json", s.model);
    put(canary, "{}");
    assert_here(&s, &digest);
    free(canary);
    close_scene(&s);
}

static void what_was_given_is_signed_as_it_was(void **state)
{
    struct scene s;
    struct digest first, again;
    (void)state;
    open_scene(&s);
    const struct digest digest = digest_now(&s), other = digest_of("", 0);
    assert_true(model_cache_sign(s.cache, s.model, &digest, &first));
    assert_true(model_cache_sign(s.cache, s.model, &digest, &again));
    assert_true(digest_equal(&first, &again));
    assert_false(model_cache_sign(s.cache, s.model, &other, &again));
    replace_alike(s.file, "Weights");
    assert_false(model_cache_sign(s.cache, s.model, &digest, &again));
    replace_alike(s.file, "weights");
    scan(&s);
    assert_true(model_cache_sign(s.cache, s.model, &digest, &again));
    assert_false(digest_equal(&first, &again));
    close_scene(&s);
}

static void a_second_start_remembers(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s);
    const struct digest before = digest_now(&s);
    model_cache_destroy(s.cache);
    replace_alike(s.file, "Weights");
    open_cache(&s);
    const struct digest after = digest_now(&s);
    assert_null(model_cache_find(s.cache, &before));
    assert_here(&s, &after);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replaced_file_makes_it_another_model),
        cmocka_unit_test(a_file_more_or_less_does_too),
        cmocka_unit_test(what_is_no_part_of_it_may_change),
        cmocka_unit_test(what_was_given_is_signed_as_it_was),
        cmocka_unit_test(a_second_start_remembers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

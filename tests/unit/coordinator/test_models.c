/* What a worker reads of a model: the files that were listed, as they stand in its folder. */
#include "ground.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "base/log_pace.h"
#include "coordinator/models.h"

#define TEXT "weights"

struct shelf {
    char *inner, *file, *elsewhere;
    struct model_file listed;
    struct model model;
};

static struct shelf *shelf_open(void **state)
{
    struct shelf *s = xcalloc(1, sizeof(*s));
    s->model.folder = ground_path(state, "model");
    s->inner = path_join(s->model.folder, "unet");
    s->file = path_join(s->inner, "w");
    s->elsewhere = ground_path(state, "elsewhere");
    assert_int_equal(mkdir(s->model.folder, 0700) | mkdir(s->inner, 0700), 0);
    ground_write_text(s->file, TEXT);
    s->listed = (struct model_file){.path = xstrdup("unet/w"), .size_bytes = strlen(TEXT)};
    s->model.name = xstrdup("m");
    s->model.files = &s->listed;
    s->model.file_count = 1;
    return s;
}

static void shelf_close(struct shelf *s)
{
    free(s->listed.path);
    free(s->model.name);
    free(s->model.folder);
    free(s->inner);
    free(s->file);
    free(s->elsewhere);
    free(s);
}

static bool can_read(const struct shelf *s, const char *path)
{
    struct error err = {0};
    char out[32];
    size_t size = 0;
    uint64_t total = 0;
    if (!model_read(&s->model, path, 2, out, sizeof(out), &size, &total, &err)) return false;
    assert_int_equal(size, strlen(TEXT) - 2);
    assert_int_equal(total, strlen(TEXT));
    assert_memory_equal(out, TEXT + 2, size);
    return true;
}

static void what_is_listed_is_read(void **state)
{
    struct shelf *s = shelf_open(state);
    assert_true(can_read(s, "unet/w"));
    ground_write_text(s->elsewhere, TEXT);
    assert_false(can_read(s, "../elsewhere"));
    assert_false(can_read(s, "unet"));
    shelf_close(s);
}

static void a_link_that_came_later_is_not_followed(void **state)
{
    struct shelf *s = shelf_open(state);
    assert_int_equal(rename(s->file, s->elsewhere), 0);
    assert_int_equal(symlink(s->elsewhere, s->file), 0);
    assert_false(can_read(s, "unet/w"));
    assert_int_equal(unlink(s->file) | rename(s->elsewhere, s->file), 0);
    assert_true(can_read(s, "unet/w"));
    assert_int_equal(rename(s->inner, s->elsewhere) | symlink(s->elsewhere, s->inner), 0);
    assert_false(can_read(s, "unet/w"));
    shelf_close(s);
}

/* ---- the log ---- */

static void hear(void *context, enum log_level level, const char *line)
{
    (void)level;
    if (strstr(line, "cannot be used") != NULL) ++*(unsigned *)context;
}

static void count(void *context)
{
    ++*(unsigned *)context;
}

/* Whoever may ask for the models may ask again and again. */
static void what_cannot_be_used_is_not_told_at_each_scan(void **state)
{
    enum { SCANS = 30 };
    unsigned lines = 0, done = 0;
    uv_loop_t loop;
    char *folder = ground_path(state, "models"), *bad = path_join(folder, "bad");
    const struct models_options options = {.folders = (const char *const[]){folder},
                                           .folder_count = 1,
                                           .engine = "/bin/false",
                                           .describe_limit_ms = 10000};
    assert_int_equal(mkdir(folder, 0700) | mkdir(bad, 0700), 0);
    assert_int_equal(uv_loop_init(&loop), 0);
    struct models *models = models_create(&loop, &options);
    const int64_t began_ns = clock_now_ns();
    log_set_sink(hear, &lines);
    for (unsigned i = 0; i < SCANS; i++) {
        models_scan(models, count, &done);
        assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(done, i + 1);
    }
    log_set_sink(NULL, NULL);
    assert_true(lines >= 1);
    assert_true(lines <= LOG_PACE_BURST + (clock_now_ns() - began_ns) / LOG_PACE_EVERY_NS + 1);
    models_destroy(models);
    assert_int_equal(uv_loop_close(&loop), 0);
    free(bad);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(what_is_listed_is_read),
        ground_test(a_link_that_came_later_is_not_followed),
        ground_test(what_cannot_be_used_is_not_told_at_each_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a worker that was killed, or whose power was cut, leaves in its outbox. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/path.h"
#include "worker/outbox.h"

static void put(const char *folder, const char *name)
{
    struct error err = {0};
    char *path = path_join(folder, name);
    if (!path_write_atomic(path, "x", 1, 0600, &err)) fail_msg("%s", err.message);
    free(path);
}

static bool is_there(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

/* In the middle of any write: the engine's parts, their temporary files, the record's. */
static void what_was_half_written_goes_at_the_next_start(void **state)
{
    (void)state;
    static const char *const left[] = {"0f7t2szj3d.25.0.1.segment.part",
                                       "0f7t2szj3d.25.0.1.segment", "0f7t2szj3d.25.0.1.latents",
                                       ".0f7t2szj3d.25.0.1.latents.part.tmp.31771.554d13b7b9097e71",
                                       ".0f7t2szj3d.25.0.1.json.tmp.31771.554d13b7b9097e71"};
    static const char *const foreign[] = {"a stranger's.txt",       ".notes.tmp.1",  "notes.json",
                                          "0f7t2szj3d.json",        "notes.segment", "notes.part",
                                          "0f7t2szj3d.25.0.segment"};
    struct error err = {0};
    struct outbox o;
    char folder[] = "/tmp/zoe-outbox-XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
        put(folder, left[i]);
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        put(folder, foreign[i]);
    assert_true(outbox_open(&o, folder, &err));
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
        assert_false(is_there(folder, left[i]));
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        assert_true(is_there(folder, foreign[i]));
    outbox_finish(&o);
    assert_true(path_remove_tree(folder, &err));
}

static void put_text(const char *folder, const char *name, const char *text)
{
    struct error err = {0};
    char *path = path_join(folder, name);
    if (!path_write_atomic(path, text, strlen(text), 0600, &err)) fail_msg("%s", err.message);
    free(path);
}

#define DIGEST "0000000000000000000000000000000000000000000000000000000000000000"
#define RECORD(version, kind)                                                                      \
    "{\"version\": " version                                                                       \
    ", \"batch\": \"0f7t2szj3d\", \"clip\": 25, \"task\": 0, \"fence\": 1, "                       \
    "\"recipe\": \"{}\", \"fingerprint\": \"f\", \"steps\": 2, \"render_ms\": 1, "                 \
    "\"recipe_digest\": \"" DIGEST "\", \"model_digest\": \"" DIGEST "\", "                        \
    "\"outputs\": [{\"kind\": \"" kind "\", \"size_bytes\": 1, \"sha256\": \"" DIGEST "\", "       \
    "\"frames_sha256\": \"" DIGEST "\", \"frames\": 4, \"width\": 64, \"height\": 64}]}"

static const char record[] = "0f7t2szj3d.25.0.1.json", segment[] = "0f7t2szj3d.25.0.1.segment";

/* A folder with a finished result whose record says that; how many results are found in it. */
static size_t open_with(char *folder, const char *text)
{
    struct error err = {0};
    struct outbox o;
    put(folder, segment);
    if (text) put_text(folder, record, text);
    assert_true(outbox_open(&o, folder, &err));
    const size_t count = o.count;
    outbox_finish(&o);
    return count;
}

/* After the way back to an older build, or when a disk or a limit fails for a moment: a result that
 * was rendered is not thrown away for that. */
static void what_cannot_be_read_now_stays(void **state)
{
    static const char *const newer[] = {RECORD("3", "segment"), RECORD("2", "hologram")};
    struct error err = {0};
    char folder[] = "/tmp/zoe-outbox-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof(newer) / sizeof(newer[0]); i++) {
        assert_int_equal(open_with(folder, newer[i]), 0);
        assert_true(is_there(folder, record));
        assert_true(is_there(folder, segment));
    }
    char *path = path_join(folder, record);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(record, path), 0); /* ELOOP */
    assert_int_equal(open_with(folder, NULL), 0);
    assert_true(is_there(folder, segment));
    assert_int_equal(unlink(path), 0);
    free(path);
    assert_int_equal(open_with(folder, RECORD("2", "segment")), 1);
    assert_true(path_remove_tree(folder, &err));
}

static void what_can_never_be_read_goes(void **state)
{
    static const char *const wrong[] = {"{", "{}", RECORD("\"2\"", "segment"),
                                        RECORD("2", "latents")};
    struct error err = {0};
    char folder[] = "/tmp/zoe-outbox-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(open_with(folder, wrong[i]), 0);
        assert_false(is_there(folder, record));
        assert_false(is_there(folder, segment));
    }
    assert_true(path_remove_tree(folder, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_read_now_stays),
        cmocka_unit_test(what_can_never_be_read_goes),
        cmocka_unit_test(what_was_half_written_goes_at_the_next_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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
    static const char *const foreign[] = {"a stranger's.txt", ".notes.tmp.1"};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_half_written_goes_at_the_next_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Limits of control groups, in a made-up tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "worker/probe.h"

static void put(const char *folder, const char *name, const char *text)
{
    struct error err = {0};
    char *path = path_join(folder, name), *parent = path_dirname(path);
    bool ok = path_make_folders(parent, 0700, &err) &&
              path_write_atomic(path, text, strlen(text), 0600, &err);
    if (!ok) fail_msg("%s", err.message);
    free(parent);
    free(path);
}

static void the_least_limit_on_the_way_up_counts(void **state)
{
    struct error err = {0};
    char folder[] = "/tmp/zoe-probe-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(folder));
    char *group = path_join(folder, "group"), *mount = path_join(folder, "mount");
    assert_true(probe_group_limit(group, mount) == UINT64_MAX); /* no control groups at all */
    put(mount, "a/b/memory.max", "max\n");
    put(folder, "group", "12:cpu:/x\n0::/a/b\n");
    assert_true(probe_group_limit(group, mount) == UINT64_MAX);
    put(mount, "a/memory.max", "5000\n");
    assert_int_equal(probe_group_limit(group, mount), 5000);
    put(mount, "a/b/memory.max", "4000\n");
    put(mount, "memory.max", "9000\n");
    assert_int_equal(probe_group_limit(group, mount), 4000);
    put(folder, "group", "0::/\n");
    assert_int_equal(probe_group_limit(group, mount), 9000);
    put(mount, "memory.max", "many\n");
    assert_true(probe_group_limit(group, mount) == UINT64_MAX);
    assert_true(path_remove_tree(folder, &err));
    free(group);
    free(mount);
}

static void this_machine_has_memory(void **state)
{
    struct error err = {0};
    struct probe p;
    char folder[] = "/tmp/zoe-probe-XXXXXX", id[PROBE_ID_SIZE];
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_true(probe_read(&p, folder, &err));
    assert_true(p.memory_bytes > 1 << 20 && p.cores > 0);
    assert_true(probe_resident_bytes((int)getpid()) > 0);
    memcpy(id, p.machine_id, sizeof id);
    assert_true(probe_read(&p, folder, &err));
    assert_string_equal(p.machine_id, id); /* it stays */
    put(folder, "machine-id", "not an id\n");
    assert_true(probe_read(&p, folder, &err));
    assert_string_not_equal(p.machine_id, id);
    assert_true(path_remove_tree(folder, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_least_limit_on_the_way_up_counts),
                                       cmocka_unit_test(this_machine_has_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

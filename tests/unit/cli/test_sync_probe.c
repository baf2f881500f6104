/* What small synced writes take: as many as asked, none where nothing can be written, and nothing
 * is left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "cli/sync_probe.h"

static int syncs_left;

static int fail_later(int fd)
{
    (void)fd;
    return syncs_left-- > 0 ? 0 : -1;
}

static void writes_are_timed_until_one_fails(void **state)
{
    char folder[] = "/tmp/zoe-sync-probe-XXXXXX";
    int64_t median_ns = -1;
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(sync_probe(folder, fdatasync, SYNC_PROBE_MAX, &median_ns), SYNC_PROBE_MAX);
    assert_true(median_ns > 0);
    syncs_left = 3;
    assert_int_equal(sync_probe(folder, fail_later, 9, &median_ns), 3);
    assert_true(median_ns > 0);
    syncs_left = 0;
    assert_int_equal(sync_probe(folder, fail_later, 9, &median_ns), 0);
    assert_int_equal(median_ns, 0);
    assert_int_equal(rmdir(folder), 0); /* nothing is in it */
    assert_int_equal(sync_probe(folder, fsync, 1, &median_ns), 0);
    assert_int_equal(median_ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(writes_are_timed_until_one_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

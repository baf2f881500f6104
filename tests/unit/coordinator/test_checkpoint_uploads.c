/* Temporaries of checkpoints are known by their names: a start removes them, and no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/checkpoint_uploads.h"
#include "coordinator/inputs.h"

static void they_are_told_from_results(void **state)
{
    (void)state;
    assert_true(
        checkpoint_uploads_is_upload("0123456789.0.3.0000000000000001.0011223344556677.4-12"));
    assert_false(
        checkpoint_uploads_is_upload("0123456789.0.3.0000000000000001.0011223344556677.0"));
    assert_false(
        checkpoint_uploads_is_upload("0123456789.0.3.0000000000000001.0011223344556677.4"));
    assert_false(
        checkpoint_uploads_is_upload("0123456789.0.3.0000000000000001.4-11223344556677.1"));
    assert_false(checkpoint_uploads_is_upload("input.00ff"));
    assert_false(checkpoint_uploads_is_upload("4-12"));
    assert_false(inputs_is_upload("0123456789.0.3.0000000000000001.0011223344556677.4-12"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(they_are_told_from_results)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* JSON from the farm's messages: units, enums, bytes, lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/output.h"
#include "farm.pb-c.h"

static void test_units(void **state)
{
    (void)state;
    Farm__Batch batch = FARM__BATCH__INIT;
    batch.id = (char[]){"abc"};
    batch.created_ms = 1000;
    batch.eta_ms = 2500;
    json_t *object = output_json(&batch.base);
    assert_string_equal(json_string_value(json_object_get(object, "id")), "abc");
    assert_string_equal(json_string_value(json_object_get(object, "created")),
                        "1970-01-01T00:00:01.000Z");
    assert_true(json_is_null(json_object_get(object, "finished")));
    assert_true(json_real_value(json_object_get(object, "eta_s")) == 2.5);
    assert_null(json_object_get(object, "eta_ms"));
    assert_true(json_is_array(json_object_get(object, "groups")));
    assert_true(json_is_null(json_object_get(object, "clips")));
    json_decref(object);
}

static void test_enums_bytes_and_lists(void **state)
{
    (void)state;
    uint8_t digest[] = {0xde, 0xad};
    Farm__Running running = FARM__RUNNING__INIT;
    Farm__Running *list[] = {&running, &running};
    running.phase = FARM__PHASE__PHASE_RENDERING;
    Farm__Worker worker = FARM__WORKER__INIT;
    worker.n_running = 2;
    worker.running = list;
    Farm__Clip clip = FARM__CLIP__INIT;
    clip.sha256 = (ProtobufCBinaryData){2, digest};
    clip.seed = INT64_MAX;
    json_t *w = output_json(&worker.base), *c = output_json(&clip.base);
    assert_int_equal(json_array_size(json_object_get(w, "running")), 2);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(w, "running"), 1), "phase")),
                        "rendering");
    assert_string_equal(json_string_value(json_object_get(c, "sha256")), "dead");
    assert_true(json_integer_value(json_object_get(c, "seed")) == INT64_MAX);
    json_decref(w);
    json_decref(c);
}

static void test_width(void **state)
{
    (void)state;
    assert_int_equal(output_width(""), 0);
    assert_int_equal(output_width("abc"), 3);
}

static void a_time_that_cannot_be_is_now(void **state)
{
    (void)state;
    char text[64];
    output_age(UINT64_C(1) << 63, text, sizeof(text)); /* as a broken peer may say */
    assert_string_equal(text, "0 s ago");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_that_cannot_be_is_now), cmocka_unit_test(test_units),
        cmocka_unit_test(test_enums_bytes_and_lists), cmocka_unit_test(test_width)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

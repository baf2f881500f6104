/* A filled mould is the canonical text of the whole recipe, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "coordinator/recipe_mould.h"

static json_t *parse(const char *text)
{
    json_t *value = json_parse(text, strlen(text), "a test", NULL);
    assert_non_null(value);
    return value;
}

static void assert_same(const char *base_text, const char *prompt, int64_t seed)
{
    json_t *base = parse(base_text);
    struct recipe_mould mould = {0};
    recipe_mould_make(&mould, base);
    assert_true(mould.usable);
    char *filled = recipe_mould_fill(&mould, prompt, strlen(prompt), seed);
    json_object_set_new(base, "prompt", json_string(prompt));
    json_object_set_new(base, "seed", json_integer(seed));
    char *whole = json_canonical(base);
    assert_string_equal(filled, whole);
    free(whole);
    free(filled);
    recipe_mould_finish(&mould);
    json_decref(base);
}

static void it_equals_the_canonical_text(void **state)
{
    (void)state;
    assert_same("{\"model\":\"pattern\",\"width\":64,\"eta\":0.5}", "a red fox", 7);
    assert_same("{\"a\":1,\"z\":{\"prompt\":\"x\",\"seed\":3},\"prompts\":[\"seed\"]}", "", 0);
    assert_same("{}", "quotes \" and \\ and \n and \xc3\xa9 and \x01", INT64_MAX);
    assert_same("{\"prompt\":\"an older one\",\"seed\":12,\"q\":1.5}", "a newer one", 13);
}

static void a_base_that_holds_a_gap_is_not_used(void **state)
{
    (void)state;
    json_t *base = parse("{\"a\":\"4099276460824344803\"}");
    struct recipe_mould mould = {0};
    recipe_mould_make(&mould, base);
    assert_false(mould.usable);
    recipe_mould_finish(&mould);
    json_decref(base);
    base = parse("{\"a\":\"the gap of the prompt 5f0c1c59a3\"}");
    recipe_mould_make(&mould, base);
    assert_false(mould.usable);
    recipe_mould_finish(&mould);
    json_decref(base);
}

static void the_base_is_not_touched(void **state)
{
    (void)state;
    json_t *base = parse("{\"model\":\"m\",\"seed\":5}");
    struct recipe_mould mould = {0};
    recipe_mould_make(&mould, base);
    assert_int_equal(json_integer_value(json_object_get(base, "seed")), 5);
    assert_null(json_object_get(base, "prompt"));
    recipe_mould_finish(&mould);
    json_decref(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_equals_the_canonical_text),
        cmocka_unit_test(a_base_that_holds_a_gap_is_not_used),
        cmocka_unit_test(the_base_is_not_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

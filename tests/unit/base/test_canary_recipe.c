#include "unit/base/scratch.h"

#include <string.h>

#include "base/canary_recipe.h"
#include "base/recipe.h"

static json_t *facts_of(const char *text)
{
    json_t *facts = json_loads(text, 0, NULL);
    assert_non_null(facts);
    return facts;
}

static void it_is_small(void **state)
{
    (void)state;
    struct error err = {0};
    json_t *facts =
        facts_of("{\"name\": \"m\", \"defaults\": {\"width\": 576, \"height\": 320, "
                 "\"num_frames\": 24, \"num_inference_steps\": 40, \"scheduler\": \"euler\"}}");
    json_t *recipe = canary_recipe_of(facts, &err);
    assert_non_null(recipe);
    assert_int_equal(recipe_int(recipe, "width", 0), 64);
    assert_int_equal(recipe_int(recipe, "height", 0), 64);
    assert_int_equal(recipe_int(recipe, "num_frames", 0), 1);
    assert_int_equal(recipe_int(recipe, "num_inference_steps", 0), 2);
    assert_string_equal(recipe_text(recipe, "scheduler", ""), "euler"); /* the model's own */
    assert_string_equal(recipe_text(recipe, "model", ""), "m");
    assert_true(recipe_check(recipe, &err));
    json_decref(recipe);
    json_decref(facts);
}

/* A family that cannot do so little does the least it can. */
static void it_is_the_least_that_is_legal(void **state)
{
    (void)state;
    static const struct {
        const char *range;
        int64_t width;
    } rows[] = {
        {"{\"min\": 8, \"max\": 4096, \"step\": 8}", 64},
        {"{\"min\": 256, \"max\": 4096, \"step\": 8}", 256},
        {"{\"min\": 48, \"max\": 4096, \"step\": 48}", 96},
        {"{\"min\": 8, \"max\": 48, \"step\": 8}", 48},
        {"{\"min\": 32, \"max\": 63, \"step\": 16}", 48},
        {"{\"min\": 0, \"max\": 4096, \"step\": 8}", 64},
        {"null", 64},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256];
        struct error err = {0};
        (void)snprintf(text, sizeof(text), "{\"name\": \"m\", \"width\": %s}", rows[i].range);
        json_t *facts = facts_of(text), *recipe = canary_recipe_of(facts, &err);
        if (recipe == NULL) fail_msg("%s: %s", rows[i].range, err.message);
        assert_int_equal(recipe_int(recipe, "width", 0), rows[i].width);
        json_decref(recipe);
        json_decref(facts);
    }
}

static void patterns_and_loras_have_none(void **state)
{
    (void)state;
    static const struct {
        const char *facts;
        bool has;
    } rows[] = {{"{\"family\": \"pattern\"}", false},
                {"{\"family\": \"lora\"}", false},
                {"{}", false},
                {"{\"family\": \"modelscope\"}", true},
                {"{\"family\": \"stable-diffusion\"}", true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *facts = facts_of(rows[i].facts);
        assert_int_equal(canary_recipe_is_for(facts), rows[i].has);
        json_decref(facts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_small),
        cmocka_unit_test(it_is_the_least_that_is_legal),
        cmocka_unit_test(patterns_and_loras_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "scratch.h"

#include <string.h>

#include "base/json.h"
#include "base/recipe.h"

static json_t *parse(const char *text)
{
    struct error err = {0};
    json_t *value = json_parse(text, strlen(text), "recipe", &err);
    if (value == NULL) fail_msg("%s", err.message);
    return value;
}

/* Checks `text`; the canonical form of the result must be `expected`. */
static void expect_checked(const char *text, const char *expected)
{
    json_t *recipe = parse(text);
    struct error err = {0};
    if (!recipe_check(recipe, &err)) fail_msg("%s: %s", text, err.message);
    char *canonical = recipe_canonical(recipe);
    assert_string_equal(canonical, expected);
    free(canonical);
    json_decref(recipe);
}

static void expect_refused(const char *text, const char *message)
{
    json_t *recipe = parse(text);
    struct error err = {0};
    if (recipe_check(recipe, &err)) fail_msg("accepted: %s", text);
    assert_int_equal(err.code, ERROR_USAGE);
    if (strstr(err.message, message) == NULL) {
        fail_msg("%s gives '%s' without '%s'", text, err.message, message);
    }
    json_decref(recipe);
}

static void the_table_is_sound(void **state)
{
    (void)state;
    int count = 0;
    const struct recipe_field *fields = recipe_fields(&count);
    assert_true(count >= 14);
    for (int i = 0; i < count; i++) {
        assert_ptr_equal(recipe_field_find(fields[i].name), &fields[i]);
        if (fields[i].alias != NULL) {
            assert_ptr_equal(recipe_field_find(fields[i].alias), &fields[i]);
        }
        assert_non_null(fields[i].summary);
        assert_true(fields[i].min <= fields[i].max);
        assert_int_equal(fields[i].type == RECIPE_CHOICE, fields[i].choices != NULL);
    }
    assert_null(recipe_field_find("banana"));
    assert_null(recipe_field_find("size")); /* input only */
    static const char *const groups[] = {"model",      "width", "height",
                                         "num_frames", "fps",   "num_inference_steps"};
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        assert_true(recipe_field_find(groups[i])->shapes_group);
    }
    assert_false(recipe_field_find("seed")->shapes_group);
    assert_string_equal(recipe_field_nearest("guidence_scale"), "guidance_scale");
    assert_string_equal(recipe_field_nearest("stpes"), "steps");
    assert_string_equal(recipe_field_nearest("sice"), "size");
    assert_null(recipe_field_nearest("banana"));
}

static void aliases_and_size(void **state)
{
    (void)state;
    expect_checked("{}", "{}");
    expect_checked("{\"steps\":5,\"guidance\":7,\"frames\":8,\"negative\":\"x\"}",
                   "{\"guidance_scale\":7,\"negative_prompt\":\"x\",\"num_frames\":8,"
                   "\"num_inference_steps\":5}");
    expect_checked("{\"size\":\"64x128\"}", "{\"height\":128,\"width\":64}");
    expect_refused("{\"steps\":5,\"num_inference_steps\":5}",
                   "both 'num_inference_steps' and its short form 'steps'");
    expect_refused("{\"size\":\"64x64\",\"width\":64}", "both 'size' and 'width' or 'height'");
    expect_refused("{\"size\":\"64\"}", "size is \"64\"; it must look like \"256x256\"");
    expect_refused("{\"size\":64}", "size is 64");
    expect_refused("{\"size\":\"64x60\"}", "height is 60; it must be a multiple of 8");
    expect_refused("{\"size\":\"4104x64\"}", "width is 4104; it must be an integer from 8 to 4096");
    expect_checked("{\"output_size\":\"640x360\",\"upscale_size\":\"128x64\"}",
                   "{\"output_height\":360,\"output_width\":640,\"upscale_height\":64,"
                   "\"upscale_width\":128}");
    expect_refused("{\"output_size\":\"641x360\"}",
                   "output_width is 641; it must be a multiple of 2");
    expect_refused("[1]", "must be a JSON object");
}

static void seconds(void **state)
{
    (void)state;
    expect_checked("{\"seconds\":2}", "{\"seconds\":2}");
    expect_checked("{\"seconds\":100000}", "{\"seconds\":100000}");
    expect_refused("{\"seconds\":0}", "seconds is 0; it must be above 0");
    expect_refused("{\"seconds\":-1}", "seconds is -1");
    expect_refused("{\"seconds\":100000.5}", "at most 100000");
    expect_refused("{\"seconds\":\"2\"}", "seconds is \"2\"");
    expect_refused("{\"seconds\":2,\"frames\":16}", "both 'seconds' and 'num_frames' are given");
}

/* Lowest and highest legal value, and one beyond each. */
static void numbers_at_their_limits(void **state)
{
    (void)state;
    static const struct {
        const char *name, *low, *high, *below, *above;
    } rows[] = {
        {"num_inference_steps", "1", "1000", "0", "1001"},
        {"guidance_scale", "0", "100", "-0.001", "100.001"},
        {"eta", "0", "1", "-1", "1.0000001"},
        {"width", "8", "4096", "0", "4104"},
        {"height", "8", "4096", "0", "4104"},
        {"num_frames", "1", "100000", "0", "100001"},
        {"fps", "1", "120", "0", "121"},
        {"seed", "0", "9223372036854775807", "-1", "1e19"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *const good[] = {rows[i].low, rows[i].high};
        const char *const bad[] = {rows[i].below, rows[i].above};
        for (int k = 0; k < 2; k++) {
            char *text = xasprintf("{\"%s\":%s}", rows[i].name, good[k]);
            expect_checked(text, text);
            free(text);
            text = xasprintf("{\"%s\":%s}", rows[i].name, bad[k]);
            expect_refused(text, rows[i].name);
            expect_refused(text, "it must be");
            free(text);
        }
    }
    expect_refused("{\"width\":12}", "width is 12; it must be a multiple of 8 from 8 to 4096");
}

static void wrong_types(void **state)
{
    (void)state;
    static const char *const integers[] = {"1.0", "\"1\"", "null", "true", "[1]", "{}"};
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
        static const char *const names[] = {"seed", "num_inference_steps", "fps", "width"};
        for (size_t k = 0; k < 4; k++) {
            char *text = xasprintf("{\"%s\":%s}", names[k], integers[i]);
            expect_refused(text, "must be an integer from");
            free(text);
        }
    }
    expect_refused("{\"seed\":-1}",
                   "seed is -1; it must be an integer from 0 to 9223372036854775807");
    expect_refused("{\"seed\":1.5}", "seed is 1.5;");
    expect_refused("{\"guidance_scale\":\"7\"}", "guidance_scale is \"7\"; it must be a number");
    expect_refused("{\"guidance_scale\":100.001}", "guidance_scale is 100.001; it must be");
    expect_refused("{\"guidance_scale\":null}", "must be a number from 0 to 100");
    expect_refused("{\"prompt\":7}", "prompt is 7; it must be a text");
    expect_refused("{\"prompt\":null}", "prompt is null");
    expect_refused("{\"scheduler\":\"heun\"}",
                   "scheduler is \"heun\"; it must be one of: ddim, dpm++");
    expect_refused("{\"scheduler\":1}", "scheduler is 1;");
    expect_refused("{\"noise\":\"gpu\"}", "noise is \"gpu\"; it must be one of: torch-cpu");
}

static void unknown_fields(void **state)
{
    (void)state;
    expect_refused("{\"guidence_scale\":7}",
                   "unknown field 'guidence_scale'; did you mean 'guidance_scale'?");
    expect_refused("{\"banana\":7}", "unknown field 'banana'");
    expect_refused("{\"\":7}", "unknown field ''");
    expect_refused("{\"Prompt\":\"x\"}", "did you mean 'prompt'?");
    expect_refused("{\"cfg_scale\":7}", "unknown field 'cfg_scale'");
}

static void prompts_at_their_limits(void **state)
{
    (void)state;
    expect_refused("{\"prompt\":\"\"}", "prompt has 0 bytes; it must have from 1 to 8192");
    expect_checked("{\"negative_prompt\":\"\"}", "{\"negative_prompt\":\"\"}");
    expect_refused("{\"model\":\"\"}", "model has 0 bytes");
    static const char *const names[] = {"prompt", "negative_prompt"};
    for (int i = 0; i < 2; i++) {
        char prompt[RECIPE_PROMPT_MAX_BYTES + 2] = "";
        memset(prompt, 'p', RECIPE_PROMPT_MAX_BYTES);
        char *text = xasprintf("{\"%s\":\"%s\"}", names[i], prompt);
        expect_checked(text, text);
        free(text);
        prompt[RECIPE_PROMPT_MAX_BYTES] = 'p';
        text = xasprintf("{\"%s\":\"%s\"}", names[i], prompt);
        expect_refused(text, "has 8193 bytes");
        free(text);
    }
    json_t *recipe = json_pack("{s:o}", "prompt", json_stringn("a\0b", 3));
    struct error err = {0};
    assert_false(recipe_check(recipe, &err));
    assert_non_null(strstr(err.message, "NUL"));
    json_decref(recipe);
}

static void long_values_are_shown_short(void **state)
{
    (void)state;
    char value[400] = "";
    for (int i = 0; i < 100; i++) {
        strcat(value, "\xe2\x82\xac");
    }
    char *text = xasprintf("{\"scheduler\":\"%s\"}", value);
    json_t *recipe = parse(text);
    struct error err = {0};
    assert_false(recipe_check(recipe, &err));
    assert_true(strlen(err.message) < 160);
    assert_non_null(strstr(err.message, "\xac...; it must be one of"));
    json_decref(recipe);
    free(text);
}

static void pattern_members(void **state)
{
    (void)state;
    expect_checked("{\"pattern\":{}}", "{\"pattern\":{}}");
    expect_checked("{\"pattern\":{\"step_ms\":600000,\"fail_step\":0,\"hang_step\":3,"
                   "\"garbage_step\":9}}",
                   "{\"pattern\":{\"fail_step\":0,\"garbage_step\":9,\"hang_step\":3,"
                   "\"step_ms\":600000}}");
    expect_refused("{\"pattern\":{\"step_ms\":600001}}",
                   "pattern.step_ms is 600001; it must be an integer from 0 to 600000");
    expect_refused("{\"pattern\":{\"fail_step\":-1}}", "pattern.fail_step is -1;");
    expect_refused("{\"pattern\":{\"fail_step\":1.0}}", "pattern.fail_step is 1.0;");
    expect_refused("{\"pattern\":{\"fail_stp\":1}}",
                   "unknown member 'fail_stp' of pattern; did you mean 'fail_step'?");
    expect_refused("{\"pattern\":{\"banana\":1}}", "unknown member 'banana' of pattern");
    expect_refused("{\"pattern\":7}", "pattern is 7; it must be an object");
}

/* Fields that are no plain numbers or texts: what passes, what does not and why. */
static void lists_tracks_and_loras(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{\"use_karras_sigmas\":true}",
        "{\"hold_frames\":[0,15]}",
        "{\"guidance_interval\":[0,0.5]}",
        "{\"guidance_by_step\":{\"0\":12,\"10\":6.5}}",
        "{\"prompts_by_frame\":{\"0\":\"a cat\",\"99999\":\"a dog\"}}",
        "{\"loras\":[{\"name\":\"x\",\"strength\":-4}]}",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        expect_checked(good[i], good[i]);
    expect_checked("{\"loras\":[{\"name\":\"x\"}]}",
                   "{\"loras\":[{\"name\":\"x\",\"strength\":1}]}");
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"{\"loop\":1}", "loop is 1; it must be true or false"},
        {"{\"hold_frames\":0}", "it must be a list of numbers"},
        {"{\"hold_frames\":[]}", "has 0 members; it must have from 1"},
        {"{\"hold_frames\":[1.5]}", "must be an integer from 0 to 99999"},
        {"{\"hold_frames\":[100000]}", "must be an integer from 0 to 99999"},
        {"{\"guidance_interval\":[0]}", "has 1 members; it must have from 2 to 2"},
        {"{\"guidance_interval\":[0,1.1]}", "must be a number from 0 to 1"},
        {"{\"guidance_by_step\":[1]}", "it must look like"},
        {"{\"guidance_by_step\":{}}", "has 0 members"},
        {"{\"guidance_by_step\":{\"-1\":1}}", "'-1' is no place"},
        {"{\"guidance_by_step\":{\"01\":1}}", "'01' is no place"},
        {"{\"guidance_by_step\":{\"100000\":1}}", "'100000' is no place"},
        {"{\"guidance_by_step\":{\"0\":101}}", "must be a number from 0 to 100"},
        {"{\"prompts_by_frame\":{\"0\":7}}", "it must be a text"},
        {"{\"prompts_by_frame\":{\"0\":\"\"}}", "it must have from 1"},
        {"{\"loras\":\"x\"}", "it must be a list"},
        {"{\"loras\":[\"x\"]}", "must look like"},
        {"{\"loras\":[{\"name\":\"\"}]}", "must look like"},
        {"{\"loras\":[{\"name\":\"x\",\"path\":\"y\"}]}", "must look like"},
        {"{\"loras\":[{\"name\":\"x\",\"strength\":4.5}]}", "must be a number from -4 to 4"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect_refused(bad[i].text, bad[i].message);
}

static void expect_read(const char *name, const char *text, const char *canonical)
{
    struct error err = {0};
    json_t *value = recipe_value_from_text(recipe_field_find(name), text, &err);
    if (canonical == NULL) {
        if (value != NULL) fail_msg("%s accepts '%s'", name, text);
        assert_true(err.code == ERROR_USAGE || err.code == ERROR_INVALID);
        assert_non_null(strstr(err.message, name));
        return;
    }
    if (value == NULL) fail_msg("%s", err.message);
    char *shown = json_canonical(value);
    assert_string_equal(shown, canonical);
    free(shown);
    json_decref(value);
}

static void command_line_values(void **state)
{
    (void)state;
    expect_read("num_inference_steps", "25", "25");
    expect_read("num_inference_steps", "1001", NULL);
    expect_read("num_inference_steps", "25.0", NULL);
    expect_read("num_inference_steps", "", NULL);
    expect_read("seed", "9223372036854775807", "9223372036854775807");
    expect_read("seed", "9223372036854775808", NULL);
    expect_read("seed", "-1", NULL);
    expect_read("guidance_scale", "7.5", "7.5");
    expect_read("guidance_scale", "5", "5");
    expect_read("guidance_scale", "1e3", NULL);
    expect_read("guidance_scale", "nan", NULL);
    expect_read("guidance_scale", "7,5", NULL);
    expect_read("prompt", "25", "\"25\"");
    expect_read("prompt", "", NULL);
    expect_read("prompt", "\xff", NULL);
    expect_read("scheduler", "dpm++", "\"dpm++\"");
    expect_read("scheduler", "DDIM", NULL);
    expect_read("pattern", "{\"step_ms\": 5}", "{\"step_ms\":5}");
    expect_read("pattern", "{", NULL);
    expect_read("pattern", "[]", NULL);
    expect_read("loop", "true", "true");
    expect_read("loop", "yes", NULL);
    expect_read("hold_frames", "0,15", "[0,15]");
    expect_read("hold_frames", "[0]", "[0]");
    expect_read("hold_frames", "0,,1", NULL);
    expect_read("guidance_interval", "0.1,0.8", "[0.10000000000000001,0.80000000000000004]");
    expect_read("guidance_by_step", "{\"0\": 9}", "{\"0\":9}");
    expect_read("guidance_by_step", "9", NULL);
    expect_read("loras", "x:0.5,y",
                "[{\"name\":\"x\",\"strength\":0.5},{\"name\":\"y\",\"strength\":1}]");
    expect_read("loras", "x:much", NULL);
    expect_read("loras", ":1", NULL);
    json_t *real = recipe_value_from_text(recipe_field_find("guidance"), "5", NULL);
    assert_true(json_is_real(real));
    json_decref(real);
}

static void filling(void **state)
{
    (void)state;
    json_t *defaults = parse("{\"steps\":30,\"guidance_scale\":3,\"size\":\"64x64\",\"fps\":10,"
                             "\"prompt\":\"never\",\"seed\":1,\"model\":\"never\"}");
    json_t *kept = json_deep_copy(defaults);
    json_t *recipe = parse("{\"prompt\":\"a cat\",\"seed\":7,\"height\":128}");
    struct error err = {0};
    if (!recipe_fill(recipe, "shapes", defaults, &err)) fail_msg("%s", err.message);
    char *canonical = recipe_canonical(recipe);
    assert_string_equal(canonical,
                        "{\"eta\":0,\"fps\":10,\"guidance_scale\":3,\"height\":128,"
                        "\"model\":\"shapes\",\"negative_prompt\":\"\",\"noise\":\"torch-cpu\","
                        "\"num_frames\":16,\"num_inference_steps\":30,\"prompt\":\"a cat\","
                        "\"scheduler\":\"ddim\",\"seed\":7,\"width\":64}");
    assert_true(json_equal(defaults, kept)); /* the model's object is not changed */

    assert_true(recipe_fill(recipe, "other", NULL, &err)); /* again: nothing is absent */
    char *again = recipe_canonical(recipe);
    assert_string_equal(canonical, again);
    assert_int_equal(recipe_int(recipe, "seed", 0), 7);
    assert_int_equal(recipe_int(recipe, "absent", 4), 4);
    assert_true(recipe_real(recipe, "guidance_scale", 0) == 3.0);
    assert_true(recipe_real(recipe, "absent", 2.5) == 2.5);
    assert_string_equal(recipe_text(recipe, "prompt", ""), "a cat");
    assert_string_equal(recipe_text(recipe, "absent", "x"), "x");
    free(again);
    free(canonical);
    json_decref(kept);
    json_decref(defaults);
    json_decref(recipe);
}

/* The rate may come from the recipe, the model or nowhere. */
static void filling_seconds(void **state)
{
    (void)state;
    static const struct {
        const char *recipe, *defaults;
        int frames;
    } cases[] = {
        {"{\"seconds\":4}", NULL, 32},
        {"{\"seconds\":4}", "{\"fps\":10,\"num_frames\":7}", 40},
        {"{\"seconds\":4,\"fps\":24}", "{\"fps\":10}", 96},
        {"{\"seconds\":0.3}", NULL, 2},
        {"{\"seconds\":0.001}", NULL, 1},
        {"{\"seconds\":12500}", NULL, 100000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *recipe = parse(cases[i].recipe);
        json_t *defaults = cases[i].defaults != NULL ? parse(cases[i].defaults) : NULL;
        struct error err = {0};
        json_object_set_new(recipe, "prompt", json_string("p"));
        json_object_set_new(recipe, "seed", json_integer(1));
        if (!recipe_fill(recipe, "m", defaults, &err)) fail_msg("%s", err.message);
        assert_int_equal(recipe_int(recipe, "num_frames", 0), cases[i].frames);
        assert_null(json_object_get(recipe, "seconds"));
        json_decref(defaults);
        json_decref(recipe);
    }
}

static void built_in_defaults_are_legal(void **state)
{
    (void)state;
    json_t *recipe = parse("{\"model\":\"m\",\"prompt\":\"p\",\"seed\":0}");
    struct error err = {0};
    assert_true(recipe_fill(recipe, NULL, NULL, &err));
    assert_true(recipe_check(recipe, &err));
    char *canonical = recipe_canonical(recipe);
    assert_string_equal(canonical,
                        "{\"eta\":0,\"fps\":8,\"guidance_scale\":9,\"height\":256,"
                        "\"model\":\"m\",\"negative_prompt\":\"\",\"noise\":\"torch-cpu\","
                        "\"num_frames\":16,\"num_inference_steps\":25,\"prompt\":\"p\","
                        "\"scheduler\":\"ddim\",\"seed\":0,\"width\":256}");
    free(canonical);
    json_decref(recipe);
}

static void expect_unfilled(const char *text, const char *model, const char *defaults,
                            const char *message)
{
    json_t *recipe = parse(text);
    json_t *model_defaults = defaults != NULL ? parse(defaults) : NULL;
    struct error err = {0};
    assert_false(recipe_fill(recipe, model, model_defaults, &err));
    if (strstr(err.message, message) == NULL) fail_msg("%s", err.message);
    json_decref(model_defaults);
    json_decref(recipe);
}

static void what_cannot_be_filled(void **state)
{
    (void)state;
    expect_unfilled("{\"seed\":1}", "m", NULL, "there is no 'prompt'");
    expect_unfilled("{\"prompt\":\"p\"}", "m", NULL, "there is no 'seed'");
    expect_unfilled("{\"prompt\":\"p\",\"seed\":1}", NULL, NULL, "there is no 'model'");
    expect_unfilled("{\"prompt\":\"p\",\"seed\":1}", "", NULL, "model has 0 bytes");
    expect_unfilled("{\"prompt\":\"p\",\"seed\":1,\"x\":1}", "m", NULL, "unknown field 'x'");
    expect_unfilled("{\"prompt\":\"p\",\"seed\":1,\"seconds\":12500.1}", "m", NULL,
                    "seconds: 100001 frames are more than 100000");
    expect_unfilled("{\"prompt\":\"p\",\"seed\":1}", "m", "{\"fps\":0}",
                    "defaults of the model: fps is 0");
}

static struct digest digest_after_check(const char *text)
{
    json_t *recipe = parse(text);
    struct error err = {0};
    if (!recipe_check(recipe, &err)) fail_msg("%s", err.message);
    struct digest d = recipe_digest(recipe);
    json_decref(recipe);
    return d;
}

static void equal_recipes_have_one_digest(void **state)
{
    (void)state;
    struct digest a = digest_after_check("{\"prompt\":\"p\",\"seed\":1,\"guidance_scale\":5}");
    struct digest b = digest_after_check("{\"guidance\":5.0, \"seed\":1, \"prompt\":\"\\u0070\"}");
    struct digest c = digest_after_check("{\"guidance\":5.5, \"seed\":1, \"prompt\":\"p\"}");
    assert_true(digest_equal(&a, &b));
    assert_false(digest_equal(&a, &c));
    static const char canonical[] = "{\"guidance_scale\":5,\"prompt\":\"p\",\"seed\":1}";
    struct digest of_text = digest_of(canonical, strlen(canonical));
    assert_true(digest_equal(&a, &of_text));
}

/* What a sidecar holds reads back as the same recipe, even unchecked and after pretty printing. */
static void canonical_text_is_a_fixed_point(void **state)
{
    (void)state;
    json_t *recipe = parse("{\"prompt\":\"caf\xc3\xa9 \\\"x\\\" \\n\",\"seed\":9007199254740993,"
                           "\"guidance\":0.1,\"eta\":0,\"steps\":3,\"pattern\":{\"step_ms\":1}}");
    struct error err = {0};
    if (!recipe_fill(recipe, "shapes", NULL, &err)) fail_msg("%s", err.message);
    assert_true(json_is_real(json_object_get(recipe, "eta")));
    struct digest first = recipe_digest(recipe);
    char *texts[] = {recipe_canonical(recipe), json_pretty(recipe), json_line(recipe)};
    for (int i = 0; i < 3; i++) {
        json_t *back = parse(texts[i]);
        struct digest unchecked = recipe_digest(back);
        assert_true(digest_equal(&first, &unchecked));
        assert_true(recipe_fill(back, "shapes", NULL, &err));
        struct digest checked = recipe_digest(back);
        assert_true(digest_equal(&first, &checked));
        assert_true(json_equal(recipe, back));
        json_decref(back);
        free(texts[i]);
    }
    json_decref(recipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(aliases_and_size),
        cmocka_unit_test(numbers_at_their_limits),
        cmocka_unit_test(wrong_types),
        cmocka_unit_test(unknown_fields),
        cmocka_unit_test(prompts_at_their_limits),
        cmocka_unit_test(long_values_are_shown_short),
        cmocka_unit_test(pattern_members),
        cmocka_unit_test(lists_tracks_and_loras),
        cmocka_unit_test(command_line_values),
        cmocka_unit_test(seconds),
        cmocka_unit_test(filling),
        cmocka_unit_test(filling_seconds),
        cmocka_unit_test(built_in_defaults_are_legal),
        cmocka_unit_test(what_cannot_be_filled),
        cmocka_unit_test(equal_recipes_have_one_digest),
        cmocka_unit_test(canonical_text_is_a_fixed_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

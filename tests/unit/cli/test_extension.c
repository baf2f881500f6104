/* Recipes of clips that go on from others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/recipe.h"
#include "cli/extension.h"

static void expect_extended(const char *old, int64_t more, const char *prompt, const char *expected)
{
    struct error err = {0};
    json_t *before = json_parse(old, strlen(old), "old", &err);
    if (before == NULL) fail_msg("%s", err.message);
    json_t *recipe = extension_recipe(before, more, prompt);
    char *text = json_canonical(recipe);
    assert_string_equal(text, expected);
    assert_true(recipe_check(recipe, &err));
    free(text);
    json_decref(recipe);
    json_decref(before);
}

static void a_short_clip(void **state)
{
    (void)state;
    expect_extended("{\"prompt\":\"a\",\"seed\":3,\"num_frames\":16,\"noise\":\"torch-cpu\","
                    "\"init_image\":\"x\",\"strength\":0.5,\"loop\":true,\"batch_size\":2}",
                    8, NULL,
                    "{\"extend_frames\":16,\"method\":\"chain\",\"noise\":\"indexed\","
                    "\"num_frames\":24,\"prompt\":\"a\",\"seed\":3}");
}

static void a_clip_that_was_extended(void **state)
{
    (void)state;
    expect_extended(
        "{\"prompt\":\"a\",\"seed\":3,\"num_frames\":40,\"noise\":\"indexed\",\"cuts\":[8],"
        "\"method\":\"windows\",\"overlap\":6,\"segment_frames\":16,\"extend_frames\":16,"
        "\"extend_video\":\"v\",\"extend_latents\":\"l\",\"extend_keep\":false}",
        8, NULL,
        "{\"cuts\":[8],\"extend_frames\":40,\"extend_keep\":false,"
        "\"method\":\"windows\",\"noise\":\"indexed\",\"num_frames\":48,\"overlap\":6,"
        "\"prompt\":\"a\",\"seed\":3,\"segment_frames\":16}");
}

static void another_prompt(void **state)
{
    (void)state;
    expect_extended("{\"prompt\":\"a\",\"num_frames\":16}", 8, "b",
                    "{\"extend_frames\":16,\"method\":\"chain\",\"noise\":\"indexed\","
                    "\"num_frames\":24,\"prompt\":\"a\",\"prompts_by_frame\":"
                    "{\"15\":\"a\",\"16\":\"b\"}}");
    /* what would have been said beyond the old end is not */
    expect_extended("{\"prompt\":\"t\",\"num_frames\":16,\"prompts_by_frame\":"
                    "{\"0\":\"a\",\"9\":\"c\",\"20\":\"z\"}}",
                    8, "b",
                    "{\"extend_frames\":16,\"method\":\"chain\",\"noise\":\"indexed\","
                    "\"num_frames\":24,\"prompt\":\"t\",\"prompts_by_frame\":"
                    "{\"0\":\"a\",\"15\":\"c\",\"16\":\"b\",\"9\":\"c\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_clip),
        cmocka_unit_test(a_clip_that_was_extended),
        cmocka_unit_test(another_prompt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

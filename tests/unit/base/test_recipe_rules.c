/* Rules of recipes: what cannot be with a model is refused with its field, and what its facts leave
 * open is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/recipe.h"
#include "base/recipe_rules.h"

static const char facts_text[] =
    "{\"family\":\"modelscope\",\"init\":true,\"width\":{\"min\":8,\"max\":512,\"step\":8},"
    "\"height\":{\"min\":8,\"max\":512,\"step\":8},\"frames\":{\"min\":1,\"max\":32,\"step\":1},"
    "\"steps\":{\"min\":1,\"max\":500,\"step\":1},\"clip_skip\":{\"min\":0,\"max\":3,\"step\":1},"
    "\"schedulers\":[\"ddim\",\"euler\",\"lcm\"],\"noises\":[\"torch-cpu\",\"cuda\",\"indexed\"],"
    "\"samplers\":{\"ddim\":{\"eta\":true,\"karras\":false,\"spacing\":true},"
    "\"euler\":{\"eta\":false,\"karras\":true,\"spacing\":true},"
    "\"lcm\":{\"eta\":false,\"karras\":false,\"spacing\":false}},"
    "\"noise_kinds\":{\"torch-cpu\":{\"cuda_threads\":false,\"generator\":true},"
    "\"cuda\":{\"cuda_threads\":true,\"generator\":true},"
    "\"indexed\":{\"cuda_threads\":false,\"generator\":false}}}";

/* A filled recipe of 4 frames and 4 steps with `extra` in it. */
static json_t *recipe_with(const char *extra)
{
    struct error err;
    json_t *recipe = json_loads("{\"model\":\"m\",\"prompt\":\"a\",\"seed\":1,\"width\":64,"
                                "\"height\":64,\"num_frames\":4,\"num_inference_steps\":4}",
                                0, NULL);
    json_t *more = json_loads(extra, 0, NULL);
    json_object_update(recipe, more);
    json_decref(more);
    if (!recipe_fill(recipe, NULL, NULL, &err)) fail_msg("%s: %s", extra, err.message);
    return recipe;
}

static bool check(const char *facts_json, const char *extra, const char **field, struct error *err)
{
    json_t *facts = json_loads(facts_json, 0, NULL), *recipe = recipe_with(extra);
    assert_non_null(facts);
    const bool ok = recipe_rules_check(facts, recipe, field, err);
    json_decref(facts);
    json_decref(recipe);
    return ok;
}

static const struct {
    const char *extra, *field, *says;
} refused[] = {
    {"{\"width\":520}", "width", "520 is not possible with this model: 8 to 512 in steps of 8"},
    {"{\"num_frames\":33}", "num_frames", "33 is not possible with this model: 1 to 32"},
    {"{\"num_inference_steps\":501}", "num_inference_steps",
     "501 is not possible with this model: 1 to 500"},
    {"{\"scheduler\":\"unipc\"}", "scheduler", "\"unipc\" is not built for this model"},
    {"{\"noise\":\"philox\"}", "noise", "\"philox\" is not built for this model"},
    {"{\"pattern\":{}}", "pattern", "only for models of the family \"pattern\", not modelscope"},
    {"{\"guidance_interval\":[0.8,0.2]}", "guidance_interval",
     "it ends at 0.2, before it begins at 0.8"},
    {"{\"clip_skip\":4}", "clip_skip", "the text encoder has 3 layers"},
    {"{\"prompt\":\"a (b:1.2.3)\",\"prompt_syntax\":\"a1111\"}", "prompt",
     "character 6: \"1.2.3\" is no weight"},
    {"{\"negative_prompt\":\"(b:1..3)\",\"prompt_syntax\":\"a1111\"}", "negative_prompt",
     "character 4: \"1..3\" is no weight"},
    {"{\"prompts_by_frame\":{\"0\":\"a\",\"2\":\"(c:9999)\"},\"prompt_syntax\":\"a1111\"}",
     "prompts_by_frame", "a weight beyond 1000"},
    {"{\"scheduler\":\"euler\",\"eta\":0.5}", "eta", "euler takes none"},
    {"{\"scheduler\":\"ddim\",\"use_karras_sigmas\":true}", "use_karras_sigmas",
     "ddim has no such sigmas"},
    {"{\"scheduler\":\"lcm\",\"timestep_spacing\":\"leading\"}", "timestep_spacing",
     "lcm has its own"},
    {"{\"noise\":\"cuda\"}", "cuda_threads", "noise of the kind cuda depends on the card"},
    {"{\"cuda_threads\":512}", "cuda_threads", "only for noise of the kind cuda"},
    {"{\"noise\":\"indexed\",\"batch_size\":2}", "batch_size",
     "indexed noise has no generator to share"},
    {"{\"batch_size\":2,\"batch_index\":2}", "batch_index",
     "there is no clip 2 in a batch of 2 (they count from 0)"},
    {"{\"batch_index\":1}", "batch_index", "there is no clip 1 in a batch of 1"},
    {"{\"strength\":0.5}", "strength", "there is no init_video or init_image"},
    {"{\"mask\":\"m\"}", "mask", "there is no init_video or init_image"},
    {"{\"hold_frames\":[0]}", "hold_frames", "there is no init_video or init_image"},
    {"{\"encode\":\"mean\"}", "encode", "there is no init_video or init_image"},
    {"{\"init_video\":\"a\",\"init_image\":\"b\"}", "init_image",
     "only one of init_video and init_image can be the start"},
    {"{\"init_video\":\"a\",\"hold_frames\":[0,4]}", "hold_frames",
     "there is no frame 4 in 4 (they count from 0)"},
    {"{\"init_video\":\"a\",\"strength\":0.1}", "strength", "0.1 of 4 steps runs none"},
    {"{\"init_video\":\"a\",\"num_inference_steps\":1}", "strength", "0.6 of 1 steps runs none"},
};

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const char *field = NULL;
        struct error err = {0};
        if (check(facts_text, refused[i].extra, &field, &err))
            fail_msg("%s was taken", refused[i].extra);
        assert_int_equal(err.code, ERROR_USAGE);
        assert_string_equal(field, refused[i].field);
        if (strstr(err.message, refused[i].says) == NULL)
            fail_msg("%s: %s", refused[i].extra, err.message);
    }
}

static void what_can_be_is_taken(void **state)
{
    (void)state;
    static const char *const taken[] = {
        "{}",
        "{\"prompt\":\"a (b:1.2.3)\"}",
        "{\"prompt\":\"a (b:1.2) [c:d:0.5]\",\"prompt_syntax\":\"a1111\"}",
        "{\"scheduler\":\"ddim\",\"eta\":0.5,\"use_karras_sigmas\":false}",
        "{\"scheduler\":\"euler\",\"use_karras_sigmas\":true,\"timestep_spacing\":\"trailing\"}",
        "{\"noise\":\"cuda\",\"cuda_threads\":512}",
        "{\"batch_size\":2,\"batch_index\":1}",
        "{\"guidance_interval\":[0.2,0.2]}",
        "{\"clip_skip\":3}",
        "{\"init_video\":\"a\",\"hold_frames\":[3],\"strength\":0.25}",
        "{\"init_image\":\"a\",\"mask\":\"b\",\"loop\":true}",
        "{\"width\":512,\"num_frames\":32}",
    };
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        const char *field = NULL;
        struct error err = {0};
        if (!check(facts_text, taken[i], &field, &err))
            fail_msg("%s: %s: %s", taken[i], field, err.message);
    }
}

/* A model without latents and text encoder says so. */
static void some_models_know_less(void **state)
{
    (void)state;
    static const char facts[] = "{\"family\":\"pattern\",\"init\":false,\"clip_skip\":null}";
    static const struct {
        const char *extra, *field, *says;
    } cases[] = {
        {"{\"init_video\":\"a\"}", "init_video", "not for this model"},
        {"{\"init_image\":\"a\"}", "init_image", "not for this model"},
        {"{\"loop\":true}", "loop", "not for this model"},
        {"{\"clip_skip\":0}", "clip_skip", "no text encoder"},
        {"{\"prompt_syntax\":\"plain\"}", "prompt_syntax", "no text encoder"},
        {"{\"tokenizer\":\"openclip\"}", "tokenizer", "no text encoder"},
        {"{\"prompts_by_frame\":{\"0\":\"a\"}}", "prompts_by_frame", "no text encoder"},
    };
    const char *field = NULL;
    struct error err = {0};
    assert_true(check(facts, "{\"loop\":false,\"pattern\":{\"step_ms\":1}}", &field, &err));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_false(check(facts, cases[i].extra, &field, &err));
        assert_string_equal(field, cases[i].field);
        assert_non_null(strstr(err.message, cases[i].says));
    }
}

/* Rules that need a fact are left out with it; the others stay. */
static void absent_facts_forbid_nothing(void **state)
{
    (void)state;
    static const char *const open[] = {
        "{\"width\":4096}",
        "{\"scheduler\":\"lcm\",\"timestep_spacing\":\"leading\",\"eta\":0.5}",
        "{\"scheduler\":\"ddim\",\"use_karras_sigmas\":true}",
        "{\"noise\":\"cuda\"}",
        "{\"noise\":\"indexed\",\"batch_size\":2}",
        "{\"clip_skip\":23,\"prompt_syntax\":\"a1111\"}",
        "{\"loop\":true}",
    };
    const char *field = NULL;
    struct error err = {0};
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
        if (!check("{}", open[i], &field, &err)) fail_msg("%s: %s", open[i], err.message);
    assert_false(check("{}", "{\"batch_index\":1}", &field, &err));
    assert_false(check("{}", "{\"pattern\":{}}", &field, &err));
}

/* Facts come out of a file: nonsense in them is no fact. */
static void strange_facts_do_no_harm(void **state)
{
    (void)state;
    static const char *const facts[] = {
        "[]",
        "{\"family\":5,\"width\":7,\"steps\":{\"max\":1000,\"step\":-3},\"schedulers\":[3,\"ddim\"]"
        "}",
        "{\"samplers\":[],\"noise_kinds\":{\"torch-cpu\":5},\"clip_skip\":\"x\",\"noises\":{}}",
    };
    const char *field = NULL;
    struct error err = {0};
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++)
        if (!check(facts[i], "{}", &field, &err)) fail_msg("%s: %s", facts[i], err.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_is_refused), cmocka_unit_test(what_can_be_is_taken),
        cmocka_unit_test(some_models_know_less),     cmocka_unit_test(absent_facts_forbid_nothing),
        cmocka_unit_test(strange_facts_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

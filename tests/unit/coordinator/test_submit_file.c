/* Submissions: what a file of prompts becomes, and what is said about a wrong one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/xalloc.h"
#include "coordinator/models.h"
#include "coordinator/prompts.h"
#include "coordinator/submit_file.h"

#define FACTS(name, family, words)                                                                 \
    "{\"name\":\"" name "\",\"family\":\"" family                                                  \
    "\",\"width\":{\"min\":8,\"max\":4096,\"step\":8},"                                            \
    "\"height\":{\"min\":8,\"max\":4096,\"step\":8},\"frames\":{\"min\":1,\"max\":1024,\"step\":"  \
    "1},"                                                                                          \
    "\"loras\":true,\"clip_skip\":{\"min\":0,\"max\":3,\"step\":1},"                               \
    "\"schedulers\":[\"ddim\",\"euler\",\"lcm\"],\"noises\":[\"torch-cpu\",\"cuda\",\"indexed\"]," \
    "\"samplers\":{\"ddim\":{\"eta\":true,\"karras\":false,\"spacing\":true},"                     \
    "\"euler\":{\"eta\":false,\"karras\":true,\"spacing\":true},"                                  \
    "\"lcm\":{\"eta\":false,\"karras\":false,\"spacing\":false}},"                                 \
    "\"noise_kinds\":{\"torch-cpu\":{\"cuda_threads\":false,\"generator\":true},"                  \
    "\"cuda\":{\"cuda_threads\":true,\"generator\":true},"                                         \
    "\"indexed\":{\"cuda_threads\":false,\"generator\":false}}," words                             \
    "\"defaults\":{\"num_inference_steps\":4,\"guidance_scale\":3,\"width\":64,\"height\":64,"     \
    "\"num_frames\":16,\"fps\":8,\"scheduler\":\"ddim\"}}"

static struct model shapes = {
    .name = (char[]){"shapes"},
    .description =
        (char[]){FACTS("shapes", "modelscope", "\"words\":[\"a\",\"red\",\"circle\"],")}};
static struct model pattern = {.name = (char[]){"pattern"},
                               .description = (char[]){FACTS("pattern", "pattern", "")}};
static struct model noir = {.name = (char[]){"noir"},
                            .digest = {{0xab}},
                            .is_lora = true,
                            .description = (char[]){"{\"family\":\"lora\"}"}};
static struct model *all[] = {&noir, &pattern, &shapes};
static const struct model_list models = {.models = all, .count = 3};

static bool parse(const char *text, enum submit_format format, const char *options,
                  const char *path, struct submit_result *result, struct error *err)
{
    struct submit_input input = {.data = text,
                                 .size_bytes = strlen(text),
                                 .format = format,
                                 .options = options,
                                 .models = &models,
                                 .prompts_path = path};
    return submit_file_parse(&input, result, err);
}

/* A check may be of millions of lines when its key is revoked. */
static void who_is_gone_is_not_read_to_the_end(void **state)
{
    (void)state;
    struct error err = {0};
    struct submit_result result;
    const atomic_bool stop = true;
    struct submit_input input = {
        .data = "a\nb\n", .size_bytes = 4, .format = SUBMIT_TEXT, .models = &models, .stop = &stop};
    assert_false(submit_file_parse(&input, &result, &err));
    assert_int_equal(err.code, ERROR_INTERRUPTED);
    assert_int_equal(result.prompts, 0);
    submit_result_finish(&result);
}

static void test_text(void **state)
{
    (void)state;
    struct submit_result r;
    struct error err;
    assert_true(parse("\xef\xbb\xbf"
                      "a red circle\r\n\n  # no prompt\n\ta circle \n",
                      SUBMIT_TEXT, "{\"seed\":5,\"seeds\":3}", NULL, &r, &err));
    assert_int_equal(r.prompts, 2);
    assert_int_equal(r.clips, 6);
    assert_int_equal(r.seed, 5);
    assert_int_equal(r.seeds, 3);
    assert_int_equal(r.group_count, 1);
    assert_string_equal(r.groups[0].model, "shapes");
    assert_int_equal(r.groups[0].steps, 4);
    assert_int_equal(r.warning_count, 0);
    submit_result_finish(&r);
}

static void test_jsonl_groups_and_seeds(void **state)
{
    (void)state;
    struct submit_result r;
    struct error err;
    const char *text =
        "{\"prompt\":\"a\"}\n"
        "{\"prompt\":\"a\",\"size\":\"32x48\",\"seed\":[9,2]}\n"
        "{\"prompt\":\"a\",\"guidance\":7,\"negative_prompt\":\"red\"}\n"
        "{\"prompt\":\"a\",\"model\":\"pattern\",\"pattern\":{\"step_ms\":5},\"seed\":1}\n";
    assert_true(parse(text, SUBMIT_JSONL, "{\"seeds\":2}", NULL, &r, &err));
    assert_int_equal(r.prompts, 4);
    assert_int_equal(r.clips, 7);
    assert_int_equal(r.group_count, 3);
    assert_int_equal(r.groups[0].clips, 4);
    assert_int_equal(r.groups[1].width, 32);
    assert_int_equal(r.groups[1].height, 48);
    assert_int_equal(r.groups[2].first_clip, 6);
    submit_result_finish(&r);
}

/* A line's own length replaces the options', whichever way each is given. */
static void test_lengths(void **state)
{
    (void)state;
    static const struct {
        const char *options, *line;
        int frames;
    } cases[] = {
        {"{\"seconds\":1}", "{\"prompt\":\"a\"}", 8},
        {"{\"seconds\":1}", "{\"prompt\":\"a\",\"frames\":3}", 3},
        {"{\"frames\":3}", "{\"prompt\":\"a\",\"seconds\":1.5}", 12},
        {"{\"fps\":4}", "{\"prompt\":\"a\",\"seconds\":1.5}", 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct submit_result r;
        struct error err;
        if (!parse(cases[i].line, SUBMIT_JSONL, cases[i].options, NULL, &r, &err))
            fail_msg("%s", r.problems[0].message);
        assert_int_equal(r.groups[0].frames, cases[i].frames);
        submit_result_finish(&r);
    }
    struct submit_result r;
    struct error err;
    const char *both = "{\"prompt\":\"a\",\"seconds\":1,\"num_frames\":8}";
    assert_false(parse(both, SUBMIT_JSONL, NULL, NULL, &r, &err));
    submit_result_finish(&r);
}

static void test_loras_are_pinned_and_form_groups(void **state)
{
    (void)state;
    struct submit_result r;
    struct error err;
    const char *text = "{\"prompt\":\"a\"}\n"
                       "{\"prompt\":\"a\",\"loras\":[{\"name\":\"noir\",\"strength\":1}]}\n"
                       "{\"prompt\":\"a\",\"lora\":[{\"name\":\"noir\"}]}\n"
                       "{\"prompt\":\"a\",\"loras\":[{\"name\":\"noir\",\"strength\":0.5}]}\n";
    assert_true(parse(text, SUBMIT_JSONL, NULL, NULL, &r, &err));
    assert_int_equal(r.group_count, 3);
    assert_int_equal(r.groups[1].clips, 2); /* 1 is the default */
    assert_true(digest_is_zero(&r.groups[0].loras));
    assert_false(digest_equal(&r.groups[1].loras, &r.groups[2].loras));
    const json_t *lora = json_array_get(json_object_get(r.groups[2].base, "loras"), 0);
    char hex[DIGEST_TEXT_SIZE];
    digest_text(&noir.digest, hex);
    assert_string_equal(json_string_value(json_object_get(lora, "digest")), hex);
    submit_result_finish(&r);
}

static void test_wrong_loras(void **state)
{
    (void)state;
    static const struct {
        const char *options, *message;
    } cases[] = {
        {"{\"loras\":[{\"name\":\"nior\"}]}", "there is no LoRA 'nior'; did you mean 'noir'?"},
        {"{\"loras\":[{\"name\":\"shapes\"}]}", "a model is no LoRA: 'shapes'"},
        {"{\"loras\":[{\"name\":\"noir\",\"digest\":\"12\"}]}", "64 hex digits"},
        {"{\"loras\":[{\"name\":\"noir\",\"digest\":\"12000000000000000000000000000000000000000000"
         "00000000000000000000\"}]}",
         "is not here"},
        {"{\"model\":\"noir\"}", "'noir' is a LoRA"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct submit_result r;
        struct error err;
        assert_false(parse("a\n", SUBMIT_TEXT, cases[i].options, NULL, &r, &err));
        assert_int_equal(r.problem_count, 1);
        if (strstr(r.problems[0].message, cases[i].message) == NULL)
            fail_msg("%s: %s", cases[i].options, r.problems[0].message);
        submit_result_finish(&r);
    }
}

static void test_recipes_come_back(void **state)
{
    char *folder = *state;
    char *path = xasprintf("%s/0123456789.prompts", folder);
    struct submit_result r;
    struct error err;
    const char *text =
        "{\"prompt\":\"a\"}\n{\"prompt\":\"red\",\"steps\":4,\"guidance_scale\":7.5,\"seed\":8}\n";
    assert_true(parse(text, SUBMIT_JSONL, "{\"eta\":0.5}", path, &r, &err));
    struct prompts *p = prompts_create(folder, 1 << 20);
    json_t *first = prompts_recipe(p, "0123456789", 0, &err);
    json_t *second = prompts_recipe(p, "0123456789", 1, &err);
    assert_non_null(first);
    assert_non_null(second);
    assert_string_equal(json_string_value(json_object_get(second, "prompt")), "red");
    assert_int_equal(json_integer_value(json_object_get(second, "seed")), 8);
    assert_true(json_real_value(json_object_get(second, "guidance_scale")) == 7.5);
    assert_true(json_number_value(json_object_get(first, "guidance_scale")) == 3);
    assert_true(json_real_value(json_object_get(first, "eta")) == 0.5);
    json_decref(first);
    json_decref(second);
    prompts_destroy(p);
    submit_result_finish(&r);
    unlink(path);
    free(path);
}

static const struct {
    const char *text, *options;
    uint64_t line;
    const char *field, *says;
} WRONG[] = {
    {"{\"prompt\":\"a\",\"guidence_scale\":3}", NULL, 1, "guidence_scale", "guidance_scale"},
    {"{\"prompt\":\"a\"}\n\n{\"prompt\":\"b\",\"seed\":-4}", NULL, 3, "seed", "whole number"},
    {"{\"prompt\":\"a\",\"seed\":null}", NULL, 1, "seed", "whole number"},
    {"{\"prompt\":\"a\",\"seed\":[]}", NULL, 1, "seed", "empty"},
    {"{\"prompt\":\"a\",\"seed\":1.5}", NULL, 1, "seed", "whole number"},
    {"{\"prompt\":\"a\",\"num_frames\":\"many\"}", NULL, 1, "num_frames", "num_frames"},
    {"{\"prompt\":\"a\",\"width\":63}", NULL, 1, "width", "8"},
    {"{\"prompt\":\"a\",\"steps\":3,\"num_inference_steps\":4}", NULL, 1, "num_inference_steps",
     "twice"},
    {"{\"prompt\":5}", NULL, 1, "prompt", "prompt"},
    {"{\"prompt\":\"\"}", NULL, 1, "prompt", "prompt"},
    {"{\"seed\":1}", NULL, 1, "prompt", "missing"},
    {"[1]", NULL, 1, "", "object"},
    {"{\"prompt\":\"a\"", NULL, 1, "", ""},
    {"{\"prompt\":\"a\",\"prompt\":\"b\"}", NULL, 1, "", "prompt"},
    {"{\"prompt\":\"a\",\"model\":\"shaps\"}", NULL, 1, "model", "shapes"},
    {"{\"prompt\":\"a\",\"pattern\":{}}", NULL, 1, "pattern", "family"},
    {"{\"prompt\":\"a\"}", "{\"seeds\":0}", 0, "seeds", "1"},
    {"{\"prompt\":\"a\"}", "{\"seed\":9223372036854775807,\"seeds\":2}", 0, "seeds", "above"},
    {"{\"prompt\":\"a\"}", "{\"stepz\":2}", 0, "stepz", "steps"},
    {"\n\n", NULL, 0, "", "no prompt"},
};

static void test_wrong_lines_are_named(void **state)
{
    char *folder = *state;
    char *path = xasprintf("%s/none.prompts", folder);
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        struct submit_result r;
        struct error err;
        assert_false(parse(WRONG[i].text, SUBMIT_JSONL, WRONG[i].options, path, &r, &err));
        assert_int_equal(err.code, ERROR_INVALID);
        assert_true(r.problem_count >= 1);
        assert_int_equal(r.problems[0].line, WRONG[i].line);
        assert_string_equal(r.problems[0].field, WRONG[i].field);
        assert_non_null(strstr(r.problems[0].message, WRONG[i].says));
        assert_int_equal(access(path, F_OK), -1);
        submit_result_finish(&r);
    }
    free(path);
}

static void test_goes_on_to_twenty_problems(void **state)
{
    (void)state;
    char text[4096] = "";
    for (int i = 0; i < 30; i++)
        strcat(text, "{\"prompt\":1}\n");
    struct submit_result r;
    struct error err;
    assert_false(parse(text, SUBMIT_JSONL, NULL, NULL, &r, &err));
    assert_int_equal(r.problem_count, LIMIT_INPUT_PROBLEMS);
    assert_int_equal(r.problems_total, 30);
    assert_int_equal(r.problems[19].line, 20);
    submit_result_finish(&r);
}

static void test_limits(void **state)
{
    (void)state;
    struct submit_result r;
    struct error err;
    char *text = xcalloc(1, 8194);
    memset(text, 'a', 8193);
    assert_false(parse(text, SUBMIT_TEXT, NULL, NULL, &r, &err));
    assert_string_equal(r.problems[0].field, "prompt");
    submit_result_finish(&r);
    text[8192] = '\0';
    assert_true(parse(text, SUBMIT_TEXT, NULL, NULL, &r, &err));
    submit_result_finish(&r);
    free(text);
    assert_false(parse("\xff\xfe", SUBMIT_TEXT, NULL, NULL, &r, &err));
    assert_non_null(strstr(r.problems[0].message, "UTF-8"));
    submit_result_finish(&r);
}

static void test_unknown_words_warn_once(void **state)
{
    (void)state;
    struct submit_result r;
    struct error err;
    assert_true(
        parse("a red zebra\nA zebra, a GNU\nred Circle\n", SUBMIT_TEXT, NULL, NULL, &r, &err));
    assert_int_equal(r.warning_count, 1);
    assert_non_null(strstr(r.warnings[0], "'zebra', 'gnu'"));
    submit_result_finish(&r);
    assert_true(parse("zebra\n", SUBMIT_TEXT, "{\"model\":\"pattern\"}", NULL, &r, &err));
    assert_int_equal(r.warning_count, 0);
    submit_result_finish(&r);
    /* a story's prompt is its title */
    assert_true(parse("{\"prompt\":\"zebra\",\"prompts_by_frame\":{\"0\":\"a red gnu\"}}\n",
                      SUBMIT_JSONL, NULL, NULL, &r, &err));
    assert_int_equal(r.warning_count, 1);
    assert_non_null(strstr(r.warnings[0], "'gnu'"));
    assert_null(strstr(r.warnings[0], "zebra"));
    submit_result_finish(&r);
}

/* One of them has no list. */
static void test_words_of_models_in_turn(void **state)
{
    (void)state;
    struct submit_result r;
    struct error err;
    assert_true(parse("{\"prompt\":\"gnu\",\"model\":\"pattern\"}\n"
                      "{\"prompt\":\"red\",\"model\":\"shapes\"}\n"
                      "{\"prompt\":\"gnu\",\"model\":\"pattern\"}\n"
                      "{\"prompt\":\"red zebra\",\"model\":\"shapes\"}\n",
                      SUBMIT_JSONL, NULL, NULL, &r, &err));
    assert_int_equal(r.warning_count, 1);
    assert_non_null(strstr(r.warnings[0], "the model 'shapes' does not know the word 'zebra';"));
    submit_result_finish(&r);
}

static int make_folder(void **state)
{
    char folder[] = "/tmp/zoe-submit-XXXXXX";
    if (mkdtemp(folder) == NULL) return -1;
    *state = xstrdup(folder);
    return 0;
}

static int drop_folder(void **state)
{
    int code = rmdir(*state);
    free(*state);
    return code;
}

#define DIGEST_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* Each is right field by field, and can be nothing with this model. */
static void test_what_no_worker_could_render(void **state)
{
    (void)state;
    static const struct {
        const char *line, *field, *says;
    } cases[] = {
        {"{\"prompt\":\"a (b:1.2.3)\",\"prompt_syntax\":\"a1111\"}", "prompt",
         "character 6: \"1.2.3\" is no weight"},
        {"{\"prompt\":\"a\",\"negative\":\"(b:1..2)\",\"prompt_syntax\":\"a1111\"}",
         "negative_prompt", "character 4"},
        {"{\"prompt\":\"a\",\"prompts_by_frame\":{\"0\":\"(b:1..2)\"},\"prompt_syntax\":\"a1111\"}",
         "prompts_by_frame", "character 4"},
        {"{\"prompt\":\"a\",\"scheduler\":\"ddim\",\"use_karras_sigmas\":true}",
         "use_karras_sigmas", "ddim has no such"},
        {"{\"prompt\":\"a\",\"scheduler\":\"lcm\",\"timestep_spacing\":\"leading\"}",
         "timestep_spacing", "lcm has its own"},
        {"{\"prompt\":\"a\",\"scheduler\":\"euler\",\"eta\":0.5}", "eta", "euler takes none"},
        {"{\"prompt\":\"a\",\"scheduler\":\"unipc\"}", "scheduler", "not built for this model"},
        {"{\"prompt\":\"a\",\"noise\":\"cuda\"}", "cuda_threads", "270336 on an H100"},
        {"{\"prompt\":\"a\",\"noise\":\"indexed\",\"batch_size\":2}", "batch_size", "no generator"},
        {"{\"prompt\":\"a\",\"batch_size\":2,\"batch_index\":2}", "batch_index",
         "no clip 2 in a batch of 2"},
        {"{\"prompt\":\"a\",\"clip_skip\":4}", "clip_skip", "has 3 layers"},
        {"{\"prompt\":\"a\",\"guidance_interval\":[0.8,0.2]}", "guidance_interval",
         "before it begins"},
        {"{\"prompt\":\"a\",\"hold_frames\":[16],\"init_video\":\"" DIGEST_A "\"}", "hold_frames",
         "no frame 16 in 16"},
        {"{\"prompt\":\"a\",\"strength\":0.2,\"init_video\":\"" DIGEST_A "\"}", "strength",
         "0.2 of 4 steps runs none"},
        {"{\"prompt\":\"a\",\"strength\":0.5}", "strength", "no init_video or init_image"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct submit_result r;
        struct error err;
        char *text = xasprintf("{\"prompt\":\"a (b:1.2.3)\"}\n\n%s\n", cases[i].line);
        if (parse(text, SUBMIT_JSONL, NULL, NULL, &r, &err)) fail_msg("%s", cases[i].line);
        assert_int_equal(r.problem_count, 1);
        assert_int_equal(r.problems[0].line, 3);
        assert_string_equal(r.problems[0].field, cases[i].field);
        if (strstr(r.problems[0].message, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].line, r.problems[0].message);
        submit_result_finish(&r);
        free(text);
    }
}

/* Lines of one variant: each prompt is read by itself. */
static void test_every_bad_prompt_is_named(void **state)
{
    (void)state;
    struct submit_result r;
    struct error err;
    assert_false(parse("(a:1.2)\n(a:1..2)\na\n[b:(c:--1):2]\n", SUBMIT_TEXT,
                       "{\"prompt_syntax\":\"a1111\"}", NULL, &r, &err));
    assert_int_equal(r.problem_count, 2);
    assert_int_equal(r.problems[0].line, 2);
    assert_int_equal(r.problems[1].line, 4);
    submit_result_finish(&r);
}

/* A line whose init_image is file number `number`. */
static void add_image_line(struct buf *text, int number)
{
    buf_printf(text, "{\"prompt\":\"a\",\"init_image\":\"sha256:%064x\"}\n", (unsigned)number);
}

static void test_inputs(void **state)
{
    (void)state;
    struct submit_result r;
    struct error err;
    const char *text = "{\"prompt\":\"a\",\"init_video\":\"" DIGEST_A "\"}\n"
                       "{\"prompt\":\"a\",\"init_image\":\"" DIGEST_A "\",\"mask\":\"" DIGEST_A
                       "\"}\n{\"prompt\":\"a\"}\n";
    assert_true(parse(text, SUBMIT_JSONL, "", NULL, &r, &err));
    assert_int_equal(r.input_count, 1);
    assert_int_equal(r.inputs[0].sha256.bytes[31], 0xaa);
    assert_true(r.inputs[0].is_image);
    submit_result_finish(&r);
    assert_true(parse("a\n", SUBMIT_TEXT, "{\"init_video\":\"" DIGEST_A "\"}", NULL, &r, &err));
    assert_int_equal(r.input_count, 1);
    assert_false(r.inputs[0].is_image);
    submit_result_finish(&r);
}

static void test_inputs_that_cannot_be(void **state)
{
    (void)state;
    static const char *const options[] = {
        "{\"init_video\":\"fox.mp4\"}",
        "{\"init_video\":\"sha256:"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
        "{\"init_video\":\"" DIGEST_A "a\"}",
        "{\"init_video\":\"" DIGEST_A "\",\"init_image\":\"" DIGEST_A "\"}",
        "{\"mask\":\"" DIGEST_A "\"}",
        "{\"strength\":0.5}",
        "{\"hold_frames\":[0]}",
    };
    struct submit_result r;
    struct error err;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        assert_false(parse("a\n", SUBMIT_TEXT, options[i], NULL, &r, &err));
        assert_int_equal(err.code, ERROR_INVALID);
        assert_int_equal(r.problem_count, 1);
        submit_result_finish(&r);
    }
}

static void test_as_many_inputs_as_may_be(void **state)
{
    (void)state;
    struct submit_result r;
    struct error err;
    struct buf text = BUF_INIT;
    for (int i = 0; i < LIMIT_INPUTS; i++)
        add_image_line(&text, i);
    add_image_line(&text, 0); /* again */
    assert_true(parse(buf_text(&text), SUBMIT_JSONL, "", NULL, &r, &err));
    assert_int_equal(r.input_count, LIMIT_INPUTS);
    submit_result_finish(&r);
    add_image_line(&text, LIMIT_INPUTS);
    assert_false(parse(buf_text(&text), SUBMIT_JSONL, "", NULL, &r, &err));
    assert_int_equal(r.problems[0].line, LIMIT_INPUTS + 2);
    assert_string_equal(r.problems[0].field, "init_image");
    submit_result_finish(&r);
    buf_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_gone_is_not_read_to_the_end),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_what_no_worker_could_render),
        cmocka_unit_test(test_every_bad_prompt_is_named),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_inputs_that_cannot_be),
        cmocka_unit_test(test_as_many_inputs_as_may_be),
        cmocka_unit_test(test_jsonl_groups_and_seeds),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_loras_are_pinned_and_form_groups),
        cmocka_unit_test(test_wrong_loras),
        cmocka_unit_test(test_recipes_come_back),
        cmocka_unit_test(test_wrong_lines_are_named),
        cmocka_unit_test(test_goes_on_to_twenty_problems),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_unknown_words_warn_once),
        cmocka_unit_test(test_words_of_models_in_turn),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}

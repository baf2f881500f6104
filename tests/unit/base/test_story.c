#include "scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/plan.h"
#include "base/recipe.h"
#include "base/story.h"

static bool parse(struct story *s, const char *text, struct error *err)
{
    *err = (struct error){0};
    return story_parse(s, text, strlen(text), err);
}

static void must_place(struct story *s, const char *text, double fps)
{
    struct error err;
    if (!parse(s, text, &err) || !story_place(s, fps, &err)) fail_msg("%s", err.message);
}

static void expect_canonical(const json_t *value, const char *expected)
{
    char *text = json_canonical(value);
    assert_string_equal(text, expected);
    free(text);
}

static const char three[] = "{\"title\":\"It\",\"steps\":5,\"scenes\":["
                            "{\"prompt\":\"a\",\"seconds\":2},"
                            "{\"prompt\":\"b\",\"frames\":10,\"blend_seconds\":0.5},"
                            "{\"prompt\":\"c\",\"seconds\":1,\"join\":\"cut\"}]}";

static void one_recipe(void **state)
{
    (void)state;
    struct story s;
    struct error err = {0};
    must_place(&s, three, 8);
    assert_int_equal(story_length(&s), 34);
    json_t *recipe = story_recipe(&s, &err);
    /* 4 frames between 13 and 18 go from a to b; c stands alone from its first frame on */
    expect_canonical(recipe, "{\"cuts\":[26],\"num_frames\":34,\"num_inference_steps\":5,"
                             "\"prompt\":\"It\",\"prompts_by_frame\":"
                             "{\"13\":\"a\",\"18\":\"b\",\"25\":\"b\",\"26\":\"c\"}}");
    assert_true(recipe_check(recipe, &err));
    json_decref(recipe);
    story_finish(&s);
}

static void scenes_come_back(void **state)
{
    (void)state;
    struct story s;
    struct error err = {0};
    must_place(&s, three, 8);
    json_t *recipe = story_recipe(&s, &err);
    json_object_set_new(recipe, "fps", json_integer(8));
    json_t *scenes = story_scenes(recipe);
    expect_canonical(scenes, "[{\"frame\":6,\"prompt\":\"a\",\"seconds\":2},"
                             "{\"frame\":21,\"prompt\":\"b\",\"seconds\":1.25},"
                             "{\"frame\":29,\"prompt\":\"c\",\"seconds\":1}]");
    json_decref(scenes);
    json_object_set_new(recipe, "output_fps", json_integer(24));
    json_object_set_new(recipe, "extend_frames", json_integer(20));
    json_object_set_new(recipe, "extend_keep", json_false());
    scenes = story_scenes(recipe);
    expect_canonical(scenes, "[{\"frame\":6,\"prompt\":\"b\",\"seconds\":0.75},"
                             "{\"frame\":27,\"prompt\":\"c\",\"seconds\":1}]");
    json_decref(scenes);
    json_decref(recipe);
    story_finish(&s);
}

static void a_recipe_of_one_scene_has_no_storyboard(void **state)
{
    (void)state;
    static const char *const plain[] = {
        "{\"prompt\":\"p\",\"num_frames\":16,\"fps\":8}",
        "{\"prompt\":\"p\",\"num_frames\":16,\"fps\":8,\"prompts_by_frame\":{\"0\":\"x\"}}",
        "{\"prompt\":\"p\",\"num_frames\":16,\"fps\":8,\"prompts_by_frame\":{\"0\":\"x\","
        "\"9\":\"x\"}}"};
    struct error err;
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        json_t *recipe = json_parse(plain[i], strlen(plain[i]), "recipe", &err);
        assert_null(story_scenes(recipe));
        json_decref(recipe);
    }
    const char *cut = "{\"prompt\":\"p\",\"num_frames\":16,\"fps\":8,\"cuts\":[4]}";
    json_t *recipe = json_parse(cut, strlen(cut), "recipe", &err), *scenes = story_scenes(recipe);
    expect_canonical(scenes, "[{\"frame\":1,\"prompt\":\"p\",\"seconds\":0.5},"
                             "{\"frame\":9,\"prompt\":\"p\",\"seconds\":1.5}]");
    json_decref(scenes);
    json_decref(recipe);
}

/* Thirds of a second at 10 frames a second: 3, 4, 3 frames, ten in all. */
static void seconds_add_up(void **state)
{
    (void)state;
    struct story s;
    must_place(&s,
               "{\"scenes\":[{\"prompt\":\"a\",\"seconds\":0.33334},{\"prompt\":\"b\","
               "\"seconds\":0.33333},{\"prompt\":\"a\",\"seconds\":0.33333}]}",
               10);
    assert_int_equal(s.scenes[0].frames, 3);
    assert_int_equal(s.scenes[1].frames, 4);
    assert_int_equal(s.scenes[2].frames, 3);
    story_finish(&s);
}

/* The nearest key at or before the frame, or the first of all. */
static const char *said_at(const json_t *recipe, int64_t frame)
{
    int64_t found = INT64_MAX;
    const char *name, *text = recipe_text(recipe, "prompt", "");
    json_t *value;
    json_object_foreach(json_object_get(recipe, "prompts_by_frame"), name, value)
    {
        const int64_t at = atoll(name);
        const bool nearer = found > frame ? at < found : at > found && at <= frame;
        if (!nearer) continue;
        found = at;
        text = json_string_value(value);
    }
    return text;
}

/* Whatever parts the endless story is cut into, each frame of a scene's middle says its prompt, and
 * each cut is there exactly once. */
static void parts_tell_what_the_whole_tells(void **state)
{
    (void)state;
    static const char *const say[] = {"a", "b", "c"};
    struct story s;
    must_place(&s, three, 8);
    for (int64_t size = 1; size < 90; size += 7) {
        int cuts = 0;
        for (int64_t first = 0; first + size <= 340; first += size) {
            const int64_t base = first > 150 ? 150 - 150 % size : 0;
            struct error err = {0};
            json_t *recipe = json_object(), *cut;
            size_t k;
            assert_true(story_part(&s, base, first, first + size, recipe, &err));
            assert_true(recipe_check(recipe, &err));
            assert_int_equal(recipe_int(recipe, "num_frames", 0), first + size - base);
            json_array_foreach(json_object_get(recipe, "cuts"), k, cut) cuts +=
                json_integer_value(cut) + base >= first;
            for (int i = 0; i < 3; i++) {
                for (int64_t told = 0; told < 10; told++) {
                    const int64_t at = told * 34 + s.scenes[i].first + s.scenes[i].frames / 2;
                    if (at < first || at >= first + size) continue;
                    assert_string_equal(said_at(recipe, at - base), say[i]);
                }
            }
            json_decref(recipe);
        }
        assert_int_equal(cuts, (340 / size * size + 7) / 34);
    }
    story_finish(&s);
}

static void parts_have_a_limit(void **state)
{
    (void)state;
    struct story s;
    struct error err = {0};
    json_t *recipe = json_object();
    must_place(&s, "{\"scenes\":[{\"prompt\":\"a\",\"frames\":1},{\"prompt\":\"b\",\"frames\":1}]}",
               8);
    assert_true(story_part(&s, 0, 0, 32, recipe, &err));
    assert_false(story_part(&s, 0, 0, 65, recipe, &err));
    assert_non_null(strstr(err.message, "more than 32 scenes"));
    json_decref(recipe);
    story_finish(&s);
}

static void expect_wrong(const char *text, const char *says)
{
    struct story s;
    struct error err;
    const bool ok = parse(&s, text, &err) && story_place(&s, 8, &err);
    if (ok) fail_msg("accepted: %s", text);
    if (strstr(err.message, says) == NULL) fail_msg("%s: %s", text, err.message);
    story_finish(&s);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *scene, *says;
    } scenes[] = {
        {"{\"seconds\":1}", "scenes[1].prompt: it is missing"},
        {"{\"prompt\":\"\",\"seconds\":1}", "scenes[1].prompt: it must have from 1"},
        {"{\"prompt\":7,\"seconds\":1}", "scenes[1].prompt: it must be a text"},
        {"{\"prompt\":\"b\"}", "give either seconds or frames"},
        {"{\"prompt\":\"b\",\"seconds\":1,\"frames\":8}", "give either seconds or frames"},
        {"{\"prompt\":\"b\",\"seconds\":0}", "scenes[1].seconds: 0; it must be a number from"},
        {"{\"prompt\":\"b\",\"frames\":1.5}", "scenes[1].frames: it must be a whole number"},
        {"{\"prompt\":\"b\",\"frames\":100000}", "scenes[1].frames: 100000; it must"},
        {"{\"prompt\":\"b\",\"seconds\":100000}", "scenes[1].seconds: the story has more than"},
        {"{\"prompt\":\"b\",\"seconds\":0.01}", "scenes[1].seconds: no frame at 8 frames"},
        {"{\"prompt\":\"b\",\"seconds\":1,\"join\":\"fade\"}", "scenes[1].join: \"fade\"; it must"},
        {"{\"prompt\":\"b\",\"seconds\":1,\"join\":\"cut\",\"blend_seconds\":1}", "does not blend"},
        {"{\"prompt\":\"b\",\"seconds\":4,\"blend_seconds\":2}",
         "at most 0.5: half of the shorter"},
        {"{\"prompt\":\"b\",\"seconds\":1,\"negative_prompt\":\"x\"}", "said once for all scenes"},
        {"{\"prompt\":\"b\",\"seconds\":1,\"banana\":1}", "scenes[1].banana: a scene has prompt"},
        {"[]", "scenes[1]: it must be an object"},
    };
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "{\"scenes\":[{\"prompt\":\"a\",\"seconds\":1},%s]}",
                 scenes[i].scene);
        expect_wrong(text, scenes[i].says);
    }
    expect_wrong("{\"scenes\":[]}", "scenes: it must be a list of 1 to 32");
    expect_wrong("{\"scenes\":7}", "scenes: it must be a list of 1 to 32");
    expect_wrong("{\"scenes\":[{\"prompt\":\"a\"", "the story");
    expect_wrong("[1]", "one JSON object");
    expect_wrong("{\"title\":7,\"scenes\":[]}", "title: it must be a text");
    expect_wrong("{\"frames\":7,\"scenes\":[]}", "frames: a story says it by its scenes");
    expect_wrong("{\"guidence_scale\":7,\"scenes\":[]}", "did you mean 'guidance_scale'?");
}

static void as_many_scenes_as_may_be(void **state)
{
    (void)state;
    for (int count = STORY_SCENES_MAX; count <= STORY_SCENES_MAX + 1; count++) {
        struct buf text = BUF_INIT;
        struct story s;
        struct error err;
        buf_append_text(&text, "{\"scenes\":[");
        for (int i = 0; i < count; i++)
            buf_printf(&text, "%s{\"prompt\":\"%d\",\"frames\":4}", i > 0 ? "," : "", i);
        buf_append_text(&text, "]}");
        assert_int_equal(parse(&s, buf_text(&text), &err), count <= STORY_SCENES_MAX);
        if (count <= STORY_SCENES_MAX) {
            assert_true(story_place(&s, 8, &err));
            json_t *recipe = story_recipe(&s, &err), *scenes;
            assert_true(recipe_check(recipe, &err));
            json_object_set_new(recipe, "fps", json_integer(8));
            scenes = story_scenes(recipe);
            assert_int_equal(json_array_size(scenes), count);
            json_decref(scenes);
            json_decref(recipe);
        }
        story_finish(&s);
        buf_finish(&text);
    }
}

static void a_story_is_told_from_prompts(void **state)
{
    (void)state;
    const char *prompts = "{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n", *line = "{\"prompt\":\"a\"}";
    assert_true(story_is(three, strlen(three)));
    assert_true(story_is("{\"scenes\":7}", 12));
    assert_false(story_is(prompts, strlen(prompts)));
    assert_false(story_is(line, strlen(line)));
    assert_false(story_is("a red circle", 12));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_recipe),
        cmocka_unit_test(scenes_come_back),
        cmocka_unit_test(a_recipe_of_one_scene_has_no_storyboard),
        cmocka_unit_test(seconds_add_up),
        cmocka_unit_test(parts_tell_what_the_whole_tells),
        cmocka_unit_test(parts_have_a_limit),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(as_many_scenes_as_may_be),
        cmocka_unit_test(a_story_is_told_from_prompts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

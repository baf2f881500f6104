/* What tasks take, and by which key: the same for all seeds, another for another file or shape. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "proto/codec.h"
#include "worker/input_wanted.h"

#define FILE_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FILE_B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static json_t *recipe(int width, int frames, int fps)
{
    return json_pack("{si si si si}", "width", width, "height", 64, "num_frames", frames, "fps",
                     fps);
}

/* Of the only task of a clip of one window; frees the recipe. */
static struct input_list whole(json_t *filled, const char *field, const char *file)
{
    struct error err = {0};
    struct input_list list;
    struct plan_task task;
    if (field) json_object_set_new(filled, field, json_string(file));
    const struct plan plan =
        plan_whole((uint32_t)json_integer_value(json_object_get(filled, "num_frames")), 2);
    plan_task(&plan, 0, &task);
    if (!input_list_of_task(&list, filled, &plan, &task, NULL, 0, &err))
        fail_msg("%s", err.message);
    json_decref(filled);
    return list;
}

static struct input_wanted only(json_t *filled, const char *field, const char *file)
{
    const struct input_list list = whole(filled, field, file);
    assert_int_equal(list.count, 1);
    return list.items[0];
}

static bool same_key(const struct input_wanted *a, const struct input_wanted *b)
{
    return digest_equal(&a->key, &b->key);
}

static void test_keys(void **state)
{
    (void)state;
    const struct input_wanted first = only(recipe(64, 16, 8), "init_video", FILE_A);
    assert_int_equal(first.kind, PART_INIT);
    assert_int_equal(first.shape.frames, 16);
    assert_false(first.shape.gray);
    const struct input_wanted others[] = {only(recipe(72, 16, 8), "init_video", FILE_A),
                                          only(recipe(64, 15, 8), "init_video", FILE_A),
                                          only(recipe(64, 16, 9), "init_video", FILE_A),
                                          only(recipe(64, 16, 8), "init_video", FILE_B)};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(same_key(&others[i], &first));
    const struct input_wanted image = only(recipe(64, 16, 8), "init_image", FILE_A);
    assert_int_equal(image.shape.frames, 1); /* for all of them */
    assert_false(same_key(&image, &first));
    const struct input_wanted mask = only(recipe(64, 16, 8), "mask", FILE_A);
    assert_int_equal(mask.kind, PART_MASK);
    assert_true(mask.shape.gray);
    assert_false(same_key(&mask, &first));
    json_t *seeded = recipe(64, 16, 8);
    json_object_set_new(seeded, "seed", json_integer(77));
    const struct input_wanted other_seed = only(seeded, "init_video", FILE_A);
    assert_true(same_key(&other_seed, &first));
    assert_int_equal(whole(recipe(64, 16, 8), NULL, NULL).count, 0);
}

/* ---- clips of several windows ---- */

struct asked {
    json_t *recipe;
    Farm__TaskInput items[4], *refs[4];
    struct digest digests[4];
    char kinds[4][16];
    size_t count;
};

static struct asked long_clip(const char *method)
{
    struct asked a = {.recipe = json_pack("{si si si si ss ss si si si}", "width", 64, "height", 64,
                                          "num_frames", 10, "fps", 8, "noise", "indexed", "method",
                                          method, "segment_frames", 4, "overlap", 1,
                                          "num_inference_steps", 3)};
    return a;
}

static void name(struct asked *a, uint32_t task, const char *kind)
{
    const size_t i = a->count++;
    farm__task_input__init(&a->items[i]);
    a->digests[i] = digest_of(&a->count, sizeof a->count);
    snprintf(a->kinds[i], sizeof a->kinds[i], "%s", kind);
    a->items[i].task = task;
    a->items[i].kind = a->kinds[i];
    a->items[i].sha256 = codec_digest(&a->digests[i]);
    a->refs[i] = &a->items[i];
}

static bool list_of(struct asked *a, uint32_t number, struct input_list *list, struct error *err)
{
    struct plan plan;
    struct plan_task task;
    if (!plan_of_recipe(&plan, a->recipe, NULL, err)) fail_msg("%s", err->message);
    for (size_t i = 0; i < a->count; i++)
        a->refs[i] = &a->items[i];
    for (size_t i = 0; i < a->count; i++) {
        a->items[i].kind = a->kinds[i];
        a->items[i].sha256 = codec_digest(&a->digests[i]);
    }
    plan_task(&plan, number, &task);
    json_t *stage = plan_stage_recipe(a->recipe, task.stage);
    const bool ok = input_list_of_task(list, stage, &plan, &task, a->refs, a->count, err);
    json_decref(stage);
    return ok;
}

/* Windows 0-3, 3-6, 6-9. */
static void test_a_window_takes_its_own_frames(void **state)
{
    (void)state;
    struct asked a = long_clip("chain");
    struct input_list list;
    struct error err = {0};
    json_object_set_new(a.recipe, "init_video", json_string(FILE_A));
    name(&a, 1, "latents");
    name(&a, 2, "checkpoint");
    name(&a, 0, "latents"); /* of another task: not asked for */
    if (!list_of(&a, 2, &list, &err)) fail_msg("%s", err.message);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.items[0].kind, PART_INIT);
    assert_int_equal(list.items[0].shape.first, 6);
    assert_int_equal(list.items[0].shape.frames, 4);
    assert_int_equal(list.items[1].kind, PART_LATENTS);
    assert_true(list.items[1].as_it_is);
    assert_true(digest_equal(&list.items[1].key, &a.digests[0]));
    assert_int_equal(list.items[2].kind, PART_RESUME);
    assert_true(digest_equal(&list.items[2].file, &a.digests[1]));
    json_decref(a.recipe);
}

static void test_the_coordinator_left_something_out(void **state)
{
    (void)state;
    struct asked a = long_clip("chain");
    struct input_list list;
    struct error err = {0};
    name(&a, 0, "segment"); /* latents are needed */
    assert_false(list_of(&a, 1, &list, &err));
    assert_int_equal(err.code, ERROR_STATE);
    json_decref(a.recipe);
}

/* The first stage makes frames 0-3, 4-6, 7-9; a window of the second takes what it shares. */
static void test_the_second_stage_takes_segments(void **state)
{
    (void)state;
    struct asked a = long_clip("upscale");
    struct input_list list;
    struct error err = {0};
    json_object_set_new(a.recipe, "upscale_model", json_string("xl"));
    json_object_set_new(a.recipe, "upscale_width", json_integer(128));
    json_object_set_new(a.recipe, "upscale_height", json_integer(96));
    json_object_set_new(a.recipe, "upscale_strength", json_real(1));
    json_object_set_new(a.recipe, "init_video", json_string(FILE_A));
    name(&a, 0, "segment");
    name(&a, 1, "segment");
    if (!list_of(&a, 4, &list, &err)) fail_msg("%s", err.message); /* frames 3-6 */
    assert_int_equal(list.count, 2);
    assert_int_equal(list.items[0].kind, PART_BASE);
    assert_int_equal(list.items[0].shape.first, 3);
    assert_int_equal(list.items[0].shape.frames, 1);
    assert_int_equal(list.items[0].shape.width, 128);
    assert_int_equal(list.items[1].shape.first, 0);
    assert_int_equal(list.items[1].shape.frames, 3);
    json_decref(a.recipe);
}

/* Latents when there are some, else the frames before the first new one. */
static void test_a_clip_that_extends_another(void **state)
{
    (void)state;
    struct asked a = long_clip("chain");
    struct input_list list;
    struct error err = {0};
    json_object_set_new(a.recipe, "extend_frames", json_integer(5));
    json_object_set_new(a.recipe, "extend_video", json_string(FILE_A));
    if (!list_of(&a, 0, &list, &err)) fail_msg("%s", err.message);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].kind, PART_BEFORE);
    assert_int_equal(list.items[0].shape.first, 4);
    assert_int_equal(list.items[0].shape.frames, 1);
    json_object_set_new(a.recipe, "extend_latents", json_string(FILE_B));
    if (!list_of(&a, 0, &list, &err)) fail_msg("%s", err.message);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].kind, PART_HELD);
    json_decref(a.recipe);
}

static void test_what_cannot_be(void **state)
{
    (void)state;
    struct asked a = long_clip("chain");
    struct input_list list;
    struct error err = {0};
    json_object_set_new(a.recipe, "init_video", json_string("/etc/passwd"));
    assert_false(list_of(&a, 0, &list, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    json_object_set_new(a.recipe, "init_video", json_string(FILE_A));
    json_object_set_new(a.recipe, "init_image", json_string(FILE_B));
    error_clear(&err);
    assert_false(list_of(&a, 0, &list, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    json_decref(a.recipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_a_window_takes_its_own_frames),
        cmocka_unit_test(test_the_coordinator_left_something_out),
        cmocka_unit_test(test_the_second_stage_takes_segments),
        cmocka_unit_test(test_a_clip_that_extends_another),
        cmocka_unit_test(test_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

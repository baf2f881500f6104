/* Which raw pictures a recipe needs, and by which key: the same for all seeds, another for another
 * file or shape. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/json.h"
#include "worker/input_pool.h"

#define FILE_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FILE_B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static json_t *recipe(int width, int frames, int fps)
{
    return json_pack("{si si si si}", "width", width, "height", 64, "num_frames", frames, "fps",
                     fps);
}

static struct input_pair pair_of(json_t *filled, const char *field, const char *file)
{
    struct error err = {0};
    struct input_pair pair;
    json_object_set_new(filled, field, json_string(file));
    if (!input_pair_of_recipe(filled, &pair, &err)) fail_msg("%s", err.message);
    json_decref(filled);
    return pair;
}

static bool same_key(const struct input_wanted *a, const struct input_wanted *b)
{
    return digest_equal(&a->key, &b->key);
}

static void test_keys(void **state)
{
    (void)state;
    struct input_pair first = pair_of(recipe(64, 16, 8), "init_video", FILE_A);
    assert_true(digest_is_zero(&first.mask.key));
    assert_false(digest_is_zero(&first.init.key));
    assert_int_equal(first.init.shape.frames, 16);
    assert_false(first.init.shape.gray);
    struct input_pair others[] = {pair_of(recipe(72, 16, 8), "init_video", FILE_A),
                                  pair_of(recipe(64, 15, 8), "init_video", FILE_A),
                                  pair_of(recipe(64, 16, 9), "init_video", FILE_A),
                                  pair_of(recipe(64, 16, 8), "init_video", FILE_B)};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(same_key(&others[i].init, &first.init));
    struct input_pair image = pair_of(recipe(64, 16, 8), "init_image", FILE_A);
    assert_int_equal(image.init.shape.frames, 1); /* for all of them */
    assert_false(same_key(&image.init, &first.init));
    struct input_pair mask = pair_of(recipe(64, 16, 8), "mask", FILE_A);
    assert_true(digest_is_zero(&mask.init.key));
    assert_true(mask.mask.shape.gray);
    assert_false(same_key(&mask.mask, &first.init));
    json_t *seeded = recipe(64, 16, 8);
    json_object_set_new(seeded, "seed", json_integer(77));
    struct input_pair other_seed = pair_of(seeded, "init_video", FILE_A);
    assert_true(same_key(&other_seed.init, &first.init));
}

static void test_what_cannot_be(void **state)
{
    (void)state;
    struct error err = {0};
    struct input_pair pair;
    json_t *path = json_pack("{ss}", "init_video", "/etc/passwd");
    assert_false(input_pair_of_recipe(path, &pair, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    json_decref(path);
    json_t *both = json_pack("{ssss}", "init_video", FILE_A, "init_image", FILE_B);
    assert_false(input_pair_of_recipe(both, &pair, &err));
    json_decref(both);
    json_t *none = json_object();
    assert_true(input_pair_of_recipe(none, &pair, &err));
    assert_true(digest_is_zero(&pair.init.key));
    json_decref(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_keys),
                                       cmocka_unit_test(test_what_cannot_be)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

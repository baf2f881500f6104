/* canary.json: what is taken, what is refused, and what counts as the same picture. */
#include "unit/base/scratch.h"

#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/canary_file.h"

#define SIDE 8
#define BYTES (SIDE * SIDE * 3)
#define HEX "e6b2dabe2da36358019d5917e37df1e8af8943b3da41153d48b5339b118da8bd"

static const char recipe_text[] =
    "{\"model\": \"m\", \"prompt\": \"p\", \"seed\": 1, \"width\": 8, \"height\": 8, "
    "\"num_frames\": 1}";

/* A file of the recipe above; `rgb` of its frame, NULL: none. */
static json_t *file_of(const uint8_t *rgb)
{
    char hex[2 * BYTES + 1];
    json_t *file = json_pack("{s{ss}}", "frames_sha256", "one", HEX);
    json_object_set_new(file, "recipe", json_loads(recipe_text, 0, NULL));
    if (rgb == NULL) return file;
    hex_encode(rgb, BYTES, hex);
    json_object_set_new(file, "frame",
                        json_pack("{si si ss}", "width", SIDE, "height", SIDE, "rgb", hex));
    return file;
}

/* Reads it from a folder; the file is freed. */
static bool read_it(struct canary_file *c, json_t *file, const struct digest *model,
                    struct error *err)
{
    char *folder = scratch_make();
    char *path = path_join(folder, "canary.json");
    char *text = json_canonical(file);
    assert_true(path_write_atomic(path, text, strlen(text), 0600, NULL));
    bool ok = canary_file_read(c, folder, model, err);
    json_decref(file);
    free(text);
    free(path);
    scratch_remove(folder);
    return ok;
}

static void refuses(json_t *file, const char *words)
{
    struct canary_file c;
    struct error err = {0};
    if (read_it(&c, file, NULL, &err)) fail_msg("taken, without a word of %s", words);
    if (strstr(err.message, words) == NULL) fail_msg("%s: nothing of %s", err.message, words);
    assert_int_equal(err.code, ERROR_INVALID);
    assert_null(c.recipe);
}

static json_t *with(json_t *file, const char *key, json_t *value)
{
    json_object_set_new(file, key, value);
    return file;
}

static json_t *frame_of(int width, int height, const char *rgb)
{
    return json_pack("{si si ss}", "width", width, "height", height, "rgb", rgb);
}

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    refuses(with(file_of(NULL), "recipe", json_null()), "recipe");
    refuses(with(file_of(NULL), "recipe", json_object()), "large");
    refuses(with(file_of(NULL), "recipe", json_pack("{ss}", "prompt", "p")), "large");
    refuses(with(file_of(NULL), "frames_sha256", json_object()), "frames_sha256");
    refuses(with(file_of(NULL), "frames_sha256", json_string("12")), "64 hex digits");
    refuses(with(file_of(NULL), "model_sha256", json_integer(1)), "model_sha256");
    refuses(with(file_of(NULL), "frame", frame_of(8, 4, "00")), "size");
    refuses(with(file_of(NULL), "frame", frame_of(8, 8, "00")), "hex");
    json_t *many = json_object();
    for (int i = 0; i < 257; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "f%d", i);
        json_object_set_new(many, name, json_string(HEX));
    }
    refuses(with(file_of(NULL), "frames_sha256", many), "more than 256");
}

static void a_folder_without_one_says_so(void **state)
{
    (void)state;
    struct canary_file c;
    struct error err = {0};
    char *folder = scratch_make();
    assert_false(canary_file_read(&c, folder, NULL, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    scratch_remove(folder);
}

/* Files of the model were exchanged, and this one was forgotten. */
static void one_of_another_model_is_not_believed(void **state)
{
    (void)state;
    struct canary_file c;
    struct error err = {0};
    struct digest model, other = {{1}};
    assert_true(digest_parse(HEX, &model));
    assert_true(read_it(&c, with(file_of(NULL), "model_sha256", json_string(HEX)), &model, &err));
    canary_file_finish(&c);
    assert_false(read_it(&c, with(file_of(NULL), "model_sha256", json_string(HEX)), &other, &err));
    assert_int_equal(err.code, ERROR_STATE);
    assert_true(read_it(&c, file_of(NULL), &other, &err)); /* it does not say */
    canary_file_finish(&c);
}

static void digests_are_of_fingerprints(void **state)
{
    (void)state;
    struct canary_file c;
    struct error err = {0};
    struct digest right, wrong = {{1}};
    assert_true(digest_parse(HEX, &right));
    assert_true(read_it(&c, file_of(NULL), NULL, &err));
    assert_int_equal(canary_file_judge(&c, "one", &right), CANARY_RIGHT);
    assert_int_equal(canary_file_judge(&c, "one", &wrong), CANARY_WRONG);
    assert_int_equal(canary_file_judge(&c, "two", &right), CANARY_UNKNOWN);
    canary_file_finish(&c);
    assert_true(read_it(&c, with(file_of(NULL), "frames_sha256", json_string(HEX)), NULL, &err));
    assert_int_equal(canary_file_judge(&c, "any", &right), CANARY_RIGHT);
    canary_file_finish(&c);
}

/* At the tolerance and one level in one byte past it. */
static void pictures_are_alike_within_a_tolerance(void **state)
{
    (void)state;
    struct canary_file c;
    struct error err = {0};
    uint8_t kept[BYTES], seen[BYTES];
    for (size_t i = 0; i < BYTES; i++)
        kept[i] = (uint8_t)(i * 5 % 200 + 20);
    assert_true(read_it(&c, file_of(kept), NULL, &err));
    memcpy(seen, kept, BYTES);
    assert_int_equal(canary_file_compare(&c, (struct bytes){seen, BYTES}), CANARY_RIGHT);
    assert_int_equal(canary_file_compare(&c, (struct bytes){seen, BYTES - 1}), CANARY_WRONG);
    assert_int_equal(canary_file_compare(&c, (struct bytes){NULL, 0}), CANARY_WRONG);
    for (size_t i = 0; i < BYTES; i++)
        seen[i] = (uint8_t)(kept[i] + (i % 2 ? CANARY_TOLERANCE : -CANARY_TOLERANCE));
    assert_int_equal(canary_file_compare(&c, (struct bytes){seen, BYTES}), CANARY_RIGHT);
    seen[1]++;
    assert_int_equal(canary_file_compare(&c, (struct bytes){seen, BYTES}), CANARY_WRONG);
    canary_file_finish(&c);
    assert_true(read_it(&c, file_of(NULL), NULL, &err));
    assert_int_equal(canary_file_compare(&c, (struct bytes){seen, BYTES}), CANARY_UNKNOWN);
    canary_file_finish(&c);
}

static void a_model_without_one_is_given_one(void **state)
{
    (void)state;
    struct canary_file c;
    struct error err = {0};
    json_t *facts = json_loads("{\"name\": \"m\", \"family\": \"modelscope\"}", 0, NULL);
    assert_true(canary_file_derive(&c, facts, &err));
    assert_int_equal(c.width, 64);
    assert_int_equal(c.height, 64);
    assert_int_equal(c.frames, 1);
    assert_int_equal(canary_file_judge(&c, "f", &(struct digest){{1}}), CANARY_UNKNOWN);
    canary_file_finish(&c);
    json_decref(facts);
}

/* That of the models that are shipped. */
static void the_shipped_ones_are_read(void **state)
{
    (void)state;
    struct canary_file c;
    struct error err = {0};
    assert_true(canary_file_read(&c, TEST_SOURCE "/models/pattern", NULL, &err));
    assert_int_equal(c.frames, 4);
    canary_file_finish(&c);
    assert_true(canary_file_read(&c, TEST_SOURCE "/models/shapes", NULL, &err));
    assert_int_equal(c.frames, 1);
    assert_non_null(c.rgb);
    canary_file_finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(a_folder_without_one_says_so),
        cmocka_unit_test(one_of_another_model_is_not_believed),
        cmocka_unit_test(digests_are_of_fingerprints),
        cmocka_unit_test(pictures_are_alike_within_a_tolerance),
        cmocka_unit_test(a_model_without_one_is_given_one),
        cmocka_unit_test(the_shipped_ones_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Files of latents and checkpoints: what is sound is taken, every lie is named. */
#include "unit/media/media_test.h"

#include <math.h>

#include "base/json.h"
#include "base/safetensors.h"
#include "media/latents_check.h"

#define RECIPE "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

enum { CHANNELS = 2, FRAMES = 3, HEIGHT = 4, WIDTH = 5, VALUES = 120 };
static const int64_t whole[] = {CHANNELS, FRAMES, HEIGHT, WIDTH}, flat[] = {VALUES};

static json_t *good_state(const char *kind)
{
    return json_pack("{si ss ss si si si si si si si si ss}", "schema", 1, "kind", kind, "recipe",
                     RECIPE, "task", 7, "first", 24, "frames", FRAMES, "channels", CHANNELS,
                     "height", HEIGHT, "width", WIDTH, "step", 10, "steps", 30, "fingerprint",
                     "1/cpu/avx2");
}

static const struct latents_wanted wanted = {RECIPE, 7, 24, FRAMES, LATENTS_STEP_ANY, 0, 0, 0};

/* A file of `state` and `count` values under `name`, of the given shape. */
struct part {
    const char *name;
    enum tensor_dtype dtype;
    int rank;
    const int64_t *dim;
    const void *data;
};

static char *write_file(const char *folder, const json_t *state, const struct part *parts,
                        size_t count)
{
    struct error err;
    char *path = in_folder(folder, "x.latents");
    struct safetensors_writer *w = safetensors_writer_new();
    char *text = state != NULL ? json_canonical(state) : NULL;
    const int64_t length = text != NULL ? (int64_t)strlen(text) : 0;
    if (text != NULL) safetensors_writer_add(w, "state", TENSOR_U8, 1, &length, text);
    for (size_t i = 0; i < count; i++)
        safetensors_writer_add(w, parts[i].name, parts[i].dtype, parts[i].rank, parts[i].dim,
                               parts[i].data);
    must(safetensors_writer_save(w, path, &err), &err);
    safetensors_writer_free(w);
    free(text);
    return path;
}

static void refused(const char *path, const struct latents_wanted *want, const char *why)
{
    struct error err = {0};
    struct latents_info info;
    assert_false(latents_check(path, want, &info, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    if (strstr(err.message, why) == NULL) fail_msg("%s, wanted %s", err.message, why);
}

static void sound_files_are_taken(void **state)
{
    struct error err;
    struct latents_info info;
    static const float values[VALUES] = {1, -2};
    static const unsigned char bytes[9];
    const int64_t nine[] = {9};
    const struct part parts[] = {
        {"latents.0", TENSOR_F32, 1, flat, values},   {"history.0.1", TENSOR_F32, 1, flat, values},
        {"prediction", TENSOR_F32, 4, whole, values}, {"noise.0", TENSOR_U8, 1, nine, bytes},
        {"filled.0", TENSOR_U8, 1, nine, bytes},      {"latents", TENSOR_F32, 4, whole, values},
    };
    json_t *facts = good_state("checkpoint");
    char *path = write_file(*state, facts, parts, 6);
    must(latents_check(path, &wanted, &info, &err), &err);
    assert_string_equal(info.kind, "checkpoint");
    assert_string_equal(info.fingerprint, "1/cpu/avx2");
    assert_int_equal(info.step, 10);
    assert_int_equal(info.steps, 30);
    assert_int_equal(info.channels, CHANNELS);
    assert_int_equal(info.width, WIDTH);
    free(path);
    json_decref(facts);
    facts = good_state("latents");
    path = write_file(*state, facts, parts + 5, 1);
    must(latents_check(path, &wanted, &info, &err), &err);
    assert_string_equal(info.kind, "latents");
    free(path);
    json_decref(facts);
}

static void the_place_must_agree(void **state)
{
    static const float values[VALUES];
    const struct part part = {"latents", TENSOR_F32, 4, whole, values};
    json_t *facts = good_state("latents");
    char *path = write_file(*state, facts, &part, 1);
    const struct {
        struct latents_wanted want;
        const char *why;
    } rows[] = {
        {{OTHER, 7, 24, FRAMES, -1, 0, 0, 0}, "of another clip"},
        {{RECIPE, 8, 24, FRAMES, -1, 0, 0, 0}, "its task is 7, not 8"},
        {{RECIPE, 7, 12, FRAMES, -1, 0, 0, 0}, "its first frame is 24, not 12"},
        {{RECIPE, 7, 24, 4, -1, 0, 0, 0}, "its number of frames is 3, not 4"},
        {{RECIPE, 7, 24, FRAMES, 11, 0, 0, 0}, "its step is 10, not 11"},
        {{RECIPE, 7, 24, FRAMES, -1, CHANNELS + 1, HEIGHT, WIDTH}, "its number of channels is"},
        {{RECIPE, 7, 24, FRAMES, -1, CHANNELS, HEIGHT * 2, WIDTH}, "its height is"},
        {{NULL, 0, 0, 0, -1, CHANNELS, HEIGHT, WIDTH * 2}, "its width is"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refused(path, &rows[i].want, rows[i].why);
    free(path);
    json_decref(facts);
}

static void lies_of_the_state_are_named(void **state)
{
    static const float values[VALUES];
    const struct part part = {"latents", TENSOR_F32, 4, whole, values};
    const struct {
        const char *key;
        json_t *value;
        const char *why;
    } rows[] = {
        {"schema", json_integer(2), "schema is 2"},
        {"kind", json_string("segment"), "kind is neither"},
        {"kind", json_integer(1), "kind"},
        {"recipe", json_string("x"), "of another clip"},
        {"step", json_integer(31), "step 31 of 30"},
        {"step", json_integer(-1), "step is -1"},
        {"steps", json_string("30"), "steps"},
        {"channels", json_integer(INT64_MAX), "channels is"},
        {"height", json_integer(8), "another shape"},
        {"width", json_integer(0), "width is 0"},
        {"fingerprint", json_string(""), "fingerprint of 0 bytes"},
        {"fingerprint", NULL, "fingerprint"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *facts = good_state("latents");
        if (rows[i].value != NULL)
            json_object_set_new(facts, rows[i].key, rows[i].value);
        else
            json_object_del(facts, rows[i].key);
        char *path = write_file(*state, facts, &part, 1);
        refused(path, &wanted, rows[i].why);
        free(path);
        json_decref(facts);
    }
    char *path = write_file(*state, NULL, &part, 1);
    refused(path, &wanted, "no state");
    free(path);
}

static void lies_of_the_tensors_are_named(void **state)
{
    static float values[VALUES], infinite[VALUES], nan[VALUES];
    static unsigned char bytes[LATENTS_TEXT_MAX_BYTES + 1];
    infinite[119] = INFINITY;
    nan[0] = NAN;
    const int64_t turned[] = {FRAMES, CHANNELS, HEIGHT, WIDTH}, less[] = {119};
    const int64_t many[] = {LATENTS_TEXT_MAX_BYTES + 1}, rows_of[] = {6, 20};
    const struct part good = {"latents", TENSOR_F32, 4, whole, values};
    const struct {
        struct part part;
        const char *why;
    } rows[] = {
        {{"latents.0", TENSOR_F32, 4, whole, infinite}, "latents.0 is not finite at value 119"},
        {{"history.0", TENSOR_F32, 4, whole, nan}, "history.0 is not finite at value 0"},
        {{"prediction", TENSOR_F32, 4, turned, values}, "prediction has another shape"},
        {{"prediction", TENSOR_F32, 2, rows_of, values}, "prediction has another shape"},
        {{"history.0", TENSOR_F32, 1, less, values}, "history.0 has another shape"},
        {{"history", TENSOR_F64, 1, less, values}, "history is F64"},
        {{"latentsX", TENSOR_F32, 4, whole, values}, "latentsX has no place"},
        {{"payload", TENSOR_U8, 1, less, values}, "payload has no place"},
        {{"noise.0", TENSOR_U8, 1, many, bytes}, "noise.0 has 65537 bytes"},
    };
    json_t *facts = good_state("latents");
    static double wide[VALUES];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct part parts[] = {good, rows[i].part};
        if (parts[1].dtype == TENSOR_F64) parts[1].data = wide;
        char *path = write_file(*state, facts, parts, 2);
        refused(path, &wanted, rows[i].why);
        free(path);
    }
    char *path = write_file(*state, facts, NULL, 0);
    refused(path, &wanted, "no latents in it");
    free(path);
    json_decref(facts);
}

static void damage_never_crashes(void **state)
{
    static const float values[VALUES] = {3};
    const struct part part = {"latents", TENSOR_F32, 4, whole, values};
    json_t *facts = good_state("latents");
    char *path = write_file(*state, facts, &part, 1);
    struct buf bytes = read_bytes(path);
    for (size_t size = 0; size < bytes.size; size += 7) {
        struct error err = {0};
        struct latents_info info;
        write_bytes(path, bytes.data, size);
        assert_false(latents_check(path, &wanted, &info, &err));
        assert_int_equal(err.code, ERROR_INVALID);
    }
    buf_finish(&bytes);
    free(path);
    json_decref(facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_files_are_taken),
        cmocka_unit_test(the_place_must_agree),
        cmocka_unit_test(lies_of_the_state_are_named),
        cmocka_unit_test(lies_of_the_tensors_are_named),
        cmocka_unit_test(damage_never_crashes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

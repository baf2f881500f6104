/* fixture: the tiny pipeline of tests/data/tiny and its golden tensors, and how close two arrays
 * are. */
#ifndef ZOE_TESTS_ENGINE_FIXTURE_H
#define ZOE_TESTS_ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/recipe.h"
#include "base/safetensors.h"
#include "engine/backend.h"
#include "engine/engine.h"

#define TINY TEST_DATA "/tiny"

static const char *const fixture_prompts[] = {
    "a red fox runs through the snow",
    "A SMALL  boat, 2 seas & it's night!",
    "",
    "the the the the the the the the the the the the the the the the the the the the the the the "
    "the "
    "the the the the the the the the the the the the the the the the the the the the the the the "
    "the "
    "the the the the the the the the the the the the the the the the the the the the the the the "
    "the "
    "the the the the the the the the the the the the the the the the the the the the the the the "
    "the ",
    "na\xc3\xafve caf\xc3\xa9 \xe2\x80\x94 \xe6\x97\xa5\xe6\x9c\xac",
};

static inline void expect_ok(bool ok, const struct error *err)
{
    if (!ok) fail_msg("%s", err->message);
}

static inline struct safetensors *golden_open(void)
{
    struct error err = {0};
    struct safetensors *golden = safetensors_open(TINY "/golden.safetensors", &err);
    expect_ok(golden != NULL, &err);
    return golden;
}

/* A copy of a float tensor; caller frees. */
static inline float *golden_floats(const struct safetensors *golden, const char *name,
                                   int64_t count)
{
    const struct safetensors_entry *e = safetensors_find(golden, name);
    assert_non_null(e);
    assert_int_equal(e->dtype, TENSOR_F32);
    assert_int_equal(e->count, count);
    float *copy = malloc(e->size_bytes);
    assert_non_null(copy);
    memcpy(copy, e->data, e->size_bytes);
    return copy;
}

/* |a - b| / |b|, both in the Euclidean norm. */
static inline double relative_l2(const float *a, const float *b, int64_t count)
{
    double difference = 0, size = 0;
    for (int64_t i = 0; i < count; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)b[i] * b[i];
    }
    return sqrt(difference / size);
}

static inline void expect_close(const char *what, const float *a, const float *b, int64_t count,
                                double limit)
{
    const double distance = relative_l2(a, b, count);
    if (!(distance <= limit)) fail_msg("%s: relative L2 %.3g is over %.3g", what, distance, limit);
}

/* Filled recipe for 4 frames of 64x64; `extra` is a JSON object that overrides. */
static inline json_t *fixture_recipe(const char *model, const char *extra)
{
    struct error err = {0};
    json_t *recipe = json_loads("{\"prompt\": \"a red fox runs through the snow\", \"seed\": 42,"
                                "\"num_inference_steps\": 4, \"guidance_scale\": 7.5,"
                                "\"width\": 64, \"height\": 64, \"num_frames\": 4}",
                                0, NULL);
    json_t *more = json_loads(extra, 0, NULL);
    assert_non_null(recipe);
    assert_non_null(more);
    json_object_update(recipe, more);
    json_decref(more);
    expect_ok(recipe_check(recipe, &err), &err);
    expect_ok(recipe_fill(recipe, model, NULL, &err), &err);
    return recipe;
}

#endif

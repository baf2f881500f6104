/* What a model takes: planned without weights, measured with them, and the same numbers from
 * weights that keep their 16 bits. */
#include "tiny_copy.h"

#include "engine/folder/model_folder.h"
#include "engine/model/unet.h"

#define FULL_SIZE TEST_DATA "/full_size" /* ModelScope 1.7B's configuration, without weights */
#define SHAPES TEST_SOURCE "/models/shapes"

static json_t *estimate(const char *model, struct engine_size size)
{
    struct error err = {0};
    const struct engine_options options = {.backend = "cpu", .threads = 2};
    json_t *facts = engine_estimate(model, &options, &size, &err);
    expect_ok(facts != NULL, &err);
    return facts;
}

static double number(const json_t *facts, const char *group, const char *name)
{
    const json_t *value = json_object_get(json_object_get(facts, group), name);
    if (!json_is_number(value)) fail_msg("no %s.%s", group, name);
    return json_number_value(value);
}

static void expect_within(const json_t *facts, const char *group, const char *name, double want,
                          double share)
{
    const double value = number(facts, group, name);
    if (fabs(value / want - 1) > share)
        fail_msg("%s.%s is %.6g, not %.6g", group, name, value, want);
}

/* Counts of an independent table: every matrix, convolution and attention of the published model.
 */
static void operations_of_modelscope_are_counted(void **state)
{
    static const struct {
        struct engine_size size;
        double step, frame;
    } rows[] = {
        {{256, 256, 16, 25, false, false}, 4.886e12, 0.622e12},
        {{576, 320, 24, 25, false, false}, 21.394e12, 1.76e12},
        {{1024, 576, 24, 25, false, false}, 78.486e12, 5.75e12},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *facts = estimate(FULL_SIZE, rows[i].size);
        assert_string_equal(json_string_value(json_object_get(facts, "weights")), "assumed");
        expect_within(facts, "flops", "step", rows[i].step, 0.02);
        expect_within(facts, "flops", "frame", rows[i].frame, 0.02);
        expect_within(facts, "memory", "stored", 1835275563.0 * 2, 1e-9);
        expect_within(facts, "memory", "weights", 1835275563.0 * 2, 0.01);
        assert_true(number(facts, "seconds", "step") > 0);
        json_decref(facts);
    }
}

static void guidance_costs_less_than_double(void **state)
{
    (void)state;
    json_t *plain = estimate(FULL_SIZE, (struct engine_size){256, 256, 16, 25, false, false});
    json_t *guided = estimate(FULL_SIZE, (struct engine_size){256, 256, 16, 25, true, false});
    const double ratio = number(guided, "flops", "step") / number(plain, "flops", "step");
    assert_true(ratio > 1.9 && ratio < 1.98);
    assert_true(number(guided, "memory", "live") > 1.5 * number(plain, "memory", "live"));
    json_decref(plain);
    json_decref(guided);
}

/* Tensors alive together, and the gaps between them that the plan leaves. */
static void plans_waste_little(void **state)
{
    (void)state;
    json_t *facts = estimate(FULL_SIZE, (struct engine_size){576, 320, 24, 25, true, false});
    assert_true(number(facts, "memory", "tensors") >= number(facts, "memory", "live"));
    assert_true(number(facts, "memory", "tensors") < 1.05 * number(facts, "memory", "live"));
    json_decref(facts);
}

static struct engine_memory render(const char *model)
{
    struct error err = {0};
    const struct engine_options options = {.backend = "cpu", .threads = 2};
    struct engine_model *m = engine_open(model, &options, &err);
    expect_ok(m != NULL, &err);
    json_t *recipe = fixture_recipe(model, "{\"num_inference_steps\": 2, \"scheduler\": \"ddim\"}");
    const struct engine_request request = {.recipe = recipe};
    struct engine_job *job = engine_job_new(m, &request, 1, &err);
    expect_ok(job != NULL && engine_job_step(job, &err), &err);
    static uint8_t rgb[64 * 64 * 3];
    expect_ok(engine_job_decode(job, 0, 0, 1, rgb, &err), &err);
    const struct engine_memory memory = engine_memory(m);
    engine_job_free(job);
    json_decref(recipe);
    engine_close(m);
    return memory;
}

static void an_estimate_is_what_a_render_takes(void **state)
{
    static const char *const models[] = {TINY, SHAPES};
    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct engine_memory m = render(models[i]);
        json_t *facts = estimate(models[i], (struct engine_size){64, 64, 4, 2, true, false});
        assert_string_equal(json_string_value(json_object_get(facts, "weights")), "found");
        expect_within(facts, "memory", "stored", (double)m.stored, 0);
        expect_within(facts, "memory", "weights", (double)m.weights, 0);
        expect_within(facts, "memory", "transformed", (double)m.transformed, 0);
        expect_within(facts, "memory", "tensors", (double)m.tensors, 0);
        expect_within(facts, "memory", "live", (double)m.live, 0);
        expect_within(facts, "memory", "workspace", (double)m.workspace, 0);
        json_decref(facts);
    }
}

static void impossible_sizes_are_refused(void **state)
{
    static const struct engine_size sizes[] = {{60, 64, 4, 2, true, false},
                                               {64, 0, 4, 2, true, false},
                                               {64, 64, 100000, 2, true, false},
                                               {64, 64, 4, 1000, true, false}};
    (void)state;
    const struct engine_options options = {.threads = 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct error err = {0};
        assert_null(engine_estimate(TINY, &options, &sizes[i], &err));
        assert_int_equal(err.code, ERROR_USAGE);
    }
}

/* A UNet whose file holds 16 bits, opened wide or narrow. */
static void run_unet(bool narrow, size_t *weights_out, float *out)
{
    enum { TOKENS = 77, PLANE = 8 * 8, FRAMES = 4 };
    struct error err = {0};
    struct model_folder folder;
    expect_ok(model_folder_open(&folder, SHAPES, &err), &err);
    struct ops *ops = ops_new("cpu", 2, &err);
    expect_ok(ops != NULL, &err);
    ops->narrow = narrow;
    struct unet *u = unet_open(folder.parts, ops, &err);
    expect_ok(u != NULL, &err);
    const int channels = unet_config(u)->text_channels;
    float *text = calloc((size_t)(TOKENS * channels), sizeof *text), in[FRAMES * PLANE * 4];
    for (int i = 0; i < TOKENS * channels; i++)
        text[i] = sinf((float)i);
    for (int i = 0; i < FRAMES * PLANE * 4; i++)
        in[i] = cosf((float)i * 0.7f);
    const struct unet_shape shape = {1, FRAMES, 8, 8};
    struct unet_text *t = unet_text_new(u, &(struct unet_text_shape){1, 1, TOKENS}, text, &err);
    expect_ok(t != NULL && unet_plan(u, &shape, t, &err), &err);
    expect_ok(unet_run(u, &shape, t, 501, in, out, &err), &err);
    *weights_out = ops->weight_bytes;
    unet_text_free(t);
    unet_close(u);
    assert_int_equal(ops->weight_bytes, 0);
    ops_free(ops);
    model_folder_close(&folder);
    free(text);
}

static void narrow_weights_draw_the_same(void **state)
{
    (void)state;
    static float wide[4 * 8 * 8 * 4], narrow[4 * 8 * 8 * 4];
    size_t wide_bytes, narrow_bytes;
    run_unet(false, &wide_bytes, wide);
    run_unet(true, &narrow_bytes, narrow);
    assert_memory_equal(wide, narrow, sizeof wide);
    assert_true(20 * narrow_bytes < 11 * wide_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_of_modelscope_are_counted),
        cmocka_unit_test(guidance_costs_less_than_double),
        cmocka_unit_test(plans_waste_little),
        cmocka_unit_test(an_estimate_is_what_a_render_takes),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(narrow_weights_draw_the_same),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}

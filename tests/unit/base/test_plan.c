/* Plans: every frame is made once, inputs come before, and the windows stand where the rules say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/plan.h"
#include "base/recipe.h"

static json_t *recipe_with(const char *extra)
{
    struct error err;
    json_t *recipe = json_loads("{\"model\":\"m\",\"prompt\":\"a\",\"seed\":1,\"width\":64,"
                                "\"height\":64,\"num_inference_steps\":5}",
                                0, NULL);
    json_t *more = json_loads(extra, 0, NULL);
    assert_non_null(more);
    json_object_update(recipe, more);
    json_decref(more);
    if (!recipe_fill(recipe, NULL, NULL, &err)) fail_msg("%s: %s", extra, err.message);
    return recipe;
}

static struct plan plan_with(const char *extra)
{
    struct error err;
    struct plan plan;
    const char *field = "";
    json_t *recipe = recipe_with(extra);
    if (!plan_fill(recipe, 16, false, &field, &err) || !plan_of_recipe(&plan, recipe, &field, &err))
        fail_msg("%s: %s: %s", extra, field, err.message);
    json_decref(recipe);
    return plan;
}

/* ---- what holds for every plan ---- */

static void check_task(const struct plan *p, const struct plan_task *t, uint8_t *made)
{
    assert_true(t->frames > 0 && t->frames <= p->window);
    assert_true(t->first + t->frames <= p->frames);
    assert_true(t->held_first + t->held_last < t->frames);
    assert_true(t->input_count < PLAN_INPUTS_MAX);
    for (uint32_t i = 0; i < t->input_count; i++) {
        struct plan_task input;
        plan_task(p, t->inputs[i].task, &input);
        assert_true(input.number < t->number);
        assert_true(i == 0 || t->inputs[i].task > t->inputs[i - 1].task);
        assert_true(t->inputs[i].output == PLAN_SEGMENT ? input.made_frames > 0 : input.latents);
    }
    for (uint32_t f = 0; t->published && f < t->made_frames; f++) {
        assert_true(t->made_first + f >= t->first);
        assert_true(t->made_first + f < t->first + t->frames);
        made[t->made_first + f]++;
        assert_int_equal(plan_maker(p, t->made_first + f), t->number);
    }
}

static void check_dependents(const struct plan *p, uint32_t number)
{
    uint32_t told[512];
    const uint32_t count = plan_dependents(p, number, told, 512), tasks = plan_task_count(p);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < tasks; i++) {
        struct plan_task t;
        plan_task(p, i, &t);
        for (uint32_t k = 0; k < t.input_count; k++)
            if (t.inputs[k].task == number) assert_int_equal(told[seen++], i);
    }
    assert_int_equal(seen, count);
}

static uint32_t check_plan(const char *extra)
{
    const struct plan plan = plan_with(extra);
    uint8_t *made = calloc(plan.frames, 1);
    const uint32_t tasks = plan_task_count(&plan);
    for (uint32_t i = 0; i < tasks; i++) {
        struct plan_task task;
        plan_task(&plan, i, &task);
        assert_int_equal(task.number, i);
        check_task(&plan, &task, made);
        check_dependents(&plan, i);
    }
    for (uint32_t f = 0; f < plan.frames; f++)
        if (made[f] != (f >= plan.start))
            fail_msg("%s: frame %u is made %d times", extra, f, made[f]);
    free(made);
    return tasks;
}

static void test_every_frame_is_made_once(void **state)
{
    static const char *const methods[] = {"chain", "seam", "windows", "upscale"};
    char text[400];
    (void)state;
    for (size_t m = 0; m < 4; m++)
        for (int window = 5; window <= 17; window += 3)
            for (int overlap = 1; overlap <= window / 2; overlap++)
                for (int frames = 1; frames < 70; frames += 3) {
                    snprintf(text, sizeof text,
                             "{\"method\":\"%s\",\"segment_frames\":%d,\"overlap\":%d,"
                             "\"num_frames\":%d%s%s}",
                             methods[m], window, overlap, frames,
                             frames > 40 ? ",\"cuts\":[9,25,26]" : "",
                             m == 3 ? ",\"upscale_model\":\"x\",\"upscale_size\":\"128x128\"" : "");
                    if (frames < window) continue;
                    (void)check_plan(text);
                }
}

static void test_extensions(void **state)
{
    (void)state;
    (void)check_plan("{\"num_frames\":48,\"extend_frames\":16,\"extend_video\":\"x\"}");
    (void)check_plan("{\"num_frames\":48,\"extend_frames\":2,\"extend_video\":\"x\"}");
    (void)check_plan("{\"num_frames\":48,\"extend_frames\":30,\"cuts\":[20,40],\"extend_video\":"
                     "\"x\",\"method\":\"seam\"}");
    (void)check_plan("{\"num_frames\":48,\"extend_frames\":47,\"extend_latents\":\"x\"}");
    struct plan p =
        plan_with("{\"num_frames\":48,\"extend_frames\":16,\"extend_video\":\"x\",\"overlap\":6}");
    struct plan_task t;
    plan_task(&p, 0, &t);
    assert_true(t.extends);
    assert_int_equal(t.first, 10);
    assert_int_equal(t.held_first, 6);
    assert_int_equal(t.made_first, 16);
    assert_int_equal(t.made_frames, 10);
}

/* ---- methods ---- */

static void test_whole(void **state)
{
    (void)state;
    assert_int_equal(check_plan("{\"num_frames\":16}"), 1);
    struct plan p = plan_with("{\"num_frames\":16}");
    assert_int_equal(p.method, PLAN_WHOLE);
    struct plan_task t;
    plan_task(&p, 0, &t);
    assert_int_equal(t.kind, PLAN_RENDER);
    assert_int_equal(t.made_frames, 16);
    assert_int_equal(t.step_end, 5);
    assert_false(t.latents);
}

static void test_chain_moves_the_last_window_back(void **state)
{
    struct plan p = plan_with("{\"num_frames\":45}"); /* 16, overlap 4: 0 12 24 29 */
    struct plan_task t;
    (void)state;
    assert_int_equal(p.method, PLAN_CHAIN);
    assert_int_equal(plan_task_count(&p), 4);
    plan_task(&p, 2, &t);
    assert_int_equal(t.first, 24);
    assert_int_equal(t.held_first, 4);
    assert_int_equal(t.inputs[0].task, 1);
    plan_task(&p, 3, &t);
    assert_int_equal(t.first, 29);
    assert_int_equal(t.held_first, 11);
    assert_int_equal(t.made_first, 40);
    assert_true(t.latents);
    assert_int_equal(plan_last(&p), 3);
}

static void test_seam_holds_both_sides(void **state)
{
    struct plan p = plan_with("{\"num_frames\":40,\"method\":\"seam\"}"); /* 0 12 24 */
    struct plan_task t;
    (void)state;
    assert_int_equal(plan_task_count(&p), 5);
    for (uint32_t i = 3; i < 5; i++) {
        plan_task(&p, i, &t);
        assert_int_equal(t.kind, PLAN_JOIN);
        assert_true(t.held_first >= 2 && t.held_last >= 2);
        assert_int_equal(t.made_frames, 8);
        assert_int_equal(t.input_count, 2);
    }
}

/* Of 5 steps the last (int)(5 * 0.6); one at least. */
static void test_joints_run_the_last_steps(void **state)
{
    static const struct {
        const char *extra;
        uint32_t first, end;
    } cases[] = {{"", 2, 5},
                 {",\"seam_strength\":0.4", 3, 5},
                 {",\"seam_strength\":0", 4, 5},
                 {",\"seam_strength\":1", 0, 5},
                 {",\"resample_times\":3", 2, 11}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char extra[128];
        struct plan_task t;
        snprintf(extra, sizeof extra, "{\"num_frames\":40,\"method\":\"seam\"%s}", cases[i].extra);
        struct plan p = plan_with(extra);
        plan_task(&p, 3, &t);
        assert_int_equal(t.step_first, cases[i].first);
        assert_int_equal(t.step_end, cases[i].end);
    }
}

/* What holds nothing repeats nothing. */
static void test_held_frames_repeat_steps(void **state)
{
    struct plan p = plan_with("{\"num_frames\":28,\"resample_times\":2,\"resample_jump\":3}");
    struct plan_task t;
    (void)state;
    assert_int_equal(p.resample_jump, 3);
    plan_task(&p, 0, &t);
    assert_int_equal(t.step_end, 5);
    assert_int_equal(t.repeats, 1);
    plan_task(&p, 1, &t);
    assert_int_equal(t.step_end, 10);
    assert_int_equal(t.repeats, 2);
    p = plan_with("{\"num_frames\":8,\"resample_times\":2,\"noise\":\"indexed\","
                  "\"init_image\":\"x\",\"hold_frames\":[0]}");
    plan_task(&p, 0, &t);
    assert_int_equal(t.step_end, 10);
    p = plan_with("{\"num_frames\":8,\"resample_times\":2}");
    plan_task(&p, 0, &t);
    assert_int_equal(t.step_end, 5);
}

/* The last window is moved back onto frames that exist: it holds them, too. */
static void test_every_window_holds_what_exists(void **state)
{
    struct plan p = plan_with("{\"num_frames\":34,\"method\":\"windows\",\"overlap\":8,"
                              "\"extend_frames\":24,\"extend_video\":\"x\"}");
    struct plan_task t;
    (void)state;
    plan_task(&p, 0, &t);
    assert_int_equal(t.first, 16);
    assert_int_equal(t.held_first, 8);
    plan_task(&p, 1, &t);
    assert_int_equal(t.first, 18);
    assert_int_equal(t.held_first, 6);
    assert_true(t.extends);
}

static void test_windows_take_their_neighbours(void **state)
{
    struct plan p = plan_with("{\"num_frames\":40,\"method\":\"windows\",\"sync_every\":2}");
    struct plan_task t;
    (void)state;
    assert_int_equal(plan_task_count(&p), 3 * 4); /* rounds of 2 2 1 steps, then frames */
    plan_task(&p, 4, &t);
    assert_int_equal(t.kind, PLAN_ROUND);
    assert_int_equal(t.step_first, 2);
    assert_int_equal(t.step_end, 4);
    assert_int_equal(t.input_count, 3);
    plan_task(&p, 11, &t);
    assert_int_equal(t.kind, PLAN_DECODE);
    assert_int_equal(t.step_first, 5);
    assert_int_equal(t.step_end, 5);
    assert_int_equal(t.input_count, 2);
}

static void test_a_window_alone_needs_no_rounds(void **state)
{
    struct plan p = plan_with("{\"num_frames\":40,\"method\":\"windows\",\"cuts\":[30]}");
    struct plan_task t;
    (void)state;
    plan_task(&p, plan_task_count(&p) - 1, &t);
    assert_int_equal(t.kind, PLAN_RENDER);
    assert_int_equal(t.first, 30);
    assert_int_equal(t.step_first, 0);
    assert_int_equal(t.step_end, 5);
}

static void test_upscale_starts_from_the_base(void **state)
{
    json_t *recipe =
        recipe_with("{\"num_frames\":16,\"method\":\"upscale\",\"upscale_model\":\"xl\","
                    "\"upscale_size\":\"128x96\",\"noise\":\"indexed\"}");
    const char *field;
    struct error err;
    (void)state;
    assert_true(plan_fill(recipe, 16, true, &field, &err));
    struct plan p;
    assert_true(plan_of_recipe(&p, recipe, &field, &err));
    assert_int_equal(plan_task_count(&p), 2);
    assert_int_equal(p.upscale_steps, 3);
    struct plan_task t;
    plan_task(&p, 1, &t);
    assert_int_equal(t.stage, 1);
    assert_true(t.published);
    assert_int_equal(t.inputs[0].output, PLAN_SEGMENT);
    json_t *second = plan_stage_recipe(recipe, 1);
    assert_string_equal(recipe_text(second, "model", ""), "xl");
    assert_int_equal(recipe_int(second, "height", 0), 96);
    json_decref(second);
    json_decref(recipe);
}

/* ---- recipes ---- */

static const struct {
    const char *extra, *field;
} refused[] = {
    {"{\"num_frames\":32,\"noise\":\"torch-cpu\"}", "noise"},
    {"{\"num_frames\":32,\"overlap\":16}", "overlap"},
    {"{\"num_frames\":32,\"overlap\":9,\"method\":\"windows\"}", "overlap"},
    {"{\"num_frames\":32,\"cuts\":[9,9]}", "cuts"},
    {"{\"num_frames\":32,\"cuts\":[32]}", "cuts"},
    {"{\"num_frames\":32,\"loop\":true}", "loop"},
    {"{\"num_frames\":32,\"extend_frames\":32,\"extend_video\":\"x\"}", "extend_frames"},
    {"{\"num_frames\":32,\"extend_frames\":8}", "extend_frames"},
    {"{\"num_frames\":32,\"method\":\"upscale\"}", "upscale_model"},
    {"{\"num_frames\":32,\"upscale_model\":\"x\"}", "upscale_model"},
    {"{\"num_frames\":100000,\"segment_frames\":2,\"overlap\":1}", "num_frames"},
    {"{\"num_frames\":32,\"segment_frames\":4,\"overlap\":1,\"method\":\"seam\"}",
     "segment_frames"},
    {"{\"num_frames\":32,\"method\":\"windows\",\"resample_times\":2}", "resample_times"},
    {"{\"num_frames\":8,\"resample_times\":2,\"noise\":\"torch-cpu\",\"init_image\":\"x\","
     "\"hold_frames\":[0]}",
     "resample_times"},
};

static void test_what_cannot_be_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        json_t *recipe = recipe_with(refused[i].extra);
        const char *field = "";
        struct error err;
        const bool given = strstr(refused[i].extra, "noise") != NULL;
        if (plan_fill(recipe, 16, given, &field, &err)) fail_msg("%s is taken", refused[i].extra);
        assert_string_equal(field, refused[i].field);
        assert_int_equal(err.code, ERROR_USAGE);
        json_decref(recipe);
    }
}

static void test_short_clips_stay_as_they_are(void **state)
{
    json_t *recipe = recipe_with("{\"num_frames\":16}"), *before = json_deep_copy(recipe);
    const char *field;
    struct error err;
    (void)state;
    assert_true(plan_fill(recipe, 16, false, &field, &err));
    assert_true(json_equal(recipe, before));
    assert_true(plan_fill(recipe, 0, false, &field, &err));
    assert_true(json_equal(recipe, before));
    json_decref(recipe);
    json_decref(before);
}

static void test_weights_are_a_pyramid(void **state)
{
    (void)state;
    assert_true(plan_weight(0, 4) == 1 && plan_weight(1, 4) == 2);
    assert_true(plan_weight(2, 4) == 2 && plan_weight(3, 4) == 1);
    assert_true(plan_weight(2, 5) == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_frame_is_made_once),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_chain_moves_the_last_window_back),
        cmocka_unit_test(test_seam_holds_both_sides),
        cmocka_unit_test(test_joints_run_the_last_steps),
        cmocka_unit_test(test_held_frames_repeat_steps),
        cmocka_unit_test(test_every_window_holds_what_exists),
        cmocka_unit_test(test_windows_take_their_neighbours),
        cmocka_unit_test(test_a_window_alone_needs_no_rounds),
        cmocka_unit_test(test_upscale_starts_from_the_base),
        cmocka_unit_test(test_what_cannot_be_is_refused),
        cmocka_unit_test(test_short_clips_stay_as_they_are),
        cmocka_unit_test(test_weights_are_a_pyramid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Submissions of long clips: which plan a line gets, what is filled in, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/recipe.h"
#include "coordinator/models.h"
#include "coordinator/submit_file.h"

#define FACTS(family, side, steps)                                                                 \
    "{\"family\":\"" family "\",\"output\":\"video\",\"window\":16,"                               \
    "\"width\":{\"min\":8,\"max\":" side ",\"step\":8},"                                           \
    "\"height\":{\"min\":8,\"max\":" side ",\"step\":8},"                                          \
    "\"frames\":{\"min\":1,\"max\":32,\"step\":1},"                                                \
    "\"noises\":[\"torch-cpu\",\"indexed\"],\"schedulers\":[\"ddim\"],"                            \
    "\"defaults\":{\"num_inference_steps\":" steps ",\"guidance_scale\":3,\"width\":64,"           \
    "\"height\":64,\"num_frames\":16,\"fps\":8,\"scheduler\":\"ddim\",\"noise\":\"torch-cpu\"}}"

static struct model large = {.name = (char[]){"large"},
                             .digest = {{0xcd}},
                             .description = (char[]){FACTS("unet", "128", "6")}};
static struct model other = {.name = (char[]){"other"},
                             .description = (char[]){FACTS("pattern", "128", "6")}};
static struct model shapes = {.name = (char[]){"shapes"},
                              .description = (char[]){FACTS("unet", "64", "4")}};
static struct model still = {
    .name = (char[]){"still"},
    .description = (char[]){"{\"family\":\"unet\",\"output\":\"image\",\"window\":1,"
                            "\"defaults\":{\"num_inference_steps\":4,\"guidance_scale\":3,"
                            "\"width\":64,\"height\":64,\"num_frames\":1,\"fps\":8,"
                            "\"scheduler\":\"ddim\"}}"}};
static struct model *all[] = {&large, &other, &shapes, &still};
static const struct model_list models = {.models = all, .count = 4};

static bool parse(const char *line, struct submit_result *r)
{
    struct error err;
    struct submit_input input = {
        .data = line, .size_bytes = strlen(line), .format = SUBMIT_JSONL, .models = &models};
    return submit_file_parse(&input, r, &err);
}

static void take(const char *line, struct submit_result *r)
{
    if (!parse(line, r)) fail_msg("%s: %s", r->problems[0].field, r->problems[0].message);
}

static void reject(const char *line, const char *field, const char *words)
{
    struct submit_result r;
    if (parse(line, &r)) fail_msg("accepted: %s", line);
    assert_int_equal(r.problem_count, 1);
    assert_string_equal(r.problems[0].field, field);
    if (strstr(r.problems[0].message, words) == NULL) fail_msg("%s", r.problems[0].message);
    submit_result_finish(&r);
}

static void a_short_clip_stays_what_it_was(void **state)
{
    struct submit_result r;
    (void)state;
    take("{\"prompt\":\"a\"}", &r);
    const struct plan whole = plan_whole(16, 4);
    assert_memory_equal(&r.groups[0].plan, &whole, sizeof whole);
    const json_t *base = r.groups[0].base;
    static const char *const absent[] = {"method", "segment_frames", "overlap", "sync_every"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        assert_null(json_object_get(base, absent[i]));
    assert_string_equal(recipe_text(base, "noise", ""), "torch-cpu");
    assert_null(r.groups[0].second);
    submit_result_finish(&r);
}

/* The noise of the model's defaults is nobody's wish. */
static void a_long_clip_gets_a_plan(void **state)
{
    struct submit_result r;
    (void)state;
    take("{\"prompt\":\"a\",\"frames\":40}", &r);
    const struct plan *p = &r.groups[0].plan;
    const json_t *base = r.groups[0].base;
    assert_int_equal(p->method, PLAN_CHAIN);
    assert_int_equal(p->window, 16);
    assert_int_equal(p->overlap, 4);
    assert_int_equal(plan_task_count(p), 3);
    assert_int_equal(recipe_int(base, "segment_frames", 0), 16);
    assert_string_equal(recipe_text(base, "method", ""), "chain");
    assert_string_equal(recipe_text(base, "noise", ""), "indexed");
    submit_result_finish(&r);
    reject("{\"prompt\":\"a\",\"frames\":40,\"noise\":\"torch-cpu\"}", "noise", "indexed");
}

static void lines_of_other_plans_form_groups(void **state)
{
    struct submit_result r;
    (void)state;
    take("{\"prompt\":\"a\",\"frames\":40}\n"
         "{\"prompt\":\"b\",\"frames\":40,\"overlap\":4}\n"
         "{\"prompt\":\"c\",\"frames\":40,\"overlap\":6}\n"
         "{\"prompt\":\"d\",\"frames\":40,\"method\":\"seam\"}\n"
         "{\"prompt\":\"e\",\"frames\":40,\"cuts\":[20]}\n"
         "{\"prompt\":\"f\",\"frames\":40,\"output_fps\":16}\n",
         &r);
    assert_int_equal(r.group_count, 4);
    assert_int_equal(r.groups[0].clips,
                     3); /* 4 is what it would be; the rate shown changes no task */
    submit_result_finish(&r);
}

#define UP "{\"prompt\":\"a\",\"frames\":40,\"method\":\"upscale\","

static void a_second_model_is_found_and_filled_in(void **state)
{
    struct submit_result r;
    (void)state;
    take(UP "\"model\":\"shapes\",\"upscale_model\":\"large\",\"upscale_size\":\"128x96\"}", &r);
    const struct submit_group *g = &r.groups[0];
    assert_string_equal(g->second, "large");
    assert_true(digest_equal(&g->second_digest, &large.digest));
    assert_int_equal(g->second_width, 128);
    assert_int_equal(g->second_height, 96);
    assert_int_equal(g->second_steps, 6); /* its own default */
    assert_int_equal(recipe_int(g->base, "upscale_steps", 0), 6);
    assert_int_equal(g->plan.method, PLAN_UPSCALE);
    assert_int_equal(g->plan.upscale_steps, 3); /* at the strength of 0.6 */
    submit_result_finish(&r);
}

static void a_second_model_must_suit_the_first(void **state)
{
    (void)state;
    reject(UP "\"model\":\"shapes\"}", "upscale_model", "second model");
    reject(UP "\"model\":\"shapes\",\"upscale_model\":\"larg\"}", "upscale_model",
           "did you mean 'large'");
    reject(UP "\"model\":\"shapes\",\"upscale_model\":\"other\"}", "upscale_model", "another kind");
    reject(UP "\"model\":\"shapes\",\"upscale_model\":\"large\",\"upscale_size\":\"256x128\"}",
           "upscale_width", "second model");
}

#define FILE_1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define FILE_2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define FILE_3 "sha256:3333333333333333333333333333333333333333333333333333333333333333"

static void files_are_wanted_for_something(void **state)
{
    struct submit_result r;
    (void)state;
    take("{\"prompt\":\"a\",\"frames\":60,\"extend_frames\":20,\"extend_video\":\"" FILE_1
         "\",\"extend_latents\":\"" FILE_2 "\",\"audio\":\"" FILE_3 "\"}\n"
         "{\"prompt\":\"a\",\"frames\":60,\"extend_frames\":24,\"extend_video\":\"" FILE_1 "\"}\n",
         &r);
    assert_int_equal(r.input_count, 3);
    const struct submit_input_file *video = NULL, *latents = NULL, *sound = NULL;
    for (uint32_t i = 0; i < 3; i++) {
        const struct submit_input_file *file = &r.inputs[i];
        if (file->sha256.bytes[0] == 0x11) video = file;
        if (file->sha256.bytes[0] == 0x22) latents = file;
        if (file->sha256.bytes[0] == 0x33) sound = file;
    }
    assert_true(video->is_video && !video->is_pictures && !video->is_sound && !video->is_latents);
    assert_int_equal(video->frames, 24);
    assert_int_equal(video->width, 64);
    assert_true(latents->is_latents && !latents->is_video);
    assert_int_equal(latents->latent_frames, 4);
    assert_true(sound->is_sound && !sound->is_video);
    submit_result_finish(&r);

    take("{\"prompt\":\"a\",\"frames\":60,\"extend_frames\":20,\"extend_video\":\"" FILE_1 "\"}\n"
         "{\"prompt\":\"a\",\"frames\":60,\"extend_frames\":20,\"size\":\"32x64\","
         "\"extend_video\":\"" FILE_1 "\",\"init_image\":\"" FILE_2 "\"}\n",
         &r);
    assert_int_equal(r.inputs[0].width, -1); /* no file has two */
    assert_int_equal(r.inputs[0].height, 64);
    assert_true(r.inputs[1].is_image && r.inputs[1].is_pictures);
    submit_result_finish(&r);
}

static void what_belongs_together(void **state)
{
    (void)state;
    reject("{\"prompt\":\"a\",\"output_width\":320}", "output_width", "output_height");
    reject("{\"prompt\":\"a\",\"output_height\":320}", "output_height", "output_width");
    reject("{\"prompt\":\"a\",\"model\":\"still\",\"output_fps\":16}", "output_fps", "images");
    reject("{\"prompt\":\"a\",\"frames\":60,\"extend_frames\":20,\"extend_latents\":\"" FILE_2
           "\"}",
           "extend_video", "extend_keep");
    struct submit_result r;
    take("{\"prompt\":\"a\",\"frames\":60,\"extend_frames\":20,\"extend_latents\":\"" FILE_2
         "\",\"extend_keep\":false}",
         &r);
    submit_result_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_clip_stays_what_it_was),
        cmocka_unit_test(a_long_clip_gets_a_plan),
        cmocka_unit_test(lines_of_other_plans_form_groups),
        cmocka_unit_test(a_second_model_is_found_and_filled_in),
        cmocka_unit_test(a_second_model_must_suit_the_first),
        cmocka_unit_test(files_are_wanted_for_something),
        cmocka_unit_test(what_belongs_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

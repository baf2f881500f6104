/* Windows of a long clip on the tiny model: what is held stays to the bit, a frame is the same
 * whatever window it is seen in, and nothing depends on threads or on stopping half-way. */
#include "clip_run.h"

#include "engine/noise/noise.h"
#include "engine/sampler/sampler.h"

static struct engine_model *model;

static int open_model(void **state)
{
    (void)state;
    model = tiny_open("cpu", 2);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    engine_close(model);
    return 0;
}

/* Every sampler, with and without repeated steps. */
static void held_frames_are_the_given_ones_at_the_end(void **state)
{
    (void)state;
    static const char *const more[] = {"", ", \"resample_times\": 2, \"resample_jump\": 3"};
    int count;
    const struct sampler *const *samplers = sampler_all(&count);
    for (int i = 0; i < 2 * count; i++) {
        char extra[256];
        snprintf(
            extra, sizeof extra,
            "{\"num_frames\": 10, \"segment_frames\": 6, \"overlap\": 2, \"scheduler\": \"%s\"%s}",
            samplers[i / 2]->name, more[i % 2]);
        struct clip c = clip_begin(model, extra);
        float *first = clip_render(&c, 0), *second = clip_render(&c, 1);
        for (size_t k = 0; k < CLIP_CHANNELS; k++) {
            const float *z = first + (k * 6 + 4) * CLIP_CELLS, *end = second + k * 6 * CLIP_CELLS;
            if (memcmp(z, end, 2 * CLIP_CELLS * sizeof *z) != 0) fail_msg("%s", extra);
            assert_memory_not_equal(z, end + 2 * CLIP_CELLS, 2 * CLIP_CELLS * sizeof *z);
        }
        free(first);
        free(second);
        clip_end(&c);
    }
}

/* Before the first step and in between: a z + s n, n the start noise of that frame of the clip. */
static void held_frames_carry_the_noise_of_each_step(void **state)
{
    (void)state;
    static const char *const samplers[] = {"ddim", "euler", "dpm++"};
    for (size_t i = 0; i < 3; i++) {
        struct error err = {0};
        struct noise_schedule schedule;
        char extra[256];
        snprintf(
            extra, sizeof extra,
            "{\"num_frames\": 10, \"segment_frames\": 6, \"overlap\": 2, \"scheduler\": \"%s\"}",
            samplers[i]);
        struct clip c = clip_begin(model, extra);
        expect_ok(noise_schedule_read(TINY "/scheduler/scheduler_config.json", &schedule, &err),
                  &err);
        const struct sampler_wish wish = {0};
        struct sampler_path *path =
            sampler_path_new(sampler_find(samplers[i]), &schedule, &wish, 4, &err);
        const struct noise *indexed = noise_find("indexed");
        const struct noise_setup seed = {.seed = 42};
        struct noise_state *noise = indexed->begin(&seed);
        float *z = clip_render(&c, 0), n[CLIP_FRAME];
        struct engine_job *job = clip_job(&c, 1);
        for (int step = 0; step < 4; step++) {
            const double sigma = path->sigmas[step];
            const double gain = path->sampler->sigma_space ? 1 : 1 / sqrt(sigma * sigma + 1);
            float *x = job_latents(job);
            for (int f = 0; f < 2; f++) {
                const struct noise_place place = {.purpose = NOISE_START, .frame = 4 + f};
                indexed->frame(noise, &place, n, CLIP_FRAME);
                for (int k = 0; k < CLIP_CHANNELS; k++)
                    for (int p = 0; p < CLIP_CELLS; p++)
                        assert_true(fabs(x[(k * 6 + f) * CLIP_CELLS + p] -
                                         gain * (z[(k * 6 + 4 + f) * CLIP_CELLS + p] +
                                                 sigma * n[k * CLIP_CELLS + p])) <
                                    1e-5 * (1 + sigma));
            }
            free(x);
            run_to(job, step + 1);
        }
        engine_job_free(job);
        free(z);
        indexed->end(noise);
        sampler_path_free(path);
        noise_schedule_finish(&schedule);
        clip_end(&c);
    }
}

static void start_noise_does_not_depend_on_the_window(void **state)
{
    (void)state;
    struct clip whole = clip_begin(model, "{\"num_frames\": 10, \"noise\": \"indexed\"}");
    struct clip cut = clip_begin(model, "{\"num_frames\": 10, \"segment_frames\": 6}");
    struct engine_job *a = clip_job(&whole, 0);
    float *all = job_latents(a);
    free(clip_render(&cut, 0));
    for (uint32_t task = 0; task < 2; task++) {
        struct engine_job *b = clip_job(&cut, task);
        float *part = job_latents(b);
        const int first = task == 0 ? 0 : 4, made = task == 0 ? 0 : 2;
        for (int k = 0; k < CLIP_CHANNELS; k++)
            assert_memory_equal(part + (k * 6 + made) * CLIP_CELLS,
                                all + (k * 10 + first + made) * CLIP_CELLS,
                                (size_t)(6 - made) * CLIP_CELLS * sizeof *all);
        free(part);
        engine_job_free(b);
    }
    free(all);
    engine_job_free(a);
    clip_end(&whole);
    clip_end(&cut);
}

static const char *const methods[] = {
    "{\"num_frames\": 14, \"segment_frames\": 6, \"scheduler\": \"dpm++-sde\"}",
    "{\"num_frames\": 13, \"segment_frames\": 6, \"overlap\": 4, \"scheduler\": \"unipc\","
    " \"resample_times\": 2, \"resample_jump\": 2, \"cuts\": [11]}",
    "{\"num_frames\": 14, \"segment_frames\": 6, \"method\": \"seam\", \"scheduler\": \"dpm++\"}",
    "{\"num_frames\": 14, \"segment_frames\": 6, \"method\": \"windows\", \"sync_every\": 2,"
    " \"scheduler\": \"unipc\"}",
    "{\"num_frames\": 14, \"segment_frames\": 6, \"method\": \"windows\","
    " \"scheduler\": \"euler-a\", \"prompts_by_frame\": {\"0\": \"snow\", \"8\": \"a boat\"}}",
};
enum { METHODS = sizeof methods / sizeof methods[0] };

static void threads_change_no_bit(void **state)
{
    (void)state;
    static const int threads[] = {1, 4};
    for (size_t t = 0; t < 2; t++) {
        struct engine_model *other = tiny_open("cpu", threads[t]);
        for (size_t i = 0; i < METHODS; i++) {
            struct clip c = clip_begin(model, methods[i]);
            float *a = clip_run(&c), *b = clip_run_once(other, methods[i]);
            if (memcmp(a, b, (size_t)c.plan.frames * CLIP_FRAME * sizeof *a) != 0)
                fail_msg("%d threads: %s", threads[t], methods[i]);
            free(a);
            free(b);
            clip_end(&c);
        }
        engine_close(other);
    }
}

/* The task's last latents and what it hands over, when it stops after `stop` steps and another job
 * goes on. */
static float *render_in_two(const struct clip *c, uint32_t task, int stop, struct buf *handed)
{
    struct error err = {0};
    char *path = scratch_path(c->folder, "checkpoint"), *latents = clip_latents(c, task);
    struct engine_job *job = clip_job(c, task);
    run_to(job, stop);
    expect_ok(engine_job_save(job, path, &err), &err);
    engine_job_free(job);
    job = clip_job(c, task);
    expect_ok(engine_job_load(job, path, &err), &err);
    run_rest(job);
    clip_hand_over(c, job, task);
    expect_ok(path_read(latents, 1 << 24, handed, &err), &err);
    float *end = job_latents(job);
    engine_job_free(job);
    free(latents);
    free(path);
    return end;
}

static void tasks_resume_bit_for_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        struct clip c = clip_begin(model, methods[i]);
        for (uint32_t task = 0; task < plan_task_count(&c.plan); task++) {
            struct error err = {0};
            struct buf whole = BUF_INIT;
            char *path = clip_latents(&c, task);
            free(clip_render(&c, task));
            expect_ok(path_read(path, 1 << 24, &whole, &err), &err);
            struct plan_task t;
            plan_task(&c.plan, task, &t);
            for (uint32_t stop = 0; stop <= t.step_end - t.step_first; stop++) {
                struct buf handed = BUF_INIT;
                free(render_in_two(&c, task, (int)stop, &handed));
                if (handed.size != whole.size || memcmp(handed.data, whole.data, whole.size) != 0)
                    fail_msg("%s: task %u after step %u", methods[i], task, stop);
                buf_finish(&handed);
            }
            buf_finish(&whole);
            free(path);
        }
        clip_end(&c);
    }
}

static void jobs_have_the_steps_of_their_plan(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        struct clip c = clip_begin(model, methods[i]);
        for (uint32_t task = 0; task < plan_task_count(&c.plan); task++) {
            struct plan_task t;
            plan_task(&c.plan, task, &t);
            struct engine_job *job = clip_job(&c, task);
            assert_int_equal(engine_job_step_count(job), t.step_end - t.step_first);
            assert_int_equal(engine_job_shape(job).frames, t.frames);
            run_rest(job);
            clip_hand_over(&c, job, task);
            engine_job_free(job);
        }
        clip_end(&c);
    }
}

/* ---- extending ---- */

/* A clip made at once, or as its first window and an extension from what that handed over. */
static void an_extension_is_the_chain_that_goes_on(void **state)
{
    (void)state;
    float *all =
        clip_run_once(model, "{\"num_frames\": 10, \"segment_frames\": 6, \"overlap\": 2}");
    struct clip first = clip_begin(model, "{\"num_frames\": 6, \"noise\": \"indexed\"}");
    struct clip rest =
        clip_begin(model, "{\"num_frames\": 10, \"segment_frames\": 6, \"overlap\": 2,"
                          " \"extend_frames\": 6, \"extend_latents\": \"x\"}");
    char *held = clip_latents(&first, 0);
    float *begin = clip_run(&first);
    rest.held = held;
    float *end = clip_run(&rest);
    assert_int_equal(plan_task_count(&rest.plan), 1);
    assert_memory_equal(begin, all, 6 * CLIP_FRAME * sizeof *all);
    assert_memory_equal(end + 6 * CLIP_FRAME, all + 6 * CLIP_FRAME, 4 * CLIP_FRAME * sizeof *all);
    free(all);
    free(begin);
    free(end);
    free(held);
    clip_end(&first);
    clip_end(&rest);
}

/* Without latents the frames themselves are held: as the encoder's mean has them. */
static void an_extension_begins_with_pictures(void **state)
{
    (void)state;
    struct error err = {0};
    static uint8_t pictures[2 * CLIP_PIXELS];
    for (size_t i = 0; i < sizeof pictures; i++)
        pictures[i] = (uint8_t)(i * 7 + i / 64);
    struct clip c = clip_begin(model, "{\"num_frames\": 10, \"segment_frames\": 6, \"overlap\": 2,"
                                      " \"extend_frames\": 6, \"extend_video\": \"x\"}");
    c.before = (struct engine_images){.frames = 2, .width = 64, .height = 64, .data = pictures};
    float *end = clip_render(&c, 0);
    json_t *recipe = fixture_recipe("tiny", "{\"num_frames\": 2, \"init_video\": \"x\","
                                            " \"hold_frames\": [0, 1]}");
    const struct engine_request request = {.recipe = recipe, .init = c.before};
    struct engine_job *job = engine_job_new(model, &request, 1, &err);
    expect_ok(job != NULL, &err);
    run_rest(job);
    float *encoded = job_latents(job);
    for (size_t k = 0; k < CLIP_CHANNELS; k++)
        assert_memory_equal(end + k * 6 * CLIP_CELLS, encoded + k * 2 * CLIP_CELLS,
                            2 * CLIP_CELLS * sizeof *end);
    free(encoded);
    free(end);
    engine_job_free(job);
    json_decref(recipe);
    clip_end(&c);
}

/* ---- prompts ---- */

/* The second window hears what its own frames are told: the same as a clip of its own would. */
static void prompts_count_frames_of_the_clip(void **state)
{
    (void)state;
    struct error err = {0};
    struct engine_text text, own;
    struct clip c = clip_begin(
        model, "{\"num_frames\": 10, \"segment_frames\": 6, \"prompts_by_frame\":"
               " {\"0\": \"snow\", \"2\": \"night\", \"6\": \"a boat\", \"20\": \"seas\"}}");
    free(clip_render(&c, 0));
    struct engine_job *job = clip_job(&c, 1);
    json_t *recipe = fixture_recipe(
        "tiny", "{\"num_frames\": 6, \"prompts_by_frame\": {\"0\": \"x\", \"2\": \"a boat\"}}");
    const struct engine_request request = {.recipe = recipe};
    struct engine_job *other = engine_job_new(model, &request, 1, &err);
    expect_ok(other != NULL, &err);
    assert_true(engine_job_text(job, &text) && engine_job_text(other, &own));
    assert_int_equal(text.frames, 6);
    const int64_t frame = (int64_t)text.tokens * text.channels;
    assert_memory_equal(text.embedding + (6 + 2) * frame, own.embedding + (6 + 2) * frame,
                        (size_t)frame * sizeof(float));
    assert_memory_not_equal(text.embedding + (6 + 0) * frame, text.embedding + (6 + 2) * frame,
                            (size_t)frame * sizeof(float));
    engine_job_free(job);
    engine_job_free(other);
    json_decref(recipe);
    clip_end(&c);
}

/* ---- new frames after held ones ---- */

/* Off or on, held frames are the same and new ones differ by one gain and one offset a channel. */
static void re_anchoring_is_a_gain_and_an_offset(void **state)
{
    (void)state;
    float *ends[2];
    for (int on = 0; on < 2; on++) {
        char extra[160];
        snprintf(extra, sizeof extra,
                 "{\"num_frames\": 10, \"segment_frames\": 6, \"overlap\": 2, \"reanchor\": %s}",
                 on ? "true" : "false");
        struct clip c = clip_begin(model, extra);
        free(clip_render(&c, 0));
        ends[on] = clip_render(&c, 1);
        clip_end(&c);
    }
    for (int k = 0; k < CLIP_CHANNELS; k++) {
        const float *off = ends[0] + k * 6 * CLIP_CELLS, *on = ends[1] + k * 6 * CLIP_CELLS;
        assert_memory_equal(off, on, 2 * CLIP_CELLS * sizeof *on);
        const int a = 2 * CLIP_CELLS, b = a + 17;
        const double gain = (on[b] - on[a]) / (off[b] - off[a]), offset = on[a] - gain * off[a];
        assert_true(gain > 0.9 - 1e-4 && gain < 1.1 + 1e-4);
        assert_true(fabs(gain - 1) + fabs(offset) > 1e-4);
        for (int p = a; p < 6 * CLIP_CELLS; p++)
            assert_true(fabs(on[p] - (gain * off[p] + offset)) < 1e-3 * (1 + fabs(on[p])));
    }
    free(ends[0]);
    free(ends[1]);
}

/* The joint's outer frames are those of their own side. */
static void joints_hold_both_sides(void **state)
{
    (void)state;
    struct clip c =
        clip_begin(model, "{\"num_frames\": 9, \"segment_frames\": 6, \"method\": \"seam\"}");
    struct plan_task t;
    float *left = clip_render(&c, 0), *right = clip_render(&c, 1);
    struct engine_job *job = clip_job(&c, 2);
    plan_task(&c.plan, 2, &t);
    assert_int_equal(t.kind, PLAN_JOIN);
    assert_true(engine_job_step_count(job) < 4);
    run_rest(job);
    float *joint = job_latents(job);
    const size_t held = t.held_first, last = t.held_last, frames = t.frames;
    assert_true(held >= 2 && last >= 2 && held + last < frames);
    for (size_t k = 0; k < CLIP_CHANNELS; k++) {
        assert_memory_equal(joint + k * frames * CLIP_CELLS, left + (k * 6 + t.first) * CLIP_CELLS,
                            held * CLIP_CELLS * sizeof *left);
        assert_memory_equal(joint + (k * frames + frames - last) * CLIP_CELLS,
                            right + (k * 6 + t.first + frames - last - 3) * CLIP_CELLS,
                            last * CLIP_CELLS * sizeof *left);
    }
    engine_job_free(job);
    free(left);
    free(right);
    free(joint);
    clip_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_frames_are_the_given_ones_at_the_end),
        cmocka_unit_test(held_frames_carry_the_noise_of_each_step),
        cmocka_unit_test(start_noise_does_not_depend_on_the_window),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(tasks_resume_bit_for_bit),
        cmocka_unit_test(jobs_have_the_steps_of_their_plan),
        cmocka_unit_test(an_extension_is_the_chain_that_goes_on),
        cmocka_unit_test(an_extension_begins_with_pictures),
        cmocka_unit_test(prompts_count_frames_of_the_clip),
        cmocka_unit_test(re_anchoring_is_a_gain_and_an_offset),
        cmocka_unit_test(joints_hold_both_sides),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}

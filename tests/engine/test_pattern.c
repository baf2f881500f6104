/* The pattern family: its closed form, its canary, and the faults it makes on request. */
#include "tiny_copy.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"

#define PATTERN TEST_SOURCE "/models/pattern"

enum { WIDTH = 64, HEIGHT = 64, FRAMES = 4, FRAME_BYTES = 3 * WIDTH * HEIGHT };

static struct engine_model *open_pattern(void)
{
    struct error err = {0};
    const struct engine_options options = {.backend = NULL, .threads = 1};
    struct engine_model *model = engine_open(PATTERN, &options, &err);
    expect_ok(model != NULL, &err);
    return model;
}

static struct engine_job *try_job(struct engine_model *model, const char *extra, struct error *err)
{
    json_t *recipe = fixture_recipe("pattern", extra);
    const struct engine_request recipes[] = {{.recipe = recipe}};
    struct engine_job *job = engine_job_new(model, recipes, 1, err);
    json_decref(recipe);
    return job;
}

static struct engine_job *open_job(struct engine_model *model, const char *extra)
{
    struct error err = {0};
    struct engine_job *job = try_job(model, extra, &err);
    expect_ok(job != NULL, &err);
    return job;
}

static bool run_steps(struct engine_job *job, struct error *err)
{
    while (engine_job_step_index(job) < engine_job_step_count(job))
        if (!engine_job_step(job, err)) return false;
    return true;
}

static uint8_t *render(struct engine_model *model, const char *extra)
{
    struct error err = {0};
    struct engine_job *job = open_job(model, extra);
    uint8_t *rgb = malloc(FRAMES * FRAME_BYTES);
    assert_non_null(rgb);
    expect_ok(run_steps(job, &err), &err);
    expect_ok(engine_job_decode(job, 0, 0, FRAMES, rgb, &err), &err);
    engine_job_free(job);
    return rgb;
}

/* Pixels that a second implementation of the formula gave (frame, x, y, colour). */
static void the_canary_is_right(void **state)
{
    (void)state;
    static const int want[][6] = {{0, 0, 0, 255, 148, 40},
                                  {1, 63, 0, 255, 40, 88},
                                  {2, 10, 40, 40, 255, 103},
                                  {3, 63, 63, 113, 40, 255}};
    struct error err = {0};
    char hex[DIGEST_TEXT_SIZE];
    json_t *canary = json_parse_file(PATTERN "/canary.json", 1 << 20, &err);
    expect_ok(canary != NULL, &err);
    const json_t *recipe = json_object_get(canary, "recipe");
    struct engine_model *model = open_pattern();
    const struct engine_request request = {.recipe = recipe};
    struct engine_job *job = engine_job_new(model, &request, 1, &err);
    expect_ok(job != NULL && run_steps(job, &err), &err);
    uint8_t *rgb = malloc(FRAMES * FRAME_BYTES);
    expect_ok(engine_job_decode(job, 0, 0, FRAMES, rgb, &err), &err);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        for (int c = 0; c < 3; c++)
            assert_int_equal(rgb[((want[i][0] * HEIGHT + want[i][2]) * WIDTH + want[i][1]) * 3 + c],
                             want[i][3 + c]);
    const struct digest digest = digest_of(rgb, FRAMES * FRAME_BYTES);
    digest_text(&digest, hex);
    assert_string_equal(
        hex, json_string_value(json_object_get(json_object_get(canary, "frames_sha256"), "*")));
    free(rgb);
    engine_job_free(job);
    engine_close(model);
    json_decref(canary);
}

static void frames_are_neither_black_nor_still(void **state)
{
    (void)state;
    struct engine_model *model = open_pattern();
    for (int seed = 0; seed < 20; seed++) {
        char extra[32];
        snprintf(extra, sizeof extra, "{\"seed\": %d}", seed);
        uint8_t *rgb = render(model, extra);
        for (int f = 1; f < FRAMES; f++) {
            int64_t change = 0;
            for (int i = 0; i < FRAME_BYTES; i++)
                change += abs(rgb[f * FRAME_BYTES + i] - rgb[(f - 1) * FRAME_BYTES + i]);
            assert_true(change > 2 * FRAME_BYTES);
        }
        for (int i = 0; i < FRAMES * FRAME_BYTES; i++)
            assert_true(rgb[i] >= 40);
        free(rgb);
    }
    engine_close(model);
}

/* Steps, guidance, sampler and the other requests of a job change nothing; prompt and seed change
 * all. */
static void only_prompt_and_seed_decide(void **state)
{
    (void)state;
    struct engine_model *model = open_pattern();
    uint8_t *a = render(model, "{}"),
            *b = render(
                model,
                "{\"num_inference_steps\": 9, \"guidance_scale\": 1, \"scheduler\": \"dpm++\"}");
    uint8_t *c = render(model, "{\"seed\": 43}"),
            *d = render(model, "{\"prompt\": \"a blue fox\"}");
    assert_memory_equal(a, b, FRAMES * FRAME_BYTES);
    assert_memory_not_equal(a, c, FRAMES * FRAME_BYTES);
    assert_memory_not_equal(a, d, FRAMES * FRAME_BYTES);
    free(a), free(b), free(c), free(d);
    engine_close(model);
}

static void frames_may_be_taken_one_by_one(void **state)
{
    (void)state;
    struct error err = {0};
    struct engine_model *model = open_pattern();
    uint8_t *whole = render(model, "{}"), *one = malloc(FRAME_BYTES);
    struct engine_job *job = open_job(model, "{}");
    for (int f = FRAMES - 1; f >= 0; f--) {
        expect_ok(engine_job_decode(job, 0, f, 1, one, &err), &err);
        assert_memory_equal(one, whole + f * FRAME_BYTES, FRAME_BYTES);
    }
    engine_job_free(job);
    free(whole), free(one);
    engine_close(model);
}

static void odd_shapes_are_honoured(void **state)
{
    (void)state;
    struct error err = {0};
    struct engine_model *model = open_pattern();
    struct engine_job *job = open_job(model, "{\"width\": 8, \"height\": 4096, \"num_frames\": 1}");
    const struct engine_shape shape = engine_job_shape(job);
    assert_int_equal(shape.width, 8);
    assert_int_equal(shape.height, 4096);
    assert_int_equal(shape.latent_height, 512);
    uint8_t *rgb = malloc(3 * 8 * 4096);
    expect_ok(engine_job_decode(job, 0, 0, 1, rgb, &err), &err);
    free(rgb);
    engine_job_free(job);
    engine_close(model);
}

/* ---- faults ---- */

static void a_step_fails_as_asked(void **state)
{
    (void)state;
    struct error err = {0};
    struct engine_model *model = open_pattern();
    struct engine_job *job = open_job(model, "{\"pattern\": {\"fail_step\": 3}}");
    assert_false(run_steps(job, &err));
    assert_int_equal(engine_job_step_index(job), 2);
    assert_int_equal(err.code, ERROR_FAILED);
    assert_non_null(strstr(err.message, "step 3 of 4"));
    engine_job_free(job);
    engine_close(model);
}

static void a_crash_takes_the_process(void **state)
{
    (void)state;
    struct engine_model *model = open_pattern();
    int status;
    const pid_t child = fork();
    if (child == 0) {
        struct error err = {0};
        (void)run_steps(open_job(model, "{\"pattern\": {\"crash_step\": 3}}"), &err);
        _exit(0);
    }
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    engine_close(model);
}

static void garbage_is_other_frames(void **state)
{
    (void)state;
    struct engine_model *model = open_pattern();
    uint8_t *good = render(model, "{}"),
            *late = render(model, "{\"pattern\": {\"garbage_step\": 9}}");
    uint8_t *bad = render(model, "{\"pattern\": {\"garbage_step\": 4}}");
    assert_memory_equal(good, late, FRAMES * FRAME_BYTES);
    assert_memory_not_equal(good, bad, FRAME_BYTES);
    free(good), free(late), free(bad);
    engine_close(model);
}

static void steps_take_their_time(void **state)
{
    (void)state;
    struct error err = {0};
    struct engine_model *model = open_pattern();
    struct engine_job *job = open_job(model, "{\"pattern\": {\"step_ms\": 15}}");
    const int64_t start_ns = clock_now_ns();
    expect_ok(run_steps(job, &err), &err);
    assert_true(clock_now_ns() - start_ns >= 60 * NS_PER_MS);
    engine_job_free(job);
    engine_close(model);
}

struct watch {
    struct engine_job *job;
    int cancel_after; /* reports */
    int reports, steps, frames;
};

static void count_progress(void *arg, const struct engine_progress *p)
{
    struct watch *w = arg;
    assert_true(p->fraction >= 0 && p->fraction <= 1 && p->done <= p->total);
    if (p->phase == ENGINE_STEP) w->steps = p->done;
    if (p->phase == ENGINE_DECODE) w->frames = p->done;
    if (++w->reports == w->cancel_after) engine_job_cancel(w->job);
}

static void progress_is_told_within_steps(void **state)
{
    (void)state;
    struct error err = {0};
    struct engine_model *model = open_pattern();
    struct engine_job *job = open_job(model, "{\"pattern\": {\"step_ms\": 30}}");
    struct watch watch = {.job = job};
    uint8_t *rgb = malloc(FRAMES * FRAME_BYTES);
    engine_job_watch(job, count_progress, &watch);
    expect_ok(run_steps(job, &err), &err);
    assert_int_equal(watch.steps, 4);
    assert_true(watch.reports > 8);
    expect_ok(engine_job_decode(job, 0, 1, 2, rgb, &err), &err);
    assert_int_equal(watch.frames, 3);
    free(rgb);
    engine_job_free(job);
    engine_close(model);
}

static void a_slow_step_can_be_canceled(void **state)
{
    (void)state;
    struct error err = {0};
    struct engine_model *model = open_pattern();
    struct engine_job *job = open_job(model, "{\"pattern\": {\"step_ms\": 60000}}");
    struct watch watch = {.job = job, .cancel_after = 3};
    uint8_t rgb[1];
    engine_job_watch(job, count_progress, &watch);
    assert_false(engine_job_step(job, &err));
    assert_int_equal(err.code, ERROR_INTERRUPTED);
    /* It cannot be taken back. */
    assert_false(engine_job_step(job, &err));
    assert_false(engine_job_decode(job, 0, 0, 1, rgb, &err));
    assert_int_equal(err.code, ERROR_INTERRUPTED);
    engine_job_free(job);
    job = open_job(model, "{}"); /* the model is none the worse */
    expect_ok(run_steps(job, &err), &err);
    engine_job_free(job);
    engine_close(model);
}

static void *cancel_soon(void *arg)
{
    const struct timespec pause = {.tv_nsec = 30000000};
    nanosleep(&pause, NULL);
    engine_job_cancel(arg);
    return NULL;
}

static void a_hanging_step_reports_nothing(void **state)
{
    (void)state;
    struct error err = {0};
    pthread_t canceler;
    struct engine_model *model = open_pattern();
    struct engine_job *job = open_job(model, "{\"pattern\": {\"hang_step\": 1}}");
    struct watch watch = {.job = job};
    engine_job_watch(job, count_progress, &watch);
    assert_int_equal(pthread_create(&canceler, NULL, cancel_soon, job), 0);
    assert_false(engine_job_step(job, &err));
    pthread_join(canceler, NULL);
    assert_int_equal(err.code, ERROR_INTERRUPTED);
    assert_true(watch.reports <= 1);
    engine_job_free(job);
    engine_close(model);
}

/* ---- windows ---- */

enum { WINDOW = 6 };

/* Renders task `number` of a chain from what stands in `latents`, which becomes what it hands over;
 * its window's frames are the caller's. */
static uint8_t *render_window(struct engine_model *model, const json_t *recipe, uint32_t number,
                              const char *latents)
{
    struct error err = {0};
    struct plan plan;
    struct plan_task task;
    expect_ok(plan_of_recipe(&plan, recipe, NULL, &err), &err);
    plan_task(&plan, number, &task);
    const struct engine_request request = {.recipe = recipe,
                                           .window = {.plan = &plan,
                                                      .task = &task,
                                                      .latents = &latents,
                                                      .latents_count = (int)task.input_count}};
    struct engine_job *job = engine_job_new(model, &request, 1, &err);
    expect_ok(job != NULL, &err);
    uint8_t *rgb = malloc(WINDOW * FRAME_BYTES);
    assert_non_null(rgb);
    expect_ok(run_steps(job, &err) && engine_job_decode(job, 0, 0, WINDOW, rgb, &err), &err);
    expect_ok(engine_job_hand_over(job, latents, &err), &err);
    engine_job_free(job);
    return rgb;
}

/* The last value of the file's latents becomes another one: every fact is right, the bytes are not.
 */
static void spoil(const char *path)
{
    struct error err = {0};
    struct buf bytes = BUF_INIT;
    expect_ok(path_read(path, 1 << 20, &bytes, &err), &err);
    memset(bytes.data + bytes.size - 4, 0, 4);
    expect_ok(path_write_atomic(path, bytes.data, bytes.size, 0600, &err), &err);
    buf_finish(&bytes);
}

/* Wrong latents spoil the window that holds them and, by what that hands over, all after it. */
static void wrong_latents_spoil_what_follows(void **state)
{
    (void)state;
    struct engine_model *model = open_pattern();
    char *folder = scratch_folder(), *latents = scratch_path(folder, "latents");
    json_t *recipe =
        fixture_recipe("pattern", "{\"num_frames\": 14, \"segment_frames\": 6, \"overlap\": 2,"
                                  " \"method\": \"chain\", \"noise\": \"indexed\"}");
    for (int spoiled = 0; spoiled < 2; spoiled++) {
        uint8_t *windows[3];
        for (uint32_t k = 0; k < 3; k++) {
            windows[k] = render_window(model, recipe, k, latents);
            if (k == 0 && spoiled) spoil(latents);
        }
        for (int k = 0; k < 2; k++) {
            const bool same =
                memcmp(windows[k] + 4 * FRAME_BYTES, windows[k + 1], 2 * FRAME_BYTES) == 0;
            assert_int_equal(same, !spoiled || k == 1);
        }
        for (int k = 0; k < 3; k++)
            free(windows[k]);
    }
    json_decref(recipe);
    free(latents);
    scratch_remove(folder);
    engine_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_canary_is_right),
        cmocka_unit_test(frames_are_neither_black_nor_still),
        cmocka_unit_test(only_prompt_and_seed_decide),
        cmocka_unit_test(frames_may_be_taken_one_by_one),
        cmocka_unit_test(odd_shapes_are_honoured),
        cmocka_unit_test(a_step_fails_as_asked),
        cmocka_unit_test(a_crash_takes_the_process),
        cmocka_unit_test(garbage_is_other_frames),
        cmocka_unit_test(steps_take_their_time),
        cmocka_unit_test(progress_is_told_within_steps),
        cmocka_unit_test(a_slow_step_can_be_canceled),
        cmocka_unit_test(a_hanging_step_reports_nothing),
        cmocka_unit_test(wrong_latents_spoil_what_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

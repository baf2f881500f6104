/* Co-denoising and repeated steps beside loops that do the same in another way: one process that
 * denoises the whole clip, asking a plain job for each window's prediction. */
#include "clip_run.h"

#include "engine/noise/noise.h"
#include "engine/sampler/sampler.h"

enum { FRAMES = 14, WINDOW = 6, STRIDE = 4, WINDOWS = 3, STEPS = 4 };
enum { ALL = FRAMES * CLIP_FRAME, PART = WINDOW * CLIP_FRAME };

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

/* ---- the reference ---- */

struct reference {
    struct noise_schedule schedule;
    struct sampler_path *path;
    struct sampler_run *whole, *parts[WINDOWS];
    struct noise_state *noise;
    struct engine_job *jobs[WINDOWS]; /* plain ones: only what they predict is used */
    float *x[WINDOWS], *said[WINDOWS];
};

static const struct noise *indexed(void)
{
    return noise_find("indexed");
}

/* [C][frames][h][w] of frames first .. first + frames - 1. */
struct drawing {
    const struct reference *r;
    int first, frames, step;
    enum noise_purpose purpose;
};

static void draw(void *arg, float *out)
{
    const struct drawing *d = arg;
    float one[CLIP_FRAME];
    for (int f = 0; f < d->frames; f++) {
        const struct noise_place place = {
            .purpose = d->purpose, .step = d->step, .frame = d->first + f};
        indexed()->frame(d->r->noise, &place, one, CLIP_FRAME);
        for (int k = 0; k < CLIP_CHANNELS; k++)
            memcpy(out + (k * d->frames + f) * CLIP_CELLS, one + k * CLIP_CELLS,
                   CLIP_CELLS * sizeof *one);
    }
}

static int window_first(int window)
{
    return window * STRIDE < FRAMES - WINDOW ? window * STRIDE : FRAMES - WINDOW;
}

static void cut(const float *all, int window, float *part)
{
    for (int k = 0; k < CLIP_CHANNELS; k++)
        memcpy(part + k * WINDOW * CLIP_CELLS,
               all + (k * FRAMES + window_first(window)) * CLIP_CELLS,
               WINDOW * CLIP_CELLS * sizeof *part);
}

static int pyramid(int place)
{
    return (place < WINDOW - 1 - place ? place : WINDOW - 1 - place) + 1;
}

/* Of what the windows that see a frame have for it. */
static void average(float *const *parts, float *all)
{
    for (int k = 0; k < CLIP_CHANNELS; k++)
        for (int f = 0; f < FRAMES; f++)
            for (int p = 0; p < CLIP_CELLS; p++) {
                float first = 0, change = 0, weight = 0;
                for (int w = 0; w < WINDOWS; w++) {
                    const int place = f - window_first(w);
                    if (place < 0 || place >= WINDOW) continue;
                    const float v = parts[w][(k * WINDOW + place) * CLIP_CELLS + p];
                    if (weight == 0) first = v;
                    change += (float)pyramid(place) * (v - first);
                    weight += (float)pyramid(place);
                }
                all[(k * FRAMES + f) * CLIP_CELLS + p] = first + change / weight;
            }
}

static struct sampler_run *begin_run(const struct reference *r, int64_t count)
{
    struct error err = {0};
    const struct sampler_setup setup = {
        .schedule = &r->schedule, .path = r->path, .count = count, .eta = 0};
    struct sampler_run *run = sampler_begin(&setup, &err);
    expect_ok(run != NULL, &err);
    return run;
}

static void begin(struct reference *r, const char *sampler)
{
    struct error err = {0};
    const struct sampler_wish wish = {0};
    const struct noise_setup seed = {.seed = 42};
    char extra[128];
    expect_ok(noise_schedule_read(TINY "/scheduler/scheduler_config.json", &r->schedule, &err),
              &err);
    r->path = sampler_path_new(sampler_find(sampler), &r->schedule, &wish, STEPS, &err);
    expect_ok(r->path != NULL, &err);
    r->noise = indexed()->begin(&seed);
    r->whole = begin_run(r, ALL);
    snprintf(extra, sizeof extra, "{\"num_frames\": %d, \"scheduler\": \"%s\"}", WINDOW, sampler);
    json_t *recipe = fixture_recipe("tiny", extra);
    const struct engine_request request = {.recipe = recipe};
    for (int w = 0; w < WINDOWS; w++) {
        r->parts[w] = begin_run(r, PART);
        r->jobs[w] = engine_job_new(model, &request, 1, &err);
        expect_ok(r->jobs[w] != NULL, &err);
        r->x[w] = xcalloc(PART, sizeof(float));
        r->said[w] = xcalloc(PART, sizeof(float));
    }
    json_decref(recipe);
}

static void end(struct reference *r)
{
    for (int w = 0; w < WINDOWS; w++) {
        sampler_end(r->parts[w]);
        engine_job_free(r->jobs[w]);
        free(r->x[w]);
        free(r->said[w]);
    }
    sampler_end(r->whole);
    indexed()->end(r->noise);
    sampler_path_free(r->path);
    noise_schedule_finish(&r->schedule);
}

static void predict(struct reference *r, int window)
{
    struct error err = {0};
    expect_ok(engine_job_latents_set(r->jobs[window], 0, r->x[window], &err), &err);
    expect_ok(engine_job_step(r->jobs[window], &err), &err);
    memcpy(r->said[window], engine_job_prediction(r->jobs[window]), PART * sizeof(float));
}

static void solve_window(struct reference *r, int window, int step)
{
    struct drawing d = {r, window_first(window), WINDOW, step, NOISE_STEP};
    sampler_step(r->parts[window], step, r->x[window], r->said[window], draw, &d);
}

/* Latents, history and prediction of the windows become the clip's; its solver does one step; the
 * windows get their parts of that. */
static void solve_clip(struct reference *r, int step, float *x)
{
    float *said = xcalloc(ALL, sizeof *said);
    struct drawing d = {r, 0, FRAMES, step, NOISE_STEP};
    average(r->x, x);
    average(r->said, said);
    for (int h = 0; h < r->path->sampler->kept; h++) {
        float *parts[WINDOWS];
        for (int w = 0; w < WINDOWS; w++)
            parts[w] = r->parts[w]->kept[h];
        average(parts, r->whole->kept[h]);
    }
    r->whole->filled = r->parts[0]->filled;
    sampler_step(r->whole, step, x, said, draw, &d);
    for (int w = 0; w < WINDOWS; w++) {
        cut(x, w, r->x[w]);
        r->parts[w]->filled = r->whole->filled;
        for (int h = 0; h < r->path->sampler->kept; h++)
            cut(r->whole->kept[h], w, r->parts[w]->kept[h]);
    }
    free(said);
}

/* The clip's last latents, [C][FRAMES][h][w]. */
static float *reference_run(const char *sampler, int sync_every)
{
    struct reference r = {0};
    float *x = xcalloc(ALL, sizeof *x);
    begin(&r, sampler);
    struct drawing d = {&r, 0, FRAMES, 0, NOISE_START};
    draw(&d, x);
    for (int i = 0; i < ALL; i++)
        x[i] *= (float)r.path->start_scale;
    for (int w = 0; w < WINDOWS; w++)
        cut(x, w, r.x[w]);
    for (int step = 0; step < STEPS; step++) {
        const bool syncs = (step + 1) % sync_every == 0 || step + 1 == STEPS;
        for (int w = 0; w < WINDOWS; w++) {
            predict(&r, w);
            if (!syncs) solve_window(&r, w, step);
        }
        if (syncs) solve_clip(&r, step, x);
    }
    end(&r);
    return x;
}

/* ---- tests ---- */

static void expect_same(const char *sampler, int sync_every)
{
    char extra[192];
    snprintf(
        extra, sizeof extra,
        "{\"num_frames\": %d, \"segment_frames\": %d, \"overlap\": %d, \"method\": \"windows\","
        " \"scheduler\": \"%s\", \"sync_every\": %d}",
        FRAMES, WINDOW, WINDOW - STRIDE, sampler, sync_every);
    float *made = clip_run_once(model, extra), *want = reference_run(sampler, sync_every);
    for (int f = 0; f < FRAMES; f++)
        if (!same_frame(want, FRAMES, f, made + f * CLIP_FRAME)) fail_msg("%s frame %d", extra, f);
    free(made);
    free(want);
}

static void rounds_are_one_process_to_the_bit(void **state)
{
    (void)state;
    int count;
    const struct sampler *const *samplers = sampler_all(&count);
    for (int i = 0; i < count; i++)
        for (int sync_every = 1; sync_every <= 3; sync_every++)
            expect_same(samplers[i]->name, sync_every);
}

/* With every step averaged, windows agree wherever they overlap: predictions alone are averaged. */
static void averages_of_equal_values_change_nothing(void **state)
{
    (void)state;
    struct error err = {0};
    struct clip c = clip_begin(model, "{\"num_frames\": 14, \"segment_frames\": 6, \"overlap\": 2,"
                                      " \"method\": \"windows\", \"scheduler\": \"dpm++\"}");
    for (uint32_t task = 0; task < 2 * WINDOWS; task++)
        free(clip_render(&c, task));
    struct latents_file files[2];
    const struct latents_facts want = {
        .task = -1, .channels = 4, .height = 8, .width = 8, .step = 2, .steps = 2};
    for (uint32_t i = 0; i < 2; i++) {
        char *path = clip_latents(&c, WINDOWS + i);
        expect_ok(latents_open(&files[i], path, &want, &err), &err);
        free(path);
    }
    const struct latents_window shared = {4, 2, 4, 8, 8};
    float a[2 * CLIP_FRAME], b[2 * CLIP_FRAME], mean[2 * CLIP_FRAME];
    expect_ok(latents_take(&files[0], &shared, 4, 2, a, &err), &err);
    expect_ok(latents_take(&files[1], &shared, 4, 2, b, &err), &err);
    expect_ok(latents_average(files, 2, "latents", &shared, mean, &err), &err);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_equal(a, mean, sizeof a);
    expect_ok(latents_average(files, 2, "prediction", &shared, mean, &err), &err);
    for (int i = 0; i < 2; i++)
        latents_close(&files[i]);
    clip_end(&c);
}

/* ---- repeated steps ---- */

enum { HELD_FRAMES = 4, HELD = HELD_FRAMES * CLIP_FRAME, JUMP = 3, TIMES = 3 };

static struct engine_job *held_job(const char *extra)
{
    struct error err = {0};
    static uint8_t picture[CLIP_PIXELS];
    for (size_t i = 0; i < sizeof picture; i++)
        picture[i] = (uint8_t)(i * 7);
    json_t *recipe = fixture_recipe("tiny", extra);
    const struct engine_request request = {
        .recipe = recipe, .init = {.frames = 1, .width = 64, .height = 64, .data = picture}};
    struct engine_job *job = engine_job_new(model, &request, 1, &err);
    expect_ok(job != NULL, &err);
    json_decref(recipe);
    return job;
}

/* x of level `step` from that of the next one: what RePaint's equation 8 says, by the levels. */
static void put_noise_back(const struct reference *r, int step, int repetition, float *x)
{
    float one[CLIP_FRAME];
    const double sigma = r->path->sigmas[step],
                 after = step + 1 < STEPS ? r->path->sigmas[step + 1] : 0;
    const double gain = 1 / sqrt(sigma * sigma + 1), gain_after = 1 / sqrt(after * after + 1);
    const double ratio = gain / gain_after;
    const double spread =
        sqrt(gain * gain * sigma * sigma - ratio * ratio * gain_after * gain_after * after * after);
    for (int f = 0; f < HELD_FRAMES; f++) {
        const struct noise_place place = {
            .purpose = NOISE_RETURN, .step = step, .frame = f, .repetition = repetition};
        indexed()->frame(r->noise, &place, one, CLIP_FRAME);
        for (int k = 0; k < CLIP_CHANNELS; k++)
            for (int p = 0; p < CLIP_CELLS; p++) {
                float *value = &x[(k * HELD_FRAMES + f) * CLIP_CELLS + p];
                *value = (float)ratio * *value + (float)spread * one[k * CLIP_CELLS + p];
            }
    }
}

/* Plain jobs that are brought to a step, one for each run of a stretch, with latents set by hand.
 */
static void run_stretch(const struct reference *r, const char *plain, char *const *checkpoints,
                        int from, int to, int repetition, float *x)
{
    struct error err = {0};
    struct engine_job *job = held_job(plain);
    expect_ok(engine_job_load(job, checkpoints[from], &err), &err);
    float *held = job_latents(job); /* frame 0 as this step expects it */
    for (int k = 0; repetition > 0 && k < CLIP_CHANNELS; k++)
        memcpy(x + k * HELD_FRAMES * CLIP_CELLS, held + k * HELD_FRAMES * CLIP_CELLS,
               CLIP_CELLS * sizeof *x);
    expect_ok(engine_job_latents_set(job, 0, x, &err), &err);
    run_to(job, to);
    engine_job_latents_get(job, 0, x);
    for (int step = to - 1; repetition + 1 < TIMES && step >= from; step--)
        put_noise_back(r, step, repetition + 1, x);
    free(held);
    engine_job_free(job);
}

static void repeated_stretches_are_what_repaint_says(void **state)
{
    (void)state;
    static const char plain[] = "{\"init_image\": \"x\", \"hold_frames\": [0],"
                                " \"noise\": \"indexed\"}";
    static const char repeated[] = "{\"init_image\": \"x\", \"hold_frames\": [0], \"noise\": "
                                   "\"indexed\", \"resample_times\": 3, \"resample_jump\": 3}";
    struct error err = {0};
    struct reference r = {0};
    char *folder = scratch_folder(), *checkpoints[STEPS];
    begin(&r, "ddim");
    struct engine_job *job = held_job(plain);
    float *x = job_latents(job);
    for (int step = 0; step < STEPS; step++) {
        char name[32];
        snprintf(name, sizeof name, "step.%d", step);
        checkpoints[step] = scratch_path(folder, name);
        run_to(job, step);
        expect_ok(engine_job_save(job, checkpoints[step], &err), &err);
    }
    engine_job_free(job);
    for (int from = 0; from < STEPS; from += JUMP)
        for (int n = 0; n < TIMES; n++)
            run_stretch(&r, plain, checkpoints, from, from + JUMP < STEPS ? from + JUMP : STEPS, n,
                        x);
    job = held_job(repeated);
    assert_int_equal(engine_job_step_count(job), STEPS * TIMES);
    assert_float_equal(engine_job_timestep(job, 2), engine_job_timestep(job, 5), 0);
    run_rest(job);
    float *made = job_latents(job);
    expect_close("repeated", made, x, HELD, 1e-5);
    engine_job_free(job);
    free(made);
    free(x);
    for (int step = 0; step < STEPS; step++)
        free(checkpoints[step]);
    end(&r);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_are_one_process_to_the_bit),
        cmocka_unit_test(averages_of_equal_values_change_nothing),
        cmocka_unit_test(repeated_stretches_are_what_repaint_says),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}

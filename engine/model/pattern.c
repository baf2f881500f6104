/* pattern: a family without a network. Every frame is a closed form of (prompt, seed, frame, x, y)
 * in integers, the same on every machine: the load for system tests, and a canary whose answer is
 * one hash for all. Frames count in the clip, so that a window's are what they are in any plan.
 * Latents are a closed form too: a task that was given others than its input tasks must have made
 * renders garbage, and hands garbage over. A coloured gradient drifts, a bright block wanders over
 * it; never black (every channel >= LEVEL_MIN), never still (the drift is at least 1/48 of the
 * colour circle a frame). The recipe's `pattern` object makes steps slow, failing, hanging or wrong
 * on purpose. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/xalloc.h"
#include "engine/latents.h"
#include "engine/model/family.h"

#define CHANNELS 4
#define FACTOR 8
#define FRAMES_MAX 1024 /* of a window */
#define STEPS_MAX 1000
#define PIXELS_MAX 4096
#define NAP_NS (5 * NS_PER_MS)

#define LEVEL_MIN 40
#define LEVEL_SPAN (255 - LEVEL_MIN)
#define CIRCLE (6 * LEVEL_SPAN) /* hues */

struct look {             /* of one request, from SHA-256 of prompt and seed */
    int hue;              /* at the origin, 0 .. CIRCLE - 1 */
    int across, down;     /* hue per pixel, in 1/16, signed */
    int drift;            /* hue per frame */
    int block;            /* side of the block in 1/16 of the shorter side */
    int block_hue;        /* away from the background's */
    int block_x, block_y; /* where it starts, in 1/256 of the way */
    int step_x, step_y;   /* its way per frame, in 1/256 */
};

struct pattern_request {
    struct look look;
    uint64_t state; /* of the garbage */
    struct request_pattern faults;
    float *latents;
    bool misled; /* by latents that are not those of the frames before */
};

struct family_job {
    struct pattern_request *requests;
    int count;
    struct engine_shape shape;
    int frame;             /* of the clip, which its frame 0 is */
    int from, steps, done; /* steps of the clip before it; its own */
    int repeats;           /* of each of them */
    bool leaves;           /* a round of co-denoising */
};

static struct look look_of(const char *prompt, uint64_t seed, uint64_t *state)
{
    struct digest_stream stream;
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(seed >> (8 * i));
    digest_begin(&stream);
    digest_update(&stream, prompt, strlen(prompt) + 1);
    digest_update(&stream, bytes, sizeof bytes);
    const struct digest digest = digest_end(&stream);
    const uint8_t *d = digest.bytes;
    memcpy(state, d + 16, sizeof *state);
    return (struct look){.hue = (d[0] * 256 + d[1]) % CIRCLE,
                         .across = (d[2] % 2 == 0 ? 1 : -1) * (16 + d[3] % 64),
                         .down = (d[4] % 2 == 0 ? 1 : -1) * (16 + d[5] % 64),
                         .drift = (d[6] % 2 == 0 ? 1 : -1) * (CIRCLE / 48 + d[7] % (CIRCLE / 24)),
                         .block = 4 + d[8] % 4,
                         .block_hue = CIRCLE / 3 + d[9] % (CIRCLE / 3),
                         .block_x = d[10],
                         .block_y = d[11],
                         .step_x = 12 + d[12] % 24,
                         .step_y = 12 + d[13] % 24};
}

/* ---- frames ---- */

static int wrap(int64_t value, int modulus)
{
    const int rest = (int)(value % modulus);
    return rest < 0 ? rest + modulus : rest;
}

/* Goes 0 .. 256 and back as `at` runs on. */
static int swing(int at)
{
    const int phase = at % 512;
    return phase <= 256 ? phase : 512 - phase;
}

/* The colour circle in integers: one channel at its top, one at its bottom, one between. */
static void colour_of(int hue, int out[3])
{
    const int sector = hue / LEVEL_SPAN, rest = hue % LEVEL_SPAN;
    const int top = 255, rising = LEVEL_MIN + rest, falling = 255 - rest, bottom = LEVEL_MIN;
    const int wheel[6][3] = {{top, rising, bottom}, {falling, top, bottom},
                             {bottom, top, rising}, {bottom, falling, top},
                             {rising, bottom, top}, {top, bottom, falling}};
    memcpy(out, wheel[sector], sizeof wheel[sector]);
}

struct place {
    int left, top, side;
};

static struct place block_at(const struct look *l, const struct engine_shape *s, int frame)
{
    const int shorter = s->width < s->height ? s->width : s->height;
    const int side = shorter * l->block / 16;
    return (struct place){(s->width - side) * swing(l->block_x + frame * l->step_x) / 256,
                          (s->height - side) * swing(l->block_y + frame * l->step_y) / 256, side};
}

static void pixel_of(const struct look *l, const struct place *block, int frame, int x, int y,
                     int out[3])
{
    int64_t hue =
        l->hue + (int64_t)frame * l->drift + ((int64_t)x * l->across + (int64_t)y * l->down) / 16;
    const bool inside = x >= block->left && x < block->left + block->side && y >= block->top &&
                        y < block->top + block->side;
    if (inside) hue = l->hue + l->block_hue + (int64_t)frame * l->drift;
    colour_of(wrap(hue, CIRCLE), out);
}

/* splitmix64, S. Vigna: a well-mixed word for each pixel. */
static uint64_t mixed(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void garbage_pixel(uint64_t state, int frame, int x, int y, int out[3])
{
    const uint64_t word =
        mixed(state ^ mixed((uint64_t)frame << 32 ^ (uint64_t)y << 16 ^ (uint64_t)x));
    for (int c = 0; c < 3; c++)
        out[c] = (int)(word >> (8 * c) & 0xff);
}

static bool is_garbage(const struct family_job *j, const struct pattern_request *r)
{
    return r->misled || (r->faults.garbage_step > 0 && j->from + j->done >= r->faults.garbage_step);
}

/* p / 127.5 - 1 comes back as exactly p from the rounding that every family's frames go through. */
static bool job_decode(struct family_job *j, int request, int frame, struct ops *ops, float *out,
                       struct error *err)
{
    const struct pattern_request *r = &j->requests[request];
    frame += j->frame;
    const struct place block = block_at(&r->look, &j->shape, frame);
    const int64_t plane = (int64_t)j->shape.width * j->shape.height;
    int colour[3];
    for (int y = 0; y < j->shape.height; y++)
        for (int x = 0; x < j->shape.width; x++) {
            if (is_garbage(j, r))
                garbage_pixel(r->state, frame, x, y, colour);
            else
                pixel_of(&r->look, &block, frame, x, y, colour);
            for (int c = 0; c < 3; c++)
                out[c * plane + (int64_t)y * j->shape.width + x] = (float)colour[c] / 127.5f - 1;
        }
    return ops_tick(ops, 1, err);
}

/* ---- steps ---- */

static void nap(int64_t duration_ns)
{
    const struct timespec time = {.tv_sec = (time_t)(duration_ns / NS_PER_S),
                                  .tv_nsec = (long)(duration_ns % NS_PER_S)};
    nanosleep(&time, NULL);
}

/* A hanging step reports nothing: a watcher must see it as dead, only a cancel ends it. */
static bool hang(const struct ops *ops, struct error *err)
{
    while (ops->cancel == NULL || !atomic_load(ops->cancel))
        nap(NAP_NS);
    return error_set(err, ERROR_INTERRUPTED, "canceled");
}

static bool sleep_step(struct ops *ops, int64_t step_ms, struct error *err)
{
    const int64_t start_ns = clock_now_ns(), end_ns = start_ns + step_ms * NS_PER_MS;
    for (int64_t now_ns = start_ns; now_ns < end_ns; now_ns = clock_now_ns()) {
        if (!ops_tick(ops, (double)(now_ns - start_ns) / (double)(end_ns - start_ns), err))
            return false;
        nap(end_ns - now_ns < NAP_NS ? end_ns - now_ns : NAP_NS);
    }
    return ops_tick(ops, 0, err);
}

/* Latents that tell requests, frames and steps apart, small exact fractions. */
static float latent_at(const struct family_job *j, const struct pattern_request *r, int64_t i)
{
    const int64_t cells = (int64_t)j->shape.latent_height * j->shape.latent_width;
    const int64_t channel = i / cells / j->shape.frames, frame = i / cells % j->shape.frames;
    const int64_t place = ((j->frame + frame) * CHANNELS + channel) * cells + i % cells;
    const uint64_t state = r->misled ? ~r->state : r->state;
    const uint64_t step = (uint64_t)(j->from + j->done / j->repeats);
    return (float)(int)(mixed(state + (uint64_t)place + (step << 40)) % 2048) / 512.0f - 2;
}

static void fill_latents(const struct family_job *j, struct pattern_request *r)
{
    for (int64_t i = 0; i < j->shape.latent_count; i++)
        r->latents[i] = latent_at(j, r, i);
}

static bool run_faults(const struct pattern_request *r, int step, int steps, struct ops *ops,
                       struct error *err)
{
    if (r->faults.fail_step == step)
        return error_set(err, ERROR_FAILED, "step %d of %d: failed, as the recipe asks", step,
                         steps);
    if (r->faults.hang_step == step) return hang(ops, err);
    if (r->faults.crash_step == step) raise(SIGKILL);
    return sleep_step(ops, r->faults.step_ms, err);
}

static bool job_step(struct family_job *j, int index, struct ops *ops, struct error *err)
{
    for (int i = 0; i < j->count; i++)
        if (!run_faults(&j->requests[i], j->from + index + 1, j->from + j->steps, ops, err))
            return false;
    j->done = index + 1;
    for (int i = 0; i < j->count; i++)
        fill_latents(j, &j->requests[i]);
    return true;
}

/* Frames from .. from + count - 1 of the window. */
static void check_latents(const struct family_job *j, struct pattern_request *r, const float *given,
                          int from, int count)
{
    const int64_t cells = (int64_t)j->shape.latent_height * j->shape.latent_width;
    for (int64_t i = 0; i < j->shape.latent_count; i++) {
        const int frame = (int)(i / cells % j->shape.frames);
        if (frame >= from && frame < from + count && given[i] != latent_at(j, r, i)) {
            r->misled = true;
            return;
        }
    }
}

/* Nothing to keep: latents follow from request and step, and tell whether all was well. */
static void job_save(const struct family_job *j, struct safetensors_writer *out)
{
    (void)j;
    (void)out;
}

static bool job_load(struct family_job *j, const struct safetensors *file, const char *path,
                     int step, struct error *err)
{
    (void)file;
    (void)path;
    (void)err;
    j->done = step;
    for (int i = 0; i < j->count; i++)
        check_latents(j, &j->requests[i], j->requests[i].latents, 0, j->shape.frames);
    return true;
}

/* There is no prediction; it tells latents of a round from those of a finished window. */
static void job_hand_over(const struct family_job *j, struct safetensors_writer *out)
{
    const struct latents_facts shape = {.channels = CHANNELS,
                                        .frames = j->shape.frames,
                                        .height = j->shape.latent_height,
                                        .width = j->shape.latent_width};
    if (j->leaves) latents_add_floats(out, "prediction", &shape, j->requests[0].latents);
}

/* ---- windows ---- */

static struct latents_window window_of(const struct family_job *j)
{
    return (struct latents_window){j->frame, j->shape.frames, CHANNELS, j->shape.latent_height,
                                   j->shape.latent_width};
}

/* What a task takes must be what its inputs made: the same closed form, of the step they reached.
 */
static bool take_inputs(const struct family_job *j, struct pattern_request *r,
                        const struct request_window *w, float *given, struct error *err)
{
    const struct latents_window window = window_of(j);
    struct family_job inputs = *j;
    inputs.done = request_window_resumes(w) ? 0 : j->steps;
    if (w->task.kind == PLAN_JOIN && w->input_count == 2) {
        if (!latents_fade(&w->inputs[0], &w->inputs[1], &window, given, err)) return false;
        check_latents(&inputs, r, given, 0, w->frames);
    } else if (request_window_resumes(w)) {
        if (!latents_average(w->inputs, w->input_count, "latents", &window, given, err))
            return false;
        check_latents(&inputs, r, given, 0, w->frames);
    } else if (w->input_count > 0) {
        if (!latents_take(&w->inputs[w->input_count - 1], &window, w->first, w->held_first, given,
                          err))
            return false;
        check_latents(&inputs, r, given, 0, w->held_first);
    }
    return true;
}

/* ---- jobs ---- */

static void job_free(struct family_job *j)
{
    if (j == NULL) return;
    for (int i = 0; i < j->count; i++)
        free(j->requests[i].latents);
    free(j->requests);
    free(j);
}

static struct engine_shape shape_of(const struct request *r, int count)
{
    struct engine_shape s = {.requests = count,
                             .latent_channels = CHANNELS,
                             .frames = r->window.frames,
                             .latent_height = r->height / FACTOR,
                             .latent_width = r->width / FACTOR,
                             .width = r->width,
                             .height = r->height};
    s.latent_count = (int64_t)CHANNELS * s.frames * s.latent_height * s.latent_width;
    return s;
}

static bool begin_request(struct family_job *j, struct pattern_request *r, const struct request *of,
                          struct error *err)
{
    r->look = look_of(of->prompt, of->noise.setup.seed, &r->state);
    r->faults = of->pattern;
    r->latents = alloc_checked((size_t)j->shape.latent_count, sizeof(float), "latents", err);
    if (r->latents == NULL || !take_inputs(j, r, &of->window, r->latents, err)) return false;
    fill_latents(j, r);
    return true;
}

static struct family_job *job_new(void *model, const struct request *requests, int count,
                                  struct error *err)
{
    (void)model;
    struct family_job *j = xcalloc(1, sizeof *j);
    const struct request_window *w = &requests[0].window;
    j->requests = xcalloc((size_t)count, sizeof *j->requests);
    j->count = count;
    j->frame = w->first;
    j->from = w->step_first;
    j->repeats = w->repeats;
    j->steps = w->evaluations * w->repeats;
    j->leaves = w->task.kind == PLAN_ROUND;
    j->shape = shape_of(&requests[0], count);
    for (int i = 0; i < count; i++) {
        if (begin_request(j, &j->requests[i], &requests[i], err)) continue;
        job_free(j);
        return NULL;
    }
    return j;
}

static struct engine_shape job_shape(const struct family_job *j)
{
    return j->shape;
}

static int job_steps(const struct family_job *j)
{
    return j->steps;
}

static double job_timestep(const struct family_job *j, int step)
{
    return j->steps - step;
}

static float *job_latents(struct family_job *j, int request)
{
    return j->requests[request].latents;
}

/* ---- model ---- */

static bool describe(const struct model_folder *folder, json_t *facts, struct error *err)
{
    (void)folder;
    (void)err;
    json_object_set_new(facts, "spatial_factor", json_integer(FACTOR));
    json_object_set_new(facts, "latent_channels", json_integer(CHANNELS));
    json_object_set_new(facts, "steps", family_range(1, STEPS_MAX, 1));
    json_object_set_new(facts, "frames", family_range(1, FRAMES_MAX, 1));
    json_object_set_new(facts, "width", family_range(FACTOR, PIXELS_MAX, FACTOR));
    json_object_set_new(facts, "height", family_range(FACTOR, PIXELS_MAX, FACTOR));
    /* The recipe's scheduler and noise change nothing here, so any is fine. */
    json_object_set_new(facts, "schedulers", family_samplers());
    json_object_set_new(facts, "noises", family_noises());
    json_object_set_new(facts, "samplers", family_sampler_traits());
    json_object_set_new(facts, "noise_kinds", family_noise_traits());
    json_object_set_new(facts, "guidance", json_false());
    json_object_set_new(facts, "init", json_false());
    json_object_set_new(facts, "clip_skip", json_null());
    return true;
}

static void *pattern_open(const struct model_folder *folder, struct ops *ops, struct error *err)
{
    (void)folder;
    (void)ops;
    return alloc_checked(1, 1, "pattern", err);
}

static const char *const pipelines[] = {NULL};

extern const struct family family_pattern;
const struct family family_pattern = {
    .name = "pattern",
    .pipelines = pipelines,
    .uses_backend = false,
    .describe = describe,
    .open = pattern_open,
    .close = free,
    .job_new = job_new,
    .job_free = job_free,
    .job_shape = job_shape,
    .job_steps = job_steps,
    .job_timestep = job_timestep,
    .job_latents = job_latents,
    .job_step = job_step,
    .job_decode = job_decode,
    .job_save = job_save,
    .job_load = job_load,
    .job_hand_over = job_hand_over,
};

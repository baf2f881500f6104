/* Our side of the speed comparison: clips of one model through engine.h, timed as torch_clip.py
 * times them: text encoding, steps and decoding, with the model loaded before.
 *
 *     bench_clip [MODEL] [--runs 3] [--threads 2] [--steps 25] [--guidance 5] [--backend NAME]
 *
 * The first run, which is not printed, warms up. One JSON line a run. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/recipe.h"
#include "engine/engine.h"

struct options {
    const char *model;
    struct engine_options engine;
    int runs, steps;
    double guidance;
};

struct timing {
    double text, steps, decode; /* seconds */
};

static struct options parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"runs", required_argument, NULL, 'r'},    {"threads", required_argument, NULL, 't'},
        {"steps", required_argument, NULL, 's'},   {"guidance", required_argument, NULL, 'g'},
        {"backend", required_argument, NULL, 'b'}, {NULL, 0, NULL, 0}};
    struct options o = {TEST_SOURCE "/models/shapes", {.threads = 2}, 3, 25, 5};
    int c;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1)
        switch (c) {
        case 'r':
            o.runs = atoi(optarg);
            break;
        case 't':
            o.engine.threads = atoi(optarg);
            break;
        case 's':
            o.steps = atoi(optarg);
            break;
        case 'g':
            o.guidance = atof(optarg);
            break;
        case 'b':
            o.engine.backend = optarg;
            break;
        default:
            exit(2);
        }
    if (optind < argc) o.model = argv[optind];
    return o;
}

static json_t *recipe_of(const struct options *o, const char *folder, struct error *err)
{
    json_t *facts = engine_describe(folder, err);
    if (facts == NULL) return NULL;
    json_t *recipe = json_pack("{s:s, s:i, s:i, s:f, s:s}", "prompt",
                               "a red circle moving right on a black background", "seed", 1,
                               "num_inference_steps", o->steps, "guidance_scale", o->guidance,
                               "scheduler", "ddim");
    const bool ok = recipe_fill(recipe, "shapes", json_object_get(facts, "defaults"), err);
    json_decref(facts);
    if (ok) return recipe;
    json_decref(recipe);
    return NULL;
}

static bool finish_clip(struct engine_job *job, int64_t start, struct timing *t, struct error *err)
{
    const struct engine_shape shape = engine_job_shape(job);
    const int64_t after_text = clock_now_ns();
    while (engine_job_step_index(job) < engine_job_step_count(job))
        if (!engine_job_step(job, err)) return false;
    const int64_t after_steps = clock_now_ns();
    uint8_t *rgb = malloc((size_t)shape.frames * (size_t)shape.width * (size_t)shape.height * 3);
    const bool ok = rgb != NULL && engine_job_decode(job, 0, 0, shape.frames, rgb, err);
    free(rgb);
    t->text = (double)(after_text - start) * 1e-9;
    t->steps = (double)(after_steps - after_text) * 1e-9;
    t->decode = (double)(clock_now_ns() - after_steps) * 1e-9;
    return ok;
}

static bool render_clip(struct engine_model *model, const json_t *recipe, struct timing *t,
                        struct error *err)
{
    const int64_t start = clock_now_ns();
    const struct engine_request request = {.recipe = recipe};
    struct engine_job *job = engine_job_new(model, &request, 1, err);
    if (job == NULL) return false;
    const bool ok = finish_clip(job, start, t, err);
    engine_job_free(job);
    return ok;
}

static bool run_all(struct engine_model *model, const json_t *recipe, const struct options *o,
                    struct error *err)
{
    char fingerprint[ENGINE_FINGERPRINT_SIZE];
    struct timing t;
    engine_fingerprint(model, fingerprint);
    for (int run = -1; run < o->runs; run++) {
        if (!render_clip(model, recipe, &t, err)) return false;
        if (run < 0) continue;
        printf("{\"seconds\": %.3f, \"text\": %.4f, \"steps_seconds\": %.3f, \"decode\": %.3f, "
               "\"engine\": \"%s\", \"threads\": %d, \"steps\": %d}\n",
               t.text + t.steps + t.decode, t.text, t.steps, t.decode, fingerprint,
               o->engine.threads, o->steps);
        fflush(stdout);
    }
    return true;
}

int main(int argc, char **argv)
{
    const struct options o = parse(argc, argv);
    struct error err = {0};
    json_t *recipe = recipe_of(&o, o.model, &err);
    struct engine_model *model = recipe != NULL ? engine_open(o.model, &o.engine, &err) : NULL;
    const bool ok = model != NULL && run_all(model, recipe, &o, &err);
    if (!ok) fprintf(stderr, "bench_clip: %s\n", err.message);
    engine_close(model);
    json_decref(recipe);
    return ok ? 0 : 1;
}

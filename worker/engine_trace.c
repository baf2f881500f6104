#include "worker/engine_trace.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/path.h"
#include "base/recipe.h"
#include "base/safetensors.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "engine/engine.h"
#include "engine/threads.h"
#include "worker/engine_lora.h"
#include "worker/engine_profile.h"
#include "worker/raw_images.h"

#define RECIPE_LIMIT_BYTES ((size_t)1 << 20)

static const char usage[] =
    "usage: zoe-engine trace --model DIR --recipe FILE --out FILE.safetensors\n"
    "                        [--lora PATH[:STRENGTH]]... [--backend NAME] [--threads N] [--full]\n"
    "                        [--init-raw FILE] [--mask-raw FILE]\n"
    "                        [--stop-at STEP --checkpoint FILE] [--resume FILE] [--profile]\n"
    "Renders one recipe and writes tokens, text, timesteps, latents and frames; with --full the\n"
    "guided predictions too. Pictures come as `zoe-media frames` leaves them. With --stop-at the\n"
    "latents up to that step and a checkpoint are written and no frames; --resume does the rest.\n"
    "--profile prints memory in bytes and seconds of each phase, as one line of JSON, to stderr.\n";

struct trace_options {
    const char *model, *recipe, *out;
    const char *init_raw, *mask_raw, *checkpoint, *resume;
    int stop_at; /* 0: go to the end */
    struct engine_options engine;
    json_t *loras;
    bool full, profile;
};

struct trace {
    struct engine_job *job;
    struct engine_shape shape;
    struct safetensors_writer *writer;
    float *latents;
    const struct trace_options *options;
    struct engine_profile *profile;
};

/* ---- recording ---- */

static void add_latent_shaped(struct trace *t, const char *kind, int index, const float *data)
{
    const struct engine_shape *s = &t->shape;
    const int64_t dim[] = {1, s->latent_channels, s->frames, s->latent_height, s->latent_width};
    char name[32];
    snprintf(name, sizeof name, "%s.%d", kind, index);
    safetensors_writer_add(t->writer, name, TENSOR_F32, 5, dim, data);
}

static void add_latents(struct trace *t)
{
    engine_job_latents_get(t->job, 0, t->latents);
    add_latent_shaped(t, "latents", engine_job_step_index(t->job), t->latents);
}

static void add_text(struct trace *t)
{
    struct engine_text text;
    if (!engine_job_text(t->job, &text)) return;
    const int64_t id_dim[] = {text.rows, text.tokens};
    const int64_t dim[] = {text.rows, text.frames, text.tokens, text.channels};
    const int64_t still_dim[] = {text.rows, text.tokens, text.channels};
    const bool still = text.frames == 1;
    const size_t count = (size_t)text.rows * (size_t)text.tokens;
    int64_t *ids = xcalloc(count, sizeof *ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = text.ids[i];
    safetensors_writer_add(t->writer, "tokens", TENSOR_I64, 2, id_dim, ids);
    safetensors_writer_add(t->writer, "text", TENSOR_F32, still ? 3 : 4, still ? still_dim : dim,
                           text.embedding);
    free(ids);
}

static void add_timesteps(struct trace *t)
{
    const int64_t dim[] = {engine_job_step_count(t->job)};
    float *timesteps = xcalloc((size_t)dim[0], sizeof *timesteps);
    for (int i = 0; i < (int)dim[0]; i++)
        timesteps[i] = (float)engine_job_timestep(t->job, i);
    safetensors_writer_add(t->writer, "timesteps", TENSOR_F32, 1, dim, timesteps);
    free(timesteps);
}

static bool add_steps(struct trace *t, struct error *err)
{
    const int stop_at = t->options->stop_at, count = engine_job_step_count(t->job);
    const int last = stop_at > 0 && stop_at < count ? stop_at : count;
    if (t->options->resume == NULL) add_latents(t);
    while (engine_job_step_index(t->job) < last) {
        const int step = engine_job_step_index(t->job);
        if (!engine_job_step(t->job, err)) return false;
        engine_profile_lap(t->profile, ENGINE_PROFILE_STEPS);
        const float *prediction = engine_job_prediction(t->job);
        if (t->options->full && prediction != NULL) add_latent_shaped(t, "eps", step, prediction);
        add_latents(t);
    }
    return true;
}

static bool add_frames(struct trace *t, struct error *err)
{
    const struct engine_shape *s = &t->shape;
    const int64_t dim[] = {s->frames, 3, s->height, s->width};
    const size_t frame = (size_t)3 * (size_t)s->height * (size_t)s->width;
    float *frames = alloc_checked((size_t)s->frames, frame * sizeof *frames, "frames", err);
    if (frames == NULL) return false;
    const bool ok = engine_job_decode_float(t->job, 0, 0, s->frames, frames, err);
    engine_profile_lap(t->profile, ENGINE_PROFILE_DECODE);
    if (ok) safetensors_writer_add(t->writer, "frames", TENSOR_F32, 4, dim, frames);
    free(frames);
    return ok;
}

static bool record(struct trace *t, const char *out, struct error *err)
{
    t->shape = engine_job_shape(t->job);
    t->latents = alloc_checked((size_t)t->shape.latent_count, sizeof(float), "latents", err);
    if (t->latents == NULL) return false;
    t->writer = safetensors_writer_new();
    add_text(t);
    add_timesteps(t);
    const bool stops = t->options->stop_at > 0;
    const bool ok =
        add_steps(t, err) &&
        (stops ? engine_job_save(t->job, t->options->checkpoint, err) : add_frames(t, err)) &&
        safetensors_writer_save(t->writer, out, err);
    safetensors_writer_free(t->writer);
    free(t->latents);
    return ok;
}

/* ---- setting up ---- */

/* The LoRAs of the command line stand in for those of the recipe, which are only names. */
static void name_loras(json_t *recipe, const json_t *loras)
{
    size_t i;
    const json_t *lora;
    json_t *named = json_array();
    if (json_array_size(loras) > 0) json_object_set(recipe, "loras", named);
    json_array_foreach(loras, i, lora)
    {
        const char *path = json_string_value(json_object_get(lora, "path"));
        json_array_append_new(named, json_pack("{ss sO}", "name", path_basename(path), "strength",
                                               json_object_get(lora, "strength")));
    }
    json_decref(named);
}

static json_t *read_recipe(const char *path, const char *model, const json_t *loras,
                           struct error *err)
{
    json_t *facts = engine_describe(model, err);
    json_t *recipe = facts != NULL ? json_parse_file(path, RECIPE_LIMIT_BYTES, err) : NULL;
    if (json_is_object(recipe)) name_loras(recipe, loras);
    const bool ok = recipe != NULL && recipe_check(recipe, err) &&
                    recipe_fill(recipe, json_string_value(json_object_get(facts, "name")),
                                json_object_get(facts, "defaults"), err);
    json_decref(facts);
    if (ok) return recipe;
    json_decref(recipe);
    return NULL;
}

static void tell_warnings(const struct engine_job *job)
{
    const char *warning;
    for (int i = 0; (warning = engine_job_warning(job, i)) != NULL; i++)
        fprintf(stderr, "zoe-engine: warning: %s\n", warning);
}

static bool trace_recipe(const struct trace_options *o, struct engine_model *model,
                         const json_t *recipe, struct engine_profile *profile, struct error *err)
{
    struct trace t = {.options = o, .profile = profile};
    struct engine_request request = {.recipe = recipe};
    const int frames = (int)recipe_int(recipe, "num_frames", 1);
    if (raw_images_read(o->init_raw, recipe, frames, 3, &request.init, err) &&
        raw_images_read(o->mask_raw, recipe, frames, 1, &request.mask, err))
        t.job = engine_job_new(model, &request, 1, err);
    engine_profile_lap(profile, ENGINE_PROFILE_ENCODE);
    if (t.job != NULL) tell_warnings(t.job);
    const bool ok = t.job != NULL &&
                    (o->resume == NULL || engine_job_load(t.job, o->resume, err)) &&
                    record(&t, o->out, err);
    engine_job_free(t.job);
    raw_images_free(&request.init);
    raw_images_free(&request.mask);
    return ok;
}

static int trace(const struct trace_options *o)
{
    struct error err = {0};
    json_t *recipe = read_recipe(o->recipe, o->model, o->loras, &err);
    struct engine_profile profile;
    engine_profile_begin(&profile);
    struct engine_model *model = recipe != NULL ? engine_open(o->model, &o->engine, &err) : NULL;
    engine_profile_lap(&profile, ENGINE_PROFILE_OPEN);
    if (model != NULL) engine_lora_print(engine_lora_report(model));
    const bool ok = model != NULL && trace_recipe(o, model, recipe, &profile, &err);
    if (ok && o->profile) engine_profile_print(&profile, model);
    engine_close(model);
    json_decref(recipe);
    if (ok) return 0;
    fprintf(stderr, "zoe-engine: %s\n", err.message);
    return error_exit_code(err.code);
}

static bool take_option(struct trace_options *o, int option)
{
    int64_t number;
    switch (option) {
    case 'm':
        o->model = optarg;
        return true;
    case 'r':
        o->recipe = optarg;
        return true;
    case 'o':
        o->out = optarg;
        return true;
    case 'b':
        o->engine.backend = optarg;
        return true;
    case 'l':
        return engine_lora_option(o->loras, optarg);
    case 'f':
        o->full = true;
        return true;
    case 'p':
        o->profile = true;
        return true;
    case 't':
        if (!text_parse_i64(optarg, 1, THREADS_MAX, &number)) return false;
        o->engine.threads = (int)number;
        return true;
    case 's':
        if (!text_parse_i64(optarg, 1, INT32_MAX, &number)) return false;
        o->stop_at = (int)number;
        return true;
    case 'c':
        o->checkpoint = optarg;
        return true;
    case 'u':
        o->resume = optarg;
        return true;
    case 'i':
        o->init_raw = optarg;
        return true;
    case 'k':
        o->mask_raw = optarg;
        return true;
    default:
        return false;
    }
}

static int run(struct trace_options *o, int argc, char **argv)
{
    static const struct option options[] = {{"model", required_argument, NULL, 'm'},
                                            {"recipe", required_argument, NULL, 'r'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"backend", required_argument, NULL, 'b'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"full", no_argument, NULL, 'f'},
                                            {"profile", no_argument, NULL, 'p'},
                                            {"lora", required_argument, NULL, 'l'},
                                            {"init-raw", required_argument, NULL, 'i'},
                                            {"mask-raw", required_argument, NULL, 'k'},
                                            {"stop-at", required_argument, NULL, 's'},
                                            {"checkpoint", required_argument, NULL, 'c'},
                                            {"resume", required_argument, NULL, 'u'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (!take_option(o, option)) {
            fputs(usage, stderr);
            return error_exit_code(ERROR_USAGE);
        }
    }
    const bool stops = (o->stop_at > 0) == (o->checkpoint != NULL);
    if (o->model != NULL && o->recipe != NULL && o->out != NULL && stops && optind == argc)
        return trace(o);
    fputs(usage, stderr);
    return error_exit_code(ERROR_USAGE);
}

int engine_trace_main(int argc, char **argv)
{
    struct trace_options o = {.engine = {.threads = 1}, .loras = json_array()};
    o.engine.loras = o.loras;
    const int code = run(&o, argc, argv);
    json_decref(o.loras);
    return code;
}

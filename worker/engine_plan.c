#include "worker/engine_plan.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/plan.h"
#include "base/recipe.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/threads.h"
#include "worker/plan_run.h"

#define RECIPE_LIMIT_BYTES ((size_t)1 << 20)

static const char usage[] =
    "usage: zoe-engine plan --model DIR --recipe FILE\n"
    "                       [--run --out DIR] [--upscale-model DIR] [--backend NAME]\n"
    "                       [--threads N] [--init-raw FILE] [--mask-raw FILE]\n"
    "                       [--held FILE | --before-raw FILE]\n"
    "Prints the tasks of a clip, one JSON object a line. With --run it renders them all, one "
    "after\n"
    "the other, each as a worker would, and leaves in DIR\n"
    "  latents.N.safetensors  what task N hands over\n"
    "  segment.N.mkv          the frames that task N makes\n"
    "  frames.raw             all frames that are made, RGB24, as they would be published\n"
    "Pictures come as `zoe-media frames` leaves them, of the whole clip. A clip that extends "
    "another\n"
    "one (extend_frames) begins with that one's latents (--held, as handed over by its last task)\n"
    "or with its last frames (--before-raw, as many as the overlap).\n";

struct plan_options {
    const char *recipe;
    struct plan_run_options run;
    bool runs;
};

/* ---- the plan ---- */

static json_t *read_recipe(const struct plan_options *o, struct error *err)
{
    const char *field = "recipe";
    json_t *facts = engine_describe(o->run.models[0], err);
    json_t *recipe = facts != NULL ? json_parse_file(o->recipe, RECIPE_LIMIT_BYTES, err) : NULL;
    bool ok = recipe != NULL && recipe_check(recipe, err);
    const bool noise_given = json_object_get(recipe, "noise") != NULL;
    ok = ok && recipe_fill(recipe, json_string_value(json_object_get(facts, "name")),
                           json_object_get(facts, "defaults"), err);
    if (ok && !plan_fill(recipe, recipe_int(facts, "window", 0), noise_given, &field, err))
        ok = error_wrap(err, "%s", field);
    json_decref(facts);
    if (ok) return recipe;
    json_decref(recipe);
    return NULL;
}

static json_t *inputs_of(const struct plan_task *t)
{
    json_t *inputs = json_array();
    for (uint32_t i = 0; i < t->input_count; i++)
        json_array_append_new(
            inputs, json_pack("{sI ss}", "task", (json_int_t)t->inputs[i].task, "output",
                              t->inputs[i].output == PLAN_LATENTS ? "latents" : "segment"));
    return inputs;
}

static json_t *task_json(const struct plan_task *t)
{
    const struct {
        const char *name;
        uint32_t value;
    } numbers[] = {{"stage", t->stage},           {"first", t->first},
                   {"frames", t->frames},         {"held_first", t->held_first},
                   {"held_last", t->held_last},   {"step_first", t->step_first},
                   {"step_end", t->step_end},     {"repeats", t->repeats},
                   {"made_first", t->made_first}, {"made_frames", t->made_frames}};
    json_t *out =
        json_pack("{sI ss}", "task", (json_int_t)t->number, "kind", plan_kind_name(t->kind));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        json_object_set_new(out, numbers[i].name, json_integer(numbers[i].value));
    json_object_set_new(out, "latents", json_boolean(t->latents));
    json_object_set_new(out, "inputs", inputs_of(t));
    return out;
}

static void print(json_t *object)
{
    char *line = json_line(object);
    puts(line);
    (void)fflush(stdout);
    free(line);
    json_decref(object);
}

static void print_done(const struct plan_task *task, double seconds)
{
    json_t *line = task_json(task);
    json_object_set_new(line, "seconds", json_real(seconds));
    print(line);
}

static void print_plan(const struct plan *plan)
{
    struct plan_task task;
    const uint32_t count = plan_task_count(plan);
    for (uint32_t i = 0; i < count; i++) {
        plan_task(plan, i, &task);
        print(task_json(&task));
    }
}

static int run(const struct plan_options *o)
{
    struct error err = {0};
    struct plan plan;
    json_t *recipe = read_recipe(o, &err);
    bool ok = recipe != NULL && plan_of_recipe(&plan, recipe, NULL, &err);
    if (ok && !o->runs) print_plan(&plan);
    if (ok && o->runs) ok = plan_run(recipe, &plan, &o->run, print_done, &err);
    json_decref(recipe);
    if (ok) return 0;
    fprintf(stderr, "zoe-engine: %s\n", err.message);
    return error_exit_code(err.code);
}

/* ---- options ---- */

static bool take_option(struct plan_options *o, int option)
{
    const struct {
        int option;
        const char **to;
    } texts[] = {
        {'m', &o->run.models[0]}, {'2', &o->run.models[1]},      {'r', &o->recipe},
        {'o', &o->run.out},       {'b', &o->run.engine.backend}, {'i', &o->run.init_raw},
        {'k', &o->run.mask_raw},  {'h', &o->run.held},           {'v', &o->run.before_raw}};
    int64_t threads;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].option != option) continue;
        *texts[i].to = optarg;
        return true;
    }
    if (option == 'x') return o->runs = true;
    if (option != 't' || !text_parse_i64(optarg, 1, THREADS_MAX, &threads)) return false;
    o->run.engine.threads = (int)threads;
    return true;
}

int engine_plan_main(int argc, char **argv)
{
    static const struct option options[] = {{"model", required_argument, NULL, 'm'},
                                            {"upscale-model", required_argument, NULL, '2'},
                                            {"recipe", required_argument, NULL, 'r'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"backend", required_argument, NULL, 'b'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"init-raw", required_argument, NULL, 'i'},
                                            {"mask-raw", required_argument, NULL, 'k'},
                                            {"held", required_argument, NULL, 'h'},
                                            {"before-raw", required_argument, NULL, 'v'},
                                            {"run", no_argument, NULL, 'x'},
                                            {"help", no_argument, NULL, '?' + 128},
                                            {0}};
    struct plan_options o = {.run.engine.threads = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?' + 128) {
            fputs(usage, stdout);
            return 0;
        }
        if (take_option(&o, option)) continue;
        fputs(usage, stderr);
        return error_exit_code(ERROR_USAGE);
    }
    if (o.run.models[0] != NULL && o.recipe != NULL && o.runs == (o.run.out != NULL) &&
        optind == argc)
        return run(&o);
    fputs(usage, stderr);
    return error_exit_code(ERROR_USAGE);
}

#include "worker/engine_estimate.h"

#include <getopt.h>
#include <stdio.h>

#include "base/text.h"
#include "engine/engine.h"
#include "engine/threads.h"
#include "worker/engine_report.h"

static const char usage[] =
    "usage: zoe-engine estimate --model DIR --size WIDTHxHEIGHT [--frames N] [--steps N]\n"
    "                           [--no-guidance] [--threads N] [--memory-only]\n"
    "Prints memory, operations and expected seconds of one clip, as JSON. The model's weights are\n"
    "not read and need not be there. Without options: 16 frames (1 of a picture), 25 steps, with\n"
    "guidance, 1 thread. --memory-only times nothing and is done at once.\n";

struct estimate_options {
    const char *model;
    struct engine_options engine;
    struct engine_size size;
};

static bool parse_count(const char *text, int *out)
{
    int64_t value;
    if (!text_parse_i64(text, 1, INT32_MAX, &value)) return false;
    *out = (int)value;
    return true;
}

static bool parse_size(const char *text, struct engine_size *size)
{
    char width[16];
    int used = 0;
    return sscanf(text, "%15[0-9]x%n", width, &used) == 1 && used > 0 &&
           parse_count(width, &size->width) && parse_count(text + used, &size->height);
}

static bool take_option(struct estimate_options *o, int option)
{
    switch (option) {
    case 'm':
        o->model = optarg;
        return true;
    case 's':
        return parse_size(optarg, &o->size);
    case 'f':
        return parse_count(optarg, &o->size.frames);
    case 'n':
        return parse_count(optarg, &o->size.steps);
    case 'g':
        o->size.guided = false;
        return true;
    case 'o':
        o->size.memory_only = true;
        return true;
    case 't':
        return parse_count(optarg, &o->engine.threads) && o->engine.threads <= THREADS_MAX;
    default:
        return false;
    }
}

static int usual_frames(const char *model, struct error *err)
{
    json_t *facts = engine_describe(model, err);
    const char *output = json_string_value(json_object_get(facts, "output"));
    const bool known = facts != NULL;
    const int frames = output != NULL && output[0] == 'i' ? 1 : 16;
    json_decref(facts);
    return known ? frames : 0;
}

static int estimate(struct estimate_options *o)
{
    struct error err = {0};
    if (o->size.frames == 0) o->size.frames = usual_frames(o->model, &err);
    json_t *facts =
        o->size.frames > 0 ? engine_estimate(o->model, &o->engine, &o->size, &err) : NULL;
    return engine_report(facts, &err);
}

int engine_estimate_main(int argc, char **argv)
{
    static const struct option options[] = {{"model", required_argument, NULL, 'm'},
                                            {"size", required_argument, NULL, 's'},
                                            {"frames", required_argument, NULL, 'f'},
                                            {"steps", required_argument, NULL, 'n'},
                                            {"no-guidance", no_argument, NULL, 'g'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"memory-only", no_argument, NULL, 'o'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct estimate_options o = {.engine = {.threads = 1}, .size = {.steps = 25, .guided = true}};
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (!take_option(&o, option)) {
            fputs(usage, stderr);
            return error_exit_code(ERROR_USAGE);
        }
    }
    if (o.model != NULL && o.size.width > 0 && optind == argc) return estimate(&o);
    fputs(usage, stderr);
    return error_exit_code(ERROR_USAGE);
}

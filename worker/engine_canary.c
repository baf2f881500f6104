#include "worker/engine_canary.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/canary_recipe.h"
#include "base/id.h"
#include "base/json.h"
#include "base/model_digest.h"
#include "base/recipe.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "engine/engine.h"
#include "engine/threads.h"
#include "worker/engine_report.h"

#define LIKE_LIMIT_BYTES ((size_t)1 << 20)

static const char usage[] =
    "usage: zoe-engine canary --model DIR [--like FILE] [--threads N]\n"
    "Renders the canary of the model in DIR on this machine and prints its recipe, the SHA-256\n"
    "of its frames under this machine's fingerprint, and the frame, as canary.json has them.\n"
    "--like: an older canary.json, whose recipe is rendered instead of one frame of 64x64 in two\n"
    "steps; its digests of other fingerprints are kept when the model is the same.\n";

struct canary_options {
    const char *model;
    json_t *like; /* NULL: there is none */
    struct engine_options engine;
};

struct picture {
    struct engine_shape shape;
    uint8_t *rgb; /* all frames */
    size_t size;
};

/* ---- rendering ---- */

static json_t *filled(const json_t *facts, const json_t *recipe, struct error *err)
{
    const char *name = json_string_value(json_object_get(facts, "name"));
    json_t *copy = json_deep_copy(recipe);
    if (recipe_fill(copy, name, json_object_get(facts, "defaults"), err)) return copy;
    json_decref(copy);
    return NULL;
}

static json_t *recipe_for(const struct canary_options *o, struct error *err)
{
    const json_t *given = json_object_get(o->like, "recipe");
    json_t *facts = engine_describe(o->model, err), *recipe = NULL;
    if (facts != NULL)
        recipe = json_is_object(given) ? filled(facts, given, err) : canary_recipe_of(facts, err);
    json_decref(facts);
    return recipe;
}

static bool run_job(struct engine_job *job, struct picture *p, struct error *err)
{
    while (engine_job_step_index(job) < engine_job_step_count(job))
        if (!engine_job_step(job, err)) return false;
    p->shape = engine_job_shape(job);
    p->size = (size_t)p->shape.width * (size_t)p->shape.height * 3 * (size_t)p->shape.frames;
    p->rgb = alloc_checked(1, p->size, "the frames", err);
    return p->rgb != NULL && engine_job_decode(job, 0, 0, p->shape.frames, p->rgb, err);
}

static bool render(struct engine_model *model, const json_t *recipe, struct picture *p,
                   struct error *err)
{
    const struct engine_request request = {.recipe = recipe};
    struct engine_job *job = engine_job_new(model, &request, 1, err);
    const bool ok = job != NULL && run_job(job, p, err);
    engine_job_free(job);
    return ok;
}

/* ---- saying ---- */

static void put_digest(json_t *object, const char *key, const struct digest *digest)
{
    char text[DIGEST_TEXT_SIZE];
    digest_text(digest, text);
    json_object_set_new(object, key, json_string(text));
}

static void put_frame(json_t *answer, const struct picture *p)
{
    if (p->shape.frames != 1 || p->shape.width > CANARY_RECIPE_SIDE ||
        p->shape.height > CANARY_RECIPE_SIDE)
        return;
    char *hex = xmalloc(2 * p->size + 1);
    hex_encode(p->rgb, p->size, hex);
    json_object_set_new(
        answer, "frame",
        json_pack("{si si ss}", "width", p->shape.width, "height", p->shape.height, "rgb", hex));
    free(hex);
}

static bool put_model(json_t *answer, const char *folder, struct error *err)
{
    struct model_files files = {0};
    const bool ok = model_digest_list(folder, &files, err);
    if (ok) {
        const struct digest digest = model_digest_of(&files);
        put_digest(answer, "model_sha256", &digest);
    }
    model_digest_finish(&files);
    return ok;
}

/* Read again, 5.0 is 5. */
static bool is_alike(const json_t *a, const json_t *b, const char *member)
{
    char *one = json_canonical(json_object_get(a, member));
    char *two = json_canonical(json_object_get(b, member));
    const bool same = strcmp(one, two) == 0;
    free(one);
    free(two);
    return same;
}

/* What other machines rendered of the same. */
static void keep_others(json_t *answer, const json_t *like)
{
    json_t *known = json_object_get(like, "frames_sha256");
    if (json_is_object(known) && json_object_get(like, "model_sha256") != NULL &&
        is_alike(answer, like, "model_sha256") && is_alike(answer, like, "recipe"))
        (void)json_object_update_missing(json_object_get(answer, "frames_sha256"), known);
}

static json_t *answer_of(const struct engine_model *model, json_t *recipe, const struct picture *p)
{
    char fingerprint[ENGINE_FINGERPRINT_SIZE];
    const struct digest digest = digest_of(p->rgb, p->size);
    json_t *frames = json_object();
    engine_fingerprint(model, fingerprint);
    put_digest(frames, fingerprint, &digest);
    json_t *answer = json_pack("{sO so}", "recipe", recipe, "frames_sha256", frames);
    put_frame(answer, p);
    return answer;
}

static json_t *look(const struct canary_options *o, struct engine_model *model, json_t *recipe,
                    struct error *err)
{
    struct picture p = {.rgb = NULL};
    json_t *answer = render(model, recipe, &p, err) ? answer_of(model, recipe, &p) : NULL;
    free(p.rgb);
    if (answer != NULL && put_model(answer, o->model, err)) {
        keep_others(answer, o->like);
        return answer;
    }
    json_decref(answer);
    return NULL;
}

static int canary(const struct canary_options *o)
{
    struct error err = {0};
    json_t *recipe = recipe_for(o, &err), *answer = NULL;
    struct engine_model *model = recipe != NULL ? engine_open(o->model, &o->engine, &err) : NULL;
    if (model != NULL) answer = look(o, model, recipe, &err);
    engine_close(model);
    json_decref(recipe);
    return engine_report(answer, &err);
}

/* ---- options ---- */

static bool take_option(struct canary_options *o, int option)
{
    struct error err = {0};
    int64_t number;
    switch (option) {
    case 'm':
        o->model = optarg;
        return true;
    case 'l':
        json_decref(o->like);
        o->like = json_parse_file(optarg, LIKE_LIMIT_BYTES, &err);
        if (o->like == NULL) fprintf(stderr, "zoe-engine: %s\n", err.message);
        return o->like != NULL;
    case 't':
        if (!text_parse_i64(optarg, 1, THREADS_MAX, &number)) return false;
        o->engine.threads = (int)number;
        return true;
    default:
        return false;
    }
}

static int run(struct canary_options *o, int argc, char **argv)
{
    static const struct option options[] = {{"model", required_argument, NULL, 'm'},
                                            {"like", required_argument, NULL, 'l'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    bool ok = true;
    int option;
    while (ok && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        ok = take_option(o, option);
    }
    if (ok && o->model != NULL && optind == argc) return canary(o);
    fputs(usage, stderr);
    return error_exit_code(ERROR_USAGE);
}

int engine_canary_main(int argc, char **argv)
{
    struct canary_options o = {.engine = {.threads = 1}};
    const int code = run(&o, argc, argv);
    json_decref(o.like);
    return code;
}

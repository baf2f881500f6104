/* zoe model convert: `zoe-engine convert` into a folder, or into the farm. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/commands.h"
#include "cli/engine_tool.h"
#include "cli/model_add.h"
#include "cli/models_asked.h"
#include "cli/output.h"

#define SCAN_LIMIT_NS (900 * NS_PER_S)

static const char *const DTYPES[] = {"f16", "bf16", "f32", NULL};

static const char *choose_dtype(const struct call *call, struct error *err)
{
    const char *given = call_option(call, "dtype");
    for (int i = 0; given && DTYPES[i]; i++)
        if (strcmp(DTYPES[i], given) == 0) return given;
    if (!given) return "f16";
    error_set(err, ERROR_USAGE, "--dtype: '%.40s' is not f16, bf16 or f32", given);
    return NULL;
}

/* A path, else a model of the farm by name. Caller frees. */
static char *find_source(const struct call *call, struct error *err)
{
    const char *source = call->arguments[0];
    if (path_exists(source)) return xstrdup(source);
    if (!model_name_is_valid(source)) {
        error_set(err, ERROR_NOT_FOUND, "there is no file or folder %.200s", source);
        return NULL;
    }
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, err);
    struct message *answer = client ? models_asked(client, source, SCAN_LIMIT_NS, err) : NULL;
    char *path = answer ? xstrdup(answer->envelope->models->models[0]->path) : NULL;
    if (path && !path_is_folder(path)) {
        error_set(err, ERROR_REFUSED, "the files of %s are on the coordinator's machine", source);
        free(path);
        path = NULL;
    }
    message_free(answer);
    if (client) zclient_close(client);
    return path;
}

static bool convert(const char *source, const char *dtype, const char *out, json_t **answer,
                    struct error *err)
{
    const char *const arguments[] = {"convert", "--model", source, "--dtype",
                                     dtype,     "--out",   out,    NULL};
    int status = 0;
    if (!engine_tool(arguments, answer, &status, err)) return false;
    if (status == 0) return true;
    const char *message = json_string_value(json_object_get(*answer, "message"));
    return error_set(err, ERROR_FAILED, "%s", message ? message : "zoe-engine convert failed");
}

static void say(const struct call *call, const char *out, const char *dtype, const json_t *answer)
{
    if (call->json)
        output_print(json_pack("{ss ss sO?}", "path", out, "dtype", dtype, "report", answer),
                     "zoe.model-converted.v1");
    else
        puts(out);
}

static int into_folder(struct call *call, const char *source, const char *dtype, const char *out)
{
    struct error err = {0};
    json_t *answer = NULL;
    bool ok =
        !path_exists(out) ||
        error_set(&err, ERROR_STATE, "%.200s exists already; name a folder that does not", out);
    ok = ok && convert(source, dtype, out, &answer, &err);
    if (ok) say(call, out, dtype, answer);
    json_decref(answer);
    return ok ? 0 : call_fail(call, &err);
}

/* Through a folder beside the farm's models, which goes afterwards. */
static int into_farm(struct call *call, const char *source, const char *dtype, const char *name)
{
    struct error err = {0};
    struct model_add a;
    json_t *answer = NULL;
    bool ok = model_add_begin(&a, call, source, name, &err);
    char *out = ok ? xasprintf("%s/.incoming/%s.convert", a.place.folder, name) : NULL;
    char *parent = ok ? path_dirname(out) : NULL;
    ok = ok && path_make_folders(parent, 0700, &err) && path_remove_tree(out, &err) &&
         convert(source, dtype, out, &answer, &err);
    if (ok) {
        free(a.source.text);
        a.made_from = source;
        a.source.text = xstrdup(out);
        ok = model_add_run(&a, &err);
    }
    int code = ok ? model_add_say(call, &a) : call_fail(call, &err);
    if (out) path_remove_tree(out, NULL);
    json_decref(answer);
    free(parent);
    free(out);
    model_add_finish(&a);
    return code;
}

static int run_convert(struct call *call)
{
    struct error err = {0};
    const char *out = call_option(call, "out"), *name = call_option(call, "name");
    const char *dtype = choose_dtype(call, &err);
    if (dtype && !out == !name)
        error_set(&err, ERROR_USAGE, "say where to: --out DIR, or --name NAME for the farm");
    char *source = err.code ? NULL : find_source(call, &err);
    if (!source) return call_fail(call, &err);
    int code = out ? into_folder(call, source, dtype, out) : into_farm(call, source, dtype, name);
    free(source);
    return code;
}

static const struct option OPTIONS[] = {{"dtype", 0, "TYPE", "f16 (default), bf16 or f32"},
                                        {"out", 'o', "DIR", "a folder that does not exist yet"},
                                        {"name", 0, "NAME", "or: a model of the farm"},
                                        {0}};

const struct command command_model_convert = {
    "model",
    "convert",
    "PATH|MODEL",
    1,
    1,
    "write a model as a diffusers folder in another number format",
    "Reads any form that `zoe model add` takes from a path, or a model of the farm, and writes "
    "safetensors.",
    OPTIONS,
    run_convert,
    false};

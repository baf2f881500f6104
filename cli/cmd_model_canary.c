/* zoe model canary: what a model's own canary looks like when it is rendered here, kept beside the
 * model, so that the farm need not wait until two workers agree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/engine_tool.h"
#include "cli/models_asked.h"
#include "cli/output.h"

#define SCAN_LIMIT_NS (900 * NS_PER_S)

/* An older one tells the recipe, and what other machines rendered. */
static json_t *render(const char *folder, const char *path, struct error *err)
{
    const bool again = path_exists(path);
    const char *const arguments[] = {
        "canary", "--model", folder, again ? "--like" : NULL, again ? path : NULL, NULL};
    json_t *answer = NULL;
    int status = 0;
    if (!engine_tool(arguments, &answer, &status, err)) return NULL;
    if (status == 0 && json_is_object(answer)) return answer;
    json_decref(answer);
    error_set(err, ERROR_FAILED, "zoe-engine could not render the canary");
    return NULL;
}

static bool keep(const char *path, const json_t *canary, struct error *err)
{
    char *text = json_pretty(canary);
    const bool ok = path_write_atomic(path, text, strlen(text), 0644, err);
    free(text);
    return ok;
}

static json_t *make(const Farm__Model *m, const char *path, struct error *err)
{
    if (*m->problem) {
        error_set(err, ERROR_STATE, "%s cannot be used: %s", m->name, m->problem);
        return NULL;
    }
    if (!path_is_folder(m->path)) {
        error_set(err, ERROR_NOT_FOUND,
                  "there is no %s here: run this on the coordinator's machine", m->path);
        return NULL;
    }
    json_t *canary = render(m->path, path, err);
    if (canary != NULL && keep(path, canary, err)) return canary;
    json_decref(canary);
    return NULL;
}

/* Asked for its models, the coordinator looks at their folders: what waits is judged by it too. */
static bool make_known(struct zclient *client, const Farm__Model *m, struct error *err)
{
    struct message *answer = models_asked(client, m->name, SCAN_LIMIT_NS, err);
    const bool ok = answer != NULL;
    message_free(answer);
    return ok;
}

static void say(const struct call *call, const Farm__Model *m, const char *path,
                const json_t *canary)
{
    json_t *known = json_object_get(canary, "frames_sha256");
    if (call->json)
        output_print(json_pack("{ss ss sO}", "name", m->name, "path", path, "frames_sha256", known),
                     "zoe.model-canary.v1");
    else if (call->quiet)
        puts(path);
    else
        printf("%s: the right frames are known for %zu fingerprints%s\n", path,
               json_object_size(known),
               json_object_get(canary, "frame") != NULL ? ", and within a tolerance for others"
                                                        : "");
}

static int run_canary(struct call *call)
{
    struct error err = {0};
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    struct message *answer =
        client ? models_asked(client, call->arguments[0], SCAN_LIMIT_NS, &err) : NULL;
    const Farm__Model *m = answer ? answer->envelope->models->models[0] : NULL;
    char *path = m ? path_join(m->path, "canary.json") : NULL;
    json_t *canary = m ? make(m, path, &err) : NULL;
    const bool ok = canary && make_known(client, m, &err);
    if (ok) say(call, m, path, canary);
    int code = ok ? 0 : call_fail(call, &err);
    json_decref(canary);
    free(path);
    message_free(answer);
    if (client) zclient_close(client);
    return code;
}

const struct command command_model_canary = {
    "model",
    "canary",
    "MODEL",
    1,
    1,
    "render a model's canary here and keep what is right",
    "Workers render a model's canary before they get its tasks. What this machine makes of it is "
    "written to the model's canary.json, by which they are judged from then on; without it two "
    "workers must agree. Run it on the coordinator's machine, when that is known to be sound.",
    NULL,
    run_canary,
    false};

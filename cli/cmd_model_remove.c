/* zoe model remove. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/commands.h"
#include "cli/model_place.h"
#include "cli/model_use.h"
#include "cli/models_asked.h"
#include "cli/output.h"

#define SCAN_LIMIT_NS (900 * NS_PER_S)

/* Only what `add` put there; built-in models and other people's folders stay. */
static bool is_ours(const struct model_place *place, const Farm__Model *m, struct error *err)
{
    char *folder = path_dirname(m->path);
    bool ours = strcmp(folder, place->folder) == 0;
    free(folder);
    if (ours) return true;
    return error_set(err, ERROR_REFUSED,
                     "%s is not the farm's own: it lies in %.200s and came with the program or by "
                     "--models",
                     m->name, m->path);
}

/* Aside first, where the coordinator does not see it: then nothing new can begin to use it, and
 * whatever began in the meantime brings it back. */
static bool set_aside(const struct model_place *place, struct zclient *client, const Farm__Model *m,
                      const char *aside, struct error *err)
{
    struct error gone = {0};
    char *folder = path_dirname(aside);
    bool ok = path_make_folders(folder, 0700, err) && path_remove_tree(aside, err) &&
              path_rename_durable(m->path, aside, err);
    free(folder);
    if (!ok) return false;
    struct message *answer = models_asked(client, m->name, SCAN_LIMIT_NS, &gone);
    message_free(answer);
    if (model_use_check(client, m, err)) return true;
    if (!path_rename_durable(aside, m->path, &gone)) error_wrap(err, "it lies in %s now", aside);
    (void)place;
    return false;
}

static bool remove_model(const struct model_place *place, struct zclient *client,
                         const Farm__Model *m, struct error *err)
{
    if (!is_ours(place, m, err) || !model_use_check(client, m, err)) return false;
    char *aside = xasprintf("%s/.removed/%s", place->folder, path_basename(m->path));
    char *manifest = model_place_manifest(place, path_basename(m->path));
    bool ok = set_aside(place, client, m, aside, err) && path_remove_tree(aside, err);
    if (ok) path_remove_tree(manifest, NULL);
    free(manifest);
    free(aside);
    return ok;
}

static void say(const struct call *call, const Farm__Model *m)
{
    char size[32];
    text_size(m->size_bytes, size, sizeof size);
    if (call->json)
        output_print(json_pack("{ss sI}", "name", m->name, "size_bytes", (json_int_t)m->size_bytes),
                     "zoe.model-removed.v1");
    else if (call->quiet)
        puts(m->name);
    else
        printf("%s removed (%s)\n", m->name, size);
}

static int run_remove(struct call *call)
{
    struct error err = {0};
    struct model_place place = {0};
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    struct message *answer =
        client ? models_asked(client, call->arguments[0], SCAN_LIMIT_NS, &err) : NULL;
    const Farm__Model *m = answer ? answer->envelope->models->models[0] : NULL;
    bool ok =
        m && model_place_find(&place, call, client, &err) && remove_model(&place, client, m, &err);
    int code = 0;
    if (ok)
        say(call, m);
    else
        code = call_fail(call, &err);
    model_place_finish(&place);
    message_free(answer);
    if (client) zclient_close(client);
    return code;
}

const struct command command_model_remove = {"model",
                                             "remove",
                                             "MODEL",
                                             1,
                                             1,
                                             "delete a model of the farm",
                                             "Refused with exit code 7 while a batch that is not "
                                             "finished uses it. Clips that were made with "
                                             "it stay; workers drop their\n"
                                             "copies when they need the room.",
                                             NULL,
                                             run_remove,
                                             false};

/* zoe model list|show. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/json.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/output.h"

static struct message *ask_models(struct zclient *client, const char *name, struct error *err)
{
    char *text = xstrdup(name ? name : "");
    Farm__ModelsWanted body = FARM__MODELS_WANTED__INIT;
    body.name = text;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_MODELS_WANTED;
    request.models_wanted = &body;
    struct message *answer = client_ask(client, &request, FARM__ENVELOPE__BODY_MODELS, err);
    free(text);
    return answer;
}

/* The message with its `description` as JSON instead of text. */
static json_t *model_json(const Farm__Model *m)
{
    json_t *object = output_json(&m->base);
    json_t *description = json_parse(m->description, strlen(m->description), "description", NULL);
    json_object_set_new(object, "description", description ? description : json_null());
    return object;
}

static void print_row(struct output_table *t, const Farm__Model *m)
{
    char size[32], digest[2 * 6 + 1] = "-";
    json_t *d = json_parse(m->description, strlen(m->description), "description", NULL);
    const char *family = json_string_value(json_object_get(d, "family"));
    const char *licence = json_string_value(json_object_get(d, "licence"));
    text_size(m->size_bytes, size, sizeof size);
    if (m->digest.len >= 6) hex_encode(m->digest.data, 6, digest);
    output_table_cell(t, "%s", m->name);
    output_table_cell(t, "%s", family ? family : "-");
    output_table_cell(t, "%s", size);
    output_table_cell(t, "%s", licence ? licence : "-");
    output_table_cell(t, "%s", digest);
    output_table_cell(t, "%s", *m->problem ? m->problem : m->path);
    json_decref(d);
}

static void print_list(const Farm__Models *list)
{
    static const char *const TITLES[] = {"MODEL", "FAMILY", "SIZE", "LICENCE", "DIGEST", "WHERE"};
    struct output_table *t = output_table_create(TITLES, 6);
    for (size_t i = 0; i < list->n_models; i++)
        print_row(t, list->models[i]);
    output_table_print(t);
}

static int run_list(struct call *call)
{
    struct error err = {0};
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    struct message *answer = client ? ask_models(client, NULL, &err) : NULL;
    const Farm__Models *list = answer ? answer->envelope->models : NULL;
    if (list && call->json) {
        json_t *rows = json_array();
        for (size_t i = 0; i < list->n_models; i++)
            json_array_append_new(rows, model_json(list->models[i]));
        output_print(json_pack("{so}", "models", rows), "zoe.models.v1");
    } else if (list && call->quiet) {
        for (size_t i = 0; i < list->n_models; i++)
            puts(list->models[i]->name);
    } else if (list) {
        print_list(list);
    }
    int code = list ? 0 : call_fail(call, &err);
    message_free(answer);
    if (client) zclient_close(client);
    return code;
}

static int run_show(struct call *call)
{
    struct error err = {0};
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    struct message *answer = client ? ask_models(client, call->arguments[0], &err) : NULL;
    bool found = answer && answer->envelope->models->n_models == 1;
    if (answer && !found)
        error_set(&err, ERROR_NOT_FOUND, "no model is named '%s'; `zoe model list` shows them",
                  call->arguments[0]);
    if (found && call->json) {
        output_print(model_json(answer->envelope->models->models[0]), "zoe.model.v1");
    } else if (found && call->quiet) {
        puts(call->arguments[0]);
    } else if (found) {
        json_t *object = model_json(answer->envelope->models->models[0]);
        char *text = json_pretty(object);
        fputs(text, stdout);
        free(text);
        json_decref(object);
    }
    int code = found ? 0 : call_fail(call, &err);
    message_free(answer);
    if (client) zclient_close(client);
    return code;
}

const struct command command_model_list = {"model",       "list", "",   0,        0,
                                           "list models", NULL,   NULL, run_list, false};
const struct command command_model_show = {
    "model", "show", "MODEL", 1, 1, "tell all about a model", NULL, NULL, run_show, false};

/* zoe model list. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/models_asked.h"
#include "cli/output.h"

#define SCAN_LIMIT_NS (900 * NS_PER_S) /* a large new model is read once */

/* ---- list ---- */

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
    struct message *answer = client ? models_asked(client, NULL, SCAN_LIMIT_NS, &err) : NULL;
    const Farm__Models *list = answer ? answer->envelope->models : NULL;
    if (list && call->json) {
        json_t *rows = json_array();
        for (size_t i = 0; i < list->n_models; i++)
            json_array_append_new(rows, models_asked_json(list->models[i]));
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

const struct command command_model_list = {"model",       "list", "",   0,        0,
                                           "list models", NULL,   NULL, run_list, false};

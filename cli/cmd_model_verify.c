/* zoe model verify: every byte read again and compared with the list that was written when the
 * model was added (or first seen by the coordinator). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/model_place.h"
#include "cli/models_asked.h"
#include "cli/output.h"

#define SCAN_LIMIT_NS (900 * NS_PER_S)

struct verdict {
    json_t *rows; /* {"path", "state"} of what is not as it was */
    size_t count;
    uint64_t bytes;
};

static void add_row(struct verdict *v, const char *path, const char *state)
{
    json_array_append_new(v->rows, json_pack("{ss ss}", "path", path, "state", state));
}

/* Both lists are sorted by path. */
static void compare(const struct model_files *was, const struct model_files *is, struct verdict *v)
{
    size_t i = 0, k = 0;
    while (i < was->count || k < is->count) {
        int order = i == was->count  ? 1
                    : k == is->count ? -1
                                     : strcmp(was->items[i].path, is->items[k].path);
        if (order < 0)
            add_row(v, was->items[i++].path, "missing");
        else if (order > 0)
            add_row(v, is->items[k++].path, "added");
        else if (!digest_equal(&was->items[i++].digest, &is->items[k++].digest))
            add_row(v, is->items[k - 1].path, "changed");
    }
    v->count = is->count;
    v->bytes = is->total_bytes;
}

static bool verify(const struct model_place *place, const Farm__Model *m, struct verdict *v,
                   struct error *err)
{
    struct model_files was = {0}, is = {0};
    json_t *manifest = model_place_read_manifest(place, m->name, m->path, err);
    bool ok = manifest && model_manifest_files(manifest, &was, err) &&
              model_digest_list(m->path, &is, err);
    if (ok) compare(&was, &is, v);
    json_decref(manifest);
    model_digest_finish(&was);
    model_digest_finish(&is);
    return ok;
}

static int say(const struct call *call, const Farm__Model *m, const struct verdict *v)
{
    size_t bad = json_array_size(v->rows);
    char size[32];
    if (call->json) {
        output_print(json_pack("{ss sb sI sI sO}", "name", m->name, "whole", bad == 0, "files",
                               (json_int_t)v->count, "size_bytes", (json_int_t)v->bytes, "changes",
                               v->rows),
                     "zoe.model-verified.v1");
    } else {
        text_size(v->bytes, size, sizeof size);
        for (size_t i = 0; i < bad; i++) {
            const json_t *row = json_array_get(v->rows, i);
            printf("%-8s %s\n", json_string_value(json_object_get(row, "state")),
                   json_string_value(json_object_get(row, "path")));
        }
        if (!bad && !call->quiet)
            printf("%s: all %zu files (%s) are as they were\n", m->name, v->count, size);
    }
    if (!bad) return 0;
    struct error err = {0};
    error_set(&err, ERROR_CORRUPT,
              "%s is damaged: %zu of its files changed; `zoe model remove %s`, then add it again",
              m->name, bad, m->name);
    fprintf(stderr, "zoe: %s\n", err.message);
    return error_exit_code(err.code);
}

static int run_verify(struct call *call)
{
    struct error err = {0};
    struct model_place place = {0};
    struct verdict v = {.rows = json_array()};
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    struct message *answer =
        client ? models_asked(client, call->arguments[0], SCAN_LIMIT_NS, &err) : NULL;
    const Farm__Model *m = answer ? answer->envelope->models->models[0] : NULL;
    bool ok = m && model_place_find(&place, call, client, &err) && verify(&place, m, &v, &err);
    int code = ok ? say(call, m, &v) : call_fail(call, &err);
    json_decref(v.rows);
    model_place_finish(&place);
    message_free(answer);
    if (client) zclient_close(client);
    return code;
}

const struct command command_model_verify = {"model",
                                             "verify",
                                             "MODEL",
                                             1,
                                             1,
                                             "read all files of a model again and compare",
                                             "Compares every file with the SHA-256 that was noted "
                                             "when the model was added. Exit code 1 when "
                                             "one changed; each is named.",
                                             NULL,
                                             run_verify,
                                             false};

/* zoe model show: what the coordinator knows of a model, what was noted when it was added, and what
 * a render with it costs on this machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/engine_tool.h"
#include "cli/models_asked.h"
#include "cli/output.h"

#define SCAN_LIMIT_NS (900 * NS_PER_S) /* a large new model is read once */
#define NOTED_BYTES_MAX (16 * 1024 * 1024)

/* ---- what a render costs here ---- */

/* Flags of `show` that the estimate takes as they are. */
static const char *const ESTIMATE_FLAGS[] = {"size", "frames", "steps"};

/* `zoe-engine estimate` on this machine; NULL when the model's files are not here, or it has none.
 */
static json_t *estimate(const struct call *call, const char *folder, struct error *err)
{
    const char *arguments[10] = {"estimate", "--model", folder};
    char *flags[3] = {NULL};
    int count = 3, status = 0;
    json_t *answer = NULL;
    for (int i = 0; i < 3; i++) {
        const char *value = call_option(call, ESTIMATE_FLAGS[i]);
        if (!value) continue;
        flags[i] = xasprintf("--%s", ESTIMATE_FLAGS[i]);
        arguments[count++] = flags[i];
        arguments[count++] = value;
    }
    if (!engine_tool(arguments, &answer, &status, err)) answer = NULL;
    for (int i = 0; i < 3; i++)
        free(flags[i]);
    return answer;
}

static bool is_asked(const struct call *call)
{
    for (int i = 0; i < 3; i++)
        if (call_has(call, ESTIMATE_FLAGS[i])) return true;
    return false;
}

/* Asked for with --size and so on it must work; else it is only told when it does. */
static bool add_estimate(const struct call *call, const Farm__Model *m, json_t *object,
                         struct error *err)
{
    bool asked = is_asked(call);
    if (*m->problem) return true;
    if (!path_is_folder(m->path))
        return !asked ||
               error_set(err, ERROR_REFUSED,
                         "the model's files are on the coordinator's machine (%.200s): run "
                         "`zoe model show` there for what a render costs",
                         m->path);
    json_t *answer = estimate(call, m->path, err);
    if (answer) json_object_set_new(object, "estimate", answer);
    return answer || !asked;
}

/* ---- what was noted when it was added ---- */

/* Where its files are here: "source", "added" and the "check" of its manifest. */
static void add_noted(const Farm__Model *m, json_t *object)
{
    static const char *const KEYS[] = {"source", "added", "check"};
    char *folder = path_dirname(m->path);
    char *path = xasprintf("%s/.manifests/%s.json", folder, path_basename(m->path));
    json_t *manifest = path_exists(path) ? json_parse_file(path, NOTED_BYTES_MAX, NULL) : NULL;
    for (size_t i = 0; manifest && i < sizeof KEYS / sizeof *KEYS; i++) {
        json_t *value = json_object_get(manifest, KEYS[i]);
        if (value) json_object_set(object, KEYS[i], value);
    }
    json_decref(manifest);
    free(path);
    free(folder);
}

/* ---- show ---- */

static void print_line(const char *title, const char *text)
{
    if (text && *text)
        printf("  %s%-10s%s %s\n", output_colour(1, COLOUR_DIM), title,
               output_colour(1, COLOUR_NONE), text);
}

static void print_text(const char *title, const json_t *object, const char *key)
{
    print_line(title, json_string_value(json_object_get(object, key)));
}

/* "width 576, height 320": what a recipe gets when it says nothing. */
static void print_defaults(const json_t *defaults)
{
    struct buf line = BUF_INIT;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)defaults, key, value)
    {
        char shown[JSON_SHOWN_SIZE];
        buf_printf(&line, "%s%s %s", line.size ? ", " : "", key, json_shown(value, shown));
    }
    print_line("defaults", buf_text(&line));
    buf_finish(&line);
}

static void print_parts(const json_t *parts)
{
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i);
        const char *dtype = json_string_value(json_object_get(part, "dtype"));
        char size[32], words[160];
        text_size((uint64_t)json_integer_value(json_object_get(part, "bytes")), size, sizeof size);
        snprintf(words, sizeof words, "%-13s %s, %lld tensors, %s",
                 json_string_value(json_object_get(part, "part")), size,
                 (long long)json_integer_value(json_object_get(part, "tensors")),
                 dtype ? dtype : "-");
        print_line(i ? "" : "parts", words);
    }
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void print_bytes(const char *title, const json_t *e, const char *key)
{
    char size[32];
    double bytes = number_of(e, key);
    if (bytes <= 0) return;
    text_size((uint64_t)bytes, size, sizeof size);
    print_line(title, size);
}

static void print_estimate(const json_t *e)
{
    char words[160], time[64];
    double seconds = number_of(e, "seconds"), flops = number_of(e, "flops_total");
    if (!e) return;
    printf("%sOne render here%s  %.0fx%.0f, %.0f frames, %.0f steps\n",
           output_colour(1, COLOUR_BOLD), output_colour(1, COLOUR_NONE), number_of(e, "width"),
           number_of(e, "height"), number_of(e, "num_frames"), number_of(e, "num_inference_steps"));
    print_bytes("weights", e, "weights_bytes");
    print_bytes("memory", e, "peak_bytes");
    snprintf(words, sizeof words, "%.3g TFLOP (%.3g a step, %.3g to decode)", flops / 1e12,
             number_of(e, "flops_step") / 1e12, number_of(e, "flops_decode") / 1e12);
    if (flops > 0) print_line("work", words);
    if (seconds <= 0) return;
    clock_duration_text((int64_t)(seconds * (double)NS_PER_S), time, sizeof time);
    snprintf(words, sizeof words, "about %s", time);
    print_line("time", words);
}

static void print_model(const Farm__Model *m, const json_t *object)
{
    char size[32], hex[2 * 32 + 1] = "";
    const json_t *d = json_object_get(object, "description");
    text_size(m->size_bytes, size, sizeof size);
    if (m->digest.len == 32) hex_encode(m->digest.data, 32, hex);
    printf("%s%s%s\n", output_colour(1, COLOUR_BOLD), m->name, output_colour(1, COLOUR_NONE));
    print_text("summary", d, "summary");
    print_text("family", d, "family");
    print_text("output", d, "output");
    print_text("licence", d, "licence");
    if (*m->problem) print_line("problem", m->problem);
    print_line("size", size);
    print_line("digest", hex);
    print_line("where", m->path);
    print_text("source", object, "source");
    print_text("added", object, "added");
    print_parts(json_object_get(json_object_get(object, "check"), "parts"));
    if (json_is_object(json_object_get(d, "defaults")))
        print_defaults(json_object_get(d, "defaults"));
    print_estimate(json_object_get(object, "estimate"));
}

static int run_show(struct call *call)
{
    struct error err = {0};
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    struct message *answer =
        client ? models_asked(client, call->arguments[0], SCAN_LIMIT_NS, &err) : NULL;
    const Farm__Model *m = answer ? answer->envelope->models->models[0] : NULL;
    json_t *object = m ? models_asked_json(m) : NULL;
    bool ok = m && add_estimate(call, m, object, &err);
    if (ok) add_noted(m, object);
    if (ok && call->json)
        output_print(json_incref(object), "zoe.model.v1");
    else if (ok && call->quiet)
        puts(m->name);
    else if (ok)
        print_model(m, object);
    int code = ok ? 0 : call_fail(call, &err);
    json_decref(object);
    message_free(answer);
    if (client) zclient_close(client);
    return code;
}

static const struct option SHOW_OPTIONS[] = {
    {"size", 0, "WxH", "of the render that is estimated (default: the model's own)"},
    {"frames", 0, "N", "its frames"},
    {"steps", 0, "N", "its denoising steps"},
    {0}};

const struct command command_model_show = {
    "model",
    "show",
    "MODEL",
    1,
    1,
    "tell all about a model, and what a render with it costs here",
    "Facts, licence, defaults; then memory, work and time of one render on this machine, before "
    "anything runs.",
    SHOW_OPTIONS,
    run_show,
    false};

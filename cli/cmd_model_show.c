/* zoe model show: what the coordinator knows of a model, what was noted when it was added, and what
 * a render with it costs on this machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

#define STEPS_USUAL 25 /* a recipe's, when neither it nor its model says */
#define WORDS_MAX 14

/* The command line of `zoe-engine estimate`; numbers are the model's defaults, flags replace them.
 */
struct question {
    const char *words[WORDS_MAX];
    int count;
    char size[48], frames[24], steps[24], threads[24];
};

static int64_t default_of(const json_t *description, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(json_object_get(description, "defaults"), key);
    return json_is_integer(value) && json_integer_value(value) > 0 ? json_integer_value(value)
                                                                   : otherwise;
}

static void add_word(struct question *q, const char *flag, const char *value)
{
    q->words[q->count++] = flag;
    if (value) q->words[q->count++] = value;
}

static const char *flag_or(const struct call *call, const char *flag, char *text, size_t size,
                           int64_t number)
{
    const char *given = call_option(call, flag);
    snprintf(text, size, "%lld", (long long)number);
    return given ? given : number > 0 ? text : NULL;
}

static void ask(struct question *q, const struct call *call, const char *folder,
                const json_t *description)
{
    const json_t *guidance =
        json_object_get(json_object_get(description, "defaults"), "guidance_scale");
    int64_t width = default_of(description, "width", 256);
    const char *size = call_option(call, "size");
    snprintf(q->size, sizeof q->size, "%lldx%lld", (long long)width,
             (long long)default_of(description, "height", width));
    q->words[q->count++] = "estimate";
    add_word(q, "--model", folder);
    add_word(q, "--size", size ? size : q->size);
    const char *frames = flag_or(call, "frames", q->frames, sizeof q->frames,
                                 default_of(description, "num_frames", 0));
    if (frames) add_word(q, "--frames", frames);
    add_word(q, "--steps",
             flag_or(call, "steps", q->steps, sizeof q->steps,
                     default_of(description, "num_inference_steps", STEPS_USUAL)));
    snprintf(q->threads, sizeof q->threads, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    add_word(q, "--threads", q->threads);
    if (json_is_number(guidance) && json_number_value(guidance) <= 1)
        add_word(q, "--no-guidance", NULL);
}

static json_t *estimate(const struct call *call, const char *folder, const json_t *description,
                        struct error *err)
{
    struct question q = {.count = 0};
    int status = 0;
    json_t *answer = NULL;
    ask(&q, call, folder, description);
    return engine_tool(q.words, &answer, &status, err) ? answer : NULL;
}

static bool is_asked(const struct call *call)
{
    return call_has(call, "size") || call_has(call, "frames") || call_has(call, "steps");
}

/* Numbers are looked at here, so that a wrong one is told by its flag. */
static bool check_flags(const struct call *call, struct error *err)
{
    int64_t number = 1, width, height;
    const char *size = call_option(call, "size");
    if (size && !text_parse_size(size, &width, &height))
        return error_set(err, ERROR_USAGE, "--size: '%.40s' is not WIDTHxHEIGHT, such as 256x256",
                         size);
    return call_number(call, "frames", 1, 100000, &number, err) &&
           call_number(call, "steps", 1, 1000, &number, err);
}

/* LoRAs and the test model have nothing to estimate. */
static bool has_network(const json_t *description)
{
    const char *family = json_string_value(json_object_get(description, "family"));
    return family && strcmp(family, "lora") != 0 && strcmp(family, "pattern") != 0;
}

/* Asked for with --size and so on it must work; else it is only told when it does. */
static bool add_estimate(const struct call *call, const Farm__Model *m, json_t *object,
                         struct error *err)
{
    bool asked = is_asked(call);
    if (*m->problem || !has_network(json_object_get(object, "description"))) return true;
    if (!path_is_folder(m->path))
        return !asked ||
               error_set(err, ERROR_REFUSED,
                         "the model's files are on the coordinator's machine (%.200s): run "
                         "`zoe model show` there for what a render costs",
                         m->path);
    json_t *answer = estimate(call, m->path, json_object_get(object, "description"), err);
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

static void print_memory(const json_t *memory)
{
    char peak[32], weights[32], words[160];
    if (number_of(memory, "peak") <= 0) return;
    text_size((uint64_t)number_of(memory, "peak"), peak, sizeof peak);
    text_size((uint64_t)number_of(memory, "weights"), weights, sizeof weights);
    snprintf(words, sizeof words, "%s at most, %s of it weights", peak, weights);
    print_line("memory", words);
}

/* "41.1 TFLOP": three digits. */
static const char *flop_text(double flops, char out[24])
{
    static const char *const UNITS[] = {"MFLOP", "GFLOP", "TFLOP", "PFLOP"};
    int unit = 0;
    double value = flops / 1e6;
    for (; value >= 999.5 && unit < 3; unit++)
        value /= 1e3;
    snprintf(out, 24, "%.*f %s", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, UNITS[unit]);
    return out;
}

static void print_work(const json_t *flops)
{
    char words[160], total[24], step[24], frame[24];
    if (number_of(flops, "total") <= 0) return;
    snprintf(words, sizeof words, "%s: %s a step, %s a decoded frame",
             flop_text(number_of(flops, "total"), total), flop_text(number_of(flops, "step"), step),
             flop_text(number_of(flops, "frame"), frame));
    print_line("work", words);
}

static void print_time(const json_t *seconds)
{
    char total[64], step[64], words[160];
    if (number_of(seconds, "total") <= 0) return;
    clock_duration_text((int64_t)(number_of(seconds, "total") * (double)NS_PER_S), total,
                        sizeof total);
    clock_duration_text((int64_t)(number_of(seconds, "step") * (double)NS_PER_S), step,
                        sizeof step);
    snprintf(words, sizeof words, "about %s: %s a step", total, step);
    print_line("time", words);
}

static void print_estimate(const json_t *e)
{
    if (!e) return;
    printf("%sOne render here%s  %.0fx%.0f, %.0f frame%s, %.0f steps, %.0f threads\n",
           output_colour(1, COLOUR_BOLD), output_colour(1, COLOUR_NONE), number_of(e, "width"),
           number_of(e, "height"), number_of(e, "frames"), number_of(e, "frames") > 1 ? "s" : "",
           number_of(e, "steps"), number_of(e, "threads"));
    print_memory(json_object_get(e, "memory"));
    print_work(json_object_get(e, "flops"));
    print_time(json_object_get(e, "seconds"));
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
    if (!check_flags(call, &err)) return call_fail(call, &err);
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

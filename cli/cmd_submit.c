/* zoe submit: prompts in, a batch out; with --wait and --out the clips too. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/path.h"
#include "base/recipe.h"
#include "base/xalloc.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/follow.h"
#include "cli/output.h"
#include "cli/recipe_flags.h"
#include "cli/submission.h"

#define DEFAULT_MODEL "shapes"
#define SILENCE_LIMIT_NS (120 * NS_PER_S) /* without a word from the coordinator */
#define INPUT_LIMIT_NS (1300 * NS_PER_S)  /* it may decode a file for ten minutes, twice */

/* ---- what is sent ---- */

static bool add_default_model(json_t *options, struct error *err)
{
    if (json_object_get(options, "model")) return true;
    char *model = target_model(DEFAULT_MODEL, err);
    bool ok = model && json_object_set_new(options, "model", json_string(model)) == 0;
    if (model && !ok) error_set(err, ERROR_USAGE, "the model's name is not valid UTF-8");
    free(model);
    return ok;
}

json_t *submission_options(const struct call *call, struct input_files *inputs, struct error *err)
{
    json_t *options = json_object();
    int64_t seed = 0, seeds = 1;
    bool ok = call_number(call, "seed", 0, RECIPE_SEED_MAX, &seed, err) &&
              call_number(call, "seeds", 1, LIMIT_SEEDS, &seeds, err) &&
              recipe_flags_read(call, options, err);
    if (ok && add_default_model(options, err) && input_files_replace(inputs, options, NULL, err)) {
        json_object_set_new(options, "seed", json_integer(seed));
        json_object_set_new(options, "seeds", json_integer(seeds));
        return options;
    }
    json_decref(options);
    return NULL;
}

static bool read_input(FILE *file, const char *name, struct buf *out, struct error *err)
{
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0) {
        if (out->size + n > (size_t)LIMIT_SUBMIT_BYTES)
            return error_set(err, ERROR_REFUSED, "%s is larger than 1 GiB; split it", name);
        buf_append(out, chunk, n);
    }
    return !ferror(file) || error_set_errno(err, errno, "cannot read %s", name);
}

static bool load_input(const char *name, struct buf *out, struct error *err)
{
    if (strcmp(name, "-") == 0) return read_input(stdin, "standard input", out, err);
    FILE *file = fopen(name, "rbe");
    if (!file)
        return error_set(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_IO, "cannot open %s: %s",
                         name, strerror(errno));
    bool ok = read_input(file, name, out, err);
    fclose(file);
    return ok;
}

/* JSONL when the first character that says something is '{'. */
static const char *guess_format(const struct buf *b)
{
    for (size_t i = 0; i < b->size; i++) {
        if (i == 0 && b->size > 3 && memcmp(b->data, "\xef\xbb\xbf", 3) == 0) i = 3;
        if (b->data[i] == '\n' || b->data[i] == '\r' || b->data[i] == ' ' || b->data[i] == '\t')
            continue;
        return b->data[i] == '{' ? "jsonl" : "text";
    }
    return "text";
}

/* ---- the answer ---- */

static void print_problems(const struct call *call, const struct message *problem, const char *file)
{
    const Farm__Problem *p = problem->envelope->problem;
    for (size_t i = 0; !call->json && i < p->n_inputs; i++) {
        const Farm__InputProblem *in = p->inputs[i];
        if (in->line)
            fprintf(stderr, "%s:%llu: %s%s%s\n", file, (unsigned long long)in->line, in->field,
                    *in->field ? ": " : "", in->message);
        else
            fprintf(stderr, "%s%s%s\n", in->field, *in->field ? ": " : "", in->message);
    }
}

static int fail_with_problems(const struct call *call, struct message *problem, const char *file,
                              const struct error *err)
{
    int code = error_exit_code(err->code);
    if (problem && call->json) {
        output_print(output_json(&problem->envelope->problem->base), "zoe.error.v1");
        fprintf(stderr, "zoe: %s\n", err->message);
    } else {
        if (problem) print_problems(call, problem, file);
        call_fail(call, err);
    }
    message_free(problem);
    return code ? code : 1;
}

/* --timeout bounds the silence too: whoever gives 3 s does not wait two minutes. */
static int64_t silence_limit(const struct call *call)
{
    int64_t limit_ns = SILENCE_LIMIT_NS;
    if (!call_duration(call, "timeout", &limit_ns, NULL)) return SILENCE_LIMIT_NS;
    return limit_ns < SILENCE_LIMIT_NS ? limit_ns : SILENCE_LIMIT_NS;
}

static void show_upload(void *context, uint64_t done, uint64_t total)
{
    if (*(const bool *)context && total > 8u * 1024 * 1024)
        fprintf(stderr, "\r\x1b[K%3d %% sent", (int)(done * 100 / total));
}

static void print_accepted(const struct submission *s, const Farm__Accepted *a)
{
    for (size_t i = 0; i < a->n_warnings; i++)
        fprintf(stderr, "warning: %s\n", a->warnings[i]);
    if (s->silent) return;
    if (s->call->json && !call_has(s->call, "wait") && !call_has(s->call, "out"))
        output_print_message(&a->base, "zoe.accepted.v1");
    else if (s->call->quiet)
        puts(a->batch);
    else if (!s->call->json)
        fprintf(stderr, "%s %s: %llu prompts, %llu clips\n",
                a->existed ? "Batch (already there)" : "Batch", a->batch,
                (unsigned long long)a->prompts, (unsigned long long)a->clips);
}

/* The coordinator decodes a file from end to end before it answers. */
static bool send_inputs(struct zclient *client, const struct submission *s, bool *terminal,
                        struct error *err)
{
    int64_t limit_ns = INPUT_LIMIT_NS;
    return call_duration(s->call, "timeout", &limit_ns, err) &&
           input_files_send(&s->inputs, client,
                            limit_ns < INPUT_LIMIT_NS ? limit_ns : INPUT_LIMIT_NS, show_upload,
                            terminal, err);
}

static char *text_or_empty(const struct call *call, const char *option)
{
    const char *text = call_option(call, option);
    return xstrdup(text ? text : "");
}

static bool fill_open(const struct submission *s, Farm__SubmitOpen *open, struct error *err)
{
    int64_t priority = 0;
    if (!call_number(s->call, "priority", -1000, 1000, &priority, err)) return false;
    open->priority = (int32_t)priority;
    open->name = text_or_empty(s->call, "name");
    open->key = text_or_empty(s->call, "key");
    open->again = call_has(s->call, "again");
    open->options = json_canonical(s->options);
    open->size_bytes = s->content.size;
    open->format = xstrdup(s->format ? s->format : guess_format(&s->content));
    return true;
}

bool submission_send(struct zclient *client, struct submission *s)
{
    struct error err = {0};
    struct message *problem = NULL, *answer = NULL;
    struct digest digest = digest_of(s->content.data, s->content.size);
    bool terminal = output_is_terminal(2) && !s->call->quiet;
    Farm__SubmitOpen open = FARM__SUBMIT_OPEN__INIT;
    if (send_inputs(client, s, &terminal, &err) && fill_open(s, &open, &err)) {
        open.sha256 = codec_digest(&digest);
        struct bytes content = {s->content.data, s->content.size};
        answer = zclient_submit(client, &open, content, silence_limit(s->call), show_upload,
                                &terminal, &problem, &err);
        free(open.name);
        free(open.key);
        free(open.options);
        free(open.format);
    }
    if (!answer) {
        s->code = fail_with_problems(s->call, problem, s->file, &err);
        return false;
    }
    print_accepted(s, answer->envelope->accepted);
    s->batch = xstrdup(answer->envelope->accepted->batch);
    message_free(answer);
    return true;
}

static void print_fetched(const struct call *call, const struct fetch_result *r)
{
    if (call->json || call->quiet) return;
    fprintf(stderr, "%d clips in %s (%d new)\n", r->clips - r->missing, r->folder, r->fetched);
    if (r->sheet) printf("%s\n%s\n", r->sheet, r->page);
}

/* --wait and --out. */
static int finish_batch(struct zclient *client, const struct call *call, const char *batch)
{
    struct error err = {0};
    struct follow_options options = {.quiet = call->quiet, .json = false};
    options.quiet |= call->json;
    char *state = NULL;
    const char *out = call_option(call, "out");
    if (!call_duration(call, "timeout", &options.limit_ns, &err) ||
        !follow_batch(client, batch, &options, &state, &err))
        return call_fail(call, &err);
    int code = follow_exit_code(state);
    free(state);
    struct fetch_result fetched = {0};
    if (out && !fetch_batch(client, batch, out, call->quiet, &fetched, &err))
        code = call_fail(call, &err);
    if (out) print_fetched(call, &fetched);
    fetch_result_finish(&fetched);
    struct message *last = client_batch(client, batch, &err);
    if (last && call->json) {
        json_t *object = output_json(&last->envelope->batch->base);
        json_object_set_new(object, "batch", json_string(batch));
        output_print(object, "zoe.batch.v1");
    }
    if (last && code && !call->json)
        fprintf(stderr,
                "%llu of %llu clips failed; `zoe batch show %s` tells why, `zoe batch retry %s` "
                "tries again\n",
                (unsigned long long)last->envelope->batch->clips->failed,
                (unsigned long long)last->envelope->batch->clips->total, batch, batch);
    message_free(last);
    return code;
}

void submission_finish(struct submission *s)
{
    buf_finish(&s->content);
    input_files_finish(&s->inputs);
    json_decref(s->options);
    free(s->batch);
}

/* Paths in the file count from where it stands. */
static bool replace_paths(struct submission *s, struct error *err)
{
    if (strcmp(guess_format(&s->content), "jsonl") != 0) return true;
    char *folder = strcmp(s->file, "-") == 0 ? NULL : path_dirname(s->file);
    bool ok = input_files_replace_lines(&s->inputs, &s->content, folder, err) ||
              error_wrap(err, "%s", s->file);
    free(folder);
    return ok;
}

static int run_submit(struct call *call)
{
    struct error err = {0};
    struct submission s = {.call = call, .file = call->arguments[0]};
    if (!load_input(call->arguments[0], &s.content, &err)) return call_fail(call, &err);
    if (s.content.size == 0) {
        error_set(&err, ERROR_USAGE, "%s is empty: one prompt a line, or one JSON object a line",
                  strcmp(s.file, "-") == 0 ? "standard input" : s.file);
        return call_fail(call, &err);
    }
    s.options = submission_options(call, &s.inputs, &err);
    struct zclient *client = s.options && replace_paths(&s, &err)
                                 ? client_connect(call, TARGET_START_ALWAYS, &err)
                                 : NULL;
    int code;
    if (!client)
        code = call_fail(call, &err);
    else if (!submission_send(client, &s))
        code = s.code;
    else
        code = call_has(call, "wait") || call_has(call, "out") ? finish_batch(client, call, s.batch)
                                                               : 0;
    if (client) zclient_close(client);
    submission_finish(&s);
    return code;
}

static const struct option SUBMIT_OPTIONS[] = {
    RECIPE_OPTIONS,
    SUBMISSION_OPTIONS,
    {"seeds", 0, "N", "seeds S .. S+N-1 for every prompt (default 1)"},
    {"wait", 0, NULL, "wait until the batch ends"},
    {"out", 'o', "DIR", "wait, then fetch clips, contact sheet and page into DIR/BATCH"},
    {0},
};

const struct command command_submit = {
    "submit",
    NULL,
    "FILE",
    1,
    1,
    "submit a file of prompts as a batch",
    "FILE (or - for standard input) holds one prompt a line (blank lines and lines starting with # "
    "are skipped), or one JSON\n"
    "object a line with a recipe's names: {\"prompt\": \"a red fox\", \"seed\": [1, 2], "
    "\"num_frames\": 16}. A line's seed replaces\n"
    "--seed and --seeds; its other fields replace the flags. Nothing is submitted when a line is "
    "wrong.",
    SUBMIT_OPTIONS,
    run_submit,
    false};

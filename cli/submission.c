/* What is sent, and the answer. */
#include "cli/submission.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/id.h"
#include "base/json.h"
#include "base/path.h"
#include "base/recipe.h"
#include "base/xalloc.h"
#include "cli/group_table.h"
#include "cli/output.h"
#include "cli/recipe_flags.h"

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

bool submission_load(const char *name, struct buf *out, struct error *err)
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

static bool is_dry(const struct submission *s)
{
    return call_has(s->call, "dry-run");
}

static void print_plans(const struct submission *s, const Farm__Accepted *a)
{
    if (s->call->json) {
        output_print_message(&a->base, "zoe.accepted.v1");
        return;
    }
    if (s->call->quiet) return;
    fprintf(stderr, "Nothing was started. %llu prompts, %llu clips:\n",
            (unsigned long long)a->prompts, (unsigned long long)a->clips);
    group_table_print(a->groups, a->n_groups, false);
}

static void print_accepted(const struct submission *s, const Farm__Accepted *a)
{
    for (size_t i = 0; i < a->n_warnings; i++)
        fprintf(stderr, "warning: %s\n", a->warnings[i]);
    if (is_dry(s)) print_plans(s, a);
    if (s->silent || is_dry(s)) return;
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
    if (is_dry(s)) return true;
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

/* Every `--again` is a batch of its own, but the same one when it has to be said twice: so it has a
 * key from here. */
static char *key_of(const struct submission *s)
{
    const char *key = s->key ? s->key : call_option(s->call, "key");
    if (key || !call_has(s->call, "again")) return xstrdup(key ? key : "");
    return xasprintf("again-%016llx%016llx", (unsigned long long)id_random_u64(),
                     (unsigned long long)id_random_u64());
}

static bool fill_open(const struct submission *s, Farm__SubmitOpen *open, struct error *err)
{
    int64_t priority = 0;
    if (!call_number(s->call, "priority", -1000, 1000, &priority, err)) return false;
    open->priority = (int32_t)priority;
    open->name = s->name ? xstrdup(s->name) : text_or_empty(s->call, "name");
    open->key = key_of(s);
    open->again = call_has(s->call, "again");
    open->dry_run = is_dry(s);
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

void submission_finish(struct submission *s)
{
    buf_finish(&s->content);
    input_files_finish(&s->inputs);
    json_decref(s->options);
    free(s->batch);
}

bool submission_replace_paths(struct submission *s, struct error *err)
{
    if (strcmp(guess_format(&s->content), "jsonl") != 0) return true;
    char *folder = strcmp(s->file, "-") == 0 ? NULL : path_dirname(s->file);
    bool ok = input_files_replace_lines(&s->inputs, &s->content, folder, err) ||
              error_wrap(err, "%s", s->file);
    free(folder);
    return ok;
}

/* zoe model add. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/model_add.h"
#include "cli/output.h"

/* ---- --dry-run ---- */

static json_t *plan_json(const struct model_add *a)
{
    const struct listing *l = &a->gather.listing;
    json_t *files = json_array();
    size_t count;
    for (size_t i = 0; i < l->count; i++) {
        if (!l->files[i].chosen) continue;
        json_t *row =
            json_pack("{ss so}", "path", l->files[i].path, "size_bytes",
                      l->files[i].size_known ? json_integer((json_int_t)l->files[i].size_bytes)
                                             : json_null());
        json_array_append_new(files, row);
    }
    return json_pack("{ss ss ss ss? sI so}", "name", a->name, "source", a->gather.origin, "form",
                     model_listing_form_name(a->gather.form), "licence", a->gather.licence,
                     "size_bytes", (json_int_t)listing_chosen_bytes(l, &count), "files", files);
}

static void print_plan(const struct model_add *a)
{
    static const char *const TITLES[] = {"FILE", "SIZE"};
    struct output_table *t = output_table_create(TITLES, 2);
    for (size_t i = 0; i < a->gather.listing.count; i++) {
        const struct listed_file *f = &a->gather.listing.files[i];
        char size[32] = "-";
        if (!f->chosen) continue;
        if (f->size_known) text_size(f->size_bytes, size, sizeof size);
        output_table_cell(t, "%s", f->path);
        output_table_cell(t, "%s", size);
    }
    output_table_print(t);
    if (a->gather.licence) fprintf(stderr, "licence: %s\n", a->gather.licence);
}

static void say_plan(const struct call *call, const struct model_add *a)
{
    if (call->json)
        output_print(plan_json(a), "zoe.model-plan.v1");
    else if (call->quiet)
        puts(a->name);
    else
        print_plan(a);
}

/* ---- done ---- */

static void print_line(const char *title, const char *text)
{
    if (text)
        printf("  %s%-8s%s %s\n", output_colour(1, COLOUR_DIM), title,
               output_colour(1, COLOUR_NONE), text);
}

static void print_try(const struct model_add *a, const char *family, const char *output)
{
    bool lora = family && strcmp(family, "lora") == 0;
    bool image = output && strcmp(output, "image") == 0;
    char line[300];
    if (lora)
        snprintf(line, sizeof line, "zoe render \"...\" --model BASE --lora %s:0.8 -o clip.mp4",
                 a->name);
    else
        snprintf(line, sizeof line, "zoe render \"a red fox in snow\" --model %s -o fox.%s",
                 a->name, image ? "png" : "mp4");
    print_line("try", line);
}

static void print_added(const struct model_add *a)
{
    char size[32], words[64], hex[DIGEST_TEXT_SIZE];
    const char *family = json_string_value(json_object_get(a->description, "family"));
    const char *output = json_string_value(json_object_get(a->description, "output"));
    const char *form = json_string_value(json_object_get(a->report, "form"));
    digest_text(&a->digest, hex);
    text_size(a->files.total_bytes, size, sizeof size);
    snprintf(words, sizeof words, "%s in %zu files", size, a->files.count);
    printf("%s%s%s\n", output_colour(1, COLOUR_BOLD), a->name, output_colour(1, COLOUR_NONE));
    print_line("family", family);
    print_line("form", form);
    print_line("licence", a->licence
                              ? a->licence
                              : "none found: ask where the model comes from before you use it");
    print_line("size", words);
    print_line("digest", hex);
    print_try(a, family, output);
}

int model_add_say(struct call *call, const struct model_add *a)
{
    if (call->json)
        output_print(model_add_json(a), "zoe.model-added.v1");
    else if (call->quiet)
        puts(a->name);
    else
        print_added(a);
    return 0;
}

static int run_add(struct call *call)
{
    struct error err = {0};
    struct model_add a;
    bool ok = model_add_begin(&a, call, call->arguments[0], call_option(call, "name"), &err) &&
              model_add_run(&a, &err);
    int code = 0;
    if (!ok)
        code = call_fail(call, &err);
    else if (call_has(call, "dry-run"))
        say_plan(call, &a);
    else
        code = model_add_say(call, &a);
    model_add_finish(&a);
    return code;
}

static const struct option OPTIONS[] = {
    {"name", 0, "NAME", "what it is called in the farm (default: from the source)"},
    {"full", 0, NULL, "32-bit weights where the source has both; 16 bits are taken else"},
    {"sha256", 0, "HEX", "digest of a single file behind a URL"},
    {"vae", 0, "PATH|MODEL", "for ZeroScope in the web interface's form, which has none"},
    {"allow-http", 0, NULL, "plain http from other machines too"},
    {"stall", 0, "TIME", "a transfer without a byte for so long is tried again (default 30s)"},
    {"dry-run", 'n', NULL, "only show which files would be taken"},
    {0}};

const struct command command_model_add = {
    "model",
    "add",
    "SOURCE",
    1,
    1,
    "add a model or LoRA to the farm",
    "SOURCE is\n"
    "  PATH                        a diffusers folder, a folder of ModelScope's own files, a\n"
    "                              checkpoint or LoRA file\n"
    "  hf:OWNER/NAME[/FILE][@REV]  a repository of the Hugging Face hub, or one file or folder of\n"
    "                              it; HF_TOKEN and HF_ENDPOINT are honoured\n"
    "  https://...                 a file, an *.index.json with its shards, or a SHA256SUMS file\n"
    "                              with the folder that it lists\n"
    "Every tensor is checked before the model is put in place; the farm knows it at once. What\n"
    "breaks off goes on where it stopped when the command is given again.",
    OPTIONS,
    run_add,
    false};

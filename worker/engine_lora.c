#include "worker/engine_lora.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "engine/engine.h"
#include "worker/engine_report.h"

#define KEYS_PRINTED 5

static const char usage[] =
    "usage: zoe-engine lora [--model DIR] --lora PATH[:STRENGTH] ...\n"
    "Prints what the LoRA at PATH is, a file or a folder of them, as JSON; with --model also "
    "which\n"
    "of its tensors the model takes and which not. Fails when it takes none of a file: then the\n"
    "JSON has \"error\" in place of \"loras\".\n";

bool engine_lora_option(json_t *loras, const char *text)
{
    const char *colon = strrchr(text, ':');
    double strength = 1;
    if (colon != NULL && !text_parse_double(colon + 1, &strength)) colon = NULL;
    const size_t length = colon != NULL ? (size_t)(colon - text) : strlen(text);
    json_t *path = json_stringn(text, length);
    return path != NULL && json_array_append_new(loras, json_pack("{so sf}", "path", path,
                                                                  "strength", strength)) == 0;
}

static int number(const json_t *report, const char *key)
{
    return (int)json_integer_value(json_object_get(report, key));
}

void engine_lora_print(const json_t *report)
{
    size_t i, k;
    const json_t *file, *key;
    json_array_foreach(report, i, file)
    {
        fprintf(stderr, "%s%s: %s, %d of %d tensors taken\n",
                number(file, "unmatched") > 0 ? "warning: " : "",
                json_string_value(json_object_get(file, "file")),
                json_string_value(json_object_get(file, "form")), number(file, "matched"),
                number(file, "tensors"));
        json_array_foreach(json_object_get(file, "strangers"), k, key)
        {
            if (k < KEYS_PRINTED) fprintf(stderr, "  left out: %s\n", json_string_value(key));
        }
    }
}

static json_t *describe_all(const json_t *loras, struct error *err)
{
    size_t i;
    const json_t *lora;
    json_t *list = json_array();
    json_array_foreach(loras, i, lora)
    {
        json_t *files = engine_lora_describe(json_string_value(json_object_get(lora, "path")), err);
        if (files == NULL) {
            json_decref(list);
            return NULL;
        }
        json_array_extend(list, files);
        json_decref(files);
    }
    return list;
}

static int print_all(const char *model, const json_t *loras)
{
    struct error err = {0};
    json_t *list =
        model != NULL ? engine_lora_match(model, loras, &err) : describe_all(loras, &err);
    json_t *object = list != NULL ? json_pack("{si so}", "schema", 1, "loras", list)
                                  : json_pack("{si ss}", "schema", 1, "error", err.message);
    const int code = engine_report(object, NULL);
    if (list == NULL) fprintf(stderr, "zoe-engine: %s\n", err.message);
    if (list == NULL) return error_exit_code(err.code);
    return code;
}

int engine_lora_main(int argc, char **argv)
{
    static const struct option options[] = {{"model", required_argument, NULL, 'm'},
                                            {"lora", required_argument, NULL, 'l'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *model = NULL;
    json_t *loras = json_array();
    int option, code = -1;
    while (code < 0 && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h')
            code = fputs(usage, stdout) < 0;
        else if (option == 'm')
            model = optarg;
        else if (option != 'l' || !engine_lora_option(loras, optarg))
            code = error_exit_code(ERROR_USAGE);
    }
    if (code < 0 && json_array_size(loras) > 0 && optind == argc) code = print_all(model, loras);
    json_decref(loras);
    if (code >= 0) return code;
    fputs(usage, stderr);
    return error_exit_code(ERROR_USAGE);
}

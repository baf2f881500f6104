/* Parses a command line by its command's rows. Knows no command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/command.h"
#include "proto/codec.h"

#define NAMES_MAX 128

static const struct option *find_option(const struct option *rows, const char *name, size_t length)
{
    for (; rows && rows->name; rows++)
        if (*rows->name && strlen(rows->name) == length && memcmp(rows->name, name, length) == 0)
            return rows;
    return NULL;
}

static const struct option *find_letter(const struct option *rows, char letter)
{
    for (; rows && rows->name; rows++)
        if (rows->letter == letter) return rows;
    return NULL;
}

static bool unknown_option(const struct command *command, const char *word, struct error *err)
{
    const char *names[NAMES_MAX + 1];
    int count = 0;
    const struct option *lists[] = {command->options, commands_common_options()};
    for (int i = 0; i < 2; i++)
        for (const struct option *o = lists[i]; o && o->name && count < NAMES_MAX; o++)
            if (*o->name) names[count++] = o->name;
    names[count] = NULL;
    const char *nearest = text_nearest(word + strspn(word, "-"), names);
    if (nearest)
        return error_set(err, ERROR_USAGE, "unknown option %s; did you mean --%s?", word, nearest);
    return error_set(err, ERROR_USAGE, "unknown option %s; `zoe %s%s%s --help` lists them", word,
                     command->noun, command->verb ? " " : "", command->verb ? command->verb : "");
}

/* A switch that can be turned off: "[=false]". */
static bool is_optional(const struct option *option)
{
    return option->value[0] == '[';
}

static bool repeats(const struct option *option)
{
    return option->value && strstr(option->value, "...");
}

static bool add_value(struct call *call, const struct option *option, const char *value,
                      struct error *err)
{
    if (call_has(call, option->name) && !repeats(option))
        return error_set(err, ERROR_USAGE, "--%s is given twice", option->name);
    if (call->value_count == CALL_VALUES) return error_set(err, ERROR_USAGE, "too many options");
    call->values[call->value_count++] = (struct call_value){option->name, value};
    return true;
}

/* One option at argv[*i]; moves *i when it takes the next word. */
static bool parse_option(struct call *call, int argc, char **argv, int *i, struct error *err)
{
    const char *word = argv[*i];
    const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
    size_t length = equals ? (size_t)(equals - word - 2) : strlen(word) - 2;
    const struct option *option;
    if (word[1] == '-') {
        option = find_option(call->command->options, word + 2, length);
        if (!option) option = find_option(commands_common_options(), word + 2, length);
    } else {
        option = word[2] ? NULL : find_letter(call->command->options, word[1]);
        if (!option && !word[2]) option = find_letter(commands_common_options(), word[1]);
    }
    if (!option) return unknown_option(call->command, word, err);
    if (!option->value) {
        if (equals) return error_set(err, ERROR_USAGE, "--%s takes no value", option->name);
        return add_value(call, option, "", err);
    }
    if (equals) return add_value(call, option, equals + 1, err);
    if (is_optional(option)) return add_value(call, option, "true", err);
    if (*i + 1 >= argc)
        return error_set(err, ERROR_USAGE, "--%s needs a value: %s", option->name, option->value);
    return add_value(call, option, argv[++*i], err);
}

static bool count_arguments(const struct call *call, struct error *err)
{
    const struct command *c = call->command;
    if (call->argument_count >= c->min_arguments && call->argument_count <= c->max_arguments)
        return true;
    return error_set(err, ERROR_USAGE, "%s arguments; usage: zoe %s%s%s %s",
                     call->argument_count < c->min_arguments ? "missing" : "too many", c->noun,
                     c->verb ? " " : "", c->verb ? c->verb : "", c->arguments);
}

/* Looked for first: what is wrong with the rest of the line is told as JSON too. */
static bool says_json(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0) return true;
    return false;
}

/* No option begins with a digit: -5 is a number. */
static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0' && (word[1] < '0' || word[1] > '9');
}

static const struct option *common_option(const char *word)
{
    const struct option *rows = commands_common_options();
    if (word[0] != '-' || word[1] == '\0') return NULL;
    if (word[1] == '-') return find_option(rows, word + 2, strcspn(word + 2, "="));
    return word[2] ? NULL : find_letter(rows, word[1]);
}

int call_leading(int argc, char **argv)
{
    int count = 0;
    while (count < argc) {
        const struct option *option = common_option(argv[count]);
        if (!option || strcmp(option->name, "help") == 0) break;
        count += option->value && !strchr(argv[count], '=') ? 2 : 1;
    }
    return count < argc ? count : argc;
}

void call_move_leading(int leading, int words, char **argv)
{
    for (int w = 0; w < words; w++) {
        char *word = argv[leading + w];
        memmove(argv + w + 1, argv + w, (size_t)leading * sizeof *argv);
        argv[w] = word;
    }
}

bool call_parse(struct call *call, const struct command *command, int argc, char **argv, bool *help,
                struct error *err)
{
    *call = (struct call){.command = command, .json = says_json(argc, argv)};
    *help = false;
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        char *word = argv[i];
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
        } else if (!only_words && is_option(word)) {
            if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) return *help = true;
            if (!parse_option(call, argc, argv, &i, err)) return false;
        } else {
            if (call->argument_count == 8) return error_set(err, ERROR_USAGE, "too many arguments");
            call->arguments[call->argument_count++] = word;
        }
    }
    call->quiet = call_has(call, "quiet");
    return count_arguments(call, err);
}

const char *call_option(const struct call *call, const char *name)
{
    for (int i = 0; i < call->value_count; i++)
        if (strcmp(call->values[i].name, name) == 0) return call->values[i].value;
    return NULL;
}

const char *call_option_next(const struct call *call, const char *name, int *cursor)
{
    while (*cursor < call->value_count) {
        const struct call_value *value = &call->values[(*cursor)++];
        if (strcmp(value->name, name) == 0) return value->value;
    }
    return NULL;
}

bool call_has(const struct call *call, const char *name)
{
    return call_option(call, name) != NULL;
}

bool call_number(const struct call *call, const char *name, int64_t min, int64_t max, int64_t *out,
                 struct error *err)
{
    const char *text = call_option(call, name);
    if (!text || text_parse_i64(text, min, max, out)) return true;
    return error_set(err, ERROR_USAGE, "--%s: '%s' is not a whole number from %lld to %lld", name,
                     text, (long long)min, (long long)max);
}

#define DURATION_MAX_NS (1000 * 86400 * NS_PER_S)

bool duration_parse(const char *text, int64_t *out_ns)
{
    return text_parse_duration(text, DURATION_MAX_NS, out_ns);
}

bool call_duration(const struct call *call, const char *name, int64_t *out_ns, struct error *err)
{
    const char *text = call_option(call, name);
    if (!text || duration_parse(text, out_ns)) return true;
    return error_set(err, ERROR_USAGE, "--%s: '%s' is not a duration such as 90s, 5m or 1h30m",
                     name, text);
}

static void print_as_json(const struct error *err, const char *words)
{
    json_t *object = json_pack("{ssssss}", "schema", "zoe.error.v1", "code", error_name(err->code),
                               "message", words);
    char *text = json_pretty(object);
    fputs(text, stdout);
    free(text);
    json_decref(object);
}

/* What a person typed may be repeated in the words, whatever its bytes are. */
int call_fail(const struct call *call, const struct error *err)
{
    int code = error_exit_code(err->code);
    size_t size = strlen(err->message);
    char *words = codec_clean_text(err->message, size, size, false);
    if (call && call->json) print_as_json(err, words);
    fprintf(stderr, "zoe: %s\n", words);
    free(words);
    return code ? code : 1;
}

/* Option parsing for zoe-media. */
#include "media/media_args.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"

#define OPTIONS_MAX 32

struct media_option media_args_text(const char *name, bool required, const char **out,
                                    const char *value, const char *summary)
{
    return (struct media_option){.name = name,
                                 .kind = MEDIA_ARGS_TEXT,
                                 .required = required,
                                 .out.text = out,
                                 .value = value,
                                 .summary = summary};
}

struct media_option media_args_int(const char *name, bool required, int64_t least, int64_t most,
                                   int64_t *out, const char *value, const char *summary)
{
    return (struct media_option){.name = name,
                                 .kind = MEDIA_ARGS_INT,
                                 .required = required,
                                 .least = least,
                                 .most = most,
                                 .out.number = out,
                                 .value = value,
                                 .summary = summary};
}

struct media_option media_args_rate(const char *name, bool required, struct frames_rate *out,
                                    const char *value, const char *summary)
{
    return (struct media_option){.name = name,
                                 .kind = MEDIA_ARGS_RATE,
                                 .required = required,
                                 .out.rate = out,
                                 .value = value,
                                 .summary = summary};
}

struct media_option media_args_flag(const char *name, bool *out, const char *summary)
{
    return (struct media_option){
        .name = name, .kind = MEDIA_ARGS_FLAG, .out.flag = out, .value = "", .summary = summary};
}

static const struct media_option *find(const struct media_option *options, const char *name,
                                       size_t length)
{
    for (; options->name != NULL; options++) {
        if (strlen(options->name) == length && memcmp(options->name, name, length) == 0) {
            return options;
        }
    }
    return NULL;
}

static bool unknown(const struct media_option *options, const char *word, struct error *err)
{
    const char *names[OPTIONS_MAX + 1] = {NULL};
    for (int i = 0; i < OPTIONS_MAX && options[i].name != NULL; i++) {
        names[i] = options[i].name;
    }
    const char *near = text_nearest(word, names);
    if (near == NULL) return error_set(err, ERROR_USAGE, "there is no option --%s", word);
    return error_set(err, ERROR_USAGE, "there is no option --%s; did you mean --%s?", word, near);
}

static bool store(const struct media_option *option, const char *value, struct error *err)
{
    switch (option->kind) {
    case MEDIA_ARGS_TEXT:
        *option->out.text = value;
        return true;
    case MEDIA_ARGS_INT:
        if (text_parse_i64(value, option->least, option->most, option->out.number)) return true;
        return error_set(err, ERROR_USAGE, "--%s %s: a whole number from %lld to %lld is needed",
                         option->name, value, (long long)option->least, (long long)option->most);
    case MEDIA_ARGS_RATE:
        if (frames_rate_parse(value, option->out.rate)) return true;
        return error_set(err, ERROR_USAGE,
                         "--%s %s: frames per second are needed, such as 8, 12.5 or 30000/1001",
                         option->name, value);
    case MEDIA_ARGS_FLAG:
        return *option->out.flag = true;
    }
    return error_set(err, ERROR_INTERNAL, "--%s has no kind", option->name);
}

/* Takes the option at argv[*i] and moves *i past it. */
static bool take_option(int argc, char **argv, int *i, const struct media_option *options,
                        uint32_t *seen, struct error *err)
{
    const char *word = argv[*i] + 2;
    size_t length = strcspn(word, "=");
    const struct media_option *option = find(options, word, length);
    if (option == NULL) return unknown(options, word, err);
    const char *value = word[length] == '=' ? word + length + 1 : NULL;
    bool flag = option->kind == MEDIA_ARGS_FLAG;
    if (flag && value != NULL)
        return error_set(err, ERROR_USAGE, "--%s takes no value", option->name);
    if (!flag && value == NULL && *i + 1 < argc) value = argv[++*i];
    if (!flag && value == NULL)
        return error_set(err, ERROR_USAGE, "--%s needs a value", option->name);
    ++*i;
    *seen |= UINT32_C(1) << (option - options);
    return store(option, value, err);
}

static bool check_required(const struct media_option *options, uint32_t seen, struct error *err)
{
    for (int i = 0; options[i].name != NULL; i++) {
        if (options[i].required && (seen & UINT32_C(1) << i) == 0) {
            return error_set(err, ERROR_USAGE, "--%s is needed", options[i].name);
        }
    }
    return true;
}

bool media_args_parse(int argc, char **argv, const struct media_option *options, int *left_over,
                      struct error *err)
{
    uint32_t seen = 0;
    bool only_words = false;
    *left_over = 0;
    for (int i = 0; i < argc;) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
            i++;
        } else if (!only_words && strncmp(argv[i], "--", 2) == 0) {
            if (!take_option(argc, argv, &i, options, &seen, err)) return false;
        } else {
            argv[(*left_over)++] = argv[i++];
        }
    }
    return check_required(options, seen, err);
}

void media_args_help(const struct media_option *options)
{
    for (; options->name != NULL; options++) {
        char head[48];
        (void)snprintf(head, sizeof(head), "--%s %s", options->name, options->value);
        (void)printf("  %-24s %s%s\n", head, options->summary,
                     options->required ? "" : " (optional)");
    }
}

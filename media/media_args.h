/* media_args: the options of one subcommand of zoe-media: a table says what there is, the parser
 * fills it in. `--name VALUE` and `--name=VALUE`; what is no option is left over, in order; `--`
 * ends options. */
#ifndef ZOE_MEDIA_MEDIA_ARGS_H
#define ZOE_MEDIA_MEDIA_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "media/frames.h"

/* A FLAG takes no value: it is there or not. */
enum media_args_kind { MEDIA_ARGS_TEXT, MEDIA_ARGS_INT, MEDIA_ARGS_RATE, MEDIA_ARGS_FLAG };

struct media_option { /* made by the four below */
    const char *name; /* without dashes; NULL ends a table */
    enum media_args_kind kind;
    bool required;
    int64_t least, most; /* of an INT */
    union {
        const char **text; /* borrowed from argv */
        int64_t *number;
        struct frames_rate *rate;
        bool *flag;
    } out;                       /* left alone when the option is absent */
    const char *value, *summary; /* for --help */
};

/* A row of a table: `value` and `summary` are for --help, texts are borrowed, `out` is left alone
 * when the option is absent. A flag takes no value and is never required. */
struct media_option media_args_text(const char *name, bool required, const char **out,
                                    const char *value, const char *summary);
struct media_option media_args_int(const char *name, bool required, int64_t least, int64_t most,
                                   int64_t *out, const char *value, const char *summary);
struct media_option media_args_rate(const char *name, bool required, struct frames_rate *out,
                                    const char *value, const char *summary);
struct media_option media_args_flag(const char *name, bool *out, const char *summary);

/* Left-over words are moved to the front of argv and counted. ERROR_USAGE names the option and, for
 * an unknown one, the nearest right name. */
bool media_args_parse(int argc, char **argv, const struct media_option *options, int *left_over,
                      struct error *err);

/* "--name VALUE   summary" lines on stdout. */
void media_args_help(const struct media_option *options);

#endif

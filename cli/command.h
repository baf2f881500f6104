/* command: one row of the table of commands, and the call made from a command line.
 *
 * A command file (cmd_NAME.c) exports const rows; commands.c lists them. The parser fills a `struct
 * call` by the row's options, prints --help from the same rows, and the row's `run` returns the
 * exit code. stdout is data, stderr is words for people. */
#ifndef ZOE_CLI_COMMAND_H
#define ZOE_CLI_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct option {
    const char *name;  /* long name without dashes; NULL ends a list; "": help is a heading */
    char letter;       /* short form, or 0 */
    const char *value; /* placeholder ("N", "DIR"); NULL = a switch; "..." at its end: may be
                          given several times */
    const char *help;
};

struct call;

struct command {
    const char *noun;
    const char *verb;      /* NULL for one-word commands */
    const char *arguments; /* "FILE", "BATCH DIR", "" */
    int min_arguments;
    int max_arguments;
    const char *summary;
    const char *details;          /* more words for --help, or NULL */
    const struct option *options; /* ended by a row with name NULL; may be NULL */
    int (*run)(struct call *call);
    bool hidden;
};

struct call_value {
    const char *name;
    const char *value;
};

#define CALL_VALUES 64
struct call {
    const struct command *command;
    char *arguments[8]; /* borrowed from argv */
    int argument_count;
    struct call_value values[CALL_VALUES]; /* borrowed from argv */
    int value_count;
    bool json;
    bool quiet;
};

/* The table: `count` rows. */
const struct command *const *commands_all(int *count_out);
const struct option *commands_common_options(void);
/* Finds by noun and verb; *words = how many command words were used. NULL when unknown. */
const struct command *commands_find(int argc, char **argv, int *words);
/* Nearest noun or verb for an unknown word, or NULL. */
const char *commands_nearest(int argc, char **argv);

/* Value of an option (borrowed), or NULL; switches give "". */
const char *call_option(const struct call *call, const char *name);
bool call_has(const struct call *call, const char *name);
/* One value after the other of an option that repeats: *cursor starts at 0; NULL after the last. */
const char *call_option_next(const struct call *call, const char *name, int *cursor);
/* Numbers with limits; *out keeps its value when the option is absent. */
bool call_number(const struct call *call, const char *name, int64_t min, int64_t max, int64_t *out,
                 struct error *err);
/* "90", "90s", "5m", "1h30m", at most 1000 days -> nanoseconds; *out keeps its value when absent.
 */
bool call_duration(const struct call *call, const char *name, int64_t *out_ns, struct error *err);
bool duration_parse(const char *text, int64_t *out_ns);

/* Fills the call. On false the error says what is wrong with the command line. `--help` sets *help.
 */
bool call_parse(struct call *call, const struct command *command, int argc, char **argv, bool *help,
                struct error *err);

/* How many words before the command are common options and their values; --help is none. */
int call_leading(int argc, char **argv);
/* Moves them behind the command's own words, where call_parse takes them for what they are. */
void call_move_leading(int leading, int words, char **argv);

/* Prints the error (as JSON on stdout with --json, as words on stderr) and gives its exit code. */
int call_fail(const struct call *call, const struct error *err);

/* --help of one command, of a noun, of all. */
void help_command(const struct command *command);
void help_noun(const char *noun);
void help_all(void);

#endif

/* zoe: finds the command, parses its line, runs it. Nothing else. */
#include <locale.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/command.h"

static int unknown(int argc, char **argv)
{
    const char *nearest = commands_nearest(argc, argv);
    fprintf(stderr, "zoe: no command '%s%s%s'", argv[0], argc > 1 && argv[1][0] != '-' ? " " : "",
            argc > 1 && argv[1][0] != '-' ? argv[1] : "");
    if (nearest)
        fprintf(stderr, "; did you mean '%s'?\n", nearest);
    else
        fprintf(stderr, "; `zoe --help` lists them\n");
    return error_exit_code(ERROR_USAGE);
}

/* Words before any command: --help, --version, and a noun alone. NULL-like -1 when it is none of
 * them. */
static int special(int argc, char **argv)
{
    if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 ||
        strcmp(argv[0], "help") == 0) {
        help_all();
        return argc == 0 ? error_exit_code(ERROR_USAGE) : 0;
    }
    if (strcmp(argv[0], "--version") == 0) {
        puts("zoe " ZOE_VERSION);
        return 0;
    }
    return -1;
}

static bool is_noun(const char *word)
{
    int count;
    const struct command *const *rows = commands_all(&count);
    for (int i = 0; i < count; i++)
        if (strcmp(rows[i]->noun, word) == 0) return true;
    return false;
}

static int noun_help(int argc, char **argv)
{
    if (!is_noun(argv[0])) return unknown(argc, argv);
    if (argc > 1 && strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "-h") != 0)
        return unknown(argc, argv);
    printf("Usage: zoe %s VERB [options]\n\n", argv[0]);
    help_noun(argv[0]);
    return argc > 1 ? 0 : error_exit_code(ERROR_USAGE);
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN);
    if (sodium_init() < 0) return error_exit_code(ERROR_INTERNAL);
    log_set_name("zoe");
    log_set_level(LOG_WARN);
    argc--, argv++;
    int words, leading = call_leading(argc, argv);
    int code = special(argc - leading, argv + leading);
    if (code >= 0) return code;
    const struct command *command = commands_find(argc - leading, argv + leading, &words);
    if (!command) return noun_help(argc - leading, argv + leading);
    call_move_leading(leading, words, argv);
    struct call call;
    struct error err = {0};
    bool help;
    if (!call_parse(&call, command, argc - words, argv + words, &help, &err))
        return call_fail(&call, &err);
    if (help) {
        help_command(command);
        return 0;
    }
    code = command->run(&call);
    if (fflush(stdout) != 0 && code == 0) code = error_exit_code(ERROR_IO);
    return code;
}

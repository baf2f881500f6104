/* --help, printed from the rows. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/output.h"

#define NARROWEST 20

/* Bytes of the line that `text` begins with: to its end, or to the last blank within `room`. */
static int line_length(const char *text, int room)
{
    int blank = 0, i = 0;
    for (; text[i] != '\0' && text[i] != '\n'; i++) {
        if (i > room && blank > 0) return blank;
        if (text[i] == ' ' && i > 0 && text[i - 1] != ' ') blank = i;
    }
    return i > room && blank > 0 ? blank : i;
}

/* Words stay whole on a terminal, and lines but the first stand under `indent` blanks. Programs get
 * one line. */
static void print_words(const char *text, int indent)
{
    int room = output_is_terminal(1) ? output_columns() - indent : INT_MAX;
    if (room < NARROWEST) room = NARROWEST;
    for (;;) {
        const int length = line_length(text, room);
        printf("%.*s\n", length, text);
        text += length;
        if (*text == '\0') return;
        text++;
        if (text[-1] == ' ') printf("%*s", indent, "");
    }
}

static void print_options(const struct option *rows)
{
    for (; rows && rows->name; rows++) {
        char left[64];
        if (!*rows->name) {
            printf("\n %s:\n", rows->help);
            continue;
        }
        snprintf(left, sizeof left, "%s%c%s --%s%s%s", rows->letter ? "-" : " ",
                 rows->letter ? rows->letter : ' ', rows->letter ? "," : " ", rows->name,
                 rows->value ? " " : "", rows->value ? rows->value : "");
        printf("  %-30s ", left);
        print_words(rows->help, 33);
    }
}

void help_command(const struct command *command)
{
    printf("zoe %s%s%s: %s\n\nUsage: zoe %s%s%s [options]%s%s\n", command->noun,
           command->verb ? " " : "", command->verb ? command->verb : "", command->summary,
           command->noun, command->verb ? " " : "", command->verb ? command->verb : "",
           *command->arguments ? " " : "", command->arguments);
    if (command->details) {
        puts("");
        print_words(command->details, 0);
    }
    if (command->options && command->options->name) {
        if (*command->options->name) puts("\nOptions:");
        print_options(command->options);
    }
    puts("\nCommon options:");
    print_options(commands_common_options());
}

static void print_row(const struct command *c)
{
    char left[64];
    snprintf(left, sizeof left, "%s%s%s %s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
             c->arguments);
    printf("  %-34s ", left);
    print_words(c->summary, 37);
}

void help_noun(const char *noun)
{
    int count;
    const struct command *const *rows = commands_all(&count);
    for (int i = 0; i < count; i++)
        if (!rows[i]->hidden && (!noun || strcmp(rows[i]->noun, noun) == 0)) print_row(rows[i]);
}

void help_all(void)
{
    puts("zoe: a render farm for text-to-video diffusion\n\n"
         "Usage: zoe COMMAND [options]\n\n"
         "  zoe render \"a red circle moving right\" -o clip.mp4     one clip, on this machine\n"
         "  zoe submit prompts.txt --seeds 4 --out clips            a file of prompts, four seeds "
         "each\n\n"
         "Commands:");
    help_noun(NULL);
    puts("");
    print_words(
        "`zoe COMMAND --help` tells the options of one; those that are common to all may stand "
        "before it.\n"
        "Exit codes: 0 ok, 1 some tasks failed, 2 usage, 3 not found, 4 coordinator unreachable, "
        "5 not authorised, "
        "6 refused, 7 wrong state, 8 incompatible version, 124 time-out, 130 interrupted.",
        0);
}

/* zoe task show|logs: what was tried of a clip, and what the engine said of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/question.h"

static int ask(struct call *call, question_print print)
{
    char *text = xstrdup(call->arguments[0]);
    Farm__TaskWanted body = FARM__TASK_WANTED__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    body.subject = text;
    request.body_case = FARM__ENVELOPE__BODY_TASK_WANTED;
    request.task_wanted = &body;
    int code = question_run(call, &request, FARM__ENVELOPE__BODY_TASK_SHOWN, "zoe.task.v1", print);
    free(text);
    return code;
}

/* ---- show ---- */

static const char *end_words(const Farm__AttemptShown *a)
{
    return a->end[0] != '\0' ? a->end : "running";
}

static void add_row(struct output_table *t, const Farm__AttemptShown *a)
{
    char begun[80], took[80] = "-";
    output_age(a->begun_ms, begun, sizeof begun);
    if (a->ended_ms > a->begun_ms)
        clock_duration_text((int64_t)(a->ended_ms - a->begun_ms) * NS_PER_MS, took, sizeof took);
    output_table_cell(t, "%u", a->task);
    output_table_cell(t, "%llu", (unsigned long long)a->fence);
    output_table_cell(t, "%s", a->worker);
    output_table_cell(t, "%s", begun);
    output_table_cell(t, "%s", took);
    output_table_cell(t, "%u", a->steps_computed);
    output_table_cell(t, "%u", a->steps_wasted);
    output_table_cell(t, "%s", end_words(a));
    output_table_cell(t, "%s", a->message);
}

static void print_attempts(const Farm__TaskShown *m)
{
    static const char *const TITLES[] = {"TASK",  "FENCE",  "WORKER", "BEGUN",  "TOOK",
                                         "STEPS", "WASTED", "END",    "MESSAGE"};
    struct output_table *t = output_table_create(TITLES, 9);
    for (size_t i = 0; i < m->n_attempts; i++)
        add_row(t, m->attempts[i]);
    if (m->truncated) puts("Older attempts are left out.");
    output_table_print(t);
}

/* A quote inside of single quotes: the string ends, an escaped quote, the string goes on. */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    }
    putchar('\'');
}

static void print_again(const Farm__TaskShown *m)
{
    fputs("Again: printf '%s\\n' ", stdout);
    print_quoted(m->recipe);
    fputs(" | zoe submit - --again\n", stdout);
}

static bool has_log(const Farm__TaskShown *m)
{
    for (size_t i = 0; i < m->n_attempts; i++)
        if (m->attempts[i]->log_tail[0] != '\0') return true;
    return false;
}

static void print_task(const struct call *call, const Farm__Envelope *answer)
{
    const Farm__TaskShown *m = answer->task_shown;
    const Farm__Clip *c = m->clip;
    if (call->quiet) {
        puts(c->state);
        return;
    }
    printf("%sClip %s%s is %s%s%s", output_colour(1, COLOUR_BOLD), m->subject,
           output_colour(1, COLOUR_NONE), output_colour(1, output_state_colour(c->state)), c->state,
           output_colour(1, COLOUR_NONE));
    if (c->why[0] != '\0') printf(": %s, %s", c->why, c->message);
    printf("\n  %s, seed %lld\n", c->prompt, (long long)c->seed);
    if (m->n_attempts > 0) print_attempts(m);
    if (has_log(m)) printf("Logs: zoe task logs %s\n", m->subject);
    print_again(m);
}

static int run_show(struct call *call)
{
    return ask(call, print_task);
}

/* ---- logs ---- */

/* A worker's words must not steer the terminal: C0 (but line ends and tabs), DEL and C1 go. */
static void print_log(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned char last = '\n';
    for (; *s != '\0'; s++) {
        bool is_c1 = s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0;
        bool steers = (*s < 0x20 && *s != '\n' && *s != '\t') || *s == 0x7f || is_c1;
        last = steers ? '?' : *s;
        putchar(last);
        s += is_c1;
    }
    if (last != '\n') putchar('\n');
}

static bool is_asked_for(const struct call *call, const Farm__AttemptShown *a)
{
    const char *fence = call_option(call, "attempt");
    char own[32];
    (void)snprintf(own, sizeof own, "%llu", (unsigned long long)a->fence);
    return fence == NULL || strcmp(fence, own) == 0;
}

static void print_logs(const struct call *call, const Farm__Envelope *answer)
{
    const Farm__TaskShown *m = answer->task_shown;
    size_t printed = 0;
    for (size_t i = 0; i < m->n_attempts; i++) {
        const Farm__AttemptShown *a = m->attempts[i];
        if (!is_asked_for(call, a) || a->log_tail[0] == '\0') continue;
        fprintf(stderr, "%stask %u, fence %llu on %s: %s%s\n", output_colour(2, COLOUR_BOLD),
                a->task, (unsigned long long)a->fence, a->worker, end_words(a),
                output_colour(2, COLOUR_NONE));
        fflush(stderr);
        print_log(a->log_tail);
        fflush(stdout);
        printed++;
    }
    if (printed == 0)
        fprintf(stderr, "No attempt left a log; `zoe task show %s` lists them\n", m->subject);
}

static int run_logs(struct call *call)
{
    return ask(call, print_logs);
}

#define SUBJECTS                                                                                   \
    "BATCH/CLIP is a clip with all its tasks, BATCH/CLIP.TASK one of them; BATCH may be `last`.\n"

const struct command command_task_show = {
    "task",
    "show",
    "BATCH/CLIP[.TASK]",
    1,
    1,
    "tell what was tried of a clip, and how to make it again",
    SUBJECTS "Every attempt with its worker, its end and why; the last line makes the clip again.",
    NULL,
    run_show,
    false};

static const struct option LOGS_OPTIONS[] = {
    {"attempt", 0, "FENCE", "of this attempt only"},
    {0},
};

const struct command command_task_logs = {
    "task",
    "logs",
    "BATCH/CLIP[.TASK]",
    1,
    1,
    "print what the engine said in attempts that failed",
    SUBJECTS "The end of the engine's stderr is kept, at most 8 KiB an attempt.",
    LOGS_OPTIONS,
    run_logs,
    false};

/* zoe explain: why something is as it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/question.h"

/* Most lines give a reason; some go on with the sentence. */
static const char *joint(const char *line)
{
    static const struct {
        const char *beginning, *joint;
    } on[] = {{"as ", " "}, {"after ", " "}, {"for ", " "}, {"with ", " "}, {"kept ", ", "}};
    for (size_t i = 0; i < sizeof on / sizeof on[0]; i++)
        if (strncmp(line, on[i].beginning, strlen(on[i].beginning)) == 0) return on[i].joint;
    return ": ";
}

static void print(const struct call *call, const Farm__Envelope *answer)
{
    const Farm__Explained *e = answer->explained;
    if (call->quiet) {
        puts(e->code);
        return;
    }
    printf("%s%s %s%s is %s%s%s%s%s\n", output_colour(1, COLOUR_BOLD), e->kind, e->subject,
           output_colour(1, COLOUR_NONE), output_colour(1, output_state_colour(e->state)), e->state,
           output_colour(1, COLOUR_NONE), joint(e->line), e->line);
    for (size_t i = 1; i < e->n_reasons; i++)
        printf("  %llu more: %s\n", (unsigned long long)e->reasons[i]->count,
               e->reasons[i]->message);
}

static int run_explain(struct call *call)
{
    char *text = xstrdup(call->arguments[0]);
    Farm__ExplainWanted body = FARM__EXPLAIN_WANTED__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    body.subject = text;
    request.body_case = FARM__ENVELOPE__BODY_EXPLAIN_WANTED;
    request.explain_wanted = &body;
    int code =
        question_run(call, &request, FARM__ENVELOPE__BODY_EXPLAINED, "zoe.explain.v1", print);
    free(text);
    return code;
}

const struct command command_explain = {
    "explain",
    NULL,
    "SUBJECT",
    1,
    1,
    "why a batch, clip, task or worker is as it is",
    "SUBJECT is BATCH, BATCH/CLIP, BATCH/CLIP.TASK or the name of a worker; BATCH may be `last`.\n"
    "The answer is one line; with --json it has a stable `code` (where there is no reason: the\n"
    "state), with --quiet it is that code.",
    NULL,
    run_explain,
    false};

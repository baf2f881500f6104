/* prompt: what a prompt says, read once before the first step.
 *
 * PROMPT_PLAIN takes the text as it is. PROMPT_A1111 reads the notation of A1111's web UI (its
 * wiki, "Features", describes it; docs/engine.md, "Prompts", has our rules):
 *
 *     (x) [x] (x:1.3)      weights: times 1.1, divided by 1.1, times 1.3; they multiply when nested
 *     \( \) \[ \] \\       the character itself
 *     [a:b:0.4] [a::5]     a before 0.4 of the steps (a number with a point) or before the sixth
 *                          step, then b; [b:5] has no a
 *     [a|b|c]              a, b, c, a, .. one a step
 *     BREAK                begins a new chunk
 *
 * Schedules are resolved first, so that a weight may stand in one. Brackets that do not match, or
 * say none of this, are text to the schedules; to the weights an open one that never closes reaches
 * to the end. Pure; text is valid UTF-8. */
#ifndef ZOE_BASE_PROMPT_H
#define ZOE_BASE_PROMPT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define PROMPT_NESTING_MAX 64  /* brackets within brackets */
#define PROMPT_TEXTS_MAX 128   /* different texts over the steps of a clip */
#define PROMPT_WEIGHT_MAX 1000 /* either sign, all brackets together */

enum prompt_syntax { PROMPT_PLAIN, PROMPT_A1111 };

/* What a checked recipe says of it; PROMPT_PLAIN when it says nothing. */
enum prompt_syntax prompt_syntax_of(const json_t *recipe);

struct prompt_part {
    char *text; /* may be empty */
    double weight;
    bool new_chunk; /* a BREAK stands before it */
};

/* Neighbours differ in weight, or a chunk begins; at least one part. */
struct prompt_text {
    int count;
    struct prompt_part *parts;
};

struct prompt {
    int text_count;
    struct prompt_text *texts; /* all different */
    int steps;
    int *text_at; /* [steps]: which text a step hears */
};

/* ERROR_USAGE names the character, counted from 1, where a limit is passed or a weight is no
 * number. 1 <= steps. prompt_finish is right afterwards in any case. */
bool prompt_parse(struct prompt *p, const char *text, enum prompt_syntax syntax, int steps,
                  struct error *err);
void prompt_finish(struct prompt *p);

/* Whether prompt_parse would take it; a plain prompt costs nothing. */
bool prompt_check(const char *text, enum prompt_syntax syntax, int steps, struct error *err);

/* ---- its halves, for prompt_parse and tests ---- */

/* Schedules: the text of every step, owned by the caller; texts[k] stands for all k with the same
 * index. */
struct prompt_schedule {
    int count;    /* of different texts */
    char **texts; /* in order of first appearance */
    int *text_at; /* [steps] */
};
bool prompt_schedule(struct prompt_schedule *s, const char *text, int steps, struct error *err);
void prompt_schedule_finish(struct prompt_schedule *s);

/* Weights of one text without schedules. */
bool prompt_weigh(struct prompt_text *out, const char *text, struct error *err);
void prompt_text_finish(struct prompt_text *t);

/* ERROR_USAGE "character N: ..." for the byte at `place`. */
bool prompt_error(struct error *err, const char *text, const char *place, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif

/* Which text a step hears: [before:after:when] and [a|b]. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/prompt.h"
#include "base/text.h"
#include "base/xalloc.h"

#define NUMBER_MAX_BYTES 32

/* A text and where its brackets close: match[i] is the place of the bracket that closes the one at
 * i, 0 for one that is plain text. */
struct source {
    const char *text;
    size_t size;
    size_t *match;
    int steps, step; /* counted from 0 */
    int until;       /* the text said at `step` is that of the steps before this one too */
};

/* ---- brackets ---- */

static bool closes(char open, char close)
{
    return (open == '(' && close == ')') || (open == '[' && close == ']');
}

/* A closing bracket of the wrong kind makes all open ones plain text: none of them can hold it. */
static bool match_brackets(struct source *s, struct error *err)
{
    size_t open[PROMPT_NESTING_MAX];
    int depth = 0;
    for (size_t i = 0; i < s->size; i++) {
        const char c = s->text[i];
        if (c == '\\' && i + 1 < s->size) {
            i++;
        } else if (c == '(' || c == '[') {
            if (depth == PROMPT_NESTING_MAX)
                return prompt_error(err, s->text, s->text + i, "brackets nested more than %d deep",
                                    PROMPT_NESTING_MAX);
            open[depth++] = i;
        } else if ((c == ')' || c == ']') && depth > 0) {
            if (closes(s->text[open[depth - 1]], c))
                s->match[open[--depth]] = i;
            else
                depth = 0;
        }
    }
    return true;
}

/* The first `wanted` of this bracket's own, from `from` on and before `to`; `to` when there is
 * none. */
static size_t find_own(const struct source *s, size_t from, size_t to, char wanted)
{
    for (size_t i = from; i < to; i++) {
        if (s->text[i] == wanted) return i;
        if (s->text[i] == '\\')
            i++;
        else if (s->match[i] != 0)
            i = s->match[i];
    }
    return to;
}

/* ---- numbers ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Decimal digits, perhaps a sign and one point. */
static bool is_number(const char *text)
{
    int digits = 0, points = 0;
    if (*text == '+' || *text == '-') text++;
    for (; *text != '\0'; text++) {
        digits += *text >= '0' && *text <= '9';
        points += *text == '.';
        if (*text != '.' && (*text < '0' || *text > '9')) return false;
    }
    return digits > 0 && points <= 1;
}

/* The step from which on a schedule says its second text. */
static bool read_when(struct source *s, size_t from, size_t to, int *when)
{
    char number[NUMBER_MAX_BYTES];
    double value;
    while (from < to && is_space(s->text[from]))
        from++;
    while (to > from && is_space(s->text[to - 1]))
        to--;
    if (to - from >= sizeof number) return false;
    memcpy(number, s->text + from, to - from);
    number[to - from] = '\0';
    if (!is_number(number) || !text_parse_double(number + (number[0] == '+'), &value)) return false;
    if (strchr(number, '.') != NULL) value *= s->steps;
    *when = value >= s->steps ? s->steps : value < 0 ? 0 : (int)value;
    if (*when > s->step && *when < s->until) s->until = *when;
    return true;
}

/* ---- a step's text ---- */

static void say(struct source *s, size_t from, size_t to, struct buf *out);

/* "before:after:when" or "after:when" between from and to. */
static bool say_schedule(struct source *s, size_t from, size_t to, struct buf *out)
{
    const size_t first = find_own(s, from, to, ':'), second = find_own(s, first + 1, to, ':');
    int when;
    if (first == to) return false;
    if (second >= to) {
        if (!read_when(s, first + 1, to, &when)) return false;
        if (s->step >= when) say(s, from, first, out);
        return true;
    }
    if (find_own(s, second + 1, to, ':') < to || !read_when(s, second + 1, to, &when)) return false;
    if (s->step < when)
        say(s, from, first, out);
    else
        say(s, first + 1, second, out);
    return true;
}

static bool say_turn(struct source *s, size_t from, size_t to, struct buf *out)
{
    int count = 1;
    for (size_t i = find_own(s, from, to, '|'); i < to; i = find_own(s, i + 1, to, '|'))
        count++;
    if (count == 1) return false;
    s->until = s->step + 1;
    size_t end = find_own(s, from, to, '|');
    for (int turn = s->step % count; turn > 0; turn--) {
        from = end + 1;
        end = find_own(s, from, to, '|');
    }
    say(s, from, end, out);
    return true;
}

static void say(struct source *s, size_t from, size_t to, struct buf *out)
{
    for (size_t i = from; i < to; i++) {
        const size_t end = s->match[i];
        if (s->text[i] == '[' && end != 0 &&
            (say_schedule(s, i + 1, end, out) || say_turn(s, i + 1, end, out))) {
            i = end;
            continue;
        }
        buf_append_char(out, s->text[i]);
        if (s->text[i] == '\\' && i + 1 < to) buf_append_char(out, s->text[++i]);
    }
}

/* ---- all steps ---- */

/* Index of the text, which is added when it is new; -1 when there are too many. */
static int keep(struct prompt_schedule *s, const char *text)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->texts[i], text) == 0) return i;
    if (s->count == PROMPT_TEXTS_MAX) return -1;
    s->texts[s->count] = xstrdup(text);
    return s->count++;
}

static bool say_steps(struct prompt_schedule *out, struct source *s, struct error *err)
{
    struct buf text = BUF_INIT;
    bool ok = true;
    for (s->step = 0; ok && s->step < s->steps; s->step = s->until) {
        s->until = s->steps;
        buf_clear(&text);
        say(s, 0, s->size, &text);
        const int index = keep(out, buf_text(&text));
        ok = index >= 0;
        for (int step = s->step; step < s->until; step++)
            out->text_at[step] = index;
    }
    buf_finish(&text);
    return ok ? true
              : error_set(err, ERROR_USAGE, "its schedules say more than %d different texts",
                          PROMPT_TEXTS_MAX);
}

bool prompt_schedule(struct prompt_schedule *out, const char *text, int steps, struct error *err)
{
    struct source s = {.text = text, .size = strlen(text), .steps = steps};
    *out = (struct prompt_schedule){0};
    out->texts = xcalloc(PROMPT_TEXTS_MAX, sizeof *out->texts);
    out->text_at = xcalloc((size_t)steps, sizeof *out->text_at);
    s.match = xcalloc(s.size + 1, sizeof *s.match);
    const bool ok = match_brackets(&s, err) && say_steps(out, &s, err);
    free(s.match);
    return ok;
}

void prompt_schedule_finish(struct prompt_schedule *s)
{
    for (int i = 0; i < s->count; i++)
        free(s->texts[i]);
    free(s->texts);
    free(s->text_at);
    *s = (struct prompt_schedule){0};
}
